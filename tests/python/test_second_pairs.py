"""Second derivatives through eigenpairs, at every gap and at multiplets: against differences of the true first
derivatives (tests/attack/reference.py), of matrices that hold a gap exactly."""
import sys
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import multiplet  # noqa: E402
import multiplet.torch as mt  # noqa: E402
from job import ROOT  # noqa: E402

sys.path.insert(0, str(ROOT / "tests/attack"))
import problems  # noqa: E402
import reference  # noqa: E402

N, K = 8, 4
TYPES = ["float64", "complex128"]
GAPS = [0] + [2.0 ** -k for k in (46, 43, 40, 36, 30, 27, 24, 20, 14, 13, 10, 7)]  # 0, 1e-14 ... 1e-2
EXP = reference.Scalar("exp")


def matrix(gap, dtype, rng, count=2):
    """`count` eigenvalues from -1/2 on are `gap` apart, of eight from -1 to 1; the fourth and fifth are not."""
    w = np.array([-1, -0.5, -0.375, 0, 0.375, 0.5, 0.75, 1])
    w[1:1 + count] = -0.5 + gap * np.arange(count)
    phases = 1j ** rng.integers(4, size=N) if dtype == "complex128" else rng.choice([-1.0, 1.0], N)
    return phases[:, None] * (problems.hadamard(N) * w @ problems.hadamard(N) / N) * phases.conj()


def coarse(rng, dtype):
    """Hermitian, of few digits, so that a small multiple adds to a matrix without rounding."""
    x = rng.integers(-16, 17, (N, N)) / 16 + (1j * rng.integers(-16, 17, (N, N)) / 16 if dtype == "complex128" else 0)
    return problems._symmetric((x + x.conj().T) / 2)


def second(a, e, loss, **options):
    """The derivative of <e, G> by A, and its certificate."""
    a = torch.tensor(a, requires_grad=True)
    g, = torch.autograd.grad(loss(*mt.eigh((a + a.mH) / 2, **options)), a, create_graph=True)
    h, = torch.autograd.grad((torch.tensor(e).conj() * g).real.sum(), a)
    return h.numpy(), mt.last_certificate()


def truth(gradient, a, e, step=2.0 ** -20):
    """The same from first derivatives: differences of two steps, extrapolated."""
    assert ((a + step * e) - a == step * e).all()
    coarse, fine = ((gradient(reference.Exact(a + h * e)) - gradient(reference.Exact(a - h * e))) / (2 * h)
                    for h in (2 * step, step))
    return fine + (fine - coarse) / 3


def inner(x, y):
    return (x.conj() * y).real.sum()


def whole_losses(m):
    """(loss of w and v, its gradient) that see the near pair's subspace, or nothing of it."""
    t = torch.tensor(m)

    def projector(v, first=0, stop=K):
        return v[..., first:stop] @ v[..., first:stop].mH

    def both(x):
        energy, p = x.values[:K].sum(), x.projector((0, K))
        return energy ** 2 * x.of_projector((0, K), m) + 2 * energy * np.vdot(m, p).real * p

    return {"linear": (lambda w, v: inner(t, projector(v)), lambda x: x.of_projector((0, K), m)),
            "quadratic": (lambda w, v: inner(projector(v) - t, projector(v) - t) / 2,
                          lambda x: x.of_projector((0, K), x.projector((0, K)) - m)),
            "others": (lambda w, v: inner(t, projector(v, 4, 6)) + w[..., 7] ** 3,
                       lambda x: x.of_projector((4, 6), m) + 3 * x.values[7] ** 2 * x.projector((7, 8))),
            "with the sum": (lambda w, v: w[..., :K].sum() ** 2 * inner(t, projector(v)), both)}


def error_of(found, exact):
    return np.abs(found - exact).max() / np.abs(exact).max()


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("dtype", TYPES)
def test_losses_of_whole_groups(dtype, gap, count):
    rng = np.random.default_rng(1)
    a, e, m = matrix(gap, dtype, rng, count), coarse(rng, dtype), coarse(rng, dtype)
    for name, (loss, gradient) in whole_losses(m).items():
        found, certificate = second(a, e, loss)
        error = error_of(found, truth(gradient, a, e))
        assert error < 1e-11 and error <= 10 * certificate.gradient_error, (name, error, certificate)


@pytest.mark.parametrize("dtype", TYPES)
def test_functions(dtype):
    """tr(M V exp(w) V^H) loses eps (||A|| / gap)^2, says so, and is refused where nothing is left."""
    rng, refusals = np.random.default_rng(2), []
    for gap in GAPS[1:]:
        a, e, m = matrix(gap, dtype, rng), coarse(rng, dtype), coarse(rng, dtype)
        t = torch.tensor(m)
        try:
            found, certificate = second(a, e, lambda w, v: inner(t, (v * torch.exp(w)) @ v.mH))
        except multiplet.ProblemError as refusal:
            assert "would be wrong by about" in str(refusal) or "simple eigenvalues" in str(refusal)
            refusals.append(gap)
            continue
        error = error_of(found, truth(lambda x: x.of_function(EXP, m), a, e))
        assert error <= 10 * certificate.gradient_error, (gap, error, certificate)
        assert error < 1e-12 / gap ** 2
    assert refusals and max(refusals) < 1e-7


@pytest.mark.parametrize("dtype", TYPES)
def test_functions_of_eigenvalues(dtype):
    """sum exp(w): eps ||A|| / gap."""
    rng = np.random.default_rng(3)
    for gap in GAPS[2:]:
        a, e = matrix(gap, dtype, rng), coarse(rng, dtype)
        found, certificate = second(a, e, lambda w, v: torch.exp(w).sum())
        error = error_of(found, truth(lambda x: x.of_values(np.exp(x.values)), a, e))
        assert error <= 10 * certificate.gradient_error and error < 1e-14 / gap, (gap, error, certificate)


