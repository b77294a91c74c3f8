"""Second divided differences of the functions, and the second derivatives made of them, in JAX's own arithmetic.

G = V (f[w_i, w_j] o V^H E V) V^H moves along H by V S V^H with

    S_ij = sum_k f[w_i, w_k, w_j] (E_ik H_kj + H_ik E_kj),    E and H in the eigenbasis and Hermitian.

The formulas are those of multiplet/torch/second.py.
"""
import jax.numpy as jnp

from ..backend import resolution

ORDER = 10  # Taylor terms used where points are near
NEAR = {8: 0.05, 4: 0.25}  # of a function's radius, by a number's bytes: quotients lose 1 / NEAR^2 of eps there
KINDS = {"exp", "log", "sqrt", "inv_sqrt", "inverse", "power", "tanh", "sin", "cos", "fermi", "projector"}


def lacking(function):
    """The reason why a function has no second derivatives here, or None."""
    if function.electrons:
        return f"{function.kind} at a fixed number of electrons has first derivatives only"
    return None if function.kind in KINDS else f"{function.kind} has first derivatives only"


def counts_as_zero(function, w):
    """Whether some of the eigenvalues w [*batch, n] count as zero for this function: [*batch]."""
    if not function.takes_zero or not w.shape[-1]:
        return jnp.zeros(w.shape[:-1], bool)
    size = jnp.abs(w)
    return (size <= resolution(w.shape[-1], jnp.finfo(w.dtype).eps) * size.max(-1, keepdims=True)).any(-1)


def contract(function, w, v, e, h):
    """V S V^H."""
    vh = jnp.conj(jnp.swapaxes(v, -1, -2))
    e, h = vh @ e @ v, vh @ h @ v
    f = second_differences(function, w).astype(v.dtype)
    s = jnp.sum(f * e[..., :, :, None] * h[..., None, :, :], -2)
    s = s + jnp.conj(jnp.swapaxes(s, -1, -2))
    return v @ s @ vh


def second_differences(function, w):
    """f[w_i, w_k, w_j] for w [*batch, n], as [*batch, n, n, n], symmetric in all three indices."""
    if function.kind == "projector":
        return _of_steps(w, function.index)
    x = jnp.broadcast_arrays(w[..., :, None, None], w[..., None, :, None], w[..., None, None, :])
    low, middle, high = jnp.moveaxis(jnp.sort(jnp.stack(x, -1), -1), -1, 0)
    f = Scalar(function)
    return f.factor ** 2 * f.second(*map(f.argument, (low, middle, high)))


def _of_steps(w, index):
    """Of the function that is 1 for eigenvalues index[0] to index[1] - 1 and 0 for the others. No multiplet has both
    kinds. For a triple with both kinds, in which x is the only one of its kind, it is (f(x) - f(y)) / ((x - y) (x -
    z))."""
    inside = jnp.zeros(w.shape[-1], w.dtype).at[index[0]:index[1]].set(1)
    step = inside[:, None] - inside
    q = jnp.where(step != 0, 1 / jnp.where(step != 0, w[..., :, None] - w[..., None, :], 1), 0)
    f = step * q
    return (f[..., :, :, None] * q[..., :, None, :] + f[..., :, :, None] * q[..., None, :, :]
            + f[..., :, None, :] * jnp.swapaxes(q, -1, -2)[..., None, :, :])


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
            return -jnp.tanh(u) / 2
        if self.kind == "power":
            return u ** self.exponent
        return getattr(jnp, self.kind)(u)

    def near(self, low, high):
        """Whether Taylor's series is the more accurate."""
        radius = jnp.minimum(jnp.abs(low), jnp.abs(high)) if self.kind in ("power", "log") else 1
        return jnp.abs(high - low) <= NEAR[low.dtype.itemsize] * radius

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
                          "sin": lambda: jnp.sin(c + m * jnp.pi / 2) / factorial,
                          "cos": lambda: jnp.cos(c + m * jnp.pi / 2) / factorial}[self.kind]())
        return terms

    def _tanh(self, c):
        """Taylor coefficients by t' = 1 - t^2."""
        t = [jnp.tanh(c)]
        for m in range(ORDER):
            t.append((float(m == 0) - sum(t[i] * t[m - i] for i in range(m + 1))) / (m + 1))
        return [-x / 2 for x in t] if self.kind == "fermi" else t

    def first(self, a, b):
        """The first divided difference g[a, b]."""
        near = self.near(a, b)
        plain = (self.value(b) - self.value(a)) / jnp.where(near, 1, b - a)
        c = (a + b) / 2
        series = sum(t * h for t, h in zip(self.taylor(c)[1:], _symmetric(ORDER, a - c, b - c)))
        return jnp.where(near, series, plain)

    def second(self, a, b, d):
        """The second divided difference g[a, b, d] for a <= b <= d or a >= b >= d."""
        if self.kind == "power" and self.exponent >= 0 and self.exponent == int(self.exponent) <= ORDER:
            return _symmetric(int(self.exponent) - 1, a, b, d)[-1] if self.exponent >= 2 else jnp.zeros_like(a)
        near = self.near(a, d)
        plain = (self.first(b, d) - self.first(a, b)) / jnp.where(near, 1, d - a)
        c = (a + b + d) / 3
        series = sum(t * h for t, h in zip(self.taylor(c)[2:], _symmetric(ORDER - 1, a - c, b - c, d - c)))
        return jnp.where(near, series, plain)


def _symmetric(count, *variables):
    """Complete homogeneous symmetric polynomials of degrees 0 to count - 1."""
    h = [jnp.ones_like(variables[0])] + (count - 1) * [jnp.zeros_like(variables[0])]
    for x in variables:
        for degree in range(1, count):
            h[degree] = h[degree] + x * h[degree - 1]
    return h
