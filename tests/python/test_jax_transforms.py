"""Transforms of multiplet.jax, what is said where something is wrong, and what XLA gets."""
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="PyPI's jax is not in this Python")
pytest.importorskip("mpmath", reason="mpmath, the reference, is not in this Python")

import jax.numpy as jnp  # noqa: E402
import multiplet  # noqa: E402
import multiplet.jax as mj  # noqa: E402
from multiplet import library  # noqa: E402
from multiplet.jax import handlers, operations, rules  # noqa: E402
from test_jax import (FUNCTIONS, POINTS, VALUES, at, basis, both_ways, draw, eigenpairs, exact, hermitian, jax,  # noqa: E402
                      moved_twice, mpmath, numbers, same)


# Transforms

BATCHES = [(), (2,), (1, 3), (0,), (2, 0)]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_batches(batch, dtype):
    rng = np.random.default_rng(7)
    a, c, r = hermitian(draw(rng, dtype, *batch, 4, 4)), draw(rng, dtype, *batch, 4, 4), draw(rng, dtype, *batch, 4, 2)

    def each(f, *arrays):
        one = jax.eval_shape(f, *(jax.ShapeDtypeStruct(x.shape[len(batch):], x.dtype) for x in arrays))
        return np.array([f(*(x[k] for x in arrays)) for k in np.ndindex(*batch)]).reshape((*batch, *one.shape))
    mapped = lambda f: functools.reduce(lambda f, _: jax.vmap(f), batch, f)  # noqa: E731
    for loss in (lambda a, c, r: (c * mj.matrix_function(a, "tanh")).sum().real,
                 lambda a, c, r: mj.eigvalsh(a).prod(-1).sum() + jnp.abs(mj.eigh(a)[1] * c).sum(),
                 lambda a, c, r: (mj.frame(a, r, (0, 2)) * c[..., :2]).sum().real):
        g = jax.grad(loss)
        assert np.array_equal(jax.jit(g)(a, c, r), each(jax.jit(g), a, c, r))
        assert np.array_equal(jax.jit(mapped(g))(a, c, r), each(jax.jit(g), a, c, r))
        assert np.array_equal(g(a, c, r), each(jax.jit(g), a, c, r))
        jvp = lambda a, c, r: jax.jvp(lambda a: loss(a, c, r), (a,), (c,))[1]  # noqa: E731
        assert np.allclose(jax.jit(mapped(jvp))(a, c, r), each(jax.jit(jvp), a, c, r), rtol=1e-4, atol=1e-5)

    def two(a, c):
        return jax.jvp(jax.grad(lambda a: (c * mj.projector(a, (0, 2))).sum().real), (a,), (c,))[1]
    assert np.allclose(jax.jit(mapped(two))(a, c), each(jax.jit(two), a, c), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n", [0, 1])
def test_smallest(n):
    a = jnp.ones((2, n, n))
    w, v = mj.eigh(a)
    assert w.shape == (2, n) and v.shape == (2, n, n) and mj.matrix_function(a, "exp").shape == (2, n, n)
    assert jax.grad(lambda a: mj.eigh(a)[0].sum())(a).shape == a.shape
    assert jax.jvp(mj.eigh, (a,), (a,))[1].eigenvalues.shape == (2, n)
    assert jax.hessian(lambda a: mj.matrix_function(a, "exp").sum())(a).shape == 2 * a.shape


def test_one_array_is_mapped_and_the_others_are_not():
    rng = np.random.default_rng(8)
    a, b = hermitian(rng.standard_normal((3, 3))), rng.standard_normal((5, 3, 2))
    found = jax.vmap(lambda r: mj.frame(a, r, (0, 2)))(b)
    assert np.array_equal(found, np.array([mj.frame(a, r, (0, 2)) for r in b]))
    assert jax.vmap(lambda x: mj.eigvalsh(x), in_axes=1, out_axes=1)(np.stack([a] * 4, 1)).shape == (3, 4)
    w, back = jax.vjp(mj.eigvalsh, a)
    v = np.asarray(mj.eigh(a)[1])
    same(jax.vmap(back)(jnp.eye(3))[0], np.einsum("ik,jk->kij", v, v), "float64")


def test_steps_of_training():
    """In scan, under checkpoint and in a branch; and eager, compiled and mapped give the same."""
    a = jnp.diag(jnp.array([2.0, 1, 1]))
    loss = lambda a: (lambda w, v: ((v * jnp.exp(w)) @ v.T)[0].sum() + w.sum())(*mj.eigh(a))  # noqa: E731
    expected = jax.grad(loss)(a)
    step = lambda a, _: (a - 0.1 * jax.grad(loss)(a), loss(a))  # noqa: E731
    stepped, losses = jax.lax.scan(step, a, None, length=3)
    assert (np.diff(losses) < 0).all()
    same(jax.grad(jax.checkpoint(loss))(a), expected, "float64")
    same(jax.grad(lambda a: jax.lax.cond(a[0, 0] > 0, loss, lambda a: a.sum(), a))(a), expected, "float64")
    once = lambda a, _: (mj.matrix_function(a, "tanh"), None)  # noqa: E731
    same(jax.grad(lambda a: jax.lax.scan(once, a, None, 2)[0].sum())(a),
         jax.grad(lambda a: once(*once(a, None))[0].sum())(a), "float64")
    b = a + jnp.diag(jnp.array([3.0, 1, 0]))
    value, linear = jax.linearize(mj.eigvalsh, b)
    v = mj.eigh(b).eigenvectors
    same(value, np.array([1.0, 2, 5]), "float64")
    same(linear(a), np.diagonal(v.T @ a @ v), "float64")


def test_without_wide_numbers():
    with jax.enable_x64(False):
        a = jnp.asarray(at("equal", "float64"))
        assert a.dtype == "float32"
        (w, v), certificate = jax.jit(functools.partial(mj.eigh, certificate=True))(a)
        assert {x.dtype.name for x in (w, v, *certificate)} == {"float32", "int32"}
        g = jax.grad(lambda a: mj.frame(a, jnp.ones((3, 1)), (1, 3)).sum())(a)
        step = jax.jvp(lambda a: mj.frame(a, jnp.ones((3, 1)), (1, 3)).sum(), (a,), (jnp.ones((3, 3)),))[1]
        same(step, np.asarray(g).sum(), "float32")
        h = jax.hessian(lambda a: mj.projector(a, (1, 3))[0, 1])(a)
        assert h.dtype == "float32" and np.isfinite(h).all()
        assert mj.eigvalsh(np.eye(2, dtype=int)).dtype == "float32"


def test_triangles():
    a = np.random.default_rng(9).standard_normal((4, 4))
    for uplo, part in (("L", np.tril(a)), ("U", np.triu(a))):
        whole = part + part.T - np.diag(np.diag(a))
        same(mj.eigvalsh(a, uplo), np.linalg.eigvalsh(whole), "float64", 10)
        same(mj.eigh(a, UPLO=uplo).eigenvalues, np.linalg.eigvalsh(whole), "float64", 10)
        same(mj.matrix_function(a, "tanh", UPLO=uplo), mj.matrix_function(whole, "tanh"), "float64", 10)


def test_convention_is_the_conjugate_of_pytorchs():
    torch = pytest.importorskip("torch")
    mt = pytest.importorskip("multiplet.torch")
    rng = np.random.default_rng(10)
    a, c, r = at("equal", "complex128"), draw(rng, "complex128", 3, 3), draw(rng, "complex128", 3, 2)
    losses = [lambda m, x, c, r: (c * m.matrix_function(x, "sqrt")).sum(),
              lambda m, x, c, r: (c * m.projector(x, (1, 3))).sum(),
              lambda m, x, c, r: (c[:, :2] * m.frame(x, r, (1, 3))).sum(),
              lambda m, x, c, r: (lambda w, v: (v[:, :1] * v[:, :1].conj().T * c).sum() + w[0])(*m.eigh(x))]
    for loss in losses:
        A = torch.tensor(a, requires_grad=True)
        R = torch.tensor(r, requires_grad=True)
        loss(mt, A, torch.tensor(c), R).real.backward()
        ga, gr = jax.grad(lambda a, r: loss(mj, a, c, r).real, (0, 1))(a, r)
        same(ga, A.grad.numpy().conj(), "complex128", 10)
        assert np.abs(np.asarray(ga).imag).max() > 0.01
        if R.grad is not None:
            same(gr, R.grad.numpy().conj(), "complex128", 10)


# Second derivatives

def smeared(kind, order=1):
    """Occupations at u (Methfessel and Paxton 1989; Marzari and Vanderbilt 1999)."""
    def cold(u):
        x = u + mpmath.sqrt(mpmath.mpf(1) / 2)
        return mpmath.erfc(x) / 2 + mpmath.exp(-x * x) / mpmath.sqrt(2 * mpmath.pi)

    def others(u):
        terms = [(-1) ** m * mpmath.hermite(2 * m - 1, u) / (mpmath.factorial(m) * 4 ** m) for m in range(1, order + 1)]
        return mpmath.erfc(u) / 2 + sum(terms) * mpmath.exp(-u * u) / mpmath.sqrt(mpmath.pi)
    return {"fermi": lambda u: 1 / (mpmath.exp(u) + 1), "cold": cold}.get(kind, others)


EVERY = {  # the parameters, and f in mpmath; of occupations, f of (w - mu) / width
    **{kind: (given, VALUES.get(kind)) for kind, given in FUNCTIONS.items() if kind != "fermi"},
    "power 3": ({"exponent": 3.0}, lambda x: x ** 3), "power -2": ({"exponent": -2.0}, lambda x: x ** -2),
    "softplus": ({"scale": 2.0}, lambda x: mpmath.log1p(mpmath.exp(2 * x))), "xlogx": ({}, lambda x: x * mpmath.log(x)),
    "abs": ({}, abs), "sign": ({}, mpmath.sign), "clamp_min": ({"minimum": 0.75}, lambda x: max(x, mpmath.mpf(0.75))),
    "fermi": ({"beta": 4.0}, smeared("fermi")), "gaussian": ({"sigma": 0.5}, smeared("gaussian", 0)),
    "methfessel_paxton": ({"sigma": 0.5, "order": 2}, smeared("", 2)), "cold": ({"sigma": 0.5}, smeared("cold"))}
OCCUPATIONS = ["fermi", "gaussian", "methfessel_paxton", "cold"]
CASES = [(kind, {"mu": 0.875}) for kind in EVERY] + [(kind, {"electrons": 1.25}) for kind in OCCUPATIONS]


def parameters_of(kind, filling):
    return {**EVERY[kind][0], **(filling if kind in OCCUPATIONS else {})}


def apply_any(kind, filling, a):
    """f(a), to 60 digits."""
    given, f = EVERY[kind]
    w, v = eigenpairs(a)
    if kind == "projector":
        y = [int(1 <= k < 3) for k in range(3)]
    elif kind in OCCUPATIONS:
        width = 1 / mpmath.mpf(given["beta"]) if kind == "fermi" else mpmath.mpf(given["sigma"])
        mu, n = filling.get("mu"), filling.get("electrons")
        if n:
            near = multiplet.occupations(np.array([float(x) for x in w]), kind, **given, **filling).mu
            mu = mpmath.findroot(lambda m: sum(f((x - m) / width) for x in w) - n, mpmath.mpf(float(near)), tol=1e-108)
        y = [f((x - mu) / width) for x in w]
    else:
        y = [f(x) for x in w]
    return v * mpmath.diag(y) * v.H


@functools.lru_cache(maxsize=None)
def second_reference(kind, filling, point, dtype):
    """A matrix, with a negative eigenvalue where the kind has a kink at zero; a cotangent, two directions, and the Hessian
    along these, from 60 digits."""
    rng = np.random.default_rng(20)
    a = at("near" if kind == "projector" and point == "ordinary" else point, dtype)
    if kind in ("abs", "sign"):
        a = a - np.eye(3, dtype=dtype) * np.array(0.875, dtype)
    c, steps = draw(rng, dtype, 3, 3), hermitian(draw(rng, dtype, 2, 3, 3))
    with mpmath.workdps(120):
        f = functools.partial(apply_any, kind, dict(filling))
        return a, c, steps, np.array([[(c * moved_twice(f, a, e, h)).sum().real for h in steps] for e in steps])


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("kind,filling", CASES)
def test_second_derivatives_of_every_kind(kind, filling, dtype):
    """Forward over reverse, reverse over reverse and hessian(), at degenerate, near and simple spectra."""
    wide = dtype.endswith(("64", "128")) and dtype != "complex64"
    name, parameters = kind.split()[0], parameters_of(kind, filling)
    with jax.enable_x64(wide):
        for point in POINTS:
            a, c, steps, expected = second_reference(kind, tuple(filling.items()), point, dtype)
            tolerance = 300 * np.finfo(dtype).eps * np.abs(expected).max()
            loss = lambda a: (c * mj.matrix_function(a, name, **parameters)).sum().real  # noqa: E731
            slope = jax.grad(loss)
            found = [[(np.asarray(moved) * h).sum().real for h in steps]
                     for moved in (jax.jvp(slope, (a,), (e,))[1] for e in steps)]
            assert np.abs(found - expected).max() < tolerance, (point, "jvp of grad")
            found = [[(np.asarray(g) * h).sum().real for h in steps]
                     for g in (jax.grad(lambda a: (slope(a) * e).sum().real)(a) for e in steps)]
            assert np.abs(found - expected).max() < tolerance, (point, "grad of grad")
            moved = lambda x: loss(a + jnp.tensordot(x.astype(dtype), steps, 1))  # noqa: E731
            found = jax.hessian(moved)(jnp.zeros(2, np.finfo(dtype).dtype))
            assert found.dtype == np.finfo(dtype).dtype
            assert np.abs(found - expected).max() < tolerance, (point, "hessian")


def test_every_kind_is_among_them():
    assert {kind.split()[0] for kind, _ in CASES} == set(library.kinds())


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("kind,parameters,at_it,text", [
    ("sqrt", {}, 0.0, "that are zero within rounding"), ("xlogx", {}, 0.0, "that are zero within rounding"),
    ("power", {"exponent": 2.5}, 0.0, "that are zero within rounding"), ("abs", {}, 1e-15, "at the function's kink"),
    ("clamp_min", {"minimum": 2.0}, 2.0, "at the function's kink")])
def test_where_there_is_no_second_derivative(kind, parameters, at_it, text, dtype):
    """An error for such a matrix, or zeros that leave the others as they are; first derivatives go on."""
    a = np.stack([np.diag([1.0, 3, 4]), np.diag([at_it, 3, 4])]).astype(dtype)
    e = np.ones((2, 3, 3), dtype)

    def twice(a, **more):
        slope = jax.grad(lambda a: mj.matrix_function(a, kind, notices=False, **parameters, **more)[..., 1:, 1:].sum().real)
        return jax.block_until_ready(jax.jit(lambda a: jax.jvp(slope, (a,), (e[:len(a)],)))(a))
    for failed in ("nan", "raise"):
        with pytest.raises(jax.errors.JaxRuntimeError, match=f"second derivative of .*: matrix 1 of 2 has eigenvalues {text}"):
            twice(a, failed=failed)
    g, h = twice(a, failed="zero")
    assert np.array_equal(h[1], np.zeros((3, 3))) and np.abs(g[1]).max() > 0.1
    assert np.array_equal(h[0], twice(a[:1])[1][0])


# What is said

def test_certificate_under_transforms():
    a = np.stack([at("equal", "float64"), np.full((3, 3), np.nan), at("ordinary", "float64"), np.full((3, 3), np.inf)])
    with pytest.warns(multiplet.ProblemWarning, match=r"^eigh: matrix 1 of 4 is NONFINITE_INPUT.*\(2 such") as said:
        (w, v), c = jax.block_until_ready(jax.jit(jax.vmap(functools.partial(mj.eigh, certificate=True)))(a))
    assert len(said) == 1
    assert c.status.tolist() == [1, 3, 1, 3] and c.rule.tolist() == [0, 0, 0, 0]
    there = multiplet.eigh(a, failed="zero").certificate
    for name in ("status", "residual", "orthogonality", "min_gap"):
        found = np.asarray(getattr(c, name))
        assert found.shape == (4,) and np.allclose(found[[0, 2]], getattr(there, name)[[0, 2]], atol=2)
    assert np.isnan(w[1]).all() and np.isnan(v[1]).all() and np.isfinite(np.asarray(w)[[0, 2]]).all()
    _, c = jax.jit(lambda a: mj.frame(a, jnp.ones((3, 1)), (0, 1), certificate=True))(a[2])
    assert c.frame_condition > 1 and c.status == 1
    assert jax.grad(lambda a: mj.eigvalsh(a, certificate=True)[1].min_gap)(a[2]).shape == (3, 3)


CALLS = {"eigh": lambda a, **k: mj.eigh(a, **k).eigenvalues.sum(), "eigvalsh": lambda a, **k: mj.eigvalsh(a, **k).sum(),
         "log": lambda a, **k: mj.matrix_function(a, "log", **k).sum(),
         "projector": lambda a, **k: mj.projector(a, (0, 2), **k).sum(),
         "frame": lambda a, **k: mj.frame(a, jnp.ones((3, 1)), (0, 2), **k).sum()}
BAD = {"eigh": np.full((3, 3), np.inf), "eigvalsh": np.full((3, 3), np.nan), "log": -np.eye(3), "projector": np.eye(3),
       "frame": np.eye(3)}


@pytest.mark.parametrize("call", CALLS)
def test_failed_matrices(call):
    """The others are right; theirs are NaN or zero, and so are their gradients and tangents, said once."""
    good = at("ordinary", "float64")
    a = np.stack([good, BAD[call], good])
    for failed, reference in (("nan", np.nan), ("zero", 0.0)):
        f = jax.vmap(lambda x: CALLS[call](x, failed=failed))
        with pytest.warns(multiplet.ProblemWarning, match="matrix 1 of 3") as said:
            values, back = jax.vjp(f, a)
            g, = back(jnp.ones(3))
            steps = jax.block_until_ready(jax.jvp(f, (a,), (np.ones((3, 3, 3)),)))[1]
        assert {str(x.message) for x in said} == {str(said[0].message)} and len(said) == 2
        for found in (values, g, steps):
            found = np.asarray(found)
            assert np.array_equal(found[1], np.full(found[1].shape, reference), equal_nan=True), found
            assert np.isfinite(found[[0, 2]]).all() and np.array_equal(found[0], found[2])
        same(g[0], np.asarray(jax.grad(CALLS[call])(good)), "float64")
        if call in ("log", "projector"):
            h = jax.jvp(jax.grad(lambda a: CALLS[call](a, failed=failed, notices=False)), (a[1],), (good,))[1]
            assert np.array_equal(h, np.full((3, 3), reference), equal_nan=True)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"matrix 1 of 3 is [A-Z_]+: .*\(failed='nan'"):
        jax.block_until_ready(jax.jit(lambda a: jax.vmap(lambda x: CALLS[call](x, failed="raise"))(a))(a))


