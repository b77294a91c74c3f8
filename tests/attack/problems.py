"""Random problems whose gradients are known: matrices with every kind of gap, losses of every kind.

    problem = make(seed, number, "float64")
    w, v = <the library's eigenpairs of problem.a>
    gw, gv = problem.cotangents(w, v)       # as a user would compute them, in the precision of w and v
    problem.truth(v)                        # the gradient that is right, in longdouble; None where there is none

A problem is a matrix and a sum of terms; each term knows its cotangents at computed pairs and its gradient at exact
ones.
"""
import functools

import numpy as np

from reference import Exact, Scalar

SIZES = [2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 128]
SHARES = np.array([14, 12, 14, 10, 10, 12, 8, 8, 4, 3, 2, 2, 0.5])
FLOAT32 = 2.0 ** -23


def _symmetric(x):
    below = np.tril(x, -1)
    return below + below.conj().T + np.diag(np.diag(x).real)


def draw(rng, shape, is_complex):
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if is_complex else x


def hermitian(rng, n, dtype):
    """Of the type, exactly Hermitian."""
    x = draw(rng, (n, n), np.dtype(dtype).kind == "c")
    return _symmetric((x + x.conj().T) / 2).astype(dtype)


# Matrices. Each returns values of a spectrum (then turned at random and rounded) or a matrix that is exact.


def _spread(rng, n, positive):
    w = np.sort(rng.uniform(0.05 if positive else -1, 1, n))
    return w


def pair(rng, n, is_complex, positive, eps):
    """One pair at a gap of 1e-1 to eps / 10, somewhere in a spectrum that is wide otherwise."""
    w, p = _spread(rng, n, positive), rng.integers(n - 1)
    w[p + 1:] += max(0, 0.3 - (w[p + 1] - w[p])) if rng.random() < 0.5 else 0
    w[p + 1] = w[p] + 10.0 ** rng.uniform(np.log10(eps) - 1, -1)
    return w


