"""multiplet.torch under PyTorch 2's transforms: torch.func in any nesting, compile, export, checkpoint, other devices.

References: differences, PyTorch's own functions where they have an answer, and the same call without the transform."""
import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", "2.4")
import multiplet  # noqa: E402
import multiplet.torch as mt  # noqa: E402
from job import hermitian  # noqa: E402
from torch.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap  # noqa: E402

PAIRS, APART = [1.0, 1.0, 2.0, 3.5, 3.5], [0.5, 1.0, 2.0, 3.0, 4.5]
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore::FutureWarning",
                                        "ignore::DeprecationWarning")


def make(spectrum, dtype="float64", batch=(), seed=0):
    a = hermitian(np.random.default_rng(seed), int(np.prod(batch, dtype=int)), len(spectrum), dtype, spectrum)
    return torch.from_numpy(a).reshape(*batch, len(spectrum), len(spectrum))


def herm(x):
    return (x + x.mH) / 2


WEIGHTS = make([0.3, -1.0, 2.0, 0.7, 1.1], seed=9)
DEGENERATE = {  # functions that are smooth at repeated eigenvalues
    "exp": lambda A: mt.matrix_function(A, "exp"), "fermi": lambda A: mt.matrix_function(A, "fermi", beta=2.0, mu=1.8),
    "projector": lambda A: mt.projector(A, (2, 3)),
    "frame": lambda A: mt.frame(A, torch.ones(5, 2, dtype=A.dtype).tril(), (0, 2)),
    "eigenvalue": lambda A: mt.eigh(A)[0][..., 2], "sum": lambda A: mt.eigvalsh(A)[..., :2].sum(-1)}
SIMPLE = {"eigh": lambda A: (lambda w, v: torch.cat([w.unsqueeze(-2), v.abs().square() * w.unsqueeze(-2)], -2))(*mt.eigh(A)),
          "eigvalsh": mt.eigvalsh}
EIGENPAIRS = {"eigenvalue", "sum", *SIMPLE}


def loss_of(f):
    def loss(A):
        x = f(herm(A))
        weights = torch.arange(1, x.numel() + 1, dtype=torch.float64).reshape(x.shape).cos()
        return (weights * x.real).sum().sin()
    return loss


CASES = [(name, f, PAIRS) for name, f in DEGENERATE.items()] + [(name, f, APART) for name, f in SIMPLE.items()]
IDS = [name for name, *_ in CASES]


def gradient(loss, A):
    x = A.clone().requires_grad_()
    return torch.autograd.grad(loss(x), x)[0]


def close(a, b, tolerance=1e-10):
    assert a.shape == b.shape and a.dtype == b.dtype
    assert float((a - b).abs().max()) <= tolerance * max(1.0, float(b.abs().max()))
    return True


@pytest.mark.parametrize("name, f, spectrum", CASES, ids=IDS)
def test_first_derivatives(name, f, spectrum):
    loss, A, d = loss_of(f), make(spectrum), make(APART, seed=1) - 2
    batch = torch.stack([A, A + 0.1 * make(spectrum, seed=2) @ make(spectrum, seed=2), make(spectrum, seed=3)])
    expected, each = gradient(loss, A), torch.stack([gradient(loss, x) for x in batch])
    step = 1e-6
    along = (loss(A + step * d) - loss(A - step * d)) / (2 * step)
    assert abs((expected * d).sum() - along) < 1e-7 * max(1, abs(along))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", multiplet.GaugeWarning)  # jacobians take directions that split multiplets
        assert close(grad(loss)(A), expected) and close(vmap(grad(loss))(batch), each)
        assert close(grad(lambda x: vmap(loss)(x).sum())(batch), each)
        assert close(jacrev(loss)(A), expected) and close(vjp(loss, A)[1](torch.ones((), dtype=A.dtype))[0], expected)
        assert close(jvp(loss, (A,), (d,))[1], (expected * d).sum())
        assert close(linearize(loss, A)[1](d), (expected * d).sum())
        assert close(jacfwd(loss)(A), expected) and close(vmap(jacfwd(loss))(batch), each)
        assert close(vmap(vmap(grad(loss)))(batch[None]), each[None])
        assert close(vmap(grad(loss), in_dims=2)(batch.movedim(0, 2)), each)


