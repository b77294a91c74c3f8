"""gradient_error is an upper estimate: a sample of tests/attack/estimates.py, with its bounds."""
import sys

import numpy as np
import pytest

from job import ROOT

sys.path.insert(0, str(ROOT / "tests/attack"))
import estimates  # noqa: E402
import problems  # noqa: E402

COUNT = 400
TYPES = ["float32", "float64", "complex64", "complex128"]


@pytest.fixture(scope="module", params=[(t, e) for t in TYPES for e in ("lanes", "lapack")], ids="-".join)
def rows(request):
    dtype, engine = request.param
    return [estimates.measure((11, k, dtype, None, engine)) for k in range(COUNT)]


def judged(rows):
    return [r for r in rows if r["status"] == "OK" and np.isfinite(r["error"])]


def test_the_true_error_is_within_the_estimate(rows):
    ratio = np.array([r["error"] / max(r["estimate"], 1e-300) for r in judged(rows)])
    assert len(ratio) > COUNT / 2
    assert (ratio > 10).sum() <= 2  # 1 in 1000 in the long run: 3 of 400 have a probability of 0.8 %
    assert (ratio > 3).mean() <= 0.02  # 1 in 100 in the long run


def test_the_estimate_is_not_too_pessimistic(rows):
    back = [r["estimate"] / max(r["error"], 1e-300) for r in judged(rows) if r["kind"] in problems.INVARIANT]
    assert np.median(back) < 100


def test_no_gradient_is_vouched_for_where_there_is_none(rows):
    """Of eigenvectors that are cut; of one of two equal eigenvalues, the lowest, there is a subgradient."""
    assert [r for r in rows if r["status"] == "OK" and np.isnan(r["scale"])] == []


def test_every_gradient_is_finite(rows):
    assert [r for r in rows if r["status"] == "OK" and r["scale"] > 0 and not np.isfinite(r["error"])] == []
