"""eigenvalue_cotangents: unbiased. In a random basis, drawn anew for each forward pass, the mean of the estimate is the
gradient of any loss that depends on no basis, also of those that no certified form explains."""
import warnings

import numpy as np
import pytest
import torch

from job import SUBGRADIENT, read, run, solve
from multiplet import SubgradientWarning
from multiplet.backend import Library, Options
import multiplet.torch as mt

DRAWS = 10_000
UNBIASED = 3  # a gradient_rule
EXP, SIN = (np.exp, np.exp), (np.sin, np.cos)  # f and its derivative


def adjoint(x):
    return x.conj().swapaxes(-1, -2)


def multiplet_of(m, dtype):
    """m equal eigenvalues and two others, exactly: a diagonal matrix whose order is mixed."""
    rng = np.random.default_rng(m)
    w = np.r_[np.full(m, 1.0), 2.0, 3.5]
    order = rng.permutation(len(w))
    return np.diag(w[order]).astype(dtype), w, np.eye(len(w))[:, np.argsort(order)]


def weights(rng, n, dtype):
    x = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if np.dtype(dtype).kind == "c" else 0)
    return (x + adjoint(x)).astype(dtype)


class Losses:
    """tr(C f(A)) summed over two functions; tr(C P) of the multiplet's own projector and one function."""

    def __init__(self, m, dtype):
        rng = np.random.default_rng([m, 1])
        self.m, self.n = m, m + 2
        self.c = [weights(rng, self.n, dtype) for _ in range(4)]

    def cotangents(self, w, v):
        """gw [2, n] and gv [2, n, n] of the two losses, as code that composes through eigh has them."""
        gw, gv, inside = np.zeros((2, self.n)), np.zeros((2, self.n, self.n), v.dtype), np.arange(self.n) < self.m
        for loss, c, (f, slope) in ((0, self.c[0], EXP), (0, self.c[1], SIN), (1, self.c[2], EXP)):
            gw[loss] += slope(w) * np.einsum("ji,ji->i", v.conj(), c @ v).real
            gv[loss] += 2 * (c @ v) * f(w)
        gv[1] += 2 * (self.c[3] @ v) * inside
        return gw, gv

    def truth(self, w, v):
        """By Daleckii and Krein."""
        gap, inside = w - w[:, None], np.arange(self.n) < self.m
        equal = gap == 0
        tables = [np.where(equal, slope(w)[:, None], (f(w) - f(w)[:, None]) / np.where(equal, 1, gap))
                  for f, slope in (EXP, SIN)]
        whole = np.where(equal, 0, (1.0 * inside - inside[:, None]) / np.where(equal, 1, gap))
        parts = [[(tables[0], 0), (tables[1], 1)], [(tables[0], 2), (whole, 3)]]
        return np.stack([sum(v @ (t * (adjoint(v) @ self.c[k] @ v)) @ adjoint(v) for t, k in p) for p in parts])


def estimate(a, losses, options):
    """G [2, n, n] of one draw."""
    w, v, forward = Library().eigh(np.stack([a, a]), options)
    gw, gv = losses.cotangents(w[0], v[0])
    g, certificate = Library().eigh_backward(w, v, gw, gv, forward, options)
    return g, certificate


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("m", [2, 3, 4, 5, 6])
def test_the_mean_is_the_gradient(m, dtype):
    a, w, v = multiplet_of(m, dtype)
    losses = Losses(m, dtype)
    truth = losses.truth(w, v)
    size = np.linalg.norm(truth, axis=(1, 2))
    total, squares = np.zeros_like(truth), np.zeros(2)
    for seed in range(DRAWS):
        g, certificate = estimate(a, losses, Options(triangle="full", spread="unbiased", seed=seed))
        total, squares = total + g, squares + np.linalg.norm(g, axis=(1, 2)) ** 2
    assert (certificate.rule == UNBIASED).all() and (certificate.status == SUBGRADIENT).all()
    mean = total / DRAWS
    error = np.linalg.norm(mean - truth, axis=(1, 2))
    standard = np.sqrt((squares / DRAWS - np.linalg.norm(mean, axis=(1, 2)) ** 2) / DRAWS)
    assert (standard > 0).all() and (error <= 3 * standard).all(), (error / standard, error / size)
    assert (error <= 0.025 * size).all(), error / size
    by_mean, _ = estimate(a, losses, Options(triangle="full"))
    assert (np.linalg.norm(by_mean - truth, axis=(1, 2)) > 0.1 * size).all()  # this test can fail


