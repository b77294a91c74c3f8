"""Occupations of eigenvalues, their chemical potential, and functions whose parameters are tensors.

Parameters go into the matrix, f(beta (A - mu)) with beta = 1 and mu = 0 left for the library, so that they have the
gradients of products. Of the chemical potential mu that sum_k weights_k sum_i f(w_ki) = electrons defines,

    d mu = sum r dw + sum r (w - mu) d log beta + (sum_k d weights_k sum_i f_ki - d electrons) / S,

with r = d mu / dw, whose sum is 1 also where S = sum weights df/dw underflows (mpt_occupations).
"""
import collections
import math
import types

import torch

from .. import library
from ..backend import spec as backend_spec
from ..smearing import WIDTHS, profile, slope
from . import kernels
from .forward import tracked_zero
from .operators import ops
from .spectral import full

Occupations = collections.namedtuple("Occupations", "occupations mu")
XP = types.SimpleNamespace(log_sigmoid=torch.nn.functional.logsigmoid, **{name: getattr(torch, name) for name in (
    "atanh", "erfc", "exp", "expm1", "full_like", "ones_like", "sigmoid", "tanh", "where", "zeros_like")})


def solve(w, width, electrons, weights, what):
    """The kernel of multiplet::chemical_potential: (mu [*batch], occupations, response [*levels], S [*batch])."""
    function, batch = kernels.function_of(what), width.shape
    many = 1 if weights is None else w.shape[-2]
    levels = w.detach().double().reshape(math.prod(batch), many, w.shape[-1]).contiguous()
    made = [torch.empty_like(levels) for _ in range(3)]
    mu = torch.empty(levels.shape[0], dtype=torch.float64, device="cpu")
    total = torch.empty_like(mu)
    omega = None if weights is None else weights.detach().double().contiguous().numpy()
    for k, (a, b) in enumerate(zip(width.reshape(-1).tolist(), electrons.reshape(-1).tolist())):
        one = function._replace(**{WIDTHS[function.kind]: a}, electrons=b)
        if not a > 0 or not b > 0:
            raise ValueError(f"{function.kind}: {WIDTHS[function.kind]} is {a:g} and electrons {b:g}; both have to be above 0")
        parts = [x[k].numpy() for x in made]
        library.occupations(levels.shape[-1], levels.shape[1], backend_spec(one), omega, levels[k].numpy(), *parts,
                            mu[k:k + 1].numpy())
        share = made[1][k] if omega is None else made[1][k] * torch.from_numpy(omega)[:, None]
        total[k] = share.sum()
    occupations, _, response = (x.reshape(w.shape) for x in made)
    return mu.reshape(batch), occupations, response, total.reshape(batch)


def _levels(x, weights):
    """[*batch] beside [*batch, n] or, with weights, [*batch, k, n]."""
    return x[..., None] if weights is None else x[..., None, None]


def chemical_potential(w, kind, parameters, electrons, weights):
    """mu, [*batch], float64, differentiable by w, width, electrons and weights."""
    name, w = WIDTHS[kind], w.double()
    batch = w.shape[:-1] if weights is None else w.shape[:-2]
    given = {key: value for key, value in parameters.items() if key != name}
    if name not in parameters:
        raise TypeError(f"{kind} needs {name}")
    what = kernels.checked_function(kind, w.shape[-1], {**given, name: 1.0, "electrons": 0.5})
    as_tensor = lambda x: torch.as_tensor(x, dtype=torch.float64, device=w.device).expand(batch)
    if weights is not None:
        weights = torch.as_tensor(weights, dtype=torch.float64, device=w.device)
        if weights.shape != w.shape[-2:-1]:
            raise ValueError(f"weights have the shape {list(weights.shape)}, not [{w.shape[-2]}], one for each matrix")
    return ops.chemical_potential(w, as_tensor(parameters[name]), as_tensor(electrons), weights, what)[0]


def _moving(saved, what):
    """mu's saved numbers, as functions of what they depend on: their values are the library's, to the last bit also where
    f' underflows, and their derivatives those of f' = -p(u) exp(l(u))."""
    w, width, _, weights, mu, occupations, response, total = saved
    function, by = kernels.function_of(what), _levels(width, weights)
    u = w - _levels(mu, weights)
    u, factor = (u * by, by) if WIDTHS[function.kind] == "beta" else (u / by, 1 / by)
    exponent, polynomial = slope(XP, function.kind, u, int(function.order))
    share = torch.ones_like(u) if weights is None else weights[:, None].expand(u.shape)
    count = (-1,) if weights is None else (-2, -1)
    largest = ops.constant(exponent.amax(count, keepdim=True))
    parts = share * polynomial * torch.exp(exponent - largest)
    slopes = -share * factor * polynomial * torch.exp(exponent)
    as_saved = lambda value, x: value + tracked_zero(x)
    return (w, width, weights, mu, as_saved(occupations, profile(XP, function.kind, u, int(function.order))),
            as_saved(response, parts / parts.sum(count, keepdim=True)), as_saved(total, slopes.sum(count)), count)


def along(saved, dw, dwidth, delectrons, dweights, what):
    """The derivative of mu; None: zero."""
    w, width, weights, mu, occupations, response, total, count = _moving(saved, what)
    moved = torch.zeros_like(mu)
    if dw is not None:
        moved = moved + (response * dw).sum(count)
    if dwidth is not None:
        moved = moved + (response * (w - _levels(mu, weights))).sum(count) * _log(dwidth, width, what)
    if delectrons is not None:
        moved = moved - delectrons / ops.sloped(total, what)
    if dweights is not None:
        moved = moved + (occupations.sum(-1) * dweights).sum(-1) / ops.sloped(total, what)
    return moved


