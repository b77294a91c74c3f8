"""No warning about losses that depend on no basis: a sample of tests/attack/alarms.py."""
import sys

import pytest

from job import ROOT, TYPES, eps

sys.path.insert(0, str(ROOT / "tests/attack"))
import alarms  # noqa: E402


@pytest.mark.parametrize("engine", ["lanes", "lapack"])
@pytest.mark.parametrize("dtype", TYPES)
def test_false_alarms(dtype, engine):
    """In single precision a form may go uncertified, 1 in 10,000 or so; fits have a warning only where what is left of
    them is rounding: the share that is not Hermitian is above the square root of epsilon."""
    for kind, (counts, residual) in alarms.survey(dtype, 6000, 2, engine).items():
        if kind in ("projector_near", "projector_at", "fit_near", "fit_at") and counts["OK"] < sum(counts.values()):
            assert residual < 10 * eps(dtype) ** 0.5, kind
        else:
            few = 2 if eps(dtype) > 1e-10 else 0
            assert sum(counts.values()) - counts["OK"] <= few and counts["SUBGRADIENT"] <= few, (kind, counts)
