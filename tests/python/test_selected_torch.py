"""multiplet.torch.eigh and eigvalsh with select, under autograd and every transform, against the whole spectrum's
columns."""
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", "2.4")
import multiplet  # noqa: E402
import multiplet.torch as mt  # noqa: E402
from job import hermitian  # noqa: E402
from test_transforms import close, herm  # noqa: E402
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap  # noqa: E402

SPECTRUM = [-1.0, -0.3, 0.4, 1.1, 2.0, 3.0]
SELECTIONS = {"lowest": ({"lowest": 2}, slice(0, 2)), "highest": ({"highest": 3}, slice(3, 6)),
              "index": ({"index": (1, 4)}, slice(1, 4)), "range": ({"range": (-0.5, 1.5), "at_most": 5}, slice(1, 4))}
CASES = pytest.mark.parametrize("kind", SELECTIONS)
DOUBLES = pytest.mark.parametrize("dtype", ["float64", "complex128"])
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore::FutureWarning",
                                        "ignore::DeprecationWarning", "ignore::multiplet.GaugeWarning")


def make(dtype="float64", batch=(), spectrum=SPECTRUM, seed=0):
    a = hermitian(np.random.default_rng(seed), int(np.prod(batch, dtype=int)), len(spectrum), dtype, list(spectrum))
    return torch.from_numpy(a).reshape(*batch, len(spectrum), len(spectrum))


def pieces(kind, selected):
    """A -> (w [*batch, m], v): by select, or out of the whole spectrum."""
    select, columns = SELECTIONS[kind]
    count = columns.stop - columns.start

    def some(A):
        w, v, *_ = mt.eigh(herm(A), select=select)
        return w[..., :count], v[..., :, :count]

    def whole(A):
        w, v = mt.eigh(herm(A))
        return w[..., columns], v[..., :, columns]
    return some if selected else whole


def loss_of(kind, selected):
    f = pieces(kind, selected)

    def loss(A):
        w, v = f(A)
        p = v.abs().square() * w.exp().unsqueeze(-2)
        weights = torch.arange(1, p.numel() + 1, dtype=p.dtype).reshape(p.shape).cos()
        return ((weights * p).sum() + (w * w).sum()).sin()
    return loss


def gradient(loss, A):
    x = A.clone().requires_grad_()
    return torch.autograd.grad(loss(x), x)[0]


@CASES
@DOUBLES
def test_first_derivatives(kind, dtype):
    some, whole = loss_of(kind, True), loss_of(kind, False)
    A, d = make(dtype), make(dtype, seed=1)
    expected, batch = gradient(whole, A), torch.stack([A, A + 0.05 * d, make(dtype, seed=2)])
    each = torch.stack([gradient(whole, x) for x in batch])
    assert close(some(A), whole(A), 1e-13) and close(gradient(some, A), expected)
    assert close(grad(some)(A), expected) and close(vmap(grad(some))(batch), each)
    assert close(vmap(grad(some), in_dims=2)(batch.movedim(0, 2)), each)
    assert close(vmap(vmap(grad(some)))(batch[None]), each[None])
    assert close(vjp(some, A)[1](torch.ones((), dtype=torch.float64))[0], expected)
    assert close(jvp(some, (A,), (d,))[1], jvp(whole, (A,), (d,))[1])
    step = 1e-4
    near, far = ((some(A + k * step * d) - some(A - k * step * d)) / (2 * k * step) for k in (1, 2))
    assert abs(jvp(some, (A,), (d,))[1] - (4 * near - far) / 3) < 1e-8
    along = jvp(whole, (A,), (d,))[1]
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(A, d)
        assert close(torch.autograd.forward_ad.unpack_dual(some(dual)).tangent, along)
    if dtype == "float64":
        assert close(jacrev(some)(A), expected) and close(jacfwd(some)(A), expected)
        assert close(vmap(jacfwd(some))(batch), each)


@CASES
@DOUBLES
def test_second_derivatives(kind, dtype):
    some, whole = loss_of(kind, True), loss_of(kind, False)
    A, d = make(dtype), make(dtype, seed=1)

    def twice(loss):
        x = A.clone().requires_grad_()
        g = torch.autograd.grad(loss(x), x, create_graph=True)[0]
        return torch.autograd.grad((g.conj() * d).real.sum(), x)[0]
    with warnings.catch_warnings():  # neither by phases nor otherwise is anything said
        warnings.simplefilter("error", multiplet.GaugeWarning)
        expected = twice(whole)
        assert close(twice(some), expected)
        assert close(jvp(grad(some), (A,), (d,))[1], jvp(grad(whole), (A,), (d,))[1])
        assert close(grad(lambda x: jvp(some, (x,), (d,))[1])(A), grad(lambda x: jvp(whole, (x,), (d,))[1])(A))
    if dtype == "float64":
        assert close(hessian(some)(A), hessian(whole)(A), 1e-9)
        assert close(jacrev(jacrev(some))(A), jacrev(jacrev(whole))(A), 1e-9)
        assert close(vmap(hessian(some))(torch.stack([A, A + d]))[0], hessian(whole)(A), 1e-9)


@CASES
@DOUBLES
def test_gradcheck(kind, dtype):
    select = SELECTIONS[kind][0]

    def values(A):
        w, v, *_ = mt.eigh(herm(A), select=select)
        weighted = v.abs().square() * torch.arange(1.0, 7)[:, None].double().cos()
        return w, weighted, mt.eigvalsh(herm(A), select={"lowest": 1})
    x = make(dtype, (2,)).requires_grad_()
    assert torch.autograd.gradcheck(values, x, check_forward_ad=True, check_batched_grad=True, atol=1e-6)
    assert torch.autograd.gradgradcheck(values, make(dtype).requires_grad_(), atol=1e-5)


