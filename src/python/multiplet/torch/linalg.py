"""Eigenpairs, matrix functions and frames of Hermitian matrices, with their gradients.

The gradient G that reaches A is Hermitian, dL = Re tr(G^H dA) for Hermitian dA. It is the gradient that
torch.linalg.eigh gives for a matrix that was made Hermitian, as (B + B.mH) / 2, symmetric parts of a product, or the
like. G has both triangles although only one triangle of A is read: if the triangles of a leaf A are independent
numbers, copy A.tril() into both triangles first. torch.linalg.eigh behaves in the same way, except that its gradient
may have an anti-Hermitian part, which does not matter for Hermitian dA.

All functions work under autograd, forward mode, torch.func (grad, vjp, jvp, jacrev, jacfwd, hessian, vmap, in any
nesting), torch.compile(fullgraph=True) and torch.export, and for tensors on any device (through the host's memory).

Second derivatives of matrix_function(), projector() and frame() exist at any degeneracy. Those of eigh() and
eigvalsh() exist where all eigenvalues are simple, and, under create_graph=True, at a multiplet if the loss depends
only on its subspace and the sum of its eigenvalues, or not on the multiplet at all. Where a second derivative does
not exist, or is mostly rounding error, it is not silently left out of a sum: an error names the matrix; under
failed='zero' such a matrix has zeros.

Keywords that are common to several functions:
  UPLO                   'L' or 'U', the triangle that is read
  select                 some of the eigenpairs, m of n: {"lowest": k}, {"highest": k}, {"index": [start, stop]} or
                         {"range": [lo, hi], "at_most": k}, half-open; where there are fewer than n, all of them. The
                         backward pass takes O(n^2 m), from the forward pass's reduction to a tridiagonal matrix;
                         forward mode and second derivatives take the whole spectrum. Second derivatives need all n
                         eigenvalues to be simple
  tolerance              the width of a multiplet, relative to ||A||_2; None: the uncertainty due to rounding,
                         5 sqrt(n) eps
  failed                 'raise': ProblemError for a matrix without a result (NaN, a logarithm of a negative
                         spectrum, ...); 'zero': its outputs and gradient are zero, and its status says why
  certificate            True: one more output, a Certificate of the forward pass, which exists under every transform
"""
import collections
import functools

import torch

from .. import arguments, library
from . import derivatives, kernels, potential, selected, smearing, spectral  # noqa: F401 (derivatives: the rules)
from .kernels import last_certificate
from .operators import ops

Eigh = collections.namedtuple("Eigh", "eigenvalues eigenvectors")
CertifiedEigh = collections.namedtuple("CertifiedEigh", "eigenvalues eigenvectors certificate")
Certified = collections.namedtuple("Certified", "value certificate")
RangeEigh = collections.namedtuple("RangeEigh", "eigenvalues eigenvectors found")
RangeEigvalsh = collections.namedtuple("RangeEigvalsh", "eigenvalues found")
CertifiedRangeEigh = collections.namedtuple("CertifiedRangeEigh", "eigenvalues eigenvectors found certificate")
TYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)


Certificate = collections.namedtuple("Certificate", (*library.REPORT, "multiplet"))
Certificate.__doc__ = """The outcome for each matrix, as tensors [*batch] (and multiplet [*batch, n]): see
multiplet.backend.Certificate. `status` holds numbers of multiplet.Status."""


def _certificate(ids, report):
    columns = ops.certificate(report).unbind(-1)
    return Certificate(*columns, ids)


