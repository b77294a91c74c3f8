"""Eigenpairs, matrix functions and frames of Hermitian matrices, with their gradients.

The gradient G that reaches A is Hermitian, dL = Re tr(G^H dA) for Hermitian dA. It is the gradient that
torch.linalg.eigh gives for a matrix that was made Hermitian, as (B + B.mH) / 2, symmetric parts of a product, or the
like. G has both triangles although only one triangle of A is read: if the triangles of a leaf A are independent
numbers, copy A.tril() into both triangles first. torch.linalg.eigh behaves in the same way, except that its gradient
may have an anti-Hermitian part, which does not matter for Hermitian dA.

Second derivatives (create_graph=True) of matrix_function(), projector() and frame() exist at any degeneracy. Those of
eigh() and eigvalsh() exist where all eigenvalues are simple, and at a multiplet if the loss depends only on its
subspace and the sum of its eigenvalues, or not on the multiplet at all. PyTorch computes them; for functions they need
memory for n^3 numbers per matrix. Where a second derivative does not exist, or is mostly rounding error, it is not
silently left out of a sum: an error names the matrix; under failed='zero' such a matrix has zeros.

Keywords that are common to several functions:
  UPLO                   'L' or 'U', the triangle that is read
  tolerance              the width of a multiplet, relative to ||A||_2; None: the uncertainty due to rounding,
                         5 sqrt(n) eps
  failed                 'raise': ProblemError for a matrix without a result (NaN, a logarithm of a negative
                         spectrum, ...); 'zero': its outputs and gradient are zero, and its status says why
"""
import collections
import contextvars
import math

import torch
from torch.autograd import Function as AutogradFunction

from .. import arguments, verdict
from ..backend import Options, current, using
from . import forward, pairs, second

Eigh = collections.namedtuple("Eigh", "eigenvalues eigenvectors")
TYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)

_last = contextvars.ContextVar("multiplet_last_certificate", default=None)


def last_certificate():
    """The multiplet.backend.Certificate of this thread's last call, forward or backward; None before the first call."""
    return _last.get()


def eigh(A, UPLO="L", *, gauge="warn", eigenvalue_cotangents="mean", tolerance=None, failed="raise"):
    """(eigenvalues [*batch, n], ascending, eigenvectors [*batch, n, n], in columns) of A [*batch, n, n].

    Each column has unit norm, and its largest component is real and positive. The gradient is finite at repeated
    eigenvalues. Where the loss depends on the arbitrary basis inside a multiplet, or on a phase, that part has no
    gradient: it is dropped, with one GaugeWarning for each backward pass; gauge='error' raises GaugeError instead.
    A loss of V f(w) V^H has its exact gradient at every gap, also at gap zero: that form is recognised and certified.
    eigenvalue_cotangents decides what happens where they differ inside a multiplet and no form is certified: 'mean'
    replaces them by their mean, with one SubgradientWarning for each backward pass; 'raw' keeps them; 'error' raises
    SubgradientError; 'unbiased' estimates the gradient in a random basis, which PyTorch's generator draws anew in each
    forward pass, so that the estimate's mean is the exact gradient of any loss that does not depend on a basis.
    Where a gradient may be asked for, the vectors inside a multiplet are rotated by a fixed pseudo-random matrix, so
    that a loss that depends on them is always noticed.
    """
    call = _Call(A, UPLO, tolerance, failed, gauge, eigenvalue_cotangents)
    w, v = _Eigh.apply(A, call)
    return Eigh(w, v)


def eigvalsh(A, UPLO="L", *, eigenvalue_cotangents="mean", tolerance=None, failed="raise"):
    """The eigenvalues alone, [*batch, n], ascending. Vectors are computed only if a gradient may be asked for."""
    call = _Call(A, UPLO, tolerance, failed, "warn", eigenvalue_cotangents)
    if A.requires_grad and torch.is_grad_enabled() or forward.is_dual(A):
        return _Eigh.apply(A, call)[0]
    w, _, call.certificate = call.backend.eigh(call.array(A), call.options, vectors=False)
    call.check("eigvalsh")
    return call.tensor(w)


def matrix_function(A, kind, *, UPLO="L", tolerance=None, failed="raise", **parameters):
    """f(A) = V f(w) V^H, [*batch, n, n], with a gradient that is exact at any degeneracy.

    kind, with its parameters (configs/README.md has the table of all kinds; the error for an unknown name lists them):
      'exp', 'log', 'sqrt', 'tanh', ...     f(scale A); scale=1.0
      'power'        (scale A)^exponent; exponent, scale=1.0
      'fermi'        1 / (exp(beta (A - mu)) + 1); beta, and mu, or electrons: then mu is the one with
                     tr f(A) = electrons, 0 < electrons < n, and its response is part of the gradient
      'projector'    onto the eigenvectors index[0] to index[1] - 1; see projector()

    A matrix whose spectrum leaves the function's domain is FUNCTION_UNDEFINED.
    """
    call = _Call(A, UPLO, tolerance, failed)
    for name, value in parameters.items():
        if torch.is_tensor(value) and (value.requires_grad or forward.is_dual(value)):
            raise TypeError(f"{kind}: {name} asks for a gradient, and parameters have none yet ({name}.detach())")
    function = arguments.function(kind, parameters, A.shape[-1])
    return _MatrixFunction.apply(A, call, function)


