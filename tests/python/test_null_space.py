"""Square roots, powers and x log x of positive semidefinite matrices: the value, the gradient where it exists, and the
status where it does not; against 50 digits, on matrices whose rank is exact."""
import functools
import warnings

import h5py
import numpy as np
import pytest

mpmath = pytest.importorskip("mpmath", reason="mpmath, the reference, is not in this Python")
import multiplet  # noqa: E402
from job import TYPES, eps, hermitian, run, solve, write  # noqa: E402
from multiplet import Status  # noqa: E402
from multiplet.backend import Function, Library, Options  # noqa: E402

N = 5
KINDS = {"sqrt": Function("sqrt"), "power": Function("power", exponent=0.25), "flat": Function("power", exponent=1.5),
         "xlogx": Function("xlogx"), "negative": Function("sqrt", scale=-0.5)}
SCALARS = {"sqrt": (mpmath.sqrt, lambda x: 1 / (2 * mpmath.sqrt(x))),
           "power": (lambda x: x ** mpmath.mpf(0.25), lambda x: x ** mpmath.mpf(-0.75) / 4),
           "flat": (lambda x: x ** mpmath.mpf(1.5), lambda x: 3 * mpmath.sqrt(x) / 2),
           "xlogx": (lambda x: x * mpmath.log(x), lambda x: mpmath.log(x) + 1),
           "negative": (lambda x: mpmath.sqrt(-x / 2), lambda x: -1 / (4 * mpmath.sqrt(-x / 2)))}


@functools.lru_cache(maxsize=None)
def matrix(rank, is_complex, small=1.0):
    """Of exactly this rank, with few digits, so that no type rounds it; `small`: the size of the last factor."""
    rng = np.random.default_rng(rank + 10)
    b = rng.integers(-7, 8, (N, rank)) + (1j * rng.integers(-7, 8, (N, rank)) if is_complex else 0)
    b = b * np.r_[np.ones(max(rank - 1, 0)), [small]][:rank]
    return b @ b.conj().T


@functools.lru_cache(maxsize=None)
def spectrum(rank, is_complex, small=1.0):
    with mpmath.workdps(50):
        w, v = mpmath.eighe(mpmath.matrix(matrix(rank, is_complex, small).tolist()))
        order = sorted(range(N), key=lambda k: w[k])
        assert max([abs(w[k]) for k in order[:N - rank]], default=0) < 1e-40
        vectors = mpmath.matrix([[v[i, k] for k in order] for i in range(N)])
        return [mpmath.mpf(0)] * (N - rank) + [w[k] for k in order[N - rank:]], vectors


def exact(name, rank, is_complex, cotangent, small=1.0):
    """f(A), and the gradient without the part in the null space, and C's share there."""
    value, slope = SCALARS[name]
    sign = -1 if name == "negative" else 1
    with mpmath.workdps(50):
        w, v = spectrum(rank, is_complex, small)
        c = v.H * mpmath.matrix(cotangent.tolist()) * v
        c = (c + c.H) / 2
        d = mpmath.matrix(N, N)
        for i in range(N):
            for j in range(N):
                x, y = sign * w[i], sign * w[j]
                if x == 0 and y == 0:
                    d[i, j] = 0
                elif i == j:
                    d[i, j] = slope(x)
                else:
                    f, g = (value(t) if t else mpmath.mpf(0) for t in (x, y))
                    d[i, j] = (f - g) / (x - y)
        g = v * mpmath.matrix([[d[i, j] * c[i, j] for j in range(N)] for i in range(N)]) * v.H
        f = v * mpmath.diag([value(sign * x) if x else mpmath.mpf(0) for x in w]) * v.H
        null = [[c[i, j] for j in range(N - rank)] for i in range(N - rank)]
        size = mpmath.mnorm(c, "f")
        share = mpmath.mnorm(mpmath.matrix(null), "f") / size if rank < N and size else 0
    as_array = lambda x: np.array(x.tolist(), complex if is_complex else float)
    return as_array(f), as_array(g), float(share)


