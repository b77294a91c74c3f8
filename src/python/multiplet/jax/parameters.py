"""Parameters of functions that are arrays, chemical potentials, and occupations.

Arrays go into the matrix, f(beta (A - mu)) with beta = 1 and mu = 0 left for the library, so that they have the
derivatives of products, and compiled programs take other values without being compiled again. Of the chemical potential
mu that sum_k weights_k sum_i f(w_ki) = electrons defines,

    d mu = sum r dw + sum r (w - mu) d log beta + (sum_k d weights_k sum_i f_ki - d electrons) / S,

with r = d mu / dw, whose sum is 1 also where S = sum weights df/dw underflows (mpt_occupations).
"""
import functools
import types
import typing

import jax
import jax.numpy as jnp
import numpy as np

from .. import arguments, errors, library
from ..backend import FAILED, Function
from ..smearing import WIDTHS, profile, slope, slope_difference
from ..status import Status
from . import rules
from .levels import THIRD, levels, limited
from .operations import NAN, ZERO, Operation, Settings
from .rules import is_zero, zeros_of

XP = types.SimpleNamespace(sigmoid=jax.nn.sigmoid, log_sigmoid=jax.nn.log_sigmoid, atanh=jnp.arctanh, erfc=jax.scipy.special.erfc, **{
    name: getattr(jnp, name) for name in ("exp", "expm1", "tanh", "full_like", "ones_like", "zeros_like",
                                             "where")})


class Occupations(typing.NamedTuple):
    """[*batch, n], or with weights [*batch, k, n], and [*batch]."""
    occupations: jax.Array
    mu: jax.Array


# mu, occupations, response r and S of levels [*batch, k, n], weights [*batch, k], widths and electrons [*batch].

chemical_potential = Operation("occupations", "rCCrmd")


@chemical_potential.derivative
def _(primals, tangents, **static):
    found = chemical_potential(*primals, **static)
    moved = zeros_of(found)
    if not all(map(is_zero, tangents)):
        moved[0] = _along(static["function"], primals, found, tangents)
    return found, moved


def _as_saved(value, x):
    """Of x the derivatives alone."""
    return value + (x - jax.lax.stop_gradient(x))


def _scaled(kind, w, mu, width):
    """u, and du/dw."""
    return ((w - mu) * width, width) if WIDTHS[kind] == "beta" else ((w - mu) / width, 1 / width)


def _along(f, primals, found, tangents):
    """The derivative of mu. Of the numbers that the library gave, the values are taken, to the last bit also where f'
    underflows, and the derivatives are those of f' = -p(u) exp(l(u)). Of a set without an answer it is 0."""
    mu, occupations, response, total, marks, _ = found
    good = ~jnp.asarray(FAILED)[marks[..., 0]]
    w, weights, width = (jnp.where(good.reshape(*good.shape, *(x.ndim - good.ndim) * [1]), x, 1) for x in primals[:3])
    dw, dweights, dwidth, delectrons = tangents
    inner = lambda x: x[..., None, None]  # noqa: E731
    u, factor = _scaled(f.kind, w, inner(mu), inner(width))
    exponent, polynomial = slope(XP, f.kind, u, int(f.order))
    largest = jax.lax.stop_gradient(exponent.max((-2, -1), keepdims=True, initial=-jnp.inf))
    parts = weights[..., None] * polynomial * jnp.exp(exponent - largest)
    slopes = -weights[..., None] * factor * polynomial * jnp.exp(exponent)
    occupations = _as_saved(occupations, profile(XP, f.kind, u, int(f.order)))
    response = _as_saved(response, parts / parts.sum((-2, -1), keepdims=True))
    total = jnp.where(good, _as_saved(total, slopes.sum((-2, -1))), 1)
    moved = jnp.zeros_like(mu)
    if not is_zero(dw):
        moved += (response * dw).sum((-2, -1))
    if not is_zero(dwidth):
        sign = 1 if WIDTHS[f.kind] == "beta" else -1
        moved += sign * (response * (w - inner(mu))).sum((-2, -1)) * dwidth / width
    if not is_zero(delectrons):
        moved -= delectrons / total
    if not is_zero(dweights):
        moved += (occupations.sum(-1) * dweights).sum(-1) / total
    return jnp.where(good, moved, 0)


# Of matrices. With E of levels.py, mu(w + diag E) + sum_ij r[w_i, w_j] |E_ij|^2 / 2, i not j, has the
# first and second derivatives of mu at any degeneracy, where those of single eigenvalues do not exist.