@pytest.mark.parametrize("name, f, spectrum", [case for case in CASES if case[0] not in ("eigenvalue", "sum")],
                         ids=[name for name in IDS if name not in ("eigenvalue", "sum")])
def test_second_derivatives(name, f, spectrum):
    loss, A, step = loss_of(f), make(spectrum), 1e-5
    basis = torch.eye(25, dtype=torch.float64).reshape(25, 5, 5)
    expected = torch.stack([(gradient(loss, A + step * e) - gradient(loss, A - step * e)) / (2 * step) for e in basis], -1)
    expected = expected.reshape(5, 5, 5, 5)
    for way in (hessian(loss), jacrev(jacrev(loss)), jacrev(jacfwd(loss)), jacfwd(jacfwd(loss)),
                lambda x: vmap(hessian(loss))(x[None])[0]):
        assert close(way(A), expected, 1e-7)
    e = make(APART, seed=4)
    assert close(jvp(grad(loss), (A,), (e,))[1], (expected * e).sum((2, 3)), 1e-7)
    x = A.clone().requires_grad_()
    g, = torch.autograd.grad(loss(x), x, create_graph=True)
    assert close(torch.autograd.grad(g, x, e)[0], (expected * e).sum((2, 3)), 1e-7)
    assert close(torch.autograd.functional.hessian(loss, A), expected, 1e-7)


@pytest.mark.parametrize("batch", [(), (2,), (1, 3), (0,), (2, 0), (2, 1, 2)], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_double_backward_of_every_shape(dtype, batch):
    """Each matrix as if it were alone."""
    for name, f, spectrum in CASES:
        if name in ("eigenvalue", "sum"):
            continue
        A, e = make(spectrum, dtype, batch), make(APART, dtype, batch, 5)

        def product(A, e):
            x = A.clone().requires_grad_()
            g, = torch.autograd.grad((f(herm(x)).abs() ** 2).sum(), x, create_graph=True)
            return torch.autograd.grad(g, x, e)[0]
        found = product(A, e)
        assert found.shape == A.shape
        for k in np.ndindex(batch):
            assert close(found[k], product(A[k], e[k]))


def test_at_a_multiplet_eigenpairs_are_refused():
    """PyTorch 2.4 loses the error's text in one nesting: it raises a SystemError there."""
    old = torch.__version__ < "2.5"
    errors = (multiplet.ProblemError, SystemError) if old else multiplet.ProblemError
    words = "need simple eigenvalues" + ("|returned NULL|returned a result" if old else "")
    loss = lambda A: (mt.eigvalsh(herm(A)) ** 2).sum()
    for way in (hessian, lambda f: jacrev(jacrev(f)), lambda f: jacfwd(jacfwd(f)), lambda f: jacrev(jacfwd(f))):
        with pytest.raises(errors, match=words), warnings.catch_warnings():
            warnings.simplefilter("ignore", multiplet.GaugeWarning)
            way(loss)(make(PAIRS))


@pytest.mark.parametrize("name", ["exp", "frame", "projector", "eigh"])
def test_torchs_own_checks(name):
    f, spectrum = {n: (f, s) for n, f, s in CASES}[name]
    A = make(spectrum).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: f(herm(x)), A, check_forward_ad=True, check_batched_grad=True,
                                    check_batched_forward_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: f(herm(x)), A, check_fwd_over_rev=True, check_rev_over_rev=True)


@pytest.mark.parametrize("name, f, spectrum", CASES, ids=IDS)
def test_compile_and_export(name, f, spectrum):
    A, loss = make(spectrum, batch=(3,)), lambda A: loss_of(f)(A)
    torch._dynamo.reset()
    x = A.clone().requires_grad_()
    torch.compile(loss, fullgraph=True, backend="aot_eager")(x).backward()
    assert close(x.grad, gradient(loss, A))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = torch.compile(vmap(grad(loss)), fullgraph=True, backend="aot_eager")(A)
    assert close(each, torch.stack([gradient(loss, a) for a in A]))

    class Module(torch.nn.Module):
        def forward(self, A):
            return f(A)
    assert close(torch.export.export(Module(), (A,)).module()(A), f(A))


