"""Forward mode of multiplet.torch: by PyTorch's own check, by differences, and where it cannot be."""
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", "2.4")
import multiplet  # noqa: E402
import multiplet.torch as mt  # noqa: E402
from job import hermitian  # noqa: E402
from torch.autograd import forward_ad  # noqa: E402

DOUBLES, TYPES = ("float64", "complex128"), ("float32", "float64", "complex64", "complex128")
PAIRS, APART = [1.0, 1.0, 2.0, 3.5, 3.5], [0.5, 1.0, 2.0, 3.0, 4.5]


def make(spectrum, dtype, batch=(2,), seed=0):
    a = hermitian(np.random.default_rng(seed), int(np.prod(batch, dtype=int)), len(spectrum), dtype, spectrum)
    return torch.from_numpy(a).reshape(*batch, len(spectrum), len(spectrum))


def along(f, *pairs):
    """The tangents of f's outputs for (value, tangent) of each argument."""
    with forward_ad.dual_level():
        out = f(*(forward_ad.make_dual(x, d) for x, d in pairs))
        return [forward_ad.unpack_dual(y).tangent for y in (out if isinstance(out, tuple) else (out,))]


FUNCTIONS = {"exp": lambda A: mt.matrix_function(A, "exp"), "log": lambda A: mt.matrix_function(A, "log"),
             "fermi": lambda A: mt.matrix_function(A, "fermi", beta=2.0, electrons=2.2),
             "projector": lambda A: mt.projector(A, (2, 3)), "abs": lambda A: mt.matrix_function(A, "abs"),
             "frame": lambda A: mt.frame(A, torch.ones(5, 2, dtype=A.dtype).tril(), (0, 2))}


