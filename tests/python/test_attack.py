"""Samples of tests/attack; the whole is `bash tests/run.sh --attack HOURS`."""
import subprocess
import sys

import pytest

from job import ROOT

sys.path.insert(0, str(ROOT / "tests/attack"))
import kills  # noqa: E402
import many_requests  # noqa: E402
import torture  # noqa: E402
import writers  # noqa: E402


def test_torture():
    """Every kind of matrix, through some twenty jobs drawn at random."""
    cases, wrong = torture.run(8000, seed=1)
    assert cases >= 8000 and not wrong


def test_kills():
    assert kills.attack(6, seed=1)[2] >= 1


def test_writers():
    assert writers.attack(5, seed=3)[0] == 5


def test_many_requests():
    count, memory, _ = many_requests.attack(1200)
    assert count == 1200 and memory[-1] < memory[0] + 12e6


def test_fuzzers():
    """Some seconds each, from the seeds; where clang is."""
    script = ROOT / "tests/attack/fuzz/run.sh"
    if subprocess.run(["sh", "-c", "command -v clang"], capture_output=True).returncode:
        pytest.skip("no clang")
    done = subprocess.run(["bash", str(script), "3", "config", "set", "request", "input"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
