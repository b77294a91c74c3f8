"""multiplet.torch: gradients against differences and torch.linalg.eigh, exactly degenerate points included."""
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from job import ROOT, hermitian

torch = pytest.importorskip("torch")
import multiplet.backend  # noqa: E402
import multiplet.torch as mt  # noqa: E402
from multiplet import GaugeError, GaugeWarning, ProblemError, Status, library  # noqa: E402
from torch.autograd import gradcheck  # noqa: E402

DOUBLES = [torch.float64, torch.complex128]
TYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
FORUM = torch.tensor([[1.2039, 0, .3690, 0], [0, -1.2039, 0, .3690], [.3690, 0, -1.2039, 0], [0, .3690, 0, 1.2039]],
                     dtype=torch.float64)
PAIRS = [1.0, 1.0, 2.0, 3.5, 3.5]  # spectrum with two multiplets
APART = [0.5, 1.0, 2.0, 3.0, 4.5]
FUNCTIONS = {"exp": {"scale": -0.5}, "log": {}, "sqrt": {"scale": 2.0}, "inv_sqrt": {}, "inverse": {},
             "power": {"exponent": 1.5}, "tanh": {}, "sin": {"scale": 0.7}, "cos": {},
             "fermi": {"beta": 2.0, "mu": 1.4}, "fermi electrons": {"beta": 2.0, "electrons": 2.2},
             "projector": {"index": (2, 3)}, "softplus": {"scale": -2.0}, "abs": {}, "sign": {},
             "clamp_min": {"minimum": 1.5}, "gaussian": {"sigma": 0.5, "electrons": 2.2},
             "methfessel_paxton": {"sigma": 0.8, "mu": 1.4, "order": 2}, "cold": {"sigma": 0.8, "mu": 1.4}, "xlogx": {}}
assert {name.split()[0] for name in FUNCTIONS} == set(library.kinds()), "a kind whose gradient is not checked"


def make(spectrum, dtype, batch=(), seed=0):
    """Matrices of that spectrum, [*batch, n, n]."""
    rng = np.random.default_rng(seed)
    count = int(np.prod(batch, dtype=int))
    a = hermitian(rng, count, len(spectrum), str(dtype).split(".")[1], np.array(spectrum))
    return torch.from_numpy(a).reshape(*batch, len(spectrum), len(spectrum))


def random(shape, dtype, seed=1):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def herm(a):
    return (a + a.mH) / 2


def close(a, b, rtol=None):
    eps = torch.finfo(a.dtype).eps
    return float((a - b).abs().max()) <= (rtol or 2000 * eps) * max(1.0, float(b.abs().max()))


@pytest.mark.parametrize("dtype", DOUBLES)
@pytest.mark.parametrize("UPLO", "LU")
def test_gradcheck_eigh(dtype, UPLO):
    a = make(APART, dtype, (2,)).requires_grad_()
    assert gradcheck(lambda a: mt.eigvalsh(herm(a), UPLO), a)
    weights = random((5, 5), torch.float64)
    assert gradcheck(lambda a: weights * mt.eigh(herm(a), UPLO)[1].abs() ** 2, a)
    if dtype == torch.float64:
        assert gradcheck(lambda a: mt.eigh(herm(a), UPLO)[1], a)  # signs stay near one point


@pytest.mark.parametrize("dtype", DOUBLES)
@pytest.mark.parametrize("spectrum", [APART, PAIRS])
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_gradcheck_function(kind, spectrum, dtype):
    a = make(spectrum, dtype, (2,)).requires_grad_()
    assert gradcheck(lambda a: mt.matrix_function(herm(a), kind.split()[0], **FUNCTIONS[kind]), a)


@pytest.mark.parametrize("dtype", DOUBLES)
@pytest.mark.parametrize("columns,each", [(1, False), (2, True)])
@pytest.mark.parametrize("spectrum", [APART, PAIRS])
def test_gradcheck_projector_and_frame(spectrum, columns, each, dtype):
    a = make(spectrum, dtype, (2,)).requires_grad_()
    r = random((2, 5, columns) if each else (5, columns), dtype).requires_grad_()
    assert gradcheck(lambda a: mt.projector(herm(a), (0, 2)), a)
    assert gradcheck(lambda a, r: mt.frame(herm(a), r, (0, 2)), (a, r))
    assert gradcheck(lambda a: mt.frame(herm(a), r, (0, 2)), a)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (0,), (2, 0, 3)])
