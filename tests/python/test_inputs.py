"""What of a file is read, what is refused and why; nothing is passed over in silence."""
import os
import socket
import subprocess
import time

import h5py
import numpy as np
import pytest
from job import MULTIPLET, OK, config, hermitian, read, run, solve, write

HUGE = 1 << 40


def error_of(done):
    lines = [line for line in done.stderr.splitlines() if "multiplet: error: " in line]
    assert len(lines) == 1 and "(null)" not in done.stderr, done.stderr
    return lines[0]


def unwritten(f, name, shape, dtype="f8", early=False, **keys):
    """A dataset without data, of any size, in about a kilobyte."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if "chunks" in keys:
        plist.set_chunk(keys["chunks"])
    if "fill" in keys:
        plist.set_fill_value(np.array(keys["fill"], dtype))
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_INCR if "chunks" in keys else h5py.h5d.ALLOC_TIME_LATE)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(f.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype)), space, plist).close()


ABSURD = {
    "contiguous": dict(shape=(HUGE, 4, 4)),
    "one": dict(shape=(2, 4, 4)),
    "large n": dict(shape=(3, 1 << 20, 1 << 20)),
    "chunked": dict(shape=(HUGE, 4, 4), chunks=(16, 4, 4)),
    "filled": dict(shape=(HUGE, 4, 4), fill=1.0),
    "overflow": dict(shape=(1 << 31, 1 << 31, 1 << 31, 2, 2)),
    "empty matrices": dict(shape=(HUGE, 0, 0)),
}


def few_resources():
    """Of this process, before it becomes the program: 4 GiB of address space, 20 s of processor."""
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize("case", ABSURD)
def test_absurd_sizes_cost_nothing(tmp_path, case, verb):
    with h5py.File(tmp_path / "in.h5", "w") as f:
        unwritten(f, "H", **ABSURD[case])
    assert (tmp_path / "in.h5").stat().st_size < 5000
    for datasets in ({}, {"datasets": ["/H"]}):
        path = config(tmp_path, input={"file": "in.h5", **datasets})
        done = subprocess.run([MULTIPLET, verb, path], capture_output=True, text=True, preexec_fn=few_resources)
        assert done.returncode == 3, done
        text = "2^31" if case == "empty matrices" else "never written"
        assert text in error_of(done) and "'/H'" in error_of(done), done.stderr
    assert not (tmp_path / "job-out.h5").exists()


@pytest.mark.parametrize("shape,text", [((HUGE, 4, 4), "were ever written"), ((1 << 26, 1000, 1000), "were ever written")])
def test_hardly_written(tmp_path, shape, text):
    with h5py.File(tmp_path / "in.h5", "w") as f:
        unwritten(f, "H", shape, chunks=(1, *shape[1:]))
        f["H"][7] = np.eye(shape[1])
    done = subprocess.run([MULTIPLET, "plan", config(tmp_path)], capture_output=True, text=True, preexec_fn=few_resources)
    assert done.returncode == 3 and text in error_of(done)


def test_sparse_and_compressed_are_read(tmp_path):
    """Chunks that were never written are zeros, and that is said; what compresses well is no damage."""
    with h5py.File(tmp_path / "in.h5", "w") as f:
        unwritten(f, "sparse", (6, 4, 4), chunks=(2, 4, 4))
        f["sparse"][2:4] = np.eye(4)
        f.create_dataset("small", data=np.zeros((3000, 8, 8)), compression="gzip", compression_opts=9)
        f.create_dataset("none", (0, 3, 3))
    done = run(config(tmp_path))
    assert "'/sparse' of " in done.stderr and "2 of its 3 chunks were never written" in done.stderr
    for name, count in (("sparse", 6), ("small", 3000), ("none", 0)):
        assert (read(tmp_path / "job-out.h5", name)["status"] == OK).sum() == count


def test_truncated_data(tmp_path):
    """A dataset whose elements lie behind the file's end, which the file's own header does not say."""
    write(tmp_path / "in.h5", H=np.eye(3), K=hermitian(np.random.default_rng(0), 4, 30))
    with h5py.File(tmp_path / "in.h5") as f:
        at = f["K"].id.get_offset()
    data = bytearray((tmp_path / "in.h5").read_bytes())
    data[data.index(at.to_bytes(8, "little")):][:8]
    k = data.index(at.to_bytes(8, "little"))
    data[k:k + 8] = (1 << 40).to_bytes(8, "little")
    (tmp_path / "in.h5").write_bytes(data)
    assert "truncated or damaged" in error_of(run(config(tmp_path), expect=3))
