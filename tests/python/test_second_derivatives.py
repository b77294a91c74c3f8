"""Second derivatives in PyTorch: against differences of first ones, and divided differences against mpmath."""
import contextlib
import itertools

import mpmath
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import multiplet
import multiplet.torch as mt
from multiplet import library
from multiplet.backend import Function, Library, Options
from test_serve import Service, spool  # noqa: F401  (a fixture)

KINDS = [("exp", {"scale": -0.5}), ("log", {}), ("sqrt", {}), ("inv_sqrt", {}), ("inverse", {"scale": 2.0}),
         ("tanh", {}), ("sin", {}), ("cos", {"scale": 2.0}), ("power", {"exponent": 3.0}), ("power", {"exponent": 1.7}),
         ("power", {"exponent": -2.0}), ("fermi", {"beta": 2.0, "mu": 2.2}), ("projector", {"index": (0, 2)}),
         ("projector", {"index": (2, 3)}), ("softplus", {"scale": 2.0}), ("xlogx", {"scale": 0.7}), ("abs", {}), ("sign", {"scale": -1.0}),
         ("clamp_min", {"minimum": 2.2}), ("gaussian", {"sigma": 1.3, "mu": 2.2}),
         ("methfessel_paxton", {"sigma": 1.5, "mu": 2.0, "order": 2}), ("cold", {"sigma": 1.4, "mu": 1.9})]
FIXED = [(kind, {**given, "electrons": 2.3}) for kind, given in
         (("fermi", {"beta": 2.0}), ("gaussian", {"sigma": 1.3}), ("methfessel_paxton", {"sigma": 1.5}), ("cold", {"sigma": 1.4}))]
SPECTRA = {"degenerate": (1, 1, 2, 3, 3), "near": (1, 1 + 1e-9, 2, 3, 3 + 1e-6), "simple": (1, 1.5, 2, 3, 3.4)}
DOUBLES = [torch.float64, torch.complex128]


def hermitian(x):
    return (x + x.mH) / 2


def make(spectrum, dtype, batch=(2,)):
    torch.manual_seed(0)
    q = torch.linalg.qr(torch.randn(*batch, len(spectrum), len(spectrum), dtype=dtype))[0]
    return hermitian(q * torch.tensor(spectrum, dtype=dtype) @ q.mH).clone().requires_grad_()


@pytest.mark.parametrize("dtype", DOUBLES)
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("kind, parameters", KINDS + FIXED)
def test_functions(kind, parameters, spectrum, dtype):
    a = make(SPECTRA[spectrum], dtype)
    assert torch.autograd.gradgradcheck(lambda x: mt.matrix_function(hermitian(x), kind, **parameters), a)


@pytest.mark.parametrize("dtype", DOUBLES)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_frames(spectrum, dtype):
    a = make(SPECTRA[spectrum], dtype)
    for shape in ((5, 2), (2, 5, 1)):
        r = torch.randn(shape, dtype=dtype).requires_grad_()
        assert torch.autograd.gradgradcheck(lambda x, y: mt.frame(hermitian(x), y, (0, 2)), (a, r))
    g, = torch.autograd.grad(mt.frame(a, r, (0, 2)).real.sum(), a, create_graph=True)
    assert g.requires_grad and multiplet.torch.last_certificate().frame_condition.min() > 1  # the frame's own


@pytest.mark.parametrize("dtype", DOUBLES)
def test_eigenpairs(dtype):
    a, c = make(SPECTRA["simple"], dtype), torch.tensor([1.0, -2, 0.5, 3, 1])

    def loss(x):
        w, v = mt.eigh(hermitian(x))
        return (v[..., 0, :].abs().square() * w * c).sum(), v[..., :2] @ v[..., :2].mH
    assert torch.autograd.gradgradcheck(loss, a)
    assert torch.autograd.gradgradcheck(lambda x: (mt.eigvalsh(hermitian(x)) ** 3 * c).sum(-1), a)