def test_like_torch(dtype, batch):
    """Values, shapes and the gradient of a loss that no phase changes, with leading dimensions."""
    a = make(APART, dtype, batch)
    real = a.real.dtype
    c, d = random((5,), real), random((5, 5), real)
    gradients = []
    for eigh in (torch.linalg.eigh, mt.eigh):
        x = a.clone().requires_grad_()
        found = eigh(herm(x))
        assert found.eigenvalues.dtype == real and found.eigenvectors.dtype == dtype
        assert found.eigenvalues.shape == (*batch, 5) and found.eigenvectors.shape == a.shape
        ((c * found.eigenvalues).sum() + (d * found.eigenvectors.abs() ** 2).sum()).backward()
        gradients.append(x.grad)
    assert not a.numel() or close(gradients[1], gradients[0])
    if a.numel():
        assert close(mt.eigvalsh(a), torch.linalg.eigvalsh(a)) and mt.last_certificate().status.shape == batch
        assert close(found.eigenvectors * found.eigenvalues.unsqueeze(-2), a @ found.eigenvectors)


@pytest.mark.parametrize("dtype", TYPES)
def test_one_triangle(dtype):
    """Torch reads one triangle, too; views and lazily conjugated matrices are what they stand for."""
    a = random((4, 6, 6), dtype)
    for UPLO in "LU":
        w, v = mt.eigh(a, UPLO=UPLO)
        assert close(w, torch.linalg.eigvalsh(a, UPLO=UPLO))
        assert close(mt.eigvalsh(a.mT, UPLO), torch.linalg.eigvalsh(a.mT, UPLO=UPLO))
        assert close(mt.eigvalsh(a.mH, UPLO), torch.linalg.eigvalsh(a.mH, UPLO=UPLO))
        assert close(mt.eigvalsh(a[::2, 1:4, 1:4], UPLO), torch.linalg.eigvalsh(a[::2, 1:4, 1:4], UPLO=UPLO))
    assert close(mt.eigvalsh(a.conj()), mt.eigvalsh(a))  # contiguous, and conjugated lazily
    if dtype.is_complex:
        assert close(mt.eigvalsh(a.conj().imag), torch.linalg.eigvalsh(-a.imag))  # negated lazily
    assert close(mt.eigvalsh(torch._neg_view(a)), torch.linalg.eigvalsh(-a))
    h = herm(a)
    f = mt.matrix_function(h.mT, "exp")
    assert close(f, torch.linalg.matrix_exp(h.mT))


def test_no_copy():
    """A contiguous tensor's memory itself goes to the backend."""
    seen = []

    class Spy(multiplet.backend.Library):
        def eigh(self, a, options, vectors=True):
            seen.append(a.ctypes.data)
            assert options.threads == torch.get_num_threads() and not options.tolerance
            return super().eigh(a, options, vectors)

    a = make(APART, torch.complex128, (3,)).requires_grad_()
    with multiplet.backend.using(Spy()):
        mt.eigh(a)
    mt.eigh(a)
    assert seen == [a.data_ptr()]


def test_backend_of_the_forward_pass():
    """Backward goes where forward went."""
    seen = []

    class Spy(multiplet.backend.Library):
        def eigh_backward(self, *arguments):
            seen.append(arguments[4])
            return super().eigh_backward(*arguments)

    a = make(APART, torch.float64).requires_grad_()
    with multiplet.backend.using(Spy()):
        w = mt.eigh(a)[0]
    forward = mt.last_certificate()
    w.sum().backward()
    assert seen == [forward] and close(a.grad, torch.eye(5, dtype=torch.float64))


def test_matrix_of_the_forum():
    a = FORUM.clone().requires_grad_()
    r = torch.full((4, 1), 0.5, dtype=torch.float64)
    loss = mt.frame(a, r, (0, 2)).sum()
    assert loss.item() == pytest.approx(1.1890772241680891, abs=1e-14)
    loss.backward()
    assert torch.isfinite(a.grad).all() and gradcheck(lambda a: mt.frame(herm(a), r, (0, 2)).sum(), a)


@pytest.mark.skipif(torch.__version__ >= "2", reason="has forward mode")
def test_old_pytorch():
    with torch.autograd.forward_ad.dual_level():
        x = torch.autograd.forward_ad.make_dual(torch.eye(2), torch.eye(2))
        with pytest.raises(RuntimeError, match=r"forward mode with PyTorch 2\.4 and newer, and this is 1\."):
            mt.eigh(x)