def eigh(A, UPLO="L", *, select=None, gauge="warn", eigenvalue_cotangents="mean", tolerance=None, failed="raise",
         certificate=False):
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

    With select, eigenvalues [*batch, m] and eigenvectors [*batch, n, m]. Of a range m is `at_most`, and there is one more
    output, `found` [*batch], int64: how many columns of each matrix are in it; the rest is zero, and a matrix with more is
    TOO_MANY_IN_RANGE. Of a multiplet that the selection cuts there are derivatives of the eigenvalues' mean alone, and
    an error (SPLIT_MULTIPLET) for a loss of its vectors, and with 'raw' and 'unbiased'.
    """
    how = settings(A, UPLO, tolerance, failed, gauge, eigenvalue_cotangents)
    chosen = kernels.checked_selection(select)
    if chosen is not None:
        return _eigh_selected(A, chosen, how, eigenvalue_cotangents, certificate)
    if eigenvalue_cotangents != "unbiased" and _needs_no_derivative(A):
        found = None if certificate else kernels.direct_eigh(A, how)
        if found:
            return Eigh(*found[:2])
        w, v, ids, report = kernels.eigh(A, None, how, False)
    else:
        w, v, ids, report = ops.eigh(A, _seed(eigenvalue_cotangents), how, False)
    return CertifiedEigh(w, v, _certificate(ids, report)) if certificate else Eigh(w, v)


def _seed(eigenvalue_cotangents):
    return torch.randint(2**31 - 1, (), device="cpu") if eigenvalue_cotangents == "unbiased" else None


def _eigh_selected(A, chosen, how, eigenvalue_cotangents, certificate):
    if eigenvalue_cotangents != "unbiased" and _needs_no_derivative(A):
        w, v, found, ids, report = selected.eigh_alone(A, chosen, how)
    else:
        w, v, found, ids, report, *_ = ops.eigh_selected(A, _seed(eigenvalue_cotangents), chosen, how, False)
    ranged = [found.to(torch.int64)] if chosen.startswith("range") else []
    if certificate:
        return (CertifiedRangeEigh if ranged else CertifiedEigh)(w, v, *ranged, _certificate(ids, report))
    return (RangeEigh if ranged else Eigh)(w, v, *ranged)


def eigvalsh(A, UPLO="L", *, select=None, eigenvalue_cotangents="mean", tolerance=None, failed="raise",
             certificate=False):
    """The eigenvalues alone, [*batch, n], ascending; of a range (eigenvalues, found), as of eigh. Vectors are computed
    only if a derivative may be asked for."""
    chosen = kernels.checked_selection(select)
    if chosen is not None:
        return _eigvalsh_selected(A, chosen, settings(A, UPLO, tolerance, failed, "warn", eigenvalue_cotangents),
                                  eigenvalue_cotangents, certificate)
    if eigenvalue_cotangents == "unbiased":
        found = eigh(A, UPLO, eigenvalue_cotangents="unbiased", tolerance=tolerance, failed=failed, certificate=True)
        return Certified(found[0], found[2]) if certificate else found[0]
    how = settings(A, UPLO, tolerance, failed, "warn", eigenvalue_cotangents)
    plain = _needs_no_derivative(A)
    found = kernels.direct_eigh(A, how, vectors=False) if plain and not certificate else None
    if found:
        return found[0]
    w, ids, report = (kernels if plain else ops).eigvalsh(A, how)
    return Certified(w, _certificate(ids, report)) if certificate else w


def _eigvalsh_selected(A, chosen, how, eigenvalue_cotangents, certificate):
    if eigenvalue_cotangents == "unbiased":
        w, _, found, ids, report, *_ = ops.eigh_selected(A, _seed(eigenvalue_cotangents), chosen, how, False)
    else:
        w, found, ids, report = (kernels if _needs_no_derivative(A) else ops).eigvalsh_selected(A, chosen, how)
    value = RangeEigvalsh(w, found.to(torch.int64)) if chosen.startswith("range") else w
    return Certified(value, _certificate(ids, report)) if certificate else value


def matrix_function(A, kind, *, UPLO="L", tolerance=None, weights=None, failed="raise", certificate=False,
                    **parameters):
    """f(A) = V f(w) V^H, [*batch, n, n], with a gradient that is exact at any degeneracy.

    kind, with its parameters (configs/README.md has the table of all kinds; the error for an unknown name lists them):
      'exp', 'log', 'sqrt', 'tanh', ...     f(scale A); scale=1.0
      'power'        (scale A)^exponent; exponent, scale=1.0
      'fermi'        1 / (exp(beta (A - mu)) + 1); beta, and mu, or electrons: then mu is the one with
                     tr f(A) = electrons, 0 < electrons < n, and its response is part of the gradient
      'gaussian', 'methfessel_paxton', 'cold'    likewise, with sigma in place of beta
      'projector'    onto the eigenvectors index[0] to index[1] - 1; see projector()

    Parameters may be tensors [*batch], and then have gradients (not index and order). A tensor exponent takes
    exp(exponent log A), for positive definite A. weights [k]: A is [*batch, k, n, n], and one mu is common to k matrices,
    sum_k weights_k tr f(A_k) = electrons. A matrix whose spectrum leaves the function's domain is FUNCTION_UNDEFINED.
    """
    how = settings(A, UPLO, tolerance, failed)
    of_all = how if weights is None else settings(A, UPLO, tolerance, "raise")
    A, kind, parameters, floor = smearing.absorbed(A, kind, parameters, weights,
                                                   functools.partial(potential.of_matrices, A, of_all), how)
    if isinstance(A, tuple):  # (A, exponent), a tensor: exp(exponent log A)
        log = ops.function(A[0], "log", how)[0]
        A, kind = A[1] * log, "exp"
    what = kernels.checked_function(kind, A.shape[-1], parameters)
    f, _, _, ids, report = ops.function(A, what, how)
    f = f if floor is None else f + floor
    return Certified(f, _certificate(ids, report)) if certificate else f


def spectral_function(A, f, *, order=1, UPLO="L", tolerance=None, failed="raise", certificate=False):
    """V f(w) V^H, [*batch, n, n], for any smooth f: an elementwise PyTorch function of the eigenvalues [*batch, n].

    Its gradient is exact at any degeneracy: the divided differences are made of f and of its derivative, which autograd
    makes. Tensors that f holds (coefficients, a network's weights) have gradients, too. By A there are first derivatives;
    with order=2 second ones, too, which evaluates f'' 100 times at n^3 numbers for each matrix.
    """
    how = settings(A, UPLO, tolerance, failed)
    arguments.choice("order", order, (1, 2))
    found, ids, report = spectral.spectral_function(A, f, order, how)
    return Certified(found, _certificate(ids, report)) if certificate else found


def eigvalsh_directional(A, dA, UPLO="L", *, order=1, tolerance=None, failed="raise"):
    """The one-sided derivatives of the eigenvalues of A + t dA at t = +0, [*batch, n]; order=2: (first, second).

    Inside a multiplet with vectors V_c, those are the eigenvalues of V_c^H dA V_c, ascending: the branches into which
    the direction dA splits it. The second ones belong to the same branches. They are no linear function of dA, and no
    gradient can be made of them; differentiating them is an error.
    """
    how = settings(A, UPLO, tolerance, failed)
    arguments.choice("order", order, (1, 2))
    if not torch.is_tensor(dA) or dA.shape != A.shape or dA.dtype != A.dtype:
        raise ValueError(f"dA has to be a tensor like A, {list(A.shape)} of {A.dtype}")
    first, second = ops.directional(A, dA, how)
    return first if order == 1 else (first, second)


def projector(A, index, *, UPLO="L", tolerance=None, failed="raise", certificate=False):
    """V_s V_s^H [*batch, n, n] of eigenvectors s = index[0] ... index[1] - 1, in ascending order of eigenvalues.

    Multiplets inside the range are allowed; a range that cuts a multiplet has no projector: SPLIT_MULTIPLET.
    """
    return matrix_function(A, "projector", index=index, UPLO=UPLO, tolerance=tolerance, failed=failed,
                           certificate=certificate)


def frame(A, reference, index, *, UPLO="L", tolerance=None, failed="raise", certificate=False):
    """P R (R^H P R)^(-1/2), P = projector(A, index) and R = reference, [n, c] or [*batch, n, c]: [*batch, n, c].

    The smooth replacement for eigenvectors inside a multiplet: orthonormal columns in its subspace, as near to R as
    possible, whatever basis a solver returns. 1 <= c <= index[1] - index[0]. Differentiable with respect to A and R.
    FUNCTION_UNDEFINED where R has no part in the subspace; the certificate's frame_condition says how near that is.
    """
    how = settings(A, UPLO, tolerance, failed)
    n = A.shape[-1]
    index = arguments.index_range(index, n)
    if not torch.is_tensor(reference) or reference.dim() < 2 or reference.shape[-2] != n:
        raise ValueError(f"frame: reference has to be a tensor [{n}, c] or [*batch, {n}, c]")
    if not 1 <= reference.shape[-1] <= index[1] - index[0]:
        raise ValueError(f"frame: reference has {reference.shape[-1]} columns; index {index} takes 1 to "
                         f"{index[1] - index[0]}")
    if reference.dtype != A.dtype or reference.device != A.device:
        raise TypeError(f"frame: reference is {reference.dtype} on {reference.device}, A {A.dtype} on {A.device}")
    f, _, _, ids, report = ops.frame(A, reference.expand(*A.shape[:-2], *reference.shape[-2:]), *index, how)
    return Certified(f, _certificate(ids, report)) if certificate else f


def _needs_no_derivative(A):
    """Whether a kernel may be called as it is."""
    if kernels.compiling():
        return False
    return kernels.is_plain(A) and not (A.requires_grad and torch.is_grad_enabled()) and kernels.is_direct(A)


def settings(A, UPLO, tolerance, failed, gauge="warn", spread="mean"):
    """The checked arguments of a call, as text."""
    if not torch.is_tensor(A) or A.dim() < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError("A has to be a tensor of square matrices, [*batch, n, n], not "
                         f"{list(A.shape) if torch.is_tensor(A) else type(A).__name__}")
    if A.dtype not in TYPES:
        raise TypeError(f"A is {A.dtype}; it has to be float32, float64, complex64 or complex128")
    if A.layout is not torch.strided:
        raise TypeError(f"A is {A.layout}; it has to be strided (A.to_dense())")
    if kernels.compiling() and tolerance is not None:
        tolerance = f"{tolerance}"
    return _how(UPLO, tolerance, failed, gauge, spread)


@kernels.constant_for_compilers
def _how(UPLO, tolerance, *others):
    return _words(UPLO, tolerance if tolerance is None else float(tolerance), *others, kernels.backend_number())


@functools.lru_cache(maxsize=1024)
def _words(UPLO, tolerance, failed, gauge, spread, backend):
    arguments.choice("UPLO", UPLO, "LU")
    arguments.choice("failed", failed, ("raise", "zero"))
    arguments.choice("gauge", gauge, ("warn", "error"))
    arguments.choice("eigenvalue_cotangents", spread, arguments.SPREADS)
    arguments.check_tolerance(tolerance)
    return kernels.Settings("lower" if UPLO == "L" else "upper", tolerance or 0.0, spread, gauge, failed, backend).text()
