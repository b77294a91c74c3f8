"""Divided differences of any smooth function, an elementwise JAX function f of ascending numbers w [*batch, n].

Each is a mean of a derivative of f, which JAX makes, by the rules of ../simplex.py, or a quotient, whichever has the
smaller error.
"""
import jax
import jax.numpy as jnp
import numpy as np

from ..simplex import LINE, TRIANGLE


def _mean(f, rule, start, *legs):
    """The sum of weight f(start + places . legs)."""
    places, weights = (jnp.asarray(x, start.dtype) for x in zip(*rule))

    def add(total, point):
        place, weight = point
        return total + weight * f(start + sum(x * leg for x, leg in zip(place, legs))), None
    return jax.lax.scan(add, jnp.zeros_like(start), (places, weights))[0]


def derivative(f):
    return jax.grad(lambda x: f(x).sum())


def _better(means, rounding, near):
    return near | (jnp.abs(means[0] - means[1]) <= rounding)


def first(f, w):
    """f[w_i, w_j], [*batch, n, n], and its error."""
    slope, epsilon = derivative(f), jnp.finfo(w.dtype).eps
    low, gap, value = w[..., :, None], w[..., None, :] - w[..., :, None], f(w)
    near = gap == 0
    apart = jnp.where(near, 1, gap)
    means = [_mean(slope, rule, jnp.broadcast_to(low, gap.shape), gap) for rule in LINE]
    rounding = epsilon * (jnp.abs(value[..., None, :]) + jnp.abs(value[..., :, None])) / jnp.abs(apart)
    better = _better(means, rounding, near)
    quotient = (value[..., None, :] - value[..., :, None]) / apart
    return jnp.where(better, means[0], quotient), jnp.where(better, epsilon * jnp.abs(means[0]), rounding)


def second(f, w):
    """f[w_i, w_k, w_j], [*batch, n, n, n], symmetric in all three."""
    n, bend = w.shape[-1], derivative(derivative(f))
    places = np.sort(np.stack(np.meshgrid(*3 * [np.arange(n)], indexing="ij")), 0)
    low, middle, high = (w[..., place] for place in places)
    differences, error = first(f, w)
    lower, upper = ((..., places[k], places[k + 1]) for k in (0, 1))
    near = high == low
    apart = jnp.where(near, 1, high - low)
    means = [_mean(bend, rule, low, middle - low, high - middle) for rule in TRIANGLE]
    better = _better(means, (error[lower] + error[upper]) / jnp.abs(apart), near)
    return jnp.where(better, means[0], (differences[upper] - differences[lower]) / apart)