def projector(A, index, *, UPLO="L", tolerance=None, failed="raise"):
    """V_s V_s^H [*batch, n, n] of eigenvectors s = index[0] ... index[1] - 1, in ascending order of eigenvalues.

    Multiplets inside the range are allowed; a range that cuts a multiplet has no projector: SPLIT_MULTIPLET.
    """
    return matrix_function(A, "projector", index=index, UPLO=UPLO, tolerance=tolerance, failed=failed)


def frame(A, reference, index, *, UPLO="L", tolerance=None, failed="raise"):
    """P R (R^H P R)^(-1/2), P = projector(A, index) and R = reference, [n, c] or [*batch, n, c]: [*batch, n, c].

    The smooth replacement for eigenvectors inside a multiplet: orthonormal columns in its subspace, as near to R as
    possible, whatever basis a solver returns. 1 <= c <= index[1] - index[0]. Differentiable with respect to A and R.
    FUNCTION_UNDEFINED where R has no part in the subspace; last_certificate().frame_condition says how near that is.
    """
    call = _Call(A, UPLO, tolerance, failed)
    n = A.shape[-1]
    index = arguments.index_range(index, n)
    if not torch.is_tensor(reference) or reference.dim() < 2 or reference.shape[-2] != n:
        raise ValueError(f"frame: reference has to be a tensor [{n}, c] or [*batch, {n}, c]")
    if not 1 <= reference.shape[-1] <= index[1] - index[0]:
        raise ValueError(f"frame: reference has {reference.shape[-1]} columns; index {index} takes 1 to "
                         f"{index[1] - index[0]}")
    if reference.dtype != A.dtype or reference.device != A.device:
        raise TypeError(f"frame: reference is {reference.dtype} on {reference.device}, A {A.dtype} on {A.device}")
    if reference.dim() > 2:
        reference = reference.expand(*A.shape[:-2], *reference.shape[-2:])
    return _Frame.apply(A, reference, call, index)


class _Call:
    """The state that the passes of one call share: the backend and its options, the batch's shape, the forward
    certificate."""

    def __init__(self, A, UPLO, tolerance, failed, gauge="warn", spread="mean"):
        if not torch.is_tensor(A) or A.dim() < 2 or A.shape[-1] != A.shape[-2]:
            raise ValueError("A has to be a tensor of square matrices, [*batch, n, n], not "
                             f"{list(A.shape) if torch.is_tensor(A) else type(A).__name__}")
        if A.dtype not in TYPES:
            raise TypeError(f"A is {A.dtype}; it has to be float32, float64, complex64 or complex128")
        if A.device.type != "cpu" or A.layout is not torch.strided:
            raise TypeError(f"A is {A.layout} on {A.device}; it has to be strided on the CPU (A.cpu(), A.to_dense())")
        arguments.choice("UPLO", UPLO, "LU")
        arguments.choice("failed", failed, ("raise", "zero"))
        arguments.choice("gauge", gauge, ("warn", "error"))
        arguments.choice("eigenvalue_cotangents", spread, arguments.SPREADS)
        arguments.check_tolerance(tolerance)
        self.batch, self.gauge, self.failed, self.backend = A.shape[:-2], gauge, failed, current()
        self.spread, backward = spread, A.requires_grad and torch.is_grad_enabled()
        seed = int(torch.randint(2**31 - 1, ()).item()) if spread == "unbiased" and backward else 0
        self.options = Options(triangle="lower" if UPLO == "L" else "upper", tolerance=tolerance or 0.0,
                               spread=arguments.SPREADS[spread], threads=torch.get_num_threads(),
                               basis="turned" if backward else "solver", seed=seed)
        self.certificate = None
        self.notes = []  # notes of second derivatives for eigh's backward pass: see pairs.py

    def array(self, tensor, rank=2):
        """A tensor [*batch, ...] as an array [count, ...], without a copy if it is contiguous; None stays None."""
        if tensor is None:
            return None
        tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
        count = math.prod(self.batch)
        return tensor.numpy().reshape(count, *tensor.shape[tensor.dim() - rank:])

    def tensor(self, array):
        """The inverse of array()."""
        return torch.from_numpy(array).reshape(*self.batch, *array.shape[1:])

    def check(self, what, certificate=None):
        """Notes the certificate; raises ProblemError for a failed matrix unless zeros were asked for."""
        certificate = certificate or self.certificate
        certificate.batch = tuple(self.batch)
        _last.set(certificate)
        if self.failed == "raise":
            verdict.check_solved(certificate, what)


