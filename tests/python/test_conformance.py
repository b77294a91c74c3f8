"""tests/conformance: what multiplet passes of it, and that a backend without an answer is told from one with a wrong one."""
import sys

import pytest

torch = pytest.importorskip("torch", "2.4")
from job import ROOT  # noqa: E402

sys.path.insert(0, str(ROOT / "tests/conformance"))
import conformance  # noqa: E402

LATER = {"a generalized problem, A x = w B x": "-"}


@pytest.mark.parametrize("text", conformance.CASES)
def test_multiplet(text):
    assert conformance.run(conformance.Multiplet(), text) == LATER.get(text, "yes")


def test_others_are_told_apart():
    forum, bits = "no nan at repeated eigenvalues: the forum's matrix", "bits of a matrix do not depend on its batch"
    theirs = conformance.Torch()
    assert conformance.run(theirs, forum) == "nan" and conformance.run(theirs, bits) == "yes"
    assert conformance.run(theirs, "a smooth frame in a degenerate plane") == "-"
