"""Eigenpairs, matrix functions and frames of Hermitian matrices, in JAX.

Derivatives are those for Hermitian changes of a: of a direction the Hermitian part counts, and the gradient G is
Hermitian, in JAX's convention dL = Re tr(G^T dA). It has both triangles although one triangle of a is read. Forward
and reverse mode, and vmap, in any nesting; second derivatives of matrix_function and projector at any degeneracy. A
derivative that is not there is a NotImplementedError while tracing.

Keywords that are common to several functions:
  UPLO         'L' or 'U', the triangle that is read
  select       some of the eigenpairs, m of n: {"lowest": k}, {"highest": k}, {"index": [start, stop]} or {"range":
               [lo, hi], "at_most": k}, half-open; where there are fewer than n, all of them. Gradients take
               O(n^2 m), from the forward pass's reduction, forward mode the whole spectrum. A range has
               m = at_most columns, and the result one more member, found [*batch]: how many are in it. The rest is zero
  tolerance    the width of a multiplet, relative to ||A||_2; None: what rounding cannot tell apart, 5 sqrt(n) eps
  failed       what a matrix without a result (NaN, a logarithm of a negative spectrum, ...) gives: 'nan', as
               jax.numpy.linalg does, 'zero', or 'raise': jax.errors.JaxRuntimeError when the result is waited for
  certificate  True: (result, Certificate) is returned
  notices      one ProblemWarning a call where matrices failed, and one GaugeWarning or SubgradientWarning a backward
               pass; False: none. Compiled programs have them, too; they cost nothing where all is well
  probe        probe(a), zeros that change nothing, and whose gradient is the backward pass's Report
  threads      of a call; None: OMP_NUM_THREADS, else as many as this process may run on
"""
import typing

import jax
import jax.numpy as jnp

from .. import arguments, library
from ..arrays import _thread_count
from ..backend import FAILED
from . import rules, spectral
from .layout import NUMBERS
from .operations import NAN, RAISE, UNBIASED, ZERO, Settings
from .parameters import absorbed, is_array

TYPES = ("float32", "float64", "complex64", "complex128")


class Eigh(typing.NamedTuple):
    """[*batch, n] ascending, and [*batch, n, n] in columns."""
    eigenvalues: jax.Array
    eigenvectors: jax.Array


class RangeEigh(typing.NamedTuple):
    """[*batch, m], [*batch, n, m], and how many columns are in the range, [*batch] int32."""
    eigenvalues: jax.Array
    eigenvectors: jax.Array
    found: jax.Array


class RangeEigvalsh(typing.NamedTuple):
    """Likewise."""
    eigenvalues: jax.Array
    found: jax.Array


class Report(typing.NamedTuple):
    """The outcome of a backward pass, [*batch] each, as real numbers: see probe()."""
    status: jax.Array
    rule: jax.Array
    gradient_error: jax.Array
    gauge_violation: jax.Array
    cotangent_spread: jax.Array
    null_violation: jax.Array


class Certificate(typing.NamedTuple):
    """The outcome of the forward pass, [*batch] each: as multiplet.backend.Certificate has it. status is a number of
    multiplet.Status; what belongs to gradients is 0 here."""
    status: jax.Array
    rule: jax.Array
    residual: jax.Array
    orthogonality: jax.Array
    min_gap: jax.Array
    gauge_violation: jax.Array
    cotangent_spread: jax.Array
    gradient_error: jax.Array
    frame_condition: jax.Array


def probe(a):
    """A Report of zeros for matrices a [*batch, n, n], to be given to one call as `probe`.

        gradient, report = jax.grad(lambda a, p: loss(*mj.eigh(a, probe=p)), (0, 1))(a, mj.probe(a))

    It changes no value. In reverse mode its cotangent is the outcome of that call's backward pass, under any transform:
    `status` and `rule` are numbers of multiplet.Status and multiplet.library.RULES (0 and 0 where no cotangent reached
    the call), the others as multiplet.backend.Certificate has them. Of a probe that goes into several calls the
    reports are added up. Forward mode has nothing to do with it.
    """
    a = jnp.asarray(a)
    return Report(*(jnp.zeros(a.shape[:-2], jnp.finfo(jnp.result_type(a, jnp.float32)).dtype) for _ in Report._fields))


