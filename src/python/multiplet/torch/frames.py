"""Derivatives of frames F = P R S^(-1/2), S = R^H P R = Z^H Z with Z = V_s^H R.

First derivatives are the library's (backward) and those of Z (forward), which keep the frame's condition; what is made
of S itself loses its square. Their own derivatives come from the same steps made of projectors and functions, which
have exact derivatives at any degeneracy.
"""
import torch

from ..backend import Function
from . import kernels
from .forward import hermitian, tracked_zero
from .operators import ops


def _inverse_root(s, how):
    """S^(-1/2), and its map of directions."""
    how = kernels.settings(how)._replace(triangle="lower", tolerance=0.0, backend=0).text()
    root, *eigen = ops.function(s, "inv_sqrt", how)
    return root, lambda e: ops.function_map(s, *eigen, e, "inv_sqrt", how, "gradient of frame")


class _Steps:
    """P R and S^(-1/2), differentiable, and the map of P's directions."""

    def __init__(self, A, R, eigen, index, how):
        w, v = eigen[:2]
        self.A, self.R, self.eigen, self.how = A, R, eigen, how
        self.what = kernels.function_text(Function("projector", index=index))
        vs = v[..., index[0]:index[1]]
        self.P = vs @ vs.mH + self.moved(tracked_zero(A))
        self.part = self.P @ R
        self.root, self.root_moved = _inverse_root(hermitian(R.mH @ self.part), how)

    def moved(self, dA):
        return ops.function_map(self.A, *self.eigen, dA, self.what, self.how, "derivative of frame along a direction")


def back(saved, gf, index, how):
    """The gradients of A and R."""
    A, R, *eigen = saved
    g, gr = ops.frame_backward(A, R, *eigen, gf, *index, how)
    if not torch.is_grad_enabled():
        return g, gr
    last = kernels.last_certificate()
    s = _Steps(A, R, eigen, index, how)
    gs = s.root_moved(s.part.mH @ gf)
    gpart = gf @ s.root + R @ gs
    by_matrix, by_reference = s.moved(gpart @ R.mH), s.part @ gs + s.P @ gpart
    kernels.note(last)
    return g + tracked_zero(by_matrix), gr + tracked_zero(by_reference)


def along(saved, dA, dR, index, how):
    """The derivative along dA and dR; None: zero."""
    A, R, w, v, ids, report = saved
    if dR is not None:
        dR = ops.finite(dR, A, ids, report, "frame", how)
    value = _by_parts(saved, dA, dR, index, how)
    s = _Steps(A, R, (w, v, ids, report), index, how)
    moved = 0
    if dA is not None:
        moved = moved + s.moved(dA) @ R
    dS = R.mH @ moved if dA is not None else 0
    if dR is not None:
        moved = moved + s.P @ dR
        dS = dS + 2 * hermitian(dR.mH @ s.part)
    steps = moved @ s.root + s.part @ s.root_moved(hermitian(dS))
    return ops.constant(value) + tracked_zero(steps)


def _by_parts(saved, dA, dR, index, how):
    """In double precision, and by Z."""
    A, R, w, v, ids, report = saved
    narrow, wide = R.dtype, torch.complex128 if R.is_complex() else torch.float64
    what = kernels.function_text(Function("projector", index=index))
    v, R = v[..., index[0]:index[1]].to(wide), R.to(wide)
    moved = 0 * R  # dP R + P dR
    if dR is not None:
        moved = moved + v @ (v.mH @ dR.to(wide))
    if dA is not None:
        dP = ops.function_map(A, *saved[2:], dA, what, how, "derivative of projector along a direction")
        moved = moved + dP.to(wide) @ R
    z, dz = v.mH @ R, v.mH @ moved
    _, root, wh = torch.linalg.svd(z, full_matrices=False)
    inverse = (wh.mH / root.unsqueeze(-2)) @ wh
    rows, columns = root.unsqueeze(-1), root.unsqueeze(-2)
    ds = wh @ (z.mH @ dz) @ wh.mH
    turned = wh.mH @ (-(ds + ds.mH) / (rows * columns * (rows + columns))) @ wh  # of S^(-1/2)
    return ((moved - v @ dz) @ inverse + v @ (dz @ inverse + z @ turned)).to(narrow)
