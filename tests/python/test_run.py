"""The main job against NumPy, SciPy and mpmath, read independently."""
import re

import h5py
import mpmath
import numpy as np
import pytest
import scipy.linalg
from job import *

SOLVERS = {1: "lapack", 2: "scalapack", 3: "lanes"}
FORUM = np.array([[1.2039, 0, .3690, 0], [0, -1.2039, 0, .3690],
                  [.3690, 0, -1.2039, 0], [0, .3690, 0, 1.2039]])


def check_pairs(a, r, w_reference=None):
    """Residual and orthogonality in units of n eps ||A||, phases, order."""
    count, n = a.shape[:2]
    unit = max(n, 4) * eps(a.dtype)
    a = a.astype(np.promote_types(a.dtype, "float64"))
    w, v = r["eigenvalues"].astype("float64"), r["eigenvectors"].astype(a.dtype)
    norm = np.maximum(np.abs(w).max(1), 1e-300)
    assert (np.diff(w, axis=1) >= 0).all()
    residual = np.linalg.norm(a @ v - v * w[:, None, :], axis=1).max(1) / norm
    assert residual.max() <= 4 * unit
    assert np.linalg.norm(v.conj().swapaxes(1, 2) @ v - np.eye(n), axis=(1, 2)).max() <= 4 * unit
    reference = np.linalg.eigvalsh(a) if w_reference is None else w_reference
    assert (np.abs(w - reference).max(1) <= 10 * unit * norm).all()
    size = np.abs(v)
    first = (size >= size.max(1, keepdims=True) * (1 - (8 * n + 1000) * eps(a.dtype))).argmax(1)
    pivot = np.take_along_axis(v, first[:, None, :], 1)
    assert (pivot.real > 0).all() and (pivot.imag == 0).all()


@pytest.mark.parametrize("solver,ranks", [("lapack", 1), ("lapack", 2), ("lanes", 1), ("lanes", 3),
                                          ("scalapack", 1), ("scalapack", 2), ("scalapack", 3)])
def test_eigenpairs(tmp_path, solver, ranks):
    a = {dtype: hermitian(np.random.default_rng(1), 5, 41, dtype) for dtype in TYPES}
    for dtype, r in solve(tmp_path, a, ranks=ranks, solve={"solver": solver}).items():
        check_pairs(a[dtype], r)
        assert (r["status"] == OK).all()
        assert (r["diagnostics/residual"] < 4).all() and (r["diagnostics/orthogonality"] < 4).all()
        assert {SOLVERS[s] for s in r["diagnostics/solver"]} == {solver}
        assert r["attributes"]["complete"] == 1


def test_row_order(tmp_path):
    """The conjugate of this matrix has other eigenvectors, so columns read as rows would show."""
    a = np.array([[[2, 1j, .5], [-1j, 3, 2j], [.5, -2j, 5]]])
    for ranks, solver in [(1, "lapack"), (1, "lanes"), (3, "scalapack")]:
        r = solve(tmp_path, a, ranks=ranks, solve={"solver": solver}, run={"grid": [1, ranks]})
        w, v = r["eigenvalues"][0], r["eigenvectors"][0]
        assert np.abs(a[0] @ v - v * w).max() < 1e-14
        assert np.abs(a[0].conj() @ v - v * w).max() > .1
        reference = np.linalg.eigh(a[0])[1]
        assert np.allclose(np.abs((reference.conj() * v).sum(0)), 1)


@pytest.mark.parametrize("dtype", TYPES)
def test_mpmath(tmp_path, dtype):
    """Eigenvalues of a graded matrix against 40 digits."""
    d = 10.0 ** -np.arange(6)
    a = hermitian(np.random.default_rng(2), 1, 6, dtype) * d[:, None] * d
    a = a.astype(dtype)
    mpmath.mp.dps = 40
    exact = mpmath.eighe(mpmath.matrix(a[0].astype(complex).tolist()), eigvals_only=True)
    check_pairs(a, solve(tmp_path, a), np.array([[float(x) for x in exact]]))


