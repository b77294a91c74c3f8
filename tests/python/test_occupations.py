"""Occupations (fermi, gaussian, methfessel_paxton, cold) with a fixed number of electrons, against 50 digits: metals,
insulators, degenerate Fermi levels, almost empty and almost full."""
import importlib.util

import mpmath as mp
import numpy as np
import pytest

from job import OK, ROOT, config, hermitian, read, run, write
from multiplet.backend import Function, Library, Options

spec = importlib.util.spec_from_file_location("oracle_make", ROOT / "tests/oracle/make.py")
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)
mp.mp.dps = 240  # the electrons above a gap are as few as 1e-150

KINDS = [("fermi", {}), ("gaussian", {}), ("methfessel_paxton", {"order": 1.0}), ("methfessel_paxton", {"order": 3.0}),
         ("cold", {})]
MONOTONIC = ("fermi", "gaussian")


def widened(kind, extra, width):
    return {"beta": 1 / width, **extra} if kind == "fermi" else {"sigma": width, **extra}


class Truth:
    """Of levels w [m], each as often as its weight says; mu the root nearest to `near` (None: the only one)."""

    def __init__(self, kind, parameters, w, electrons, weights=None, near=None):
        self.kind, self.w, self.electrons = kind, [mp.mpf(x) for x in w], mp.mpf(electrons)
        self.parameters = {name: mp.mpf(value) for name, value in parameters.items()}
        self.weights = [mp.mpf(x) for x in (weights if weights is not None else [1] * len(w))]
        width = 1 / self.parameters["beta"] if kind == "fermi" else self.parameters["sigma"]
        if kind in MONOTONIC:
            low, high = min(self.w) - 200 * width, max(self.w) + 200 * width
        else:
            near = Truth("gaussian", {"sigma": parameters["sigma"]}, w, electrons, weights).mu
            low, high = self._bracket(near, width)
        falls = self.excess(low) > 0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (low, middle) if (self.excess(middle) > 0) != falls else (middle, high)
        self.mu = (low + high) / 2
        for _ in range(6):
            self.mu -= self.excess(self.mu) / -self.sum(1, self.mu)
        self.f, self.slope = (self.levels(which, self.mu) for which in (0, 1))
        total = mp.fsum(p * x for p, x in zip(self.weights, self.slope))
        self.response = [p * x / total for p, x in zip(self.weights, self.slope)]

    def levels(self, which, mu):
        """f (0) or f' (1) of all."""
        function = oracle.scalar(self.kind, {**self.parameters, "mu": mu})[which]
        known = {x: function(x) for x in set(self.w)}
        return [known[x] for x in self.w]

    def sum(self, which, mu):
        return mp.fsum(p * x for p, x in zip(self.weights, self.levels(which, mu)))

    def excess(self, mu):
        return self.sum(0, mu) - self.electrons

    def _bracket(self, near, width):
        """Between two steps of width / 16 from `near`, on the side where the sign changes first."""
        first = self.excess(near) > 0
        for k in range(1, 2000):
            for side in (-1, 1):
                if (self.excess(near + side * k * width / 16) > 0) != first:
                    ends = near + side * (k - 1) * width / 16, near + side * k * width / 16
                    return min(ends), max(ends)
        raise AssertionError("no root")

    def gradient(self, v, c):
        """Of Re tr(c f(A)) for A with the eigenvectors v."""
        n = len(self.w)
        c = v.H * mp.matrix(c.tolist()) * v
        response = mp.fsum(self.slope[i] * mp.re(c[i, i]) for i in range(n))
        for i in range(n):
            for j in range(n):
                gap = self.w[i] - self.w[j]
                c[i, j] *= self.slope[i] if gap == 0 else (self.f[i] - self.f[j]) / gap
            c[i, i] -= response * self.response[i]
        g = v * c * v.H
        return np.array([[complex(g[i, j]) for j in range(n)] for i in range(n)])


W = [-1.0, -0.5, -0.5, 0.25, 0.25, 1.0]


@pytest.mark.parametrize("width", [0.5, 0.02])
@pytest.mark.parametrize("kind, extra", KINDS)
def test_gradients(kind, extra, width):
    """Diagonal matrices, whose eigenvalues have no rounding errors."""
    library, parameters = Library(), widened(kind, extra, width)
    c = hermitian(np.random.default_rng(3), 1, 6, "complex128")[0]
    for electrons in (1e-9, 0.5, 1.0, 2 - 1e-12, 2.25, 3.0, 4.0, 5.75, 6 - 1e-9):
        truth = Truth(kind, parameters, W, electrons)
        function = Function(kind, electrons=electrons, **parameters)
        exact = truth.gradient(mp.eye(6), c)
        size = np.abs(exact).max()
        if kind not in MONOTONIC:  # where f passes through 0, it is small by cancellation
            size = max(size, float(max(abs(x) for x in truth.slope)) * np.abs(c).max())
        value, slope = np.diag([float(x) for x in truth.f]), max(1.0, float(max(abs(x) for x in truth.response)))
        for solver in ("lanes", "lapack"):
            options = Options(triangle="full", solver=solver)
            f, w, v, forward = library.function(np.diag(W).astype(complex)[None], function, options)
            g, certificate = library.function_backward(w, v, function, c[None], forward, options)
            error = np.abs(g[0] - exact).max() / size
            assert error < 2e-12 * slope, (electrons, solver, error, truth.mu)
            assert np.abs(f[0] - value).max() < 1e-14 * slope and certificate.report["status"] == OK


@pytest.mark.parametrize("kind, extra", KINDS)
def test_jobs(kind, extra, tmp_path):
    a = hermitian(np.random.default_rng(2), 2, 6, "complex128", W)
    write(tmp_path / "in.h5", H=a)
    electrons = [1e-9, 0.5, 2.25, 3.0, 5.75]
    parameters = widened(kind, extra, 0.125)
    functions = [{"name": f"f{k}", "kind": kind, "electrons": x, **parameters} for k, x in enumerate(electrons)]
    write(tmp_path / "g.h5", **{f"H/functions/f{k}": hermitian(np.random.default_rng(k), 2, 6, "complex128")
                                for k in range(len(electrons))})
    run(config(tmp_path, functions=functions, gradient={"cotangents": "g.h5"}))
    r = read(tmp_path / "job-out.h5")
    assert (r["status"] == OK).all()
    for k, x in enumerate(electrons):
        truth = Truth(kind, parameters, W, x)
        slope = max(1.0, float(max(abs(x) for x in truth.response)))
        assert np.abs(r[f"diagnostics/chemical_potential/f{k}"] - float(truth.mu)).max() < 1e-13 * slope
        assert np.abs(np.trace(r[f"functions/f{k}"], axis1=-2, axis2=-1) - x).max() < 1e-13
    run(tmp_path / "job-out.h5", "--gradients", "2", verb="check")
