"""Forward mode: derivatives along a direction dA, of which the Hermitian part counts.

f(A) moves by V (f[w_i, w_j] o V^H dA V) V^H. That map of dA is its own adjoint, so the library's backward pass of the
function computes it, as exactly as gradients. Eigenpairs move as in the jobs' tangent/ datasets (mpt_tangent_tile). An
eigenvalue moves by (V^H dA V)_jj, inside a multiplet by the mean of these unless eigenvalue_cotangents is 'raw' or
'unbiased'. A vector moves in the parallel gauge, by V (F o V^H dA V) with F_ij = 1 / (w_j - w_i) between multiplets;
entries below their noise, 8 eps ||dA||_F, are dropped.
"""
import torch
from torch.autograd import forward_ad

from .. import verdict
from ..backend import Function
from .second import hermitian

NOISE = 8


def is_dual(A):
    """Whether A has a tangent."""
    return forward_ad.unpack_dual(A).tangent is not None


def along_function(call, pairs, function, dA):
    """The derivative of f(A)."""
    direction = call.array(hermitian(dA))
    moved, certificate = call.backend.function_backward(*pairs, function, direction, call.certificate, call.options)
    call.check(f"derivative of {function.kind} along a direction", certificate)
    return call.tensor(moved)


def along_frame(call, pairs, index, R, dA, dR):
    """The derivative of P R S^(-1/2), S = R^H P R; dA or dR None: zero."""
    v = call.tensor(pairs[1])[..., index[0]:index[1]]
    PR = v @ (v.mH @ R)
    moved = torch.zeros_like(PR) if dR is None else v @ (v.mH @ dR)
    if dA is not None:
        moved = moved + along_function(call, pairs, Function("projector", index=index), dA) @ R
    s, u = torch.linalg.eigh(hermitian(R.mH @ PR))
    dS = hermitian(R.mH @ moved + (0 if dR is None else dR.mH @ PR))
    root = s.sqrt()
    sums = root.unsqueeze(-1) + root.unsqueeze(-2)
    quotient = -1 / (root.unsqueeze(-1) * root.unsqueeze(-2) * sums)  # of x^(-1/2)
    inverse = (u / root.unsqueeze(-2)) @ u.mH
    return moved @ inverse + PR @ (u @ (quotient * (u.mH @ dS @ u)) @ u.mH)


def along_eigh(call, w, v, dA):
    """The derivatives of eigenvalues and eigenvectors. A direction that splits a multiplet has no such derivatives
    there: verdict.check_split says so."""
    dA = hermitian(dA.detach())
    c = v.mH @ dA @ v
    ids = torch.from_numpy(call.certificate.multiplet.reshape(w.shape)).long()
    same = ids.unsqueeze(-1) == ids.unsqueeze(-2)
    size = torch.linalg.matrix_norm(dA)[..., None, None]
    eps = torch.finfo(w.dtype).eps
    moved = diagonal = c.diagonal(dim1=-2, dim2=-1).real
    if call.spread not in ("raw", "unbiased"):
        share = same.to(w.dtype)
        moved = (share @ diagonal.unsqueeze(-1)).squeeze(-1) / share.sum(-1)
    apart = torch.where(same, torch.ones_like(w[..., None]), w.unsqueeze(-2) - w.unsqueeze(-1))
    turn = torch.where(same | (c.abs() <= NOISE * eps * size), torch.zeros_like(c), c / apart)
    inside = torch.where(same, c, torch.zeros_like(c)).abs() / size.clamp_min(torch.finfo(w.dtype).tiny)
    inside.diagonal(dim1=-2, dim2=-1)[:] = (diagonal - moved).abs() / size.squeeze(-1).clamp_min(
        torch.finfo(w.dtype).tiny)
    splitting = inside.amax((-2, -1)).reshape(-1).numpy() if w.numel() else ()
    verdict.check_split(call.certificate, splitting, eps, call.gauge)
    return moved, v @ turn