@pytest.mark.parametrize("shape", [(0, 5, 5), (3, 0, 0), (4, 1, 1), (7, 7), (2, 2, 2)])
@pytest.mark.parametrize("ranks", [1, 2])
def test_shapes(tmp_path, shape, ranks):
    a = np.zeros(shape)
    a[..., range(shape[-1]), range(shape[-1])] = np.arange(shape[-1])
    r = solve(tmp_path, a, ranks=ranks, cotangents={"eigenvalues": np.ones((*shape[:-2], shape[-1]))})
    count, n = (shape[0] if len(shape) == 3 else 1), shape[-1]
    assert r["eigenvalues"].shape == (count, n) and r["eigenvectors"].shape == (count, n, n)
    assert np.array_equal(r["eigenvalues"], np.tile(np.arange(n), (count, 1)))
    assert np.allclose(r["gradient"], np.eye(n)) and (r["status"] == OK).all()


def test_byte_order_and_other_datasets(tmp_path):
    rng = np.random.default_rng(3)
    a, b = hermitian(rng, 3, 5, "float64"), hermitian(rng, 2, 4, "complex64")
    write(tmp_path / "in.h5", **{"deep/er/A": a.astype(">f8"), "B": b, "vector": np.ones(3),
                                 "wide": np.ones((2, 3)), "names": np.array([[1, 2], [3, 4]])})
    run(config(tmp_path))
    check_pairs(a, read(tmp_path / "job-out.h5", "deep/er/A"))
    check_pairs(b, read(tmp_path / "job-out.h5", "B"))
    with h5py.File(tmp_path / "job-out.h5") as f:
        assert set(f) == {"deep", "B"} and f["B/eigenvalues"].dtype == "f4"


def test_triangles(tmp_path):
    a = hermitian(np.random.default_rng(4), 3, 20)
    for keep, triangle in [(np.tril, "lower"), (np.triu, "upper")]:
        for ranks, solver in [(1, "lapack"), (1, "lanes"), (2, "scalapack")]:
            half = keep(a) + np.where(keep(np.ones((20, 20))) > 0, 0, np.nan)
            write(tmp_path / "in.h5", H=half)
            run(config(tmp_path, input={"file": "in.h5", "triangle": triangle},
                       solve={"solver": solver}), "--fresh", ranks=ranks)
            check_pairs(a, read(tmp_path / "job-out.h5"))
            (tmp_path / "in.h5").unlink()


@pytest.mark.parametrize("solver,ranks", [("lapack", 1), ("lanes", 1), ("scalapack", 2), ("scalapack", 4)])
def test_failures_are_data(tmp_path, solver, ranks):
    a = hermitian(np.random.default_rng(5), 6, 40)
    a[1, 3, 4], a[2, 0, 0], a[3, 7, 2] = np.nan, np.inf, a[3, 7, 2] + 1e-6
    good = [0, 4, 5]
    r = solve(tmp_path, a, ranks=ranks, expect=4, solve={"solver": solver})
    assert list(r["status"]) == [OK, NONFINITE, NONFINITE, NOT_HERMITIAN, OK, OK]
    check_pairs(a[good], {k: v[good] for k, v in r.items() if k != "attributes"})
    for name in ("eigenvalues", "eigenvectors"):
        assert not r[name][1:4].any()


def test_forum(tmp_path):
    """The thread's matrix and loss: a typed warning with its size, and a finite gradient. The size is that
    for the vectors that the solver returned: 2 |K_21| / |gv_1| and K_21 = sum of v_2 / 2."""
    gv = np.zeros((1, 4, 4))
    gv[0, :, 0] = 1
    for solver in ("lapack", "lanes"):
        r = solve(tmp_path, FORUM, cotangents={"eigenvectors": gv}, solve={"solver": solver})
        assert r["status"][0] == GAUGE and np.isfinite(r["gradient"]).all() and r["gradient"].any()
        violation = abs(r["eigenvectors"][0, :, 1].sum()) / 2
        assert violation == pytest.approx(0.256, abs=0.001)  # in the turned basis; 0.42 in the blocks' own
        assert r["diagnostics/gauge_violation"][0] == pytest.approx(violation)
        done = run(tmp_path / "job.yaml", "--fresh")
        assert "warning" in done.stderr and f"{violation:.2g}" in done.stderr
    run(tmp_path / "job.yaml", "--fresh", "--set", "degeneracy.gauge_dependent_loss=fail", expect=4)
    r = read(tmp_path / "job-out.h5")
    assert r["status"][0] == GAUGE and not r["gradient"].any()


