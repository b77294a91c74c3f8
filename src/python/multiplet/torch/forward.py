"""Forward mode: derivatives of eigenpairs along a direction dA, of which the Hermitian part counts.

Eigenpairs move as in the jobs' tangent/ datasets (mpt_tangent_tile). An eigenvalue moves by (V^H dA V)_jj, inside a
multiplet by the mean of these unless eigenvalue_cotangents is 'raw' or 'unbiased'. A vector moves in the parallel
gauge, by V (F o V^H dA V) with F_ij = 1 / (w_j - w_i) between multiplets; entries below their noise, 8 eps ||dA||_F,
count as zero. (Functions and projectors move by the map that is their gradient, too: derivatives.py.)
"""
import torch

from . import kernels
from .operators import ops
from .second import hermitian

NOISE = 8


def tracked_zero(x):
    """Zero, with the derivatives of x."""
    return x - ops.constant(x)


def along_eigh(A, w, v, ids, report, dA, how):
    """The derivatives of eigenvalues and eigenvectors. A direction that splits a multiplet has no such derivatives
    there: verdict.check_split says so."""
    if not w.shape[-1]:
        return torch.zeros_like(w), torch.zeros_like(v)
    dA = hermitian(ops.finite(dA, A, ids, report, "eigh", how))
    c = v.mH @ dA @ v
    same = ids.unsqueeze(-1) == ids.unsqueeze(-2)
    size = ops.constant(torch.linalg.vector_norm(dA, dim=(-2, -1)))[..., None, None]
    epsilon, tiny = torch.finfo(w.dtype).eps, torch.finfo(w.dtype).tiny
    moved = diagonal = c.diagonal(dim1=-2, dim2=-1).real
    if kernels.settings(how).spread not in ("raw", "unbiased"):
        share = same.to(w.dtype)
        moved = (share @ diagonal.unsqueeze(-1)).squeeze(-1) / share.sum(-1)
    apart = torch.where(same, torch.ones_like(c.real), w.unsqueeze(-2) - w.unsqueeze(-1))
    quiet = c.abs() <= NOISE * epsilon * size
    turn = torch.where(same, torch.zeros_like(c), torch.where(quiet, tracked_zero(c), c) / apart)
    inside = ops.constant(torch.where(same, c - torch.diag_embed(moved).to(c.dtype), torch.zeros_like(c))).abs()
    splitting = (inside / size.clamp_min(tiny)).amax((-2, -1))
    moved = ops.split(moved, splitting, A, ids, report, how)
    return tuple(ops.simple(x, A, ids, report, how) for x in (moved, v @ turn))
