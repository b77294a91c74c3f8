"""The kernels of the operators multiplet::*: one call of a backend each, on CPU tensors, outside of autograd.

Every kernel takes tensors [*batch, ...] and the words of a call (`Settings`, and a `Function`, as text), and returns
new tensors: outputs are no views. A forward kernel returns, after its values, what backward kernels need of it: the
eigenpairs, the multiplets [*batch, n], and the reports [*batch, 20], the bytes of one mpt_report each. Both have
floating types, since forward mode takes no others.

Errors and warnings are made here, from certificates, so that they also come where a graph was traced earlier.
"""
import contextlib
import contextvars
import functools
import math
import typing
import weakref

import numpy as np
import torch
from torch.autograd import forward_ad

from .. import arguments, library, verdict
from ..backend import FAILED, Certificate, Function, Library, Options, Selection, current
from ..errors import Error, ServiceError
from ..status import Status
from . import direct

_last = contextvars.ContextVar("multiplet_last_certificate", default=None)
_forward = contextvars.ContextVar("multiplet_forward_certificate", default=None)
REAL = {dtype: np.dtype(str(real)[6:]).type for dtype, real in direct.REAL.items()}
_backends = weakref.WeakValueDictionary()
_LIBRARY = Library()
_is_batched = getattr(getattr(torch._C, "_functorch", None), "is_legacy_batchedtensor", lambda x: True)  # 1.13: maybe


def last_certificate():
    """The multiplet.backend.Certificate of this thread's last call, forward or backward; None before the first call."""
    last = _last.get()
    if last is not None and not isinstance(last, Certificate):
        last = last.certificate()
        _last.set(last)
    return last


def note(certificate):
    """Makes it the last one; or an object whose certificate() makes it when it is asked for."""
    _last.set(certificate)


def forward_of_last():
    """The forward pass's certificate, after a kernel's call: of its own if it was one."""
    return _forward.get() or last_certificate()


@contextlib.contextmanager
def forward_certificate(certificate):
    """Inside, backward kernels get this object as their forward pass's certificate, with the origin that a backend may
    have noted there; elsewhere one made of the tensors."""
    token = _forward.set(certificate)
    try:
        yield
    finally:
        _forward.reset(token)


class Settings(typing.NamedTuple):
    """How a call solves and what it says, as words; `backend` is 0 for the library in this process."""
    triangle: str = "lower"
    tolerance: float = 0.0
    spread: str = "mean"
    gauge: str = "warn"
    failed: str = "raise"
    backend: int = 0

    def text(self):
        return " ".join(map(str, self))


@functools.lru_cache(maxsize=1024)
def settings(text):
    """The Settings of a text."""
    words = text.split()
    return Settings(words[0], float(words[1]), *words[2:5], int(words[5]))


def backend_number():
    """A number for the backend in force, 0 for the library itself; settings keep it from forward to backward."""
    backend = current()
    if type(backend) is Library:
        return 0
    _backends[id(backend)] = backend
    return id(backend)


def function_text(function):
    """A Function as one word: kind, and the parameters that are not 0."""
    given = (f"{name}={':'.join(map(repr, value)) if name == 'index' else repr(value)}"
             for name, value in zip(function._fields[1:], function[1:]) if value != function._field_defaults[name])
    return ",".join([function.kind, *given])


def compiling():
    return torch.compiler.is_compiling() if hasattr(torch, "compiler") else False


_transforms = getattr(torch._C, "_are_functorch_transforms_active", bool)  # since PyTorch 2.0


def is_transformed(A):
    """Whether torch.func or a compiler is at work."""
    return type(A) is not torch.Tensor or _transforms() or compiling()


def is_plain(A):
    """Whether neither torch.func, nor forward mode, nor a compiler is at work."""
    return type(A) is torch.Tensor and not _transforms() and forward_ad._current_level < 0


def is_direct(A):
    """Whether the kernel for a plain tensor outside of autograd may be called without PyTorch's dispatcher."""
    return A.is_cpu and not torch._C._len_torch_dispatch_stack()


def is_batched(x):
    """Whether autograd's is_grads_batched is at work on it."""
    return x is not None and _is_batched(x)


# Compilers take the results of what this decorates as constants. They may have made symbols of numbers that changed from
# call to call: numbers come as text, which makes constants of them. What depends on n the library checks, later.
constant_for_compilers = torch.compiler.assume_constant_result if hasattr(torch, "compiler") else lambda f: f


def _constant_word(x):
    """A number as text. What asks range() for a whole one makes a constant of a symbol, in PyTorch 2.4, too."""
    return f"{range(x).stop}" if isinstance(x, int) else f"{x}"