def test_simple_vector_beside_a_multiplet(tmp_path):
    """diag(4, 1, 1) and the vector of eigenvalue 4: dv = (A - 4)^+ dA v, exactly."""
    gv = np.zeros((1, 3, 3))
    gv[0, :, 2] = [.3, .5, -.7]
    r = solve(tmp_path, np.diag([4., 1, 1]), cotangents={"eigenvectors": gv})
    expected = np.zeros((3, 3))
    expected[0, 1:] = expected[1:, 0] = np.array([.5, -.7]) / (4 - 1) / 2
    assert r["status"][0] == OK and np.abs(r["gradient"][0] - expected).max() < 1e-16


@pytest.mark.parametrize("solver,ranks", [("lapack", 1), ("lanes", 1), ("scalapack", 2)])
def test_projector_loss_at_every_gap(tmp_path, solver, ranks):
    """L = Re tr(C P), P the projector on three close eigenvalues: the answer does not feel the gap."""
    n, inside = 12, np.arange(12) < 3
    a, c, gv = {}, {}, {}
    for k, gap in enumerate([0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3]):
        rng, spectrum = np.random.default_rng(6), np.where(inside, 1 + gap * np.arange(n), 2.5 + np.arange(n))
        a[f"H{k}"], c[f"H{k}"] = hermitian(rng, 1, n, spectrum=spectrum), hermitian(rng, 1, n)[0]
    forward = solve(tmp_path, a, name="forward", ranks=ranks, solve={"solver": solver})
    for k, f in forward.items():
        gv[k] = {"eigenvectors": np.where(inside, 2 * c[k] @ f["eigenvectors"][0], 0)[None]}
    r = solve(tmp_path, a, ranks=ranks, solve={"solver": solver}, cotangents=gv,
              gradient={"eigenpairs": "forward-out.h5"})
    for k, f in forward.items():
        w, v = f["eigenvalues"][0], f["eigenvectors"][0]
        kernel = v.conj().T @ c[k] @ v
        cross = np.where(inside[:, None] & ~inside, 1 / (w[:, None] - w + np.eye(n)), 0) * kernel
        expected = v @ (cross + cross.conj().T) @ v.conj().T
        assert r[k]["status"][0] == OK, k
        assert np.linalg.norm(r[k]["gradient"][0] - expected) <= 1e-11 * np.linalg.norm(expected), k


@pytest.mark.parametrize("solver,ranks", [("lapack", 1), ("lanes", 2), ("scalapack", 2), ("scalapack", 6)])
def test_gradient_against_the_formula(tmp_path, solver, ranks):
    n, spectrum = 33, np.repeat(np.arange(11.), 3)
    a, g, conjugate = {}, {}, {}
    for dtype in TYPES:
        rng = np.random.default_rng(7)
        a[dtype] = hermitian(rng, 2, n, dtype, spectrum)
        g[dtype] = {"eigenvalues": rng.standard_normal((2, n)), "eigenvectors": hermitian(rng, 2, n, dtype)}
        conjugate[dtype] = g[dtype] | {"eigenvectors": g[dtype]["eigenvectors"].conj()}
    results = solve(tmp_path, a, ranks=ranks, solve={"solver": solver}, cotangents=g)
    for dtype, r in results.items():
        assert (r["status"] == GAUGE).all() and (r["multiplet"] == np.repeat(np.arange(11), 3)).all(), dtype
        for b in range(2):
            w, v = r["eigenvalues"][b].astype("f8"), r["eigenvectors"][b]
            w = np.repeat(w.reshape(11, 3).mean(1), 3)
            gw, gv = g[dtype]["eigenvalues"][b], g[dtype]["eigenvectors"][b]
            expected = reference_gradient(w, v, r["multiplet"][b], gw, gv)
            error = np.linalg.norm(r["gradient"][b] - expected) / np.linalg.norm(expected)
            assert error <= 50 * n * eps(dtype), dtype
            assert np.array_equal(r["gradient"][b], r["gradient"][b].conj().T), dtype
    jax = solve(tmp_path, a, ranks=ranks, name="jax", solve={"solver": solver}, cotangents=conjugate,
                gradient={"convention": "jax"})
    for dtype, r in results.items():
        assert np.allclose(jax[dtype]["gradient"], r["gradient"].conj(), rtol=0,
                           atol=100 * eps(dtype) * np.abs(r["gradient"]).max()), dtype