def gauge_loss(a, **keywords):
    return mj.eigh(a, **keywords).eigenvectors[1, 0]


def spread_loss(a, **keywords):
    return mj.eigh(a, **keywords).eigenvalues[0]


@pytest.mark.parametrize("loss,keyword,category", [
    (gauge_loss, "gauge", multiplet.GaugeWarning),
    (spread_loss, "eigenvalue_cotangents", multiplet.SubgradientWarning)])
def test_warnings(loss, keyword, category):
    """One a backward pass, also of a mapped one; none where all is well or none are wanted; errors on demand."""
    a = jnp.diag(jnp.array([1.0, 1, 4]))
    batch = jnp.stack([at("ordinary", "float64"), a, 2 * a])
    for f, what in ((jax.grad(loss), "of the matrix"), (jax.jit(jax.grad(loss)), "of the matrix")):
        with pytest.warns(category, match=what) as said:
            jax.block_until_ready(f(a))
        assert len(said) == 1
    with pytest.warns(category, match=r"of matrix [12] of 3.*\(2 such matrices in all\)") as said:
        g = jax.block_until_ready(jax.jit(jax.vmap(jax.grad(loss)))(batch))
    assert len(said) == 1 and np.isfinite(g).all()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        jax.block_until_ready(jax.grad(lambda a: loss(a, notices=False))(a))
        jax.block_until_ready(jax.jit(jax.grad(loss))(batch[0]))
    assert not said
    with pytest.raises(jax.errors.JaxRuntimeError, match="the matrix|matrix 0 of 1 is (GAUGE_DEPENDENT|SUBGRADIENT)"):
        jax.block_until_ready(jax.jit(jax.grad(lambda a: loss(a, **{keyword: "error"})))(a))