def test_gauge_warning():
    a = torch.stack([make(APART, torch.float64)[:4, :4], FORUM]).requires_grad_()
    with pytest.warns(GaugeWarning) as caught:
        mt.eigh(a)[1][:, :, 0].sum().backward()
    text = str(caught[0].message)
    certificate = mt.last_certificate()
    assert len(caught) == 1 and "matrix [1]" in text and "eigenvalues 0, 1 (-1.25918" in text
    assert f"{certificate.gauge_violation[1]:.2g}" in text and "0.26" in text
    assert certificate.status.tolist() == [Status.OK, Status.GAUGE_DEPENDENT] and certificate.residual.max() > 0
    assert certificate.multiplet[1].tolist() == [0, 0, 1, 1] and torch.isfinite(a.grad).all()
    a.grad = None
    with pytest.raises(GaugeError, match=r"matrix \[1\].*0\.26.*projector or frame"):
        mt.eigh(a, gauge="error")[1][:, :, 0].sum().backward()
    assert a.grad is None


def test_gauge_warning_names_the_multiplet():
    """The second multiplet's vectors are looked at, not the first's; and the phase of a complex vector."""
    a = make(PAIRS, torch.float64).requires_grad_()
    with pytest.warns(GaugeWarning, match=r"eigenvalues 3, 4 \(3\.5"):
        mt.eigh(a)[1][0, 4].backward()
    a = make(APART, torch.complex128).requires_grad_()
    with pytest.warns(GaugeWarning, match=r"phase of eigenvector 2 \(2"):
        mt.eigh(a)[1][0, 2].imag.backward()


