"""Second derivatives of matrix functions and projectors, in PyTorch's own arithmetic.

At any degeneracy: let f[x, y, z] be the second divided difference, and G the gradient for the cotangent E. Then the derivative of <C, G> with respect to A is V S V^H with

    S_ij = sum_k f[w_i, w_k, w_j] (E_ik C_kj + C_ik E_kj),    E and C in the eigenbasis and Hermitian.

Frames are differentiated through the projector. Losses that depend on eigenpairs: pairs.py.
"""
import math

import torch

from ..backend import resolution
from . import differences

ORDER = 10  # Taylor terms used where points are near
NEAR = 0.05  # of a function's radius: plain quotients lose 1 / NEAR^2 of eps there, and the Taylor remainder is less
ELEMENTS = 1 << 22  # of one array over all triples


def hermitian(x):
    return (x + x.mH) / 2


KINKS = {"abs", "sign", "clamp_min"}
SMEARINGS = {"gaussian", "methfessel_paxton", "cold"}
# The functions whose second divided differences are implemented.
KINDS = KINKS | SMEARINGS | {"exp", "log", "sqrt", "inv_sqrt", "inverse", "power", "tanh", "sin", "cos", "fermi", "projector",
                             "softplus", "xlogx"}


def lacking(function):
    """The reason why a function has no second derivatives here, or None."""
    return None if function.kind in KINDS else f"{function.kind} has first derivatives only"


def counts_as_zero(function, w):
    """Whether matrices with eigenvalues w [*batch, n] have some that count as zero for this function, or lie within
    rounding of its kink: [*batch]."""
    if not (function.takes_zero or function.kind in KINKS) or not w.shape[-1]:
        return torch.zeros(w.shape[:-1], dtype=torch.bool, device=w.device)
    w, width = w.double(), resolution(w.shape[-1], torch.finfo(w.dtype).eps)
    kink = function.minimum / function.scale  # 0 but for clamp_min
    return ((w - kink).abs() <= width * w.abs().amax(-1, keepdim=True)).any(-1)


THIRD = "third derivatives are not there (take differences of second ones)"