def test_compiled_code_keeps_its_word():
    """What is said of one matrix is said when it comes, not when the code was traced."""
    torch._dynamo.reset()
    f = torch.compile(lambda A: mt.matrix_function(A, "log"), fullgraph=True, backend="aot_eager")
    good = torch.diag(torch.tensor([1.0, 2.0, 3.0]))
    assert torch.allclose(f(good), torch.diag(good.diagonal().log()))
    with pytest.raises(multiplet.ProblemError, match="FUNCTION_UNDEFINED"):
        f(-good)
    g = torch.compile(lambda A: mt.eigh(A)[1][0, 0] + 0 * A[0, 0], fullgraph=True, backend="aot_eager")
    with pytest.warns(multiplet.GaugeWarning, match="equal within rounding"):
        g(torch.eye(3).requires_grad_()).backward()


def test_compiled_code_sees_numbers_and_sizes_that_change():
    """Neither an old number nor an error."""
    torch._dynamo.reset()
    A, R = torch.diag(torch.arange(1.0, 6)).double(), torch.ones(5, 1, dtype=torch.float64)
    calls = [(lambda A, b, e: mt.matrix_function(A, "fermi", beta=b, electrons=e), [(1.0, 1), (2.0, 1), (3.5, 2), (0.7, 1)]),
             (lambda A, i: mt.projector(A, (0, i)), [(1,), (2,), (4,), (1,)]),
             (lambda A, i: mt.frame(A, R, (0, i)), [(1,), (2,), (4,), (1,)]),
             (lambda A, t: mt.eigvalsh(A, tolerance=t), [(0.1,), (0.2,), (0.3,)]),
             (lambda A, b: mt.matrix_function(A, "fermi", beta=b, electrons=1.5), [(torch.tensor(k),) for k in (1.0, 2.0)]),
             (lambda A, n: mt.matrix_function(A[:n, :n], "exp"), [(2,), (3,), (4,), (5,)]),
             (lambda A, n: mt.spectral_function(A[:n, :n], torch.sin), [(2,), (3,), (4,)])]
    for f, given in calls:
        compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
        for numbers in given:
            assert close(compiled(A, *numbers), f(A, *numbers))


def test_is_grads_batched_and_checkpoint():
    A = make(PAIRS).requires_grad_()
    f = mt.matrix_function(A, "exp")
    each = torch.stack([torch.autograd.grad(f, A, e, retain_graph=True)[0] for e in torch.stack([WEIGHTS, f.detach()])])
    assert close(torch.autograd.grad(f, A, torch.stack([WEIGHTS, f.detach()]), is_grads_batched=True)[0], each)
    from torch.utils.checkpoint import checkpoint
    x = A.detach().clone().requires_grad_()
    (checkpoint(lambda A: mt.matrix_function(A, "exp"), x, use_reentrant=False) * WEIGHTS).sum().backward()
    assert close(x.grad, each[0])


def test_outputs_are_no_views():
    A = make(APART, batch=(1, 2)).requires_grad_()
    outputs = [*mt.eigh(A), mt.eigvalsh(A), mt.matrix_function(A, "exp"), mt.projector(A, (0, 2)), *mt.eigh(A.detach()),
               mt.frame(A, torch.ones(5, 1, dtype=A.dtype), (0, 2))]
    for x in outputs:
        assert not x._is_view()
        x.add_(1)
    x = mt.matrix_function(A, "exp").mul_(2)
    assert close(torch.autograd.grad(x.sum(), A)[0], 2 * torch.autograd.grad(mt.matrix_function(A, "exp").sum(), A)[0])


