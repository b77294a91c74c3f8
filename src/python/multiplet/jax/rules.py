"""The operations, and how each is differentiated.

f(A) moves along dA by V (f[w_i, w_j] o V^H dA V) V^H. That map of dA is its own adjoint, so one operation, the
library's backward pass, serves both directions: transposed in JAX's sense (without a conjugate) it is itself in JAX's
convention. Its derivative by A is a map of two directions, linear and symmetric in them; transposed it is itself, too,
with the other direction conjugated.

Eigenpairs and frames have a tangent in JAX's own arithmetic, whose transpose is the library's backward pass: the
adjoint with rounding, forms and multiplets seen to. Of these two there are no further derivatives.

In what the operations take, the eigenpairs w and v of functions and frames are made of A and have no derivatives of
their own; A itself is handed on for that.
"""
import jax
import jax.numpy as jnp
from jax.interpreters import ad

from ..backend import FAILED, Function
from .operations import FAIL, JAX, MEAN, NAN, TORCH, TURNED, Operation

NOISE = 8  # entries of a direction below this times eps ||dA||_F are dropped between the vectors
AGAIN = ("eigenpairs and frames have first derivatives only (use multiplet.jax.matrix_function or projector, which "
         "have second ones: sum f(w) is the trace of f(A), and a frame is P R (R^H P R)^(-1/2))")


def is_zero(x):
    return type(x) is ad.Zero


def zeros_of(arrays):
    return [ad.Zero(jax.typeof(x).to_tangent_aval()) for x in arrays]


def real_zeros(x, like):
    return jnp.zeros_like(like) if is_zero(x) else x


def refuse(why, *tangents):
    if not all(map(is_zero, tangents)):
        raise NotImplementedError(f"multiplet.jax has no derivative here: {why}")


def hermitian(x):
    return (x + adjoint(x)) / 2


def adjoint(x):
    return jnp.conj(jnp.swapaxes(x, -1, -2))


def spoil(x, status, settings):
    """Of failed matrices NaN, or zero."""
    bad = jnp.asarray(FAILED)[status].reshape(*status.shape, *(x.ndim - status.ndim) * [1])
    return jnp.where(bad, jnp.asarray(jnp.nan if settings.failed == NAN else 0, x.dtype), x)


def steps_of(primals, tangents, operands):
    """What moves: the directions da, and dp of a probe P whose cotangent is asked for; and their letters."""
    if operands[-1] == "P" and not is_zero(tangents[-1]):
        return [real_zeros(tangents[0], primals[0]), tangents[-1]], "MP"
    return ([], "") if is_zero(tangents[0]) else ([tangents[0]], "M")


def cotangents_of(linear, found):
    """Of da, dp, ...: those that are asked for of what a backward pass found; None for zeros."""
    return [None if not ad.is_undefined_primal(x) else ad.Zero(x.aval) if found is None else g
            for x, g in zip(linear, found or linear)]


def flipped(settings):
    return settings._replace(convention=TORCH if settings.convention == JAX else JAX)


# Eigenpairs

eigh = Operation("eigh", "wMimd")
eigvalsh = Operation("eigvalsh", "wimd")
eigh_backward = Operation("eigh_backward", "Mq")
split = Operation("split", "wM")


def _along(vectors):
    def run(w, v, status, ids, da, *, operands, settings):
        """The derivatives of w and v: see multiplet/torch/forward.py."""
        del operands
        da = hermitian(da)
        c = adjoint(v) @ da @ v
        same = ids[..., :, None] == ids[..., None, :]
        size = jnp.sqrt(jnp.sum(jnp.abs(da) ** 2, (-2, -1)))[..., None, None]
        eps, tiny = jnp.finfo(w.dtype).eps, jnp.finfo(w.dtype).tiny
        moved = diagonal = jnp.diagonal(c, axis1=-2, axis2=-1).real
        if settings.spread in (MEAN, FAIL):
            share = same.astype(w.dtype)
            moved = (share @ diagonal[..., None])[..., 0] / share.sum(-1)
        turned = c
        if vectors:
            apart = jnp.where(same, 1, w[..., None, :] - w[..., :, None])
            turned = v @ jnp.where(same | (jnp.abs(c) <= NOISE * eps * size), 0, c / apart)
        if settings.notices or settings.gauge:
            apart = jnp.where(jnp.eye(w.shape[-1], dtype=bool), jnp.abs(diagonal - moved)[..., None], jnp.abs(c))
            inside = jnp.where(same, apart, 0) / jnp.maximum(size, tiny)
            moved, turned = split(inside.max((-2, -1), initial=0), moved, turned, status, operands="rwMs",
                                  settings=settings)
        return [spoil(moved, status, settings), spoil(turned, status, settings)][:1 + vectors]
    return run