class _Eigh(AutogradFunction):
    @staticmethod
    def forward(ctx, A, call):
        w, v, call.certificate = call.backend.eigh(call.array(A), call.options)
        call.check("eigh")
        w, v = call.tensor(w), call.tensor(v)
        ctx.call = call
        ctx.save_for_backward(A, w, v)
        ctx.save_for_forward(A, w, v)
        ctx.set_materialize_grads(False)
        return w, v

    @staticmethod
    def jvp(ctx, dA, _):
        A, w, v = ctx.saved_tensors
        return forward.along_eigh(ctx.call, (A, dA), w, v, dA)

    @staticmethod
    def backward(ctx, gw, gv):
        call, (A, w, v) = ctx.call, ctx.saved_tensors
        forward.refuse_tangents(A, gw, gv)
        notes, call.notes = call.notes, []
        if gw is None and gv is None:
            return None, None
        note = pairs.Note.sum(notes) if notes else None
        left, answered = note.take(v.detach(), gv) if note else (gv, None)
        arrays = call.array(w, 1), call.array(v), call.array(gw, 1), call.array(left)
        g, certificate = call.backend.eigh_backward(*arrays, call.certificate, call.options)
        call.check("gradient of eigh", certificate)
        verdict.check_gauge(certificate, arrays[0], arrays[1], arrays[3], call.gauge)
        verdict.check_spread(certificate, call.spread)
        g = call.tensor(g)
        if note:
            g = pairs.check(call, certificate, g if answered is None else g + answered, note)
        return pairs.differentiable(call, g, A, w, v, gw, gv) if torch.is_grad_enabled() else g, None


class _MatrixFunction(AutogradFunction):
    @staticmethod
    def forward(ctx, A, call, function):
        f, w, v, call.certificate = call.backend.function(call.array(A), function, call.options)
        call.check(function.kind)
        ctx.call, ctx.function, ctx.pairs = call, function, (w, v)
        ctx.save_for_backward(A)
        ctx.save_for_forward(A)
        return call.tensor(f)

    @staticmethod
    def jvp(ctx, dA, *_):
        return forward.along_function(ctx.call, (*ctx.saved_tensors, dA), ctx.pairs, ctx.function, dA)

    @staticmethod
    def backward(ctx, gf):
        call, function, pairs, (A,) = ctx.call, ctx.function, ctx.pairs, ctx.saved_tensors
        forward.refuse_tangents(A, gf)

        def gradient(cotangent):
            g, certificate = call.backend.function_backward(*pairs, function, call.array(cotangent), call.certificate,
                                                            call.options)
            call.check(f"gradient of {function.kind}", certificate)
            return call.tensor(g)
        g = gradient(gf)
        if not torch.is_grad_enabled():
            return g, None, None
        why = second.lacking(function)
        if why:
            return second.refused(why, g, A, gf), None, None
        w, v = map(call.tensor, pairs)
        return second.FunctionGradient.apply(A, gf, g, w, v, function, call.certificate.bad, gradient), None, None


class _Frame(AutogradFunction):
    @staticmethod
    def forward(ctx, A, reference, call, index):
        r = _reference(call, reference)
        f, w, v, call.certificate = call.backend.frame(call.array(A), index, r, call.options)
        call.check("frame")
        ctx.call, ctx.index, ctx.pairs = call, index, (w, v)
        ctx.save_for_backward(A, reference)
        ctx.save_for_forward(A, reference)
        return call.tensor(f)

    @staticmethod
    def jvp(ctx, dA, dR, *_):
        A, reference = ctx.saved_tensors
        return forward.along_frame(ctx.call, (A, reference, dA, dR), ctx.pairs, ctx.index, reference, dA, dR)

    @staticmethod
    def backward(ctx, gf):
        call, (A, reference) = ctx.call, ctx.saved_tensors
        forward.refuse_tangents(A, reference, gf)
        g, gr, certificate = call.backend.frame_backward(*ctx.pairs, ctx.index, _reference(call, reference),
                                                         call.array(gf), call.certificate, call.options)
        call.check("gradient of frame", certificate)
        g, gr = call.tensor(g), torch.from_numpy(gr).sum(0) if reference.dim() == 2 else call.tensor(gr)
        if torch.is_grad_enabled():
            with using(call.backend):
                steps = _frame_gradients(A, reference, gf, call, ctx.index)
            _last.set(certificate)
            g, gr = (x + (y - y.detach()) if y is not None else x for x, y in zip((g, gr), steps))
        return g, gr, None, None


def _frame_gradients(A, reference, gf, call, index):
    """The gradients with respect to A and the reference, in differentiable steps: P R (R^H P R)^(-1/2)."""
    options = {"UPLO": "L" if call.options.triangle == "lower" else "U", "tolerance": call.options.tolerance or None,
               "failed": call.failed}
    inputs = [x if x.requires_grad else None for x in (A, reference)]
    part = projector(A, index, **options) @ reference
    frame = part @ matrix_function(second.hermitian(reference.mH @ part), "inv_sqrt", failed=call.failed)
    found = iter(torch.autograd.grad(frame, [x for x in inputs if x is not None], gf, create_graph=True))
    return [next(found) if x is not None else None for x in inputs]


def _reference(call, reference):
    """The reference as an array: [n, c] for all matrices, or [count, n, c]."""
    if reference.dim() > 2:
        return call.array(reference)
    return reference.detach().resolve_conj().resolve_neg().contiguous().numpy()
