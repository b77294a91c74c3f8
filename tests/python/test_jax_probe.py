"""The report of a backward pass as a probe's gradient, under transforms, beside NumPy's front.

To be run as test_jax.py.
"""
import functools
import warnings

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="PyPI's jax is not in this Python")
pytest.importorskip("mpmath", reason="mpmath, the reference, is not in this Python")

import jax.numpy as jnp  # noqa: E402
import multiplet  # noqa: E402
import multiplet.jax as mj  # noqa: E402
from multiplet import Status  # noqa: E402
from multiplet.backend import Function  # noqa: E402
from multiplet.jax import rules  # noqa: E402
from test_jax import DTYPES, at, both_ways, draw, hermitian, same  # noqa: E402

jax.config.update("jax_enable_x64", True)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
NULL = np.diag([0.0, 1, 2])


def matrices(dtype):
    return jnp.asarray(np.stack([at("equal", dtype), at("ordinary", dtype, 1), np.full((3, 3), np.nan, dtype)]))


def of_vectors(a, c, probe=None):
    v = mj.eigh(a, probe=probe).eigenvectors
    return (jnp.sin(c) * v).sum().real


def of_values(a, c, probe=None):
    return (jnp.arange(1.0, 4).astype(a.real.dtype) * mj.eigvalsh(a, probe=probe)).sum()


LOSSES = {"eigh": of_vectors, "eigvalsh": of_values,
          "selected": lambda a, c, probe=None: mj.eigh(a, select={"lowest": 1}, probe=probe).eigenvectors.sum().real,
          "selected values": lambda a, c, probe=None: mj.eigvalsh(a, select={"highest": 2}, probe=probe)[..., 0].sum(),
          "function": lambda a, c, probe=None: (c * mj.matrix_function(a, "sqrt", probe=probe)).sum().real,
          "parameter": lambda a, c, probe=None: (c * mj.matrix_function(a, "exp", scale=np.array(0.5),
                                                                        probe=probe)).sum().real,
          "projector": lambda a, c, probe=None: (c * mj.projector(a, (1, 3), probe=probe)).sum().real,
          "frame": lambda a, c, probe=None: (c[..., :1] * mj.frame(a, jnp.ones((3, 1)), (1, 3), probe=probe)).sum().real}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_it_changes_nothing(name, dtype):
    """Values, gradients and tangents are those without it, and so they are by the probe alone."""
    a, c, loss = matrices(dtype), draw(np.random.default_rng(1), dtype, 3, 3, 3), LOSSES[name]
    p = mj.probe(a)
    plain = jax.jit(jax.value_and_grad(loss))(a, c)
    value, (g, report) = jax.jit(jax.value_and_grad(loss, (0, 2)))(a, c, p)
    assert np.array_equal(value, plain[0], equal_nan=True) and np.array_equal(g, plain[1], equal_nan=True)
    alone = jax.grad(loss, 2)(a, c, p)
    for x, y, zero in zip(report, alone, p):
        assert np.array_equal(x, y) and x.shape == (3,) and x.dtype == a.real.dtype and not zero.any()
    assert report.status[2] == Status.NONFINITE_INPUT and report.status[1] in (Status.OK, Status.GAUGE_DEPENDENT)
    assert report.status[1] == Status.OK or np.iscomplexobj(a) and name in ("eigh", "selected")  # phases
    step = hermitian(np.asarray(draw(np.random.default_rng(2), dtype, 3, 3, 3)))
    tangents = jax.jvp(lambda a, p: loss(a, c, p), (a, p), (step, jax.tree.map(jnp.ones_like, p)))[1]
    assert np.array_equal(tangents, jax.jvp(lambda a: loss(a, c), (a,), (step,))[1], equal_nan=True)