def _differences(f, w, weights, width, mu):
    """r[w_i, w_j] of each matrix, [*batch, k, n, n], and 0 on the diagonal."""
    inner = lambda x: x[..., None, None]  # noqa: E731
    u, factor = _scaled(f.kind, w, inner(mu), inner(width))
    exponent, polynomial = slope(XP, f.kind, u, int(f.order))
    largest = exponent.max((-2, -1), keepdims=True, initial=-jnp.inf)
    total = (weights[..., None] * polynomial * jnp.exp(exponent - largest)).sum((-2, -1), keepdims=True)
    x, y = jnp.broadcast_arrays(u[..., :, None], u[..., None, :])
    top = jnp.maximum(exponent[..., :, None], exponent[..., None, :]) - largest[..., None]
    found = slope_difference(XP, f.kind, x, y, int(f.order)) * jnp.exp(top)
    found = (weights[..., None] * factor / total)[..., None] * found
    return jnp.where(jnp.eye(w.shape[-1], dtype=bool), 0, found)


@functools.partial(jax.jit, static_argnames=("kind", "order", "settings"))
def _potential(a, kind, order, weights, width, electrons, settings):
    """mu [*batch], and whether it exists, of matrices a [*batch, k, n, n]."""
    w, e = levels(a, operands="M", settings=settings._replace(notices=0, failed=NAN))
    e, = limited(a, e, operands="AM", left=2, why=THIRD)
    w = (w + jnp.diagonal(e, axis1=-2, axis2=-1).real).astype(width.dtype)
    found = _solve(kind, order, (w, weights, width, electrons))
    good = ~jnp.asarray(FAILED)[found[4][..., 0]]
    bend = _differences(Function(kind, order=float(order)), *map(jax.lax.stop_gradient, (w, weights, width, found[0])))
    bend = jnp.where(good[..., None, None, None], bend, 0) * (e * jnp.conj(e)).real.astype(w.dtype)
    return found[0] + bend.sum((-3, -2, -1)) / 2, good


def _solve(kind, order, arrays, notices=False):
    static = Settings(triangle=0, tolerance=0.0, gauge=0, spread=0, threads=1, failed=ZERO, notices=int(notices))
    return chemical_potential(*arrays, operands="Cwrr", settings=static, function=Function(kind, order=float(order)))


# Arguments

def is_array(value):
    return isinstance(value, (jax.Array, np.ndarray, list))


def _known(value):
    """A number, or an array, in NumPy (JAX would trace what is done with it); None: traced, or empty."""
    return None if isinstance(value, jax.core.Tracer) or not np.size(value) else np.asarray(value)


def _check(kind, parameters, n):
    """That numbers, and arrays whose values are known, are in their domains, in the words for numbers."""
    known = library.kinds().get(kind, {})
    for pick in (np.min, np.max, lambda x: x[np.abs(x).argmin()]):
        values = {}
        for name, value in parameters.items():
            domain = known[name].domain if name in known else "number"
            if is_array(value) and domain in ("order", "index"):
                raise TypeError(f"{kind}: {name} is an array, and has to be a number (jit's static_argnames)")
            if is_array(value) and jnp.iscomplexobj(value):
                raise TypeError(f"{kind}: {name} is complex, and has to be real")
            values[name] = value
            if is_array(value):
                found = _known(value)
                values[name] = {"below n": n / 2}.get(domain, 1.0) if found is None else pick(found.ravel())
        arguments.function(kind, values, n)


def _check_electrons(kind, electrons, weights, n):
    """Of levels that have weights."""
    electrons, weights = _known(electrons), _known(weights)
    if electrons is not None and not electrons.min() > 0:
        raise ValueError(f"{kind}: electrons is {electrons.min():g}; it has to be above 0")
    if electrons is not None and weights is not None and not electrons.max() < weights.sum() * n:
        raise errors.Error(f"cannot find a chemical potential: {electrons.max():.15g} electrons, and the levels hold "
                           f"{weights.sum() * n:.15g} (give fewer than they hold)")


def _weights(weights, k):
    if np.shape(weights) != (k,):
        raise ValueError(f"weights have the shape {list(np.shape(weights))}, not [{k}], one for each matrix")
    known = _known(weights)
    if known is not None and not (known.min() >= 0 and known.max() > 0):
        raise ValueError("weights have to be 0 or more, and not all 0")
    return weights if isinstance(weights, jax.Array) else np.asarray(weights)


def _number(kind, name, value, batch, real):
    """[*batch] of this real type."""
    value = jnp.asarray(value, real)
    fits = value.ndim <= len(batch) and all(a in (1, b) for a, b in zip(value.shape[::-1], batch[::-1]))
    if not fits:
        raise ValueError(f"{kind}: {name} has the shape {list(value.shape)}, and there is a batch {list(batch)}")
    return jnp.broadcast_to(value, batch)


