"""Gauss' rules on a line and on a triangle, for means of a function's derivatives (Hermite and Genocchi: f[x, y] is the
mean of f' over the interval, f[x, y, z] half the mean of f'' over the simplex)."""
import numpy as np


def _rule(count):
    """Gauss' points on 0 to 1, and their weights."""
    x, weight = np.polynomial.legendre.leggauss(count)
    return list(zip(((x + 1) / 2).tolist(), (weight / 2).tolist()))


# (place along each leg, weight), of two rules each: their difference tells the error of the lesser one.
LINE = tuple([((s,), a) for s, a in _rule(count)] for count in (10, 7))
TRIANGLE = tuple([((s, s * t), a * b * s) for s, a in _rule(count) for t, b in _rule(count)] for count in (8, 6))
