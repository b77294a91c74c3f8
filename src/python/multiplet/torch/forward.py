"""Forward mode: derivatives of eigenpairs along a direction dA, of which the Hermitian part counts.

Eigenpairs move as in the jobs' tangent/ datasets (mpt_eigh_tangent). An eigenvalue moves by (V^H dA V)_jj, inside a
multiplet by the mean of these unless eigenvalue_cotangents is 'raw' or 'unbiased'. A vector moves in the parallel
gauge, by V (F o V^H dA V) with F_ij = 1 / (w_j - w_i) between multiplets; entries below their noise, 8 eps ||dA||_F,
count as zero. (Functions and projectors move by the map that is their gradient, too: derivatives.py.)
"""
import torch

from . import kernels
from .operators import ops

NOISE = 8


def hermitian(x):
    return (x + x.mH) / 2


def tracked_zero(x):
    """Zero, with the derivatives of x."""
    return x - ops.constant(x)


def along_eigh(A, w, v, ids, report, dA, how):
    """The derivatives of eigenvalues and eigenvectors: the library's numbers, with the derivatives of these steps. A
    direction that splits a multiplet has no such derivatives there: verdict.check_split says so."""
    dA = hermitian(dA)
    dw, dv, _ = ops.eigh_along(A, w, v, ids, report, dA, how)
    if not w.shape[-1] or not is_differentiated(A, w, v, dA):
        return dw, dv
    fine = torch.isfinite(dA).all(-1).all(-1)[..., None, None]
    c = v.mH @ torch.where(fine, dA, torch.zeros_like(dA)) @ v
    same = ids.unsqueeze(-1) == ids.unsqueeze(-2)
    moved = c.diagonal(dim1=-2, dim2=-1).real
    if kernels.settings(how).spread not in ("raw", "unbiased"):
        share = same.to(w.dtype)
        moved = (share @ moved.unsqueeze(-1)).squeeze(-1) / share.sum(-1)
    size = ops.constant(torch.linalg.vector_norm(dA, dim=(-2, -1)))[..., None, None]
    quiet = c.abs() <= NOISE * torch.finfo(w.dtype).eps * size
    apart = torch.where(same, torch.ones_like(c.real), w.unsqueeze(-2) - w.unsqueeze(-1))
    turn = torch.where(same, torch.zeros_like(c), torch.where(quiet, tracked_zero(c), c) / apart)
    return tuple(ops.simple(x + tracked_zero(steps), A, ids, report, how) for x, steps in ((dw, moved), (dv, v @ turn)))


def is_differentiated(*tensors):
    """Whether somebody may ask for derivatives of what is made of these tensors."""
    return any(map(kernels.is_transformed, tensors)) or torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
