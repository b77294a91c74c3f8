"""Backends: objects with the methods of `Library`, which solve a flat batch given as NumPy arrays.

multiplet.torch is written entirely in terms of such an object, the one that `current()` returns. Another backend,
which answers the same calls elsewhere, replaces it for a while by

    with using(other): ...

Arrays are C-contiguous: matrices [count, n, n], eigenvalues [count, n], references [n, c] or [count, n, c]. Every
method returns its arrays and then a Certificate. The methods *_backward get the forward pass's certificate; in its
`origin` a backend can keep what it needs to recognise that pass.
"""
import contextlib
import contextvars
import typing

import numpy as np

from . import library
from .status import Status


FAILED = np.zeros(128, bool)  # by status
FAILED[[s.value for s in Status if s.failed]] = True


def resolution(n, epsilon):
    """What rounding cannot tell apart in a spectrum, relative to ||A||_2: mpt_resolution."""
    return 5 * n ** 0.5 * epsilon


class Options(typing.NamedTuple):
    """How to solve. tolerance is relative to ||A||_2; 0 stands for the uncertainty due to rounding, 5 sqrt(n) eps."""
    triangle: str = "lower"
    tolerance: float = 0.0
    spread: str = "mean"
    threads: int = 1
    solver: str = "auto"
    basis: str = "turned"
    seed: int = 0


class Function(typing.NamedTuple):
    """A matrix function: mpt_function of include/multiplet/function.h."""
    kind: str
    scale: float = 1.0
    exponent: float = 0.0
    beta: float = 0.0
    mu: float = 0.0
    electrons: float = 0.0
    index: tuple = (0, 0)
    sigma: float = 0.0
    order: float = 1.0
    minimum: float = 0.0


class Selection(typing.NamedTuple):
    """Some of the eigenpairs: mpt_select of include/multiplet/selected.h."""
    kind: str
    index: tuple = (0, 0)
    range: tuple = (0.0, 0.0)
    at_most: int = 0

    def columns(self, n):
        """How many columns there are for n eigenvalues. Of a range, the certificate's `found` ones are not zero."""
        if self.kind == "index":
            start, stop = (min(k, n) for k in self.index)
            return stop - start
        return min(self.at_most, n)


class Factors(typing.NamedTuple):
    """What the forward pass of a selection keeps for its backward pass: mpt_factors."""
    reflectors: np.ndarray
    tau: np.ndarray
    diagonal: np.ndarray
    offdiagonal: np.ndarray
    eigenvalues: np.ndarray

    @classmethod
    def empty(cls, count, n, dtype):
        real = np.zeros(0, dtype).real.dtype
        return cls(np.empty((count, n, n), dtype), np.empty((count, n), dtype),
                   *(np.empty((count, n), real) for _ in range(3)))


class Certificate:
    """The outcome for each matrix of a batch, and how far its numbers can be trusted.

    Arrays of the batch's shape (a single matrix has shape ()):
      status            a number of multiplet.Status
      residual, orthogonality    in units of n eps ||A|| and n eps: about 1 or less is perfect
      min_gap           smallest gap between multiplets / ||A||; 2 when there is only one multiplet
      gauge_violation   how much of the loss depends on the basis inside a multiplet, 0 to 1; 0 before backward
      cotangent_spread  how much eigenvalue cotangents differ inside a multiplet / the largest
      gradient_error    upper estimate of the gradient's relative error; 0 before backward
      tangent_error     upper estimate of the relative error of derivatives along a direction; 0 but for those
      tangent_splitting how much a direction splits multiplets, 0 to 1
      null_violation    how much of a function's loss moves eigenvalues that are zero, where it has no derivative, 0 to 1
      rule              how the gradient at equal and near eigenvalues was made, an index of multiplet.library.RULES
      frame_condition   1 at best; 0 without a frame
      refused           true where a policy refused the gradient
      seconds           of the solution
    multiplet [*batch, n]: the number of each eigenvalue's multiplet, from 0; of a selection, from its first one.
    """

    def __init__(self, report, multiplet, origin=None):
        self.report, self._multiplet, self.origin, self.batch = report, multiplet, origin, report.shape

    def __getattr__(self, name):
        if name == "report" or name not in self.report.dtype.names:
            raise AttributeError(name)
        return self.report[name].reshape(self.batch)

    def __dir__(self):
        return [*super().__dir__(), *self.report.dtype.names]

    def __repr__(self):
        counts = {Status(s).name: int(c) for s, c in zip(*np.unique(self.report["status"], return_counts=True))}
        largest = [f"{name} up to {self.report[name].max(initial=0):.2g}"
                   for name in ("gauge_violation", "cotangent_spread", "gradient_error", "null_violation")]
        return f"Certificate({counts}, {', '.join(largest)})"

    @property
    def multiplet(self):
        return self._multiplet.reshape(*self.batch, self._multiplet.shape[-1])

    @property
    def refused(self):
        return self.report["refused"].reshape(self.batch) != 0

    @property
    def statuses(self):
        """The statuses of the flat batch."""
        return self.report["status"]

    @property
    def bad(self):
        """Flat indices of the matrices whose outputs are zero because they failed."""
        return FAILED[self.statuses].nonzero()[0]

    def inherit(self, forward):
        """Takes over what the backward pass does not compute again: residuals, and statuses of matrices that had failed
        before."""
        report, earlier = self.report, forward.report
        for name in ("largest", "residual", "orthogonality"):
            report[name] = earlier[name]
        report["status"][forward.bad] = earlier["status"][forward.bad]
        return self


