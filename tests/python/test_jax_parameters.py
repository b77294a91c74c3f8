"""multiplet.jax: parameters with gradients, chemical potentials and occupations, against differences at 60 digits.

To be run as test_jax.py.
"""
import functools

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="PyPI's jax is not in this Python")
mpmath = pytest.importorskip("mpmath", reason="mpmath, the reference, is not in this Python")

import jax.numpy as jnp  # noqa: E402
import multiplet  # noqa: E402
import multiplet.jax as mj  # noqa: E402
from multiplet.backend import Function  # noqa: E402
from multiplet.jax import parameters, rules  # noqa: E402
from test_jax import POINTS, STEP, at, basis, both_ways, draw, eigenpairs, exact  # noqa: E402
from test_jax import hermitian, numbers, same, silent  # noqa: E402

jax.config.update("jax_enable_x64", True)
mp, SQRT2, PI = mpmath.mpf, mpmath.sqrt(2), mpmath.pi
SMEARED = {
    "fermi": ("beta", lambda u: 1 / (mpmath.exp(u) + 1)), "gaussian": ("sigma", lambda u: mpmath.erfc(u) / 2),
    "methfessel_paxton": ("sigma", lambda u: mpmath.erfc(u) / 2 - u * mpmath.exp(-u * u) / (2 * mpmath.sqrt(PI))),
    "cold": ("sigma", lambda u: mpmath.erfc(u + 1 / SQRT2) / 2 + mpmath.exp(-(u + 1 / SQRT2) ** 2) / mpmath.sqrt(2 * PI))}
OTHERS = {"exp": lambda x, scale: mpmath.exp(scale * x), "power": lambda x, exponent: x ** exponent,
          "clamp_min": lambda x, minimum: max(x, minimum), "tanh": lambda x, scale: mpmath.tanh(scale * x)}
CASES = [("exp", {"scale": 0.5}), ("tanh", {"scale": -0.7}), ("power", {"exponent": 0.7}), ("power", {"exponent": -1.2}),
         ("clamp_min", {"minimum": 0.8}), ("fermi", {"beta": 3.0, "mu": 1.0}), ("fermi", {"beta": 3.0, "electrons": 1.4}),
         ("gaussian", {"sigma": 0.4, "electrons": 1.4}), ("cold", {"sigma": 0.4, "mu": 0.9}),
         ("methfessel_paxton", {"sigma": 0.5, "electrons": 1.6})]


# The reference

def argument(kind, x, mu, width):
    return (x - mu) * width if kind == "fermi" else (x - mu) / width


def potential(kind, levels, weights, width, electrons, guess):
    """mu of all levels, by secants from double precision's."""
    f = SMEARED[kind][1]
    count = lambda mu: sum(c * f(argument(kind, x, mu, width)) for w, c in zip(levels, weights) for x in w)  # noqa: E731
    return mpmath.findroot(lambda mu: count(mu) - electrons, mp(float(guess)), tol=mp(10) ** -100)


def there(kind, matrices, weights, given):
    """f of each of the matrices."""
    pairs = [eigenpairs(a) for a in matrices]
    if kind in SMEARED:
        name, f = SMEARED[kind]
        mu, width = given.get("mu"), given[name]
        if mu is None:
            guess = multiplet.occupations(np.array([[float(x) for x in w] for w, _ in pairs]), kind,
                                          electrons=float(given["electrons"]), weights=np.array(weights, float),
                                          **{name: float(width)}).mu
            mu = potential(kind, [w for w, _ in pairs], weights, width, given["electrons"], guess)
        value = lambda x: f(argument(kind, x, mu, width))  # noqa: E731
    else:
        value = lambda x: OTHERS[kind](x, **given)  # noqa: E731
    return [v * mpmath.diag([value(x) for x in w]) * v.H for w, v in pairs]


def one(kind, a, given):
    return there(kind, [a], [mp(1)], given)[0]


