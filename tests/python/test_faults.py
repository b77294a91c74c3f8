"""What goes wrong: files, disks, memory. Never a hang, never a lost result."""
import os
import shutil
import subprocess

import h5py
import numpy as np
import pytest
from job import *


def error_of(done):
    lines = [line for line in done.stderr.splitlines() if "multiplet: error: " in line]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("ranks", [1, 2])
def test_another_job_is_refused(tmp_path, ranks):
    rng = np.random.default_rng(2)
    solve(tmp_path, hermitian(rng, 3, 5))
    path = tmp_path / "job.yaml"
    before = (tmp_path / "job-out.h5").read_bytes()
    done = run(path, "--set", "degeneracy.tolerance=1e-9", ranks=ranks, expect=2)
    assert "another config" in error_of(done) and "--fresh" in error_of(done)
    with h5py.File(tmp_path / "in.h5", "a") as f:
        f["H"][1, 2, 2] = 7
    done = run(path, ranks=ranks, expect=2)
    assert "another input" in error_of(done) and "--fresh" in error_of(done)
    assert (tmp_path / "job-out.h5").read_bytes() == before
    (tmp_path / "job-out.h5").write_bytes(b"something else")
    assert "not a readable result" in error_of(run(path, ranks=ranks, expect=5))
    (tmp_path / "job-out.h5").unlink()
    run(path, "--fresh", ranks=ranks)
    assert read(tmp_path / "job-out.h5")["attributes"]["complete"] == 1


BAD_INPUTS = {
    "missing": (lambda f: f.unlink(), {}, "No such file"),
    "not HDF5": (lambda f: f.write_bytes(b"hello" * 500), {}, "not an HDF5 file"),
    "truncated": (lambda f: f.write_bytes(f.read_bytes()[:3000]), {}, "truncated"),
    "no such dataset": (lambda f: None, {"datasets": ["/K"]}, "cannot find dataset '/K'"),
    "wrong rank": (lambda f: None, {"datasets": ["/vector"]}, "its rank is not 2 or more"),
    "not square": (lambda f: None, {"datasets": ["/wide"]}, "not square"),
    "wrong type": (lambda f: None, {"datasets": ["/whole"]}, "its type is not"),
    "a group": (lambda f: None, {"datasets": ["/group"]}, "cannot find dataset"),
}


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("case", BAD_INPUTS)
def test_bad_input(tmp_path, case, ranks):
    spoil, keys, text = BAD_INPUTS[case]
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(3), 3, 9), vector=np.ones(3),
          wide=np.ones((3, 4)), whole=np.ones((3, 3), int), **{"group/x": np.ones(2)})
    spoil(tmp_path / "in.h5")
    done = run(config(tmp_path, input={"file": "in.h5", **keys}), ranks=ranks, expect=3)
    assert text in error_of(done) and not (tmp_path / "job-out.h5").exists()


def test_no_square_matrices(tmp_path):
    write(tmp_path / "in.h5", wide=np.ones((3, 4)))
    assert "no square matrices" in error_of(run(config(tmp_path), expect=3))


BAD_COTANGENTS = {
    "shape": ({"H/eigenvalues": np.ones((3, 8))}, "shape"),
    "type": ({"H/eigenvectors": np.ones((3, 9, 9))}, "type"),
    "none": ({"K/eigenvalues": np.ones((3, 9))}, "holds none"),
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("case", BAD_COTANGENTS)
def test_bad_cotangents(tmp_path, case, ranks):
    datasets, text = BAD_COTANGENTS[case]
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(4), 3, 9))
    write(tmp_path / "c.h5", **datasets)
    done = run(config(tmp_path, gradient={"cotangents": "c.h5"}), ranks=ranks, expect=3)
    assert text in error_of(done)


