"""Losses of V f(w) V^H composed through eigh: exact at every gap, and no other loss taken for one of them."""
import sys

import numpy as np
import pytest
import torch

from job import ROOT

sys.path.insert(0, str(ROOT / "tests/attack"))
import forms  # noqa: E402
import problems  # noqa: E402
import reference  # noqa: E402
import multiplet  # noqa: E402
import multiplet.torch as mt  # noqa: E402
from multiplet.backend import Library, Options  # noqa: E402

LARGEST = {"float64": 1e-10, "complex128": 1e-10, "float32": 1e-4, "complex64": 1e-4}
SCALARS = {"sqrt": {}, "inv_sqrt": {}, "exp": {"scale": -0.5}, "log": {}, "power": {"exponent": 1.7},
           "fermi": {"beta": 3.0, "mu": 1.5}, "tanh": {}}
GAPS = [0, 1e-16, 1e-15, 3e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 1e-2, 1]


def clustered(rng, n, m, gap, dtype):
    """m eigenvalues a gap apart, the others with room; exactly equal ones as equal blocks."""
    is_complex = np.dtype(dtype).kind == "c"
    if gap == 0:
        block = problems.hermitian(rng, n // m, "complex128" if is_complex else "float64")
        a = np.kron(np.eye(m), block / np.linalg.norm(block) + 2 * np.eye(n // m))
    else:
        x = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if is_complex else 0)
        q = np.linalg.qr(x)[0]
        w = np.r_[1.3 + gap * np.arange(m) / max(m - 1, 1), np.linspace(2.5, 4, n - m)]
        a = q * w @ q.conj().T
    return ((a + a.conj().T) / 2).astype(dtype)


@pytest.mark.parametrize("engine", ["lanes", "lapack"])
@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("kind", SCALARS)
def test_every_gap(kind, dtype, engine):
    """Linear and quadratic losses of F; OK is right to 1e-10 (1e-4), or, where gv is much larger than the
    gradient and the errors of quotient and form cross, to the estimate."""
    rng, told = np.random.default_rng([1, len(kind)]), 0
    library, options = Library(), Options(triangle="full", solver=engine)
    for k, gap in enumerate(GAPS):
        n, m = [(2, 2), (4, 2), (6, 3), (12, 4), (24, 2), (40, 20)][(k + len(kind)) % 6]
        a = clustered(rng, n, m, gap, dtype)
        c = problems.hermitian(rng, n, dtype)
        f = reference.Scalar(kind, **SCALARS[kind])
        term = problems.Function(f, target=c) if k % 2 else problems.Function(f, c=c)
        w, v, forward = library.eigh(a[None], options)
        gw, gv = term.cotangents(w[0], v[0])
        g, certificate = library.eigh_backward(w, v, gw[None], np.ascontiguousarray(gv)[None], forward, options)
        truth = term.truth(reference.Exact(a), v[0])
        status, error = certificate.status[0], float(np.linalg.norm(g[0] - truth) / np.linalg.norm(truth))
        if status == 1:
            assert error <= max(LARGEST[dtype], certificate.gradient_error[0]), (gap, n, m, error)
            assert error <= 10 * certificate.gradient_error[0] and error <= 10 * LARGEST[dtype], (gap, n, m, error)
        assert status in (1, 11), (gap, n, m, status)
        told += status == 11
    assert told <= (1 if dtype in ("float64", "complex128") else 3)


@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32", "complex64"])
def test_nothing_else_is_taken_for_it(dtype):
    """A sample of `python3 tests/attack/forms.py`. In double none; in single precision as rarely as rounding allows."""
    for kind, (count, taken) in forms.survey(dtype, 4000, seed=3).items():
        assert taken <= (0 if dtype in ("float64", "complex128") else max(1, 2e-3 * count)), (kind, taken)


def test_the_diagnostic_says_what_carried_it():
    a = torch.diag(torch.tensor([1.0, 1, 2, 2.0 + 1e-10], dtype=torch.float64)).requires_grad_()
    w, v = mt.eigh(a)
    ((v * w.sqrt()) @ v.mH)[0].sum().backward()
    assert multiplet.library.RULES[int(mt.last_certificate().rule)] == "form"
    w, v = mt.eigh(a)
    w.sum().backward()
    assert multiplet.library.RULES[int(mt.last_certificate().rule)] == "plain"


# Plain matrix code, torch.linalg.eigh replaced


def symmetric(x):
    return (x + x.mH) / 2


def of(a, f):
    w, v = mt.eigh(symmetric(a))
    return (v * f(w).unsqueeze(-2).to(v.dtype)) @ v.mH


def log_euclidean_mean(a):
    return of(of(a, torch.log).mean(0), torch.exp)


def whitened(x):
    covariance = x.mT @ x / x.shape[0]
    return x @ of(covariance, torch.rsqrt)


def density(a):
    return of(a, lambda w: torch.sigmoid(-4 * (w - 1.3)))


DEGENERATE = torch.block_diag(*[torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)] * 2)


@pytest.mark.filterwarnings("error::multiplet.SubgradientWarning", "error::multiplet.GaugeWarning")
@pytest.mark.parametrize("kind", [torch.float64, torch.complex128])
@pytest.mark.parametrize("code", [lambda a: of(a, torch.sqrt), density, lambda a: log_euclidean_mean(
    torch.stack([a, a + torch.eye(4, dtype=a.dtype)]))], ids=["root", "density", "log-Euclidean mean"])
def test_plain_code(code, kind):
    a = DEGENERATE.to(kind).requires_grad_()
    upper = torch.ones(4, 4, dtype=torch.bool).triu(1)  # what a Hermitian result has
    assert torch.autograd.gradcheck(
        lambda x: torch.cat([code(x).real.flatten(), code(x).imag[upper]]) if x.is_complex() else code(x), (a,))


@pytest.mark.filterwarnings("error::multiplet.SubgradientWarning", "error::multiplet.GaugeWarning")
def test_batch_whitening():
    """Data whose covariance is the identity, so that all eigenvalues are equal."""
    x = torch.tensor([[1.0, 1, 1], [1, -1, 1], [1, 1, -1], [-1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, -1]],
                     dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(whitened, (x,))