@pytest.mark.parametrize("kind, parameters", KINDS)
@pytest.mark.parametrize("gap", [0, 1e-14, 1e-9, 1e-5, 1e-3, 0.02, 0.045, 0.055, 0.3])
def test_divided_differences(kind, parameters, gap):
    """Of three points, and of two and one far away; relative to the largest."""
    function = Function(kind, **parameters)
    w = torch.tensor([[1.0, 1 + gap / 3, 1 + gap, 2.5]], dtype=torch.float64)
    if kind in ("abs", "sign"):
        w = w - 1.7
    if kind == "projector":
        w = torch.tensor([[1.0, 1 + gap / 3, 2.5, 3.5 + gap]], dtype=torch.float64)
    found = second_differences(function, w.numpy())
    with mpmath.workdps(80):
        exact = np.array([[[float(exact_difference(function, w[0].tolist(), (i, k, j))) for j in range(4)]
                           for k in range(4)] for i in range(4)])
    assert np.abs(found - exact).max() < 1e-11 * np.abs(exact).max()


def second_differences(function, w):
    """f[w_i, w_k, w_j] for w [1, n], as [n, n, n]: S_ij along matrices that have the entries ik and kj alone."""
    n = w.shape[-1]
    found = np.zeros((n, n, n))
    for i, k, j in itertools.product(range(n), repeat=3):
        e, c = np.zeros((2, 1, n, n))
        e[:, i, k] = e[:, k, i] = c[:, k, j] = c[:, j, k] = 1
        s, _ = Library().function_second(w, np.eye(n)[None], function, e, c, None, Options())
        found[i, k, j] = s[0, i, j] / (e @ c + c @ e)[0, i, j]
    return found


def exact_difference(function, w, which):
    """Points that coincide are moved apart by 1e-20, which 80 digits bear."""
    x = [mpmath.mpf(w[i]) + place * mpmath.mpf(10) ** -20 for place, i in enumerate(which)]
    p = function
    f = {"power": lambda y: (p.scale * y) ** p.exponent, "inv_sqrt": lambda y: 1 / mpmath.sqrt(p.scale * y),
         "inverse": lambda y: 1 / (p.scale * y), "fermi": lambda y: 1 / (mpmath.exp(p.beta * (y - p.mu)) + 1),
         "xlogx": lambda y: p.scale * y * mpmath.log(p.scale * y),
         "softplus": lambda y: mpmath.log1p(mpmath.exp(p.scale * y)), "abs": lambda y: abs(p.scale * y),
         "sign": lambda y: mpmath.sign(p.scale * y), "clamp_min": lambda y: max(p.scale * y, mpmath.mpf(p.minimum)),
         **{kind: lambda y: smeared(p.kind, (y - p.mu) / p.sigma, int(p.order)) for kind in ("gaussian", "methfessel_paxton", "cold")}
         }.get(p.kind, lambda y: getattr(mpmath, p.kind)(p.scale * y))
    y = [mpmath.mpf(p.index[0] <= i < p.index[1]) for i in which] if p.kind == "projector" else [f(a) for a in x]
    first = [(y[b] - y[a]) / (x[b] - x[a]) for a, b in ((0, 1), (1, 2))]
    return (first[1] - first[0]) / (x[2] - x[0])


def smeared(kind, u, order):
    """Occupations for sigma = 1: Methfessel and Paxton 1989, Marzari et al. 1999."""
    if kind == "cold":
        x = u + mpmath.sqrt(0.5)
        return mpmath.erfc(x) / 2 + mpmath.exp(-x * x) / mpmath.sqrt(2 * mpmath.pi)
    terms = [(-1) ** m * mpmath.hermite(2 * m - 1, u) * mpmath.exp(-u * u) / (mpmath.factorial(m) * 4 ** m)
             for m in range(1, order + 1) if kind == "methfessel_paxton"]
    return mpmath.erfc(u) / 2 + sum(terms) / mpmath.sqrt(mpmath.pi)


def hessian_product(a, kind, parameters):
    a = a.detach().requires_grad_()
    value = mt.matrix_function(a, kind, **parameters)
    weights = torch.linspace(-1, 1, value.numel()).reshape(value.shape).to(a.dtype)
    g, = torch.autograd.grad((hermitian(weights) * value).real.sum(), a, create_graph=True)
    return torch.autograd.grad((weights.flip(-1) * g).real.sum(), a)[0]