def back(saved, g, needs, what):
    """The cotangents of w, width, electrons and weights."""
    w, width, weights, mu, occupations, response, total, count = _moving(saved, what)
    by_width = g * (response * (w - _levels(mu, weights))).sum(count)
    by_weights = None
    if weights is not None and needs[3]:
        each = occupations.sum(-1) * (g / ops.sloped(total, what))[..., None]
        by_weights = each.reshape(-1, weights.shape[-1]).sum(0)
    by_electrons = -g / ops.sloped(total, what) if needs[2] else None
    return _levels(g, weights) * response, _log(by_width, width, what), by_electrons, by_weights


def _log(x, width, what):
    """x d log beta / d width."""
    return x / width if WIDTHS[kernels.function_of(what).kind] == "beta" else -x / width


def occupations(w, kind, *, electrons=None, mu=None, weights=None, **parameters):
    """Occupations(occupations, mu) of eigenvalues w [*batch, n] by 'fermi' (beta), 'gaussian', 'methfessel_paxton'
    (order) or 'cold' (sigma), in float64.

    electrons: mu [*batch] is solved for, of each matrix its own. With weights [k], w is [*batch, k, n], and mu [*batch]
    is common to k matrices: sum_k weights_k sum_i f(w_ki) = electrons. All may be numbers or tensors [*batch], and are
    differentiable any number of times.
    """
    if kind not in WIDTHS:
        raise ValueError(f"there are no occupations {kind!r}; kinds: {', '.join(WIDTHS)}")
    if (electrons is None) == (mu is None):
        raise TypeError(f"{kind} needs either mu or electrons")
    w = w.double()
    if mu is None:
        mu = chemical_potential(w, kind, parameters, electrons, weights)
    else:
        mu = torch.as_tensor(mu, dtype=torch.float64, device=w.device).expand(w.shape[:-1 if weights is None else -2])
    width = torch.as_tensor(parameters[WIDTHS[kind]], dtype=torch.float64, device=w.device)
    width = _levels(width, weights) if width.dim() else width
    u = w - _levels(mu, weights)
    u = u * width if WIDTHS[kind] == "beta" else u / width
    return Occupations(profile(XP, kind, u, int(parameters.get("order", 1))), mu)


def absorbed(A, kind, parameters, weights, potential, how):
    """As _absorbed, of A with the triangle that is read in both places: products with parameters see all of it. What is
    not finite there stays as it is, to fail later, and reaches no parameter's gradient."""
    if weights is None and not any(torch.is_tensor(value) for value in parameters.values()):
        return A, kind, parameters, None
    read = A.tril() if kernels.settings(how).triangle == "lower" else A.triu()
    good = torch.isfinite(read).all(-1).all(-1)[..., None, None]
    clean = full(torch.where(good & torch.isfinite(A), A, torch.zeros_like(A)), how)
    found, *others = _absorbed(clean, kind, parameters, weights, potential)
    matrix, *exponent = found if isinstance(found, tuple) else (found,)
    matrix = torch.where(good, matrix, ops.constant(A))
    return (matrix, *exponent) if exponent else matrix, *others


def _absorbed(A, kind, parameters, weights, potential):
    """(matrix, parameters that are left, what to add to the function): parameters that are tensors go into the matrix.
    potential(kind, parameters, electrons, weights): the chemical potential."""
    parameters = dict(parameters)
    tensors = {name for name, value in parameters.items() if torch.is_tensor(value)}
    real, one = A.real.dtype if A.is_complex() else A.dtype, torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)

    def wide(x):
        x = x if torch.is_tensor(x) else torch.tensor(x, dtype=real, device=A.device)
        return x.to(A.device, real)[..., None, None]
    if kind in WIDTHS:
        name = WIDTHS[kind]
        if ("mu" in parameters) == ("electrons" in parameters):
            raise TypeError(f"{kind} needs either mu or electrons")
        if "electrons" in parameters:
            electrons = parameters.pop("electrons")
            mu = potential(kind, parameters, electrons, weights)
        else:
            mu = parameters.pop("mu")
        each = lambda x: x[..., None] if weights is not None and torch.is_tensor(x) and x.dim() else x  # of k matrices
        width, mu = (wide(each(x)) for x in (parameters[name], mu))
        shifted = A - mu * one
        parameters[name] = 1.0
        return (shifted * width if name == "beta" else shifted / width), kind, {**parameters, "mu": 0.0}, None
    if weights is not None:
        raise TypeError(f"{kind} takes no weights; {', '.join(WIDTHS)} do")
    if "scale" in tensors:
        A = A * wide(parameters.pop("scale"))
    if "minimum" in tensors:
        floor = wide(parameters.pop("minimum")) * one
        scale = parameters.pop("scale", 1.0)
        return A * scale - floor, kind, {**parameters, "minimum": 0.0}, floor
    if "exponent" in tensors:
        exponent, scale = wide(parameters.pop("exponent")), parameters.pop("scale", 1.0)
        return (A * scale, exponent), "power", parameters, None
    if any(torch.is_tensor(value) for value in parameters.values()):
        parameters = {k: v.item() if torch.is_tensor(v) and not v.requires_grad else v for k, v in parameters.items()}
    return A, kind, parameters, None
