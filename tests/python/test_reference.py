"""The reference of tests/attack against another one: 60 digits of mpmath, on matrices of every family."""
import sys

import mpmath as mp
import numpy as np
import pytest

from job import ROOT

sys.path.insert(0, str(ROOT / "tests/attack"))
import problems  # noqa: E402
import reference  # noqa: E402

mp.mp.dps = 60
FUNCTIONS = {"exp": mp.exp, "log": mp.log, "sqrt": mp.sqrt, "inv_sqrt": lambda x: 1 / mp.sqrt(x),
             "power": lambda x: x ** mp.mpf("0.25"), "fermi": lambda x: 1 / (1 + mp.exp(3 * (x - mp.mpf("0.5")))),
             "tanh": lambda x: mp.tanh(2 * x), "square": lambda x: x * x}
PARAMETERS = {"power": {"exponent": 0.25}, "fermi": {"beta": 3.0, "mu": 0.5}, "tanh": {"scale": 2.0}}


def exactly(a):
    number = mp.mpmathify if np.iscomplexobj(a) else mp.mpf
    return mp.matrix([[number(x) for x in row] for row in a.tolist()])


def longs(m):
    """A matrix of mpmath as clongdouble."""
    def long(x):
        high = float(x)
        return np.longdouble(high) + np.longdouble(float(x - high))
    return np.array([[long(mp.re(m[i, j])) + 1j * long(mp.im(m[i, j])) for j in range(m.cols)] for i in range(m.rows)])


def difference_of(value, a, c):
    """The gradient of Re tr(c^H value(A)), element by element, from differences of 60 digits."""
    n, h = a.rows, mp.mpf(10) ** -25
    g = mp.matrix(n, n)

    def loss(x):
        f = value(x)
        return sum(mp.re(mp.conj(c[i, j]) * f[i, j]) for i in range(n) for j in range(n))

    for i in range(n):
        for j in range(i, n):
            for unit in (1, 1j) if i != j else (1,):
                step = mp.matrix(n, n)
                step[i, j] += h * unit
                if i != j:
                    step[j, i] += mp.conj(h * unit)
                slope = (loss(a + step) - loss(a - step)) / (2 * h) * (1 if i == j else mp.mpf(1) / 2)
                g[i, j] += slope * unit
                if i != j:
                    g[j, i] += mp.conj(slope * unit)
    return longs(g)


def by_pairs(f):
    def value(a):
        w, v = mp.eighe(a)
        return v * mp.diag([f(x) for x in w]) * v.H
    return value


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("family", list(problems.FAMILIES), ids=lambda f: f.__name__)
def test_eigenvalues(family, dtype):
    rng = np.random.default_rng(5)
    for n in (4, 8):
        a = family(rng, n, dtype == "complex128", True, 2.0 ** -52)
        if a.ndim == 1:
            q = np.linalg.qr(problems.draw(rng, (n, n), dtype == "complex128"))[0]
            a = problems._symmetric(q * a @ q.conj().T)
        e, a = reference.Exact(a.astype(dtype)), a.astype(dtype)
        w = sorted(mp.eighe(exactly(a))[0])
        error = max(abs(mp.mpf(float(x)) + mp.mpf(float(y)) - z) for x, y, z in zip(e.w, e.wl, w))
        assert error <= 3e-31 * len(a) * e.norm
        assert np.abs(e.v.conj().T @ e.v - np.eye(len(a))).max() < 1e-17
        assert np.abs(a @ e.v - e.v * e.values).max() < 1e-17 * e.norm * len(a)


@pytest.mark.parametrize("gap", [0, 1e-14, 1e-7])
@pytest.mark.parametrize("kind", reference.Scalar.KINDS)
def test_functions(kind, gap):
    rng = np.random.default_rng(7)
    w = np.array([0.25, 0.25 + 2.0 ** np.round(np.log2(gap)) if gap else 0.25, 0.5, 1.0])
    h = problems.hadamard(4)
    a = h * w @ h / 4
    c = problems.hermitian(rng, 4, "f8")
    e = reference.Exact(a)
    found = e.of_function(reference.Scalar(kind, **PARAMETERS.get(kind, {})), c)
    exact = difference_of(by_pairs(FUNCTIONS[kind]), exactly(a), exactly(c))
    assert np.abs(found - exact).max() < 1e-16 * np.abs(exact).max()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_projectors_frames_and_vectors(dtype):
    rng = np.random.default_rng(9)
    a = problems.hermitian(rng, 4, dtype)
    c, e = problems.hermitian(rng, 4, dtype), reference.Exact(a)

    def projector(x):
        v = mp.eighe(x)[1][:, 1:3]
        return v * v.H

    exact = difference_of(projector, exactly(a), exactly(c))
    size = np.abs(exact).max()
    assert np.abs(e.of_projector((1, 3), c) - exact).max() < 1e-16 * size
    gv = np.zeros_like(e.v)
    gv[:, 1:3] = 2 * c @ e.v[:, 1:3]
    assert np.abs(e.of_vectors(gv) - exact).max() < 1e-16 * size
    r = problems.draw(rng, (4, 2), dtype == "complex128").astype(dtype)
    r[:, 0] = r[:, 1] + 1e-3 * r[:, 0]

    def frame(x):
        p, q = projector(x), exactly(r)
        w, u = mp.eighe(q.H * p * q)
        out = mp.matrix(4, 4)
        out[:, 0:2] = p * q * u * mp.diag([1 / mp.sqrt(y) for y in w]) * u.H
        return out

    padded = np.zeros((4, 4), dtype)
    padded[:, :2] = c[:, :2]
    exact = difference_of(frame, exactly(a), exactly(padded))
    assert np.abs(e.of_frame((1, 3), r, c[:, :2]) - exact).max() < 1e-12 * np.abs(exact).max()
