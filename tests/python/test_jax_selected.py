"""multiplet.jax.eigh and eigvalsh with select, against the whole spectrum's columns and NumPy's front. To be run as
test_jax.py."""
import functools
import pathlib
import re
import warnings

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="PyPI's jax is not in this Python")

import jax.numpy as jnp  # noqa: E402
import multiplet  # noqa: E402
import multiplet.jax as mj  # noqa: E402
from multiplet import library  # noqa: E402
from multiplet.jax import handlers, operations, rules  # noqa: E402
from test_jax import both_ways  # noqa: E402

if not pathlib.Path(library.load().path).with_name(handlers.NAME).exists():
    pytest.skip(f"{handlers.NAME} was not built: jaxlib's header was not found", allow_module_level=True)

jax.config.update("jax_enable_x64", True)
SELECTIONS = {"lowest": ({"lowest": 2}, slice(0, 2)), "highest": ({"highest": 3}, slice(-3, None)),
              "index": ({"index": (1, 4)}, slice(1, 4)), "range": ({"range": (-1.5, 1.5), "at_most": 5}, slice(1, 4))}
pytestmark = pytest.mark.filterwarnings("ignore::multiplet.GaugeWarning")


def make(n, dtype, spectrum=None, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if np.dtype(dtype).kind == "c" else 0)
    q = np.linalg.qr(x)[0]
    a = (q * (np.arange(n) - 2.0 if spectrum is None else np.array(spectrum))) @ q.conj().T
    return jnp.asarray((a + a.conj().T) / 2).astype(dtype)


def losses(kind, n):
    """Of A, by select and out of the whole spectrum."""
    select, columns = SELECTIONS[kind]

    def loss(some, a):
        a = (a + a.conj().T) / 2
        w, v, *_ = mj.eigh(a, select=select if some else None)
        w, v = (w[:3], v[:, :3]) if some else (w[columns], v[:, columns])
        return jnp.sin((w * w).sum() / n + (jnp.abs(v) ** 2 * w * jnp.cos(jnp.arange(n))[:, None]).sum())
    return functools.partial(loss, True), functools.partial(loss, False)


@pytest.mark.parametrize("dtype,n,kind", [
    *((dtype, 6, kind) for dtype in ("float64", "complex128") for kind in SELECTIONS), ("float32", 6, "index"),
    ("complex64", 140, "lowest"), ("float64", 140, "range"), ("complex128", 140, "highest")])
def test_derivatives(dtype, n, kind):
    some, whole = losses(kind, n)
    a, d = make(n, dtype), make(n, dtype, seed=1) / n
    bound = 1e-11 if np.dtype(dtype).itemsize // (1 + (np.dtype(dtype).kind == "c")) == 8 else 2e-3
    expected = jax.grad(whole)(a)
    assert abs(some(a) - whole(a)) < bound and abs(jax.grad(some)(a) - expected).max() < bound
    together = jax.jit(jax.vmap(jax.grad(some)))(jnp.stack([a, a + d]))
    assert abs(together - jnp.stack([expected, jax.grad(whole)(a + d)])).max() < 4 * bound
    along = jax.jvp(some, (a,), (d,))[1]
    assert abs(along - jax.jvp(whole, (a,), (d,))[1]) < bound and abs(along - (expected * d).sum().real) < 4 * bound
    if dtype == "float64":
        step = 1e-5
        assert abs(along - (some(a + step * d) - some(a - step * d)) / (2 * step)) < 1e-7
        if n == 6:
            assert abs(jax.jacfwd(some)(a) - expected).max() < bound and abs(jax.jacrev(some)(a) - expected).max() < bound


def test_values_and_outputs():
    a = jnp.stack([make(6, "float64"), 3 * make(6, "float64")])
    w, v, found = mj.eigh(a, select={"range": (-2.5, 0.5), "at_most": 4})
    assert found.tolist() == [3, 1] and v.shape == (2, 6, 4) and not v[1, :, 1:].any()
    pairs, certificate = mj.eigh(a, select={"highest": 2}, certificate=True)
    expected = multiplet.eigh(np.asarray(a), select={"highest": 2}, threads=1)
    assert np.allclose(pairs.eigenvalues, expected.eigenvalues, atol=1e-13) and certificate.status.tolist() == [1, 1]
    assert np.allclose(mj.eigvalsh(a, select={"lowest": 1}), multiplet.eigvalsh(np.asarray(a))[:, :1], atol=1e-13)
    many = mj.eigvalsh(a, select={"range": (-2.5, 1), "at_most": 3})
    assert many.found.tolist() == [3, 1] and abs(many.eigenvalues[0] - jnp.array([-2, -1, 0])).max() < 1e-13
    with pytest.warns(multiplet.ProblemWarning, match="TOO_MANY_IN_RANGE"):
        few, _ = jax.block_until_ready(mj.eigvalsh(a, select={"range": (-2.5, 9), "at_most": 5}))
    assert np.isnan(few).all(1).tolist() == [True, False]
    for select in ({"lowest": 0}, {"lowset": 1}):
        with pytest.raises(ValueError, match="select|lowest"):
            mj.eigh(a, select=select)
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        jax.hessian(lambda a: mj.eigh(a, select={"lowest": 1})[1][0, 0])(a[0])


