"""Some of the eigenpairs of NumPy arrays: values by NumPy in double precision, gradients by the dense formula there,
and the whole spectrum's call beside them."""
import numpy as np
import pytest

import multiplet
from job import TYPES, hermitian
from multiplet import Status, arguments, backend
from test_arrays import EPS, draw, python

SELECTIONS = [{"lowest": 3}, {"highest": 2}, {"index": [1, 4]}, {"range": [-0.5, 0.75], "at_most": 5}]


def batch(dtype, shape, n, seed=0):
    """Spectra with gaps of about 1/n or more."""
    rng, count = np.random.default_rng(seed), int(np.prod(shape))
    spectra = [np.sort(np.linspace(-1, 2, n) + rng.uniform(-0.2, 0.2, n) / n) for _ in range(count)]
    return np.stack([hermitian(rng, 1, n, dtype, list(w))[0] for w in spectra]).reshape(*shape, n, n) if count else \
        np.zeros((*shape, n, n), dtype)


def place(select, w):
    """The columns of the whole spectrum w [n]."""
    n = len(w)
    kind = next(iter(select))
    if kind == "range":
        return np.flatnonzero((w >= select["range"][0]) & (w < select["range"][1]))
    start, stop = {"lowest": (0, select.get("lowest")), "index": select.get("index", (0, 0)),
                   "highest": (n - select.get("highest", 0), n)}[kind]
    return np.arange(start, min(stop, n))


def dense(a, columns, v, gw, gv):
    """The gradient by NumPy in double precision, for vectors whose phases are those of v."""
    a = np.tril(a) + np.tril(a, -1).conj().T
    w, u = np.linalg.eigh(a.astype(np.promote_types(a.dtype, np.float64)))
    phase = np.sum(u[:, columns].conj() * v, axis=0)
    u[:, columns] *= phase / np.abs(phase)
    full_w, full_v = np.zeros_like(w), np.zeros_like(u)
    full_w[columns], full_v[:, columns] = gw, gv
    k = u.conj().T @ full_v
    gap = w - w[:, None]
    x = (k - k.conj().T) / 2 / np.where(gap == 0, np.inf, gap) + np.diag(full_w)
    return u @ x @ u.conj().T


@pytest.mark.parametrize("select", SELECTIONS, ids=lambda s: next(iter(s)))
@pytest.mark.parametrize("n,shape", [(6, ()), (6, (2, 3)), (40, (2,)), (130, (1,)), (6, (0,)), (130, (0,))])
@pytest.mark.parametrize("dtype", TYPES)
def test_pairs_and_gradients(dtype, n, shape, select):
    if "range" in select and n > 6:
        select = {"range": [-0.5, -0.4], "at_most": 9}
    rng, a = np.random.default_rng(1), batch(dtype, shape, n)
    pairs = multiplet.eigh(a, select=select)
    w, v, *found = pairs
    m = arguments.selection(select).columns(n)
    assert w.shape == (*shape, m) and v.shape == (*shape, n, m) and w.dtype == a.real.dtype and v.dtype == a.dtype
    assert (pairs.certificate.status == Status.OK).all() and pairs.certificate.multiplet.shape == w.shape
    values = multiplet.eigvalsh(a, select=select)
    assert np.allclose(values[0] if found else values, w, atol=100 * n * EPS[dtype])
    weights = rng.standard_normal((n, m)).astype(w.dtype)
    gw, gv = (rng.standard_normal(w.shape)).astype(w.dtype), 2 * weights * v  # of sum(weights |v|^2)
    g = multiplet.eigh_backward(pairs, gw, gv)
    assert (g.certificate.status == Status.OK).all() and g.gradient.shape == a.shape and g.gradient.dtype == a.dtype
    whole = multiplet.eigh(a)
    for k in np.ndindex(*shape):
        exact = np.linalg.eigvalsh(a[k].astype(np.promote_types(dtype, np.float64)))
        columns = place(select, exact)
        if found:
            assert pairs.found[k] == len(columns) and not w[k][len(columns):].any()
        j = len(columns)
        assert 0 < j <= m and np.abs(w[k][:j] - exact[columns]).max() < 20 * n * EPS[dtype]
        assert np.abs(np.abs(np.sum(v[k][:, :j].conj() * whole[1][k][:, columns], 0)) - 1).max() < 1000 * n * EPS[dtype]
        expected = dense(a[k], columns, v[k][:, :j], gw[k][:j], gv[k][:, :j])
        assert np.abs(g.gradient[k] - expected).max() < 200 * n * n * EPS[dtype] * np.abs(expected).max()


