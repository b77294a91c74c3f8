"""Eigenpairs that stand still, and E = V^H (A - A_0) V, which is zero and moves with A.

With E, a function of A that does not depend on the basis inside a multiplet is written as Taylor's series, of which JAX
makes the first and second derivatives, at any degeneracy: f(w + diag E) and divided differences of f times E_ij.
"""
import jax.numpy as jnp
from jax.interpreters import ad

from . import rules
from .operations import Operation
from .rules import is_zero, zeros_of

THIRD = "third derivatives are not there (take differences of second ones)"

levels = Operation("levels", "wM", lambda a, **static: [rules.eigvalsh(a, **static)[0], jnp.zeros_like(a)])  # w and E


def _eigenpairs(a, **static):
    w, v, _, marks, numbers = rules.eigh(a, **static)
    return [w, v, jnp.zeros_like(a), marks, numbers]


eigenpairs = Operation("eigenpairs", "wMMmd", _eigenpairs)  # w, V, E, and the certificate's
limited = Operation("limited", "M", lambda x, operands, left, why: [x])  # x, made of A, the first operand


def _rule(values_alone):
    def rule(primals, tangents, **static):
        found = w, v, e, *_ = eigenpairs(*primals, **static)
        moved = zeros_of(found)
        if not is_zero(tangents[0]):
            moved[2] = rules.adjoint(v) @ rules.hermitian(tangents[0]) @ v
        return ([w, e], moved[:3:2]) if values_alone else (found, moved)
    return rule


levels.derivative(_rule(True))
eigenpairs.derivative(_rule(False))


@limited.derivative
def _(primals, tangents, *, operands, left, why):
    """x has `left` derivatives by A; `why` says what the next one is."""
    found, (a, x) = limited(*primals, operands=operands, left=left, why=why), primals
    if not left:
        rules.refuse(why, tangents[0])
    step = rules.real_zeros(tangents[1], x)
    return found, limited(a, step, operands=operands, left=max(left - 1, 0), why=why)


@limited.transpose
def _(cotangents, a, x, **static):
    c, = cotangents
    return [None, ad.Zero(x.aval)] if is_zero(c) else [None, *limited(a, c, **static)]
