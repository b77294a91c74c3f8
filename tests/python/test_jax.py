"""multiplet.jax against 40 digits (differences in mpmath), its transforms, and what is said where something is wrong.

By hand where JAX is no package of the gate's Python (handlers: cmake -DXLA_FFI_INCLUDE_DIR=$(python -c "import jax;
print(jax.ffi.include_dir())")):

    PYTHONPATH=src/python:tests/cli MULTIPLET=build/bin/multiplet python -m pytest tests/python/test_jax.py
"""
import functools
import pathlib
import warnings

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="PyPI's jax is not in this Python")
mpmath = pytest.importorskip("mpmath", reason="mpmath, the reference, is not in this Python")

import jax.numpy as jnp  # noqa: E402
import multiplet  # noqa: E402
import multiplet.jax as mj  # noqa: E402
from multiplet import library  # noqa: E402
from multiplet.jax import handlers, operations, rules  # noqa: E402

if not pathlib.Path(library.load().path).with_name(handlers.NAME).exists():
    pytest.skip(f"{handlers.NAME} was not built: jaxlib's header was not found", allow_module_level=True)

jax.config.update("jax_enable_x64", True)
mpmath.mp.dps = 60

DTYPES = ["float32", "float64", "complex64", "complex128"]
POINTS = {"ordinary": [0.5, 1.1, 1.9], "near": [0.5, 1.1, 1.1 + 1e-9], "equal": [0.5, 1.1, 1.1]}
FUNCTIONS = {"exp": {"scale": -0.7}, "log": {}, "sqrt": {}, "inv_sqrt": {"scale": 1.5}, "inverse": {},
             "power": {"exponent": 1.7}, "tanh": {}, "sin": {}, "cos": {}, "fermi": {"beta": 3.0, "mu": 1.0},
             "projector": {"index": (1, 3)}}
VALUES = {"exp": lambda x: mpmath.exp(mpmath.mpf(-0.7) * x), "log": mpmath.log, "sqrt": mpmath.sqrt,
          "inv_sqrt": lambda x: 1 / mpmath.sqrt(mpmath.mpf(1.5) * x), "inverse": lambda x: 1 / x,
          "power": lambda x: x ** mpmath.mpf(1.7), "tanh": mpmath.tanh, "sin": mpmath.sin, "cos": mpmath.cos,
          "fermi": lambda x: 1 / (mpmath.exp(3 * (x - 1)) + 1)}


def bound(dtype, factor=1.0):
    return factor * (2e-13 if np.dtype(dtype).itemsize // (1 + (np.dtype(dtype).kind == "c")) == 8 else 1e-4)


def draw(rng, dtype, *shape):
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape)).astype(dtype) if np.dtype(dtype).kind == "c" else x.astype(dtype)


def hermitian(x):
    return (x + x.conj().swapaxes(-1, -2)) / 2


def at(point, dtype, seed=0):
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(draw(rng, dtype, 3, 3).astype(np.complex128 if np.dtype(dtype).kind == "c" else float))[0]
    return hermitian((q * POINTS[point]) @ q.conj().T).astype(dtype)


def basis(dtype, n=3):
    """Of the Hermitian matrices, as real numbers move them."""
    for i in range(n):
        for j in range(i + 1):
            for unit in [1, 1j] if np.dtype(dtype).kind == "c" and i != j else [1]:
                e = np.zeros((n, n), dtype)
                e[i, j], e[j, i] = unit, np.conj(unit)
                yield e


def both_ways(operation, arrays, letters, static):
    """The handler and the host give the same bits, and say the same."""
    found = []
    for way in (operation._call_handler, operation._call_host):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            out = jax.block_until_ready(jax.jit(functools.partial(way, operands=letters, **static))(*arrays))
        found.append([*map(np.asarray, out), [(x.category, str(x.message)) for x in said]])
    for x, y in zip(*found):
        assert np.array_equal(x, y, equal_nan=True) if isinstance(x, np.ndarray) else x == y, (operation.name, x, y)


# The reference

def exact(x):
    return mpmath.matrix(np.asarray(x, np.complex128 if np.iscomplexobj(x) else float).tolist())