def test_the_numbers():
    """Those that NumPy's front has: of vectors inside a multiplet, of values told apart, of a loss of zero eigenvalues."""
    a = jnp.asarray(np.stack([at("equal", "float64"), at("ordinary", "float64")]))
    rng = np.random.default_rng(3)
    gw, gv, gf = rng.standard_normal((2, 3)), rng.standard_normal((2, 3, 3)), hermitian(rng.standard_normal((2, 3, 3)))

    def against(loss, certificate, a=a):
        report = jax.jit(jax.grad(loss, 1))(a, mj.probe(a))
        for name in mj.Report._fields:
            assert np.allclose(getattr(report, name), getattr(certificate, name), rtol=1e-6), name
        return report
    w, v = jax.linearize(mj.eigh, a)[0]  # in the basis that derivatives see
    numpys = multiplet.eigh(a)
    numpys.eigenvectors[:] = v
    backward = multiplet.eigh_backward
    found = against(lambda a, p: (gv * mj.eigh(a, probe=p)[1]).sum(), backward(numpys, None, gv).certificate)
    assert found.status.tolist() == [Status.GAUGE_DEPENDENT, Status.OK] and found.gauge_violation[0] > 0.1
    found = against(lambda a, p: (gw * mj.eigvalsh(a, probe=p)).sum(), backward(numpys, gw, None).certificate)
    assert found.status.tolist() == [Status.SUBGRADIENT, Status.OK] and found.cotangent_spread[0] > 0.1
    assert found.rule.tolist() == [multiplet.library.RULES.index("mean"), multiplet.library.RULES.index("plain")]
    root = multiplet.matrix_function(NULL, "sqrt")
    found = against(lambda a, p: (gf[0] * mj.matrix_function(a, "sqrt", probe=p)).sum(),
                    multiplet.matrix_function_backward(root, gf[0]).certificate, jnp.asarray(NULL))
    assert found.status == Status.NULL_SPACE and found.null_violation > 0.1
    r = rng.standard_normal((3, 2))
    found = against(lambda a, p: (gv[..., :2] * mj.frame(a, r, (1, 3), probe=p)).sum(),
                    multiplet.frame_backward(multiplet.frame(a, r, (1, 3)), gv[..., :2]).certificate)
    assert (found.status == Status.OK).all() and (found.gradient_error > 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_transforms(name):
    """jit, vmap by every axis, scan, checkpoint and a branch; cotangents of several losses."""
    a, c, loss = matrices("float64"), draw(np.random.default_rng(4), "float64", 3, 3, 3), LOSSES[name]
    g = jax.grad(loss, (0, 2))
    expected = g(a, c, mj.probe(a))

    def agree(found, expected=expected):
        for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
            assert np.allclose(x, y, rtol=1e-12, atol=1e-13, equal_nan=True)
    agree(jax.jit(jax.vmap(g))(a, c, mj.probe(a)))
    agree(jax.vmap(lambda a, c: g(a, c, mj.probe(a)))(a, c))
    agree(jax.vmap(g, (2, 0, 0))(jnp.moveaxis(a, 0, 2), c, mj.probe(a)))
    agree(jax.lax.scan(lambda _, x: (None, g(*x)), None, (a, c, mj.probe(a)))[1])
    agree(jax.grad(jax.checkpoint(loss), (0, 2))(a, c, mj.probe(a)))
    total = lambda a, c, p: jax.lax.scan(lambda s, x: (s + loss(*x), None), 0.0, (a, c, p))[0]  # noqa: E731
    agree(jax.jit(jax.grad(total, 2))(a, c, mj.probe(a)), expected[1])
    branch = lambda a, c, p: jax.lax.cond(c[0, 0, 0] < 9, loss, lambda a, c, p: 0.0, a, c, p)  # noqa: E731
    agree(jax.grad(branch, (0, 2))(a, c, mj.probe(a)))
    back = jax.vjp(lambda p: loss(a, c, p), mj.probe(a))[1]
    several, = jax.vmap(back)(jnp.array([1.0, -2.0]))
    agree([x[1] for x in several], back(-2.0))
    assert several.status.shape == (2, 3)


def test_second_derivatives():
    """Reverse over reverse: the inner report stands in the value, and the outer one is of the outer pass."""
    a, c = jnp.asarray(at("equal", "float64")), draw(np.random.default_rng(5), "float64", 3, 3)
    loss = lambda a, p: (c * mj.matrix_function(a, "exp", probe=p)).sum()  # noqa: E731

    def outer(a, p):
        g, report = jax.grad(loss, (0, 1))(a, mj.probe(a))
        h = jax.grad(loss)(a, p)
        return (g * h).sum(), report
    (g, report), inner = jax.jit(jax.grad(outer, (0, 1), has_aux=True))(a, mj.probe(a))
    expected = jax.grad(lambda a: (jax.grad(loss)(a, None) ** 2).sum())(a)
    same(g, np.asarray(expected), "float64", 10)
    assert inner.status == Status.OK and inner.gradient_error > 0
    mixed = jax.grad(lambda a: jax.grad(loss, (0, 1))(a, mj.probe(a))[0].sum())(a)
    same(mixed, np.asarray(jax.grad(lambda a: jax.grad(loss)(a, None).sum())(a)), "float64", 10)
    assert np.isfinite(jax.jvp(jax.grad(loss, (0, 1)), (a, mj.probe(a)), (a, mj.probe(a)))[1][0]).all()
    along = lambda f, *x: jax.jvp(lambda *x: jax.jvp(f, x, x)[1], x, x)[1]  # noqa: E731
    same(along(loss, a, mj.probe(a)), np.asarray(along(lambda a: loss(a, None), a)), "float64")
    twice = jax.grad(lambda p: loss(a, p) + loss(2 * a, p))(mj.probe(a))
    assert twice.status == 2 and report.status >= 0
    assert jax.grad(lambda p: mj.eigvalsh(a, probe=p, certificate=True)[1].min_gap)(mj.probe(a)).status == 0


def test_without_wide_numbers():
    with jax.enable_x64(False):
        a = jnp.eye(3)
        report = jax.grad(lambda p: of_values(a, None, p))(mj.probe(a))
        assert report.status == Status.SUBGRADIENT and report.status.dtype == "float32"
        assert mj.probe(np.eye(2, dtype=int)).status.dtype == "float32"
    with pytest.raises(TypeError):
        mj.eigh(jnp.eye(3), probe=jnp.zeros(3))


def test_the_host_gives_the_same():
    rng = np.random.default_rng(6)
    a = hermitian(draw(rng, "complex128", 2, 3, 4, 4))
    a[0, 1], a[1, 2] = np.nan, np.eye(4)
    c, r = draw(rng, "complex128", 2, 3, 4, 4), draw(rng, "complex128", 2, 3, 4, 2)
    settings = mj.linalg._settings(a, "L", None, "nan", True, 1)[1]._replace(basis=0)
    with warnings.catch_warnings(record=True):
        w, v, _, marks, _ = rules.eigh(a, operands="M", settings=settings)
        x, y, _, _, selected, _, *factors = rules.eigh_selected(
            a, operands="M", settings=settings, selection=multiplet.arguments.selection({"lowest": 2}))
    s, settings = marks[..., 0], settings._replace(convention=1)
    function = {"settings": settings, "function": Function("sqrt")}
    for failed in (0, 1):
        static = {"settings": settings._replace(failed=failed)}
        both_ways(rules.eigh_backward, (w, v, s, w, c), "wMswM", static)
        both_ways(rules.function_reported, (jnp.abs(w), v, s, c), "wMsM", {**function, **static})
        both_ways(rules.frame_backward, (w, v, s, r, r), "wMsCC", {"index": (1, 3), **static})
        both_ways(rules.eigh_selected_backward, (x, y, selected[..., 0], r, *factors), "xCsCMtwww",
                  {"selection": multiplet.arguments.selection({"lowest": 2}), **static})


def test_only_handlers_of_our_own_are_called():
    a = jnp.asarray(at("equal", "float64"))
    for loss in LOSSES.values():
        text = jax.jit(jax.grad(functools.partial(loss, c=a), argnums=0)).lower(a, probe=mj.probe(a)).as_text()
        assert "callback" not in text
    both = jax.jit(jax.grad(lambda a, p: LOSSES["function"](a, a, p), (0, 1))).lower(a, mj.probe(a)).as_text()
    assert both.count('handler = "function') == 2 and "callback" not in both
