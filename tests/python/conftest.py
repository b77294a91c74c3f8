"""The Python package of this checkout, with the library of the build that is tested; with MULTIPLET_INSTALLED=1 the one
that this Python has installed."""
import os
import pathlib
import sys

from job import MULTIPLET, ROOT

if os.environ.get("MULTIPLET_INSTALLED"):
    import multiplet
    assert not pathlib.Path(multiplet.__file__).is_relative_to(ROOT), multiplet.__file__
else:
    sys.path.insert(0, str(ROOT / "src/python"))
    os.environ.setdefault("MULTIPLET_LIBRARY", str(pathlib.Path(MULTIPLET).resolve().parents[1] / "libmultiplet.so"))


def pytest_addoption(parser):
    parser.addoption("--one-of", type=int, default=1, metavar="N", help="of each test's cases every Nth, from the first on")


def pytest_collection_modifyitems(config, items):
    counts, step, kept = {}, config.getoption("--one-of"), []
    for item in items:
        test = item.nodeid.partition("[")[0]
        counts[test] = counts.get(test, -1) + 1
        if counts[test] % step == 0:
            kept.append(item)
    items[:] = kept
