"""Second derivatives of matrix functions and projectors, in PyTorch's own arithmetic.

At any degeneracy: let f[x, y, z] be the second divided difference, and G the gradient for the cotangent E. Then the derivative of <C, G> with respect to A is V S V^H with

    S_ij = sum_k f[w_i, w_k, w_j] (E_ik C_kj + C_ik E_kj),    E and C in the eigenbasis and Hermitian.

Frames are differentiated through the projector. Losses that depend on eigenpairs: pairs.py.
"""
import math

import torch

from ..backend import resolution

ORDER = 10  # Taylor terms used where points are near
NEAR = 0.05  # of a function's radius: plain quotients lose 1 / NEAR^2 of eps there, and the Taylor remainder is less
ELEMENTS = 1 << 22  # of one array over all triples


def hermitian(x):
    return (x + x.mH) / 2


# The functions whose second divided differences are implemented.
KINDS = {"exp", "log", "sqrt", "inv_sqrt", "inverse", "power", "tanh", "sin", "cos", "fermi", "projector"}


def lacking(function):
    """The reason why a function has no second derivatives here, or None."""
    if function.electrons:
        return "fermi at a fixed number of electrons has first derivatives only"
    return None if function.kind in KINDS else f"{function.kind} has first derivatives only"


def counts_as_zero(function, w):
    """Whether matrices with eigenvalues w [*batch, n] have some that count as zero for this function: [*batch]."""
    if not function.takes_zero or not w.shape[-1]:
        return torch.zeros(w.shape[:-1], dtype=torch.bool, device=w.device)
    size = w.double().abs()
    return (size <= resolution(w.shape[-1], torch.finfo(w.dtype).eps) * size.amax(-1, keepdim=True)).any(-1)


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
    e, c = v.mH @ e @ v, v.mH @ c @ v
    f = second_differences(function, w.double()).to(w.dtype)
    s = torch.einsum("bikj,bik,bkj->bij", f.to(v.dtype), e, c)
    return hermitian(v @ (2 * s) @ v.mH)  # the second term of S is the first one's conjugate transpose


def second_differences(function, w):
    """f[w_i, w_k, w_j] for w of shape [b, n], as [b, n, n, n], symmetric in all three indices."""
    n = w.shape[-1]
    if function.kind == "projector":
        return _of_steps(w, function.index)
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