def test_what_failed_before_breaks_no_rule_later():
    """The zeros of a failed matrix are no multiplet whose cotangents differ."""
    loss = lambda a: spread_loss(a, failed="zero", eigenvalue_cotangents="error", notices=False)  # noqa: E731
    assert np.array_equal(jax.grad(loss)(jnp.full((3, 3), jnp.nan)), np.zeros((3, 3)))


def test_hidden_dependence():
    """On the axes, where the solver's vectors lie, its first derivative sees nothing: the basis is turned."""
    a = jnp.diag(jnp.array([1.0, 1, 4]))
    with pytest.warns(multiplet.GaugeWarning):
        jax.block_until_ready(jax.grad(lambda a: (mj.eigh(a).eigenvectors[:, 0] ** 4).sum())(a))


def test_raw_and_mean():
    a = jnp.diag(jnp.array([1.0, 1, 4]))
    with pytest.warns(multiplet.SubgradientWarning):
        same(jax.grad(spread_loss)(a), np.diag([0.5, 0.5, 0]), "float64")
    raw = jax.grad(lambda a: spread_loss(a, eigenvalue_cotangents="raw"))(a)
    v = jax.linearize(mj.eigh, a)[0].eigenvectors[:, 0]  # as derivatives see it
    same(raw, np.outer(v, v), "float64")