@pytest.mark.parametrize("dtype", TYPES)
def test_vectors_of_a_pair(dtype):
    rng = np.random.default_rng(4)
    for k in (7, 14, 20, 27, 34):
        a, e, b = matrix(2.0 ** -k, dtype, rng), coarse(rng, dtype), coarse(rng, dtype)[0]
        t = torch.tensor(b)

        def gradient(x):
            gv = np.zeros_like(x.v)
            gv[:, 1] = 2 * b * (b.conj() @ x.v[:, 1])
            return x.of_vectors(gv)
        found, certificate = second(a, e, lambda w, v: (t.conj() * v[:, 1]).sum().abs().square())
        error = error_of(found, truth(gradient, a, e, 2.0 ** (-k - 12)))
        assert error <= 100 * certificate.gradient_error and error < 1e-14 * 2.0 ** k, (k, error, certificate)


@pytest.mark.parametrize("gap", [2.0 ** -27, 2.0 ** -14, 0.25])
def test_a_stationary_loss_is_not_an_invariant_one(gap):
    """K is zero at v = e, and its derivative is not: (v_0[0])^4 = 1 - 2 (A_01 / gap)^2, so G_01 = -2 A_01 / gap^2."""
    a, e = np.diag([0, gap, 1]), np.zeros((3, 3))
    e[0, 1] = e[1, 0] = 0.5
    found, _ = second(a, e, lambda w, v: v[0, 0] ** 4)
    assert abs(found * gap ** 2 + 2 * e).max() < 1e-7


def test_a_batch_with_a_degenerate_matrix():
    rng = np.random.default_rng(5)
    some = [matrix(0.0625, "float64", rng), matrix(0, "float64", rng), matrix(0.03125, "float64", rng)]
    e, t = coarse(rng, "float64"), torch.tensor(coarse(rng, "float64"))

    def loss(w, v):
        return inner(t, (v * torch.exp(w).unsqueeze(-2)) @ v.mH)

    alone = [second(a, e, loss)[0] for a in (some[0], some[2])]
    a, weights = torch.tensor(np.stack(some), requires_grad=True), torch.tensor([1.0, 0, 1], dtype=torch.float64)

    def product(weights, **options):
        g, = torch.autograd.grad(loss(*mt.eigh(a, **options)), a, create_graph=True)
        return torch.autograd.grad((weights[:, None, None] * torch.tensor(e) * g).sum(), a)[0].numpy()

    for found in (product(weights), product(torch.ones_like(weights), failed="zero")):
        assert np.abs(found[[0, 2]] - alone).max() < 1e-12 * np.abs(alone).max() and (found[1] == 0).all()
    with pytest.raises(multiplet.ProblemError, match=r"simple eigenvalues.*matrix \[1\], eigenvalues 1, 2 are not"):
        product(torch.ones_like(weights))


def test_what_a_multiplet_does_not_tell_is_refused():
    rng = np.random.default_rng(6)
    a, e, t = matrix(0, "float64", rng), coarse(rng, "float64"), torch.tensor(coarse(rng, "float64"))
    for loss in (lambda w, v: w.square().sum(), lambda w, v: w[1], lambda w, v: inner(t[0], v[:, 1]),
                 lambda w, v: w[1:3].sum() * w[1], lambda w, v: inner(t, (v * w) @ v.mH)):
        with pytest.raises(multiplet.ProblemError, match="simple eigenvalues"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that some of them depend on the basis
            second(a, e, loss)


@pytest.mark.parametrize("dtype", TYPES)
def test_gradgradcheck_at_a_multiplet(dtype):
    a = torch.tensor(matrix(0, dtype, np.random.default_rng(7), 3), requires_grad=True)

    def outputs(x):
        w, v = mt.eigh((x + x.mH) / 2)
        return v[:, :K] @ v[:, :K].mH, w[1:4].sum(), w[5]
    assert torch.autograd.gradgradcheck(outputs, a)


def test_single_precision():
    rng = np.random.default_rng(8)
    for gap in (0, 2.0 ** -17, 2.0 ** -12, 2.0 ** -7):
        a, e, m = matrix(gap, "float64", rng), coarse(rng, "float64"), coarse(rng, "float64")
        loss, gradient = whole_losses(m)["linear"]
        t = torch.tensor(m, dtype=torch.float32)
        found, certificate = second(a.astype("f4"), e.astype("f4"), lambda w, v: inner(t, v[:, :K] @ v[:, :K].mH))
        error = error_of(found, truth(gradient, a, e))
        assert found.dtype == np.float32 and error < 1e-4 and error < 10 * certificate.gradient_error


def test_third_derivatives():
    """They exist where there is no multiplet to take care of."""
    rng = np.random.default_rng(9)
    t = torch.tensor(coarse(rng, "float64"))
    for gap, there in ((0.0625, True), (0, False)):
        a = torch.tensor(matrix(gap, "float64", rng), requires_grad=True)
        v = mt.eigh((a + a.mH) / 2)[1][:, :K]
        g, = torch.autograd.grad(inner(t, v @ v.mH), a, create_graph=True)
        h, = torch.autograd.grad(g[0, 1], a, create_graph=True)
        if there:
            assert torch.isfinite(torch.autograd.grad(h[1, 2], a)[0]).all()
        else:
            with pytest.raises(RuntimeError, match="third derivatives"):
                torch.autograd.grad(h[1, 2], a)
