"""mpt_eigh_tangent: eigenpairs along a direction, in C's call, against 50 digits; and what its report says."""
import mpmath as mp
import numpy as np
import pytest

import library
from job import TYPES, hermitian
from multiplet import Status

SPECTRA = {"simple": [-2, -0.5, 0.3, 1, 3], "near": [-1, 0, 1e-3, 1, 2], "nearer": [-1, 1, 1 + 1e-5, 1.5, 2],
           "degenerate": [1, 1, 2, 4, 4], "one": [3, 3, 3, 3, 3]}


def direction(n, dtype, count, seed=1):
    return hermitian(np.random.default_rng(seed), count, n, dtype, list(np.linspace(-1, 1, n)))


def exact(a, d, numbers):
    """dw, and dV V^H, which no phase and no basis changes. Eigenvalues with the same number count as equal."""
    with mp.workdps(50):
        matrix = lambda x: mp.matrix([[mp.mpc(complex(y)) for y in row] for row in x])
        w, v = mp.eighe(matrix(a))
        c, n = v.transpose_conj() * matrix(d) * v, len(w)
        dw = [mp.re(mp.fsum(c[k, k] for k in range(n) if numbers[k] == i) / list(numbers).count(i)) for i in numbers]
        turn = mp.matrix(n, n)
        for i in range(n):
            for j in range(n):
                turn[i, j] = 0 if numbers[i] == numbers[j] else c[i, j] / (w[j] - w[i])
        x = v * turn * v.transpose_conj()
        return np.array([float(y) for y in dw]), np.array([[complex(y) for y in row] for row in x.tolist()])


def along(a, d, **options):
    """(dw, dv, the memory of the call)"""
    m = library.Memory(a.dtype, a.shape[-1], len(a))
    m.forward(a, **options)
    dw, dv = np.empty_like(m.w), np.empty_like(m.v)
    m.call("mpt_eigh_tangent", m.w, m.v, d, dw, dv, **options)
    return dw, dv, m


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("solver", [1, 2], ids=["lanes", "lapack"])
@pytest.mark.parametrize("name", SPECTRA)
def test_the_error_is_within_the_estimate(name, solver, dtype):
    a, d = hermitian(np.random.default_rng(0), 4, 5, dtype, SPECTRA[name]), direction(5, dtype, 4)
    kept = d.copy()
    dw, dv, m = along(a, d, solver=solver)
    assert (m.report["status"] == Status.OK).all() and np.array_equal(kept, d)
    eps = np.finfo(m.w.dtype).eps
    for k in range(4):
        expected, turned = exact(a[k], d[k], m.multiplet[k])
        found = dv[k].astype(complex) @ m.v[k].astype(complex).conj().T
        of_values = np.linalg.norm(dw[k] - expected) / (np.linalg.norm(dw[k]) or 1)
        of_vectors = np.linalg.norm(found - turned) / (np.linalg.norm(found) or 1)
        estimate = m.report["tangent_error"][k]
        assert max(of_values, of_vectors) <= estimate + 4 * eps, (k, of_values, of_vectors, estimate)
        assert estimate < (100 if name == "simple" else 1e7) * eps or name == "one"
        split = m.report["tangent_splitting"][k]
        assert split == 0 if name in ("simple", "near") else 0.05 < split <= 1 if name in ("degenerate", "one") else True


@pytest.mark.parametrize("n", [3, 70])
def test_values_under_the_policies(n):
    """Of equal eigenvalues the mean, or as they are."""
    a, d = np.eye(n)[None] * 2.0, direction(n, "float64", 1)
    dw, dv, m = along(a, d)
    assert np.allclose(dw, np.trace(d[0]) / n, atol=1e-14) and not dv.any()
    raw, _, m = along(a, d, spread_policy=1)
    assert np.allclose(raw[0], np.diag(m.v[0].T @ d[0] @ m.v[0]), atol=1e-13)


def test_the_triangle_that_is_not_read():
    a, d = hermitian(np.random.default_rng(0), 1, 4, "complex128", [0, 1, 2, 3]), direction(4, "complex128", 1)
    other = d.copy()
    other[0][np.triu_indices(4, 1)] = 7
    right, wrong = along(a, d, triangle=1), along(a, other, triangle=1)
    assert np.array_equal(right[0], wrong[0]) and np.array_equal(right[1], wrong[1]) and other[0, 0, 1] == 7


def test_what_is_refused():
    a, d = hermitian(np.random.default_rng(0), 2, 4, "float64", [0, 1, 2, 3]), direction(4, "float64", 2)
    d[1, 2, 2] = np.nan
    dw, dv, m = along(a, d)
    assert m.report["status"].tolist() == [Status.OK, Status.NONFINITE_COTANGENT] and not dv[1].any() and dw[0].any()
    for wrong in ((None, m.v, d), (m.w, None, d), (m.w, m.v, None)):
        with pytest.raises(RuntimeError, match="bad argument, a null array"):
            m.call("mpt_eigh_tangent", *wrong, dw, dv)
    only = np.empty_like(dw)
    m.call("mpt_eigh_tangent", m.w, m.v, d, only, None)
    assert np.array_equal(only, dw)