def cotangents(rank, is_complex):
    """One that does not reach the null space, beyond rounding in double precision, and one that does."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((N, N)) + (1j * rng.standard_normal((N, N)) if is_complex else 0)
    w, v = np.linalg.eigh(matrix(rank, is_complex))
    null = v[:, :N - rank] @ v[:, :N - rank].conj().T
    return x - null @ x @ null, x


def solved(name, a, dtype, solver):
    """(f, w, v, certificate), and a function of a cotangent."""
    a = np.ascontiguousarray((-a if name == "negative" else a)[None], dtype)
    options = Options(solver=solver)
    f, w, v, forward = Library().function(a, KINDS[name], options)

    def backward(c):
        g, certificate = Library().function_backward(w, v, KINDS[name], np.ascontiguousarray(c[None], dtype), forward,
                                                     options)
        return g[0], certificate
    return f[0], forward, backward


def relative(found, true):
    return np.linalg.norm(found - true) / max(np.linalg.norm(true), 1e-300)


@pytest.mark.parametrize("solver", ["lanes", "lapack"])
@pytest.mark.parametrize("rank", [0, 1, 3, N - 1, N])
@pytest.mark.parametrize("name", KINDS)
def test_value_and_gradient(name, rank, solver):
    for dtype in TYPES:
        is_complex = np.dtype(dtype).kind == "c"
        a, (within, beyond) = matrix(rank, is_complex), cotangents(rank, is_complex)
        f, forward, backward = solved(name, a, dtype, solver)
        value, true, _ = exact(name, rank, is_complex, within)
        assert forward.status == Status.OK and relative(f, value) < 300 * eps(dtype) or not value.any() and not f.any()
        g, certificate = backward(within)
        assert certificate.status == Status.OK and certificate.null_violation < 30 * eps(dtype), (dtype, certificate)
        error = relative(g, true)
        assert error <= max(10 * certificate.gradient_error, 20 * eps(dtype)) and error < 300 * eps(dtype), (dtype, error)
        _, true, share = exact(name, rank, is_complex, beyond)
        g, certificate = backward(beyond)
        steep = name != "flat" and rank < N
        assert certificate.status == (Status.NULL_SPACE if steep else Status.OK), (dtype, certificate)
        assert np.isclose(certificate.null_violation, share if steep else 0, atol=30 * eps(dtype))
        assert np.isfinite(g).all() and not certificate.refused
        error = relative(g, true)
        assert error <= max(10 * certificate.gradient_error, 20 * eps(dtype)), (dtype, error)
        assert error < (1e3 * eps(dtype) if steep or rank == N else 3 * eps(dtype) ** 0.5)


@pytest.mark.parametrize("dtype, small", [("float64", 2.0 ** -18), ("complex128", 2.0 ** -10), ("float32", 2.0 ** -6)])
@pytest.mark.parametrize("name", ["sqrt", "power", "xlogx"])
def test_estimate_beside_the_null_space(name, dtype, small):
    """A small eigenvalue beside zero ones: f[0, y] is large and sensitive, and the estimate knows it."""
    is_complex = np.dtype(dtype).kind == "c"
    rng, a = np.random.default_rng(2), matrix(3, is_complex, small)
    _, _, backward = solved(name, a, dtype, "lapack")
    w, v = np.linalg.eigh(a)
    null = v[:, :2] @ v[:, :2].conj().T
    for _ in range(10):
        x = rng.standard_normal((N, N)) + (1j * rng.standard_normal((N, N)) if is_complex else 0)
        x = x - null @ x @ null
        g, certificate = backward(x)
        error = relative(g, exact(name, 3, is_complex, x, small)[1])
        assert certificate.status == Status.OK and error <= 10 * certificate.gradient_error < 0.3, (error, certificate)