def by(f, given, names):
    """The derivative of f(given) by these parameters, to 30 digits."""
    if not names:
        return f(given)
    name, *rest = names
    up, down = ({**given, name: given[name] + sign * STEP} for sign in (1, -1))
    return (by(f, up, rest) - by(f, down, rest)) / (2 * STEP)


def precisely(given):
    return {name: mp(x) for name, x in given.items()}


# Functions

@pytest.mark.parametrize("point,dtype", [*((point, "complex128") for point in POINTS), ("near", "float64"),
                                         ("equal", "float32"), ("ordinary", "complex64")])
@pytest.mark.parametrize("kind,given", CASES)
@silent
def test_first_derivatives(kind, given, point, dtype):
    """By all parameters and by A, in both directions."""
    a, c = at(point, dtype), draw(np.random.default_rng(1), dtype, 3, 3)
    real = np.zeros(0, dtype).real.dtype
    given = {name: float(real.type(x)) for name, x in given.items()}
    f = lambda a, values: mj.matrix_function(a, kind, **values)  # noqa: E731
    loss = lambda a, values: (lambda x: ((c * x).sum().real, x))(f(a, values))  # noqa: E731

    @jax.jit
    def everything(a, values, *steps):
        return jax.value_and_grad(loss, (0, 1), has_aux=True)(a, values), jax.jvp(f, (a, values), steps)[1]
    values = {name: jnp.asarray(x, real) for name, x in given.items()}
    still = jax.tree.map(jnp.zeros_like, values)
    along = lambda *steps: everything(a, values, *steps)[1]  # noqa: E731
    ((_, value), (ga, gp)), _ = everything(a, values, jnp.zeros_like(a), still)
    same(value, numbers(one(kind, exact(a), precisely(given))), dtype, 10)
    for name in given:
        reference = numbers(by(lambda given: one(kind, exact(a), given), precisely(given), [name]))
        same(along(jnp.zeros_like(a), {**still, name: jnp.ones((), real)}), reference, dtype, 40)
        same(gp[name], (c * reference).sum().real, dtype, 60)
        assert gp[name].dtype == real and gp[name].shape == ()
    for e in list(basis(dtype))[:4]:
        up, down = (one(kind, exact(a) + sign * STEP * exact(e), precisely(given)) for sign in (1, -1))
        reference = numbers((up - down) / (2 * STEP))
        same(along(e, still), reference, dtype, 40)
        same((np.asarray(ga) * e).sum().real, (c * reference).sum().real, dtype, 60)


@pytest.mark.parametrize("kind,given,names", [
    ("exp", {"scale": 0.5}, ["scale", "scale"]), ("power", {"exponent": 0.7}, ["exponent", "exponent"]),
    ("fermi", {"beta": 3.0, "mu": 1.0}, ["beta", "mu"]), ("fermi", {"beta": 3.0, "mu": 1.0}, ["mu", "mu"]),
    ("fermi", {"beta": 3.0, "electrons": 1.4}, ["electrons", "beta"]),
    ("fermi", {"beta": 3.0, "electrons": 1.4}, ["beta", "beta"])])
def test_second_derivatives(kind, given, names):
    """At equal eigenvalues, by parameters; and by a parameter of the gradient by A."""
    a, c = at("equal", "complex128"), draw(np.random.default_rng(2), "complex128", 3, 3)
    loss = lambda a, values: (c * mj.matrix_function(a, kind, **values)).sum().real  # noqa: E731
    values = {name: jnp.asarray(x) for name, x in given.items()}
    reference = (c * numbers(by(lambda given: one(kind, exact(a), given), precisely(given), names))).sum().real
    for outer in (jax.jacfwd, jax.jacrev):
        for inner in (jax.jacfwd, jax.jacrev):
            same(jax.jit(outer(inner(loss, 1), 1))(a, values)[names[0]][names[1]], reference, "complex128", 100)
    slope = lambda e: lambda values: (jax.grad(loss)(a, values) * e).sum().real  # noqa: E731
    slopes = {mode: jax.jit(lambda e, mode=mode: mode(slope(e))(values)) for mode in (jax.jacfwd, jax.jacrev)}
    for e in list(basis("complex128"))[:3]:
        moved = functools.partial(by, given=precisely(given), names=names[:1])
        up, down = (moved(lambda given: one(kind, exact(a) + sign * STEP * exact(e), given)) for sign in (1, -1))
        reference = (c * numbers((up - down) / (2 * STEP))).sum().real
        for mode in (jax.jacfwd, jax.jacrev):
            found = slopes[mode](e)
            same(found[names[0]], reference, "complex128", 100)