def test_unbiased():
    """The mean over seeds is the gradient of two functions at once, which no form covers; the mean rule's is not."""
    a, c = at("equal", "float64"), np.random.default_rng(11).standard_normal((2, 3, 3))

    def loss(a, **keywords):
        w, v = mj.eigh(a, **keywords)
        return (c[0] * ((v * jnp.exp(w)) @ v.T)).sum() + (c[1] * ((v * w ** 2) @ v.T)).sum()
    exact = jax.grad(lambda a: (c[0] * mj.matrix_function(a, "exp")).sum()
                     + (c[1] * mj.matrix_function(a, "power", exponent=2.0)).sum())(a)
    seeded = jax.grad(lambda a, s: loss(a, eigenvalue_cotangents="unbiased", seed=s))
    g = np.asarray(jax.jit(jax.vmap(seeded, (None, 0)))(a, jnp.arange(4000)))
    assert g.std(0).max() > 0.1 and (np.abs(g.mean(0) - exact) < 5 * g.std(0) / 4000 ** 0.5 + 1e-12).all()
    with pytest.warns(multiplet.SubgradientWarning):
        assert np.abs(jax.grad(loss)(a) - exact).max() > 0.1
    with pytest.raises(TypeError, match="needs a seed"):
        mj.eigh(a, eigenvalue_cotangents="unbiased")


