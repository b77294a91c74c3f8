"""The handle in which the Python package's calls keep their workspaces: used again, by all threads, after a fork."""
import os
import signal
import subprocess
import sys
import threading

import numpy as np

from job import ROOT
from multiplet import library
from multiplet.backend import Library, Options


def make(n, count, dtype, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((count, n, n)).astype(dtype)
    if a.dtype.kind == "c":
        a += 1j * rng.standard_normal(a.shape)
    return a + a.conj().swapaxes(-1, -2)


PROGRAM = """
import numpy as np
from multiplet.backend import Library, Options
a, options = np.diag([1.0, 2.0, 4.0])[None], Options(triangle="full", solver="{solver}")
for _ in range(5):
    w, v, _ = Library().eigh(a, options, vectors=True)
    assert w.tolist() == [[1, 2, 4]]
print("done")
"""


def opened(solver):
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(solver=solver)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "src/python"), "MULTIPLET_LOG": "debug"})
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    return [line for line in done.stderr.splitlines() if "opened a workspace" in line]


def test_workspaces_are_used_again():
    for solver in "lanes", "lapack":
        assert opened(solver) == [f"multiplet: debug: rank 0: opened a workspace of {solver} for float64, n = 3"]


def solve(a, solver):
    w, v, _ = Library().eigh(a, Options(triangle="full", solver=solver), vectors=True)
    return w.tobytes() + v.tobytes()


def alone(a, solver):
    """The same without the handle."""
    handle, library.load().handle = library.load().handle, None
    try:
        return solve(a, solver)
    finally:
        library.load().handle = handle


SUBJECTS = [(make(n, count, dtype, n), solver) for n, count in ((4, 1), (4, 70), (20, 3)) for dtype in ("f4", "c16")
            for solver in ("lanes", "lapack")]


def test_threads_share_it():
    assert library.load().handle
    right, wrong = [alone(*subject) for subject in SUBJECTS], []

    def work(first):
        for turn in range(300):
            k = (first + turn) % len(SUBJECTS)
            if solve(*SUBJECTS[k]) != right[k]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(4 * t,)) for t in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_after_a_fork_in_the_middle_of_calls():
    """Whatever the other threads of the parent were doing, the child has a handle that works."""
    right, stop = [alone(*subject) for subject in SUBJECTS], threading.Event()

    def work():
        while not stop.is_set():
            solve(*SUBJECTS[0])

    threads = [threading.Thread(target=work) for _ in range(2)]
    [t.start() for t in threads]
    try:
        for _ in range(20):
            child = os.fork()
            if not child:
                signal.alarm(20)
                os._exit(0 if [solve(*subject) for subject in SUBJECTS] == right else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        [t.join() for t in threads]