@pytest.mark.parametrize("kind", SMEARED)
def test_one_chemical_potential(kind):
    """Of k matrices with weights in a batch: by A, width, electrons and weights."""
    name, width = SMEARED[kind][0], 3.0 if kind == "fermi" else 0.4
    a = np.stack([at("equal", "float64"), at("ordinary", "float64", 1)])
    c, weights = draw(np.random.default_rng(3), "float64", 2, 3, 3), np.array([0.75, 0.5])
    loss = lambda a, values: (c * mj.matrix_function(a, kind, **values)).sum()  # noqa: E731
    values = {name: jnp.asarray(width), "electrons": jnp.asarray(1.7), "weights": jnp.asarray(weights)}
    given = {name: mp(width), "electrons": mp(1.7), 0: mp(weights[0]), 1: mp(weights[1])}

    def reference(given, a=tuple(map(exact, a))):
        found = there(kind, a, [given[0], given[1]], {key: given[key] for key in (name, "electrons")})
        return sum(mp(float(c[k][i, j])) * found[k][i, j] for k in range(2) for i in range(3) for j in range(3))
    same(loss(a, values), float(reference(given)), "float64", 10)
    for mode in (jax.jacfwd, jax.jacrev):
        found = jax.jit(mode(loss, 1))(a, values)
        same(jnp.stack([found[name], found["electrons"], *found["weights"]]),
             np.array([float(by(reference, given, [key])) for key in (name, "electrons", 0, 1)]), "float64", 40)
    e = hermitian(draw(np.random.default_rng(4), "float64", 2, 3, 3))
    up, down = (reference(given, [exact(x) + sign * STEP * exact(y) for x, y in zip(a, e)]) for sign in (1, -1))
    slope = float((up - down) / (2 * STEP))
    same((jax.jit(jax.grad(loss))(a, values) * e).sum(), slope, "float64", 40)
    same(jax.jit(lambda a: jax.jvp(lambda a: loss(a, values), (a,), (e,))[1])(a), slope, "float64", 40)
    two = jax.vmap(lambda a, x: mj.matrix_function(a, kind, weights=weights, electrons=x, **{name: width}))
    sets = mj.matrix_function(np.stack([a, a[::-1]]), kind, weights=weights, electrons=np.array([1.7, 2.0]),
                              **{name: np.array([width, width])})
    same(two(np.stack([a, a[::-1]]), np.array([1.7, 2.0])), np.asarray(sets), "float64")


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", SMEARED)
def test_second_derivatives_of_potentials(kind, point):
    """By A, of one mu for two matrices, where eigenvalues have none; PyTorch's needs them to be simple."""
    name, width = SMEARED[kind][0], 3.0 if kind == "fermi" else 0.5
    a = np.stack([at(point, "complex128"), at("equal", "complex128", 1)])
    steps = hermitian(draw(np.random.default_rng(5), "complex128", 2, 2, 3, 3))
    settings, weights = mj.linalg._settings(a, "L", None, "nan", True, 1)[1], jnp.array([0.75, 0.5])
    f = lambda x: parameters._potential(a + jnp.tensordot(x.astype(complex), steps, 1), kind, 1, weights,  # noqa: E731
                                        jnp.asarray(width), jnp.asarray(1.7), settings)[0]
    guess = float(f(jnp.zeros(2)))

    def reference(x):
        w = [eigenpairs(exact(a[k]) + x[0] * exact(steps[0, k]) + x[1] * exact(steps[1, k]))[0] for k in range(2)]
        return potential(kind, w, [mp(0.75), mp(0.5)], mp(width), mp(1.7), guess)
    expected = [[float(by(reference, {0: mp(0), 1: mp(0)}, [i, j])) for j in range(2)] for i in range(2)]
    for mode in (jax.hessian, lambda f: jax.jacrev(jax.jacrev(f)), lambda f: jax.jacrev(jax.jacfwd(f))):
        same(jax.jit(mode(f))(jnp.zeros(2)), np.array(expected), "float64", 100)
    with pytest.raises(NotImplementedError, match="third derivatives"):
        jax.jacfwd(jax.hessian(f))(jnp.zeros(2))


