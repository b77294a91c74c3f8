"""Forward mode: derivatives along a direction dA, of which the Hermitian part counts.

f(A) moves by V (f[w_i, w_j] o V^H dA V) V^H. That map of dA is its own adjoint, so the library's backward pass of the
function computes it, as exactly as gradients. Eigenpairs move as in the jobs' tangent/ datasets (mpt_tangent_tile). An
eigenvalue moves by (V^H dA V)_jj, inside a multiplet by the mean of these unless eigenvalue_cotangents is 'raw' or
'unbiased'. A vector moves in the parallel gauge, by V (F o V^H dA V) with F_ij = 1 / (w_j - w_i) between multiplets;
entries below their noise, 8 eps ||dA||_F, are dropped.

Tangents are first derivatives: one that is differentiated again, and a gradient of what has a tangent, are errors.
"""
import torch
from torch.autograd import forward_ad

from .. import verdict
from ..backend import Certificate, Function
from ..status import Status
from .second import hermitian, refused

NOISE = 8
AGAIN = "of a tangent there are no further derivatives (differentiate the gradient again: create_graph=True)"


def is_dual(A):
    """Whether A has a tangent."""
    return forward_ad.unpack_dual(A).tangent is not None


def refuse_tangents(*tensors):
    """For backward passes, whose results would have no tangent."""
    if any(x is not None and is_dual(x) for x in tensors):
        raise RuntimeError("multiplet.torch has no tangents of a gradient (differentiate the gradient again: "
                           "create_graph=True)")


def finite(call, what, d):
    """The direction, with zeros for the matrices where it is not finite: those are NONFINITE_COTANGENT."""
    bad = ~torch.isfinite(d).flatten(-2).all(-1)
    if not bad.any():
        return d
    report = call.certificate.report.copy()
    report["status"][bad.expand(call.batch).reshape(-1).numpy()] = Status.NONFINITE_COTANGENT
    call.check(f"derivative of {what} along a direction", Certificate(report, call.certificate._multiplet))
    return torch.where(bad[..., None, None], torch.zeros_like(d), d)


def once(along):
    """Makes of along(call, ...) a function (call, made_of, ...) whose results refuse to be differentiated by any tensor of
    made_of."""
    def outputs(call, made_of, *arguments):
        with torch.no_grad():
            found = along(call, *(x.detach() if torch.is_tensor(x) else x for x in arguments))
        if not isinstance(found, tuple):
            return refused(AGAIN, found, *made_of)
        return tuple(refused(AGAIN, x, *made_of) for x in found)
    return outputs


@once
def along_function(call, pairs, function, dA):
    """The derivative of f(A)."""
    direction = call.array(hermitian(dA))
    moved, certificate = call.backend.function_backward(*pairs, function, direction, call.certificate, call.options)
    call.check(f"derivative of {function.kind} along a direction", certificate)
    return call.tensor(moved)


@once
def along_frame(call, pairs, index, R, dA, dR):
    """The derivative of P R S^(-1/2), S = R^H P R = Z^H Z with Z = V_s^H R; dA or dR None: zero.

    In double precision, and by Z: what is made of S itself loses the square of the frame's condition."""
    narrow, wide = R.dtype, torch.complex128 if R.is_complex() else torch.float64
    v, R = call.tensor(pairs[1])[..., index[0]:index[1]].to(wide), R.to(wide)
    moved = torch.zeros_like(v @ (v.mH @ R))  # dP R + P dR
    if dR is not None:
        moved = moved + v @ (v.mH @ finite(call, "frame", dR).to(wide))
    if dA is not None:
        moved = moved + along_function(call, (), pairs, Function("projector", index=index), dA).to(wide) @ R
    z, dz = v.mH @ R, v.mH @ moved
    _, root, wh = torch.linalg.svd(z, full_matrices=False)
    inverse = (wh.mH / root.unsqueeze(-2)) @ wh
    rows, columns = root.unsqueeze(-1), root.unsqueeze(-2)
    ds = wh @ (z.mH @ dz) @ wh.mH
    turned = wh.mH @ (-(ds + ds.mH) / (rows * columns * (rows + columns))) @ wh  # of S^(-1/2)
    return ((moved - v @ dz) @ inverse + v @ (dz @ inverse + z @ turned)).to(narrow)


@once
def along_eigh(call, w, v, dA):
    """The derivatives of eigenvalues and eigenvectors. A direction that splits a multiplet has no such derivatives
    there: verdict.check_split says so."""
    dA = hermitian(finite(call, "eigh", dA))
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