def test_gradient_scramble(tmp_path):
    """Another basis of each multiplet, with cotangents turned along, must not move the gradient."""
    rng = np.random.default_rng(8)
    spectrum = np.repeat(np.arange(5.), 3)
    a, c = hermitian(rng, 1, 15, spectrum=spectrum), hermitian(rng, 1, 15)[0]
    solve(tmp_path, a, name="forward")
    weight = np.repeat([1, 0, 2, 0, 0], 3)
    gradients = []
    for seed in range(3):
        with h5py.File(tmp_path / "forward-out.h5", "a") as f:
            v = f["H/eigenvectors"][0]
            for k in range(0, 15, 3):
                v[:, k:k + 3] = v[:, k:k + 3] @ np.linalg.qr(hermitian(rng, 1, 3)[0])[0]
            f["H/eigenvectors"][0] = v
        r = solve(tmp_path, a, cotangents={"eigenvectors": (2 * c @ v * weight)[None]},
                  gradient={"eigenpairs": "forward-out.h5"})
        assert r["status"][0] == OK
        gradients.append(r["gradient"][0])
    assert max(np.abs(g - gradients[0]).max() for g in gradients) < 1e-13


def test_given_eigenpairs_of_a_failed_problem_are_zero(tmp_path):
    a = hermitian(np.random.default_rng(3), 2, 4)
    forward = solve(tmp_path, a, name="forward")
    gw = np.array([[np.nan, 0, 0, 0], [1, 0, 0, 0]])
    r = solve(tmp_path, a, expect=4, cotangents={"eigenvalues": gw}, gradient={"eigenpairs": "forward-out.h5"})
    assert list(r["status"]) == [NONFINITE_COTANGENT, OK]
    assert not r["eigenvalues"][0].any() and (r["eigenvalues"][1] == forward["eigenvalues"][1]).all()


def test_spread_policies(tmp_path):
    a, gw = np.diag([1., 1, 3]), np.array([[1., 0, 5]])
    cases = {"mean": (0, np.diag([.5, .5, 5])), "raw": (0, np.diag([1., 0, 5])), "fail": (4, np.zeros((3, 3)))}
    for policy, (code, expected) in cases.items():
        r = solve(tmp_path, a, expect=code, cotangents={"eigenvalues": gw},
                  degeneracy={"eigenvalue_cotangents": policy})
        spectrum = np.sort(np.linalg.eigvalsh(r["gradient"][0]))
        assert np.allclose(spectrum, np.sort(np.diag(expected)))
        assert r["diagnostics/cotangent_spread"][0] == pytest.approx(.2)


@pytest.mark.parametrize("ranks,solver", [(1, "lapack"), (1, "lanes"), (2, "scalapack")])
def test_nonfinite_cotangent(tmp_path, ranks, solver):
    a = hermitian(np.random.default_rng(9), 3, 6)
    gv = np.ones((3, 6, 6), complex)
    gv[1, 2, 3] = np.nan
    r = solve(tmp_path, a, ranks=ranks, expect=4, solve={"solver": solver},
              cotangents={"eigenvectors": gv})
    assert r["status"][1] == NONFINITE_COTANGENT and (r["status"][[0, 2]] == GAUGE).all()
    for name, value in r.items():
        assert name == "attributes" or not np.isnan(value).any(), name
    assert not r["gradient"][1].any() and r["gradient"][0].any()


@pytest.mark.parametrize("ranks,solver", [(1, "lapack"), (1, "lanes"), (2, "scalapack")])
def test_scales(tmp_path, ranks, solver):
    a, scales = hermitian(np.random.default_rng(10), 2, 40), {"A": 1e-300, "B": 1e-150, "C": 1e150, "D": 1e300}
    r = solve(tmp_path, {k: a * scale for k, scale in scales.items()}, ranks=ranks, solve={"solver": solver})
    for k, scale in scales.items():
        r[k]["eigenvalues"] = r[k]["eigenvalues"] / scale
        check_pairs(a, r[k])
        assert (r[k]["status"] == OK).all(), scale


