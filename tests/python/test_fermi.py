"""The chemical potential and its part in the gradient, from almost no electron to almost no hole, against 60 digits.

What is missing to n electrons is counted exactly: n - 1e-12 is as well off as 1e-12.
"""
import sys

import mpmath as mp
import numpy as np
import pytest

from job import OK, ROOT, config, read, run, write

sys.path.insert(0, str(ROOT / "tests/attack"))
import problems  # noqa: E402
from multiplet.backend import Function, Library, Options  # noqa: E402

mp.mp.dps = 60
N = 6
ELECTRONS = [1e-12, 1e-9, 1e-3, 0.5, 2 - 1e-12, 2 + 1e-12, 3.0, 5 - 1e-9, 5.5, 6 - 1e-3, 6 - 1e-9, 6 - 1e-12,
             6 - 2.0 ** -50]


def matrix(dtype):
    """Two levels are double, exactly where the matrix is real."""
    w = np.array([-1, -0.5, -0.5, 0.25, 0.25, 1])
    q = np.linalg.qr(problems.draw(np.random.default_rng(2), (N, N), dtype == "complex128"))[0]
    return problems._symmetric(q * w @ q.conj().T).astype(dtype)


class Truth:
    def __init__(self, a, beta, electrons):
        self.w, self.v = mp.eighe(mp.matrix(a.tolist()))
        self.beta, self.electrons = mp.mpf(beta), mp.mpf(electrons)
        low, high = self.w[0] - 80 / self.beta, self.w[N - 1] + 80 / self.beta
        for _ in range(220):
            middle = (low + high) / 2
            low, high = (low, middle) if self.count(middle) > self.electrons else (middle, high)
        self.mu = low
        self.f = [1 / (1 + mp.exp(self.beta * (x - low))) for x in self.w]

    def count(self, mu):
        return sum(1 / (1 + mp.exp(self.beta * (x - mu))) for x in self.w)

    def gradient(self, c):
        c = self.v.H * mp.matrix(c.tolist()) * self.v
        slope = [-self.beta * f * (1 - f) for f in self.f]
        response = sum(slope[i] * mp.re(c[i, i]) for i in range(N)) / sum(slope)
        for i in range(N):
            for j in range(N):
                gap = self.w[i] - self.w[j]
                c[i, j] *= slope[i] if abs(gap) < 1e-40 else (self.f[i] - self.f[j]) / gap
            c[i, i] -= response * slope[i]
        g = self.v * c * self.v.H
        return np.array([[complex(g[i, j]) for j in range(N)] for i in range(N)])


@pytest.mark.parametrize("beta", [2.0, 40.0])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients(dtype, beta):
    a, c = matrix(dtype), problems.hermitian(np.random.default_rng(3), N, dtype)
    library = Library()
    for solver in ("lanes", "lapack"):
        for electrons in ELECTRONS:
            truth, options = Truth(a, beta, electrons), Options(triangle="full", solver=solver)
            function = Function("fermi", beta=beta, electrons=electrons)
            f, w, v, forward = library.function(a[None], function, options)
            g, _ = library.function_backward(w, v, function, c[None], forward, options)
            exact = truth.gradient(c)
            error = np.abs(g[0] - exact).max() / np.abs(exact).max()
            assert error < 1e-12, (solver, electrons, error)
            assert np.abs(np.linalg.eigvalsh(f[0]) - np.sort([float(x) for x in truth.f])).max() < 1e-14


@pytest.mark.parametrize("beta", [2.0, 40.0])
def test_chemical_potentials(beta, tmp_path):
    a = matrix("float64")
    write(tmp_path / "in.h5", H=a)
    functions = [{"name": f"f{k}", "kind": "fermi", "beta": beta, "electrons": repr(float(x))}
                 for k, x in enumerate(ELECTRONS)]
    run(config(tmp_path, functions=functions))
    r = read(tmp_path / "job-out.h5")
    assert (r["status"] == OK).all()
    for k, electrons in enumerate(ELECTRONS):
        mu = r[f"diagnostics/chemical_potential/f{k}"][0]
        error = beta * abs(mu - Truth(a, beta, electrons).mu)
        assert error < 1e-12, (electrons, float(error))