@pytest.mark.parametrize("single, double", [(torch.float32, torch.float64), (torch.complex64, torch.complex128)])
def test_single_precision(single, double):
    a = make(SPECTRA["degenerate"], double)
    for kind, parameters in KINDS:
        exact = hessian_product(a, kind, parameters)
        found = hessian_product(a.to(single), kind, parameters)
        assert found.dtype == single and (found - exact).abs().max() <= 1e-4 * exact.abs().max(), kind


@pytest.mark.parametrize("dtype", [torch.float32, *DOUBLES])
@pytest.mark.parametrize("kind, parameters, kink", [("abs", {}, 0.0), ("sign", {}, 0.0),
                                                    ("clamp_min", {"scale": 2.0, "minimum": 3.0}, 1.5)])
def test_at_a_kink_there_are_none(kind, parameters, kink, dtype):
    """Within rounding of it, of one matrix in a batch; zeros where they are asked for, and the other's as alone."""
    near = kink + 2 * torch.finfo(dtype).eps  # (of an eigenvalue that is zero there is no sign at all)
    a = torch.diag_embed(torch.tensor([[near, kink + 1, kink + 2.5], [kink - 1, kink + 1, kink + 2.5]]).double()).to(dtype)

    def twice(a, **more):
        x = a.clone().requires_grad_()
        f = mt.matrix_function(hermitian(x), kind, **parameters, **more)
        g, = torch.autograd.grad((f[..., 0, :].abs().square()).sum(), x, create_graph=True)
        return torch.autograd.grad(g.abs().square().sum(), x)[0]
    with pytest.raises(multiplet.ProblemError, match=rf"{kind}: matrix \[0\] has eigenvalues at the function's kink"):
        twice(a)
    assert torch.isfinite(twice(a, failed="zero")).all()
    assert torch.allclose(twice(a, failed="zero")[1], twice(a[1:])[0], rtol=1e-4, atol=1e-4)


def test_failed_matrices_have_zeros():
    a = torch.stack([torch.diag(torch.tensor([1.0, 2.0])), torch.diag(torch.tensor([-1.0, 2.0]))]).double()
    a.requires_grad_()
    g, = torch.autograd.grad(mt.matrix_function(a, "log", failed="zero").sum(), a, create_graph=True)
    h, = torch.autograd.grad(g.square().sum(), a)
    assert (h[1] == 0).all() and torch.isfinite(h).all() and h[0].abs().max() > 0.1


def test_the_same_through_a_service(spool):
    a = make(SPECTRA["degenerate"], torch.complex128)
    with Service(spool, 2), multiplet.service(spool):
        there = [hessian_product(a, kind, parameters) for kind, parameters in KINDS]
    for (kind, parameters), h in zip(KINDS, there):
        assert torch.equal(h, hessian_product(a, kind, parameters)), kind


def test_every_kind_is_tested():
    assert {kind for kind, _ in KINDS} == set(library.kinds())


def test_what_is_not_there_is_refused():
    """Also where no cotangent depends on A, and the term would merely be missing."""
    a = make(SPECTRA["degenerate"], torch.float64)
    for f, says in ((lambda: mt.eigvalsh(a).square().sum(), "simple eigenvalues"), (lambda: mt.eigh(a)[1].sum(), "simple eig")):
        with pytest.warns(multiplet.GaugeWarning) if says == "simple eig" else contextlib.nullcontext():
            g, = torch.autograd.grad(f(), a, create_graph=True)
        with pytest.raises(RuntimeError, match=says):
            torch.autograd.grad(g.sum() + (a ** 2).sum(), a)
    g, = torch.autograd.grad(mt.projector(a, (0, 2))[..., 0, 0].sum(), a, create_graph=True)
    h, = torch.autograd.grad(g[..., 0, 1].sum(), a, create_graph=True)
    with pytest.raises(RuntimeError, match="third derivatives"):
        torch.autograd.grad(h.sum(), a)
