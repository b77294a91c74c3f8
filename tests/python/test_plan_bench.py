"""`plan` and `bench`: numbers that hang together, and agree with what a run then does."""
import math
import os
import re
import subprocess

import h5py
import numpy as np
import pytest
from job import *

NO_MPI = {**os.environ, "OMPI_MCA_pml": "nonexistent"} # MPI_Init fails here
UNITS = {"B": 1, "KiB": 2 ** 10, "MiB": 2 ** 20, "GiB": 2 ** 30, "TiB": 2 ** 40}


def plan(path, *arguments):
    """The rows by dataset, and the totals."""
    done = subprocess.run([MULTIPLET, "plan", str(path), *arguments], capture_output=True, text=True,
                          timeout=60, env=NO_MPI)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    table, totals = done.stdout.split("\n\n")
    rows = {}
    for line in table.splitlines()[1:]:
        name, count, n, dtype, solver, rows_, _, columns, chunk, mib = line.split()
        rows[name] = {"count": int(count), "n": int(n), "type": dtype, "solver": solver,
                      "grid": (int(rows_), int(columns)), "chunk": int(chunk), "MiB": float(mib)}
    totals = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in totals.splitlines())
    return rows, totals


def bytes_of(text):
    number, unit = text.split()
    return float(number) * UNITS[unit]


def stored_bytes(path):
    total = 0
    with h5py.File(path) as f:
        def add(_, item):
            nonlocal total
            if isinstance(item, h5py.Dataset):
                total += item.size * item.dtype.itemsize
        f.visititems(add)
    return total


def inputs(directory, **datasets):
    rng = np.random.default_rng(1)
    for name, (count, n, dtype) in datasets.items():
        write(directory / "in.h5", **{name: hermitian(rng, count, n, dtype)})
        write(directory / "c.h5", **{f"{name}/eigenvalues": np.ones((count, n)),
                                     f"{name}/eigenvectors": np.ones((count, n, n), dtype)})


