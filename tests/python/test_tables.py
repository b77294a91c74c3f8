"""A sample of tests/attack/tables.py: right, or told, and never worse than the estimate says."""
import sys

import pytest

from job import ROOT

sys.path.insert(0, str(ROOT / "tests/attack"))
import tables  # noqa: E402

ENGINES = ["lanes", "lapack"]


def judge(row, largest, most=10):
    assert row.status == "OK" and row.error <= largest and row.error <= most * row.estimate, row


@pytest.mark.parametrize("engine", ENGINES)
def test_log_determinants_in_single_precision(engine):
    for row, largest in zip(tables.logdets(engine), (1e-4, 5e-3, None, 1e-5)):
        if largest:
            judge(row, largest)
        else:  # condition 1e6: the smallest eigenvalues are rounding, and a status or the estimate says so
            assert row.error <= row.estimate and (row.status == "SUBGRADIENT" or row.error <= 0.1), row


@pytest.mark.parametrize("engine", ENGINES)
def test_the_lowest_eigenvalue_has_no_regret(engine):
    row = tables.regret(engine)
    assert row.status == "OK" and abs(row.error) < 10, row


@pytest.mark.parametrize("engine", ENGINES)
def test_one_vector_of_a_lone_pair(engine):
    for row, largest in zip(tables.lone_pairs(engine), (1e-10, 1e-8, 1e-6, 1e-4, 1e-2)):
        judge(row, largest)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["sqrt", "exp"])
@pytest.mark.parametrize("gap", tables.GAPS)
def test_composed_functions(kind, gap, engine):
    row = tables.composed(kind, gap, engine=engine)
    judge(row, 2e-11 if gap > 1e-6 else 1e-12)
    assert row.estimate < 1e-9, row
    assert gap or row.rule == "form"


@pytest.mark.parametrize("engine", ENGINES)
def test_no_loss_hides_that_it_depends_on_the_basis(engine):
    assert {row.name: row.status for row in tables.hidden(engine) if row.status != "GAUGE_DEPENDENT"} == {}


def test_second_derivatives_and_almost_full_spectra():
    pytest.importorskip("torch")
    assert tables.second_derivative().error < 1e-8
    judge(tables.almost_full(), 1e-12)
