"""Second derivatives of losses that depend on eigenpairs: the gradient of eigh() as a function to differentiate again.

G = V X V^H, X_ij = K_ij / (w_j - w_i) + diag(gw), K = skew(V^H gV), is computed once more in PyTorch's steps; the
cotangents that these steps give w and V go through eigh's own backward pass. Rounding needs care where eigenvalues are
near:

  K is only rounding     it counts as zero, as in the first pass: otherwise w would get -K / gap^2. Its derivative
                         stays, since K may be zero by chance, for example at a minimum of the loss.
  a whole group          of eigenvalues: a multiplet, or near eigenvalues, of which the loss depends only on the
                         subspace and the sum, to second order (two probes of the loss decide). Pairs inside have no
                         part in X. The group's block W of A replaces its eigenvalues: X_ck w_k - W X_ck = K_ck gives
                         the derivative with respect to W at once, without a gap inside the group:
                           Y_ij = sum_k c_ik X_kj / (w_k - w_i) + X_ik c_kj / (w_k - w_j),  k outside,
                         with c the cotangent of G in the eigenbasis.

Multiplets that are not whole are refused: eigenpairs do not determine how the loss changes when they split. Refused,
too, are results that are mostly rounding, such as second derivatives of tr(M V f(w) V^H) near
eps (||A|| / gap)^2 = 1.
"""
import typing

import torch
from torch.autograd import Function as AutogradFunction

from .. import verdict
from ..backend import Certificate
from ..errors import ProblemError
from . import kernels
from .operators import ops
from .forward import hermitian

THIRD = "third derivatives are not there (take differences of second ones)"
NEAR = 1e-3  # of ||A||: neighbours nearer than this are probed
LARGEST_ERROR = 0.1  # relative, estimated: second derivatives with a larger error are refused
SEEN = 1e3  # of sqrt(n) eps: a probe's result above it is more than rounding

ELSEWHERE = "matrix_function(), projector() and frame() have second derivatives there: sum f(w) is the trace of f(A)"


class Pass(typing.NamedTuple):
    """A forward pass of eigh: its certificate, its settings, and the notes of second derivatives for its backward
    pass."""
    certificate: Certificate
    how: str
    notes: list

    @property
    def failed(self):
        return kernels.settings(self.how).failed


def gradient(call, eigen, gw, gv, seed):
    """The gradient of eigh where autograd alone is at work, differentiable again if a graph of it is made."""
    A, w, v, ids, report = eigen
    notes = call.notes[:]
    call.notes.clear()
    with torch.no_grad():
        note = Note.sum(notes) if notes else None
        left, answered = note.take(v.detach(), gv) if note else (gv, None)
        by = ops if kernels.is_batched(gw) or kernels.is_batched(left) or not kernels.is_direct(A) else kernels
        g = by.eigh_backward(A, w, v, ids, report, gw, left, seed, call.how)[0]
        if note:
            g = check(call, kernels.last_certificate(), g if answered is None else g + answered, note)
    return differentiable(call, g, A, w, v, gw, gv) if torch.is_grad_enabled() else g


def refused(why, x, *made_of):
    """x; differentiating it again raises an error, instead of leaving out a term."""
    for y in made_of:
        x = x if y is None else ops.refused(x, y, why)
    return x


def skew(x):
    return (x - x.mH) / 2


def _size(x, dims):
    """Frobenius norms of a batch's matrices or vectors."""
    return x.abs().square().sum(tuple(range(-dims, 0))).sqrt()


def _means(length):
    """For all pairs, the mean of the two eigenvalues' numbers."""
    return (length.unsqueeze(-1) + length.unsqueeze(-2)) / 2


def _fixed_noise(like, seed):
    """Normal numbers, the same in each call."""
    generator = torch.Generator(device="cpu").manual_seed(seed)
    return torch.randn(like.shape, dtype=like.dtype, generator=generator, device="cpu").to(like.device)


def _quotient(x, gap, left_out):
    """x / gap; 0 where `left_out`."""
    return torch.where(left_out, torch.zeros_like(x), x / torch.where(left_out, torch.ones_like(gap), gap))


