"""k of n eigenpairs: which they are, and the gradients of losses that see no others."""
import h5py
import numpy as np
import pytest

from job import OK, SUBGRADIENT, TYPES, eps, hermitian, read, reference_gradient, run, solve, write

SPLIT, TOO_MANY = 7, 10
W = [-3, -1, -1, 0, 0, 0.5, 2, 4]
SELECTIONS = [({"lowest": 3}, 0, 3), ({"highest": 2}, 6, 8), ({"index": [3, 6]}, 3, 6), ({"lowest": 100}, 0, 8),
              ({"range": [-1.5, 0.25], "at_most": 6}, 1, 5), ({"range": [10, 11], "at_most": 2}, 8, 8)]


def problem(dtype, count=3):
    return hermitian(np.random.default_rng(5), count, len(W), dtype, W)


@pytest.mark.parametrize("select, first, stop", SELECTIONS)
@pytest.mark.parametrize("solver, ranks", [("auto", 1), ("lapack", 2), ("scalapack", 2)])
def test_pairs(tmp_path, select, first, stop, solver, ranks):
    a, found = {dtype: problem(dtype) for dtype in TYPES}, stop - first
    for dtype, r in solve(tmp_path, a, ranks=ranks, solve={"select": select, "solver": solver}).items():
        columns = min(select.get("at_most", found), len(W))
        assert (r["status"] == OK).all(), dtype
        assert r["eigenvalues"].shape == (3, columns) and r["eigenvectors"].shape == (3, len(W), columns), dtype
        w, v = r["eigenvalues"][:, :found], r["eigenvectors"][:, :, :found]
        assert np.abs(w - np.array(W)[first:stop]).max(initial=0) < 100 * eps(dtype), dtype
        assert np.abs(a[dtype] @ v - v * w[:, None]).max(initial=0) < 200 * eps(dtype), dtype
        assert (r["eigenvalues"][:, found:] == 0).all() and (r["eigenvectors"][:, :, found:] == 0).all(), dtype
        assert ("found" in r) == ("range" in select) and np.all(r.get("found", found) == found), dtype
        expected = np.unique(np.array(W)[first:stop], return_inverse=True)[1]
        assert (r["multiplet"][:, :found] == expected).all(), dtype


def test_too_many_in_the_range(tmp_path):
    r = solve(tmp_path, problem("float64"), expect=4, solve={"select": {"range": [-2, 1], "at_most": 4}})
    assert (r["status"] == TOO_MANY).all() and not r["eigenvalues"].any() and not r["found"].any()


@pytest.mark.parametrize("solver", ["lanes", "lapack"])
def test_ranges_are_half_open(tmp_path, solver):
    r = solve(tmp_path, np.diag([3.0, -1, 2, 0.5, 2]), solve={"select": {"range": [-1, 2], "at_most": 4}, "solver": solver})
    assert r["found"][0] == 2 and list(r["eigenvalues"][0]) == [-1, 0.5, 0, 0]


def full_gradient(a, first, stop, gw, gv_of):
    """From all eigenpairs, the cotangents of the others being zero."""
    w, v = np.linalg.eigh(a)
    multiplet = np.unique(np.round(w, 6), return_inverse=True)[1]
    whole_gw, whole_gv = np.zeros(len(w)), np.zeros_like(v)
    whole_gw[first:stop] = gw
    whole_gv[:, first:stop] = gv_of(v[:, first:stop])
    return reference_gradient(w, v, multiplet, whole_gw, whole_gv)


def scramble(path, group, multiplet):
    """Turns the stored vectors within each multiplet: the loss saw others than a new solution would give."""
    with h5py.File(path, "a") as f:
        v = f[f"{group}/eigenvectors"][0]
        for k in np.unique(multiplet):
            inside = np.flatnonzero(multiplet == k)
            if len(inside) > 1:
                v[:, inside] = v[:, inside] @ np.linalg.qr(np.random.default_rng(4).standard_normal((len(inside),) * 2))[0]
        f[f"{group}/eigenvectors"][0] = v
    return v[:, :len(multiplet)]


@pytest.mark.parametrize("select, first, stop", [s for s in SELECTIONS[:5] if s[1:] != (0, 8)])
@pytest.mark.parametrize("solver, ranks", [("auto", 1), ("lapack", 2), ("scalapack", 2)])
def test_full_and_partial_selection_agree(tmp_path, select, first, stop, solver, ranks):
    a, c, cotangents = {}, {}, {}
    for dtype in ("float64", "complex128"):
        a[dtype], c[dtype] = problem(dtype, 1), hermitian(np.random.default_rng(6), 1, len(W), dtype)[0]
    weights = np.array([1.0, 2, 2, -1, -1, 3, 0.5, 0.25])[first:stop]  # equal inside multiplets
    forward = solve(tmp_path, a, name="forward", ranks=ranks, solve={"select": select, "solver": solver})
    for dtype, f in forward.items():
        v = scramble(tmp_path / "forward-out.h5", dtype, f["multiplet"][0][:stop - first])
        gv, gw = np.zeros_like(f["eigenvectors"]), np.zeros_like(f["eigenvalues"])
        gv[0, :, :stop - first] = 2 * (c[dtype] @ v) * weights
        gw[0, :stop - first] = weights
        cotangents[dtype] = {"eigenvectors": gv, "eigenvalues": gw}
    results = solve(tmp_path, a, ranks=ranks, solve={"select": select, "solver": solver}, cotangents=cotangents,
                    gradient={"eigenpairs": "forward-out.h5"})
    for dtype, r in results.items():
        expected = full_gradient(a[dtype][0], first, stop, weights, lambda x: 2 * (c[dtype] @ x) * weights)
        assert (r["status"] == OK).all(), dtype
        assert np.abs(r["gradient"][0] - expected).max() < 1e-12 * np.abs(expected).max(), dtype


