"""Estimates at the ends of the range, of cotangents in lower precision, and of forward mode."""
import sys

import numpy as np
import pytest

from job import OK, ROOT, TYPES, eps, hermitian, read, solve, write

sys.path.insert(0, str(ROOT / "tests/attack"))
import problems  # noqa: E402
from multiplet.backend import Library, Options  # noqa: E402
from reference import Exact, Scalar  # noqa: E402

ENGINES = ["lanes", "lapack"]


def near_pair(rng, n, gap, dtype):
    w = np.r_[1, 1 + gap, np.linspace(1.5, 3, n - 2)]
    a = hermitian(rng, 1, n, "complex128" if np.dtype(dtype).kind == "c" else "float64", w)[0]
    return problems._symmetric(a).astype(dtype)


def backward(a, gw, gv, solver):
    """One matrix."""
    options = Options(triangle="full", solver=solver)
    w, v, forward = Library().eigh(a[None], options)
    if callable(gw):
        gw, gv = gw(w[0], v[0]), gv(w[0], v[0])
    gw, gv = np.asarray(gw, w.dtype)[None], np.ascontiguousarray(gv, v.dtype)[None]
    g, certificate = Library().eigh_backward(w, v, gw, gv, forward, options)
    return v[0], g[0], certificate.report[0]