@pytest.mark.parametrize("point", POINTS)
def test_second_derivatives_at_fixed_electrons(point):
    a, c = at(point, "complex128"), draw(np.random.default_rng(2), "complex128", 3, 3)
    steps = hermitian(draw(np.random.default_rng(5), "complex128", 2, 3, 3))
    b = lambda x: a + jnp.tensordot(x.astype(complex), steps, 1)  # noqa: E731
    f = lambda x: (c * mj.matrix_function(b(x), "fermi", beta=jnp.asarray(3.0), electrons=1.4)).sum().real  # noqa: E731
    given = {"beta": mp(3), "electrons": mp(1.4)}
    reference = lambda x: one("fermi", exact(a) + x[0] * exact(steps[0]) + x[1] * exact(steps[1]), given)  # noqa: E731
    expected = [[(c * numbers(by(reference, {0: mp(0), 1: mp(0)}, [i, j]))).sum().real for j in range(2)] for i in range(2)]
    for mode in (jax.hessian, lambda f: jax.jacrev(jax.jacrev(f))):
        same(jax.jit(mode(f))(jnp.zeros(2)), np.array(expected), "complex128", 100)


def test_transforms():
    """jit, vmap over a parameter, over a and over both, scan; and a compiled program takes other values as it is."""
    a, beta = np.stack([at("equal", "float64"), at("ordinary", "float64")]), np.array([2.0, 5.0])
    f = lambda a, b: mj.matrix_function(a, "fermi", beta=b, electrons=1.4)  # noqa: E731
    each = np.array([mj.matrix_function(x, "fermi", beta=float(b), electrons=1.4) for x, b in zip(a, beta)])
    same(f(a, beta), each, "float64", 10)
    same(jax.jit(jax.vmap(f))(a, beta), each, "float64", 10)
    crossed = np.array([[f(x, b) for b in beta] for x in a])
    same(jax.vmap(jax.vmap(f, (None, 0)), (0, None))(a, beta), crossed, "float64")
    same(jax.vmap(lambda b: f(a, b), in_axes=0)(beta[:, None] * np.ones(2)), crossed.swapaxes(0, 1), "float64")
    g = jax.jit(jax.grad(lambda a, b: f(a, b)[0, 1], (0, 1)))
    for found, parts in zip(jax.vmap(g)(a, beta), zip(*(g(x, b) for x, b in zip(a, beta)))):
        same(found, np.array(parts), "float64")
    same(jax.lax.scan(lambda _, b: (None, f(a[0], b)), None, beta)[1], crossed[0], "float64")
    traced = []
    compiled = jax.jit(lambda b: (traced.append(b), f(a[0], b))[1])
    same(np.array([compiled(b) for b in beta]), crossed[0], "float64")
    assert len(traced) == 1


def test_an_insulator():
    """In a gap S underflows, and the gradient by A is that of the projector; with one mu for two matrices, too."""
    a = np.stack([at("ordinary", "float64"), at("ordinary", "float64", 5)])
    a[1] += 0.2 * np.eye(3)
    m = hermitian(draw(np.random.default_rng(6), "float64", 2, 3, 3))
    slope = jax.grad(lambda a: (m * mj.projector(a, (0, 1))).sum())(a)
    for electrons, weights in ((jnp.asarray(1.0), None), (1.0, np.array([0.5, 0.5]))):
        given = {"electrons": electrons, "weights": weights}
        f = lambda a, b: (m * mj.matrix_function(a, "fermi", beta=b, **given)).sum()  # noqa: E731
        ga, gb = jax.grad(f, (0, 1))(a, jnp.asarray(1e5))
        same(ga, np.asarray(slope), "float64", 100)
        assert abs(gb) < 1e-12
        same(jax.jvp(f, (a, 1e5), (m, 0.0))[1], (np.asarray(slope) * m).sum(), "float64", 100)


