"""jobs/quickstart.sh as a newcomer runs it."""
import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
from job import ROOT, run

QUICKSTART = ROOT / "build/quickstart"
EXAMPLES = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))


@pytest.fixture(scope="module")
def output():
    done = subprocess.run(["bash", "jobs/quickstart.sh"], cwd=ROOT, capture_output=True, text=True,
                          timeout=500)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "multiplet: error" not in done.stderr
    return done.stdout


def test_every_example_is_run_and_shown(output):
    printed = re.findall(r"^\$ (.*)$", output, re.M)
    for name in EXAMPLES:
        assert f"mpirun -n 2 build/bin/multiplet run configs/{name}.yaml --fresh" in printed
        assert f"build/bin/multiplet show build/quickstart/{name}-result.h5" in printed


def test_shows_a_spectrum(output):
    """Of a ring of six spins: the numbers behind the last command of the program."""
    last = output[output.rindex("\n$ build/") + 1:]
    index = int(re.search(r"heisenberg-result\.h5:/H\D*(\d+)", last.splitlines()[0]).group(1))
    assert last.splitlines()[1].startswith(f"/H[{index}]: n = 64, float64")
    with h5py.File(QUICKSTART / "heisenberg-result.h5") as f:
        lowest, count = f["H/eigenvalues"][index, 0], f["H/multiplet"][index, -1] + 1
    assert f"64 eigenvalues in {count} multiplets" in last
    shown = [float(x) for x in re.findall(r"(?<![\w.])-?\d+\.\d+(?:e[+-]\d+)?", last)]
    assert min(abs(x - lowest) for x in shown) < 1e-4


def test_ends_in_pytorch(output):
    """With the forum's matrix, where PyTorch is; with how to get there, where it is not."""
    last = output[output.rindex("\n$ build/"):]
    python = os.environ.get("PYTHON", "python3")
    if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode:
        assert f"\nPyTorch: {python} has none. pip install torch" in last
        return
    numbers = re.search(r"^multiplet\.torch\.eigh: +tensor\((\[.*\])\)$", last, re.M).group(1)
    assert "nan" in re.search(r"^torch\.linalg\.eigh: .*$", last, re.M).group()
    g = np.array(eval(numbers)) # noqa: S307 the printed list
    a = np.kron([[1.2039, 0.3690], [0.3690, -1.2039]], np.eye(2))[[0, 3, 2, 1]][:, [0, 3, 2, 1]]
    size, ones = np.hypot(1.2039, 0.3690), np.ones(4)
    p = (np.eye(4) - a / size) / 2
    q = np.eye(4) - p
    cotangent = np.outer(np.eye(4)[0], ones)
    exact = -(p @ (cotangent + cotangent.T) / 2 @ q + q @ (cotangent + cotangent.T) / 2 @ p) / (2 * size)
    assert np.abs(g - exact[0]).max() < 1e-4 # four digits are printed


@pytest.mark.parametrize("name", EXAMPLES)
def test_results_pass_the_check(output, name):
    assert "all within bounds" in run(QUICKSTART / f"{name}-result.h5", verb="check").stdout


def test_can_be_run_twice(output):
    again = subprocess.run(["bash", "jobs/quickstart.sh"], cwd=ROOT, capture_output=True, text=True,
                           timeout=500)
    assert again.returncode == 0, (again.stdout, again.stderr)


def test_its_picture(output, tmp_path):
    """Drawn by the command below it."""
    pytest.importorskip("matplotlib")
    text = (ROOT / "src/python/README.md").read_text()
    rest = text.split("](../../tests/figures/plot.png)", 1)[1]
    command = re.search(r"`PYTHONPATH=src/python python3 -c '(.*?)'`", rest, re.S).group(1).replace("\n", " ")
    command = command.replace("OUT.png", str(tmp_path / "plot.png"))
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": "src/python"})
    drawn = (tmp_path / "plot.png").read_bytes()
    assert drawn[:4] == b"\x89PNG" == (ROOT / "tests/figures/plot.png").read_bytes()[:4] and len(drawn) > 20000