def test_multiplets():
    a = make(6, "float64", [1.0, 1, 2, 3, 4, 5])
    p = mj.projector(a, (0, 2))
    with pytest.warns(multiplet.SubgradientWarning):
        g = jax.block_until_ready(jax.grad(lambda a: mj.eigvalsh(a, select={"lowest": 1}).sum())(a))
    assert abs(g - p / 2).max() < 1e-12
    with pytest.warns(multiplet.ProblemWarning, match="SPLIT_MULTIPLET"):
        g = jax.grad(lambda a: mj.eigh(a, select={"lowest": 1})[1].sum())(a)
        assert np.isnan(g).all()
    m, d = make(6, "float64", seed=3), make(6, "float64", seed=4)
    loss = lambda a: (lambda v: (v @ v.T * m).sum())(mj.eigh(a, select={"lowest": 2})[1])  # noqa: E731
    expected = jax.grad(lambda a: (mj.projector(a, (0, 2)) * m).sum())(a)
    assert abs(jax.grad(loss)(a) - expected).max() < 1e-11
    assert abs(jax.jvp(loss, (a,), (d,))[1] - (expected * d).sum()) < 1e-10
    unbiased = jax.jit(jax.grad(lambda a, seed: mj.eigh(a, select={"lowest": 2}, seed=seed,
                                                        eigenvalue_cotangents="unbiased").eigenvalues[0]))
    draws = np.stack([unbiased(a, s) for s in range(400)])
    assert np.ptp(draws, axis=0).max() > 0.1 and abs(draws.mean(0) - p / 2).max() < 5 * 0.36 / 20


def test_only_handlers_are_called():
    a = make(6, "complex128")
    loss = lambda a: (lambda w, v: w.sum() + jnp.abs(v[0, 0]))(*mj.eigh(a, select={"lowest": 2}))  # noqa: E731
    text = jax.jit(jax.value_and_grad(loss)).lower(a).as_text()
    assert set(re.findall(r"custom_call @(\w+)", text)) == {handlers.TARGET} and "callback" not in text
    assert set(re.findall(r'handler = "(\w+)"', text)) == {"eigh_selected", "eigh_selected_backward"}


@pytest.mark.parametrize("kind,n", [("lowest", 5), ("range", 5), ("index", 140)])
def test_host_gives_the_same(kind, n):
    """As in test_jax.py: the way of other devices, to the bit."""
    a = np.stack([make(n, "complex128"), np.full((n, n), np.nan), make(n, "complex128", seed=2)])
    settings = mj.linalg._settings(a, "L", None, "nan", True, 1)[1]._replace(basis=0)
    selection = multiplet.arguments.selection(SELECTIONS[kind][0])
    static = {"settings": settings, "selection": selection}
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        w, v, _, _, marks, _, *factors = jax.block_until_ready(rules.eigh_selected(a, operands="M", **static))
    s, back = marks[..., 0], {**static, "settings": settings._replace(convention=1)}
    for operation, arrays, letters, static in (
            (rules.eigh_selected, (a,), "M", static), (rules.eigvalsh_selected, (a,), "M", static),
            (rules.eigh_selected, (a, np.array([1, 2, 2], np.uint32)), "MS", static),
            (rules.eigh_selected_backward, (w, v, s, w, *factors), "xCsxMtwww", back),
            (rules.eigh_selected_backward, (w, v, s, v, *factors), "xCsCMtwww", back),
            (rules.eigh_selected_backward, (w, v, s, w, 1j * v, *factors), "xCsxCMtwww", back)):
        both_ways(operation, arrays, letters, static)


def test_a_call_that_does_not_fit_is_an_error():
    a, settings = jnp.eye(4), mj.linalg._settings(jnp.eye(4), "L", None, "nan", True, 1)[1]
    selection = multiplet.backend.Selection("lowest", at_most=2)
    outputs = rules.eigvalsh_selected._outputs("M", (a,), selection)
    attributes = operations.attributes(settings, selection=selection)

    def call(drop="", **change):
        numbers = {name: np.float64(x) if isinstance(x, float) else np.int64(x)
                   for name, x in {**attributes, **change}.items() if name != drop}
        found = jax.ffi.ffi_call(handlers.TARGET, outputs)(a, handler="eigvalsh_selected", **numbers)
        return jax.block_until_ready(found)
    handlers.register()
    assert call()[0].tolist() == [1, 1]
    for change, text in (({"at_most": 3}, "do not belong together"), ({"selection": 0}, "do not belong together"),
                         ({"drop": "at_most"}, "'at_most'"),
                         ({"selection": 4, "low": 2.0, "high": 1.0}, "bad argument, select")):
        with pytest.raises(jax.errors.JaxRuntimeError, match=text):
            call(**change)
