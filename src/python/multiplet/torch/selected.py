"""Some of the eigenpairs: kernels, and derivatives beyond the first ones of reverse mode.

The kernels are the library's calls. The forward one returns the reduction to a tridiagonal matrix, from which the
backward one takes O(n^2 m) for m of n pairs. Every other derivative takes the whole spectrum, O(n^3), in which the
selected pairs stand in their places: of these EighSelected has the derivatives, of the others eigh.
"""
import numpy as np
import torch

from ..backend import Factors
from . import forward, kernels, pairs
from .operators import ops


def eigh(A, seed, select, how, turned):
    """(w, v, found, multiplets, reports, *factors)"""
    call, selection = kernels.Call(A, how, turned, seed), kernels.selection_of(select)
    w, v, found, factors, certificate = call.backend.eigh_selected(call.array(A), selection, call.options)
    call.check("eigh", certificate)
    if factors is None:  # a backend that keeps its own
        factors = Factors(*map(np.zeros_like, Factors.empty(len(w), A.shape[-1], v.dtype)))
    return (call.tensor(w), call.tensor(v), call.tensor(found.astype(call.real)), *call.outcome(certificate),
            *map(call.tensor, factors))


def eigh_alone(A, select, how, vectors=True):
    """(w, v or None, found, multiplets, reports) without factors, for callers that take no derivatives."""
    call, selection = kernels.Call(A, how), kernels.selection_of(select)
    w, v, found, _, certificate = call.backend.eigh_selected(call.array(A), selection, call.options, vectors, keep=False)
    call.check("eigh" if vectors else "eigvalsh", certificate)
    return (call.tensor(w), v if v is None else call.tensor(v), call.tensor(found.astype(call.real)),
            *call.outcome(certificate))


def eigh_backward(A, w, v, found, ids, report, gw, gv, seed, *rest):
    """(G, reports); rest: the factors, the selection and the settings."""
    *factors, select, how = rest
    call = kernels.Call(A, how, True, seed)
    arrays = call.array(w, 1), call.array(v), call.array(gw, 1), call.array(gv)
    g, certificate = call.backend.eigh_selected_backward(
        arrays[0], arrays[1], kernels.selection_of(select), *arrays[2:],
        Factors(*(call.array(x, rank) for x, rank in zip(factors, (2, 1, 1, 1, 1)))), call.certificate(ids, report),
        call.options)
    call.check("gradient of eigh", certificate)
    kernels.judge(certificate, how, arrays[0], arrays[1], arrays[3])
    return call.tensor(g), call.outcome(certificate)[1]


class Whole:
    """The whole spectrum of A, in which the selected pairs stand where they are.

    place [*batch, n, m]    1 where eigenvalue i is column j, for the columns that were found
    other [*batch, n]       1 for the eigenvalues that are not selected
    """

    def __init__(self, A, w, v, found, spectrum, select, how):
        self.A, self.how, n, m = A, how, A.shape[-1], w.shape[-1]
        self.own = ops.eigh(A, None, how, True)
        _, _, self.ids, self.report = self.own
        selection = kernels.selection_of(select)
        if selection.kind == "range":
            values = ops.constant(self.own[0] if kernels.settings(how).backend else spectrum)
            first = (values.double() < selection.range[0]).to(w.dtype).sum(-1)
        else:
            start = {"lowest": 0, "highest": n - m, "index": min(selection.index[0], n)}[selection.kind]
            first = found * 0 + start
        column = torch.arange(m, dtype=w.dtype, device=w.device)
        row = torch.arange(n, dtype=w.dtype, device=w.device)
        there = column < found.unsqueeze(-1)
        hit = (row.unsqueeze(-1) == (first.unsqueeze(-1) + column).unsqueeze(-2)) & there.unsqueeze(-2)
        self.place = hit.to(w.dtype)
        self.other = 1 - self.place.sum(-1)
        self.embed(w, v, self.place)

    def embed(self, w, v, place):
        """Makes w and v eigh's own, but where they are placed."""
        other = 1 - place.sum(-1)
        self.w = (place @ w.unsqueeze(-1)).squeeze(-1) + other * self.own[0]
        self.v = v @ place.mT.to(v.dtype) + other.unsqueeze(-2).to(v.dtype) * self.own[1]

    def put_values(self, x, others=None):
        """[*batch, m] in their places among others, or zeros; None stays None."""
        if x is None:
            return None
        placed = (self.place @ x.unsqueeze(-1)).squeeze(-1)
        return placed if others is None else placed + self.other * others

    def put_vectors(self, x, others=None):
        if x is None:
            return None
        placed = x @ self.place.mT.to(x.dtype)
        return placed if others is None else placed + self.other.unsqueeze(-2).to(x.dtype) * others

    def take_values(self, x):
        return x if x is None else (self.place.mT @ x.unsqueeze(-1)).squeeze(-1)

    def take_vectors(self, x):
        return x if x is None else x @ self.place.to(x.dtype)

    def saved(self, gw, gv):
        """As derivatives.EighBackward keeps them."""
        return self.A, self.w, self.v, self.ids, self.report, self.put_values(gw), self.put_vectors(gv)