# Through PyTorch


def fit(a, eigh, **options):
    """Two functions of one matrix: no form of it is certified at a degeneracy."""
    w, v = eigh(a, **options)
    target = torch.block_diag(*[torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=a.dtype)] * 2)
    to = torch.linalg.matrix_exp(target), torch.matrix_exp(1j * target).imag
    return sum(((v * f(w)) @ v.mT - t).square().sum() for f, t in zip((torch.exp, torch.sin), to))


def start():
    return torch.diag(torch.tensor([1.0, 1, 1.5, 1.5], dtype=torch.float64)).requires_grad_()


def test_the_generator_decides():
    def gradient(seed):
        torch.manual_seed(seed)
        a = start()
        with warnings.catch_warnings():
            warnings.simplefilter("error", SubgradientWarning)
            fit(a, mt.eigh, eigenvalue_cotangents="unbiased").backward()
        assert mt.last_certificate().rule == UNBIASED and mt.last_certificate().status == SUBGRADIENT
        return a.grad
    assert torch.equal(gradient(1), gradient(1)) and not torch.allclose(gradient(1), gradient(2))
    with pytest.warns(SubgradientWarning):
        fit(start(), mt.eigh).backward()


def test_vectors_follow_the_generator():
    def vectors(seed):
        torch.manual_seed(seed)
        return mt.eigh(start(), eigenvalue_cotangents="unbiased").eigenvectors.detach()
    one, other = vectors(1), vectors(2)
    assert torch.equal(one, vectors(1)) and not torch.allclose(one, other)
    torch.testing.assert_close(one[:, :2] @ one[:, :2].mT, other[:, :2] @ other[:, :2].mT)


def train(eigh, **options):
    """The last loss, from a degenerate start to a degenerate end."""
    torch.manual_seed(0)
    a = start()
    optimizer = torch.optim.SGD([a], lr=4e-3)
    for _ in range(1500):
        optimizer.zero_grad()
        loss = fit((a + a.mT) / 2, eigh, **options)
        loss.backward()
        optimizer.step()
    return float(loss)


@pytest.mark.filterwarnings("error::multiplet.SubgradientWarning", "error::multiplet.GaugeWarning")
def test_training_through_degeneracies():
    assert fit(start(), mt.eigh, eigenvalue_cotangents="unbiased") > 1
    assert train(mt.eigh, eigenvalue_cotangents="unbiased") < 1e-12
    a = start()
    fit(a, torch.linalg.eigh).backward()
    assert not torch.isfinite(a.grad).all()


@pytest.mark.parametrize("solver", ["lanes", "lapack"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_job_in_two_passes(tmp_path, dtype, solver):
    a, _, _ = multiplet_of(3, dtype)
    losses, both = Losses(3, dtype), np.stack([a, a])
    keys = {"degeneracy": {"eigenvalue_cotangents": "unbiased", "seed": 7}, "solve": {"solver": solver}}
    solve(tmp_path, both, name="forward", **keys)
    forward = read(tmp_path / "forward-out.h5")
    gw, gv = losses.cotangents(forward["eigenvalues"][0], forward["eigenvectors"][0])
    r = solve(tmp_path, both, cotangents={"eigenvalues": gw, "eigenvectors": gv},
              gradient={"eigenpairs": "forward-out.h5"}, **keys)
    assert (r["status"] == SUBGRADIENT).all() and (r["diagnostics/gradient_rule"] == UNBIASED).all()
    assert "2 not testable" in run(tmp_path / "job-out.h5", "--gradients", "2", verb="check").stdout
    options = Options(triangle="full", spread="unbiased", seed=7, solver=solver)
    _, v, _ = Library().eigh(both, options)
    assert np.array_equal(forward["eigenvectors"], v)
    g, _ = estimate(a, losses, options)
    np.testing.assert_allclose(r["gradient"], g, rtol=0, atol=1e-13 * abs(g).max())
    _, other, _ = Library().eigh(both, options._replace(seed=8))
    assert not np.allclose(v, other)
