"""Functions of matrices given as JAX functions, and derivatives of eigenvalues along a direction."""
import jax.numpy as jnp

from ..backend import FAILED, resolution
from ..status import Status
from . import differences, rules
from .levels import THIRD, eigenpairs, limited
from .operations import SOLVER, ZERO, Operation
from .rules import adjoint, hermitian, is_zero, refuse, spoil, zeros_of

ONE_SIDED = "one-sided derivatives of eigenvalues have none (take those of matrix_function or spectral_function)"
FIRST = "spectral_function has first derivatives only unless order=2 is asked for"

settled = Operation("settled", "Mmd")  # the matrix, and what became of it, of a status that is known before


@settled.derivative
def _(primals, tangents, *, operands, settings):
    found = settled(*primals, operands=operands, settings=settings)
    step = tangents[0]
    return found, [step if is_zero(step) else spoil(step, found[1][..., 0], settings), *zeros_of(found[1:])]


def spectral_function(a, f, order, settings):
    """V (f(w) + sum_ij f[w_i, w_j] E_ij + sum_ikj f[w_i, w_k, w_j] E_ik E_kj) V^H at E = 0, and [marks, numbers]."""
    w, v, e, marks, numbers = eigenpairs(a, operands="M", settings=settings._replace(notices=0, failed=ZERO))
    e, = limited(a, e, operands="AM", left=order, why=FIRST if order == 1 else THIRD)
    status, values = marks[..., 0], f(w)
    if values.shape != w.shape:
        raise ValueError(f"spectral_function: f made {list(values.shape)} of eigenvalues {list(w.shape)}; it has to be "
                         "elementwise")
    solved = ~jnp.asarray(FAILED)[status]
    good = solved & jnp.isfinite(values).all(-1)
    at = jnp.where(good[..., None], w, 1)  # of others: anything finite

    def kept(x):
        return jnp.where(good.reshape(*good.shape, *(x.ndim - good.ndim) * [1]), x, 0).astype(a.dtype)
    inner = kept(f(at))[..., None] * jnp.eye(a.shape[-1], dtype=a.dtype) + kept(differences.first(f, at)[0]) * e
    if order == 2:
        inner += jnp.einsum("...ikj,...ik,...kj->...ij", kept(differences.second(f, at)), e, e)
    status = jnp.where(solved & ~good, int(Status.FUNCTION_UNDEFINED), status).astype(jnp.int32)
    found, marks, _ = settled(hermitian(v @ inner @ adjoint(v)), status, operands="Ms", settings=settings)
    return found, [marks, numbers]


def _blocks(c, ids, settings):
    """The eigenvalues, ascending in each, of the Hermitian blocks that `ids` numbers in ascending order, and vectors:
    those of a matrix whose blocks have been shifted out of one another's reach."""
    c = jnp.where(ids[..., :, None] == ids[..., None, :], hermitian(c), 0)
    reach = 3 * jnp.sqrt(jnp.sum(jnp.abs(c) ** 2, (-2, -1)))[..., None]
    shifted = c + (reach * ids)[..., None] * jnp.eye(c.shape[-1], dtype=c.dtype)
    _, turn, *_ = rules.eigh(shifted.astype(c.dtype), operands="M", settings=settings)
    return jnp.sum((jnp.conj(turn) * (c @ turn)).real, -2), turn


def _directional(a, da, *, operands, settings):
    del operands
    w, v, ids, marks, _ = rules.eigh(a, operands="M", settings=settings._replace(basis=SOLVER))
    quiet, n = settings._replace(notices=0, failed=ZERO, tolerance=0.0, basis=SOLVER), a.shape[-1]
    c = adjoint(v) @ hermitian(da) @ v
    first, turn = _blocks(c, ids, quiet)
    c, same = adjoint(turn) @ c @ turn, ids[..., :, None] == ids[..., None, :]
    share = same.astype(w.dtype)
    middle = (share @ w[..., None])[..., 0] / share.sum(-1)
    across = jnp.where(same, 0, c)  # [k, i], of another multiplet than i
    apart = jnp.where(same, 1, middle[..., None, :] - w[..., :, None])
    bend = 2 * adjoint(across) @ (across / apart)
    width = resolution(n, jnp.finfo(w.dtype).eps) * jnp.sqrt(jnp.sum(jnp.abs(hermitian(da)) ** 2, (-2, -1)))
    new = (ids[..., 1:] != ids[..., :-1]) | (first[..., 1:] - first[..., :-1] > width[..., None])
    parts = jnp.cumsum(jnp.concatenate([jnp.zeros_like(ids[..., :1]), new.astype(ids.dtype)], -1), -1)
    second, _ = _blocks(bend, parts, quiet)
    return [spoil(x, marks[..., 0], settings) for x in (first, second)]


directional = Operation("directional", "ww", _directional)


@directional.derivative
def _(primals, tangents, **static):
    refuse(ONE_SIDED, *tangents)
    found = directional(*primals, **static)
    return found, zeros_of(found)
