"""Occupations f(u) of levels, and their slopes, in PyTorch's arithmetic or in JAX's: `xp` has exp, erfc, sigmoid,
log_sigmoid and *_like, all of which have finite derivatives everywhere.

u = (w - mu) beta or (w - mu) / sigma.
"""
import math

WIDTHS = {"fermi": "beta", "gaussian": "sigma", "methfessel_paxton": "sigma", "cold": "sigma"}


def profile(xp, kind, u, order):
    """f(u)"""
    if kind == "fermi":
        return xp.sigmoid(-u)
    if kind == "cold":
        x = u + 0.5 ** 0.5
        return xp.erfc(x) / 2 + xp.exp(-x * x) / (2 * math.pi) ** 0.5
    f = xp.erfc(u) / 2
    if kind == "methfessel_paxton":
        hermite, bell = _hermite(xp, u, 2 * order - 1), xp.exp(-u * u)
        for m in range(1, order + 1):
            f = f + _paxton(m) * hermite[2 * m - 1] * bell
    return f


def slope(xp, kind, u, order):
    """(l, p) of f'(u) = -p(u) exp(l(u))."""
    if kind == "fermi":
        return xp.log_sigmoid(u) + xp.log_sigmoid(-u), xp.ones_like(u)
    if kind == "cold":
        return -(u + 0.5 ** 0.5) ** 2, (2 + 2 ** 0.5 * u) / math.pi ** 0.5
    polynomial = xp.full_like(u, math.pi ** -0.5)
    if kind == "methfessel_paxton":
        for m, hermite in enumerate(_hermite(xp, u, 2 * order)):
            if m and m % 2 == 0:
                polynomial = polynomial + _paxton(m // 2) * hermite
    return -u * u, polynomial


def slope_difference(xp, kind, x, y, order):
    """d of (g(x) - g(y)) / (x - y) = d exp(max(l(x), l(y))) for g(u) = p(u) exp(l(u)), without cancellation."""
    (lx, px), (ly, py) = (slope(xp, kind, u, order) for u in (x, y))
    apart = abs(lx - ly)
    ratio = xp.where(apart == 0, 1.0, -xp.expm1(-apart) / xp.where(apart == 0, 1.0, apart))  # of exp, likewise
    steps = xp.zeros_like(x)
    if kind == "fermi":
        far = abs(x - y) > 1
        m, d = (x + y) / 4, xp.where(far | (x == y), 1.0, (x - y) / 4)
        near = xp.where(x == y, xp.tanh(m), xp.atanh(xp.tanh(m) * xp.tanh(xp.where(far, 0.0, d))) / d)
        step = xp.where(far, (lx - ly) / xp.where(far, x - y, 1.0), -near)
    else:
        step = -(x + y + (2 ** 0.5 if kind == "cold" else 0.0))
    if kind == "cold":
        steps = steps + (2 / math.pi) ** 0.5
    if kind == "methfessel_paxton":
        at_y, found = _hermite(xp, y, 2 * order), [xp.zeros_like(x), 2 * xp.ones_like(x)]  # of H_m
        for m in range(1, 2 * order):
            found.append(2 * (x * found[-1] + at_y[m]) - 2 * m * found[-2])
        steps = sum((_paxton(m) * found[2 * m] for m in range(1, order + 1)), steps)
    largest = xp.where(lx > ly, lx, ly)
    return steps * (xp.exp(lx - largest) + xp.exp(ly - largest)) / 2 + (px + py) / 2 * step * ratio


def _paxton(m):
    """Of Methfessel and Paxton 1989."""
    return (-1) ** m / (math.factorial(m) * 4 ** m * math.pi ** 0.5)


def _hermite(xp, u, degree):
    """H_0 to H_degree"""
    found = [xp.ones_like(u), 2 * u]
    for m in range(1, degree):
        found.append(2 * u * found[-1] - 2 * m * found[-2])
    return found