@pytest.mark.parametrize("solver, ranks", [("auto", 1), ("scalapack", 2)])
def test_a_selection_that_cuts_a_multiplet(tmp_path, solver, ranks):
    a, keys = problem("complex128", 2), {"select": {"lowest": 2}, "solver": solver}  # W[1] == W[2]
    forward = solve(tmp_path, a, name="forward", ranks=ranks, solve=keys)
    assert (forward["status"] == OK).all()
    gv = np.zeros_like(forward["eigenvectors"])
    gv[0, :, 1], gv[1, :, 0] = 1, forward["eigenvectors"][1, :, 0]
    r = solve(tmp_path, a, ranks=ranks, expect=4, solve=keys, cotangents={"eigenvectors": gv},
              gradient={"eigenpairs": "forward-out.h5"})
    assert list(r["status"]) == [SPLIT, OK] and not r["gradient"][0].any()
    r = solve(tmp_path, a, ranks=ranks, solve=keys, cotangents={"eigenvalues": np.tile([0.0, 1.0], (2, 1))})
    assert (r["status"] == SUBGRADIENT).all()
    for k in range(2):  # the mean over the whole pair: half of its projector
        v = np.linalg.eigh(a[k])[1][:, 1:3]
        assert np.abs(r["gradient"][k] - v @ v.conj().T / 2).max() < 1e-13


@pytest.mark.parametrize("solver, ranks", [("lanes", 1), ("lapack", 1), ("scalapack", 2)])
def test_a_cut_multiplet_in_another_basis(tmp_path, solver, ranks):
    """The stored vector of a cut pair is any of its plane; the gradient is that of the whole plane all the same."""
    a, keys = problem("complex128", 1), {"select": {"lowest": 2}, "solver": solver}
    solve(tmp_path, a, name="forward", solve={"select": {"lowest": 2}, "solver": "lapack"})
    plane = np.linalg.eigh(a[0])[1][:, 1:3]
    exact = plane @ plane.conj().T / 2
    for turn in range(3):
        with h5py.File(tmp_path / "forward-out.h5", "a") as f:
            f["H/eigenvectors"][0, :, 1] = plane @ [np.cos(turn), np.sin(turn)]
        r = solve(tmp_path, a, ranks=ranks, solve=keys, cotangents={"eigenvalues": np.array([[0.0, 1.0]])},
                  gradient={"eigenpairs": "forward-out.h5"})
        assert (r["status"] == SUBGRADIENT).all() and np.abs(r["gradient"][0] - exact).max() < 1e-13
    for policy in ("raw", "unbiased"):
        r = solve(tmp_path, a, ranks=ranks, solve=keys, cotangents={"eigenvalues": np.array([[0.0, 1.0]])}, expect=4,
                  degeneracy={"eigenvalue_cotangents": policy})
        assert (r["status"] == SPLIT).all() and not r["gradient"].any()


@pytest.mark.parametrize("solver", ["lanes", "lapack"])
def test_given_vectors_that_are_none_fail(tmp_path, solver):
    a, keys = problem("float64", 1), {"select": {"highest": 2}, "solver": solver}
    solve(tmp_path, a, name="forward", solve=keys)
    with h5py.File(tmp_path / "forward-out.h5", "a") as f:
        f["H/eigenvectors"][0, :, 0] = f["H/eigenvectors"][0, :, 1]
    r = solve(tmp_path, a, solve=keys, cotangents={"eigenvalues": np.ones((1, 2))}, expect=4,
              gradient={"eigenpairs": "forward-out.h5"})
    assert (r["status"] == 9).all() and not r["gradient"].any()


def test_functions_see_the_whole_spectrum(tmp_path):
    a = problem("complex128")
    write(tmp_path / "direction.h5", H=hermitian(np.random.default_rng(8), 3, len(W)))
    keys = {"functions": [{"name": "f", "kind": "exp"}], "tangent": "direction.h5"}
    whole = solve(tmp_path, a, name="whole", cotangents={"functions/f": a}, **keys)
    some = solve(tmp_path, a, cotangents={"functions/f": a}, solve={"select": {"highest": 3}}, **keys)
    for name in ("functions/f", "gradient", "tangent/functions/f"):
        assert np.abs(some[name] - whole[name]).max() <= 1e-13 * np.abs(whole[name]).max(), name
    for name in ("eigenvalues", "tangent/eigenvalues", "tangent/eigenvectors"):
        assert np.array_equal(some[name], whole[name][..., -3:]), name