def test_values_only(tmp_path):
    a = hermitian(np.random.default_rng(11), 3, 40)
    for ranks, solver in [(1, "lapack"), (1, "lanes"), (2, "scalapack")]:
        r = solve(tmp_path, a, ranks=ranks, solve={"solver": solver, "eigenvectors": False})
        assert np.allclose(r["eigenvalues"], np.linalg.eigvalsh(a), atol=1e-13)
        assert "eigenvectors" not in r and "diagnostics/residual" not in r


def test_two_passes_are_one(tmp_path):
    rng = np.random.default_rng(12)
    a, gv = hermitian(rng, 4, 30), hermitian(rng, 4, 30)
    for ranks, solver in [(1, "lapack"), (1, "lanes"), (2, "scalapack")]:
        one = solve(tmp_path, a, name="one", ranks=ranks, solve={"solver": solver},
                    cotangents={"eigenvectors": gv})
        two = solve(tmp_path, a, name="two", ranks=ranks, solve={"solver": solver},
                    cotangents={"eigenvectors": gv}, gradient={"eigenpairs": "one-out.h5"})
        expected = [reference_gradient(w, v, np.arange(30), np.zeros(30), g) for w, v, g in
                    zip(one["eigenvalues"], one["eigenvectors"], gv)]
        assert np.allclose(one["gradient"], expected, atol=1e-10)
        assert np.allclose(two["gradient"], expected, atol=1e-10)


def test_schema(tmp_path):
    a = hermitian(np.random.default_rng(13), 2, 4)
    solve(tmp_path, a, cotangents={"eigenvalues": np.ones((2, 4))})
    text = (ROOT / "src/store/SCHEMA.md").read_text()
    with h5py.File(tmp_path / "job-out.h5") as f:
        assert f.attrs["schema_name"] == "multiplet-result" and f.attrs["schema_version"] == "1.1"
        assert f.attrs["input_file"] == str(tmp_path / "in.h5") and f.attrs["ranks"] == 1
        for name in f.attrs:
            assert f"`{name}`" in text, name
        f["H"].visititems(lambda name, item: isinstance(item, h5py.Group) or
                          (f"`{name}`" in text) or pytest.fail(name))
        names = h5py.check_enum_dtype(f["H/status"].dtype)
        assert names["PENDING"] == 0 and names["TOO_MANY_IN_RANGE"] == 10 and len(names) == 13
        assert f["H/status"].dtype == "i1" and f["H/multiplet"].dtype == "i4"
        for name, number in names.items():
            assert f"| {number} | `{name}` |" in text


def test_generalized_reference_is_scipy(tmp_path):
    """The same spectrum from a third implementation: scipy's MRRR driver."""
    a = hermitian(np.random.default_rng(14), 1, 60, spectrum=np.repeat([1., 2, 2 + 1e-10], 20))
    check_pairs(a, solve(tmp_path, a), scipy.linalg.eigh(a[0], driver="evr", eigvals_only=True)[None])


@pytest.mark.parametrize("grid", [[1, 2], [1, 3], [2, 2], [2, 3]])
def test_repeated_runs_give_the_same_bits(tmp_path, grid):
    """Also where the basis is arbitrary: continuing a run must not mix two bases in one file."""
    spectrum = np.repeat([1, 1 + 1e-13, 2, 2 + 1e-12, 3, 5], 20)
    a = hermitian(np.random.default_rng(15), 3, 120, spectrum=spectrum)
    runs = [solve(tmp_path, a, name=f"run{k}", ranks=grid[0] * grid[1], run={"grid": grid},
                  solve={"solver": "scalapack"}) for k in range(4)]
    assert runs[0]["diagnostics/ranks"][0] == grid[0] * grid[1]
    for other in runs[1:]:
        same(runs[0], other)


@pytest.mark.parametrize("ranks,solver", [(1, "lapack"), (1, "lanes"), (2, "scalapack")])
def test_cotangent_scales(tmp_path, ranks, solver):
    """Squares of these leave the exponent range; the gradient does not."""
    rng, scales = np.random.default_rng(16), {"one": 1, "A": 1e-250, "B": 1e-180, "C": 1e180, "D": 1e250}
    a, gv = hermitian(rng, 1, 12), hermitian(rng, 1, 12)
    r = solve(tmp_path, dict.fromkeys(scales, a), ranks=ranks, solve={"solver": solver},
              cotangents={k: {"eigenvectors": gv * scale} for k, scale in scales.items()})
    for k, scale in scales.items():
        assert np.allclose(r[k]["gradient"] / scale, r["one"]["gradient"], rtol=1e-12, atol=1e-13), scale
        assert r[k]["diagnostics/gauge_violation"] == pytest.approx(r["one"]["diagnostics/gauge_violation"]), scale


