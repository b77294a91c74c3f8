"""multiplet.jax.spectral_function against the library's kinds, which mpmath has checked, and eigvalsh_directional.

To be run as test_jax.py.
"""
import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="PyPI's jax is not in this Python")
pytest.importorskip("mpmath", reason="mpmath, the reference, is not in this Python")

import jax.numpy as jnp  # noqa: E402
import multiplet  # noqa: E402
import multiplet.jax as mj  # noqa: E402
from multiplet.jax import spectral  # noqa: E402
from test_jax import DTYPES, at, both_ways, bound, draw, hermitian, same  # noqa: E402

jax.config.update("jax_enable_x64", True)
FUNCTIONS = {"exp": jnp.exp, "tanh": jnp.tanh, "log": jnp.log, "cos": jnp.cos}


def make(spectrum, dtype="float64", seed=0):
    n = len(spectrum)
    wide = "complex128" if np.dtype(dtype).kind == "c" else "float64"
    q = np.linalg.qr(draw(np.random.default_rng(seed), wide, n, n))[0]
    return jnp.asarray(hermitian((q * np.array(spectrum)) @ q.conj().T).astype(dtype))


@pytest.mark.parametrize("gap", [0, 1e-15, 1e-4, 0.5])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name, gap):
    """At every gap, first and second ones, in both directions and in any nesting."""
    a, e, c, p = (make([1.0, 1 + gap, 1 + 2 * gap, 2.3, 2.3], "complex128", seed=k) for k in range(4))
    inner = lambda x, y: (x * y.conj()).sum().real  # noqa: E731

    def products(function):
        slope = jax.grad(lambda a: inner(function(a), p))
        along = lambda a: jax.jvp(function, (a,), (e,))[1]  # noqa: E731
        return (function(a), slope(a), along(a), jax.grad(lambda a: inner(slope(a), e))(a), jax.jvp(slope, (a,), (c,))[1],
                jax.grad(lambda a: inner(along(a), p))(a), jax.jvp(along, (a,), (c,))[1])
    found = jax.jit(lambda: products(lambda a: mj.spectral_function(a, FUNCTIONS[name], order=2)))()
    for k, (x, y) in enumerate(zip(found, jax.jit(lambda: products(lambda a: mj.matrix_function(a, name)))())):
        same(x, np.asarray(y), "complex128", 10 if k < 3 else 100)
    once = jax.grad(lambda a: inner(mj.spectral_function(a, FUNCTIONS[name]), p))(a)
    same(once, np.asarray(found[1]), "complex128")


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type(dtype):
    """With batches, triangles and coefficients that have gradients."""
    a = jnp.stack([make([1.0, 1, 2, 3.5], dtype), make([0.5, 1, 2, 3], dtype, 1)])
    k = jnp.asarray(0.7, a.real.dtype)
    c = jnp.asarray(draw(np.random.default_rng(2), dtype, 2, 4, 4))
    loss = lambda f: lambda a, k: (c * f(a, k)).sum().real  # noqa: E731
    mine = lambda a, k: mj.spectral_function(a, lambda w: jnp.exp(k * w))  # noqa: E731
    theirs = lambda a, k: mj.matrix_function(a, "exp", scale=k)  # noqa: E731
    for x, y in zip(jax.jit(jax.value_and_grad(loss(mine), (0, 1)))(a, k)[1], jax.grad(loss(theirs), (0, 1))(a, k)):
        assert x.dtype == y.dtype
        same(x, np.asarray(y), dtype, 20)
    value, certificate = jax.vmap(lambda a: mj.spectral_function(a, jnp.exp, certificate=True))(a)
    same(value, np.asarray(mj.matrix_function(a, "exp")), dtype, 20)
    assert certificate.status.tolist() == [1, 1] and (certificate.min_gap > 0).all()
    for uplo, part in (("L", jnp.tril), ("U", jnp.triu)):
        same(mj.spectral_function(part(a), jnp.exp, UPLO=uplo), np.asarray(value), dtype, 20)