def eigh(a, UPLO="L", *, select=None, gauge="warn", eigenvalue_cotangents="mean", tolerance=None, failed="nan",
         certificate=False, notices=True, threads=None, seed=None, probe=None):
    """Eigh(eigenvalues, eigenvectors) of a [*batch, n, n], as jax.numpy.linalg.eigh.

    Each column has unit norm, its largest component real and positive. The gradient is finite at repeated eigenvalues.
    What of a loss depends on the arbitrary basis inside a multiplet, or on a phase, has no gradient: it is dropped,
    with one GaugeWarning a backward pass; gauge='error' makes it a jax.errors.JaxRuntimeError. A loss of V f(w) V^H
    has its exact gradient at every gap: that form is recognised. eigenvalue_cotangents, where they differ inside a
    multiplet and no form is certified: 'mean' (one SubgradientWarning), 'raw', 'error', or 'unbiased', an estimate in
    the random basis that `seed`, an integer (traced, too) that has to be another one in each step, draws: its mean
    over seeds is the exact gradient of any loss that depends on no basis. Where derivatives are taken, the vectors
    inside a multiplet are turned by a pseudo-random matrix, so that no loss can hide that it depends on them.
    """
    a, settings = _settings(a, UPLO, tolerance, failed, notices, threads, gauge, eigenvalue_cotangents)
    arrays, letters = with_probe([a, *_seeds(a, settings, seed)], "M" if seed is None else "MS", probe)
    selection = arguments.selection(select)
    if selection:
        w, v, found, _, *report = rules.eigh_selected(*arrays, settings=settings, operands=letters,
                                                      selection=selection)[:6]
        return _with(certificate, RangeEigh(w, v, found) if selection.kind == "range" else Eigh(w, v), report)
    w, v, _, *report = rules.eigh(*arrays, operands=letters, settings=settings)
    return _with(certificate, Eigh(w, v), report)


def eigvalsh(a, UPLO="L", *, select=None, eigenvalue_cotangents="mean", tolerance=None, failed="nan", certificate=False,
             notices=True, threads=None, probe=None):
    """The eigenvalues alone, [*batch, n], ascending; of a range RangeEigvalsh(eigenvalues, found). Vectors are computed
    where derivatives are taken."""
    arguments.choice("eigenvalue_cotangents", eigenvalue_cotangents, ("mean", "raw", "error"))
    a, settings = _settings(a, UPLO, tolerance, failed, notices, threads, spread=eigenvalue_cotangents)
    arrays, letters = with_probe([a], "M", probe)
    selection = arguments.selection(select)
    if selection:
        w, found, _, *report = rules.eigvalsh_selected(*arrays, operands=letters, settings=settings,
                                                       selection=selection)
        return _with(certificate, RangeEigvalsh(w, found) if selection.kind == "range" else w, report)
    w, _, *report = rules.eigvalsh(*arrays, operands=letters, settings=settings)
    return _with(certificate, w, report)


def matrix_function(a, kind, *, UPLO="L", tolerance=None, weights=None, failed="nan", certificate=False, notices=True,
                    threads=None, probe=None, **parameters):
    """f(A) = V f(w) V^H, [*batch, n, n]; kinds and their parameters are those of multiplet.matrix_function.

    Parameters may be numbers, or arrays [*batch], traced, too, which then have gradients (not index and order), and do
    not compile anew when they change. An array `exponent` takes exp(exponent log A), for positive definite A. weights
    [k]: a is [*batch, k, n, n], and one mu is common to k matrices, sum_k weights_k tr f(A_k) = electrons. A matrix
    whose spectrum or parameters leave the function's domain is FUNCTION_UNDEFINED.
    """
    a, settings = _settings(a, UPLO, tolerance, failed, notices, threads)
    arrays, letters, floor = [a], "M", None
    if weights is not None or any(map(is_array, parameters.values())):
        matrix, status, kind, parameters, floor = absorbed(a, kind, parameters, weights, settings)
        arrays, letters = [matrix, status], "Ms"
    function = arguments.function(kind, parameters, a.shape[-1])
    arrays, letters = with_probe(arrays, letters, probe)
    f, _, _, _, *report = rules.function(*arrays, operands=letters, settings=settings, function=function)
    if floor is not None:
        f = f + jnp.where(jnp.asarray(FAILED)[report[0][..., 0]][..., None, None], 0, floor)
    return _with(certificate, f, report)


def spectral_function(a, f, *, order=1, UPLO="L", tolerance=None, failed="nan", certificate=False, notices=True,
                      threads=None):
    """V f(w) V^H, [*batch, n, n], for any smooth f: an elementwise JAX function of the eigenvalues [*batch, n].

    Its gradient is exact at any degeneracy: the divided differences are made of f and of jax.grad of it. Arrays that f
    holds (coefficients, a network's weights) have gradients, too. By a there are first derivatives; with order=2 second
    ones, too, which evaluates f'' 100 times at n^3 numbers for each matrix. A spectrum at which f is not finite is
    FUNCTION_UNDEFINED.
    """
    arguments.choice("order", order, (1, 2))
    a, settings = _settings(a, UPLO, tolerance, failed, notices, threads)
    return _with(certificate, *spectral.spectral_function(a, f, order, settings))