def along_eigh(A, w, v, found, spectrum, dA, select, how):
    """The derivatives of w and v along dA. Of a multiplet that the selection cuts, v need not be orthogonal to the other
    members that eigh finds: there v is eigh's own basis, turned, and moves with that."""
    whole = Whole(A, w, v, found, spectrum, select, how)
    number = whole.take_values(whole.ids)
    inside = (whole.ids.unsqueeze(-1) == number.unsqueeze(-2)).to(w.dtype) * whole.place.sum(-2, keepdim=True)
    cut = (whole.other.unsqueeze(-1) * inside).amax(-2, keepdim=True) if A.shape[-1] else inside
    turn = ops.constant((whole.own[1].mH @ v) * (cut * inside).to(v.dtype))
    whole.embed(w, v, whole.place * (1 - cut))
    dw, dv = forward.along_eigh(A, whole.w, whole.v, whole.ids, whole.report, dA, how)
    moved, turned = whole.take_values(dw), dv @ (turn + (whole.place * (1 - cut)).to(v.dtype))
    if kernels.settings(how).spread in ("raw", "unbiased"):
        moved = torch.where(cut.squeeze(-2) > 0, (v.conj() * (forward.hermitian(dA) @ v)).sum(-2).real, moved)
    return moved, turned


def along_backward(saved, dA, dw, dv, dgw, dgv, select, how):
    """The derivative of the gradient along these directions; None: zero."""
    A, w, v, found, spectrum, gw, gv = saved
    whole = Whole(A, w, v, found, spectrum, select, how)
    others = (None, None) if dA is None else forward.along_eigh(A, whole.w, whole.v, whole.ids, whole.report, dA, how)
    dw = others[0] if dw is None else whole.put_values(dw, others[0])
    dv = others[1] if dv is None else whole.put_vectors(dv, others[1])
    return pairs.along(whole.saved(gw, gv), dA, dw, dv, whole.put_values(dgw), whole.put_vectors(dgv), how)


def back_backward(saved, c, select, how):
    """The cotangents of A, w, v, gw and gv from that of the gradient."""
    A, w, v, found, spectrum, gw, gv = saved
    whole = Whole(A, w, v, found, spectrum, select, how)
    by_w, by_v, by_gw, by_gv = pairs.back(whole.saved(gw, gv), c, how)
    others = whole.other * by_w, whole.other.unsqueeze(-2).to(by_v.dtype) * by_v
    by_matrix = ops.eigh_backward(A, whole.w, whole.v, whole.ids, whole.report, *others, None, how)[0]
    return (by_matrix, whole.take_values(by_w), whole.take_vectors(by_v), whole.take_values(by_gw),
            whole.take_vectors(by_gv))