def test_what_is_not_there_is_an_error():
    a = jnp.eye(3) + 0.0
    power = lambda a: mj.matrix_function(a, "exp").sum()  # noqa: E731
    for f, text in ((lambda: jax.hessian(lambda a: mj.eigvalsh(a).sum())(a), "first derivatives only"),
                    (lambda: jax.jacfwd(jax.jacfwd(lambda a: mj.eigvalsh(a).sum()))(a), "first derivatives only"),
                    (lambda: jax.hessian(lambda a: mj.frame(a, jnp.ones((3, 1)), (0, 3)).sum())(a), "first deriv"),
                    (lambda: jax.jacfwd(jax.jacfwd(lambda a: mj.frame(a, jnp.ones((3, 1)), (0, 3)).sum()))(a), "only"),
                    (lambda: jax.jacfwd(jax.hessian(power))(a), "third derivatives"),
                    (lambda: jax.jacrev(jax.hessian(power))(a), "third derivatives"),
                    (lambda: jax.grad(lambda a: jax.jvp(jax.grad(power), (a,), (a,))[1].sum())(a), "third deriv")):
        with pytest.raises(NotImplementedError, match=text):
            f()
    for f, error, text in ((lambda: mj.eigh(jnp.ones((2, 3))), ValueError, "square matrices"),
                           (lambda: mj.eigh(a.astype("float16")), TypeError, "float16"),
                           (lambda: mj.eigh(a, "X"), ValueError, "UPLO"),
                           (lambda: mj.eigh(a, failed="x"), ValueError, "failed"),
                           (lambda: mj.projector(a, (2, 5)), ValueError, "within 0"),
                           (lambda: mj.matrix_function(a, "nonsense"), ValueError, "no matrix function"),
                           (lambda: jax.jit(lambda k: mj.matrix_function(a, "methfessel_paxton", sigma=1.0, mu=0.0,
                                                                         order=k))(1), TypeError, "order is an array"),
                           (lambda: mj.frame(a, jnp.ones((3, 3)), (0, 2)), ValueError, "takes 1 to 2"),
                           (lambda: mj.frame(a, 1j * jnp.ones((3, 1)), (0, 2)), TypeError, "make a complex")):
        with pytest.raises(error, match=text):
            f()


