"""A real SLURM on this machine, for as long as the tests last.

munged, slurmctld and slurmd run in the foreground as our children, with their own ports, key, socket
and state in one temporary directory; nothing is read from or written to /etc.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

HOST = socket.gethostname().split(".")[0]
SEVERAL_NODES = subprocess.run(["unshare", "--uts", "true"], capture_output=True).returncode == 0
# Nodes on this machine, with so many CPUs, whatever it has: two for any job, and a third for jobs that wait for
# their time limit. Each slurmd has a host name of its own (a UTS namespace), so that SLURM, mpirun and the ranks
# take them for machines of their own, which talk over the loopback device. Where namespaces are denied there is one
# node, with the machine's name, so that mpirun sees that it is there already.
NODES = {"multiplet1": 2, "multiplet2": 2, "multiplet3": 6} if SEVERAL_NODES else {HOST: 8}
DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "scontrol", "scancel", "squeue", "sinfo")
START_SECONDS = 30
STOP_SECONDS = 15
FINISHED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}

# cred_expire is also the time a requeued job has to wait before it starts again: 120 s if not set, or
# if less than 5.
# config_overrides keeps CPUS valid on a machine that has fewer. Job records stay (MinJobAge) so that
# a finished job can be asked about.
CONFIG = """\
ClusterName=multiplet
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
TmpFS={root}/tmp-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
SlurmctldDebug=debug2
SlurmdDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1
PriorityType=priority/basic
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=10
OverTimeLimit=0
MinJobAge=3600
CompleteWait=0
InactiveLimit=0
{nodes}
PartitionName=test Nodes={usual} Default=YES MaxTime=INFINITE State=UP
PartitionName=limit Nodes={last} MaxTime=INFINITE State=UP
"""


def why_not():
    """The reason why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "needs root: slurmd starts jobs under their user's id"
    missing = [name for name in DAEMONS + COMMANDS if not find_program(name)]
    return f"not installed: {', '.join(missing)} (packages slurm-wlm, munge)" if missing else None


def find_program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_until(condition, seconds, what, interval=0.1):
    """The first true value of condition(); an error that names `what` when it does not come in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come about in {seconds} s")
        time.sleep(interval)


class Cluster:
    """Use as a context manager."""

    def __init__(self):
        # Short and directly under the temporary directory: a socket's path has room for 107 characters.
        self.root = Path(tempfile.mkdtemp(prefix="multiplet-slurm-"))
        self.config = self.root / "slurm.conf"
        # The tests themselves may run inside a job of another cluster.
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SRUN"))}
        self.environment = {**outside, "SLURM_CONF": str(self.config)}
        self.daemons = []

    def __enter__(self):
        try:
            self._prepare()
            self._start_munge()
            self._start("slurmctld", "-D", "-c", "-f", self.config)
            wait_until(self._controller_answers, START_SECONDS, "slurmctld's answer")
            for node in NODES:
                self._start("slurmd", "-D", "-c", "-N", node, "-f", self.config, host=node)
            wait_until(lambda: self.node_states() == ["idle"] * len(NODES), START_SECONDS, "idle nodes")
        except BaseException as error:
            logs = self.logs()
            self.stop()
            raise RuntimeError(f"the cluster did not start\n{logs}") from error
        return self

    def __exit__(self, *_):
        self.stop()

    # Start

    def _prepare(self):
        self.root.chmod(0o755)  # munge's clients, of any user, must reach its socket
        for name in ("munge", "state", *(f"{kind}-{node}" for kind in ("spool", "tmp") for node in NODES)):
            (self.root / name).mkdir(mode=0o755)
        key = self.root / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        controller_port, *node_ports = free_ports(1 + len(NODES))
        nodes = "\n".join(
            f"NodeName={name} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} State=UNKNOWN"
            for (name, cpus), port in zip(NODES.items(), node_ports)
        )
        *usual, last = NODES
        self.config.write_text(
            CONFIG.format(
                root=self.root,
                host=HOST,
                nodes=nodes,
                usual=",".join(usual or [last]),
                last=last,
                controller_port=controller_port,
            )
        )

    def _start_munge(self):
        munge = self.root / "munge"
        self._start(
            "munged",
            "--foreground",
            f"--key-file={self.root}/munge.key",
            f"--socket={munge}/socket",
            f"--pid-file={munge}/pid",
            f"--log-file={munge}/log",
            f"--seed-file={munge}/seed",
        )
        wait_until((munge / "socket").exists, START_SECONDS, "munge's socket")

    def _start(self, name, *arguments, host=None):
        command = [find_program(name), *map(str, arguments)]
        if host and SEVERAL_NODES:
            command = ["unshare", "--uts", "sh", "-c", f'hostname {host} && exec "$0" "$@"', *command]
        self.daemons.append(
            subprocess.Popen(
                # Should we be killed, they end as well.
                ["setpriv", "--pdeathsig", "TERM", *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # they write logs as well
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt from the keyboard is ours to handle
            )
        )

    def _controller_answers(self):
        return self._try("scontrol", "ping").stdout.find(" is UP") >= 0

    # Stop

    def stop(self):
        """Ends every job and daemon, and removes the directory. May be called twice."""
        try:
            self._cancel_all()
        finally:
            for daemon in reversed(self.daemons):
                end(daemon)
            for pid in self._left_behind():
                os.kill(pid, signal.SIGKILL)
            self.daemons = []
            shutil.rmtree(self.root, ignore_errors=True)

    def _cancel_all(self):
        if len(self.daemons) < 2 or not self._controller_answers():
            return
        self._try("scancel", "--user=root")
        try:
            wait_until(lambda: not self._try("squeue", "-h").stdout, STOP_SECONDS, "an empty queue")
        except TimeoutError:
            pass  # what is left is killed below

    def _left_behind(self):
        """Processes of this cluster's jobs: job steps outlive slurmd by design."""
        mark = f"SLURM_CONF={self.config}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in variables and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        return found

    # Use

    def _try(self, *command, cwd=None, environment=()):
        return subprocess.run(
            list(map(str, command)),
            env={**self.environment, **dict(environment)},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def command(self, *command, **options):
        """The standard output of a SLURM command that has to succeed."""
        done = self._try(*command, **options)
        assert done.returncode == 0, f"{command}: {done.stderr}\n{self.logs()}"
        return done.stdout

    def node_states(self):
        return self._try("sinfo", "-h", "-N", "-o", "%T").stdout.split()

    def submit(self, *arguments, directory, environment=()):
        """Submits and returns the job's number."""
        out = self.command("sbatch", "--parsable", *arguments, cwd=directory, environment=environment)
        return int(out.split(";")[0])

    def job(self, number):
        """What SLURM knows about a job, as a dictionary."""
        text = self.command("scontrol", "show", "job", "-o", number)
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def wait_for_state(self, number, states, seconds):
        def reached():
            job = self.job(number)
            return job if job["JobState"] in states else None

        try:
            return wait_until(reached, seconds, f"job {number} in {sorted(states)}", interval=0.2)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.job(number)}\n{self.logs()}") from None

    def wait_for_end(self, number, seconds):
        return self.wait_for_state(number, FINISHED, seconds)

    def logs(self):
        """The end of every daemon's log, for the message of a failed test."""
        parts = []
        for path in sorted(self.root.glob("slurm*.log")) + [self.root / "munge" / "log"]:
            if path.exists():
                lines = path.read_text(errors="replace").splitlines()
                parts += [f"--- {path.name}", *[line for line in lines if " debug2: " not in line][-15:]]
        return "\n".join(parts)


def end(process):
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