class Library:
    """libmultiplet in this process. Arrays are not copied."""

    def eigh(self, a, options, vectors=True):
        """w [count, n], v [count, n, n] or None."""
        w, v = np.empty(a.shape[:-1], a.real.dtype), np.empty_like(a) if vectors else None
        return w, v, self._call("mpt_eigh", a, options, None, a, w, v)

    def eigh_backward(self, w, v, gw, gv, forward, options):
        """G [count, n, n] from gw [count, n] and gv [count, n, n], either of them None for zero."""
        g = np.empty_like(v)
        return g, self._call("mpt_eigh_backward", v, options, None, None, w, v, gw, gv, g).inherit(forward)

    def eigh_along(self, w, v, da, forward, options):
        """dw [count, n] and dv [count, n, n] along the Hermitian directions da [count, n, n]."""
        dw, dv = np.empty_like(w), np.empty_like(v)
        return dw, dv, self._call("mpt_eigh_tangent", v, options, None, w, v, da, dw, dv).inherit(forward)

    def eigh_selected(self, a, selection, options, vectors=True, keep=True):
        """w [count, m], v [count, n, m] or None, found [count] and, with `keep`, the Factors for eigh_selected_backward;
        m = selection.columns(n)."""
        count, n = a.shape[:2]
        m = selection.columns(n)
        w, v = np.empty((count, m), a.real.dtype), np.empty((count, n, m), a.dtype) if vectors else None
        found, factors = np.empty(count, np.int32), Factors.empty(count, n, a.dtype) if keep else None
        certificate = self._call("mpt_eigh_selected", a, options, _select(selection), a, w, v, found,
                                 _factors(factors), columns=m)
        return w, v, found, factors, certificate

    def eigh_selected_backward(self, w, v, selection, gw, gv, factors, forward, options):
        """G [count, n, n] from gw [count, m] and gv [count, n, m], either of them None for zero."""
        count, n, m = v.shape
        g = np.empty((count, n, n), v.dtype)
        certificate = self._call("mpt_eigh_selected_backward", v, options, _select(selection), None, w, v, gw, gv, g,
                                 _factors(factors), columns=m)
        return g, certificate.inherit(forward)

    def function(self, a, function, options):
        """f(A) [count, n, n], and w and v."""
        f, w, v = np.empty_like(a), np.empty(a.shape[:-1], a.real.dtype), np.empty_like(a)
        return f, w, v, self._call("mpt_matrix_function", a, options, spec(function), a, f, w, v)

    def function_backward(self, w, v, function, gf, forward, options):
        g = np.empty_like(v)
        certificate = self._call("mpt_matrix_function_backward", v, options, spec(function), None, w, v, gf, g)
        return g, certificate.inherit(forward)

    def function_second(self, w, v, function, e, c, forward, options):
        """The second derivative along e and c, [count, n, n]."""
        s = np.empty_like(v)
        certificate = self._call("mpt_matrix_function_second", v, options, spec(function), w, v, e, c, s)
        return s, certificate.inherit(forward) if forward else certificate

    def frame(self, a, index, reference, options):
        """[count, n, c], and w and v."""
        f = np.empty((*a.shape[:-1], reference.shape[-1]), a.dtype)
        w, v = np.empty(a.shape[:-1], a.real.dtype), np.empty_like(a)
        return f, w, v, self._call("mpt_frame", a, options, _frame(index, reference), a, f, w, v)

    def frame_backward(self, w, v, index, reference, gf, forward, options):
        """G, and the derivative with respect to each matrix's reference, [count, n, c]."""
        g, gr = np.empty_like(v), np.empty_like(gf)
        certificate = self._call("mpt_frame_backward", v, options, _frame(index, reference), None, w, v, gf, g, gr)
        return g, gr, certificate.inherit(forward)

    @staticmethod
    def _call(name, like, options, spec, *arrays, columns=None):
        count, n = like.shape[:2]
        multiplet = np.empty((count, n if columns is None else columns), np.int32)
        report = np.empty(count, library.report_type())
        settings = library.Options(triangle=library.TRIANGLES[options.triangle], tolerance=options.tolerance,
                                   spread_policy=library.SPREADS[options.spread], threads=options.threads,
                                   solver=library.SOLVERS[options.solver], basis=library.BASES[options.basis],
                                   seed=options.seed)
        library.call(name, (like.dtype, n, count), settings, spec, *arrays, multiplet, report)
        return Certificate(report, multiplet)


def spec(function):
    values = function._asdict()
    index = (library.ctypes.c_int64 * 2)(*values.pop("index"))
    return library.Function(kind=list(library.kinds()).index(values.pop("kind")), index=index, **values)


def _frame(index, reference):
    return library.FrameSpec(index=(library.ctypes.c_int64 * 2)(*index), columns=reference.shape[-1],
                             reference=library.address(reference), each=reference.ndim == 3)


def _select(selection):
    return library.Select(kind=library.SELECTIONS[selection.kind], at_most=selection.at_most,
                          index=(library.ctypes.c_int64 * 2)(*selection.index),
                          range=(library.ctypes.c_double * 2)(*selection.range))


def _factors(factors):
    return factors and library.Factors(**{name: library.address(x) for name, x in factors._asdict().items()})


_current = contextvars.ContextVar("multiplet_backend", default=Library())


def current():
    """The backend of the current thread or task."""
    return _current.get()


@contextlib.contextmanager
def using(backend):
    """Inside, `backend` answers all calls."""
    token = _current.set(backend)
    try:
        yield backend
    finally:
        _current.reset(token)
