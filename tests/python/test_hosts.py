"""The main job over three hosts, and what becomes of it when one of them is lost.

The hosts are network namespaces of this machine with names of their own, joined by a switch; mpirun reaches them by a
script of ours in the place of ssh, and their ranks have TCP between them and nothing else. Files are on a file system
that all share."""
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from job import *

HOSTS = 3
DATASETS = {"small": (300, 24), "middle": (120, 150), "large": (6, 260)}
PROBLEMS = sum(count for count, _ in DATASETS.values())
# As ssh is called: agent HOST COMMAND. A host's number is its address's last.
AGENT = """#!/bin/sh
number=${{1##*.}}
shift
exec ip netns exec {name}-$number unshare --uts sh -c "hostname host$number; $*"
"""


# Reads a file that is being written: the lock is left alone by a process of its own.
AWAIT = """
import sys, time, h5py
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        with h5py.File(sys.argv[1]) as f:
            if sum((f[name]["status"][:] != 0).sum() for name in f) >= int(sys.argv[2]):
                break
    except (OSError, KeyError):
        pass
    time.sleep(0.01)
"""


class Network:
    """Namespaces NAME-1, -2, -3 with addresses 10.77.0.1 and so on, and NAME-switch, all of our own."""

    def __init__(self, directory):
        self.name, self.agent = f"mpt{os.getpid()}", directory / "agent"
        self.addresses = [f"10.77.0.{k}" for k in range(1, HOSTS + 1)]
        self.made = []

    def ip(self, *words, inside=None):
        where = ["-n", f"{self.name}-{inside}"] if inside else []
        done = subprocess.run(["ip", *where, *words], capture_output=True, text=True, timeout=20)
        if done.returncode:
            raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def __enter__(self):
        try:
            for part in ("switch", *range(1, HOSTS + 1)):
                self.ip("netns", "add", f"{self.name}-{part}")
                self.made.append(part)
                self.ip("link", "set", "lo", "up", inside=part)
            self.ip("link", "add", "bridge", "type", "bridge", inside="switch")
            self.ip("link", "set", "bridge", "up", inside="switch")
            for k, address in enumerate(self.addresses, 1):
                self.ip("link", "add", "wire", "type", "veth", "peer", "name", f"port{k}", "netns",
                        f"{self.name}-switch", inside=k)
                self.ip("address", "add", f"{address}/24", "dev", "wire", inside=k)
                self.ip("link", "set", "wire", "up", inside=k)
                self.ip("link", "set", f"port{k}", "master", "bridge", "up", inside="switch")
            subprocess.run(["unshare", "--uts", "hostname", "host1"], check=True, capture_output=True)
        except BaseException:
            self.__exit__()
            raise
        self.agent.write_text(AGENT.format(name=self.name))
        self.agent.chmod(0o755)
        return self

    def __exit__(self, *_):
        for part in self.made:
            self.kill(part)
            self.ip("netns", "delete", f"{self.name}-{part}")

    def kill(self, part):
        """Power off: no process of the host gets a word out."""
        pids = self.processes(part)
        if pids:
            subprocess.run(["kill", "-9", *pids], capture_output=True)

    def processes(self, part):
        return self.ip("netns", "pids", f"{self.name}-{part}").split()

    def falls_silent(self):
        """No process is left on any host, soon."""
        end = time.monotonic() + 10
        while left := any(self.processes(k) for k in range(1, HOSTS + 1)):
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        return not left

    def unplug(self, k):
        """Pulls the cable."""
        self.ip("link", "set", f"port{k}", "down", inside="switch")

    def plug(self, k):
        """Puts the cable in, and waits until both ends hear of each other again: that takes a second or more."""
        self.ip("link", "set", f"port{k}", "up", inside="switch")
        end = time.monotonic() + 20
        while not (self.reaches(k, 1) and self.reaches(1, k)):
            assert time.monotonic() < end, "the network is not back"
            time.sleep(0.1)

    def reaches(self, k, other):
        """An answer, if only that nobody listens there."""
        call = f"exec 3<>/dev/tcp/{self.addresses[other - 1]}/9"
        done = subprocess.run(["ip", "netns", "exec", f"{self.name}-{k}", "timeout", "2", "bash", "-c", call],
                              capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        return "refused" in done.stderr

    def start(self, *command, osc=None):
        """mpirun on the first host, one rank a host."""
        network = "10.77.0.0/24"
        settings = {"plm": "rsh", "plm_rsh_agent": self.agent, "plm_rsh_no_tree_spawn": 1, "btl": "tcp,self",
                    "pml": "ob1", "btl_tcp_if_include": network, "oob_tcp_if_include": network,
                    # three hosts' ranks wait on one machine's cores
                    "mpi_yield_when_idle": 1,
                    # a host that does not answer is lost after some 4 s
                    "oob_tcp_keepalive_time": 2, "oob_tcp_keepalive_intvl": 1, "oob_tcp_keepalive_probes": 2}
        if osc:
            settings["osc"] = osc
        words = [w for key, value in settings.items() for w in ("--mca", key, str(value))]
        launch = ["mpirun", *words, "-n", str(HOSTS), "--host", ",".join(self.addresses), *map(str, command)]
        inside = ["ip", "netns", "exec", f"{self.name}-1", "unshare", "--uts", "sh", "-c", 'hostname host1; exec "$@"']
        return subprocess.Popen([*inside, "sh", *launch], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *command, **settings):
        process = self.start(*command, **settings)
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            for k in range(1, HOSTS + 1):
                self.kill(k)
            raise
        return process.returncode, out, err


def why_not():
    if os.geteuid() != 0:
        return "needs root: it makes network namespaces"
    missing = [program for program in ("ip", "unshare", "orted") if not shutil.which(program)]
    return f"not installed: {', '.join(missing)} (iproute2, util-linux, Open MPI)" if missing else None


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    try:
        made = Network(tmp_path_factory.mktemp("network")).__enter__()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"network namespaces are not allowed here: {error}")
    yield made
    made.__exit__()


