"""Eigenpairs, matrix functions and frames of NumPy arrays [*batch, n, n], and their gradients, without PyTorch.

    w, v = multiplet.eigh(a)                        # as numpy.linalg.eigh
    w, v = multiplet.eigh(a, select={"lowest": 10})
    pairs = multiplet.eigh(a)                       # pairs.certificate: status, residual, gaps of each matrix
    g = multiplet.eigh_backward(pairs, gw, gv)      # g.gradient: dL = Re tr(G^H dA), g.certificate

Matrices are float32, float64, complex64 or complex128; integers become float64. The gradient is Hermitian, for
Hermitian changes of a. Cotangents are in PyTorch's convention: dL = Re sum conj(gv) dv; what jax.grad gives is the
complex conjugate.

Keywords that are common to several functions:
  UPLO       'L' or 'U', the triangle that is read
  select     some of the eigenpairs, m of n, in ascending order: {"lowest": k}, {"highest": k}, {"index": [start, stop]}
             or {"range": [lo, hi], "at_most": k}, half-open. None: all. Where there are fewer than n, all of them. Of a
             range with `at_most` columns, the first `found` of each matrix are there, and the rest is zero; a matrix
             with more is TOO_MANY_IN_RANGE
  tolerance  the width of a multiplet, relative to ||A||_2; None: what rounding cannot tell apart, 5 sqrt(n) eps
  failed     'raise': ProblemError for a matrix that has no answer; 'zero': its outputs are zero, its status says why
  threads    None: OMP_NUM_THREADS, else as many as this process may run on
"""
import collections
import math
import os

import numpy as np

from . import arguments, library, verdict
from .backend import Options, spec as backend_spec, current


class _Certified:
    """A named tuple with the certificate of the call that made it, a multiplet.backend.Certificate."""
    certificate = None

    def _of(self, call, certificate):
        certificate.batch = call.batch
        self.certificate, self._call = certificate, call
        return self


class Eigh(_Certified, collections.namedtuple("Eigh", "eigenvalues eigenvectors")):
    """[*batch, n] ascending, and [*batch, n, n] in columns (None of eigvalsh)."""


class RangeEigh(_Certified, collections.namedtuple("RangeEigh", "eigenvalues eigenvectors found")):
    """[*batch, m], [*batch, n, m], and how many columns of each matrix are in the range, [*batch]."""


class RangeEigvalsh(_Certified, collections.namedtuple("RangeEigvalsh", "eigenvalues found")):
    """Likewise."""


class MatrixFunction(_Certified, collections.namedtuple("MatrixFunction", "value eigenvalues eigenvectors")):
    """f(A) [*batch, n, n], and the eigenpairs that it was made of."""


Occupations = collections.namedtuple("Occupations", "occupations mu")


class Frame(_Certified, collections.namedtuple("Frame", "value eigenvalues eigenvectors")):
    """P R (R^H P R)^(-1/2) [*batch, n, c], and the eigenpairs that it was made of."""


class Gradient(_Certified, collections.namedtuple("Gradient", "gradient")):
    """G [*batch, n, n]."""


class FrameGradient(_Certified, collections.namedtuple("FrameGradient", "gradient gradient_reference")):
    """G [*batch, n, n], and the derivative by each matrix's reference, [*batch, n, c]."""


def eigh(a, UPLO="L", *, select=None, tolerance=None, failed="raise", threads=None, seed=0):
    """Eigh(eigenvalues, eigenvectors), as numpy.linalg.eigh; of a range RangeEigh(eigenvalues, eigenvectors, found).

    Each column has unit norm, its largest component real and positive. Inside a multiplet the vectors are turned by a
    pseudo-random matrix of this seed, so that no loss can hide that it depends on them. Of a selection of m pairs the
    reduction to a tridiagonal matrix is kept, as large as a, from which eigh_backward takes O(n^2 m).
    """
    call = _Call(a, UPLO, tolerance, failed, threads, seed)
    call.selection = arguments.selection(select)
    if call.selection:
        w, v, found, call.factors, certificate = call.backend.eigh_selected(call.a, call.selection, call.options)
        call.check("eigh", certificate)
        w, v = call.shaped(w), call.shaped(v)
        pairs = RangeEigh(w, v, call.shaped(found)) if call.selection.kind == "range" else Eigh(w, v)
        return pairs._of(call, certificate)
    w, v, certificate = call.backend.eigh(call.a, call.options)
    call.check("eigh", certificate)
    return Eigh(call.shaped(w), call.shaped(v))._of(call, certificate)