def checked_function(kind, n, parameters):
    """The Function of these parameters, checked, as text."""
    if not compiling():
        return function_text(arguments.function(kind, parameters, n))
    words = tuple(tuple(map(_constant_word, value)) if isinstance(value, (tuple, list)) else f"{value}"
                  for value in parameters.values())
    return _constant_function(kind, tuple(parameters), words)


@constant_for_compilers
def _constant_function(kind, names, words):
    values = (tuple(map(int, word)) if isinstance(word, tuple) else float(word) for word in words)
    return function_text(arguments.function(kind, dict(zip(names, values)), 2 ** 31))


@functools.lru_cache(maxsize=1024)
def function_of(text):
    """The Function of a text."""
    kind, *given = text.split(",")
    pairs = (word.split("=") for word in given)
    return Function(kind, **{name: tuple(map(int, value.split(":"))) if name == "index" else float(value)
                             for name, value in pairs})


def checked_selection(select):
    """The Selection of a caller's `select` as text; None for all."""
    if not compiling() or not isinstance(select, dict):
        return _selection_text(arguments.selection(select))
    words = tuple(tuple(map(_constant_word, value)) if isinstance(value, (tuple, list)) else _constant_word(value)
                  for value in select.values())
    return _constant_selection(tuple(select), words)


@constant_for_compilers
def _constant_selection(names, words):
    def number(word):
        return float(word) if set(word) & set(".einf") else int(word)
    values = (tuple(map(number, word)) if isinstance(word, tuple) else number(word) for word in words)
    return _selection_text(arguments.selection(dict(zip(names, values))))


def _selection_text(selection):
    if selection is None:
        return None
    return f"{selection.kind} {' '.join(map(repr, (*selection.index, *selection.range, selection.at_most)))}"


@functools.lru_cache(maxsize=1024)
def selection_of(text):
    """The Selection of a text."""
    kind, start, stop, low, high, at_most = text.split()
    return Selection(kind, (int(start), int(stop)), (float(low), float(high)), int(at_most))