@pytest.fixture(scope="module")
def work(network, tmp_path_factory):
    """The job, its result from three ranks on one host, and the same over three."""
    directory = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(3)
    for name, (count, n) in DATASETS.items():
        write(directory / "in.h5", **{name: hermitian(rng, count, n)})
        write(directory / "cotangents.h5", **{f"{name}/eigenvalues": rng.standard_normal((count, n))})
    path = config(directory, gradient={"cotangents": "cotangents.h5"},
                  run={"checkpoint_seconds": 0.02, "distribute_from": 250})
    run(path, ranks=HOSTS)
    (directory / "job-out.h5").rename(directory / "undisturbed.h5")
    code, _, err = network.run(MULTIPLET, "run", path)
    assert code == 0, err
    compare(directory)
    return path


def compare(directory):
    for group in DATASETS:
        same(read(directory / "job-out.h5", group), read(directory / "undisturbed.h5", group))


def finished_problems(directory):
    """Whatever the file calls done is right."""
    count = 0
    for group in DATASETS:
        now, then = read(directory / "job-out.h5", group), read(directory / "undisturbed.h5", group)
        done = now["status"] != 0
        count += done.sum()
        for name in ("eigenvalues", "eigenvectors", "gradient", "multiplet", "status"):
            assert np.array_equal(now[name][done], then[name][done]), (group, name)
    return count


def test_ranks_are_on_three_hosts(network):
    code, out, err = network.run("sh", "-c", "echo $(hostname) $(ip -o -4 address show wire) $OMPI_COMM_WORLD_RANK")
    assert code == 0, err
    lines = [line.split() for line in sorted(out.splitlines())]
    assert [(line[0], line[4], line[-1]) for line in lines] == [(f"host{k}", f"10.77.0.{k}/24", str(k - 1))
                                                                for k in range(1, HOSTS + 1)]


def test_without_one_sided_communication(network, work):
    """The component for shared memory gives no window between hosts; with another the counter is shared."""
    code, _, err = network.run(MULTIPLET, "run", work, "--fresh", osc="sm")
    assert code == 0 and err.count("work is dealt out beforehand") == 1, err
    compare(work.parent)


@pytest.mark.parametrize("loss", ["killed", "unplugged"])
def test_lost_host(network, work, loss):
    output = work.parent / "job-out.h5"
    for part in (0.2, 0.1, 0.05):
        output.unlink(missing_ok=True)
        process = network.start(MULTIPLET, "run", work)
        subprocess.run([sys.executable, "-c", AWAIT, output, str(int(part * PROBLEMS))], check=True, timeout=90,
                       env={**os.environ, "HDF5_USE_FILE_LOCKING": "FALSE"})
        if loss == "killed":
            network.kill(HOSTS)
        else:
            network.unplug(HOSTS)
        try:
            _, err = process.communicate(timeout=45)
        finally:
            network.kill(HOSTS)  # if the isolated host is still at it
            network.plug(HOSTS)
        assert process.returncode not in (0, 4, 75), (process.returncode, err)
        assert read(output, "small")["attributes"]["complete"] == 0
        finished = finished_problems(work.parent)
        # cut off is not dead: that host may go on writing what it has
        if 0 < finished < PROBLEMS or loss == "unplugged":
            break
    assert 0 < finished and (finished < PROBLEMS or loss == "unplugged")
    assert network.falls_silent(), "a rank outlived its job"
    code, _, err = network.run(MULTIPLET, "run", work)
    assert code == 0, err
    if finished < PROBLEMS:
        assert f"{PROBLEMS - finished} of {PROBLEMS} problems left" in err
    compare(work.parent)
