"""The comparison with PyTorch: its gradients agree (it asserts so itself), its table and picture come out."""
import os
import subprocess
import sys
import xml.etree.ElementTree

import pytest
from job import ROOT, TYPES

pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", TYPES)
def test_gradients_agree(tmp_path, dtype):
    held_back = {**os.environ, "OPENBLAS_CORETYPE": "Nehalem"}  # which the program has to free itself of
    done = subprocess.run([sys.executable, ROOT / "tests/figures/torch_compare.py", "--type", dtype, "--repeat", "1",
                           tmp_path / "torch.svg", "--n", "64", "5"], capture_output=True, text=True, timeout=120,
                          env=held_back)
    assert done.returncode == 0, done.stderr
    head, _, passes, names, *rows = done.stdout.splitlines()
    assert head.startswith(f"{dtype}, one thread") and passes.split() == ["forward", "backward", "both"]
    assert names.split() == ["n"] + 2 * ["torch", "multiplet", "ratio"] + ["ratio"]
    assert [len(row.split()) for row in rows] == [8, 8] and [row.split()[0] for row in rows] == ["5", "64"]
    assert all(float(cell) >= 0 for row in rows for cell in row.split())
    picture = xml.etree.ElementTree.parse(tmp_path / "torch.svg").getroot()
    assert sum(element.tag.endswith("polyline") for element in picture) == 4
