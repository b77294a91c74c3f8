"""The Python package of this checkout, with the library of the build that is tested."""
import os
import pathlib
import sys

from job import MULTIPLET, ROOT

sys.path.insert(0, str(ROOT / "src/python"))
os.environ.setdefault("MULTIPLET_LIBRARY", str(pathlib.Path(MULTIPLET).resolve().parents[1] / "libmultiplet.so"))
