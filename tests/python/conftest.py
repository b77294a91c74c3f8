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