eigh_along = Operation("eigh_along", "wM", _along(True))
eigvalsh_along = Operation("eigvalsh_along", "w", _along(False))


def _eigh_rule(values_alone):
    def rule(primals, tangents, *, operands, settings):
        settings = settings._replace(basis=TURNED)
        w, v, ids, marks, numbers = eigh(*primals, operands=operands, settings=settings)
        found = [w, ids, marks, numbers] if values_alone else [w, v, ids, marks, numbers]
        moved = zeros_of(found)
        steps, letters = steps_of(primals, tangents, operands)
        if steps:
            along = eigvalsh_along if values_alone else eigh_along
            turns = along(w, v, marks[..., 0], ids, *steps, operands="wMsi" + letters, settings=settings)
            moved[:len(turns)] = turns
        return found, moved
    return rule


eigh.derivative(_eigh_rule(False))
eigvalsh.derivative(_eigh_rule(True))


def _along_rule(along):
    @along.derivative
    def derivative(primals, tangents, **static):
        refuse(AGAIN, *tangents[:2])
        steps = (real_zeros(x, like) for x, like in zip(tangents[4:], primals[4:]))
        return along(*primals, **static), along(*primals[:4], *steps, **static)

    @along.transpose
    def transpose(cotangents, w, v, status, ids, *linear, operands, settings):
        del ids, operands
        given, found = [(x, letter) for x, letter in zip(cotangents, "wM") if not is_zero(x)], None
        if given:
            found = eigh_backward(w, v, status, *(x for x, _ in given), operands="wMs" + "".join(y for _, y in given),
                                  settings=settings._replace(convention=JAX))
        return [None] * 4 + cotangents_of(linear, found)


_along_rule(eigh_along)
_along_rule(eigvalsh_along)


@eigh_backward.derivative
def _(primals, tangents, **static):
    refuse(AGAIN, *tangents[:2])
    given = [real_zeros(x, like) for x, like in zip(tangents[3:], primals[3:])]
    found = eigh_backward(*primals, **static)
    return found, eigh_backward(*primals[:3], *given, **static)[:1] + zeros_of(found[1:])


# Some of the eigenpairs. Along a direction they move with the whole spectrum; the transpose of that is the library's
# backward pass from the forward pass's factors.

eigh_selected = Operation("eigh_selected", "xCfjmdMtwww")
eigvalsh_selected = Operation("eigvalsh_selected", "xfjmd")
eigh_selected_backward = Operation("eigh_selected_backward", "Mq")


def _selected_along(a, w, v, status, found, reflectors, tau, diagonal, offdiagonal, spectrum, da, *, operands, settings,
                    selection):
    """The derivatives of w and v. Inside a multiplet v is the whole spectrum's basis there, turned."""
    del operands, reflectors, tau, diagonal, offdiagonal
    n, m = a.shape[-1], w.shape[-1]
    values, vectors, ids, _, _ = eigh(a, operands="M", settings=settings._replace(notices=0, failed=NAN, basis=TURNED))
    moved, turned = _along(True)(values, vectors, status, ids, da, operands="", settings=settings)
    start = {"lowest": 0, "highest": n - m, "index": min(selection.index[0], n)}.get(selection.kind)
    first = jnp.sum(spectrum < selection.range[0], -1) if start is None else jnp.full(found.shape, start)
    there = jnp.arange(m) < found[..., None]
    place = (jnp.arange(n)[:, None] == first[..., None, None] + jnp.arange(m)) & there[..., None, :]
    number = jnp.sum(jnp.where(place, ids[..., :, None], 0), -2, keepdims=True)
    inside = (ids[..., :, None] == number) & there[..., None, :]
    turned = turned @ jnp.where(inside, adjoint(vectors) @ v, 0)
    moved = jnp.sum(jnp.where(place, moved[..., :, None], 0), -2)
    if settings.spread not in (MEAN, FAIL):
        moved = jnp.where(there, jnp.sum((jnp.conj(v) * (hermitian(da) @ v)).real, -2), 0)
    return [spoil(moved, status, settings), spoil(turned, status, settings)]