SMALL = {"H": (20, 6, "complex64"), "deep/K": (3, 40, "float64")}
VARIANTS = {
    "forward": {},
    "values": {"solve": {"eigenvectors": False}},
    "gradient": {"gradient": {"cotangents": "c.h5"}},
    "little": {"gradient": {"cotangents": "c.h5"}, "output": {"file": "job-out.h5", "store": ["gradient"]}},
    "spread": {"run": {"distribute_from": 30}},
    "one": {"input": {"file": "in.h5", "datasets": ["/H"]}},
    "lapack": {"solve": {"solver": "lapack"}, "run": {"distribute_from": 30}},
    "lanes": {"solve": {"solver": "lanes"}, "run": {"distribute_from": 30}},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("ranks", [1, 2])
def test_plan_is_what_run_does(tmp_path, variant, ranks):
    inputs(tmp_path, **SMALL)
    path = config(tmp_path, **VARIANTS[variant])
    before = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    rows, totals = plan(path, "--ranks", str(ranks))
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before
    done = run(path, ranks=ranks)
    with h5py.File(tmp_path / "job-out.h5") as f:
        for name, row in rows.items():
            assert row["count"], row["n"] == f[name]["multiplet"].shape
            assert f"{name}: {row['count']} matrices of n = {row['n']}, {row['type']}, {row['solver']}" in done.stderr
            if "diagnostics" in f[name]:
                assert (f[name]["diagnostics/ranks"][:] == math.prod(row["grid"])).all()
        assert len(rows) == (1 if variant == "one" else 2) and totals["ranks"] == str(ranks)
    stored, promised = stored_bytes(tmp_path / "job-out.h5"), bytes_of(totals["result file"])
    assert promised == pytest.approx(stored, rel=0.01)
    file = (tmp_path / "job-out.h5").stat().st_size
    assert 0 <= file - promised < 64 * 1024 # headers and attributes
    memory = bytes_of(totals["memory a rank, at most"]) / 2 ** 20
    assert memory == pytest.approx(max(row["MiB"] for row in rows.values()), rel=0.01, abs=0.06)
    assert float(totals["floating-point operations"]) > 0 and "s (" in totals["expected time"]


def test_grid_appears_with_distribute_from(tmp_path):
    inputs(tmp_path, **SMALL)
    path = config(tmp_path)
    assert {row["grid"] for row in plan(path, "--ranks", "4")[0].values()} == {(1, 1)}
    rows, _ = plan(path, "--ranks", "4", "--set", "run.distribute_from=40")
    assert rows["/H"]["grid"] == (1, 1) and rows["/H"]["solver"] == "lanes"
    assert rows["/deep/K"]["grid"] != (1, 1) and rows["/deep/K"]["solver"] == "scalapack"
    assert rows["/deep/K"]["chunk"] == 1
    rows, _ = plan(path, "--ranks", "6", "--set", "run.distribute_from=40", "--set", "run.grid=[3, 2]")
    assert rows["/deep/K"]["grid"] == (3, 2)
    rows, _ = plan(path, "--ranks", "1", "--set", "run.distribute_from=40")
    assert {row["solver"] for row in rows.values()} == {"lanes"}
    rows, _ = plan(path, "--ranks", "1", "--set", "solve.solver=lapack")
    assert {row["solver"] for row in rows.values()} == {"lapack"}


def test_given_eigenpairs(tmp_path):
    inputs(tmp_path, **SMALL)
    run(config(tmp_path, "forward"))
    path = config(tmp_path, gradient={"cotangents": "c.h5", "eigenpairs": "forward-out.h5"})
    rows, given = plan(path)
    assert {row["solver"] for row in rows.values()} == {"given"}
    _, solved = plan(config(tmp_path, "whole", gradient={"cotangents": "c.h5"}))
    assert float(given["floating-point operations"]) < float(solved["floating-point operations"])


def test_numbers_grow_as_they_should(tmp_path):
    """Operations by count and n cubed, memory a rank falls with ranks; of matrices that nobody unpacks."""
    with h5py.File(tmp_path / "in.h5", "w") as f:
        for name, shape in {"a": (2, 3000, 3000), "b": (6, 3000, 3000), "c": (2, 6000, 6000)}.items():
            f.create_dataset(name, shape, "f8", chunks=shape, compression="gzip")
            f[name].id.write_direct_chunk((0, 0, 0), b"no gzip")
    totals = {}
    for name in "abc":
        _, totals[name] = plan(config(tmp_path, name, input={"file": "in.h5", "datasets": [f"/{name}"]}))
    operations = {name: float(value["floating-point operations"]) for name, value in totals.items()}
    assert operations["b"] == pytest.approx(3 * operations["a"], rel=0.01)
    assert operations["c"] == pytest.approx(8 * operations["a"], rel=0.01)
    assert operations["a"] == pytest.approx(2 * 14 / 3 * 3000 ** 3, rel=0.01)
    path = config(tmp_path, "c", input={"file": "in.h5", "datasets": ["/c"]}, run={"distribute_from": 2})
    memory = [bytes_of(plan(path, "--ranks", str(r))[1]["memory a rank, at most"]) for r in (2, 8, 64)]
    assert memory[0] > memory[1] > memory[2]


def test_empty(tmp_path):
    write(tmp_path / "in.h5", none=np.zeros((0, 5, 5)), point=np.zeros((3, 0, 0)))
    rows, _ = plan(config(tmp_path), "--ranks", "3")
    assert rows["/none"]["count"] == 0 and rows["/point"]["n"] == 0


def bench(directory, *arguments, ranks=1, timeout=100):
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run([*launcher, MULTIPLET, "bench", *arguments], capture_output=True, text=True,
                          timeout=timeout, cwd=directory)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.splitlines()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("ranks", [1, 2])
def test_bench_engines(tmp_path, dtype, ranks):
    lines = bench(tmp_path, "--part", "engines", "--n", "64,65", "--repeat", "1", "--type", dtype, ranks=ranks)
    rows = [line.split() for line in lines if line.split()[0] in ("64", "65")]
    assert [row[0] for row in rows] == ["64", "65"] and f"on 1 x {ranks} ranks" in "".join(lines)
    for n, kind, engine, *numbers in rows:
        assert kind == dtype and engine == ("lapack" if ranks == 1 else "scalapack")
        assert len(numbers) == 5 and all(0 < float(x) < math.inf for x in numbers), numbers
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments,types", [([], TYPES), (["--type", "float64", "--isa", "generic"], ["float64"])])
@pytest.mark.parametrize("ranks", [1, 2])
def test_bench_lanes(tmp_path, arguments, types, ranks):
    lines = bench(tmp_path, "--part", "lanes", "--n", "3,4", "--repeat", "1", *arguments, ranks=ranks)
    rows = [line.split() for line in lines if line.split() and line.split()[0] in ("3", "4")]
    assert [row[:2] for row in rows] == [[n, t] for t in types for n in ("3", "4")]
    for row in rows:
        assert len(row) == 12 and all(0 < float(x) < math.inf for x in row[2:]), row
    at = next(k for k, line in enumerate(lines) if "is faster" in line)
    assert [line.split()[0] for line in lines[at + 1:]] == types
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ranks", [1, 2])
def test_bench_pipeline(tmp_path, ranks):
    lines = bench(tmp_path, "--part", "pipeline", "--n", "3,5", "--count", "700", "--repeat", "2", ranks=ranks)
    assert [line.split()[0] for line in lines if "HDF5 to HDF5" in line] == ["700", "700"]
    for what in ("forward", "eigenvalue cotangents"):
        rows = [line[len(what):].split() for line in lines if line.startswith(what)]
        assert [row[0] for row in rows] == [str(r) for r in range(1, ranks + 1)] * 2
        assert all(len(row) == 6 and all(0 < float(x) < math.inf for x in row[1:]) for row in rows), rows
    assert list(tmp_path.iterdir()) == []


def test_bench_options(tmp_path):
    lines = bench(tmp_path, "--part", "engines", "--n", "30", "--repeat", "3", "--block", "7", ranks=2)
    assert any("medians of 3" in line for line in lines)