def test_second_derivatives_in_an_insulator():
    """mu is half way between the two levels at the gap, and moves as they do."""
    a, steps = at("ordinary", "float64"), hermitian(draw(np.random.default_rng(8), "float64", 2, 3, 3))
    settings = mj.linalg._settings(a, "L", None, "nan", True, 1)[1]
    f = lambda x: parameters._potential((a + jnp.tensordot(x, steps, 1))[None], "fermi", 1, jnp.ones(1),  # noqa: E731
                                        jnp.asarray(1e5), jnp.asarray(2.0), settings)[0]
    reference = lambda x: sum(eigenpairs(exact(a) + x[0] * exact(steps[0]) + x[1] * exact(steps[1]))[0][1:]) / 2  # noqa: E731
    expected = [[float(by(reference, {0: mp(0), 1: mp(0)}, [i, j])) for j in range(2)] for i in range(2)]
    same(jax.hessian(f)(jnp.zeros(2)), np.array(expected), "float64", 100)


# Occupations

@pytest.mark.parametrize("levels,electrons", [([-1.0, 0.3, 0.3, 2], 1.5), ([-1.0, 0.2, 0.2 + 1e-9, 2], 2.3),
                                              ([-1.0, -0.4, 0.5, 1], 3)])
@pytest.mark.parametrize("kind", SMEARED)
def test_occupations(kind, levels, electrons):
    """At a degenerate Fermi level, fractional and whole electrons: values, slopes and curvatures."""
    name, width = SMEARED[kind][0], 4.0 if kind == "fermi" else 0.3
    found = mj.occupations(levels, kind, electrons=electrons, **{name: width})
    numpys = multiplet.occupations(np.array(levels), kind, electrons=electrons, **{name: width})
    same(found.occupations, numpys.occupations, "float64")
    same(found.mu, numpys.mu, "float64")
    c = [0.3, -1.1, 0.7, 0.4]

    def reference(x):
        mu = potential(kind, [[x[k] for k in range(4)]], [1], x[4], x[5], numpys.mu)
        return mu + sum(mp(c[k]) * SMEARED[kind][1](argument(kind, x[k], mu, x[4])) for k in range(4))
    x = [*levels, width, electrons]
    exactly = dict(enumerate(map(mp, x)))
    slope = np.array([float(by(reference, exactly, [k])) for k in range(6)])

    def loss(x):
        filled, mu = mj.occupations(x[:4], kind, electrons=x[5], **{name: x[4]})
        return mu + (jnp.asarray(c) * filled).sum()
    x = jnp.asarray(x, float)
    same(jax.jit(jax.grad(loss))(x), slope, "float64", 100)
    same(jax.jit(jax.jacfwd(loss))(x), slope, "float64", 100)
    curvature = np.array([[float(by(reference, exactly, [i, j])) for j in (1, 4, 5)] for i in range(6)])
    for mode in (jax.hessian, lambda f: jax.jacrev(jax.jacrev(f)), lambda f: jax.jacrev(jax.jacfwd(f))):
        same(np.asarray(jax.jit(mode(loss))(x))[:, [1, 4, 5]], curvature, "float64", 1000)
    given = jax.jit(jax.jacfwd(lambda x: mj.occupations(x[:4], kind, mu=x[5], **{name: x[4]})[0]))(x)
    fixed = lambda x, k: SMEARED[kind][1](argument(kind, x[k], x[5], x[4]))  # noqa: E731
    expected = [[float(by(lambda x: fixed(x, k), exactly, [j])) for j in range(6)] for k in range(4)]
    same(given, np.array(expected), "float64", 40)


