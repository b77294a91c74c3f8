"""`check` on results that store a selection of the eigenpairs."""
import h5py
import numpy as np
import pytest

from job import TYPES, eps, hermitian, run, solve

W = [-3, -1, -1, 0, 0, 0.5, 2, 4]
SELECTIONS = [{"lowest": 3}, {"highest": 3}, {"index": [1, 5]}, {"range": [-1.5, 0.25], "at_most": 6}]


def check(tmp_path, *arguments, expect=0, ranks=1):
    return run(tmp_path / "job-out.h5", *arguments, verb="check", expect=expect, ranks=ranks).stdout


def spoilt(tmp_path, name, at, value, *arguments):
    """What check prints when one element is another."""
    with h5py.File(tmp_path / "job-out.h5", "a") as f:
        right = f[f"H/{name}"][at]
        f[f"H/{name}"][at] = value(right) if callable(value) else value
        out = None
        f.flush()
    out = check(tmp_path, *arguments, expect=4)
    with h5py.File(tmp_path / "job-out.h5", "a") as f:
        f[f"H/{name}"][at] = right
    return out


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("select", SELECTIONS)
def test_pairs(tmp_path, dtype, select):
    solve(tmp_path, hermitian(np.random.default_rng(3), 3, len(W), dtype, W), solve={"select": select})
    assert "all within bounds: 3 problems" in check(tmp_path)
    assert "residual" in spoilt(tmp_path, "eigenvalues", (1, 1), lambda w: w + 1e4 * eps(dtype))
    assert "orthogonality" in spoilt(tmp_path, "eigenvectors", (1, 2, 1), lambda v: v + 1e4 * eps(dtype))
    assert "multiplets are not" in spoilt(tmp_path, "multiplet", (2, 1), lambda k: 1 - k)
    assert "an output holds NaN" in spoilt(tmp_path, "eigenvectors", (0, 0, 0), np.nan)


def test_what_a_range_leaves_empty(tmp_path):
    solve(tmp_path, hermitian(np.random.default_rng(3), 2, len(W), spectrum=W), solve={"select": SELECTIONS[-1]})
    for name, at in (("eigenvalues", (0, 5)), ("eigenvectors", (0, 1, 4)), ("multiplet", (0, 4))):
        assert "must be zero is not" in spoilt(tmp_path, name, at, 1)
    assert "not those that were selected" in spoilt(tmp_path, "found", 0, 7)
    assert "not those that were selected" in spoilt(tmp_path, "eigenvalues", (1, 3), 0.3)


def test_a_scale_far_from_one(tmp_path):
    for scale in (1e-200, 1e200):
        a = scale * hermitian(np.random.default_rng(3), 2, len(W), "float64", W)
        solve(tmp_path, a, solve={"select": {"index": [3, 5]}})
        assert "all within bounds" in check(tmp_path)


@pytest.mark.parametrize("ranks", [1, 2])
def test_panels(tmp_path, ranks):
    a = hermitian(np.random.default_rng(3), 1, 300)
    solve(tmp_path, a, solve={"select": {"lowest": 130}})
    check(tmp_path, ranks=ranks)
    out = spoilt(tmp_path, "eigenvectors", (0, 7, 129), 1)
    assert "residual" in out and "orthogonality" in out


def test_eigenvalues_alone(tmp_path):
    solve(tmp_path, hermitian(np.random.default_rng(3), 2, len(W), spectrum=W),
          solve={"select": {"lowest": 4}, "eigenvectors": False})
    assert "order and multiplets" in check(tmp_path)
    assert "do not ascend" in spoilt(tmp_path, "eigenvalues", (0, 0), 1)