def test_where_f_does_not_exist():
    a = jnp.stack([make([1.0, 1, 2]), make([-1.0, 1, 2]), jnp.full((3, 3), jnp.nan)])
    with pytest.warns(multiplet.ProblemWarning) as said:
        found = jax.block_until_ready(mj.spectral_function(a, jnp.log))
    assert sorted(str(x.message)[:54] for x in said) == ["spectral_function: matrix 1 of 3 is FUNCTION_UNDEFINED",
                                                         "spectral_function: matrix 2 of 3 is NONFINITE_INPUT: t"]
    assert np.isnan(found[1:]).all()
    value, g = jax.value_and_grad(lambda a: mj.spectral_function(a, jnp.log, failed="zero", notices=False).sum())(a)
    one, alone = jax.value_and_grad(lambda a: mj.matrix_function(a, "log").sum())(a[0])
    same(value, np.asarray(one), "float64")
    same(g, np.stack([alone, *np.zeros((2, 3, 3))]), "float64")
    with pytest.raises(jax.errors.JaxRuntimeError, match="spectral_function: matrix 1 of 3 is FUNCTION_UNDEFINED"):
        jax.block_until_ready(mj.spectral_function(a, jnp.log, failed="raise"))


def test_one_sided_derivatives():
    """Of a double and a triple level, against differences of sorted eigenvalues."""
    for dtype in ("float64", "complex128"):
        a = jnp.stack([make([1.0, 1, 2, 3.5, 3.5, 3.5], dtype, seed) for seed in range(2)])
        d = jnp.stack([make([0.4, -1.0, 2.0, 0.3, 1.0, 1.7], dtype, seed) for seed in (4, 5)])
        first, second = jax.jit(lambda a, d: mj.eigvalsh_directional(a, d, order=2))(a, d)
        w, h = np.linalg.eigvalsh(a), 1e-4
        up, twice = np.linalg.eigvalsh(a + h * d) - w, np.linalg.eigvalsh(a + 2 * h * d) - w
        assert np.allclose(first, (4 * up - twice) / (2 * h), atol=1e-6)
        assert np.allclose(second, (twice - 2 * up) / h ** 2, rtol=1e-2, atol=1e-2)
        same(jax.vmap(mj.eigvalsh_directional)(a, d), np.asarray(first), dtype)
    one = jnp.diag(jnp.array([1.0, 1, 2]))  # a split of second order alone
    e = jnp.zeros((3, 3)).at[0, 2].set(1).at[2, 0].set(1)
    first, second = mj.eigvalsh_directional(one, e, order=2)
    same(first, np.zeros(3), "float64")
    same(second, np.array([-2.0, 0, 2]), "float64")
    simple = make(list(np.arange(30.0)), seed=6)
    d = make(list(np.cos(np.arange(30.0))), seed=7)
    v = np.asarray(mj.eigh(simple)[1])
    assert np.abs(mj.eigvalsh_directional(simple, d) - np.diagonal(v.T @ d @ v)).max() < bound("float64", 0.1)


def test_one_sided_derivatives_as_pytorchs():
    torch = pytest.importorskip("torch")
    mt = pytest.importorskip("multiplet.torch")
    a, d = np.asarray(at("equal", "complex128")), hermitian(draw(np.random.default_rng(8), "complex128", 3, 3))
    theirs = mt.eigvalsh_directional(torch.tensor(a), torch.tensor(d), order=2)
    for x, y in zip(mj.eigvalsh_directional(a, d, order=2), theirs):
        same(x, y.numpy(), "complex128", 10)


def test_what_is_not_there_is_an_error():
    a = jnp.eye(3)
    cube = lambda a: mj.spectral_function(a, lambda w: w ** 3, order=2).sum()  # noqa: E731
    for error, text, call in (
            (NotImplementedError, "first derivatives only unless order=2",
             lambda: jax.hessian(lambda a: mj.spectral_function(a, jnp.exp).sum())(a)),
            (NotImplementedError, "third derivatives", lambda: jax.jacfwd(jax.hessian(cube))(a)),
            (NotImplementedError, "one-sided", lambda: jax.grad(lambda a: mj.eigvalsh_directional(a, a).sum())(a)),
            (NotImplementedError, "one-sided", lambda: jax.jacfwd(lambda d: mj.eigvalsh_directional(a, d))(a)),
            (ValueError, "da has to be an array like a", lambda: mj.eigvalsh_directional(a, a[:2])),
            (ValueError, "elementwise", lambda: mj.spectral_function(a, jnp.sum)),
            (ValueError, "order has to be one of 1, 2", lambda: mj.spectral_function(a, jnp.exp, order=3))):
        with pytest.raises(error, match=text):
            call()


def test_the_host_gives_the_same():
    a, status = draw(np.random.default_rng(9), "complex64", 2, 3, 3), np.array([1, 6], np.int32)
    for failed in (0, 1):
        settings = mj.linalg._settings(jnp.eye(2), "L", None, "nan", True, 1)[1]._replace(failed=failed)
        both_ways(spectral.settled, (a, status), "Ms", {"settings": settings})