def _wide():
    return jnp.float64 if jax.config.jax_enable_x64 else jnp.float32


@functools.partial(jax.jit, static_argnames=("kind", "order", "notices"))
def _occupations(levels, kind, order, weights, width, mu, electrons, notices):
    """Occupations, [*batch, k, n], and mu; either of mu and electrons is None."""
    inner, good = lambda x: x[..., None, None], width > 0  # noqa: E731
    if mu is None:
        mu, found, _, _, marks, _ = _solve(kind, order, (levels, weights, width, electrons), notices)
        good = ~jnp.asarray(FAILED)[marks[..., 0]]
    u, _ = _scaled(kind, levels, inner(mu), inner(jnp.where(good, width, 1)))
    filled = profile(XP, kind, u, int(order))
    filled = filled if electrons is None else _as_saved(found, filled)
    return jnp.where(inner(good), filled, jnp.nan), jnp.where(good, mu, jnp.nan)


def occupations(w, kind, *, electrons=None, mu=None, weights=None, notices=True, **parameters):
    """Occupations(occupations, mu) of eigenvalues w [*batch, n] by 'fermi' (beta), 'gaussian', 'methfessel_paxton'
    (order) or 'cold' (sigma).

    electrons: mu [*batch] is solved for, of each matrix its own. With weights [k], w is [*batch, k, n], and mu [*batch]
    is common to k matrices: sum_k weights_k sum_i f(w_ki) = electrons. All may be numbers or arrays [*batch], traced,
    too, and are differentiable any number of times. What has no answer is NaN, with one ProblemWarning a call.

    The results are float64 under jax_enable_x64. Without it they are float32, and so is all that comes in; mu and
    occupations are then found from that in double arithmetic and rounded once, but derivatives, and occupations at a
    given mu, are float32 arithmetic: at beta (w - mu) of 1000 they are uncertain by 1e-4.
    """
    if kind not in WIDTHS:
        raise ValueError(f"there are no occupations {kind!r}; kinds: {', '.join(WIDTHS)}")
    if (electrons is None) == (mu is None):
        raise TypeError(f"{kind} needs either mu or electrons")
    w, name = jnp.asarray(w, _wide()), WIDTHS[kind]
    levels = w[..., None, :] if weights is None else w
    weights = np.ones(1) if weights is None else _weights(weights, w.shape[-2])
    batch, n = levels.shape[:-2], levels.shape[-1]
    if mu is not None:
        _check(kind, {**parameters, "mu": mu}, n)
    else:
        _check(kind, {**parameters, "electrons": n / 2}, n)
        _check_electrons(kind, electrons, weights, n)
    width = _number(kind, name, parameters[name], batch, w.dtype)
    if mu is not None:
        mu = _number(kind, "mu", mu, batch, w.dtype)
    else:
        electrons = _number(kind, "electrons", electrons, batch, w.dtype)
    weights = jnp.broadcast_to(weights.astype(w.dtype), levels.shape[:-1])
    filled, mu = _occupations(levels, kind, parameters.get("order", 1), weights, width, mu, electrons, notices)
    return Occupations(filled.reshape(w.shape), mu)


# Functions

class Absorbed(typing.NamedTuple):
    """A matrix, its status [*batch], a function with numbers for parameters, and what to add to its value."""
    matrix: jax.Array
    status: jax.Array
    kind: str
    parameters: dict
    floor: typing.Optional[jax.Array] = None


def absorbed(a, kind, parameters, weights, settings):
    """What matrix_function is to make of a: arrays go into it. Matrices that are not finite, and those whose parameters
    are outside their domain, have that status, are NaN, and reach no parameter's gradient."""
    if weights is not None and kind not in WIDTHS:
        raise TypeError(f"{kind} takes no weights; {', '.join(WIDTHS)} do")
    if weights is not None and a.ndim < 3:
        raise ValueError(f"with weights a has to be [*batch, k, n, n], not {list(a.shape)}")
    work = _Absorption(a, kind, parameters, weights, settings)
    if kind in WIDTHS:
        return work.smearing()
    _check(kind, parameters, a.shape[-1])
    return work.function()


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _whole(a, lower):
    """a with the triangle that is read in both places, for products with parameters. Of its gradient both triangles
    count."""
    strict = jnp.tril(a, -1) if lower else jnp.triu(a, 1)
    return strict + rules.adjoint(strict) + jnp.eye(a.shape[-1], dtype=a.dtype) * jnp.diagonal(
        a, axis1=-2, axis2=-1).real[..., None]