def second_derivative(function, w, v, e, c, bad):
    """V S V^H for a batch; zero for the matrices with the flat numbers `bad`."""
    n = w.shape[-1]
    step = max(1, ELEMENTS // max(1, n ** 3))
    count = math.prod(w.shape[:-1])
    w, (v, e, h) = w.reshape(count, n), (x.reshape(count, n, n) for x in (v, hermitian(e), hermitian(c)))
    found, good = torch.zeros_like(h), torch.ones(count, dtype=torch.bool, device="cpu")
    good[bad] = False
    for part in good.nonzero().squeeze(-1).split(step):
        found[part] = contract(function, w[part], v[part], e[part], h[part])
    return found.reshape(c.shape)


def contract(function, w, v, e, c):
    """V S V^H for a part of the batch."""
    response = None
    e, c, w = v.mH @ e @ v, v.mH @ c @ v, w.double()
    if function.electrons:
        w, function, response = _at_fixed_number(function, w)
        e, c = (x - torch.diag_embed(_mean(response, x)[..., None].expand(w.shape)).to(x.dtype) for x in (e, c))
    f = second_differences(function, w).to(c.dtype)
    s = hermitian(2 * torch.einsum("bikj,bik,bkj->bij", f, e, c))  # S's second term is the first one's transpose
    if response is not None:
        trace = s.diagonal(dim1=-2, dim2=-1).real.sum(-1, keepdim=True)
        s = s - torch.diag_embed(response * trace).to(s.dtype)
    return hermitian(v @ s @ v.mH)


def _at_fixed_number(function, w):
    """(w - mu, the function of these, d mu / d w). With c' = c - tr(r c), and likewise e', the second derivative is the
    one at fixed mu along e' and c', less r times its trace."""
    from . import kernels, smearing
    name = smearing.WIDTHS[function.kind]
    given = torch.full(w.shape[:-1], getattr(function, name)).double(), torch.full(w.shape[:-1], function.electrons).double()
    mu, _, response, _ = smearing.solve(w, *given, None, kernels.function_text(function))
    return w - mu[..., None], function._replace(electrons=0.0, mu=0.0), response


def _mean(response, x):
    return (response * x.diagonal(dim1=-2, dim2=-1).real).sum(-1)


def second_differences(function, w):
    """f[w_i, w_k, w_j] for w of shape [b, n], as [b, n, n, n], symmetric in all three indices."""
    n = w.shape[-1]
    if function.kind == "projector":
        return _of_steps(w, function.index)
    if function.kind in KINKS:
        return _of_kinks(function, w)
    if function.kind in SMEARINGS | {"softplus", "xlogx"}:
        factor, f = _smooth(function)
        return factor ** 2 * differences.second(f, factor * (w - function.mu)).detach()
    x = [w.reshape(-1, *at).expand(-1, n, n, n) for at in ((n, 1, 1), (1, n, 1), (1, 1, n))]
    low, middle, high = torch.stack(x).sort(0)[0]
    f = Scalar(function)
    low, middle, high = (f.argument(y) for y in (low, middle, high))
    return f.factor ** 2 * f.second(low, middle, high)


def _of_steps(w, index):
    """Second divided differences of the function that is 1 for eigenvalues index[0] to index[1] - 1 and 0 for the
    others. No multiplet has both kinds. For a triple with both kinds, in which x is the only one of its kind, the value
    is (f(x) - f(y)) / ((x - y) (x - z))."""
    inside = torch.zeros_like(w)
    inside[:, index[0]:index[1]] = 1
    step = inside.unsqueeze(-1) - inside.unsqueeze(-2)
    across = step != 0
    q = torch.where(across, 1 / torch.where(across, w.unsqueeze(-1) - w.unsqueeze(-2), torch.ones_like(step)), step)
    f = step * q
    return (f.unsqueeze(3) * q.unsqueeze(2) + f.unsqueeze(3) * q.unsqueeze(1) + f.unsqueeze(2) * q.mT.unsqueeze(1))


def _smooth(function):
    """(factor, f) of functions f(factor (w - mu)) without closed forms here."""
    from . import smearing
    if function.kind == "softplus":
        return function.scale, lambda u: torch.logaddexp(u, torch.zeros_like(u))
    if function.kind == "xlogx":
        return function.scale, lambda u: torch.xlogy(u, u)
    return 1 / function.sigma, lambda u: smearing.profile(torch, function.kind, u, int(function.order))


def _of_kinks(function, w):
    """Second divided differences of functions that are linear but for a kink or a step at u = 0: quotients of first
    ones, which are exact there."""
    u = function.scale * w - function.minimum  # 0 but for clamp_min
    y = u.sign() if function.kind == "sign" else u.abs() if function.kind == "abs" else u.clamp_min(0)

    def quotient(y, x):
        return torch.where(x == 0, torch.zeros_like(y), y / torch.where(x == 0, torch.ones_like(x), x))
    n = w.shape[-1]
    places = torch.stack(torch.meshgrid(*3 * [torch.arange(n)], indexing="ij")).sort(0)[0].unbind(0)
    steps = u.unsqueeze(-1) - u.unsqueeze(-2)
    first = quotient(y.unsqueeze(-1) - y.unsqueeze(-2), steps)
    one_side = (u.sign().unsqueeze(-1) * u.sign().unsqueeze(-2)) > 0  # there it is a constant, and no quotient of roundings
    slope = {"sign": torch.zeros_like(u), "abs": u.sign(), "clamp_min": (u > 0).to(u.dtype)}[function.kind].unsqueeze(-1)
    first = torch.where(one_side, slope.expand_as(first), first)
    bend = first[..., places[1], places[2]] - first[..., places[0], places[1]]
    return function.scale ** 2 * quotient(bend, u[..., places[2]] - u[..., places[0]])


class Scalar:
    """A scalar function of u, where f(x) = g(argument(x)) and d argument / dx = factor."""

    def __init__(self, function):
        self.kind, self.exponent, self.mu = function.kind, function.exponent, function.mu
        self.factor = function.beta / 2 if function.kind == "fermi" else function.scale
        named = {"sqrt": 0.5, "inv_sqrt": -0.5, "inverse": -1.0}
        if self.kind in named:
            self.kind, self.exponent = "power", named[self.kind]

    def argument(self, x):
        return self.factor * (x - self.mu if self.kind == "fermi" else x)

    def value(self, u):
        if self.kind == "fermi":
            return -torch.tanh(u) / 2
        if self.kind == "power":
            return u ** self.exponent
        return getattr(torch, self.kind)(u)

    def radius(self, low, high):
        """The distance within which Taylor's series is accurate."""
        if self.kind in ("power", "log"):
            return torch.minimum(low.abs(), high.abs())
        return torch.ones_like(low)

    def taylor(self, c):
        """g^(m)(c) / m! for m = 0 to ORDER."""
        if self.kind in ("tanh", "fermi"):
            return self._tanh(c)
        terms = [self.value(c)]
        if self.kind == "log":
            return terms + [(-1) ** (m - 1) / (m * c ** m) for m in range(1, ORDER + 1)]
        factorial = binomial = 1.0
        for m in range(1, ORDER + 1):
            factorial *= m
            binomial *= (self.exponent - m + 1) / m
            terms.append({"exp": lambda: terms[0] / factorial, "power": lambda: binomial * c ** (self.exponent - m),
                          "sin": lambda: torch.sin(c + m * torch.pi / 2) / factorial,
                          "cos": lambda: torch.cos(c + m * torch.pi / 2) / factorial}[self.kind]())
        return terms

    def _tanh(self, c):
        """Taylor coefficients by t' = 1 - t^2."""
        t = [torch.tanh(c)]
        for m in range(ORDER):
            t.append((float(m == 0) - sum(t[i] * t[m - i] for i in range(m + 1))) / (m + 1))
        return [-x / 2 for x in t] if self.kind == "fermi" else t

    def first(self, a, b):
        """The first divided difference g[a, b]."""
        near = (b - a).abs() <= NEAR * self.radius(a, b)
        plain = (self.value(b) - self.value(a)) / torch.where(near, torch.ones_like(a), b - a)
        c = (a + b) / 2
        series = sum(t * h for t, h in zip(self.taylor(c)[1:], _symmetric(ORDER, a - c, b - c)))
        return torch.where(near, series, plain)

    def second(self, a, b, d):
        """The second divided difference g[a, b, d] for a <= b <= d or a >= b >= d."""
        if self.kind == "power" and self.exponent >= 0 and self.exponent == int(self.exponent) <= ORDER:
            return _symmetric(int(self.exponent) - 1, a, b, d)[-1] if self.exponent >= 2 else torch.zeros_like(a)
        near = (d - a).abs() <= NEAR * self.radius(a, d)
        plain = (self.first(b, d) - self.first(a, b)) / torch.where(near, torch.ones_like(a), d - a)
        c = (a + b + d) / 3
        series = sum(t * h for t, h in zip(self.taylor(c)[2:], _symmetric(ORDER - 1, a - c, b - c, d - c)))
        return torch.where(near, series, plain)


def _symmetric(count, *variables):
    """Complete homogeneous symmetric polynomials of degrees 0 to count - 1."""
    h = [torch.ones_like(variables[0])] + (count - 1) * [torch.zeros_like(variables[0])]
    for x in variables:
        for degree in range(1, count):
            h[degree] = h[degree] + x * h[degree - 1]
    return h