def scales(dtype):
    """(of cotangents, of matrices), powers of two; those whose product the type holds."""
    most = 96 if np.finfo(dtype).dtype.itemsize == 4 else 996  # 1e29, 7e299
    ends = [-most, -most // 2, 0, most // 2, most]
    return [(c, s) for c in ends for s in ends if abs(c + s) <= most and (c, s) != (0, 0)]


@pytest.mark.parametrize("solver", ENGINES)
@pytest.mark.parametrize("dtype", TYPES)
def test_the_estimate_does_not_depend_on_units(dtype, solver):
    """gw times c and gv times c s, of s A: the same X, c times as large."""
    for seed, gap in enumerate((0.1, 1e-3, 20 * eps(dtype) ** 0.5)):
        rng = np.random.default_rng(seed)
        a, gw = near_pair(rng, 6, gap, dtype), rng.standard_normal(6).astype(np.finfo(dtype).dtype)
        term = problems.Vectors(np.arange(6), rng.standard_normal(6),
                                problems.draw(rng, (6, 6), np.dtype(dtype).kind == "c"))
        v, _, _ = backward(a, gw, np.zeros((6, 6)), solver)
        gv = term.cotangents(gw, v)[1].astype(dtype)
        _, g, plain = backward(a, gw, gv, solver)
        assert plain["status"] == OK and 0 < plain["gradient_error"] < 1
        for c, s in scales(dtype):
            scaled = [np.ldexp(x.view(gw.dtype), k).view(x.dtype) for x, k in ((a, s), (gw, c), (gv, c + s))]
            _, found, report = backward(*scaled, solver)
            estimate = float(report["gradient_error"])
            assert report["status"] == OK and np.isfinite(found).all(), (c, s)
            assert 1 / 1.01 < estimate / plain["gradient_error"] < 1.01, (c, s, estimate)
            back = np.ldexp(found.view(gw.dtype), -c).view(found.dtype)
            assert np.linalg.norm(back - g) <= 1e-3 * np.linalg.norm(g), (c, s)


@pytest.mark.parametrize("solver", ENGINES)
@pytest.mark.parametrize("dtype", TYPES)
def test_a_gradient_that_vanishes_has_lost_everything(dtype, solver):
    """sum |V|^2 is constant; so is the sum of two losses that cancel."""
    a = near_pair(np.random.default_rng(1), 5, 0.1, dtype)
    for scale in (1, np.finfo(dtype).tiny * 16, np.finfo(dtype).max / 64):
        _, g, report = backward(a, lambda w, v: 0 * w, lambda w, v: 2 * np.asarray(scale, w.dtype) * v, solver)
        assert report["status"] == OK and not g.any() and report["gradient_error"] == 1, (scale, report)
    _, g, report = backward(a, lambda w, v: 0 * w, lambda w, v: 0 * v, solver)
    assert report["status"] == OK and not g.any() and report["gradient_error"] == 0


def single(x):
    return x.astype("complex64" if np.iscomplexobj(x) else "float32").astype(x.dtype)


@pytest.mark.parametrize("solver", ENGINES)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_cotangents_of_lower_precision(dtype, solver):
    """Values that are all float32 numbers: the estimate follows, at every gap, and bounds the error."""
    ratios, estimates = [], []
    for k in range(60):
        rng = np.random.default_rng([5, k])
        gap = 10 ** rng.uniform(-9, -1)
        a = near_pair(rng, 6, gap, dtype)
        x = problems.draw(rng, (6, 2), np.dtype(dtype).kind == "c")
        term = [problems.Vectors([0, 1], rng.standard_normal(2), x),
                problems.Projector((0, 2), c=problems.hermitian(rng, 6, dtype)),
                problems.Function(Scalar("exp"), c=problems.hermitian(rng, 6, dtype))][k % 3]
        v, g, report = backward(a, lambda w, v: single(term.cotangents(w, v)[0]),
                                lambda w, v: single(term.cotangents(w, v)[1]), solver)
        truth = term.truth(Exact(a), v)
        if report["status"] == OK:
            ratios.append(np.linalg.norm(g - truth) / np.linalg.norm(truth) / report["gradient_error"])
            estimates.append(report["gradient_error"])
    assert len(ratios) > 40 and max(ratios) <= 10 and min(estimates) > 1e-8


@pytest.mark.parametrize("solver", ENGINES)
def test_a_file_of_lower_precision(tmp_path, solver):
    """As the same numbers in memory, whose type is the matrix's own."""
    rng = np.random.default_rng(6)
    a = np.stack([near_pair(rng, 6, gap, "float64") for gap in (1e-2, 1e-4, 1e-6)])
    solve(tmp_path, a, name="forward", solve={"solver": solver})
    v = read(tmp_path / "forward-out.h5")["eigenvectors"]
    gv = (2 * rng.standard_normal((3, 6, 1)) * v).astype("float32") * np.arange(6, dtype="float32")
    gv = (gv + rng.standard_normal(gv.shape)).astype("float32")
    found = [solve(tmp_path, a, cotangents={"eigenvectors": x}, gradient={"eigenpairs": "forward-out.h5"},
                   solve={"solver": solver})["diagnostics/gradient_error"] for x in (gv, gv.astype("float64"))]
    np.testing.assert_allclose(*found, rtol=0.01)
    assert (found[0] > 1e-8).all()


def tangents_of(exact, v, d):
    """dw, dV in the parallel gauge, d exp(A), of a matrix whose eigenvalues differ."""
    x = exact.phased_as(v)
    m = x.conj().T @ d @ x
    rotation = np.where(exact.gap == 0, 0, m / np.where(exact.gap == 0, 1, exact.gap))
    by_function = Scalar("exp").differences(exact.values, exact.gap) * exact.into(d)
    return np.diag(m).real, x @ rotation, exact.out_of(by_function)


@pytest.mark.parametrize("solver", ENGINES)
@pytest.mark.parametrize("dtype", TYPES)
def test_tangents_are_within_their_estimate(tmp_path, dtype, solver):
    """Random directions; random matrices and near pairs."""
    rng, n, count = np.random.default_rng(7), 6, 40
    gaps = 10 ** rng.uniform(np.log10(200 * eps(dtype)), -1, count)
    a = np.stack([near_pair(rng, n, gap, dtype) for gap in gaps])
    a[::4] = hermitian(rng, count, n, dtype)[::4]
    d = hermitian(rng, count, n, dtype)
    write(tmp_path / "direction.h5", H=d)
    r = solve(tmp_path, a, tangent="direction.h5", functions=[{"name": "f", "kind": "exp"}], solve={"solver": solver})
    assert (r["status"] == OK).all()
    ratios = []
    for k in range(count):
        truth = tangents_of(Exact(a[k]), r["eigenvectors"][k], d[k])
        found = [r[f"tangent/{name}"][k] for name in ("eigenvalues", "eigenvectors", "functions/f")]
        errors = [float(np.linalg.norm(x - y) / np.linalg.norm(y)) for x, y in zip(found, truth)]
        ratios.append(max(errors) / r["diagnostics/tangent_error"][k])
    assert max(ratios) <= 10 and np.median(ratios) > 1e-3, (max(ratios), np.median(ratios))