# What XLA gets

def test_only_handlers_of_our_own_are_called():
    a = at("equal", "complex128")
    loss = lambda a: ((lambda w, v: w.sum() + jnp.abs(v[0, 0]))(*mj.eigh(a)) + mj.eigvalsh(a).prod()  # noqa: E731
                      + (mj.matrix_function(a, "exp") + mj.projector(a, (1, 3))).sum().real
                      + mj.frame(a, np.ones((3, 1)), (1, 3)).sum().real)
    text = jax.jit(jax.value_and_grad(loss)).lower(a).as_text()
    assert set(re.findall(r"custom_call @(\w+)", text)) == {handlers.TARGET} and "callback" not in text
    used = set(re.findall(r'handler = "(\w+)"', text))
    assert used == {"eigh", "eigh_backward", "function", "function_backward", "frame", "frame_backward"}
    twice = jax.grad(lambda a: jnp.abs(jax.grad(lambda a: mj.projector(a, (1, 3))[0, 0].real)(a)).sum())
    assert set(re.findall(r'handler = "(\w+)"', jax.jit(twice).lower(a).as_text())) == used - {
        "eigh", "eigh_backward", "frame", "frame_backward"} | {"function_second"}
    text = jax.jit(lambda a: jax.jvp(mj.eigh, (a,), (a,))).lower(a).as_text() + jax.jit(mj.eigvalsh).lower(a).as_text()
    assert set(re.findall(r"custom_call @(\w+)", text)) == {handlers.TARGET} and "callback" not in text
    assert set(re.findall(r'handler = "(\w+)"', text)) == {"eigh", "split", "eigvalsh"}


