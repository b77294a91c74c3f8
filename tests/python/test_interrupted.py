"""Kills and signals at any moment, and the run that goes on afterwards. Never a hang, never a lost result."""
import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
from job import *


DATASETS = {"small": (300, 24), "middle": (40, 120), "large": (24, 260)}
PROBLEMS = sum(count for count, _ in DATASETS.values())


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A job of a second or so, of several sizes, its cotangents, and its undisturbed results."""
    directory = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(1)
    for name, (count, n) in DATASETS.items():
        write(directory / "in.h5", **{name: hermitian(rng, count, n)})
        write(directory / "cotangents.h5", **{f"{name}/eigenvalues": rng.standard_normal((count, n))})
    path = config(directory, gradient={"cotangents": "cotangents.h5"},
                  run={"checkpoint_seconds": 0.02, "distribute_from": 250})
    for ranks in (1, 2):
        run(path, ranks=ranks)
        (directory / "job-out.h5").rename(directory / f"undisturbed{ranks}.h5")
    return directory


def compare_with_undisturbed(work, ranks=2):
    for group in DATASETS:
        same(read(work / "job-out.h5", group), read(work / f"undisturbed{ranks}.h5", group))


def check_finished_problems(work, ranks=2):
    """Whatever the file calls done is right: the same as undisturbed."""
    done = 0
    for group in DATASETS:
        now, then = read(work / "job-out.h5", group), read(work / f"undisturbed{ranks}.h5", group)
        finished = now["status"] != 0
        done += finished.sum()
        for name in ("eigenvalues", "eigenvectors", "gradient", "multiplet", "status"):
            assert np.array_equal(now[name][finished], then[name][finished]), (group, name)
    return done


def ranks_of(launcher):
    """Process numbers of the ranks that mpirun has started and that live."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            status = open(f"/proc/{entry}/status").read()
        except OSError:
            continue
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if (fields.get("PPid"), fields.get("Name")) == (str(launcher), "multiplet") and fields["State"][0] not in "ZX":
            found.append(int(entry))
    return found


def start(path, ranks=2):
    """A rank alone has Open MPI's daemon, as it has for users."""
    return subprocess.Popen(command(path, ranks=ranks, alone=()), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True)


def wait_for_end(process):
    """Until mpirun has ended; every rank must have.

    mpirun itself may not: when a rank dies within MPI_Init, about one time in two hundred mpirun (Open MPI 4.1 with
    PMIx 4.2) waits for ever for a lock of its own in PMIx_server_finalize, all ranks being gone.
    """
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        assert not ranks_of(process.pid)
        process.kill()
        process.communicate(timeout=30)


def test_kill_9_at_random_moments(work):
    """Thirty times or more: a random rank, a random moment, then the rest; from creation to the last byte."""
    output = work / "job-out.h5"
    chance = random.Random(5)
    begun = time.monotonic()
    run(work / "job.yaml", "--fresh", ranks=2)
    whole = time.monotonic() - begun
    partial = tries = 0
    while tries < 30 or (partial < 3 and tries < 150): # some kills have to come in the middle of the work
        tries += 1
        output.unlink(missing_ok=True)
        process = start(work / "job.yaml")
        while tries % 2 and process.poll() is None and not output.exists():  # every other one in the middle of the work
            time.sleep(0.002)
        time.sleep(chance.uniform(0, whole / 3 if tries % 2 else whole))
        victims = ranks_of(process.pid)
        if victims:
            try:
                os.kill(chance.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_for_end(process)
        if output.exists():
            partial += check_finished_problems(work) not in (0, PROBLEMS)
        run(work / "job.yaml", ranks=2)
        compare_with_undisturbed(work)
    print(f"{partial} of {tries} kills in the middle")
    assert partial >= 3


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
@pytest.mark.parametrize("ranks", [1, 2])
def test_signals_stop_and_continue(work, number, ranks):
    """Sent to one rank only: all stop, write, exit 75."""
    output = work / "job-out.h5"
    for wait in (0.3, 0.4, 0.5, 0.2, 0.6, 0.7, 0.1) * 3:
        output.unlink(missing_ok=True)
        process = start(work / "job.yaml", ranks)
        while process.poll() is None and not output.exists():
            time.sleep(0.005)
        time.sleep(wait * 0.5)
        for rank in ranks_of(process.pid)[-1:] if ranks > 1 else [process.pid]:
            os.kill(rank, number)
        process.communicate(timeout=60)
        if process.returncode == 75:
            break
    assert process.returncode == 75
    finished = check_finished_problems(work, ranks)
    assert finished < PROBLEMS
    for group in DATASETS:
        now = read(output, group)
        begun = now["status"] != 0
        assert np.array_equal(now["diagnostics/started"] > 0, begun), group
        assert (now["diagnostics/started"][~begun] == 0).all() and (now["diagnostics/rank"][~begun] == 0).all(), group
    done = run(work / "job.yaml", ranks=ranks)
    assert f"{PROBLEMS - finished} of {PROBLEMS} problems left" in done.stderr
    compare_with_undisturbed(work, ranks)


def test_complete_result_is_left_alone(work):
    output = work / "job-out.h5"
    output.unlink(missing_ok=True)
    run(work / "job.yaml")
    before = output.read_bytes(), output.stat().st_mtime_ns
    for ranks in (1, 2):
        assert "nothing to do" in run(work / "job.yaml", ranks=ranks).stderr
        assert (output.read_bytes(), output.stat().st_mtime_ns) == before