class Rule:
    """The pairs that count, decided from numbers alone, and the matrices of the batch that have no second derivatives.

    gap [*batch, n, n]    w_j - w_i
    inside                pairs of one multiplet
    near                  pairs of one whole group but of two multiplets
    members [*batch, n]   eigenvalues in a multiplet of several or in a whole group
    dropped               pairs without a part in X
    quiet                 K is rounding, and counts as zero
    lost                  the error of -K / gap^2 due to rounding, for the other pairs
    length [*batch, n]    norms of gv's columns
    refused [*batch]      multiplets that are not whole
    """

    def __init__(self, call, w, v, gw, gv):
        n = w.shape[-1]
        self.eps = torch.finfo(w.dtype).eps
        self.bound, self.graph = self.eps * n ** 0.5, [x for x in (v, w) if x.requires_grad]
        self.norm = w.abs().amax(-1) if n else w.new_zeros(w.shape[:-1])
        self.gap = w.unsqueeze(-2) - w.unsqueeze(-1)
        group = torch.as_tensor(call.certificate.multiplet, device=w.device).reshape(w.shape)
        same, itself = group.unsqueeze(-1) == group.unsqueeze(-2), torch.eye(n, dtype=torch.bool, device=w.device)
        self.inside = same & ~itself
        self.dropped = same | (self.gap == 0)
        self.quiet, self.lost = torch.ones_like(same), torch.zeros_like(self.gap)
        self.length = torch.zeros_like(w)
        if gv is not None:
            self._judge_pairs(v, gv)
        self.refused = self.inside.flatten(-2).any(-1)
        if self.refused.any():
            self.refused = self.refused & ~self._is_whole(same, v, gw, gv)
        self.near = self._near_groups(w) & ~same
        if self.near.any():
            together = self.near | same
            self.near = self.near & self._is_whole(together, v, gw, gv)[..., None, None]
        self.dropped = self.dropped | self.near
        self.members = (self.inside | self.near).any(-1)

    def _judge_pairs(self, v, gv):
        self.length = gv.abs().square().sum(-2).sqrt()
        k, length = skew(v.mH @ gv).abs(), _means(self.length)
        self.quiet = k <= 8 * self.bound * length
        uncertain = 2 * self.eps * self.norm[..., None, None] * _quotient(k, self.gap.abs(), self.dropped)
        self.lost = _quotient(2 * self.bound * length + uncertain, self.gap ** 2, self.dropped | self.quiet)

    def _near_groups(self, w):
        """Pairs within runs of neighbouring eigenvalues in which every K is rounding."""
        n = w.shape[-1]
        step = w[..., 1:] - w[..., :-1] > NEAR * self.norm[..., None]
        run = torch.cat([torch.zeros_like(step[..., :1]), step], -1).cumsum(-1) if n > 1 else w
        same = run.unsqueeze(-1) == run.unsqueeze(-2)
        loud = (same & ~self.quiet & ~torch.eye(n, dtype=torch.bool, device=w.device)).any(-1)
        loud = (same & loud.unsqueeze(-2)).any(-1)
        return same & ~loud.unsqueeze(-1)

    def _is_whole(self, same, v, gw, gv):
        """For each matrix, whether the loss depends on its groups only through subspaces and sums."""
        inside = same & ~torch.eye(same.shape[-1], dtype=torch.bool, device=same.device)
        whole = torch.ones(same.shape[:-2], dtype=torch.bool, device=same.device)
        if gv is not None:
            whole = ~(inside & ~self.quiet).flatten(-2).any(-1) & self._is_invariant(inside, v, gv)
        return whole if gw is None else whole & self._sees_sums(same, gw)

    def _back(self, output, direction):
        """The cotangents of v and w, or None, that `direction`, a cotangent of gw or gv, gives."""
        if not output.requires_grad:
            return None, None
        with torch.enable_grad():
            return torch.autograd.grad(output, self.graph, direction, retain_graph=True, allow_unused=True)

    def _is_invariant(self, pairs, v, gv):
        """Whether rotations V exp(t T), T on these pairs, leave the loss unchanged to second order: then its Hessian
        maps V T to gV T."""
        turn = skew(_fixed_noise(v, 1)) * pairs
        expected = gv @ turn
        by_v, by_w = self._back(gv, v @ turn)
        found = torch.zeros_like(expected) if by_v is None else by_v
        allowed = SEEN * self.bound * (_size(found, 2) + _size(expected, 2))
        unseen = _size(found - expected, 2) <= allowed
        return unseen if by_w is None else unseen & (_size(by_w, 1) * self.norm <= allowed)

    def _sees_sums(self, same, gw):
        """Whether a loss depends on a group's eigenvalues only through their sum, to second order."""
        mean = same.to(gw.dtype)
        mean = mean / mean.sum(-1, keepdim=True)
        largest = gw.abs().amax(-1)
        apart = (gw - (mean @ gw.unsqueeze(-1)).squeeze(-1)).abs().amax(-1) > SEEN * self.bound * largest
        d = _fixed_noise(gw, 2)
        d = d - (mean @ d.unsqueeze(-1)).squeeze(-1)
        by_v, by_w = self._back(gw, d)
        allowed = SEEN * self.bound * largest * _size(d, 1)
        for x, dims, unit in ((by_v, 2, 1), (by_w, 1, self.norm)):
            if x is not None:
                apart = apart | (_size(x, dims) * unit > allowed)
        return ~apart