def hard(n, dtype):
    """Matrices on which vectors one by one are hard to get: T falls into blocks, or its eigenvalues are near or equal."""
    rng = np.random.default_rng(n)
    block = hermitian(rng, 1, n // 4, dtype, list(np.linspace(-1, 2, n // 4)))[0]
    near = np.linspace(-1, 2, n)
    near[8:13] = near[8] + 1e-10 * np.arange(5)
    wilkinson = np.diag(np.abs(np.arange(n) - n // 2) / n) + (np.eye(n, k=1) + np.eye(n, k=-1)) / n
    return {"diagonal": np.diag(rng.permutation(np.repeat(np.arange(n / 4), 4))), "one number": 3 * np.eye(n),
            "equal blocks": np.kron(np.eye(4), block), "five near": hermitian(rng, 1, n, dtype, list(near))[0],
            "five equal": hermitian(rng, 1, n, dtype, [*near[:8], *5 * [near[8]], *near[13:]])[0],
            "Wilkinson": wilkinson, "one side": np.diag(np.arange(n) * 1e-20), "zero": np.zeros((n, n))}


@pytest.mark.parametrize("dtype", TYPES)
def test_a_few_of_hard_matrices(dtype):
    n, m = 140, 6
    for name, a in hard(n, dtype).items():
        a = a.astype(dtype)
        w = np.linalg.eigvalsh(a.astype("complex128"))
        size = np.abs(w).max()
        for start in (0, 5, 10, n - m):
            pairs = multiplet.eigh(a, select={"index": [start, start + m]})
            v, error = pairs.eigenvectors, 20 * n * EPS[dtype]
            assert np.abs(pairs.eigenvalues - w[start:start + m]).max() <= error * size, (name, start)
            assert np.linalg.norm(a @ v - v * pairs.eigenvalues) <= error * size, (name, start)
            assert np.linalg.norm(v.conj().T @ v - np.eye(m)) <= error, (name, start)
            assert pairs.certificate.retried == 0


def test_as_the_whole_spectrum():
    """With zero cotangents for the rest, to the last digits; also of factors that LAPACK's reduction left."""
    for n in (6, 150):
        a = batch("complex128", (3,), n)
        pairs, whole = multiplet.eigh(a, select={"lowest": 3}), multiplet.eigh(a)
        gw, gv = np.zeros(whole[0].shape), np.zeros(a.shape, a.dtype)
        gw[..., :3], gv[..., :3] = 1, pairs.eigenvectors * np.arange(n)[:, None]
        expected = multiplet.eigh_backward(whole, gw, gv).gradient
        found = multiplet.eigh_backward(pairs, gw[..., :3], gv[..., :3]).gradient
        assert np.abs(found - expected).max() < 1e-11 * np.abs(expected).max()
        assert np.array_equal(multiplet.eigh_backward(pairs, gw[..., :3], gv[..., :3]).gradient, found)


@pytest.mark.parametrize("n", [6, 140])
def test_cut_multiplets(n):
    """Of (1, 1, 3, 4, ...) the lowest: the mean's gradient is P / 2, and its vector has none."""
    a = hermitian(np.random.default_rng(0), 1, n, "complex128", [1.0, 1.0, *range(3, n + 1)])[0]
    p = np.linalg.eigh(a)[1][:, :2]
    pairs = multiplet.eigh(a, select={"lowest": 1})
    with pytest.warns(multiplet.SubgradientWarning):
        g = multiplet.eigh_backward(pairs, [1.0])
    assert np.allclose(g.gradient, p @ p.conj().T / 2, atol=1e-10) and g.certificate.status == Status.SUBGRADIENT
    with pytest.raises(multiplet.ProblemError, match="SPLIT_MULTIPLET"):
        multiplet.eigh_backward(pairs, None, pairs.eigenvectors)
    with pytest.raises(multiplet.ProblemError, match="SPLIT_MULTIPLET"):
        multiplet.eigh_backward(pairs, [1.0], eigenvalue_cotangents="unbiased")
    with pytest.raises(multiplet.SubgradientError) if n == 6 else pytest.raises(multiplet.ProblemError):
        multiplet.eigh_backward(pairs, [1.0], eigenvalue_cotangents="error")
    two = multiplet.eigh(a, select={"lowest": 2})
    assert np.allclose(multiplet.eigh_backward(two, [1.0, 1.0]).gradient, p @ p.conj().T, atol=1e-10)
    m = hermitian(np.random.default_rng(1), 1, n, "complex128", list(range(n)))[0]  # of Re tr(M P)
    expected = multiplet.matrix_function_backward(multiplet.projector(a, (0, 2)), m).gradient
    assert np.allclose(multiplet.eigh_backward(two, None, 2 * m @ two.eigenvectors).gradient, expected, atol=1e-9 * n)


@pytest.mark.parametrize("n", [6, 140])
def test_unbiased(n):
    """Another seed, another estimate; their mean is the gradient of the sum of two losses that know no basis."""
    a = np.diag([1.0, 1.0, *range(3, n + 1)])
    draws = [multiplet.eigh_backward(multiplet.eigh(a, select={"lowest": 2}, seed=s), [1.0, 0.0],
                                     eigenvalue_cotangents="unbiased").gradient for s in range(400)]
    assert not np.allclose(draws[0], draws[1])
    assert np.allclose(np.mean(draws, axis=0)[:2, :2], np.eye(2) / 2, atol=5 * 0.36 / 20)


@pytest.mark.parametrize("n", [6, 140])
def test_ranges(n):
    a = np.stack([np.diag(np.arange(1.0, n + 1)) * k for k in (1, 2, 100)])
    with pytest.raises(multiplet.ProblemError, match=r"matrix \[0\] is TOO_MANY_IN_RANGE.*raise at_most"):
        multiplet.eigh(a, select={"range": [1, 5], "at_most": 2})
    pairs = multiplet.eigh(a, select={"range": [1, 5], "at_most": 2}, failed="zero")
    assert pairs.certificate.status.tolist() == [Status.TOO_MANY_IN_RANGE, Status.OK, Status.OK]
    assert pairs.found.tolist() == [0, 2, 0] and pairs.eigenvalues.tolist() == [[0, 0], [2, 4], [0, 0]]
    back = multiplet.eigh_backward(pairs, np.ones((3, 2)))
    g = back.gradient
    assert (back.certificate.status == pairs.certificate.status).all()
    assert np.array_equal(back.certificate.residual, pairs.certificate.residual)
    assert np.allclose(g[1], np.diag([1.0, 1.0] + (n - 2) * [0])) and not g[[0, 2]].any()
    assert multiplet.eigvalsh(a, select={"range": [2, 5], "at_most": 3}).found.tolist() == [3, 2, 0]
    one = multiplet.eigh(a[0], select={"range": [2, 5], "at_most": 4})
    assert one.found.shape == () and one.found == 3 and one.certificate.multiplet.tolist() == [0, 1, 2, 0]


def test_what_is_refused():
    a = np.eye(3)
    for select, text in (({"lowest": 0}, "lowest is 0; it has to be above 0"), ({"lowset": 1}, "select has to be"),
                         ({}, "select has to be"), (3, "select has to be"),
                         ({"lowest": 1, "highest": 1}, "one of lowest"), ({"at_most": 1}, "one of lowest"),
                         ({"range": [0, 1]}, "at_most goes with range"),
                         ({"lowest": 1, "at_most": 1}, "at_most goes with range"), ({"index": [2, 2]}, "start < stop"),
                         ({"range": [1, 1], "at_most": 1}, "is empty"),
                         ({"range": [0, 1], "at_most": -1}, "at_most is -1")):
        with pytest.raises(ValueError, match=text):
            multiplet.eigh(a, select=select)
    for select in ({"lowest": 1.5}, {"index": 3}, {"index": [0.5, 2]}, {"range": "no", "at_most": 1}):
        with pytest.raises(TypeError):
            multiplet.eigvalsh(a, select=select)
    with pytest.raises(ValueError, match=r"gv has the shape \[3, 3\], not \[3, 1\]"):
        multiplet.eigh_backward(multiplet.eigh(a, select={"lowest": 1}), None, a)
    for select in (None, "all", {"lowest": 9}):
        assert multiplet.eigh(a, select=select)[1].shape == (3, 3)
    empty = multiplet.eigh(a, select={"index": [3, 5]})
    assert empty[1].shape == (3, 0) and not multiplet.eigh_backward(empty, np.ones(0)).gradient.any()
    assert multiplet.eigh(np.zeros((2, 0, 0)), select={"highest": 2})[0].shape == (2, 0)


def test_a_backend_sees_what_the_library_takes():
    """Options(solver=...) of both engines, and factors of the one taken by the other."""
    a, selection = batch("float64", (3,), 10), arguments.selection({"index": [2, 5]})
    made = {}
    for solver in ("lanes", "lapack"):
        own = backend.Options(solver=solver)
        w, v, found, factors, certificate = backend.Library().eigh_selected(a, selection, own)
        assert (factors.tau[:, -1] == (solver == "lanes")).all() and (found == 3).all()
        other = backend.Options(solver={"lanes": "lapack", "lapack": "lanes"}[solver])
        made[solver] = backend.Library().eigh_selected_backward(w, v, selection, np.ones_like(w), v * v, factors,
                                                                certificate, other)[0]
    assert np.allclose(made["lanes"], made["lapack"], atol=1e-12)


def test_scipys_own_tests():
    """Of scipy.linalg.eigh and eigvalsh, standard problems. Left out: b= (generalized), and what tests eigh's own
    arguments (drivers, overwrite, deprecated keywords). SciPy's (lo, hi] is [lo, hi) here of the next numbers."""
    pytest.importorskip("scipy.linalg.tests.test_decomp")
    code, out = python(f"""
import sys; sys.path.insert(0, {str(multiplet.__path__[0])!r} + "/..")
import numpy as np, pytest, multiplet, scipy.linalg
import scipy.linalg.tests.test_decomp as theirs
own, count = scipy.linalg.eigh, [0, 0]

def eigh(a, b=None, *, lower=True, eigvals_only=False, overwrite_a=False, overwrite_b=False, type=1, check_finite=True,
         subset_by_index=None, subset_by_value=None, driver=None, **old):
    known = driver in (None, "ev", "evd", "evr", "evx")
    both = subset_by_index is not None and subset_by_value is not None
    partial = subset_by_index is not None or subset_by_value is not None
    array = np.asarray(a)
    bad = array.ndim < 2 or array.shape[-1] != array.shape[-2] or both or not known
    bad |= driver in ("ev", "evd") and partial
    bad |= array.dtype.kind not in "biufc" or (array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8))
    if subset_by_index is not None:
        lo, hi = subset_by_index
        bad |= not 0 <= lo <= hi < array.shape[-1]
    if subset_by_value is not None:
        lo, hi = subset_by_value
        bad |= not -np.inf <= lo < hi <= np.inf
    if b is not None or type != 1 or bad or old:
        count[1] += 1
        return own(a, b, lower=lower, eigvals_only=eigvals_only, overwrite_a=overwrite_a, overwrite_b=overwrite_b,
                   type=type, check_finite=check_finite, subset_by_index=subset_by_index,
                   subset_by_value=subset_by_value, driver=driver, **old)
    count[0] += 1
    select = None
    if subset_by_index is not None:
        select = {{"index": [int(lo), int(hi) + 1]}}
    if subset_by_value is not None:
        big = np.finfo(float).max
        lo, hi = np.nextafter([max(lo, -big), min(hi, big / 2)], np.inf)
        select = {{"range": [lo, hi], "at_most": max(array.shape[-1], 1)}}
    if check_finite and not np.isfinite(array).all():
        raise ValueError("array must not contain infs or NaNs")
    w, v, *found = multiplet.eigh(a, "L" if lower else "U", select=select)
    if found:
        w, v = w[..., :found[0]], v[..., :found[0]]
    return w if eigvals_only else (w, v)

theirs.eigh = eigh
theirs.eigvalsh = lambda a, b=None, **more: eigh(a, b, eigvals_only=True, **more)
code = pytest.main(["-q", "-p", "no:cacheprovider", theirs.__file__,
                    "-k", "(TestEigh or TestEigvalsh) and not deprecation"])
print("calls:", *count)
sys.exit(code)""")
    assert code == 0 and " failed" not in out, out
    mine, theirs = map(int, out.rpartition("calls:")[2].split())
    assert mine >= 20, out