def test_bad_eigenpairs(tmp_path):
    rng = np.random.default_rng(5)
    a, cotangents = hermitian(rng, 3, 9), {"eigenvalues": np.ones((3, 9))}
    solve(tmp_path, a, name="forward")
    path = config(tmp_path, gradient={"cotangents": "cotangents.h5", "eigenpairs": "forward-out.h5"})
    write(tmp_path / "cotangents.h5", **{f"H/{k}": v for k, v in cotangents.items()})
    run(path)
    with h5py.File(tmp_path / "forward-out.h5", "a") as f:
        f.attrs["complete"] = 0
    assert "not complete" in error_of(run(path, "--fresh", expect=3))
    with h5py.File(tmp_path / "forward-out.h5", "a") as f:
        f.attrs["complete"] = 1
        del f["H/eigenvectors"]
    assert "has no eigenvectors" in error_of(run(path, "--fresh", ranks=2, expect=3))
    solve(tmp_path, hermitian(rng, 3, 9), name="forward")
    write(tmp_path / "cotangents.h5", **{f"H/{k}": v for k, v in cotangents.items()})
    (tmp_path / "in.h5").unlink()
    write(tmp_path / "in.h5", H=a)
    assert "not of this input" in error_of(run(path, "--fresh", ranks=2, expect=3))


@pytest.mark.parametrize("ranks", [1, 2])
def test_unwritable_output(tmp_path, ranks):
    write(tmp_path / "in.h5", H=np.eye(3))
    done = run(config(tmp_path, output={"file": "/nonexistent/out.h5"}), ranks=ranks, expect=5)
    assert "No such file or directory" in error_of(done)
    done = run(config(tmp_path, output={"file": "/proc/out.h5"}), ranks=ranks, expect=5)
    assert "cannot write result" in error_of(done)


@pytest.mark.parametrize("grid,text", [([2, 3], "needs 6 ranks"), ([3, 1], "needs 3 ranks")])
def test_grid_too_large(tmp_path, grid, text):
    write(tmp_path / "in.h5", H=np.eye(3))
    assert text in error_of(run(config(tmp_path, run={"grid": grid}), ranks=2, expect=2))


def test_config_error_is_printed_once(tmp_path):
    path = config(tmp_path, solve={"solvr": "lapack"})
    lines = [x for x in run(path, ranks=3, expect=2).stderr.splitlines() if "multiplet: error" in x]
    assert len(lines) == 1 and lines[0].startswith(f"{path}:1:") and "solve.solver" in lines[0]


class FileSystem:
    """A small file system of this test's own."""

    def __init__(self, directory, kind):
        self.at = directory / kind
        self.at.mkdir()
        if kind == "tmpfs":
            command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(self.at)]
        else:
            image = directory / "image"
            subprocess.run(["truncate", "-s", "16m", str(image)], check=True)
            subprocess.run([shutil.which("mkfs.ext2") or "/sbin/mkfs.ext2", "-q", str(image)], check=True)
            command = ["mount", "-o", "loop", str(image), str(self.at)]
        self.mounted = subprocess.run(command, capture_output=True).returncode == 0

    def __enter__(self):
        if not self.mounted:
            pytest.skip("mounting a file system takes privileges that are not here")
        return self.at

    def __exit__(self, *_):
        subprocess.run(["umount", str(self.at)], check=True)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("kind", ["tmpfs", "ext2"])
def test_full_disk(tmp_path, kind, ranks):
    """tmpfs can reserve space, so that the job does not even start; ext2 cannot, and runs full."""
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(6), 100, 110))
    with FileSystem(tmp_path, kind) as disk:
        path = config(tmp_path, output={"file": str(disk / "out.h5")},
                      run={"checkpoint_seconds": 0.01})
        done = run(path, ranks=ranks, expect=5)
        assert "No space left on device" in error_of(done)
        if kind == "tmpfs":
            assert os.listdir(disk) == []
            return
        kept = read(disk / "out.h5")
        finished = kept["status"] == OK
        assert 0 < finished.sum() < 100 and kept["attributes"]["complete"] == 0
        a = hermitian(np.random.default_rng(6), 100, 110)[finished]
        v, w = kept["eigenvectors"][finished], kept["eigenvalues"][finished]
        assert np.abs(a @ v - v * w[:, None, :]).max() < 1e-11
        run(path, ranks=ranks, expect=5) # still full: still no hang
        assert (read(disk / "out.h5")["status"][finished] == OK).all()


def test_larger_than_memory_streams_through(tmp_path):
    """Peak memory stays far below the 128 MB of input and 128 MB of output."""
    write(tmp_path / "in.h5", H=np.tile(hermitian(np.random.default_rng(7), 1, 64), (2000, 1, 1)))
    done = run(config(tmp_path))
    peak = float(done.stderr.split("peak memory ")[1].split()[0])
    assert peak < 90, done.stderr