def test_a_call_that_does_not_fit_is_an_error():
    """Of XLA, with the library's line: of shapes, of attributes, of names, of values."""
    handlers.register()
    a = jnp.eye(3)
    settings = mj.linalg._settings(a, "L", None, "nan", True, 1)[1]
    outputs = [jax.ShapeDtypeStruct(s, d) for s, d in operations.shapes("wMimd", "M", (a,))]

    def call(a=a, outputs=outputs, drop="", **change):
        numbers = {name: np.float64(x) if isinstance(x, float) else np.int64(x)
                   for name, x in {**settings._asdict(), **change}.items() if name not in ("handler", drop)}
        jax.block_until_ready(jax.ffi.ffi_call(handlers.TARGET, outputs)(
            a, handler=change.get("handler", "eigh"), **numbers))
    call()
    for arguments, text in (({"handler": "nonsense"}, "no handler is named"), ({"drop": "tolerance"}, "'tolerance'"),
                            ({"a": jnp.eye(4)}, "do not belong together"),
                            ({"a": jnp.eye(3, dtype=int)}, "do not belong"),
                            ({"outputs": outputs[:2]}, "do not belong"), ({"triangle": 17}, "bad argument, triangle"),
                            ({"outputs": outputs[1:] + outputs[:1]}, "do not belong")):
        with pytest.raises(jax.errors.JaxRuntimeError, match=text):
            call(**arguments)