@pytest.mark.parametrize("dtype", TYPES)
def test_no_gauge_no_warning(dtype):
    """The subspace of a pair, through its vectors: as the projector has it, and nothing is said."""
    gradients, c = [], herm(random((5, 5), dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for project in (lambda a: (lambda v: v @ v.mH)(mt.eigh(a)[1][..., :2]), lambda a: mt.projector(a, (0, 2))):
            a = make(PAIRS, dtype).requires_grad_()
            (c.conj() * project(a)).real.sum().backward()
            gradients.append(a.grad)
    assert close(*gradients) and gradients[0].abs().max() > 0.01
    certificate = mt.last_certificate()
    assert certificate.gradient_error < 1e-3 and certificate.min_gap == pytest.approx(1 / 3.5, rel=1e-5)


def test_eigenvalue_cotangents():
    def gradient(**keywords):
        a = torch.diag(torch.tensor([4.0, 1.0, 1.0], dtype=torch.float64)).requires_grad_()
        mt.eigvalsh(a, **keywords)[0].backward()
        return torch.diagonal(a.grad)

    with pytest.warns(multiplet.SubgradientWarning, match="no form of it is certified: spread of their cotangents 1"):
        assert gradient().numpy() == pytest.approx([0, 0.5, 0.5], abs=1e-15)
    assert mt.last_certificate().cotangent_spread == 1 and mt.last_certificate().status == Status.SUBGRADIENT
    raw = gradient(eigenvalue_cotangents="raw")
    assert raw[0] == 0 and raw.sum() == pytest.approx(1) and abs(raw[1] - raw[2]) > 0.1  # one vector of the pair
    with pytest.raises(multiplet.SubgradientError, match="spread of their cotangents 1"):
        gradient(eigenvalue_cotangents="error")


def test_library_refuses():
    """What passes the checks here, and not the library's, comes with its own line."""
    with pytest.raises(multiplet.Error, match="bad argument, function"):
        mt.matrix_function(torch.eye(2), "exp", scale=np.inf)


def test_composed_function():
    """V f(w) V^H has the gradient of f(A), at repeated eigenvalues too, though their cotangents differ."""
    c, gradients, spreads = herm(random((5, 5), torch.float64)), [], []
    for f in (lambda a: mt.matrix_function(a, "exp"), lambda a: (lambda w, v: (v * w.exp()) @ v.T)(*mt.eigh(a))):
        a = make(PAIRS, torch.float64).requires_grad_()
        (c * f(a)).sum().backward()
        gradients.append(a.grad)
        spreads.append(float(mt.last_certificate().cotangent_spread))
    assert close(*gradients) and spreads[0] == 0 and spreads[1] > 0.1


def test_no_rows():
    w, v = mt.eigh(torch.zeros(2, 0, 0))
    assert w.shape == (2, 0) and v.shape == (2, 0, 0) and mt.matrix_function(torch.zeros(0, 0), "exp").shape == (0, 0)


def test_failed_matrices():
    a = make(APART, torch.float64, (2, 2))
    a[1, 0, 2, 1] = np.nan
    for call in (mt.eigh, mt.eigvalsh, lambda a: mt.projector(a, (0, 1))):
        with pytest.raises(ProblemError, match=r"matrix \[1, 0\] is NONFINITE_INPUT.*isfinite") as caught:
            call(a)
        assert caught.value.certificate.status.tolist() == [[1, 1], [3, 1]]
    with pytest.raises(ProblemError, match="the matrix is SPLIT_MULTIPLET"):
        mt.projector(make(PAIRS, torch.float64), (0, 1))
    with pytest.raises(ProblemError, match="the matrix is FUNCTION_UNDEFINED"):
        mt.matrix_function(-make(PAIRS, torch.float64), "log")


def test_failed_zero():
    """The others have their gradients, and the backward pass does not forget who had failed."""
    a = make(APART, torch.float64, (2,))
    a[1, 2, 1] = np.nan
    a.requires_grad_()
    w, v = mt.eigh(a, failed="zero")
    (w.sum() + (v[..., 0] ** 2)[..., 0].sum()).backward()
    assert (w[1] == 0).all() and (a.grad[1] == 0).all() and torch.diagonal(a.grad[0]).sum() == pytest.approx(5)
    assert mt.last_certificate().status.tolist() == [Status.OK, Status.NONFINITE_INPUT]
    b = torch.stack([a[0].detach(), -a[0].detach()]).requires_grad_()
    mt.matrix_function(b, "log", failed="zero").sum().backward()
    assert mt.last_certificate().status.tolist() == [1, 6] and (b.grad[1] == 0).all() and b.grad[0].any()


def test_frame_condition():
    a = torch.diag(torch.tensor([0.0, 0, 1], dtype=torch.float64)).requires_grad_()
    r = torch.tensor([[0.6], [0], [0.8]], dtype=torch.float64)
    mt.frame(a, r, (0, 2)).sum().backward()
    assert mt.last_certificate().frame_condition == pytest.approx(1 / 0.6)
    with pytest.raises(ProblemError, match="FUNCTION_UNDEFINED"):
        mt.frame(a, torch.eye(3, dtype=torch.float64)[:, 2:], (0, 2))


@pytest.mark.parametrize("batch", [(2, 3), (0,), ()])
@pytest.mark.parametrize("shape", [(5, 2), (3, 5, 2), (2, 1, 5, 2)])
def test_frame_batches(batch, shape):
    """References of one matrix, or that broadcast to A's leading dimensions, with gradients of their shape."""
    a, r = make(PAIRS, torch.float64, batch).requires_grad_(), random(shape, torch.float64).requires_grad_()
    if len(shape) > 2 and batch != (2, 3):
        with pytest.raises(RuntimeError, match="expand"):
            mt.frame(a, r, (0, 2))
        return
    found, c = mt.frame(a, r, (0, 2)), random((5, 2), torch.float64)
    (c * found).sum().backward()
    assert found.shape == (*batch, 5, 2) and r.grad.shape == shape and a.grad.shape == a.shape
    b, q = a.detach().requires_grad_(), r.detach().requires_grad_()
    each = q.expand(*batch, 5, 2).reshape(-1, 5, 2)
    single = [mt.frame(x, y, (0, 2)) for x, y in zip(b.reshape(-1, 5, 5), each)]
    if single:
        (c * torch.stack(single)).sum().backward()
        assert close(found, torch.stack(single).reshape(found.shape))
        assert close(b.grad, a.grad) and close(q.grad, r.grad)


def test_nonfinite_cotangents():
    a, r = make(APART, torch.float64, (2,)).requires_grad_(), random((5, 1), torch.float64)
    inf = torch.tensor([1.0, np.inf], dtype=torch.float64)
    for f, name in ((mt.eigvalsh, "eigh"), (lambda a: mt.projector(a, (0, 2)), "projector"),
                    (lambda a: mt.frame(a, r, (0, 2)), "frame")):
        with pytest.raises(ProblemError, match=rf"gradient of {name}: matrix \[1\] is NONFINITE_COTANGENT.*anomaly"):
            (inf @ f(a).reshape(2, -1)).sum().backward()


def test_pairs_changed_in_place_are_noticed():
    a = make(APART, torch.float64).requires_grad_()
    w, v = mt.eigh(a)
    with torch.no_grad():
        v *= 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        w.sum().backward()


@pytest.mark.parametrize("kind,parameters,error", [
    ("expp", {}, ValueError), ("exp", {"beta": 1}, TypeError), ("power", {}, TypeError),
    ("fermi", {"beta": 1}, TypeError),
    ("fermi", {"beta": 1, "mu": 0, "electrons": 1}, TypeError), ("projector", {"index": 1}, TypeError),
    ("fermi", {"beta": 1, "electrons": 0}, ValueError), ("fermi", {"beta": 1, "electrons": 5}, ValueError),
    ("fermi", {"beta": 0, "mu": 0}, ValueError), ("exp", {"scale": 0}, ValueError),
    ("projector", {"index": (0, 9)}, ValueError), ("projector", {"index": (2, 2)}, ValueError)])
def test_wrong_parameters(kind, parameters, error):
    with pytest.raises(error):
        mt.matrix_function(make(APART, torch.float64), kind, **parameters)


@pytest.mark.parametrize("call,error", [
    (lambda: mt.eigh(torch.ones(2, 3)), ValueError), (lambda: mt.eigh(torch.ones(2, 2, dtype=torch.int32)), TypeError),
    (lambda: mt.eigh(torch.eye(2), gauge="wran"), ValueError), (lambda: mt.eigh(torch.eye(2), "X"), ValueError),
    (lambda: mt.eigvalsh(torch.eye(2), tolerance=-1), ValueError),
    (lambda: mt.frame(torch.eye(2), torch.ones(2, 1, dtype=torch.float64), (0, 1)), TypeError),
    (lambda: mt.frame(torch.eye(2), torch.ones(2, 2), (0, 1)), ValueError),
    (lambda: mt.frame(torch.eye(2), torch.ones(3, 1), (0, 1)), ValueError)])
def test_wrong_arguments(call, error):
    with pytest.raises(error):
        call()


def test_tolerance():
    a = torch.diag(torch.tensor([1.0, 1.001, 2.0], dtype=torch.float64))
    mt.eigh(a)
    assert mt.last_certificate().multiplet.tolist() == [0, 1, 2]
    mt.eigh(a, tolerance=0.01)
    assert mt.last_certificate().multiplet.tolist() == [0, 0, 1]


def test_threads_and_certificates():
    """Two Python threads at once, two of OpenMP each: the same bits, each its own certificate, torch's count kept."""
    a = make(APART, torch.complex128, (64,))
    alone, count, found = mt.eigh(a).eigenvectors, torch.get_num_threads(), {}

    def work(name, matrices):
        for _ in range(5):
            found[name] = mt.eigh(matrices).eigenvectors, mt.last_certificate()

    try:
        torch.set_num_threads(2)
        threads = [threading.Thread(target=work, args=(k, a[:32 * (k + 1)])) for k in range(2)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(count)
    assert torch.equal(found[0][0], alone[:32]) and torch.equal(found[1][0], alone)
    assert [len(found[k][1].status) for k in range(2)] == [32, 64]


def test_after_a_fork():
    """As in a DataLoader's worker: one thread there, whatever the parent had."""
    a, count = make(APART, torch.float64, (64,)), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        w = mt.eigvalsh(a)
    finally:
        torch.set_num_threads(count)
    child = os.fork()
    if not child:
        signal.alarm(20)
        torch.set_num_threads(1)
        os._exit(0 if torch.equal(mt.eigvalsh(a), w) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_interrupt():
    """Ctrl-C is an ordinary KeyboardInterrupt, and the next call works."""
    a = make(list(range(1, 65)), torch.float64).repeat(200, 1, 1)
    threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            mt.eigh(a)
    assert close(mt.eigvalsh(a[0]), torch.arange(1, 65, dtype=torch.float64))


def test_others_run_meanwhile():
    """A call lets go of the interpreter: another thread's clock ticks inside of it."""
    a = make(list(range(1, 65)), torch.float64).repeat(2000, 1, 1)
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.wait(0.001):
            ticks.append(time.perf_counter())

    clock = threading.Thread(target=tick)
    clock.start()
    start = time.perf_counter()
    mt.eigh(a)
    end = time.perf_counter()
    stop.set()
    clock.join()
    assert sum(start + 0.005 < t < end - 0.005 for t in ticks) > 3


def test_benchmark():
    path = os.pathsep.join([str(ROOT / "src/python"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-m", "multiplet.benchmark", "--n", "4", "--batch", "9", "--repeat", "1",
                           "--service", "2"],
                          capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr  # it compares the gradients itself
    for what in ("multiplet", "service on 2 ranks"):
        assert len(re.findall(rf"torch \S+ ms, {what} \S+ ms, ratio \S+$", done.stdout, re.M)) == 2
    assert re.search(r"^a request of 4 matrices of n = 8: \S+ ms$", done.stdout, re.M)
