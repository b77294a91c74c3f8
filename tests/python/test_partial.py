"""Selections at sizes where they are made by tridiagonal reuse: one rank and process grids, one pass, two passes and
two with Q and T kept, against all eigenpairs in double precision and higher."""
import h5py
import numpy as np
import pytest

from job import OK, SUBGRADIENT, TYPES, config, eps, hermitian, read, reference_gradient, run, solve, write

N = 60
SPECTRA = {
    "plain": np.linspace(-1, 1, N) ** 3 + np.linspace(0, 1, N),
    "indefinite, pairs": np.repeat(np.linspace(-3, 2, N // 2), 2),
    "15-fold, zeros dropped": np.sort(np.r_[np.full(15, -2.0), np.linspace(-1, 1, N - 35), np.zeros(20)]),
    "zeros kept": np.sort(np.r_[np.zeros(10), np.linspace(1, 3, N - 10)]),
}
ROUTES = [("lapack", [1, 1], 0), ("scalapack", [1, 2], 0), ("scalapack", [2, 2], 7), ("scalapack", [3, 1], 16)]
CASES = [(name, *ROUTES[0], k % 4) for i, name in enumerate(SPECTRA) for k in (i, i + 1)] + [
    ("plain", *ROUTES[1], 0), ("indefinite, pairs", *ROUTES[2], 3), ("15-fold, zeros dropped", *ROUTES[3], 2),
    ("15-fold, zeros dropped", *ROUTES[1], 0), ("zeros kept", *ROUTES[2], 0)]
SELECTIONS = [("lowest", 0, 18), ("highest", N - 6, N), ("index", 20, 30), ("all but one", 1, N)]


def keys_of(kind, first, stop, solver, grid, block):
    select = {kind: stop - first} if kind in ("lowest", "highest") else {"index": [first, stop]}
    keys = {"solve": {"solver": solver, "select": select}}
    if solver == "scalapack":
        keys["run"] = {"grid": grid} | ({"block": block} if block else {})
    return keys


def full_gradient(a, multiplet, first, stop, gw, gv_of):
    w, v = np.linalg.eigh(a.astype("complex128"))
    gv, whole = np.zeros_like(v), np.zeros(len(w))
    whole[first:stop] = gw
    gv[:, first:stop] = gv_of(v[:, first:stop])
    return reference_gradient(w, v, multiplet, whole, gv)


def ends(w, first, stop):
    """The selection moved outwards so that it cuts no multiplet."""
    while first > 0 and w[first] - w[first - 1] < 1e-6:
        first -= 1
    while stop < len(w) and w[stop] - w[stop - 1] < 1e-6:
        stop += 1
    return first, stop


@pytest.mark.parametrize("name, solver, grid, block, selection", CASES)
def test_one_pass_two_passes_and_kept_factors(tmp_path, name, solver, grid, block, selection):
    """L = sum_j s_j v_j^H C v_j + gw . w: C's part is the same for every basis inside multiplets where s is. All types in
    one job."""
    w, a, c = SPECTRA[name], {}, {}
    for dtype in TYPES:
        rng = np.random.default_rng(2)
        a[dtype], c[dtype] = hermitian(rng, 1, N, dtype, w), hermitian(rng, 1, N, dtype)[0]
    multiplet = np.unique(np.round(w, 6), return_inverse=True)[1]
    kind, first, stop = SELECTIONS[selection]
    first, stop = (first, ends(w, first, stop)[1]) if kind == "lowest" else ends(w, first, stop)
    keys = keys_of(kind, first, stop, solver, grid, block)
    s, gw = multiplet[first:stop] % 5 + 1.0, np.linspace(1, 2, stop - first)
    seen = np.zeros(N)
    seen[first:stop] = gw
    told = SUBGRADIENT if any(np.ptp(seen[multiplet == k]) for k in multiplet) else OK
    ranks = grid[0] * grid[1]
    forward = solve(tmp_path, a, name="forward", ranks=ranks, **keys,
                    output={"file": "forward-out.h5", "store": ["eigenvalues", "eigenvectors", "factor"]})
    cotangents = {}
    for dtype, f in forward.items():
        assert (f["status"] == OK).all() and np.abs(f["eigenvalues"] - w[first:stop]).max() < 50 * N * eps(dtype), dtype
        cotangents[dtype] = {"eigenvectors": 2 * (c[dtype] @ f["eigenvectors"][0] * s)[None].astype(dtype),
                             "eigenvalues": gw[None]}
    expected = {dtype: full_gradient(a[dtype][0], multiplet, first, stop, gw, lambda x: 2 * (c[dtype] @ x) * s)
                for dtype in TYPES}
    error = lambda r, dtype: np.abs(r[dtype]["gradient"][0] - expected[dtype]).max() / np.abs(expected[dtype]).max()
    bound = lambda dtype: 4000 * eps(dtype)
    kept = solve(tmp_path, a, ranks=ranks, cotangents=cotangents, gradient={"eigenpairs": "forward-out.h5"}, **keys)
    for dtype, k in kept.items():
        assert (k["status"] == told).all() and error(kept, dtype) < bound(dtype), (dtype, kind, error(kept, dtype))
        assert k["diagnostics/residual"][0] < 10 and k["diagnostics/gauge_violation"][0] < np.sqrt(eps(dtype)), dtype
        assert error(kept, dtype) < 1e4 * k["diagnostics/gradient_error"][0], dtype
    with h5py.File(tmp_path / "forward-out.h5", "a") as f:
        for dtype in TYPES:
            del f[f"{dtype}/factor"]
    again = solve(tmp_path, a, ranks=ranks, cotangents=cotangents, gradient={"eigenpairs": "forward-out.h5"}, **keys)
    assert all(error(again, dtype) < bound(dtype) for dtype in TYPES)
    once = solve(tmp_path, a, ranks=ranks, cotangents={dtype: {"eigenvalues": gw[None]} for dtype in TYPES}, **keys)
    for dtype in TYPES:
        expected[dtype] = full_gradient(a[dtype][0], multiplet, first, stop, gw, np.zeros_like)
        assert (once[dtype]["status"] == told).all() and error(once, dtype) < bound(dtype), dtype


def factor(r):
    """Q T Q^H from what is stored, by its definition in SCHEMA.md: column-major, of conj(A)."""
    below, tau = r["factor/reflectors"][0].T, r["factor/tau"][0]
    n, d, e = len(tau), r["factor/diagonal"][0], r["factor/offdiagonal"][0][:-1]
    q = np.eye(n, dtype=below.dtype)
    for i in reversed(range(n - 1)):
        v = np.zeros(n, below.dtype)
        v[i + 1], v[i + 2:] = 1, below[i + 2:, i]
        q -= tau[i] * np.outer(v, v.conj() @ q)
    return q @ (np.diag(d) + np.diag(e, 1) + np.diag(e, -1)) @ q.conj().T


@pytest.mark.parametrize("solver, grid, block", ROUTES)
def test_what_is_kept(tmp_path, solver, grid, block):
    a = {dtype: hermitian(np.random.default_rng(3), 1, N, dtype) for dtype in TYPES}
    keys = keys_of("lowest", 0, 4, solver, grid, block)
    output = {"file": "job-out.h5", "store": ["eigenvalues", "eigenvectors", "factor"]}
    for dtype, r in solve(tmp_path, a, ranks=grid[0] * grid[1], **keys, output=output).items():
        one, bound = a[dtype][0], 100 * eps(dtype) * np.abs(a[dtype]).max()
        assert np.abs(factor(r) - one.conj()).max() < bound, dtype
        assert np.abs(r["factor/eigenvalues"][0] - np.linalg.eigvalsh(one)).max() < bound, dtype
        a[dtype] = np.stack([one, one])
        a[dtype][1, 3, 3] = np.nan
    for dtype, r in solve(tmp_path, a, ranks=grid[0] * grid[1], expect=4, **keys, output=output).items():
        assert r["factor/tau"][0].any(), dtype
        assert not any(r[f"factor/{x}"][1].any() for x in ("reflectors", "tau", "diagonal", "offdiagonal", "eigenvalues"))


def test_a_kept_factor_is_used_by_another_engine(tmp_path):
    """... and grid; spoiled, it is not taken for the matrix's own."""
    a, spoiled = hermitian(np.random.default_rng(3), 1, N), tmp_path / "forward-out.h5"
    lowest, store = {"lowest": 5}, ["eigenvalues", "eigenvectors", "factor"]
    forward = solve(tmp_path, a, name="forward", ranks=2, solve={"select": lowest, "solver": "scalapack"},
                    output={"file": "forward-out.h5", "store": store})
    cotangents = {"eigenvectors": np.diag(np.arange(N)) @ forward["eigenvectors"]}
    second = {"cotangents": cotangents, "gradient": {"eigenpairs": "forward-out.h5"}}
    other = solve(tmp_path, a, **second, solve={"select": lowest, "solver": "lapack"})
    same = solve(tmp_path, a, ranks=2, **second, solve={"select": lowest, "solver": "scalapack"})
    lanes = solve(tmp_path, a, **second, solve={"select": lowest, "solver": "lanes"})  # which has no use for it
    for r in (other, lanes):
        assert np.abs(r["gradient"] - same["gradient"]).max() < 1e-12
    with h5py.File(spoiled, "a") as f:
        f["H/factor/eigenvalues"][0] = f["H/factor/eigenvalues"][0] + 1
    r = solve(tmp_path, a, expect=4, **second, solve={"select": lowest, "solver": "lapack"})
    assert (r["status"] == 9).all() and not r["gradient"].any()


@pytest.mark.parametrize("solver, ranks", [("lapack", 1), ("scalapack", 2)])
def test_scales(tmp_path, solver, ranks):
    """Powers of two go through exactly: w scales, G of an eigenvector loss by the inverse."""
    scales, keys = (1.0, 2.0 ** 110, 2.0 ** -110), {"solve": {"select": {"lowest": 5}, "solver": solver}}
    cases = {f"{dtype}-{k}": (dtype, s) for dtype in TYPES for k, s in enumerate(scales)}
    a = {key: hermitian(np.random.default_rng(4), 1, 40, dtype) * np.dtype(dtype).type(s)
         for key, (dtype, s) in cases.items()}
    forward = solve(tmp_path, a, name="f", ranks=ranks, **keys,
                    output={"file": "f-out.h5", "store": ["eigenvalues", "eigenvectors", "factor"]})
    gv = {key: {"eigenvectors": np.diag(np.arange(40)).astype(cases[key][0]) @ f["eigenvectors"]}
          for key, f in forward.items()}
    r = solve(tmp_path, a, ranks=ranks, **keys, cotangents=gv, gradient={"eigenpairs": "f-out.h5"})
    for key, (dtype, s) in cases.items():
        assert (r[key]["status"] == OK).all(), key
        plain = f"{dtype}-0"
        for name, of, scale in (("eigenvalues", forward, 1 / s), ("gradient", r, s)):
            near, far = of[plain][name].astype("complex128"), of[key][name].astype("complex128") * scale
            assert np.abs(far - near).max() < 1e4 * eps(dtype) * np.abs(near).max(), key


def test_the_same_estimate_as_from_all_pairs(tmp_path):
    a, c = hermitian(np.random.default_rng(4), 1, N), hermitian(np.random.default_rng(5), 1, N)[0]
    estimates = []
    for select in ("all", {"lowest": 5}):
        keys = {"solve": {"select": select, "solver": "lapack"}}
        gv = 2 * c @ solve(tmp_path, a, name="f", **keys)["eigenvectors"]
        gv[:, :, 5:] = 0
        r = solve(tmp_path, a, **keys, cotangents={"eigenvectors": gv}, gradient={"eigenpairs": "f-out.h5"})
        estimates.append(r["diagnostics/gradient_error"][0])
    assert estimates[0] < estimates[1] < 2 * estimates[0]  # the reduction turns vectors too


def test_a_near_multiplet_at_the_edge(tmp_path):
    """The gap there limits the vectors' gradient."""
    for gap in (1e-3, 1e-6, 1e-9):
        w = np.r_[np.linspace(-2, -1, 10), -1 + gap, np.linspace(0, 1, N - 11)]
        a, c = hermitian(np.random.default_rng(5), 1, N, "complex128", w), hermitian(np.random.default_rng(6), 1, N)[0]
        keys = {"solve": {"select": {"lowest": 10}, "solver": "lapack"}}
        forward = solve(tmp_path, a, name="f", **keys)
        r = solve(tmp_path, a, **keys, cotangents={"eigenvectors": 2 * c @ forward["eigenvectors"]},
                  gradient={"eigenpairs": "f-out.h5"})
        expected = full_gradient(a[0], np.arange(N), 0, 10, np.zeros(10), lambda x: 2 * c @ x)
        error = np.linalg.norm(r["gradient"][0] - expected) / np.linalg.norm(expected)
        assert (r["status"] == OK).all() and error < 1e3 * eps("float64") / gap
        assert abs(r["diagnostics/min_gap"][0] * 2 - gap) < 1e-3 * gap


@pytest.mark.parametrize("solver, ranks", [("lapack", 1), ("scalapack", 2)])
def test_a_loss_on_the_subspace_has_no_noise(tmp_path, solver, ranks):
    """gv within the span of the selected vectors: nothing outside is asked for, at any gap."""
    w = np.r_[np.linspace(-2, -1, 10), -1 + 1e-9, np.linspace(0, 1, N - 11)]
    a, keys = hermitian(np.random.default_rng(5), 1, N, "complex128", w), {"solve": {"select": {"lowest": 10}, "solver": solver}}
    v = solve(tmp_path, a, name="f", ranks=ranks, **keys)["eigenvectors"]
    mix = hermitian(np.random.default_rng(6), 1, 10)[0]
    r = solve(tmp_path, a, ranks=ranks, **keys, cotangents={"eigenvectors": v @ mix}, gradient={"eigenpairs": "f-out.h5"})
    assert (r["status"] == OK).all() and np.abs(r["gradient"]).max() < 1e-11


@pytest.mark.parametrize("solver, ranks", [("lapack", 1), ("scalapack", 2)])
def test_equivariance(tmp_path, solver, ranks):
    """A -> Q A Q^H + c: eigenvalues move by c, and G of a loss on the turned vectors turns along."""
    w, rng = SPECTRA["indefinite, pairs"], np.random.default_rng(7)
    a, c = hermitian(rng, 1, N, "complex128", w), hermitian(rng, 1, N)[0]
    q = np.linalg.qr(rng.standard_normal((N, N)) + 1j * rng.standard_normal((N, N)))[0]
    keys, results = {"solve": {"select": {"lowest": 8}, "solver": solver}}, []
    for turn, shift in ((np.eye(N), 0.0), (q, 0.0), (np.eye(N), 0.75)):
        moved = turn @ a @ turn.conj().T + shift * np.eye(N)
        forward = solve(tmp_path, (moved + moved.conj().swapaxes(1, 2)) / 2, name="f", ranks=ranks, **keys)
        gv = 2 * turn @ c @ turn.conj().T @ forward["eigenvectors"]
        with h5py.File(tmp_path / "in.h5") as f:
            same = f["H"][:]
        r = solve(tmp_path, same, ranks=ranks, **keys, cotangents={"eigenvectors": gv}, gradient={"eigenpairs": "f-out.h5"})
        assert (r["status"] == OK).all()
        results.append((forward["eigenvalues"] - shift, turn.conj().T @ r["gradient"][0] @ turn))
    for values, gradient in results[1:]:
        assert np.abs(values - results[0][0]).max() < 1e-13
        assert np.abs(gradient - results[0][1]).max() < 1e-11 * np.abs(results[0][1]).max() > 0