def eigvalsh_directional(a, da, UPLO="L", *, order=1, tolerance=None, failed="nan", notices=True, threads=None):
    """The one-sided derivatives of the eigenvalues of a + t da at t = +0, [*batch, n]; order=2: (first, second).

    Inside a multiplet with vectors V_c, those are the eigenvalues of V_c^H da V_c, ascending: the branches into which
    the direction da splits it. The second ones belong to the same branches. They are no linear function of da, and no
    gradient can be made of them; differentiating them is an error.
    """
    arguments.choice("order", order, (1, 2))
    a, settings = _settings(a, UPLO, tolerance, failed, notices, threads)
    if jnp.shape(da) != a.shape or jnp.iscomplexobj(da) and not jnp.iscomplexobj(a):
        raise ValueError(f"da has to be an array like a, {list(a.shape)} of {a.dtype}")
    first, second = spectral.directional(a, jnp.asarray(da, a.dtype), operands="MM", settings=settings)
    return first if order == 1 else (first, second)


def projector(a, index, **keywords):
    """V_s V_s^H [*batch, n, n] of eigenvectors s = index[0] ... index[1] - 1; keywords as of matrix_function.

    Multiplets inside the range are allowed; a range that cuts a multiplet has no projector: SPLIT_MULTIPLET.
    """
    return matrix_function(a, "projector", index=index, **keywords)


def frame(a, reference, index, *, UPLO="L", tolerance=None, failed="nan", certificate=False, notices=True,
          threads=None, probe=None):
    """P R (R^H P R)^(-1/2), P = projector(a, index) and R = reference, [n, c] or [*batch, n, c]: [*batch, n, c].

    The smooth replacement for eigenvectors inside a multiplet. 1 <= c <= index[1] - index[0]. Differentiable by a and
    R.
    """
    a, settings = _settings(a, UPLO, tolerance, failed, notices, threads)
    n, reference = a.shape[-1], jnp.asarray(reference)
    index = arguments.index_range(index, n)
    if reference.ndim < 2 or reference.shape[-2] != n:
        raise ValueError(f"frame: reference has to be [{n}, c] or [*batch, {n}, c], not {list(reference.shape)}")
    if not 1 <= reference.shape[-1] <= index[1] - index[0]:
        raise ValueError(f"frame: reference has {reference.shape[-1]} columns; index {index} takes 1 to "
                         f"{index[1] - index[0]}")
    if jnp.iscomplexobj(reference) and not jnp.iscomplexobj(a):
        raise TypeError(f"frame: reference is {reference.dtype} and a {a.dtype}: make a complex")
    reference = jnp.broadcast_to(reference.astype(a.dtype), (*a.shape[:-2], *reference.shape[-2:]))
    arrays, letters = with_probe([a, reference], "MC", probe)
    f, _, _, _, *report = rules.frame(*arrays, operands=letters, settings=settings, index=index)
    return _with(certificate, f, report)


def _settings(a, UPLO, tolerance, failed, notices, threads, gauge="warn", spread="mean"):
    """a as an array, and the Settings of a call."""
    a = jnp.asarray(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"a has to be square matrices, [*batch, n, n], not {list(a.shape)}")
    if a.dtype.kind in "biu":
        a = a.astype(jnp.result_type(float))
    if a.dtype.name not in TYPES:
        raise TypeError(f"a is {a.dtype}; it has to be {', '.join(TYPES[:-1])} or {TYPES[-1]}")
    arguments.choice("UPLO", UPLO, "LU")
    arguments.choice("failed", failed, ("nan", "zero", "raise"))
    arguments.choice("gauge", gauge, ("warn", "error"))
    arguments.choice("eigenvalue_cotangents", spread, arguments.SPREADS)
    arguments.check_tolerance(tolerance)
    return a, Settings(triangle=library.TRIANGLES["lower" if UPLO == "L" else "upper"],
                       tolerance=float(tolerance or 0), gauge=int(gauge == "error"),
                       spread=library.SPREADS[arguments.SPREADS[spread]], threads=threads or _thread_count(),
                       failed={"nan": NAN, "zero": ZERO, "raise": RAISE}[failed], notices=int(notices))


def with_probe(arrays, letters, probe):
    """Operands, the matrix first, and their letters."""
    if probe is None:
        return arrays, letters
    a, probe = arrays[0], Report(*probe)
    real = jnp.finfo(a.dtype).dtype
    rows = [jnp.broadcast_to(jnp.asarray(x, real), a.shape[:-2]) for x in probe]
    return [*arrays, jnp.stack(rows, -1)], letters + "P"


def _seeds(a, settings, seed):
    """[*batch], or nothing."""
    if seed is None:
        if settings.spread == UNBIASED:
            raise TypeError("eigenvalue_cotangents='unbiased' needs a seed, another one in each step")
        return []
    return [jnp.broadcast_to(jnp.asarray(seed).astype(jnp.uint32), a.shape[:-2])]


def _with(certificate, result, report):
    if not certificate:
        return result
    marks, numbers = report
    rows = {name: numbers[..., k] for k, name in enumerate(NUMBERS)}
    return result, Certificate(status=marks[..., 0], rule=marks[..., 1], **rows)