def clusters(rng, n, is_complex, positive, eps):
    count = rng.integers(1, max(2, n // 2 + 1))
    centers = _spread(rng, count, positive)
    width = 10.0 ** rng.uniform(np.log10(eps) - 1, -1.5, count)
    k = rng.integers(count, size=n)
    return np.sort(centers[k] + width[k] * rng.uniform(0, 0.5, n))


def random(rng, n, is_complex, positive, eps):
    if positive:  # a covariance
        x = draw(rng, (n, n + rng.integers(1, n + 2)), is_complex)
        return _symmetric(x @ x.conj().T / x.shape[1])
    return hermitian(rng, n, "c16" if is_complex else "f8")


def covariance(rng, n, is_complex, positive, eps):
    """Condition 1 to 1e6 (single precision: 1e4)."""
    return np.sort(10.0 ** rng.uniform(-rng.uniform(0, 6 if eps < 1e-10 else 4), 0, n))


def graded(rng, n, is_complex, positive, eps):
    """Rows and columns of sizes 1e-12 to 1e12 (single precision: 1e-6 to 1e6)."""
    most = (12 if eps < 1e-10 else 6) * rng.uniform(0.1, 1)
    d = 10.0 ** rng.permutation(np.linspace(-most, most, n))
    core = np.eye(n) + 0.3 / n * hermitian(rng, n, "c16" if is_complex else "f8")
    return _symmetric(d[:, None] * core * d)


def hadamard(n):
    h = np.ones((1, 1))
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return h


def degenerate(rng, n, is_complex, positive, eps):
    """I_m x M of small integers, mixed by a permutation and a Hadamard matrix: exact, and exactly degenerate."""
    n = 1 << int(rng.integers(1, int(np.log2(min(n, 32))) + 1))
    m = 1 << int(rng.integers(1, int(np.log2(n)) + 1))
    k = n // m
    x = rng.integers(-3, 4, (k, k)) + (1j * rng.integers(-3, 4, (k, k)) if is_complex else 0)
    block = np.tril(x, -1) + np.tril(x, -1).conj().T + np.diag(np.diag(x).real)
    if positive:
        block = block + np.eye(k) * np.ceil(0.5 - np.linalg.eigvalsh(block)[0])
    order, h = rng.permutation(n), hadamard(n)
    phases = 1j ** rng.integers(4, size=n) if is_complex else rng.choice([-1, 1], n)
    a = np.kron(np.eye(m), block)[np.ix_(order, order)]
    return h @ (phases[:, None] * a * phases.conj()) @ h / n


def hypercube(rng, n, is_complex, positive, eps):
    q = int(rng.integers(1, 6))
    n = 1 << q
    a = np.array([[float(bin(i ^ j).count("1") == 1) for j in range(n)] for i in range(n)])
    phases = 1j ** rng.integers(4, size=n) if is_complex else np.ones(n)
    return phases[:, None] * a * phases.conj() + (q + 1) * positive * np.eye(n)


def nearly(rng, n, is_complex, positive, eps):
    """Pairs exactly 2^-k apart in a matrix that has no rounding in it: blocks of four, each turned by H_4 / 2."""
    bits = 47 if eps < 1e-10 else 18
    n = 4 * int(rng.integers(1, max(2, n // 8 + 1)))
    w = rng.integers(1, 32, n) / 32.0 if positive else rng.integers(-32, 32, n) / 32.0
    p = 4 * rng.integers(n // 4)
    w[p + 1] = w[p] + 2.0 ** -int(rng.integers(5, bits))
    a = np.zeros((n, n), complex if is_complex else float)
    for k in range(0, n, 4):
        phases = 1j ** rng.integers(4, size=4) if is_complex else np.ones(4)
        a[k:k + 4, k:k + 4] = phases[:, None] * (hadamard(4) * w[k:k + 4] @ hadamard(4) / 4) * phases.conj()
    order = rng.permutation(n)
    return a[np.ix_(order, order)]


FAMILIES = {pair: 30, clusters: 15, random: 10, covariance: 12, graded: 8, degenerate: 12, hypercube: 3, nearly: 10}


def matrix(rng, n, dtype, positive):
    """(a, the family's name)"""
    dtype = np.dtype(dtype)
    eps = np.finfo(dtype).eps
    family = rng.choice(list(FAMILIES), p=np.array(list(FAMILIES.values())) / sum(FAMILIES.values()))
    a = family(rng, n, dtype.kind == "c", positive, eps)
    if a.ndim == 1:
        q = np.linalg.qr(draw(rng, (n, n), dtype.kind == "c"))[0]
        a = _symmetric(q * a @ q.conj().T)
    if rng.random() < 0.3:
        a = a * 2.0 ** int(rng.integers(-8, 9))
    return a.astype(dtype), family.__name__


# Terms of losses


class Vectors:
    """sum_k c_k |<a_k, v_k>|^2 over some k."""

    def __init__(self, which, c, a):
        self.which, self.c, self.a = which, c, a

    def cotangents(self, w, v):
        gv = np.zeros_like(v)
        part = v[:, self.which]
        gv[:, self.which] = 2 * self.c * self.a * (self.a.conj() * part).sum(0)
        return np.zeros_like(w), gv

    def truth(self, exact, v):
        return exact.of_vectors(self.cotangents(exact.values, exact.v)[1])


class Linear(Vectors):
    """sum_k c_k <a_k, v_k> of real vectors, whose signs are the computed ones."""

    def cotangents(self, w, v):
        gv = np.zeros_like(v)
        gv[:, self.which] = self.c * self.a
        return np.zeros_like(w), gv

    def truth(self, exact, v):
        turned = exact.phased_as(v)
        return exact.of_vectors(self.cotangents(exact.values, turned)[1], turned)


class Projector:
    """tr(C P), or |P - T|^2 / 2, P on a range."""

    def __init__(self, index, c=None, target=None, scale=1):
        self.index, self.c, self.target, self.scale = index, c, target, scale

    def _by_p(self, p):
        return self.c if self.target is None else self.scale * (p - self.target)

    def cotangents(self, w, v):
        part = slice(*self.index)
        gv = np.zeros_like(v)
        gv[:, part] = 2 * self._by_p(v[:, part] @ v[:, part].conj().T) @ v[:, part]
        return np.zeros_like(w), gv

    def truth(self, exact, v):
        return exact.of_projector(self.index, self._by_p(exact.projector(self.index)))


class Function:
    """tr(C F), or |F - T|^2 / 2, F = V f(w) V^H."""

    def __init__(self, f, c=None, target=None, scale=1):
        self.f, self.c, self.target, self.scale = f, c, target, scale

    def _by_f(self, value):
        return self.c if self.target is None else self.scale * (value - self.target)

    def cotangents(self, w, v):
        y = self.f.value(w)
        cv = self._by_f((v * y) @ v.conj().T) @ v
        return self.f.slope(w) * (v.conj() * cv).sum(0).real, 2 * cv * y

    def truth(self, exact, v):
        return exact.of_function(self.f, self._by_f(exact.function(self.f)))


class Frame:
    """Re tr(C^H F) of a frame; through the library's own entry only."""

    def __init__(self, index, r, c):
        self.index, self.r, self.c = index, r, c

    def truth(self, exact, v):
        return exact.of_frame(self.index, self.r, self.c)


class Values:
    """A loss of eigenvalues; gw(w) is its derivative. Not `symmetric`: it tells equal eigenvalues apart."""

    def __init__(self, gw, symmetric):
        self.gw, self.symmetric = gw, symmetric

    def cotangents(self, w, v):
        return self.gw(w).astype(w.dtype), np.zeros_like(v)

    def truth(self, exact, v):
        gw = self.gw(exact.values)
        if not self.symmetric and ((exact.gap == 0) & (gw != gw[:, None])).any():
            return None
        return exact.of_values(gw)


def _near_pair(exact):
    """The first of the two that are nearest to each other."""
    return int(np.argmin(np.diag(exact.gap, 1)))


def _widest(exact, rng):
    """A boundary in one of the wider gaps."""
    gaps = np.diag(exact.gap, 1) / max(exact.norm, 1e-300)
    wide = np.flatnonzero(gaps > min(0.02, gaps.max() * 0.9))
    return int(rng.choice(wide)) + 1 if len(wide) else 1


def _scalar(rng, exact, kind=None):
    """A function whose slope and value suit the spectrum."""
    x = exact.norm or 1.0
    positive = exact.w[0] > 0
    kind = kind or rng.choice(["exp", "fermi", "tanh", "square"] +
                              (["log", "sqrt", "inv_sqrt", "power"] * 2 if positive else []))
    if kind == "power":
        return Scalar(kind, exponent=float(rng.choice([0.5, 1.5, -1.0, 0.25, 2.5])))
    if kind == "fermi":
        mu = float(exact.w[_widest(exact, rng) - 1] + 0.1 * x)
        return Scalar(kind, beta=float(2 ** rng.integers(0, 6) / x), mu=float(np.float32(mu)))
    return Scalar(kind, **({"scale": float(np.float32(rng.choice([-2, -0.5, 0.5, 1, 2]) / x))}
                           if kind in ("exp", "tanh") else {}))


def _pair_vectors(rng, exact, dtype, scale, term=Vectors):
    n, p = len(exact.w), _near_pair(exact)
    which = [[p], [p + 1], [p, p + 1]][rng.integers(3)]
    c = (rng.standard_normal(len(which)) * scale).astype(np.dtype(dtype).char.lower())
    return [term(which, c, draw(rng, (n, len(which)), np.dtype(dtype).kind == "c").astype(dtype))]


def _all_vectors(rng, exact, dtype, scale):
    n = len(exact.w)
    uneven = 10.0 ** rng.uniform(-8 * rng.integers(2), 0, n)
    c = (rng.standard_normal(n) * uneven * scale).astype(np.dtype(dtype).char.lower())
    return [Vectors(np.arange(n), c, draw(rng, (n, n), np.dtype(dtype).kind == "c").astype(dtype))]


def _projector(rng, exact, dtype, scale, cut=False, quadratic=False):
    n = len(exact.w)
    index = (0, _near_pair(exact) + 1) if cut else (0, _widest(exact, rng))
    if rng.random() < 0.3 and index[1] < n:
        index = (index[1], n)
    c = hermitian(rng, n, dtype)
    scale = np.dtype(dtype).type(scale).real
    return [Projector(index, target=c, scale=scale) if quadratic else Projector(index, c=scale * c)]


def _function(rng, exact, dtype, scale, quadratic=False):
    c = hermitian(rng, len(exact.w), dtype)
    f, scale = _scalar(rng, exact), np.dtype(dtype).type(scale).real
    return [Function(f, target=c, scale=scale) if quadratic else Function(f, c=scale * c)]


def _smooth_values(rng, exact, dtype, scale):
    x, k, scale = exact.norm or 1.0, rng.uniform(0.5, 3), np.dtype(dtype).type(scale).real
    return [Values(lambda w: scale * np.sin(w * w.dtype.type(k / x)), True)]


def _logdet(rng, exact, dtype, scale):
    scale = np.dtype(dtype).type(scale).real
    return [Values(lambda w: scale / w, True)]


def _lowest(rng, exact, dtype, scale):
    return [Values(lambda w: np.r_[scale, np.zeros(len(w) - 1)].astype(w.dtype), False)]


def _occupied(rng, exact, dtype, scale):
    k = _widest(exact, rng)
    return [Values(lambda w: np.r_[np.full(k, 2 * scale), np.zeros(len(w) - k)].astype(w.dtype), False)]


def _any_values(rng, exact, dtype, scale):
    gw = (rng.standard_normal(len(exact.w)) * scale).astype(np.dtype(dtype).char.lower())
    return [Values(lambda w: gw.astype(w.dtype), False)]


def _frame(rng, exact, dtype, scale):
    """Some of them near the edge of their condition."""
    n, is_complex = len(exact.w), np.dtype(dtype).kind == "c"
    stop = _widest(exact, rng)
    start = _widest(exact, rng)
    start, stop = (0, stop) if stop <= start else (start, stop)
    m = stop - start
    c = int(rng.integers(1, min(m, 3) + 1))
    inside = draw(rng, (m, c), is_complex)
    most = 2 if np.dtype(dtype).char in "fF" else 6
    inside[:, 0] *= 10.0 ** rng.uniform(-most * rng.integers(2), 0)
    r = exact.v[:, start:stop] @ inside + exact.v[:, :start] @ draw(rng, (start, c), is_complex)
    r = r + exact.v[:, stop:] @ draw(rng, (n - stop, c), is_complex)
    return [Frame((start, stop), r.astype(dtype), (scale * draw(rng, (n, c), is_complex)).astype(dtype))]


def _both(*makers):
    return lambda *arguments: [term for maker in makers for term in maker(*arguments)]


KINDS = {
    "vector of a pair": _pair_vectors,
    "all vectors": _all_vectors,
    "linear in a vector": functools.partial(_pair_vectors, term=Linear),  # real types alone
    "projector whole": _projector,
    "projector whole, quadratic": functools.partial(_projector, quadratic=True),
    "projector cut": functools.partial(_projector, cut=True),
    "function": _function,
    "function, quadratic": functools.partial(_function, quadratic=True),
    "two functions": _both(_function, _function),
    "projector + function": _both(_projector, _function),
    "function + values": _both(_function, _smooth_values),
    "projector + values": _both(_projector, _smooth_values),
    "smooth values": _smooth_values,
    "logdet": _logdet,
    "lowest value": _lowest,
    "energy": _occupied,
    "any values": _any_values,
}
# Through the library's own entries, matrix_function() and frame().
ENTRIES = {"entry: function": _function, "entry: projector": _projector, "entry: frame": _frame}
ALL = {**KINDS, **ENTRIES}
POSITIVE = ("logdet",)
INVARIANT = ("projector whole", "projector whole, quadratic", "function", "function, quadratic", "smooth values",
             "logdet", "energy", "lowest value", *ENTRIES)


class Problem:
    def __init__(self, a, family, kind, terms, exact):
        self.a, self.family, self.kind, self.terms, self.exact = a, family, kind, terms, exact
        self.entry = kind in ENTRIES

    @property
    def function(self):
        """The kind of the function, if there is one and no more."""
        kinds = [term.f.kind for term in self.terms if isinstance(term, Function)]
        return kinds[0] if len(kinds) == 1 else ""

    @property
    def gap(self):
        """The smallest between neighbours, relative to ||A||."""
        return float(np.diag(self.exact.gap, 1).min(initial=2) / (self.exact.norm or 1))

    def cotangents(self, w, v):
        with np.errstate(all="ignore"):
            parts = [term.cotangents(w, v) for term in self.terms]
            return sum(p[0] for p in parts), sum(p[1] for p in parts)

    def truth(self, v):
        with np.errstate(all="ignore"):
            parts = [term.truth(self.exact, v) for term in self.terms]
        return None if any(p is None for p in parts) else sum(parts)


def make(seed, number, dtype, kind=None):
    """Problem `number` of a sequence."""
    rng = np.random.default_rng([seed, number])
    dtype = np.dtype(dtype)
    kinds = [k for k in ALL if dtype.kind == "f" or k != "linear in a vector"]
    kind = kind or str(rng.choice(kinds))
    positive = kind in POSITIVE or rng.random() < 0.5
    n = int(rng.choice(SIZES, p=SHARES / SHARES.sum()))
    a, family = matrix(rng, n, dtype, positive)
    exact = Exact(a)
    most = 30 if dtype.itemsize // (1 + (dtype.kind == "c")) == 4 else 290
    exponent = rng.uniform(-most, most) if rng.random() < 0.2 else 0
    if exponent > 0:  # where G itself still has room
        exponent = min(exponent, most + np.log10(max(np.diag(exact.gap, 1).min(), 1e-20 * exact.norm, 1e-30)) - 5)
    return Problem(a, family, kind, ALL[kind](rng, exact, dtype, 10.0 ** exponent), exact)