def eigvalsh(a, UPLO="L", *, select=None, tolerance=None, failed="raise", threads=None):
    """The eigenvalues alone, [*batch, n], ascending, as numpy.linalg.eigvalsh; of a range
    RangeEigvalsh(eigenvalues, found)."""
    call = _Call(a, UPLO, tolerance, failed, threads)
    selection = call.selection = arguments.selection(select)
    if selection:
        w, _, found, _, certificate = call.backend.eigh_selected(call.a, selection, call.options, vectors=False,
                                                                 keep=False)
        call.check("eigvalsh", certificate)
        if selection.kind == "range":
            return RangeEigvalsh(call.shaped(w), call.shaped(found))._of(call, certificate)
        return call.shaped(w)
    w, _, certificate = call.backend.eigh(call.a, call.options, vectors=False)
    call.check("eigvalsh", certificate)
    return call.shaped(w)


def eigh_backward(pairs, gw=None, gv=None, *, gauge="warn", eigenvalue_cotangents="mean"):
    """Gradient(gradient) of a loss with these cotangents of eigenvalues [*batch, n] and eigenvectors [*batch, n, n], or of
    those that were selected.

    pairs: what eigh returned. gw or gv None: zero. A loss that depends on the basis inside a multiplet, or on a phase,
    has no gradient there: that part is dropped, with one GaugeWarning; gauge='error' raises GaugeError.
    eigenvalue_cotangents, where they differ inside a multiplet and no form V f(w) V^H is certified: 'mean' (one
    SubgradientWarning), 'raw', 'error', or 'unbiased': an estimate in the basis that eigh's seed drew, whose mean over
    seeds is the exact gradient of any loss that depends on no basis. Of a multiplet that a selection cuts there are
    derivatives of the eigenvalues' mean alone: SPLIT_MULTIPLET with gv, and with 'raw' and 'unbiased'.
    """
    arguments.choice("gauge", gauge, ("warn", "error"))
    arguments.choice("eigenvalue_cotangents", eigenvalue_cotangents, arguments.SPREADS)
    call = pairs._call
    options = call.options._replace(spread=arguments.SPREADS[eigenvalue_cotangents])
    w, v = call.flat(pairs.eigenvalues, 1), call.flat(pairs.eigenvectors)
    gw, gv = call.cotangent(gw, w, "gw"), call.cotangent(gv, v, "gv")
    if call.selection:
        g, certificate = call.backend.eigh_selected_backward(w, v, call.selection, gw, gv, call.factors,
                                                             pairs.certificate, options)
    else:
        g, certificate = call.backend.eigh_backward(w, v, gw, gv, pairs.certificate, options)
    call.check("gradient of eigh", certificate)
    verdict.check_gauge(certificate, w, v, gv, gauge)
    verdict.check_spread(certificate, eigenvalue_cotangents)
    return Gradient(call.shaped(g))._of(call, certificate)


def _solve(w, function, weights):
    """Occupations [*batch, n], df/dw, dmu/dw and mu of eigenvalues [*batch, n]; with weights [k] one mu for the last
    k."""
    w = np.ascontiguousarray(w, np.float64)
    if weights is not None:
        weights = np.ascontiguousarray(weights, np.float64)
        if w.ndim < 2 or weights.shape != w.shape[-2:-1]:
            raise ValueError(f"weights has the shape {list(weights.shape)}, and w {list(w.shape)}: weights has to be [k] "
                             "for w [..., k, n]")
    n, count = w.shape[-1], weights.size if weights is not None else math.prod(w.shape[:-1])
    together = 1 if weights is None else count
    mu = np.empty(w.shape[:-1] if weights is None else w.shape[:-2])
    outputs = [np.empty_like(w) for _ in range(3)]
    sets = 1 if weights is None else mu.size
    rows = [x.reshape(sets, -1) for x in (w, *outputs, mu)]
    for levels, *made in zip(*rows):
        library.occupations(n, count, backend_spec(function), weights, levels, *made)
    return (*outputs, mu)