def eigenpairs(a):
    w, v = mpmath.eighe(a)
    return list(w), v


def apply(kind, a):
    w, v = eigenpairs(a)
    f = [int(1 <= k < 3) for k in range(3)] if kind == "projector" else [VALUES[kind](x) for x in w]
    return v * mpmath.diag(f) * v.H


def numbers(m):
    return np.array([[complex(m[i, j]) for j in range(m.cols)] for i in range(m.rows)])


STEP = mpmath.mpf(10) ** -16


def moved(f, a, e):
    """The derivative of the matrix f(a) along e, by differences, to 30 digits."""
    a, e = exact(a), exact(e)
    return numbers((f(a + STEP * e) - f(a - STEP * e)) / (2 * STEP))


def moved_twice(f, a, e, h):
    a, e, h = exact(a), STEP * exact(e), STEP * exact(h)
    return numbers((f(a + e + h) - f(a + e - h) - f(a - e + h) + f(a - e - h)) / (4 * STEP ** 2))


def same(found, reference, dtype, factor=1.0):
    found = np.asarray(found)
    assert found.shape == np.shape(reference)
    assert np.abs(found - reference).max() < bound(dtype, factor) * max(1, np.abs(reference).max())


def silent(f):
    """The test fails on any warning."""
    @functools.wraps(f)
    def test(*arguments, **keywords):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("always", multiplet.GaugeWarning)  # raised in a callback it would be lost
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                f(*arguments, **keywords)
        assert not [str(x.message) for x in said if "multiplet" in str(x.filename)]
    return test


# First and second derivatives

@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", FUNCTIONS)
@silent
def test_functions(kind, point, dtype):
    a, rng = at(point, dtype), np.random.default_rng(1)
    if kind == "projector" and point == "ordinary":
        a = at("near", dtype)
    c = draw(rng, dtype, 3, 3)
    f = lambda a: mj.matrix_function(a, kind, **FUNCTIONS[kind])  # noqa: E731
    same(f(a), numbers(apply(kind, exact(a))), dtype, 4)
    g = jax.jit(jax.grad(lambda a: (c * f(a)).sum().real))(a)
    along = jax.jit(lambda a, e: jax.jvp(f, (a,), (e,))[1])
    assert np.array_equal(g, g.conj().T)
    for e in basis(dtype):
        reference = moved(functools.partial(apply, kind), a, e)
        same(along(a, e), reference, dtype, 10)
        same((np.asarray(g) * e).sum().real, (c * reference).sum().real, dtype, 20)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", FUNCTIONS)
def test_hessians(kind, point, dtype):
    """By each order of the two modes, along real parameters that move A: a Hermitian family, degenerate at 0."""
    a, rng = at("near" if kind == "projector" and point == "ordinary" else point, dtype), np.random.default_rng(2)
    c, steps = draw(rng, dtype, 3, 3), hermitian(draw(rng, dtype, 2, 3, 3))
    real = np.zeros(0, dtype).real.dtype

    def loss(x):
        b = a + jnp.tensordot(x.astype(dtype), steps, 1)
        return (c * mj.matrix_function(b, kind, **FUNCTIONS[kind])).sum().real
    reference = np.array([[(c * moved_twice(functools.partial(apply, kind), a, e, h)).sum().real for h in steps]
                          for e in steps])
    x = jnp.zeros(2, real)
    modes = [jax.jacfwd, jax.jacrev]
    for outer in modes if real == np.float64 else modes[:1]:
        for inner in modes if real == np.float64 else modes[1:]:
            same(jax.jit(outer(inner(loss)))(x), reference, dtype, 100)
    same(jax.grad(lambda x: (jax.grad(loss)(x) * jnp.asarray([1, -2], real)).sum())(x), reference @ [1, -2], dtype, 200)


def test_hessian_of_a_matrix():
    """Of all entries of a real matrix at once, where all eigenvalues are equal: (a^2)'' is 2 whatever a is."""
    a = np.eye(3)
    found = jax.hessian(lambda a: jnp.trace(mj.matrix_function(a, "power", exponent=2.0)))(a)
    pair = jnp.einsum("ik,jl->ijkl", np.eye(3), np.eye(3))
    same(found, pair + pair.swapaxes(2, 3), "float64")