@CASES
def test_compiled_and_exported(kind):
    some, whole = loss_of(kind, True), loss_of(kind, False)
    A = make(batch=(2,))
    compiled = torch.compile(some, fullgraph=True, backend="aot_eager")
    for matrices in (A, torch.stack([*A, A[0]])):
        x = matrices.clone().requires_grad_()
        compiled(x).backward()
        assert close(x.grad, gradient(whole, matrices))

    class Net(torch.nn.Module):
        def forward(self, x):
            return mt.eigh(x, select=SELECTIONS[kind][0])
    exported = torch.export.export(Net(), (A,)).module()(A)
    assert all(torch.equal(x, y) for x, y in zip(exported, mt.eigh(A, select=SELECTIONS[kind][0])))


def test_compiled_numbers_that_change():
    f = torch.compile(lambda A, k: mt.eigvalsh(A, select={"lowest": k}), fullgraph=True, backend="aot_eager")
    A = make()
    assert [len(f(A, k)) for k in (1, 2, 3, 4)] == [1, 2, 3, 4]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("n", [6, 140])
def test_the_same_as_numpy(n, dtype):
    a = hermitian(np.random.default_rng(0), 2, n, dtype, list(np.arange(n) + 0.0))
    x, select = torch.from_numpy(a).requires_grad_(), {"index": [2, 5]}
    w, v = mt.eigh(x, select=select)
    assert np.array_equal(mt.last_certificate().multiplet, [[0, 1, 2]] * 2)
    pairs = multiplet.eigh(a, select=select, threads=1)
    assert all(np.array_equal(x.detach().numpy(), y) for x, y in zip((w, v), pairs))
    gv = 2 * pairs.eigenvectors * np.arange(n, dtype=pairs.eigenvalues.dtype)[:, None]
    torch.autograd.backward([w, v], [torch.ones_like(w), torch.from_numpy(gv)])
    gw = np.ones((2, 3), pairs.eigenvalues.dtype)
    assert np.array_equal(x.grad.numpy(), multiplet.eigh_backward(pairs, gw, gv).gradient)


def test_outputs():
    A = make(batch=(2, 3))
    pairs = mt.eigh(A, select={"range": (-0.5, 1.5), "at_most": 5}, certificate=True)
    assert pairs._fields == ("eigenvalues", "eigenvectors", "found", "certificate") and (pairs.found == 3).all()
    assert pairs.found.dtype == torch.int64 and pairs.certificate.multiplet.shape == pairs.eigenvalues.shape
    w, found = mt.eigvalsh(A.requires_grad_(), select={"range": (-0.5, 1.5), "at_most": 5})
    assert w.shape == (2, 3, 5) and found.shape == (2, 3) and w.requires_grad
    assert mt.eigvalsh(A, select={"lowest": 1}, certificate=True).value.shape == (2, 3, 1)
    assert mt.eigh(A[:0], select={"highest": 2})[1].shape == (0, 3, 6, 2)
    w, v = mt.eigh(A[0, 0], "U", select={"lowest": 2})
    (w.sum() + v.square().sum()).backward()
    for select in ({"lowest": 0}, {"lowset": 1}):
        with pytest.raises(ValueError):
            mt.eigh(A, select=select)
    with pytest.raises(multiplet.ProblemError, match="TOO_MANY_IN_RANGE"):
        mt.eigh(A, select={"range": (-2, 4), "at_most": 5})


def test_multiplets():
    A = make(spectrum=[1.0, 1, 2, 3, 3, 5])
    x = A.clone().requires_grad_()
    with pytest.warns(multiplet.SubgradientWarning):
        mt.eigvalsh(x, select={"lowest": 1}).sum().backward()
    p = mt.projector(A, (0, 2))
    assert close(x.grad, p / 2)
    with pytest.raises(multiplet.ProblemError, match="SPLIT_MULTIPLET"):
        mt.eigh(x, select={"lowest": 1})[1][0].sum().backward()
    m, y = make(seed=4), A.clone().requires_grad_()

    def loss(B, select):
        v = mt.eigh(B, select=select)[1][..., :2]
        return (v @ v.mT * m).sum()
    loss(y, {"lowest": 2}).backward()
    assert close(y.grad, gradient(lambda B: (mt.projector(B, (0, 2)) * m).sum(), A))
    d = make(seed=5)
    assert close(jvp(lambda B: loss(B, {"lowest": 2}), (A,), (d,))[1], (y.grad * d).sum())
    u = mt.eigh(A, select={"lowest": 1})[1]
    w, moved = jvp(lambda B: mt.eigh(B, select={"lowest": 1}), (A,), (d,))[1]
    w2, v2 = torch.linalg.eigh(A)  # the vector of a cut multiplet moves out of it alone
    expected = v2[:, 2:] @ ((v2[:, 2:].mT @ d @ u) / (w2[0] - w2[2:])[:, None])
    assert close(moved, expected) and close(w, (d * p).sum().reshape(1) / 2)
    with pytest.raises(multiplet.ProblemError, match="need simple eigenvalues"):
        grad(lambda B: (grad(lambda C: loss(C, {"lowest": 2}))(B) * d).sum())(A)
    draws = []
    for _ in range(400):
        z = torch.diag(torch.tensor([1.0, 1.0, 3.0], dtype=torch.float64)).requires_grad_()
        mt.eigh(z, select={"lowest": 2}, eigenvalue_cotangents="unbiased")[0][0].backward()
        draws.append(z.grad)
    assert not torch.equal(draws[0], draws[1])
    expected = torch.diag(torch.tensor([0.5, 0.5, 0])).double()
    assert torch.allclose(torch.stack(draws).mean(0), expected, atol=5 * 0.36 / 20)