def test_insulators_occupations():
    """Far below the gap, with g_1 and g_2 levels at its edges, mu is (w_1 + w_2) / 2 + log(g_1 / g_2) / (2 beta)."""
    w, beta = jnp.array([-3.0, -1, -1, 1.5]), 3000.0
    f = lambda w, beta: mj.occupations(w, "fermi", beta=beta, electrons=3.0).mu  # noqa: E731
    same(f(w, beta), 0.25 + np.log(2) / 2 / beta, "float64")
    by_levels, by_beta = jax.grad(f, (0, 1))(w, beta)
    same(by_levels, np.array([0, 0.25, 0.25, 0.5]), "float64")
    same(by_beta * beta ** 2, -np.log(2) / 2, "float64", 1e4)
    same(jax.grad(jax.grad(f, 1), 1)(w, beta) * beta ** 3, np.log(2), "float64", 1e7)


@pytest.mark.parametrize("kind", SMEARED)
def test_in_single_precision(kind):
    """Without wide numbers: float32, of double arithmetic."""
    name, width = SMEARED[kind][0], 64.0 if kind == "fermi" else 0.015625
    w = np.linspace(-0.5, 0.5, 9).astype("float32")
    expected = multiplet.occupations(w.astype(float), kind, electrons=3.25, **{name: width})
    slope = jax.grad(lambda w: mj.occupations(w, kind, electrons=3.25, **{name: width}).mu)(w.astype(float))
    with jax.enable_x64(False):
        found = jax.jit(lambda w, x: mj.occupations(w, kind, electrons=x, **{name: width}))(w, 3.25)
        assert found.mu.dtype == found.occupations.dtype == "float32"
        assert np.array_equal(found.mu, expected.mu.astype("float32"))
        assert np.array_equal(found.occupations, expected.occupations.astype("float32"))
        narrow = jax.grad(lambda w: mj.occupations(w, kind, electrons=3.25, **{name: width}).mu)(w)
    same(narrow, np.asarray(slope), "float32")


# What is said

@pytest.mark.parametrize("kind,name,others", [("exp", "scale", {}), ("power", "exponent", {}), ("clamp_min", "minimum", {}),
                                              ("fermi", "beta", {"mu": 1.0}), ("cold", "sigma", {"electrons": 1.2})])
def test_a_failed_matrix_leaves_parameters_their_gradient(kind, name, others):
    good = at("equal", "float64")
    a = np.stack([np.full((3, 3), np.nan), good])
    f = lambda a, p: mj.matrix_function(a, kind, failed="zero", notices=False, **{name: p}, **others)  # noqa: E731
    ga, gp = jax.grad(lambda a, p: (f(a, p) ** 2).sum(), (0, 1))(a, 0.9)
    expected = jax.grad(lambda a, p: (f(a, p) ** 2).sum(), (0, 1))(good, 0.9)
    same(ga, np.stack([np.zeros((3, 3)), expected[0]]), "float64")
    same(gp, np.asarray(expected[1]), "float64")
    p = jnp.asarray(0.9)
    assert not np.asarray(f(a, p))[0].any()
    unread = good + np.triu(np.full((3, 3), np.nan), 1)
    same(f(unread, p), np.asarray(f(good, p)), "float64")


@pytest.mark.parametrize("kind,name,others", [("fermi", "beta", {"mu": 1.0}), ("gaussian", "sigma", {"electrons": 1.2}),
                                              ("fermi", "electrons", {"beta": 2.0}), ("cold", "mu", {"sigma": 0.4})])
