"""The training example: it converges with multiplet, and PyTorch alone gets NaN at the first step."""
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest
from job import ROOT
from test_serve import Service, spool  # noqa: F401  (a fixture)

pytest.importorskip("torch")
SCRIPT = ROOT / "configs/examples/train_heisenberg.py"
PICTURE = ROOT / "tests/figures/training.svg"


def train(*options, expect=0):
    done = subprocess.run([sys.executable, SCRIPT, *map(str, options)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "src/python")})
    assert done.returncode == expect, (done.stdout, done.stderr)
    return done


def losses(text, name):
    return [float(x) for x in re.findall(rf"^{name} +step +\d+ +loss (\S+)$", text, re.M)]


@pytest.mark.parametrize("seed", [1, 2])
def test_local_converges(seed):
    done = train("--backend", "local", "--seed", seed, "--tolerance", 1e-12)
    curve = losses(done.stdout, "multiplet")
    assert curve[0] > 0.05 and curve[-1] <= 1e-12 and done.stderr == ""  # nothing to warn of: the loss is smooth
    assert float(re.search(r"couplings are off by (\S+)", done.stdout).group(1)) < 1e-4


def test_too_few_steps_are_a_failure():
    assert losses(train("--steps", 2, expect=1).stdout, "multiplet")[-1] > 1e-8


def test_torch_is_nan_at_once():
    done = train("--backend", "torch", expect=1)
    assert re.search(r"^torch +step +1 +loss nan$", done.stdout, re.M) and "gradient of step 0 is NaN" in done.stdout


def test_nan_as_zero_stays_where_it_is():
    curve = losses(train("--backend", "torch", "--nan-as-zero", "--steps", 20, expect=1).stdout, "torch")
    assert len(curve) == 3 and len(set(curve)) == 1


def test_service_needs_a_directory():
    assert "--spool DIR" in train("--backend", "service", expect=2).stderr


def test_service_takes_the_same_steps(spool):
    with Service(spool, 2):
        remote = train("--backend", "service", "--spool", spool, "--steps", 12, "--tolerance", 5e-3)
    local = train("--steps", 12, "--tolerance", 5e-3)
    assert losses(remote.stdout, "service") == losses(local.stdout, "multiplet") and "step   8" in local.stdout


def curves_of(path):
    """Points of each drawn curve."""
    text = path.read_text()
    xml.etree.ElementTree.fromstring(text)
    for name in ("multiplet", "PyTorch", "PyTorch, NaN as zero", "NaN", "step", "loss"):
        assert f">{name}</text>" in text, name
    return [line.count("L ") for line in re.findall(r'<path d="(M [^"]*)" clip-path', text)]


def test_picture(tmp_path):
    """Drawn anew it is that of the documents, but for the last digits of another processor."""
    pytest.importorskip("matplotlib")
    train("--compare", "--plot", tmp_path / "again.svg")
    again, kept = curves_of(tmp_path / "again.svg"), curves_of(PICTURE)
    assert len(again) == len(kept) >= 3 and max(kept) == max(again) == 80  # NaN as zero, to the last step
    for document in ("README.md", "src/python/README.md"):
        assert "tests/figures/training.svg" in (ROOT / document).read_text()