def differentiable(call, g, A, w, v, gw, gv):
    """The gradient g of eigh, under create_graph=True, as a function of A, w, v, gw and gv."""
    with torch.no_grad():
        rule = Rule(call, w, v, gw, gv)
    x = torch.zeros_like(v)
    if gv is not None:
        k = skew(v.mH @ gv)
        k = torch.where(rule.quiet, k - k.detach(), k)
        fixed = torch.where(rule.members, w.detach(), w)
        x = _quotient(k, fixed.unsqueeze(-2) - fixed.unsqueeze(-1), rule.dropped)
    pairs = x.detach()
    if gw is not None:
        x = x + torch.diag_embed(gw).to(v.dtype)
    steps = hermitian(v @ x @ v.mH)
    return _Second.apply(g + (steps - steps.detach()), A, v.detach(), pairs, rule, call)


class _Second(AutogradFunction):
    """The identity on G. Its backward pass refuses second derivatives that do not exist, adds the part that comes from
    whole groups' own blocks of A, and leaves a note for eigh's backward pass, which comes next."""

    @staticmethod
    def forward(ctx, g, A, v, x, rule, call):
        ctx.save_for_backward(A, v, x)
        ctx.rule, ctx.call, ctx.size = rule, call, _size(g, 2)
        return g.view_as(g)

    @staticmethod
    def backward(ctx, c):
        (A, v, x), rule, call = ctx.saved_tensors, ctx.rule, ctx.call
        wanted = rule.refused & (c != 0).flatten(-2).any(-1)
        if wanted.any():
            if call.failed == "raise":
                raise ProblemError(_why_multiplet(call, rule, wanted), call.certificate)
            c = torch.where(rule.refused[..., None, None], torch.zeros_like(c), c)
        by_matrix = None
        with torch.no_grad():
            turned = v.mH @ hermitian(c) @ v
            scale = _size(c, 2) * ctx.size
            back = _quotient(turned.abs(), rule.gap.abs(), rule.dropped)  # the cotangent of K
            parts = (back.square() @ rule.length.square().unsqueeze(-1)).squeeze(-1).sqrt()
            note = Note(rule, _size(turned.abs() * rule.lost, 2), parts,
                        torch.where(rule.norm > 0, scale / rule.norm, scale))
            if rule.members.any():
                y = _quotient(turned, rule.gap, rule.dropped) @ x
                y = y + y.mH
                note.y = y * rule.near
                by_matrix = hermitian(v @ (y * (rule.inside | torch.diag_embed(rule.members))) @ v.mH)
            call.notes.append(note)
        if by_matrix is not None:
            by_matrix = refused(THIRD, by_matrix, A, c)
        return c, by_matrix, *4 * [None]


