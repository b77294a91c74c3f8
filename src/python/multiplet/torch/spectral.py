"""Functions of matrices given as PyTorch functions, and derivatives of eigenvalues along a direction."""
import numpy as np
import torch

from . import differences, kernels
from .forward import hermitian, tracked_zero
from .operators import ops


def spectral_function(A, f, order, how):
    """V f(w) V^H and its derivatives up to `order`: with E = V^H dA V it is V (f(w) + sum_ij f[w_i, w_j] E_ij +
    sum_ikj f[w_i, w_k, w_j] E_ik E_kj) V^H, at E = 0."""
    w, v, ids, report = (ops.constant(x) for x in ops.eigh(ops.constant(A), None, how, True))
    A = torch.where(torch.isfinite(A), A, torch.zeros_like(A))  # of failed ones v is 0
    inner = hermitian(v.mH @ ops.limited(full(A, how), A, order, _limit(order)) @ v)
    values = f(w)
    good = torch.isfinite(values).all(-1)
    at, inner = torch.where(good[..., None], w, torch.ones_like(w)), tracked_zero(inner)  # of others: anything finite
    kept = lambda x: torch.where(good.reshape(*good.shape, *(x.dim() - good.dim()) * [1]), x, torch.zeros_like(x)).to(A.dtype)
    moved = kept(differences.first(f, at)[0]) * inner
    if order == 2:
        moved = moved + torch.einsum("...ikj,...ik,...kj->...ij", kept(differences.second(f, at)), inner, inner)
    values = ops.defined(values, A, ids, report, how)
    return hermitian(v @ (torch.diag_embed(values).to(A.dtype) + moved) @ v.mH), ids, report


def _limit(order):
    if order == 1:
        return "spectral_function has first derivatives only unless order=2 is asked for"
    return "spectral_function has derivatives up to the second"


def full(A, how):
    """A with the triangle that is read in both places; of its gradient both triangles count."""
    lower = kernels.settings(how).triangle == "lower"
    strict = A.tril(-1) if lower else A.triu(1)
    whole = strict + strict.mH + torch.diag_embed(A.diagonal(dim1=-2, dim2=-1).real).to(A.dtype)
    return ops.constant(whole) + tracked_zero(A)


def directional(A, dA, how):
    """The kernel of multiplet::directional: first and second one-sided derivatives of the eigenvalues, [*batch, n]."""
    call = kernels.Call(A, how)
    w, v, certificate = call.backend.eigh(call.array(A), call.options)
    call.check("eigvalsh_directional", certificate)
    d = call.array(hermitian(dA))
    first, second = np.zeros_like(w), np.zeros_like(w)
    for k in np.setdiff1d(np.arange(len(w)), certificate.bad):
        _one(w[k], v[k], d[k], certificate._multiplet[k], first[k], second[k])
    return call.tensor(first), call.tensor(second)


def _groups(values, width):
    """Index ranges of ascending values that lie within `width` of their neighbours."""
    return np.split(np.arange(len(values)), np.flatnonzero(np.diff(values) > width) + 1)


def _one(w, v, d, ids, first, second):
    n, epsilon = len(w), np.finfo(w.dtype).eps
    width = 5 * n ** 0.5 * epsilon * np.linalg.norm(d)
    for members in (np.flatnonzero(ids == m) for m in np.unique(ids)):
        others = np.flatnonzero(ids != ids[members[0]])
        slopes, turn = np.linalg.eigh(v[:, members].conj().T @ d @ v[:, members])
        first[members] = slopes
        across = v[:, others].conj().T @ d @ v[:, members] @ turn
        bend = 2 * across.conj().T @ (across / (w[members].mean() - w[others])[:, None])
        for part in _groups(slopes, width):
            second[members[part]] = np.linalg.eigvalsh(bend[np.ix_(part, part)])
