"""Occupations (fermi, gaussian, methfessel_paxton, cold) with a fixed number of electrons, against 50 digits: metals,
insulators, degenerate Fermi levels, almost empty and almost full."""
import importlib.util

import mpmath as mp
import numpy as np
import pytest

import multiplet
from job import OK, ROOT, config, hermitian, read, run, write
from multiplet.backend import Function, Library, Options

spec = importlib.util.spec_from_file_location("oracle_make", ROOT / "tests/oracle/make.py")
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)
mp.mp.dps = 190  # the electrons above a gap are as few as 1e-150

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


LEVELS = {"insulator": ([[-1.0, -0.9, 1.0, 2.0], [-1.5, -0.8, 0.7, 1.1]], [2.0]),
          "degenerate": ([[-1.0, 0.25, 0.25, 2.0], [-1.5, 0.25, 0.25, 0.5]], [1.75, 2.0]),
          "metal": ([[-1.0, 0.0, 0.1, 2.0], [-1.5, 0.05, 0.2, 0.5]], [1.5, 2.2, 1e-9, 4 - 2.0 ** -40])}


@pytest.mark.parametrize("weights", [[0.25, 0.75], [1 / 3, 2 / 3]])
@pytest.mark.parametrize("width", [0.25, 0.04])
@pytest.mark.parametrize("kind, extra", KINDS)
def test_many_matrices(kind, extra, width, weights):
    parameters = widened(kind, extra, width)
    for w, counts in LEVELS.values():
        flat, each = np.ravel(w), np.repeat(weights, 4)
        for electrons in counts[:4 if weights[0] == 0.25 else 2]:  # few holes feel a third's rounding
            exactly = [mp.mpf(round(12 * x)) / 12 for x in each]  # a third is not the double beside it
            truth = Truth(kind, parameters, flat, electrons, exactly)
            made = [np.empty(8) for _ in range(3)] + [np.empty(1)]
            function = multiplet.library.Function(kind=list(multiplet.library.kinds()).index(kind), electrons=electrons,
                                                  **parameters)
            multiplet.library.occupations(4, 2, function, np.array(weights), flat, *made)
            steep = max(1.0, float(max(abs(x) for x in truth.response)))
            exact = [np.array([float(x) for x in y]) for y in (truth.f, truth.slope, truth.response)]
            assert abs(made[3][0] - float(truth.mu)) < 5e-16 * steep * max(1, abs(made[3][0])), (electrons, made[3][0], truth.mu)
            assert np.abs(made[0] - exact[0]).max() < 1e-14 * steep
            assert np.abs(made[1] - exact[1]).max() < 1e-13 * steep * max(np.abs(exact[1]).max(), 1e-300)
            assert np.abs(made[2] - exact[2]).max() < 1e-12 * steep and abs(made[2].sum() - 1) < 1e-14 * steep
            found = multiplet.occupations(w, kind, electrons=electrons, weights=weights, **parameters)
            assert np.array_equal(found.occupations.ravel(), made[0]) and found.mu == made[3][0]


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_of_many_matrices(dtype):
    """Against differences, levels of the two matrices in any order."""
    rng, weights = np.random.default_rng(5), [0.25, 0.75]
    a = np.concatenate([hermitian(rng, 1, 4, dtype, w) for w in ([-1, 0.1, 0.1, 2], [0.1, 0.1, 0.5, 0.75])])
    c, h = hermitian(rng, 2, 4, dtype), 1e-5 * hermitian(rng, 2, 4, dtype)
    for kind, extra in KINDS:
        parameters = {**widened(kind, extra, 0.3), "electrons": 1.7, "weights": weights}

        def f(x):
            return multiplet.matrix_function(x, kind, **parameters)
        assert np.isclose(np.trace(f(a).value, axis1=-2, axis2=-1).real @ weights, 1.7, rtol=1e-13)
        found = np.sum(multiplet.matrix_function_backward(f(a), c).gradient.conj() * h).real
        assert np.isclose(found, np.sum(c.conj() * (f(a + h).value - f(a - h).value)).real / 2, rtol=1e-6), kind


def test_what_occupations_refuse():
    w = np.array([[0.0, 1.0], [0.5, 2.0]])
    with pytest.raises(multiplet.Error, match="2 electrons, and the levels hold 2"):
        multiplet.occupations(w, "cold", sigma=0.1, electrons=2.0, weights=[0.25, 0.75])
    with pytest.raises(multiplet.Error, match="bad argument, weights"):
        multiplet.occupations(w, "cold", sigma=0.1, electrons=1.0, weights=[-1, 0.75])
    with pytest.raises(multiplet.Error, match="bad argument, function"):
        multiplet.occupations(w, "exp")
    with pytest.raises(multiplet.Error, match="not finite"):
        multiplet.occupations(w * np.nan, "fermi", beta=1.0, mu=0.0)
    with pytest.raises(ValueError, match="weights has the shape"):
        multiplet.occupations(w, "fermi", beta=1.0, electrons=1.0, weights=[1.0])
    with pytest.raises(ValueError, match="weights needs electrons"):
        multiplet.matrix_function(np.eye(2), "fermi", beta=1.0, mu=1.0, weights=[1.0])
    made = multiplet.occupations(w, "fermi", beta=1.0, electrons=1.0)
    assert made.mu.shape == (2,) and np.allclose(made.mu, [0.5, 1.25]) and np.allclose(made.occupations.sum(-1), 1)
    assert multiplet.occupations(w, "gaussian", sigma=1.0, mu=0.0).occupations[0, 0] == 0.5