eigh_selected_along = Operation("eigh_selected_along", "xC", _selected_along)
ALONG = "MxCsfMtwww"  # and directions


def _selected_rule(values_alone):
    def rule(primals, tangents, *, operands, settings, selection):
        settings = settings._replace(basis=TURNED)
        w, v, found, ids, marks, numbers, *factors = eigh_selected(*primals, operands=operands, settings=settings,
                                                                   selection=selection)
        made = [w, found, ids, marks, numbers] if values_alone else [w, v, found, ids, marks, numbers, *factors]
        moved = zeros_of(made)
        steps, letters = steps_of(primals, tangents, operands)
        if steps:
            turns = eigh_selected_along(primals[0], w, v, marks[..., 0], found, *factors, *steps,
                                        operands=ALONG + letters, settings=settings, selection=selection)
            moved[:2 - values_alone] = turns[:2 - values_alone]
        return made, moved
    return rule


eigh_selected.derivative(_selected_rule(False))
eigvalsh_selected.derivative(_selected_rule(True))


@eigh_selected_along.derivative
def _(primals, tangents, **static):
    refuse(AGAIN, *tangents[:10])
    steps = (real_zeros(x, like) for x, like in zip(tangents[10:], primals[10:]))
    return eigh_selected_along(*primals, **static), eigh_selected_along(*primals[:10], *steps, **static)


@eigh_selected_along.transpose
def _(cotangents, a, w, v, status, found, *others, operands, settings, selection):
    del a, operands
    factors, linear = others[:5], others[5:]
    given, found = [(x, letter) for x, letter in zip(cotangents, "xC") if not is_zero(x)], None
    if given:
        found = eigh_selected_backward(
            w, v, status, *(x for x, _ in given), *factors, operands=f"xCs{''.join(y for _, y in given)}Mtwww",
            settings=settings._replace(convention=JAX), selection=selection)
    return [None] * 10 + cotangents_of(linear, found)


@eigh_selected_backward.derivative
def _(primals, tangents, **static):
    refuse(AGAIN, *tangents[:2], *tangents[-5:])
    given = [real_zeros(x, like) for x, like in zip(tangents[3:-5], primals[3:-5])]
    found = eigh_selected_backward(*primals, **static)
    moved = eigh_selected_backward(*primals[:3], *given, *primals[-5:], **static)
    return found, moved[:1] + zeros_of(found[1:])


# Functions

function = Operation("function", "MwMimd")
function_along = Operation("function_backward", "M")
function_reported = Operation("function_reported", "Mq")
function_second = Operation("function_second", "M")


@function.derivative
def _(primals, tangents, *, operands, **static):
    found = function(*primals, operands=operands, **static)
    moved = zeros_of(found)
    steps, letters = steps_of(primals, tangents, operands)
    if steps:
        _, w, v, _, marks, _ = found
        moved[:1] = function_along(primals[0], w, v, marks[..., 0], *steps, operands="AwMs" + letters, **static)
    return found, moved

@function_along.derivative
def _(primals, tangents, *, operands, settings, function):
    if operands[-1] == "P":  # which changes no value
        primals, tangents, operands = primals[:-1], tangents[:-1], operands[:-1]
    static = {"settings": settings, "function": function}
    found, parts = function_along(*primals, operands=operands, **static), []
    if not is_zero(tangents[4]):
        parts += function_along(*primals[:4], tangents[4], operands=operands, **static)
    if not is_zero(tangents[0]):
        turned = jnp.conj(tangents[0]) if settings.convention == JAX else tangents[0]
        parts += function_second(*primals, turned, operands="AwMsMM", **static)
    return found, [sum(parts[1:], parts[0])] if parts else zeros_of(found)


@function_along.transpose
def _(cotangents, a, w, v, status, *linear, operands, settings, function):
    backward, found = function_reported if operands[-1] == "P" else function_along, None
    if not is_zero(cotangents[0]):
        found = backward(a, w, v, status, cotangents[0], operands="AwMsM", settings=flipped(settings),
                         function=function)
    return [None] * 4 + cotangents_of(linear, found)