@pytest.mark.parametrize("dtype", DOUBLES)
@pytest.mark.parametrize("batch", [(), (2,), (1, 2), (0,)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, batch, dtype):
    """At repeated eigenvalues, against differences."""
    A, d, h = make(PAIRS, dtype, batch), make(APART, dtype, batch, 1) - 2, 1e-5
    found, = along(FUNCTIONS[name], (A, d))
    expected = (FUNCTIONS[name](A + h * d) - FUNCTIONS[name](A - h * d)) / (2 * h)
    assert found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", DOUBLES)
def test_torchs_own_check(dtype):
    A = make(PAIRS, dtype, ()).requires_grad_()
    R = torch.ones(5, 2, dtype=A.dtype).tril().requires_grad_()
    hermitian_part = lambda x: (x + x.mH) / 2
    assert torch.autograd.gradcheck(lambda x: mt.matrix_function(hermitian_part(x), "exp"), A, check_forward_ad=True)
    assert torch.autograd.gradcheck(lambda x, r: mt.frame(hermitian_part(x), r, (0, 2)), (A, R), check_forward_ad=True)


@pytest.mark.parametrize("dtype", TYPES)
def test_forward_is_the_adjoint_of_backward(dtype):
    """<gw, dw> + <gv, dv> = <G, dA> for a loss that no basis and no phase changes; no tangent is left out."""
    A, d = make(PAIRS, dtype), make(APART, dtype, seed=3)
    m = make(APART, dtype, seed=4)

    def loss(A):
        w, v = mt.eigh(A)
        return ((w ** 2).sum(-1) + (v[..., :2].mH @ m @ v[..., :2]).diagonal(dim1=-2, dim2=-1).real.sum(-1)).sum()

    x = A.clone().requires_grad_()
    loss(x).backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", multiplet.GaugeWarning)
        found, = along(loss, (A, d))
        values, = along(mt.eigvalsh, (A, d))
        pairs = along(lambda A: tuple(mt.eigh(A)), (A, d))
    eps = torch.finfo(A.real.dtype).eps
    assert torch.allclose(found, (x.grad.conj() * d).real.sum(), rtol=1e4 * eps, atol=1e4 * eps)
    assert torch.equal(values, pairs[0]) and values.dtype == A.real.dtype and pairs[1].dtype == A.dtype


@pytest.mark.parametrize("dtype", DOUBLES)
def test_pairs_by_differences(dtype):
    """Of simple eigenvalues; a vector up to its phase. And of a direction that keeps multiplets whole."""
    A, d, h = make(APART, dtype), make(APART, dtype, seed=5), 1e-5
    w, v = along(lambda A: tuple(mt.eigh(A)), (A, d))
    up, down, at = mt.eigh(A + h * d), mt.eigh(A - h * d), mt.eigh(A)
    assert torch.allclose(w, (up[0] - down[0]) / (2 * h), rtol=1e-6, atol=1e-8)
    moved = (up[1] - down[1]) / (2 * h)
    phase = (at[1].conj() * moved).sum(-2, keepdim=True)
    assert torch.allclose(v, moved - at[1] * phase, rtol=1e-5, atol=1e-6)
    B = make(PAIRS, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w, = along(mt.eigvalsh, (B, B @ B))
    assert torch.allclose(w, torch.tensor(PAIRS, dtype=torch.float64) ** 2, rtol=1e-12)


def test_a_direction_that_splits():
    A, d = torch.diag(torch.tensor([4.0, 1.0, 1.0])), torch.diag(torch.tensor([0.0, 1.0, 3.0]))
    with pytest.warns(multiplet.GaugeWarning, match=r"splits a multiplet of the matrix, by 0\.32"):
        w, v = along(lambda A: tuple(mt.eigh(A)), (A, d))
    assert torch.allclose(w, torch.tensor([2.0, 2.0, 0.0])) and not v.any()
    with pytest.raises(multiplet.GaugeError, match="no derivative"):
        along(lambda A: tuple(mt.eigh(A, gauge="error")), (A, d))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("gap", [0.3, 1e-2, 1e-4])
def test_the_error_is_estimated(gap, dtype):
    """Of a vector near another one, against double precision, under forward_ad and torch.func.jvp."""
    A, d = make([0.0, 1.0, 1.0 + gap, 2.0, 3.0], dtype, (3,)), make(APART, dtype, (3,), 2)
    wide = torch.complex128 if A.is_complex() else torch.float64
    w, v = torch.linalg.eigh(A.to(wide))
    c = v.mH @ d.to(wide) @ v
    x = v @ (c * (1 - torch.eye(5)) / (w[..., None, :] - w[..., None] + torch.eye(5))) @ v.mH
    for how in (lambda: along(lambda A: tuple(mt.eigh(A)), (A, d)),
                lambda: torch.func.jvp(lambda A: tuple(mt.eigh(A)), (A,), (d,))[1]):
        dv = how()[1]
        certificate, mine = mt.last_certificate(), dv.to(wide) @ mt.eigh(A)[1].to(wide).mH
        error = torch.linalg.vector_norm(mine - x, dim=(1, 2)) / torch.linalg.vector_norm(x, dim=(1, 2))
        eps = torch.finfo(dv.dtype).eps
        assert (error.numpy() <= certificate.tangent_error + (64 * torch.finfo(wide).eps / gap if dv.dtype == wide else 0)).all()
        assert (certificate.tangent_error < 300 * eps / gap).all() and not certificate.tangent_splitting.any()


SECOND = {"eigh": lambda A: mt.eigh(A)[0] ** 2, "eigvalsh": lambda A: mt.eigvalsh(A) ** 2,
          "vectors": lambda A: mt.eigh(A)[1].abs().square(), **FUNCTIONS}


@pytest.mark.parametrize("dtype", DOUBLES)
@pytest.mark.parametrize("name", SECOND)
def test_a_tangent_of_a_gradient(name, dtype):
    """And a gradient of a tangent: by differences of gradients."""
    f = lambda A: (SECOND[name](A).abs() ** 4).sum()
    A, d, h = make(APART, dtype, ()), make(APART, dtype, (), 1), 1e-5

    def gradient(A):
        x = A.clone().requires_grad_()
        return torch.autograd.grad(f(x), x)[0]

    def tangent_of_gradient():
        with forward_ad.dual_level():
            x = forward_ad.make_dual(A.clone().requires_grad_(), d)
            g, = torch.autograd.grad(f(x), x, create_graph=True)
            return forward_ad.unpack_dual(g).tangent

    def gradient_of_tangent():
        x = A.clone().requires_grad_()
        with forward_ad.dual_level():
            tangent = forward_ad.unpack_dual(f(forward_ad.make_dual(x, d))).tangent
        return torch.autograd.grad(tangent, x)[0]

    expected = (gradient(A + h * d) - gradient(A - h * d)) / (2 * h)
    for found in (tangent_of_gradient(), gradient_of_tangent()):
        assert torch.allclose((found + found.mH) / 2, expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["eigh", "eigvalsh"])
def test_a_tangent_of_a_gradient_at_a_multiplet(name):
    """The loss cannot be asked there whether it has one."""
    f = {"eigh": lambda A: mt.eigh(A)[0], "eigvalsh": mt.eigvalsh}[name]
    A, d = make(PAIRS, "float64", ()), make(APART, "float64", (), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", multiplet.GaugeWarning)
        with forward_ad.dual_level(), pytest.raises(multiplet.ProblemError, match="need simple eigenvalues"):
            x = forward_ad.make_dual(A.clone().requires_grad_(), d)
            torch.autograd.grad((f(x) ** 2).sum(), x, create_graph=True)
        with forward_ad.dual_level():
            x = A.clone().requires_grad_()
            tangent = forward_ad.unpack_dual((f(forward_ad.make_dual(x, d)) ** 2).sum()).tangent
        with pytest.raises(multiplet.ProblemError, match="need simple eigenvalues"):
            tangent.backward()


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("name", [*FUNCTIONS, "softplus", "sign", "eigvalsh"])
@pytest.mark.parametrize("n", [5, 40])
def test_single_precision(name, n, dtype):
    """Ordinary matrices against double precision."""
    f = {"softplus": lambda A: mt.matrix_function(A, "softplus"), "eigvalsh": mt.eigvalsh, **FUNCTIONS,
         "sign": lambda A: mt.matrix_function(A - 2.03 * torch.eye(n, dtype=A.dtype), "sign")}[name]
    if name == "frame":
        f = lambda A: mt.frame(A, torch.ones(n, 2, dtype=A.dtype).tril(), (0, 2))
    spectrum = list(0.5 + 4.0 * np.arange(n) / n)
    A, d = make(spectrum, dtype), make(list(np.cos(np.arange(n))), dtype, seed=1)
    wide = getattr(torch, "float64" if dtype == "float32" else "complex128")
    (found,), (exact,) = along(f, (A, d)), along(f, (A.to(wide), d.to(wide)))
    assert found.dtype in (A.dtype, A.real.dtype)
    f(A)
    condition = float(np.max(mt.last_certificate().frame_condition))  # 0 without a frame
    assert (found - exact).norm() <= 1e-7 * n ** 2 * exact.norm() * max(1, condition)


def test_directions_that_are_not_finite():
    A = torch.stack([torch.diag(torch.tensor([4.0, 2.0, 1.0]))] * 2)
    d = torch.ones(2, 3, 3)
    d[1, 0, 0] = float("nan")
    R = torch.ones(2, 3, 1)
    for f, pairs in ((mt.eigvalsh, [(A, d)]), (lambda A: mt.matrix_function(A, "exp"), [(A, d)]),
                     (lambda R: mt.frame(A, R, (0, 2)), [(R, d[..., :1])])):
        with pytest.raises(multiplet.ProblemError, match=r"matrix \[1\] is NONFINITE_COTANGENT"):
            along(f, *pairs)
    w, v = along(lambda A: tuple(mt.eigh(A, failed="zero")), (A, d))
    assert torch.allclose(w, torch.tensor([[1.0] * 3, [0.0] * 3])) and not v[1].any() and v[0].any()
    assert list(mt.last_certificate().status) == [multiplet.Status.OK, multiplet.Status.NONFINITE_COTANGENT]
    for shape in ((0, 3, 3), (2, 0, 0)):
        w, v = along(lambda A: tuple(mt.eigh(A)), (torch.zeros(shape), torch.zeros(shape)))
        assert w.shape == shape[:-1] and v.shape == shape