def test_host_gives_the_same(monkeypatch):
    """The way of other devices, in NumPy, with arrays, statuses and notices to the bit."""
    rng = np.random.default_rng(12)
    a = hermitian(draw(rng, "complex128", 2, 3, 4, 4))
    a[0, 1], a[1, 2] = np.nan, np.eye(4)
    r, c = draw(rng, "complex128", 2, 3, 4, 2), draw(rng, "complex128", 2, 3, 4, 4)
    settings = mj.linalg._settings(a, "L", None, "nan", True, 1)[1]._replace(basis=0)
    function = multiplet.backend.Function("tanh")
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        w, v, ids, marks, _ = rules.eigh(a, operands="M", settings=settings)
    s, jx = marks[..., 0], settings._replace(convention=1)
    calls = [(rules.eigh, (a,), "M", {}), (rules.eigh, (a, np.array([[1, 1, 1], [1, 2, 3]], np.uint32)), "MS", {}),
             (rules.eigvalsh, (a,), "M", {}), (rules.eigh_backward, (w, v, s, w), "wMsw", {"settings": jx}),
             (rules.eigh_backward, (w, v, s, c), "wMsM", {"settings": jx}),
             (rules.eigh_backward, (w, v, s, w, c), "wMswM", {"settings": jx._replace(failed=0)}),
             (rules.function, (a,), "M", {"function": function}),
             (rules.function_along, (w, v, s, c), "wMsM", {"function": function, "settings": jx}),
             (rules.frame, (a, r), "MC", {"index": (1, 3)}),
             (rules.frame_backward, (w, v, s, r, r), "wMsCC", {"index": (1, 3), "settings": jx}),
             (rules.split, (np.array([[0, 1, 0], [0.2, 0, 0]]), w, v, s), "rwMs", {}),
             (rules.function_along, (np.tile([0.0, 0, 1, 2], (2, 3, 1)), v, s, c), "wMsM",
              {"function": multiplet.backend.Function("sqrt"), "settings": jx}),
             (rules.function_second, (w, v, s, c, v), "wMsMM", {"function": function, "settings": jx}),
             (rules.function_second, (w, v, s, c, v), "wMsMM",
              {"function": multiplet.backend.Function("abs"), "settings": settings._replace(failed=0)}),
             (rules.function_second, (np.tile([0.0, 0, 1, 2], (2, 3, 1)), v, s, c, v), "wMsMM",
              {"function": multiplet.backend.Function("sqrt"), "settings": settings._replace(failed=0)})]
    for operation, arrays, letters, static in calls:
        static = {"settings": settings, **static}
        both_ways(operation, arrays, letters, static)
    assert any("callback" in jax.jit(functools.partial(rules.eigh._call_host, operands="M", settings=settings)).lower(
        a).as_text() for _ in "a")


def test_without_handlers(tmp_path):
    """One error that says what to do, and NumPy's functions go on."""
    for path in pathlib.Path(library.load().path).parent.glob("lib*.so"):
        if path.name != handlers.NAME:
            shutil.copy(path, tmp_path)
    done = subprocess.run([sys.executable, "-c", "import numpy as np, multiplet, multiplet.jax as mj\n"
                           "print(multiplet.eigh(np.eye(2)).eigenvalues)\nmj.eigh(np.eye(2))"], capture_output=True,
                          text=True, timeout=100,
                          env={**os.environ, "MULTIPLET_LIBRARY": str(tmp_path / "libmultiplet.so")})
    assert done.stdout == "[1. 1.]\n" and done.returncode == 1
    assert re.search("^multiplet.errors.LibraryNotFound: multiplet.jax has no handlers for XLA: .*install jax first",
                     done.stderr, re.M), done.stderr


def test_threads():
    a = hermitian(np.random.default_rng(13).standard_normal((500, 8, 8)))
    one, two = (mj.eigh(a, threads=k) for k in (1, 2))
    assert np.array_equal(one.eigenvalues, two.eigenvalues) and np.array_equal(one.eigenvectors, two.eigenvectors)


def test_it_ends_quietly():
    """A process that ends while a computation is under way."""
    program = ("import jax, numpy as np, multiplet.jax as mj\n"
               "x = jax.jit(mj.eigh)(np.full((2000, 16, 16), np.nan))\n")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and done.stderr == "", done.stderr