LOSSES = {  # of eigenpairs: in JAX, and from 60 digits
    "sums": (lambda w, v, c: w[0] ** 2 + (w[1] + w[2]) ** 3 + (jnp.abs(c[0] @ v[:, 0]) ** 2),
             lambda w, v, c: w[0] ** 2 + (w[1] + w[2]) ** 3 + abs((c[0, :] * v[:, 0])[0]) ** 2),
    "form": (lambda w, v, c: (c * ((v * jnp.sqrt(w)) @ v.conj().T)).sum().real,
             lambda w, v, c: mpmath.re(sum(c[i, j] * (v * mpmath.diag(list(map(mpmath.sqrt, w))) * v.H)[i, j]
                                           for i in range(3) for j in range(3)))),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("loss", LOSSES)
@silent
def test_eigenpairs(loss, point, dtype):
    """Gradients at equal and nearly equal eigenvalues; jnp.linalg.eigh's are nan or far off there."""
    a, c = at(point, dtype), draw(np.random.default_rng(3), dtype, 3, 3)
    here, there = LOSSES[loss]
    value = lambda eigh: lambda a: here(*eigh(a), c)  # noqa: E731
    g = jax.jit(jax.grad(value(mj.eigh)))(a)
    assert g.dtype == dtype and np.array_equal(g, g.conj().T)
    reference = [moved(lambda a: mpmath.matrix([[there(*eigenpairs(a), exact(c))]]), a, e)[0, 0].real
                 for e in basis(dtype)]
    same([(np.asarray(g) * e).sum().real for e in basis(dtype)], np.array(reference), dtype, 1e3)
    theirs = jax.grad(value(jnp.linalg.eigh))(hermitian(a))
    if point == "ordinary":
        same(g, np.asarray(theirs), dtype, 100)
    elif loss == "form" and dtype in ("float64", "complex128"):
        assert not np.abs(np.asarray(theirs) - g).max() < 1e-9


def test_where_jax_has_nan():
    a = jnp.diag(jnp.array([4.0, 1, 1]))
    loss = lambda eigh: lambda a: (lambda w, v: w[0] + w[1] + v[0, 2] ** 2 + v[1, 2])(*eigh(a))  # noqa: E731
    assert np.isnan(jax.grad(loss(jnp.linalg.eigh))(a)).any()
    exact = np.diag([0.0, 1, 1])
    exact[0, 1] = exact[1, 0] = 1 / 6
    same(jax.grad(loss(mj.eigh))(a), exact, "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_of_eigenpairs(dtype):
    """Along directions that split no multiplet; elsewhere one GaugeWarning."""
    a, rng = at("ordinary", dtype), np.random.default_rng(4)
    for e in [hermitian(draw(rng, dtype, 3, 3)) for _ in range(3)]:
        w, dw = jax.jvp(mj.eigvalsh, (a,), (e,))
        v = np.asarray(mj.eigh(a).eigenvectors)
        projected = lambda a: jnp.abs(mj.eigh(a).eigenvectors) ** 2  # noqa: E731
        reference = moved(lambda a: mpmath.matrix(eigenpairs(a)[0]), a, e)[:, 0].real
        same(dw, reference, dtype, 10)
        same(dw, np.diagonal(v.conj().T @ e @ v).real, dtype, 10)
        squares = moved(lambda a: (lambda v: mpmath.matrix(3, 3) + mpmath.matrix(
            [[abs(v[i, j]) ** 2 for j in range(3)] for i in range(3)]))(eigenpairs(a)[1]), a, e).real
        same(jax.jvp(projected, (a,), (e,))[1], squares, dtype, 100)
        same(jax.jacfwd(lambda t: mj.eigvalsh(a + t.astype(dtype) * e))(jnp.zeros((), dw.dtype)), reference, dtype, 10)
        same(jax.jacrev(lambda t: mj.eigvalsh(a + t.astype(dtype) * e))(jnp.zeros((), dw.dtype)), reference, dtype, 10)
    b = at("equal", dtype)
    with pytest.warns(multiplet.GaugeWarning, match="splits a multiplet") as said:
        w, dw = jax.block_until_ready(jax.jvp(mj.eigvalsh, (b,), (e,)))
    assert len(said) == 1 and abs(dw[1] - dw[2]) < bound(dtype, 0.1)
    same(dw.sum(), np.trace(e).real, dtype, 10)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@silent
def test_forward_keeps_rounding_out(dtype):
    """A direction that commutes with A turns no vector, however near two eigenvalues are."""
    a = at("near", dtype)
    same(jax.jvp(mj.eigh, (a,), (a @ a,))[1].eigenvectors, np.zeros((3, 3)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@silent
def test_frames(dtype):
    a, rng = at("equal", dtype), np.random.default_rng(5)
    r, c = draw(rng, dtype, 3, 2), draw(rng, dtype, 3, 2)

    def there(a, r):
        p = apply("projector", a)
        s = r.H * p * r
        w, v = mpmath.eighe(s)
        return p * r * (v * mpmath.diag([1 / mpmath.sqrt(x) for x in w]) * v.H)
    f = lambda a, r: mj.frame(a, r, (1, 3))  # noqa: E731
    same(f(a, r), numbers(there(exact(a), exact(r))), dtype, 10)
    ga, gr = jax.jit(jax.grad(lambda a, r: (c * f(a, r)).sum().real, (0, 1)))(a, r)
    for e in basis(dtype):
        reference = moved(lambda a: there(a, exact(r)), a, e)
        same(jax.jvp(lambda a: f(a, r), (a,), (e,))[1], reference, dtype, 100)
        same((np.asarray(ga) * e).sum().real, (c * reference).sum().real, dtype, 100)
    e = draw(rng, dtype, 3, 2)
    reference = moved(lambda r: there(exact(a), r), r, e)
    same(jax.jvp(lambda r: f(a, r), (r,), (e,))[1], reference, dtype, 100)
    same((np.asarray(gr) * e).sum().real, (c * reference).sum().real, dtype, 100)


@pytest.mark.parametrize("kind,parameters", [
    ("softplus", {"scale": 2.0}), ("abs", {}), ("sign", {}), ("clamp_min", {"minimum": 0.8}),
    ("gaussian", {"sigma": 0.4, "mu": 1.0}), ("methfessel_paxton", {"sigma": 0.4, "electrons": 1.4, "order": 2}),
    ("cold", {"sigma": 0.4, "mu": 1.0})])
def test_the_other_kinds(kind, parameters):
    """The numbers of NumPy's front, whose kinds test_kinds.py holds to 50 digits; derivatives along a direction."""
    a, rng = at("equal", "complex128"), np.random.default_rng(14)
    there = multiplet.matrix_function(a, kind, **parameters)
    same(mj.matrix_function(a, kind, **parameters), there.value, "complex128")
    e = hermitian(draw(rng, "complex128", 3, 3))
    moved = jax.jit(lambda a: jax.jvp(lambda a: mj.matrix_function(a, kind, **parameters), (a,), (e,))[1])(a)
    same(moved, multiplet.matrix_function_backward(there, e).gradient, "complex128", 10)


def test_fixed_electrons():
    """The response of mu is in the gradient, and in its derivative."""
    a, c = at("equal", "complex128"), draw(np.random.default_rng(6), "complex128", 3, 3)
    f = lambda a: (c * mj.matrix_function(a, "fermi", beta=3.0, electrons=1.4)).sum().real  # noqa: E731
    g = np.asarray(jax.grad(f)(a))
    for e in basis("complex128"):
        assert abs((g * e).sum().real - (f(a + 1e-5 * e) - f(a - 1e-5 * e)) / 2e-5) < 1e-9
    same(jax.jvp(f, (a,), (e,))[1], (g * e).sum().real, "complex128")
    for e in basis("complex128"):
        h = np.asarray(jax.jvp(jax.grad(f), (a,), (e,))[1])
        assert np.abs(h - (jax.grad(f)(a + 1e-5 * e) - jax.grad(f)(a - 1e-5 * e)) / 2e-5).max() < 1e-8