@_whole.defjvp
def _(lower, primals, tangents):
    return _whole(*primals, lower), tangents[0]


class _Absorption:
    def __init__(self, a, kind, parameters, weights, settings):
        lower = settings.triangle == library.TRIANGLES["lower"]
        self.good = jnp.isfinite(jnp.tril(a) if lower else jnp.triu(a)).all((-2, -1))
        self.a = _whole(jnp.where(self.good[..., None, None] & jnp.isfinite(a), a, 0), lower)
        self.kind, self.parameters, self.weights, self.settings = kind, dict(parameters), weights, settings
        self.real, self.fits = jnp.finfo(a.dtype).dtype, jnp.ones(a.shape[:-2], bool)

    def inner(self, name, batch=None):
        """The parameter `name` as [*batch, 1, 1], 1 where it does not fit."""
        batch = self.a.shape[:-2] if batch is None else batch
        return self.fitting(_number(self.kind, name, self.parameters.pop(name), batch, self.real), True)

    def fitting(self, x, fits):
        if self.weights is not None:
            x, fits = x[..., None], jnp.asarray(fits)[..., None] if jnp.ndim(fits) else fits
        fits = fits & jnp.isfinite(x)
        self.fits = self.fits & fits
        return jnp.where(fits, x, 1)[..., None, None]

    def end(self, matrix, kind=None, floor=None, status=None):
        undefined = jnp.where(self.fits, int(Status.OK), int(Status.FUNCTION_UNDEFINED)).astype(jnp.int32)
        found = jnp.where(self.good, undefined, int(Status.NONFINITE_INPUT)).astype(jnp.int32)
        if status is not None:
            found = jnp.where(found == int(Status.OK), status, found)
        matrix = jnp.where(jnp.asarray(FAILED)[found][..., None, None], jnp.nan, matrix)
        return Absorbed(matrix, found, kind or self.kind, self.parameters, floor)

    def identity(self):
        return jnp.eye(self.a.shape[-1], dtype=self.a.dtype)

    def smearing(self):
        name, n = WIDTHS[self.kind], self.a.shape[-1]
        batch = self.a.shape[:-2 if self.weights is None else -3]
        weights = None if self.weights is None else _weights(self.weights, self.a.shape[-3])
        if weights is None:
            _check(self.kind, self.parameters, n)
        else:
            _check(self.kind, {name: n / 2 if name == "electrons" else x for name, x in self.parameters.items()}, n)
            _check_electrons(self.kind, self.parameters.get("electrons", 1.0), weights, n)
        width = _number(self.kind, name, self.parameters[name], batch, self.real)
        if "electrons" in self.parameters:
            mu = self.chemical_potential(self.parameters.pop("electrons"), weights, batch)
        else:
            mu = self.inner("mu", batch)
        width = self.fitting(width, width > 0)
        shifted = self.a - mu.astype(self.a.dtype) * self.identity()
        self.parameters.update({name: 1.0, "mu": 0.0})
        return self.end(shifted * width if name == "beta" else shifted / width)

    def chemical_potential(self, electrons, weights, batch):
        """As [*batch, 1, 1]. It does not exist for any of k matrices if one is not finite."""
        a, name, real = self.a, WIDTHS[self.kind], _wide()
        if weights is None:
            a, weights = a[..., None, :, :], np.ones(1)
        else:
            self.fits = self.fits & self.good.all(-1, keepdims=True)
        mu, exists = _potential(a, self.kind, self.parameters.get("order", 1),
                                jnp.broadcast_to(weights.astype(real), a.shape[:-2]),
                                _number(self.kind, name, self.parameters[name], batch, real),
                                _number(self.kind, "electrons", electrons, batch, real), self.settings)
        return self.fitting(mu.astype(self.real), exists)

    def function(self):
        arrays = {name for name, value in self.parameters.items() if is_array(value)}
        matrix = self.a * self.inner("scale") if "scale" in arrays else self.a
        if "minimum" in arrays:
            floor = self.inner("minimum") * self.identity()
            matrix, self.parameters["minimum"] = matrix * self.parameters.pop("scale", 1.0) - floor, 0.0
            return self.end(matrix, floor=floor)
        if "exponent" in arrays:  # exp(exponent log A), for positive definite A
            exponent = self.inner("exponent")
            matrix, status, *_ = self.end(matrix * self.parameters.pop("scale", 1.0))
            log, _, _, _, marks, _ = rules.function(matrix, status, operands="Ms", function=Function("log"),
                                                    settings=self.settings._replace(notices=0, failed=ZERO))
            return self.end(exponent * log, "exp", status=marks[..., 0])
        return self.end(matrix)