class Note:
    """A note from _Second to eigh's backward pass: an error of w's cotangents; the lengths of the parts of which v's
    cotangents are sums; a typical size of second derivatives; and Y between near eigenvalues, where that pass would
    divide a rounding error by their gap."""

    def __init__(self, rule, lost, parts, scale):
        self.rule, self.lost, self.parts, self.scale, self.y = rule, lost, parts, scale, None

    @staticmethod
    def sum(notes):
        total = Note(notes[0].rule, *(sum(getattr(n, x) for n in notes) for x in ("lost", "parts", "scale")))
        if all(n.y is not None for n in notes):
            total.y = sum(n.y for n in notes)
        return total

    @torch.no_grad()
    def take(self, v, gv):
        """Returns gv without the part that this note accounts for (near pairs), or that is rounding where no gradient
        exists (inside multiplets, phases); and the near pairs' part of the gradient."""
        self.error = self.lost
        if gv is None:
            return None, None
        rule = self.rule
        noise = rule.bound * _means(gv.abs().square().sum(-2).sqrt() + 2 * self.parts)
        k = skew(v.mH @ gv)
        y = torch.zeros_like(k) if self.y is None else self.y
        answered = rule.near | rule.inside | torch.eye(k.shape[-1], dtype=torch.bool, device=k.device)
        answered = answered & ((k - y * rule.gap).abs() <= 8 * noise)  # otherwise the loss itself has a part there
        left = _quotient(2 * noise, rule.gap, answered | (rule.dropped & ~rule.near))
        self.error = torch.hypot(self.lost, _size(left, 2))
        return gv - v @ (k * answered), hermitian(v @ (y * answered) @ v.mH)


def _why_multiplet(call, rule, wanted):
    k = int(wanted.reshape(-1).nonzero()[0])
    members = rule.inside.reshape(-1, *rule.gap.shape[-2:])[k].any(-1).nonzero().squeeze(-1).tolist()
    return (f"second derivatives of eigenpairs need simple eigenvalues, or a loss that sees a multiplet's subspace "
            f"and the sum of its eigenvalues alone: of {verdict.name_of(call.certificate, k)}, eigenvalues "
            f"{', '.join(map(str, members[:8]))}{', ...' if len(members) > 8 else ''} are not simple within rounding "
            f"({ELSEWHERE}; failed='zero' gives zeros for such matrices)")


@torch.no_grad()
def check(call, certificate, g, note):
    """Refuses the second derivative g that eigh's backward pass gave where it is mostly rounding."""
    size, report = _size(g, 2).double().reshape(-1), certificate.report
    error = note.error.double().reshape(-1) + 2 * note.rule.bound * size
    relative = torch.where(size > 0, error / size, torch.zeros_like(size))
    report["gradient_error"] = relative.cpu().numpy()
    bad = error > LARGEST_ERROR * torch.maximum(size, note.scale.double().reshape(-1))
    if not bad.any():
        return g
    if call.failed == "zero":
        return torch.where(bad.reshape(*g.shape[:-2], 1, 1), torch.zeros_like(g), g)
    k = int(bad.nonzero()[0])
    gap = certificate.report["min_gap"][k]
    raise ProblemError(
        f"second derivatives through the eigenpairs of {verdict.name_of(certificate, k)} would be wrong by about "
        f"{float(relative[k]):.2g} of their size: its eigenvalues come as near to each other as {gap:.2g} ||A||, and "
        f"rounding counts as eps (||A|| / gap)^2 ({ELSEWHERE}; failed='zero' gives zeros for such matrices)",
        certificate)


# Under torch.func, in forward mode and in compiled code there are no probes of the loss: multiplets are refused there.

NEEDS_AUTOGRAD = "outside torch.func and compiled code, create_graph=True decides by the loss whether they exist"


def _parts(saved):
    """(K, 1 / gap, the error of K / gap^2, X): G = V X V^H, X = K / gap + diag(gw). K that is rounding counts as zero."""
    _, w, v, ids, _, gw, gv = saved
    gap = w.unsqueeze(-2) - w.unsqueeze(-1)
    dropped = (ids.unsqueeze(-1) == ids.unsqueeze(-2)) | (gap == 0)
    q = _quotient(torch.ones_like(gap), gap, dropped)
    k, lost = torch.zeros_like(v), torch.zeros_like(gap)
    if gv is not None:
        epsilon = torch.finfo(w.dtype).eps
        bound, length = epsilon * w.shape[-1] ** 0.5, _means(gv.abs().square().sum(-2).sqrt())
        k = skew(v.mH @ gv)
        quiet = k.abs() <= 8 * bound * length
        k = torch.where(quiet, torch.zeros_like(k), k)
        norm = w.abs().amax(-1)[..., None, None] if w.shape[-1] else 0
        lost = torch.where(quiet, lost, (2 * bound * length + 2 * epsilon * norm * k.abs() * q.abs()) * q.square())
    x = k * q
    return k, q, lost, x if gw is None else x + torch.diag_embed(gw).to(v.dtype)


