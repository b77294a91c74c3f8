"""Graded matrices of n = 9, of which p?stedc over several ranks loses the orthogonality of one in ten: a second
solution by the reference, with everything that is made of it, and word of it."""
import numpy as np
import pytest
from job import OK, config, hermitian, read, run, write

COUNT, N = 60, 9


def prepare(directory, dtype):
    """D X D with a random X and D over eight decades, and what goes with it."""
    rng = np.random.default_rng(1)
    draw = lambda *shape: rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype[0] == "c" else 0)
    d = 10.0 ** (-8 * np.arange(N)[::-1] / N)
    write(directory / "in.h5", H=(hermitian(rng, COUNT, N, dtype) * d[:, None] * d).astype(dtype))
    write(directory / "d.h5", H=hermitian(rng, COUNT, N, dtype))
    write(directory / "r.h5", R=draw(N, 1).astype(dtype))
    write(directory / "c.h5", **{"H/functions/e": hermitian(rng, COUNT, N, dtype), "H/frame": draw(COUNT, N, 1).astype(dtype),
                                 "H/eigenvalues": rng.standard_normal((COUNT, N))})
    write(directory / "values.h5", **{"H/eigenvalues": rng.standard_normal((COUNT, 6))})


EVERYTHING = {"functions": [{"name": "e", "kind": "exp", "scale": -0.5}], "tangent": "d.h5",
              "frame": {"index": [8, 9], "reference": {"file": "r.h5", "dataset": "R"}},
              "gradient": {"cotangents": "c.h5"}}
SELECTION = {"solve": {"select": {"index": [2, 8]}}, "gradient": {"cotangents": "values.h5"}}


@pytest.mark.parametrize("wanted", [EVERYTHING, SELECTION], ids=["everything", "selection"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_reference_solves_what_a_grid_fails(tmp_path, dtype, wanted):
    prepare(tmp_path, dtype)
    solve = {**wanted, "solve": {**wanted.get("solve", {}), "solver": "lapack"}}
    run(config(tmp_path, "alone", **solve))
    solve["solve"]["solver"] = "scalapack"
    done = run(config(tmp_path, "grid", run={"grid": [2, 2]}, **solve), ranks=4)
    alone, grid = read(tmp_path / "alone-out.h5"), read(tmp_path / "grid-out.h5")
    assert (grid["status"] == OK).all() and not alone["diagnostics/retried"].any()
    retried = grid["diagnostics/retried"] == 1
    assert 0 < retried.sum() < COUNT
    assert f"the first solution of {retried.sum()} problem" in done.stderr
    told = [line for line in done.stderr.splitlines() if "lapack solved it again" in line]
    assert len(told) == min(retried.sum(), 8)
    assert (f"... and {retried.sum() - 8} more" in done.stderr) == (retried.sum() > 8)
    for line, k in zip(told, np.flatnonzero(retried)):
        assert f"problem {k} of /H: the first solution, by scalapack, was off orthogonality above 1e" in line, line
    for name in alone.keys() - {"attributes"}:
        if name not in {f"diagnostics/{x}" for x in ("seconds", "started", "rank", "ranks", "solver", "retried")}:
            assert np.array_equal(grid[name][retried], alone[name][retried]), name