def test_certificates_under_transforms():
    A = make(PAIRS, batch=(4,))
    plain = mt.last_certificate
    w, v, c = mt.eigh(A, certificate=True)
    assert (c.status == multiplet.Status.OK).all() and c.multiplet[0].tolist() == [0, 0, 1, 2, 2]
    assert np.array_equal(c.min_gap.numpy(), plain().min_gap) and isinstance(c, mt.Certificate)
    assert type(c)._fields == (*plain().report.dtype.names, "multiplet")
    mapped = vmap(lambda a: mt.eigh(a, certificate=True)[2])(A)
    assert torch.equal(mapped.min_gap, c.min_gap) and torch.equal(mapped.status, c.status) and torch.equal(mapped.multiplet, c.multiplet)
    for f in (lambda a: mt.matrix_function(a, "exp", certificate=True), lambda a: mt.eigvalsh(a, certificate=True),
              lambda a: mt.projector(a, (0, 2), certificate=True),
              lambda a: mt.frame(a, torch.ones(5, 1, dtype=a.dtype), (0, 2), certificate=True)):
        assert (vmap(lambda a: f(a).certificate.status)(A) == multiplet.Status.OK).all()
    values, (_, certificate) = jvp(lambda a: mt.matrix_function(a, "exp"), (A,), (A,)), mt.matrix_function(
        A, "exp", certificate=True)
    assert certificate.min_gap.shape == (4,)


def test_other_devices_by_dispatch():
    """The kernels of CUDA and others, called by the dispatcher on tensors that stand in for theirs."""
    A, how = make(PAIRS, batch=(2,)), mt.linalg.settings(torch.eye(2), "L", None, "raise")
    ops = torch.ops.multiplet
    for device in ("CUDA", "XPU", "PrivateUse1"):
        keys = torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, device))
        found, here = ops.eigh.default.redispatch(keys, A, None, how, False), ops.eigh(A, None, how, False)
        assert all(torch.equal(x, y) for x, y in zip(found[:3], here[:3]))
        g = ops.eigh_backward.default.redispatch(keys, A, *here, here[0], None, None, how)
        assert close(g[0], A)
        f = ops.function.default.redispatch(keys, A, "exp", how)
        assert torch.equal(f[0], ops.function(A, "exp", how)[0])
    torch.set_default_device("meta")
    try:
        B = A.clone().requires_grad_()
        w, v = mt.eigh(B, eigenvalue_cotangents="unbiased")
        assert w.device.type == "cpu"
        g, = torch.autograd.grad((mt.projector(B, (2, 3)) * WEIGHTS).sum(), B, create_graph=True)
        assert torch.autograd.grad(g.sum(), B)[0].device.type == "cpu"
        w, v = mt.eigh(make(APART).requires_grad_())
    finally:
        torch.set_default_device(None)


def test_fake_tensors():
    from torch._subclasses.fake_tensor import FakeTensorMode
    with FakeTensorMode():
        w, v = mt.eigh(torch.empty(3, 4, 4, dtype=torch.complex64))
        assert w.shape == (3, 4) and w.dtype == torch.float32 and v.shape == (3, 4, 4) and v.dtype == torch.complex64


def test_opcheck():
    A = make(PAIRS, batch=(2,)).requires_grad_()
    how = mt.linalg.settings(A, "L", None, "raise")
    eigen = torch.ops.multiplet.function(A.detach(), "exp", how)[1:]
    torch.library.opcheck(torch.ops.multiplet.function_map.default, (A, *eigen, WEIGHTS.expand(2, 5, 5), "exp", how, "test"))


def test_the_table_of_costs():
    """multiplet.front runs, and names every number; the numbers themselves are no test."""
    done = subprocess.run([sys.executable, "-m", "multiplet.front", "--threads", "1", "--repeat", "1", "--large", "20"],
                          capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [re.sub(r"[0-9]+\.[0-9]+", "0", line).split(":")[0] for line in done.stdout.splitlines()]
    assert lines[1:] == ["one call, 4 x 4, float64", "step, 1000 matrices of n = 16, float64",
                         "step, 1000 matrices of n = 16, complex128", "n = 20, float64", "n = 20, complex128"]