def occupations(w, kind, *, electrons=None, mu=None, weights=None, **parameters):
    """Occupations(occupations, mu) of eigenvalues w [*batch, n] by 'fermi' (beta), 'gaussian', 'methfessel_paxton' or
    'cold' (sigma), in float64.

    electrons: mu [*batch] is solved for, of each matrix its own. With weights [k], w is [*batch, k, n], and mu [*batch]
    is common to k matrices: sum_k weights_k sum_i f(w_ki) = electrons.
    """
    given = {name: value for name, value in (("electrons", electrons), ("mu", mu)) if value is not None}
    w = np.asarray(w, np.float64)
    if w.ndim < 1:
        raise ValueError("w has to be eigenvalues, [*batch, n]")
    function = arguments.function(kind, {**parameters, **given}, w.shape[-1] if weights is None else math.inf)
    made, _, _, mu = _solve(w, function, weights)
    return Occupations(made, mu[()])


def _function_of_many(call, kind, parameters, weights):
    """With one chemical potential for all matrices. A matrix that fails leaves none for the others."""
    call.function, call.failed = arguments.function(kind, parameters, math.inf), "raise"
    w, v, certificate = call.backend.eigh(call.a, call.options)
    call.check(kind, certificate)
    made, call.slopes, call.response, call.mu = _solve(w, call.function, np.ravel(weights))
    value = (v * made[:, None, :].astype(w.dtype)) @ v.conj().swapaxes(-1, -2)
    call.function = call.function._replace(electrons=0.0, mu=float(call.mu))
    return MatrixFunction(*map(call.shaped, (value, w, v)))._of(call, certificate)


def matrix_function(a, kind, *, UPLO="L", tolerance=None, failed="raise", threads=None, weights=None, **parameters):
    """MatrixFunction(value, eigenvalues, eigenvectors): f(A) = V f(w) V^H. For kinds and parameters see
    configs/README.md, or the error for any other name.

    weights, for an occupation with `electrons`: one chemical potential for all matrices (k-points), which the gradients
    respond to: sum_k weights_k tr f(A_k) = electrons. Then a matrix that fails is an error in any case.
    """
    call = _Call(a, UPLO, tolerance, failed, threads)
    if weights is not None:
        if "electrons" not in parameters or np.shape(weights) != call.batch:
            raise ValueError(f"weights needs electrons, and one number for each matrix, {list(call.batch)}")
        return _function_of_many(call, kind, parameters, weights)
    call.function = arguments.function(kind, parameters, call.a.shape[-1])
    f, w, v, certificate = call.backend.function(call.a, call.function, call.options)
    call.check(kind, certificate)
    return MatrixFunction(*map(call.shaped, (f, w, v)))._of(call, certificate)


def matrix_function_backward(result, gf):
    """Gradient(gradient) from the cotangent of f(A), [*batch, n, n]; exact at any degeneracy. A loss that moves zero
    eigenvalues, where a square root has no derivative, gets one NullSpaceWarning, and that part is dropped."""
    call = result._call
    w, v = call.flat(result.eigenvalues, 1), call.flat(result.eigenvectors)
    gf = call.cotangent(gf, v, "gf")
    g, certificate = call.backend.function_backward(w, v, call.function, gf, result.certificate, call.options)
    if call.response is not None:  # of one chemical potential to all matrices
        total = np.sum(call.slopes * np.sum(v.conj() * (gf @ v), axis=-2).real)
        shift = (total * call.response).astype(w.dtype)
        g -= (v * shift[:, None, :]) @ v.conj().swapaxes(-1, -2)
    call.check(f"gradient of {call.function.kind}", certificate)
    verdict.check_null_space(certificate, f"gradient of {call.function.kind}")
    return Gradient(call.shaped(g))._of(call, certificate)


def projector(a, index, *, UPLO="L", tolerance=None, failed="raise", threads=None):
    """MatrixFunction(value, ...) with V_s V_s^H of eigenvectors s = index[0] ... index[1] - 1."""
    return matrix_function(a, "projector", index=index, UPLO=UPLO, tolerance=tolerance, failed=failed, threads=threads)


