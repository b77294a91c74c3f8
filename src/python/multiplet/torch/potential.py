"""The chemical potential of matrices, with first and second derivatives at any degeneracy.

With E = V^H (A - A_0) V, which is zero and moves with A,

    mu(w + diag E) + sum_ij r[w_i, w_j] |E_ij|^2 / 2,  i not j,  r = d mu / dw,

has the derivatives of mu, where those of single eigenvalues do not exist.
"""
import torch

from ..smearing import WIDTHS, slope, slope_difference
from . import kernels
from .forward import hermitian, is_differentiated, tracked_zero
from .operators import ops
from .pairs import THIRD
from .smearing import XP, chemical_potential
from .spectral import full


def of_matrices(A, how, kind, parameters, electrons, weights):
    """mu [*batch] of A [*batch, n, n] or, with weights [k], [*batch, k, n, n]."""
    if not kernels.compiling() and kernels.is_plain(A) and not is_differentiated(A):
        return chemical_potential(ops.eigvalsh(A, how)[0], kind, parameters, electrons, weights)
    w, v = (ops.constant(x) for x in ops.eigh(ops.constant(A), None, how, True)[:2])
    A = torch.where(torch.isfinite(A), A, torch.zeros_like(A))  # of failed ones v is 0
    e = tracked_zero(hermitian(v.mH @ ops.limited(full(A, how), A, 2, THIRD) @ v))
    e = e.to(torch.complex128 if e.is_complex() else torch.float64)
    moving = w.double() + e.diagonal(dim1=-2, dim2=-1).real
    mu = chemical_potential(moving, kind, parameters, electrons, weights)
    with torch.no_grad():
        bend = _differences(kind, parameters, w.double(), weights, mu)
    bend = ops.constant(bend) * (e * e.conj()).real
    return mu + bend.sum((-2, -1) if weights is None else (-3, -2, -1)) / 2


def _differences(kind, parameters, w, weights, mu):
    """r[w_i, w_j] of each matrix, [*w, n], and 0 on the diagonal; as numbers, since matrix_function refuses third
    derivatives."""
    width, order = parameters[WIDTHS[kind]], int(parameters.get("order", 1))
    count, inner = (-1,) if weights is None else (-2, -1), lambda x: x[(..., *len(count) * [None])]
    width = inner(torch.as_tensor(width, dtype=w.dtype, device=w.device).expand(mu.shape))
    share = torch.ones_like(w) if weights is None else torch.as_tensor(weights).to(w)[:, None].expand(w.shape)
    factor = width if WIDTHS[kind] == "beta" else 1 / width
    u = (w - inner(mu)) * factor
    exponent, polynomial = slope(XP, kind, u, order)
    largest = exponent.amax(count, keepdim=True)
    total = (share * polynomial * torch.exp(exponent - largest)).sum(count, keepdim=True)
    x, y = torch.broadcast_tensors(u.unsqueeze(-1), u.unsqueeze(-2))
    top = torch.maximum(exponent.unsqueeze(-1), exponent.unsqueeze(-2)) - largest.unsqueeze(-1)
    found = slope_difference(XP, kind, x, y, order) * torch.exp(top) * (share * factor / total).unsqueeze(-1)
    return torch.where(torch.eye(w.shape[-1], dtype=torch.bool, device=w.device), torch.zeros_like(found), found)