@pytest.mark.parametrize("dtype", TYPES)
def test_lanes_on_any_number_of_ranks(tmp_path, dtype):
    """Nor does it matter who shares a vector: every dataset comes again, turned round by five."""
    rng = np.random.default_rng(17)
    sizes = {"A": (300, 9), "deep/B": (150, 21), "C": (7, 40)}
    groups = {}
    for name, (count, n) in sizes.items():
        a = hermitian(rng, count, n, dtype)
        a[::4] = np.eye(n) * np.repeat([1, 2], [n // 2, n - n // 2])
        a[1::4] *= 10.0 ** (20 if eps(dtype) > 1e-10 else 120)
        a[5] = np.nan
        gw, gv = rng.standard_normal((count, n)), hermitian(rng, count, n, dtype)
        for to, shift in [(name, 0), (f"{name}5", 5)]:
            write(tmp_path / "in.h5", **{to: np.roll(a, shift, 0)})
            write(tmp_path / "c.h5", **{f"{to}/eigenvalues": np.roll(gw, shift, 0),
                                        f"{to}/eigenvectors": np.roll(gv, shift, 0)})
    for ranks in (1, 2, 3):
        run(config(tmp_path, solve={"solver": "lanes"}, gradient={"cotangents": "c.h5"}), "--fresh", ranks=ranks,
            expect=4)
        for name in sizes:
            r = read(tmp_path / "job-out.h5", name)
            assert {SOLVERS[s] for s in r["diagnostics/solver"]} == {"lanes"} and r["status"][5] == NONFINITE
            assert r["gradient"][::4].any() and (np.delete(r["status"], 5) <= GAUGE).all()
            same(groups.setdefault(name, r), r)
            turned = read(tmp_path / "job-out.h5", f"{name}5")
            same(r, {key: value if key == "attributes" else np.roll(value, -5, 0) for key, value in turned.items()})


@pytest.mark.parametrize("dtype", TYPES)
def test_auto_goes_by_size(tmp_path, dtype):
    """The limit is the instruction set's, between these two."""
    rng = np.random.default_rng(18)
    for n, solver in [(1, "lanes"), (40, "lanes"), (140, "lapack")]:
        r = solve(tmp_path, hermitian(rng, 3, n, dtype), ranks=2)
        assert {SOLVERS[s] for s in r["diagnostics/solver"]} == {solver}
    r = solve(tmp_path, hermitian(rng, 1, 40, dtype), ranks=2, run={"distribute_from": 40})
    assert SOLVERS[r["diagnostics/solver"][0]] == "scalapack"


@pytest.mark.parametrize("ranks", [1, 2])
def test_debug_log(tmp_path, monkeypatch, ranks):
    """Where a call failed, and on which rank; and what the stages took."""
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(0), 3, 4))
    path = config(tmp_path)
    assert "debug" not in run(path, ranks=ranks).stderr
    monkeypatch.setenv("MULTIPLET_LOG", "debug")
    lines = run(path, "--fresh", ranks=ranks).stderr.splitlines()
    for rank in range(ranks):
        mine = [line.split("debug: ")[1] for line in lines if f"debug: rank {rank}: " in line]
        stages = [re.match(rf"rank {rank}: +([\d.]+) s: (.*)", line) for line in mine]
        assert [stage.group(2) for stage in stages] == ["inputs are open", "planned", "the result is open",
                                                       "no unit is left", "the result is closed"]
        seconds = [float(stage.group(1)) for stage in stages]
        assert seconds == sorted(seconds) and seconds[0] > 0
    (tmp_path / "in.h5").unlink()
    said = run(path, "--fresh", ranks=ranks, expect=3).stderr
    file, line, text = re.search(r"^multiplet: debug: rank 0: (src/\S+?):(\d+): (cannot .*)$", said, re.M).groups()
    assert f"multiplet: error: {text}\n" in said
    assert "mpt_fail(" in "".join((ROOT / file).read_text().splitlines()[int(line) - 4:int(line)])
