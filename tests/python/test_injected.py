"""A sample of tests/attack/faults.py: allocations and calls on files that fail, one at a time or all from there on.

What each kind of hole looked like stands beside it as a test of its own.
"""
import subprocess
import sys

import h5py
import numpy as np
import pytest

from job import *

sys.path.insert(0, str(ROOT / "tests/attack"))
import faults # noqa: E402


@pytest.mark.parametrize("jobs,kinds,ranks,count", [
    ("forward functions second fresh continued", "memory posix hdf5", 1, 3),
    ("plan show show-one check sample", "memory posix hdf5", 1, 2),
    ("service", "memory posix full", 1, 2),
    ("forward spread", "memory posix", 2, 1),
])
def test_a_sample(jobs, kinds, ranks, count):
    said = []
    assert not faults.attack(jobs.split(), kinds.split(), (ranks,), count, parallel=2, say=said.append), "\n".join(said)


def preloaded(kind, path, ranks=1, **variables):
    """The job with calls failing; the driver's names of variables without their prefix."""
    line = command(path, ranks=ranks)
    at = line.index(MULTIPLET)
    inject = [f"INJECT_{name.upper()}={value}" for name, value in variables.items()]
    line = [*line[:at], "env", *inject, f"LD_PRELOAD={faults.LIBRARIES}/libinject_{kind}.so", *line[at:]]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def error_of(done):
    lines = [line for line in done.stderr.splitlines() if "multiplet: error: " in line]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture
def small(tmp_path):
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(1), 6, 5))
    return config(tmp_path)


@pytest.mark.parametrize("ranks,names", [(1, " close lseek fsync "), (2, " close pwrite ")])
def test_a_close_that_fails_is_told(small, ranks, names):
    """A crash in MPI_Finalize, or the other rank waited for ever in HDF5's own close."""
    output = small.parent / "job-out.h5"
    run(small, ranks=ranks)
    codes = []
    for back in range(-1, 8): # the last calls of the run; the very last let go of the lock, which hurts nobody
        with h5py.File(output, "a") as f:
            f.attrs.modify("complete", np.int32(0))
            f["H/status"][:] = 0
        calls = small.parent / "calls"
        at = len(calls.read_text().splitlines()) - back if back >= 0 else 0
        done = preloaded("posix", small, ranks, under=output, rank=0, at=at, names=names,
                         log=calls if at == 0 else "/dev/null")
        codes.append(done.returncode)
        if done.returncode:
            error_of(done)
    assert codes[0] == 0 and codes.count(5) >= 2 and set(codes) == {0, 5}
    run(small)


@pytest.mark.parametrize("ranks", [1, 2])
def test_readers_do_not_hinder(small, ranks):
    """h5py and the tools lock what they read, and the end of a run wanted a lock of its own."""
    output = small.parent / "job-out.h5"
    run(small)
    whole = read(output)
    with h5py.File(output, "a") as f:
        f.attrs.modify("complete", np.int32(0))
        f["H/status"][3:] = 0
    with h5py.File(output, "r"):
        run(small, ranks=ranks)
    same(read(output), whole)
    assert read(output)["attributes"]["complete"] == 1


def test_a_limit_on_file_sizes_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("OMPI_MCA_ess_singleton_isolated", "1") # MPI's own files stay below it
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(1), 60, 40))
    path = config(tmp_path)
    for kib in 50, 500, 1500:
        done = subprocess.run(["bash", "-c", f"ulimit -f {kib}; exec {MULTIPLET} run {path}"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 5 and "File too large" in error_of(done), (kib, done.stderr)
    run(path)


def test_a_failure_to_look_is_no_absence(tmp_path):
    """A cotangent that could not be read was taken for one that is not there: a wrong gradient, and OK."""
    rng = np.random.default_rng(1)
    write(tmp_path / "in.h5", H=hermitian(rng, 2, 4))
    write(tmp_path / "c.h5", **{"H/eigenvalues": rng.standard_normal((2, 4)),
                                "H/eigenvectors": rng.standard_normal((2, 4, 4)) + 0j})
    path = config(tmp_path, gradient={"cotangents": "c.h5"})
    run(path)
    right = read(tmp_path / "job-out.h5")["gradient"]
    for at in range(1, 12):
        (tmp_path / "job-out.h5").unlink(missing_ok=True)
        done = preloaded("hdf5", path, at=at, names=" H5Dopen2 H5Lexists ")
        if done.returncode == 0:
            assert np.array_equal(read(tmp_path / "job-out.h5")["gradient"], right), at
        else:
            assert done.returncode in (3, 5) and error_of(done)


def test_a_rank_that_fails_before_mpi_says_why(small):
    """Its config cannot be read there, and rank 0 has nothing to complain of."""
    done = preloaded("memory", small, ranks=2, rank=1, at=5)
    assert done.returncode == 2 and "out of memory" in error_of(done)
    done = preloaded("posix", small, ranks=2, rank=1, at=1, under=f"{small.parent}/", names=" fopen ")
    assert done.returncode == 2 and "cannot open config" in error_of(done)


def test_an_answer_that_finds_no_room(tmp_path):
    """Its outcome alone is tried; where that cannot be written either, the request itself goes to failed."""
    job = faults.JOBS["service"](tmp_path / "job")
    job.learn(1)
    for lasts, where in ("1", "done"), ("0", "failed"):
        job.restore()
        environment = {"INJECT_UNDER": f"{job.at}/spool/work/", "INJECT_AT": "1", "INJECT_LASTS": lasts,
                       "INJECT_NAMES": " fclose "}
        done = job.run(1, environment, faults.library_of("posix"))
        assert done.code == 0, done.err
        [answer] = job.answered()
        assert answer.parent.name == where
        assert ("outcome: {exit: 0," in answer.read_text()) == (where == "done")
        assert (read(job.at / "out.h5")["status"] == OK).all()