@function_reported.derivative
def _(primals, tangents, **static):
    found = function_reported(*primals, **static)
    _, moved = ad.primitive_jvps[function_along.primitive](primals, tangents, **static)
    return found, moved + zeros_of(found[1:])


@function_second.derivative
def _(primals, tangents, **static):
    refuse("third derivatives are not there (take differences of second ones)", tangents[0])
    found, parts = function_second(*primals, **static), []
    for one, other in ((tangents[4], primals[5]), (tangents[5], primals[4])):
        if not is_zero(one):
            parts += function_second(*primals[:4], one, other, **static)
    return found, [sum(parts[1:], parts[0])] if parts else zeros_of(found)


@function_second.transpose
def _(cotangents, a, w, v, status, e, c, *, settings, **static):
    by_e = ad.is_undefined_primal(e)
    wanted, given = (e, c) if by_e else (c, e)
    found = [ad.Zero(wanted.aval)]
    if not is_zero(cotangents[0]):
        found = function_second(a, w, v, status, cotangents[0], jnp.conj(given), settings=flipped(settings), **static)
    return [None] * 4 + (found + [None] if by_e else [None] + found)


# Frames

frame = Operation("frame", "CwMimd")
frame_backward = Operation("frame_backward", "MCq")


def _frame_along(w, v, status, r, da, dr, *, operands, settings, index):
    """The derivative of P R S^(-1/2), S = R^H P R = Z^H Z with Z = V_s^H R: see multiplet/torch/forward.py."""
    del operands
    narrow = r.dtype
    step, = function_along(v, w, v, status, da, operands="AwMsM", settings=settings,
                           function=Function("projector", index=index))
    v = v[..., index[0]:index[1]]
    if jax.config.jax_enable_x64:  # what is made of S loses the square of the frame's condition
        wide = jnp.complex128 if jnp.iscomplexobj(r) else jnp.float64
        v, r, step, dr = (x.astype(wide) for x in (v, r, step, dr))
    bad = jnp.asarray(FAILED)[status][..., None, None]
    v = jnp.where(bad, 0, v)
    moved = v @ (adjoint(v) @ dr) + step @ r  # dP R + P dR
    z, dz = adjoint(v) @ r, adjoint(v) @ moved
    _, root, wh = jnp.linalg.svd(z, full_matrices=False)
    inverse = (adjoint(wh) / root[..., None, :]) @ wh
    rows, columns = root[..., :, None], root[..., None, :]
    ds = wh @ (adjoint(z) @ dz) @ adjoint(wh)
    turned = adjoint(wh) @ (-(ds + adjoint(ds)) / (rows * columns * (rows + columns))) @ wh  # of S^(-1/2)
    found = (moved - v @ dz) @ inverse + v @ (dz @ inverse + z @ turned)
    return [spoil(found.astype(narrow), status, settings)]


frame_along = Operation("frame_along", "C", _frame_along)


@frame.derivative
def _(primals, tangents, *, operands, settings, index):
    found = frame(*primals, operands=operands, settings=settings, index=index)
    moved = zeros_of(found)
    if not all(map(is_zero, tangents)):
        a, r, *_ = primals
        _, w, v, _, marks, _ = found
        steps = [real_zeros(x, like) for x, like in zip(tangents, primals)]
        moved[:1] = frame_along(a, w, v, marks[..., 0], r, *steps, operands="AwMsC" + operands, settings=settings,
                                index=index)
    return found, moved


@frame_along.derivative
def _(primals, tangents, **static):
    refuse(AGAIN, tangents[0], tangents[4])
    steps = (real_zeros(x, like) for x, like in zip(tangents[5:], primals[5:]))
    return frame_along(*primals, **static), frame_along(*primals[:5], *steps, **static)


@frame_along.transpose
def _(cotangents, a, w, v, status, r, *linear, operands, settings, index):
    del operands
    found = None
    if not is_zero(cotangents[0]):
        found = frame_backward(a, w, v, status, r, cotangents[0], operands="AwMsCC", index=index,
                               settings=settings._replace(convention=JAX))
    return [None] * 5 + cotangents_of(linear, found)


@frame_backward.derivative
def _(primals, tangents, **static):
    refuse(AGAIN, tangents[0], tangents[4])
    found = frame_backward(*primals, **static)
    if is_zero(tangents[5]):
        return found, zeros_of(found)
    return found, frame_backward(*primals[:5], tangents[5], **static)[:2] + zeros_of(found[2:])