def test_parameters_outside_their_domain(kind, name, others):
    """Traced: the matrix is undefined, said once, and the others are right, as are their gradients."""
    a = np.stack([at("equal", "float64")] * 3)
    p = np.array([1.3, np.nan if name == "mu" else -1.0, 1.4])
    f = lambda p, **k: mj.matrix_function(a, kind, certificate=True, **{name: p}, **others, **k)  # noqa: E731
    undefined = "matrix 1 of 3 is FUNCTION_UNDEFINED: .*parameters"
    with pytest.warns(multiplet.ProblemWarning, match="matrix_function: " + undefined) as said:
        value, certificate = jax.block_until_ready(jax.jit(f)(p))
    assert len(said) == 1 and certificate.status.tolist() == [1, 6, 1]
    assert np.isnan(value[1]).all()
    zero = jax.jit(functools.partial(f, failed="zero", notices=False))
    g = jax.grad(lambda p: zero(p)[0][:, 0, 1].sum())(p)
    assert g[1] == 0 and not np.asarray(zero(p)[0][1]).any()
    for k in (0, 2):
        alone = jax.grad(lambda x: mj.matrix_function(a[0], kind, **{name: x}, **others)[0, 1])(p[k])
        same(value[k], np.asarray(mj.matrix_function(a[0], kind, **{name: p[k]}, **others)), "float64")
        same(g[k], np.asarray(alone), "float64")
    with pytest.raises(jax.errors.JaxRuntimeError, match=undefined):
        jax.block_until_ready(jax.jit(functools.partial(f, failed="raise"))(p))


def test_one_failed_matrix_of_many_with_one_potential():
    a = np.stack([at("equal", "float64"), np.full((3, 3), np.nan), at("ordinary", "float64")])
    f = lambda a, n: mj.matrix_function(a, "fermi", beta=2.0, electrons=n, weights=np.ones(3), failed="zero",  # noqa: E731
                                        certificate=True, notices=False)
    assert f(a, 2.0)[1].status.tolist() == [6, 3, 6] and not np.asarray(f(a, 2.0)[0]).any()
    assert jax.grad(lambda n: f(a, n)[0].sum())(2.0) == 0
    assert jax.jit(f)(a[[0, 0, 2]], 9.5)[1].status.tolist() == [6, 6, 6]


def test_occupations_without_an_answer():
    w = jnp.array([[0.0, 1, 2], [0, 1, np.inf], [0, 1, 2]])
    f = jax.jit(lambda w, n: mj.occupations(w, "fermi", beta=2.0, electrons=n))
    with pytest.warns(multiplet.ProblemWarning) as said:
        filled, mu = jax.block_until_ready(f(w, np.array([1.0, 1, 3])))
    assert sorted(str(x.message)[:50] for x in said) == ["chemical potential: matrix 1 of 3 is NONFINITE_INP",
                                                         "chemical potential: matrix 2 of 3 is FUNCTION_UNDE"]
    assert np.isfinite(mu[0]) and np.isnan(mu[1:]).all() and np.isnan(filled[1:]).all() and np.isfinite(filled[0]).all()
    given = {"beta": 2.0, "electrons": np.array([1.0, 1, 2]), "notices": False}
    quiet = lambda w: mj.occupations(w, "fermi", **given).mu[0]  # noqa: E731
    assert np.isfinite(jax.grad(quiet)(w)).all()
    assert np.isnan(jax.jit(lambda s: mj.occupations(w[0], "cold", sigma=s, mu=0.0)[0])(-1.0)).all()