def frame(a, reference, index, *, UPLO="L", tolerance=None, failed="raise", threads=None):
    """Frame(value, eigenvalues, eigenvectors): the orthonormal columns in the subspace of eigenvectors index[0] to
    index[1] - 1 that are nearest to `reference`, [n, c] or [*batch, n, c]; smooth in a at any degeneracy inside."""
    call = _Call(a, UPLO, tolerance, failed, threads)
    n = call.a.shape[-1]
    call.index = arguments.index_range(index, n)
    reference = np.asarray(reference)
    if reference.ndim < 2 or reference.shape[-2] != n:
        raise ValueError(f"frame: reference has to be [{n}, c] or [*batch, {n}, c], not {list(reference.shape)}")
    if not 1 <= reference.shape[-1] <= call.index[1] - call.index[0]:
        raise ValueError(f"frame: reference has {reference.shape[-1]} columns; index {call.index} takes 1 to "
                         f"{call.index[1] - call.index[0]}")
    reference = reference.astype(call.a.dtype, casting="same_kind")
    if reference.ndim > 2:
        reference = call.flat(np.broadcast_to(reference, (*call.batch, *reference.shape[-2:])))
    call.reference = np.ascontiguousarray(reference)
    f, w, v, certificate = call.backend.frame(call.a, call.index, call.reference, call.options)
    call.check("frame", certificate)
    return Frame(*map(call.shaped, (f, w, v)))._of(call, certificate)


def frame_backward(result, gf):
    """FrameGradient(gradient, gradient_reference) from the cotangent of the frame, [*batch, n, c]."""
    call = result._call
    w, v = call.flat(result.eigenvalues, 1), call.flat(result.eigenvectors)
    gf = call.cotangent(gf, call.flat(result.value), "gf")
    g, gr, certificate = call.backend.frame_backward(w, v, call.index, call.reference, gf, result.certificate,
                                                     call.options)
    call.check("gradient of frame", certificate)
    return FrameGradient(call.shaped(g), call.shaped(gr))._of(call, certificate)


def _thread_count():
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Call:
    """What the passes of one call share."""
    response = None  # dmu/dw, where there is one mu for many matrices
    selection = None  # all pairs

    def __init__(self, a, UPLO, tolerance, failed, threads, seed=0):
        a = np.asarray(a)
        if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
            raise np.linalg.LinAlgError(f"a has to be square matrices, [*batch, n, n], not {list(a.shape)}")
        if a.dtype.kind in "biu":
            a = a.astype(np.float64)
        if a.dtype.newbyteorder("=") not in library.TYPES:
            raise TypeError(f"array type {a.dtype} is not float32, float64, complex64 or complex128")
        if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
            raise ValueError(f"UPLO has to be one of 'L', 'U', not {UPLO!r}")
        arguments.choice("failed", failed, ("raise", "zero"))
        arguments.check_tolerance(tolerance)
        self.batch, self.failed, self.backend = a.shape[:-2], failed, current()
        self.a = self.flat(a.astype(a.dtype.newbyteorder("="), copy=False))
        self.options = Options(triangle="lower" if UPLO.upper() == "L" else "upper", tolerance=tolerance or 0.0,
                               threads=threads or _thread_count(), seed=seed)

    def flat(self, array, rank=2):
        """[*batch, ...] as [count, ...], contiguous."""
        count = math.prod(self.batch)
        return np.ascontiguousarray(array).reshape(count, *array.shape[array.ndim - rank:])

    def shaped(self, array):
        """The way back."""
        return array.reshape((*self.batch, *array.shape[1:]))

    def cotangent(self, array, like, name):
        """Of what is [count, ...] here, in its type; None stays None."""
        if array is None:
            return None
        array = np.asarray(array)
        if array.shape != (*self.batch, *like.shape[1:]):
            raise ValueError(f"{name} has the shape {list(array.shape)}, not {[*self.batch, *like.shape[1:]]}")
        return self.flat(array.astype(like.dtype, casting="same_kind"), like.ndim - 1)

    def check(self, what, certificate):
        certificate.batch = self.batch
        if self.failed == "raise":
            verdict.check_solved(certificate, what)