class Call:
    """What a kernel needs around its backend's call: arrays of tensors, the options, the verdict."""

    def __init__(self, A, how, turned=False, seed=None):
        self.batch, self.settings, self.real = A.shape[:-2], settings(how), REAL[A.dtype]
        s = self.settings
        self.backend = _backends.get(s.backend) if s.backend else _LIBRARY
        if self.backend is None:
            raise ServiceError("the backend of the forward pass is gone (take the gradient while it exists)")
        self.options = Options(triangle=s.triangle, tolerance=s.tolerance, spread=arguments.SPREADS[s.spread],
                               threads=torch.get_num_threads(), basis="turned" if turned else "solver",
                               seed=0 if seed is None else int(seed.reshape(-1)[0]))

    def array(self, tensor, rank=2):
        """A tensor [*batch, ...] as an array [count, ...], without a copy if it is contiguous; None stays None."""
        if tensor is None:
            return None
        tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
        return tensor.numpy().reshape(math.prod(self.batch), *tensor.shape[tensor.dim() - rank:])

    def tensor(self, array):
        """The way back."""
        return torch.from_numpy(np.ascontiguousarray(array).reshape((*self.batch, *array.shape[1:])))

    def reference(self, R):
        """[n, c] if it is the same for all matrices."""
        same = all(stride == 0 or size == 1 for stride, size in zip(R.stride()[:-2], R.shape[:-2]))
        if R.numel() and same:
            return np.ascontiguousarray(R.detach()[(0,) * (R.dim() - 2)].resolve_conj().resolve_neg().numpy())
        return self.array(R)

    def certificate(self, ids, report):
        """Of the forward pass."""
        kept = _forward.get()
        if kept is not None:
            return kept
        kind = library.report_type()
        return Certificate(self.array(report, 1).view(kind).reshape(-1).copy(), self.array(ids, 1).astype(np.int32))

    def outcome(self, certificate):
        """(multiplets, reports) as tensors."""
        kind, report = library.report_type(), certificate.report
        if report.dtype != kind:
            named = np.zeros(report.shape, kind)
            for name in set(report.dtype.names) & set(kind.names):
                named[name] = report[name]
            report = named
        reports = np.ascontiguousarray(report).view(np.float64).reshape(-1, kind.itemsize // 8)
        return self.tensor(certificate._multiplet.astype(self.real)), self.tensor(reports)

    def check(self, what, certificate):
        """Notes the certificate; raises ProblemError for a failed matrix unless zeros were asked for."""
        certificate.batch = tuple(self.batch)
        _last.set(certificate)
        if self.settings.failed == "raise":
            verdict.check_solved(certificate, what)


def eigh(A, seed, how, turned):
    """(w, v, multiplets, reports); turned: the basis inside multiplets is drawn from `seed`, as gradients need it."""
    found = direct_eigh(A, how, True, turned, seed)
    if found:
        w, v, outcome = found
        return w, v, outcome.multiplets(REAL[A.dtype]), outcome.reports
    call = Call(A, how, turned, seed)
    w, v, certificate = call.backend.eigh(call.array(A), call.options)
    call.check("eigh", certificate)
    return (call.tensor(w), call.tensor(v), *call.outcome(certificate))


def direct_eigh(A, how, vectors=True, turned=False, seed=None):
    """direct.eigh() and its outcome noted, where the library in this process answers; else None."""
    how = settings(how)
    found = None if how.backend or not direct.is_fit(A) else direct.eigh(A, how, vectors, turned, seed)
    if found:
        note(found[2])
    return found


def eigvalsh(A, how):
    """(w, multiplets, reports)"""
    call = Call(A, how)
    w, _, certificate = call.backend.eigh(call.array(A), call.options, vectors=False)
    call.check("eigvalsh", certificate)
    return (call.tensor(w), *call.outcome(certificate))


def eigh_backward(A, w, v, ids, report, gw, gv, seed, how):
    """(G, reports)"""
    found = None if settings(how).backend else direct.eigh_backward(w, v, report, gw, gv, settings(how), seed)
    if found:
        g, reports, outcome = found
        note(outcome)
        if not direct.are(outcome.statuses, direct.OK):
            judge(last_certificate(), how, *(x if x is None else x.detach().resolve_conj().numpy().reshape(-1, *x.shape[d:])
                                         for x, d in ((w, -1), (v, -2), (gv, -2))))
        return g, reports
    call = Call(A, how, True, seed)
    arrays = call.array(w, 1), call.array(v), call.array(gw, 1), call.array(gv)
    g, certificate = call.backend.eigh_backward(*arrays, call.certificate(ids, report), call.options)
    call.check("gradient of eigh", certificate)
    judge(certificate, how, arrays[0], arrays[1], arrays[3])
    return call.tensor(g), call.outcome(certificate)[1]


def eigh_along(A, w, v, ids, report, dA, how):
    """(dw, dv, reports) along the Hermitian direction dA. It takes no solution: this process makes it, whatever the
    backend of the forward pass."""
    call = Call(A, how)
    dw, dv, certificate = _LIBRARY.eigh_along(call.array(w, 1), call.array(v), call.array(dA), call.certificate(ids, report),
                                              call.options)
    call.check("derivative of eigh along a direction", certificate)
    verdict.check_split(certificate, certificate.report["tangent_splitting"], torch.finfo(A.dtype).eps, call.settings.gauge)
    return call.tensor(dw), call.tensor(dv), call.outcome(certificate)[1]


def judge(certificate, how, w, v, gv):
    """What is said about a gradient."""
    verdict.check_gauge(certificate, w, v, gv, settings(how).gauge)
    verdict.check_spread(certificate, settings(how).spread)


def eigh_selected(A, seed, select, how, turned):
    """(w, v, found, multiplets, reports, *factors)"""
    from . import selected
    return selected.eigh(A, seed, select, how, turned)


def eigvalsh_selected(A, select, how):
    """(w, found, multiplets, reports)"""
    from . import selected
    w, _, *others = selected.eigh_alone(A, select, how, vectors=False)
    return (w, *others)


def eigh_selected_backward(*arguments):
    """(G, reports)"""
    from . import selected
    return selected.eigh_backward(*arguments)


def function(A, what, how):
    """(f(A), w, v, multiplets, reports)"""
    call, function = Call(A, how, True), function_of(what)
    f, w, v, certificate = call.backend.function(call.array(A), function, call.options)
    call.check(function.kind, certificate)
    return (call.tensor(f), call.tensor(w), call.tensor(v), *call.outcome(certificate))


def function_map(A, w, v, ids, report, E, what, how, doing):
    """The derivative of f(A) along E, of which the Hermitian part counts: a map that is its own adjoint, and so the
    gradient for the cotangent E, too. `doing` says which, for messages."""
    call, function = Call(A, how), function_of(what)
    moved, certificate = call.backend.function_backward(call.array(w, 1), call.array(v), function, call.array(E),
                                                        call.certificate(ids, report), call.options)
    call.check(doing, certificate)
    verdict.check_null_space(certificate, doing)
    return call.tensor(moved)


def function_second(A, w, v, ids, report, E, C, what, how):
    """The second derivative of f(A) along E and C, symmetric in both. Services have none: it is the library's."""
    call, function = Call(A, how), function_of(what)
    forward = call.certificate(ids, report)
    moved, certificate = _LIBRARY.function_second(call.array(w, 1), call.array(v), function, call.array(E), call.array(C),
                                                  forward, call.options)
    certificate.batch = tuple(call.batch)
    if call.settings.failed == "raise":
        none = (certificate.statuses == Status.FUNCTION_UNDEFINED) & ~FAILED[forward.statuses]
        verdict.check_bent(certificate, none, function.kind)
        verdict.check_solved(certificate, f"second derivative of {function.kind}")
    return call.tensor(moved)


def frame(A, R, start, stop, how):
    """(frame, w, v, multiplets, reports); R [*batch, n, c]"""
    call = Call(A, how, True)
    f, w, v, certificate = call.backend.frame(call.array(A), (start, stop), call.reference(R), call.options)
    call.check("frame", certificate)
    return (call.tensor(f), call.tensor(w), call.tensor(v), *call.outcome(certificate))


def frame_backward(A, R, w, v, ids, report, gf, start, stop, how):
    """(G, gradient of R)"""
    call = Call(A, how)
    g, gr, certificate = call.backend.frame_backward(
        call.array(w, 1), call.array(v), (start, stop), call.reference(R), call.array(gf), call.certificate(ids, report),
        call.options)
    call.check("gradient of frame", certificate)
    return call.tensor(g), call.tensor(gr)


def finite(d, A, ids, report, what, how):
    """The direction d [*batch, n, c], with zeros for the matrices where it is not finite: those are
    NONFINITE_COTANGENT."""
    bad = ~torch.isfinite(d).flatten(-2).all(-1)
    if not bad.any():
        return d.clone()
    call = Call(A, how)
    forward = call.certificate(ids, report)
    reports = forward.report.copy()
    reports["status"][bad.reshape(-1).numpy()] = Status.NONFINITE_COTANGENT
    call.check(f"derivative of {what} along a direction", Certificate(reports, forward._multiplet))
    return torch.where(bad[..., None, None], torch.zeros_like(d), d)


def defined(values, A, ids, report, how):
    """Of a function's values [*batch, n], those of matrices where all are finite; the others are FUNCTION_UNDEFINED, with
    zeros, as are those that had failed before."""
    bad = ~torch.isfinite(values).all(-1)
    if not bad.any():
        return values.clone()
    call = Call(A, how)
    forward = call.certificate(ids, report)
    reports, failed = forward.report.copy(), np.isin(np.arange(len(forward.report)), forward.bad)
    reports["status"][bad.reshape(-1).numpy() & ~failed] = Status.FUNCTION_UNDEFINED
    call.check("spectral_function", Certificate(reports, forward._multiplet))
    return torch.where(bad[..., None], torch.zeros_like(values), values)


def settled(x, error, A, ids, report, how):
    """Second derivatives x [*batch, ...] through eigenpairs, refused where they do not exist (at multiplets) or where
    their relative error, [*batch], is large. Matrices of which x is zero are let through."""
    from . import pairs
    call = Call(A, how)
    certificate = call.certificate(ids, report)
    certificate.batch = tuple(call.batch)
    _last.set(certificate)
    return pairs.settled(call, certificate, x, error)


def simple(x, A, ids, report, how):
    """x, a derivative of eigenpairs; derivatives of x have to be settled."""
    return x.clone()


def constant(x):
    """x, without derivatives at any level."""
    return x.clone()


def limited(x, A, order, why):
    """x; its derivatives of this order, which do not know how they depend on A, refuse to be differentiated by A."""
    return x.clone()


def chemical_potential(w, width, electrons, weights, what):
    from . import smearing
    return smearing.solve(w, width, electrons, weights, what)


def sloped(total, what):
    """S = sum weights df/dw, which the derivatives of mu by electrons and weights are divided by."""
    if (total == 0).any():
        raise Error(f"{function_of(what).kind}: the chemical potential has no derivative by electrons or weights in double "
                    "precision here: f' underflows at all levels, as deep in a gap (a wider smearing has one)")
    return total.clone()


def directional(A, dA, how):
    from . import spectral
    return spectral.directional(A, dA, how)


def certificate(report):
    """The members of the reports as numbers, [*batch, members], float64."""
    kind = library.report_type()
    reports = report.contiguous().numpy().reshape(-1).view(kind)
    columns = np.stack([reports[name].astype(np.float64) for name in kind.names], -1)
    return torch.from_numpy(columns.reshape(*report.shape[:-1], len(kind.names)))


def refused(x, made_of, why):
    """x; whoever differentiates it, by any tensor that it was made of, gets an error."""
    return x.clone()