def test_what_parameters_cannot():
    a, two = jnp.eye(3), jnp.stack([jnp.eye(3)] * 2)
    array = jnp.asarray
    for error, text, call in (
            (TypeError, "exp takes no weights", lambda: mj.matrix_function(two, "exp", weights=np.ones(2))),
            (TypeError, "needs either mu or electrons", lambda: mj.matrix_function(a, "fermi", beta=array(1.0))),
            (TypeError, "fermi needs beta", lambda: mj.matrix_function(a, "fermi", mu=array(1.0))),
            (TypeError, "exp takes scale, not beta", lambda: mj.matrix_function(a, "exp", beta=array(1.0))),
            (TypeError, "scale is complex", lambda: mj.matrix_function(a, "exp", scale=array(1j))),
            (ValueError, r"scale has the shape \[2\], and there is a batch \[\]",
             lambda: mj.matrix_function(a, "exp", scale=array([1.0, 2.0]))),
            (ValueError, r"weights have the shape \[3\], not \[2\]",
             lambda: mj.matrix_function(two, "fermi", beta=1.0, electrons=2.0, weights=np.ones(3))),
            (ValueError, r"\[\*batch, k, n, n\]",
             lambda: mj.matrix_function(a, "fermi", beta=1.0, electrons=2.0, weights=np.ones(1))),
            (ValueError, "weights have to be 0 or more",
             lambda: mj.matrix_function(two, "fermi", beta=1.0, electrons=2.0, weights=np.array([1.0, -1]))),
            (multiplet.errors.Error, "6.5 electrons, and the levels hold 6 ",
             lambda: mj.matrix_function(two, "fermi", beta=1.0, electrons=6.5, weights=np.ones(2))),
            (ValueError, "electrons is 0; it has to be above 0",
             lambda: mj.occupations(np.zeros((2, 3)), "fermi", beta=1.0, electrons=0.0, weights=np.ones(2))),
            (ValueError, "beta is -1; it has to be above 0",
             lambda: mj.matrix_function(two, "fermi", beta=array([1.0, -1]), electrons=2.0)),
            (ValueError, "electrons is 3; it has to be above 0 and below n = 3",
             lambda: mj.matrix_function(two, "fermi", beta=1.0, electrons=array([1.0, 3]))),
            (ValueError, "scale is 0", lambda: mj.matrix_function(two, "tanh", scale=array([1.0, 0]))),
            (ValueError, "there are no occupations 'exp'", lambda: mj.occupations(jnp.ones(3), "exp", mu=0.0)),
            (TypeError, "needs either mu or electrons", lambda: mj.occupations(jnp.ones(3), "cold", sigma=1.0)),
            (TypeError, "cold needs sigma", lambda: mj.occupations(jnp.ones(3), "cold", mu=1.0))):
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_host_gives_the_same(dtype):
    """The way of other devices, to the bit."""
    rng = np.random.default_rng(7)
    w, weights = rng.standard_normal((2, 3, 2, 5)).astype(dtype), np.full((2, 3, 2), 0.5, dtype)
    width, electrons = np.array([[0.5, 0.4, -1], [0.3, 0.5, 0.2]], dtype), np.array([[1, 2.5, 1], [3, 5, 0.1]], dtype)
    w[1, 2, 0, 3] = np.inf
    settings = mj.linalg._settings(jnp.eye(2), "L", None, "zero", True, 1)[1]
    for kind in SMEARED:
        both_ways(parameters.chemical_potential, (w, weights, width, electrons), "Cwrr",
                  {"settings": settings, "function": Function(kind)})
    a = hermitian(draw(rng, dtype, 2, 3, 4, 4))
    a[0, 1] = np.nan
    status = np.array([[1, 3, 6], [1, 1, 1]], np.int32)
    for failed in (0, 1):
        both_ways(rules.function, (np.where(status[..., None, None] == 6, np.nan, a), status), "Ms",
                  {"settings": settings._replace(failed=failed), "function": Function("tanh")})


@pytest.mark.parametrize("uplo", "LU")
@pytest.mark.parametrize("kind, name, others", [("exp", "scale", {}), ("fermi", "beta", {"electrons": 2.2}),
                                                ("power", "exponent", {}), ("clamp_min", "minimum", {})])
def test_the_triangle_that_is_not_read(kind, name, others, uplo):
    """Whatever is there, zeros or NaN, gradients of parameters are those of the whole matrix."""
    rng = np.random.default_rng(0)
    whole, m = (hermitian(draw(rng, "complex128", 5, 5)) for _ in range(2))
    whole = whole @ whole + np.eye(5)
    read = np.tril(np.ones((5, 5), bool)) if uplo == "L" else np.triu(np.ones((5, 5), bool))
    g = jax.grad(lambda a, p: (mj.matrix_function(a, kind, UPLO=uplo, **{name: p}, **others) * m).real.sum(), (0, 1))
    expected = g(whole, 0.7)
    for other in (0.0, np.nan):
        found = g(np.where(read, whole, other), 0.7)
        assert np.allclose(found[1], expected[1], rtol=1e-12), name
        assert np.allclose(found[0][read], expected[0][read], rtol=1e-10, atol=1e-12)
