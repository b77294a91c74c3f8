"""Functions of matrices given as PyTorch functions, and derivatives of eigenvalues along a direction."""
import numpy as np
import torch

from . import kernels
from .forward import tracked_zero
from .operators import ops
from .second import hermitian


def _rule(count):
    """Gauss' points on 0 to 1, and their weights."""
    x, weight = np.polynomial.legendre.leggauss(count)
    return tuple(zip(((x + 1) / 2).tolist(), (weight / 2).tolist()))


RULES = _rule(10), _rule(7)  # the difference of the two tells the error of the second


def divided_differences(f, w):
    """f[w_i, w_j] of w [*batch, n]: the quotient, or the mean of f' over the interval by Gauss' rule, whichever has the
    smaller error."""
    slope = torch.func.grad(lambda x: f(x).sum())
    low, high = w.unsqueeze(-1), w.unsqueeze(-2)
    gap, value = high - low, f(w)
    near = gap == 0
    quotient = (value.unsqueeze(-2) - value.unsqueeze(-1)) / torch.where(near, torch.ones_like(gap), gap)
    means = [sum(weight * slope(low + x * gap) for x, weight in rule) for rule in RULES]
    size = value.abs().unsqueeze(-2) + value.abs().unsqueeze(-1)
    rounding = torch.finfo(w.dtype).eps * size / torch.where(near, torch.ones_like(gap), gap.abs())
    better = near | ((means[0] - means[1]).abs() <= rounding)
    return torch.where(better, means[0], torch.where(better, torch.zeros_like(quotient), quotient))


def spectral_function(A, f, how):
    """V f(w) V^H and its first derivatives."""
    w, v, ids, report = (ops.constant(x) for x in ops.eigh(ops.constant(A), None, how, True))
    A = torch.where(torch.isfinite(A).all(-1).all(-1)[..., None, None], A, torch.zeros_like(A))  # failed: v is 0 there
    inner = hermitian(v.mH @ ops.limited(_full(A, how), A) @ v)
    values = f(w)
    good = torch.isfinite(values).all(-1)
    differences = divided_differences(f, torch.where(good[..., None], w, torch.ones_like(w)))  # of others: anything finite
    moved = torch.where(good[..., None, None], differences, torch.zeros_like(differences)).to(A.dtype) * tracked_zero(inner)
    values = ops.defined(values, A, ids, report, how)
    return hermitian(v @ (torch.diag_embed(values).to(A.dtype) + moved) @ v.mH), ids, report


def _full(A, how):
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