def _error(saved, direction, lost, x):
    """The relative error of a second derivative along `direction`, an upper estimate, [*batch]."""
    w, v = saved[1:3]
    if not w.shape[-1]:
        return torch.zeros_like(w.sum(-1))
    turned = v.mH @ hermitian(direction) @ v
    scale = _size(turned, 2) * _size(x, 2) / w.abs().amax(-1).clamp_min(torch.finfo(w.dtype).tiny)
    return _size(turned.abs() * lost, 2) / scale.clamp_min(torch.finfo(w.dtype).tiny)


def along(saved, dA, dw, dv, dgw, dgv, how):
    """The derivative of eigh's gradient along these directions; None: zero."""
    A, w, v, ids, report, gw, gv = saved
    k, q, lost, x = _parts(saved)
    dk, dx = torch.zeros_like(v), torch.zeros_like(v)
    if dgv is not None:
        dk = dk + v.mH @ dgv
    if dv is not None and gv is not None:
        dk = dk + dv.mH @ gv
    if dw is not None:
        dx = dx - k * q.square() * (dw.unsqueeze(-2) - dw.unsqueeze(-1))
    if dgw is not None:
        dx = dx + torch.diag_embed(dgw).to(v.dtype)
    moved = v @ (dx + skew(dk) * q) @ v.mH
    if dv is not None:
        moved = moved + 2 * hermitian(dv @ x @ v.mH)
    if dA is not None:
        let = ops.settled(dA, _error(saved, dA, lost, x), A, ids, report, how)
        stopped = ((let == 0) & (dA != 0)).flatten(-2).any(-1)
        moved = torch.where(stopped[..., None, None], torch.zeros_like(moved), moved)
    return refused(THIRD, hermitian(moved), A, gw, gv, dA, dgw, dgv)


def back(saved, c, how):
    """The cotangents of w, v, gw and gv from that of eigh's gradient."""
    A, w, v, ids, report, gw, gv = saved
    k, q, lost, x = _parts(saved)
    c = ops.settled(c, _error(saved, c, lost, x), A, ids, report, how)
    h = hermitian(c)
    t = v.mH @ h @ v
    by_k = t * q
    by_gap = -(t.conj() * k * q.square()).real
    by_w, by_v = by_gap.sum(-2) - by_gap.sum(-1), 2 * h @ v @ x
    if gv is not None:
        by_v = by_v - gv @ by_k
    found = (by_w, by_v, None if gw is None else t.diagonal(dim1=-2, dim2=-1).real,
             None if gv is None else v @ by_k)
    return tuple(y if y is None else refused(THIRD, y, A, gw, gv, c) for y in found)


def settled(call, certificate, x, error):
    """The kernel of multiplet::settled: x, or zeros for matrices whose second derivatives do not exist or are mostly
    rounding; an error unless that was asked for. error None: eps (||A|| / gap)^2."""
    ids = torch.from_numpy(certificate.multiplet)
    live = (x != 0).reshape(*call.batch, -1).any(-1)
    several = (ids[..., 1:] == ids[..., :-1]).any(-1) & live
    if error is None:
        gap = torch.from_numpy(certificate.min_gap.astype("f8"))
        error = torch.finfo(x.real.dtype).eps / gap.square().clamp_min(1e-300)
    bad = several | ((error > LARGEST_ERROR) & live)
    if not bad.any():
        return x.clone()
    if call.settings.failed == "zero":
        return torch.where(bad.reshape(*call.batch, *(x.dim() - len(call.batch)) * [1]), torch.zeros_like(x), x)
    k = int(bad.reshape(-1).nonzero()[0])
    name = verdict.name_of(certificate, k)
    if several.reshape(-1)[k]:
        raise ProblemError(f"second derivatives of eigenpairs need simple eigenvalues, and those of {name} are not simple "
                           f"within rounding ({ELSEWHERE}; {NEEDS_AUTOGRAD}; failed='zero' gives zeros for such "
                           "matrices)", certificate)
    raise ProblemError(f"second derivatives through the eigenpairs of {name} would be wrong by about "
                       f"{float(error.reshape(-1)[k]):.2g} of their size, which rounding makes of its gap of "
                       f"{certificate.report['min_gap'][k]:.2g} ||A|| ({ELSEWHERE}; failed='zero' gives zeros for such "
                       "matrices)", certificate)
