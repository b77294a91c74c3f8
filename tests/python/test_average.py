"""triangle: average takes (A + A^H) / 2, unchecked: the same bits as that matrix itself gives."""
import ctypes

import library
import numpy as np
import pytest
from job import NONFINITE, NOT_HERMITIAN, OK, TYPES, config, hermitian, read, run, same, solve, write

FUNCTIONS = [{"name": "heat", "kind": "exp", "scale": -0.1}]


def crooked(shape, dtype, size=1.0, seed=3):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else 0)
    return (a * size).astype(dtype)


def averaged(a):
    return (a + a.conj().swapaxes(-1, -2)) / 2


def job(at, name, a, triangle, **sections):
    rng, (count, n, _) = np.random.default_rng(4), a.shape
    m = 3 if "select" in sections.get("solve", {}) else n
    gw, gv = rng.standard_normal((count, m)).astype(a.real.dtype), crooked((count, n, m), a.dtype, seed=5)
    write(at / f"{name}-in.h5", H=a)
    write(at / f"{name}-c.h5", **{"H/eigenvalues": gw, "H/eigenvectors": gv})
    direction = crooked(a.shape, a.dtype, seed=6)
    write(at / f"{name}-t.h5", H=direction if triangle == "average" else averaged(direction))
    if m == n:
        sections |= {"functions": FUNCTIONS, "tangent": f"{name}-t.h5"}
    return config(at, name, input={"file": f"{name}-in.h5", "triangle": triangle},
                  gradient={"cotangents": f"{name}-c.h5"}, **sections)


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("solver", ["lanes", "lapack", "scalapack"])
@pytest.mark.parametrize("dtype", TYPES)
def test_same_bits_as_the_average(tmp_path, dtype, solver, ranks):
    if solver != "scalapack" and (ranks > 1 or dtype == "float32"):
        pytest.skip("matrices on one rank each")
    a = crooked((5, 11, 11), dtype)
    run_keys = {"run": {"distribute_from": 2}} if solver == "scalapack" and ranks > 1 else {}
    for name, matrices, triangle in (("crooked", a, "average"), ("straight", averaged(a), "full")):
        run(job(tmp_path, name, matrices, triangle, solve={"solver": solver}, **run_keys), ranks=ranks)
    one, other = read(tmp_path / "crooked-out.h5"), read(tmp_path / "straight-out.h5")
    assert np.isin(one["status"], [1, 2]).all() and np.abs(one["gradient"]).max() > 0
    same(one, other)
    assert np.abs(one["gradient"] - one["gradient"].conj().swapaxes(1, 2)).max() == 0
    done = run(tmp_path / "crooked-out.h5", "--gradients", "3", verb="check", ranks=min(ranks, 2))
    assert "NOT within" not in done.stdout


@pytest.mark.parametrize("solver", ["lanes", "lapack", "scalapack"])
def test_selections(tmp_path, solver):
    a = crooked((3, 20, 20), "complex128")
    solving = {"solver": solver, "select": {"lowest": 3}}
    for name, matrices, triangle in (("crooked", a, "average"), ("straight", averaged(a), "full")):
        run(job(tmp_path, name, matrices, triangle, solve=solving))
    same(read(tmp_path / "crooked-out.h5"), read(tmp_path / "straight-out.h5"))
    run(tmp_path / "crooked-out.h5", "--gradients", "3", verb="check")


@pytest.mark.parametrize("solver", ["lanes", "lapack"])
def test_extremes(tmp_path, solver):
    """What is not finite stays so; what cancels does not count; sums of large halves do not overflow."""
    a = crooked((5, 6, 6), "float64")
    a[1, 2, 3] = np.nan
    a[2, 4, 0] = np.inf
    a[3] += 1e12 * (np.tri(6, k=-1) - np.tri(6, k=-1).T)
    a[4] *= 2e307
    out = solve(tmp_path, a, input={"file": "in.h5", "triangle": "average"}, solve={"solver": solver}, expect=4)
    assert out["status"].tolist() == [OK, NONFINITE, NONFINITE, OK, OK]
    w = np.linalg.eigvalsh(a[3] / 2 + a[3].T / 2)
    assert np.abs(out["eigenvalues"][3] - w).max() < 1e-3 # of rounding in 1e12, not of it
    assert np.isfinite(out["eigenvalues"]).all()


@pytest.mark.parametrize("solver", [1, 2])
def test_in_memory(solver):
    a = crooked((4, 7, 7), "complex128")
    results = []
    for matrices, triangle in ((a, 3), (averaged(a), 0)):
        matrices = np.ascontiguousarray(matrices)
        before = matrices.copy()
        w, v, m = np.zeros((4, 7)), np.zeros((4, 7, 7), complex), np.zeros((4, 7), "i4")
        report, options, error = ctypes.create_string_buffer(4096), library.Options(), library.Error()
        options.triangle, options.solver = triangle, solver
        call = ctypes.CDLL(str(library.PATH)).mpt_eigh
        pointers = [x.ctypes.data_as(ctypes.c_void_p) for x in (matrices, w, v, m)]
        code = call(3, ctypes.c_int64(7), ctypes.c_int64(4), ctypes.byref(options), *pointers, report,
                    ctypes.byref(error))
        assert code == 0, error.text
        assert np.array_equal(matrices, before)
        results.append((w, v))
    assert np.array_equal(results[0][0], results[1][0]) and np.array_equal(results[0][1], results[1][1])
