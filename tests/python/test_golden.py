"""Result files as each schema version's own program wrote them are read (tests/golden)."""
import re
import shutil
import subprocess

import h5py
import numpy as np
import pytest

from job import MULTIPLET, ROOT, run
import multiplet
from multiplet import Status

GOLDEN = ROOT / "tests/golden"
OLD, NEW = GOLDEN / "result-1.0.h5", GOLDEN / "result-1.1.h5"


def rows():
    """Of SCHEMA.md's table of datasets: name, and whether it came with 1.1."""
    text = (ROOT / "src/store/SCHEMA.md").read_text()
    table = text[text.index("| dataset | shape | type"):].split("\n\n")[0]
    return {name: "(1.1)" in line for line in table.splitlines()[2:]
            for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def named(path):
    """The datasets of a file's group by the schema's names."""
    with multiplet.open(path) as r:
        return {re.sub(r"(functions|chemical_potential)/\w+$", r"\1/<name>", name) for name in r.only().names()}


def text_of(*arguments):
    return run(arguments[1], *arguments[2:], verb=arguments[0]).stdout


def test_old_fields():
    with multiplet.open(OLD) as r:
        h = r["H"]
        assert r.attributes["schema_version"] == "1.0" and r.complete and list(r) == ["H"] and list(r.failed()) == []
        assert (h.status == Status.OK).all() and h.count == 2 and h.multiplet.tolist() == [[0, 1, 1, 2], [0, 1, 2, 3]]
        a = np.einsum("bij,bj,bkj->bik", h.eigenvectors, h.eigenvalues, h.eigenvectors.conj())
        np.testing.assert_allclose(a, a.conj().swapaxes(1, 2), atol=1e-14)
        np.testing.assert_allclose(h.eigenvalues, [[0, 1, 1, 3], [-2, -1, 1, 2]], atol=1e-14)
        heat = np.einsum("bij,bj,bkj->bik", h.eigenvectors, np.exp(-h.eigenvalues / 2), h.eigenvectors.conj())
        np.testing.assert_allclose(h.functions["heat"], heat, atol=1e-14)
        assert h.gradient.shape == (2, 4, 4) and (h.diagnostics.gradient_error < 1e-14).all()
        with pytest.raises(multiplet.reader.NotStored, match="gradient_rule"):
            h.diagnostics.gradient_rule


def test_old_datasets():
    assert named(OLD) <= {name for name, is_new in rows().items() if not is_new}


def test_new_datasets():
    """All that SCHEMA.md lists but for what needs a selection or a reference's cotangents."""
    left_out = {"found", "gradient_reference", *(name for name in rows() if name.startswith("factor/"))}
    assert named(NEW) == set(rows()) - left_out
    assert {name for name, is_new in rows().items() if is_new} <= named(NEW)


def test_new_fields():
    with multiplet.open(NEW) as r:
        h = r["H"]
        assert r.attributes["schema_version"] == "1.1"
        told = [Status.SUBGRADIENT, Status.OK, Status.GAUGE_DEPENDENT, Status.NONFINITE_INPUT]
        assert [h.status_of(k) for k in range(4)] == told
        assert [(f.group, f.index, f.status) for f in r.failed()] == [("H", 3, Status.NONFINITE_INPUT)]
        names = h5py.check_enum_dtype(r.file["H/diagnostics/gradient_rule"].dtype)
        assert names == {name: k for k, name in enumerate(multiplet.library.RULES)}
        assert h.diagnostics.gradient_rule.tolist() == [names[x] for x in ("mean", "form", "plain", "plain")]
        np.testing.assert_allclose(h.gradient[0], np.diag([0.5, 0.5, 0, 0]), atol=1e-15)
        assert not h.gradient[3].any() and not h.diagnostics.retried.any()


def test_new_gradient_is_that_of_the_square_root():
    """Problem 1, whose form is certified: against the Sylvester equation that a square root's gradient solves."""
    c = np.random.default_rng(1).standard_normal((4, 4, 4))[1]
    root = np.sqrt([1.0, 2, 2, 4])
    with multiplet.open(NEW) as r:
        np.testing.assert_allclose(r["H"].gradient[1], (c + c.T) / 2 / (root + root[:, None]), atol=1e-13)


@pytest.mark.parametrize("path", [OLD, NEW], ids=["1.0", "1.1"])
def test_show(path):
    out = text_of("show", path)
    assert "complete, 1 group" in out and "/tmp/" in out
    assert ("2 OK" in out) if path == OLD else ("1 OK, 1 GAUGE_DEPENDENT, 1 NONFINITE_INPUT, 1 SUBGRADIENT" in out)


def test_show_old_problem():
    out = text_of("show", f"{OLD}:/H[0]")
    assert "OK: solved" in out and "4 eigenvalues in 3 multiplets" in out
    assert re.search(r"gradient_error +1.5e-15", out) and "gradient_rule" not in out


@pytest.mark.parametrize("k, rule", [(0, "mean"), (1, "form"), (2, "plain")])
def test_show_new_problem(k, rule):
    out = text_of("show", f"{NEW}:/H[{k}]")
    assert re.search(rf"gradient_rule +{rule} ", out) and re.search(r"retried +0 ", out)


@pytest.mark.parametrize("path", [OLD, NEW], ids=["1.0", "1.1"])
def test_check_names_the_input_that_is_gone(tmp_path, path):
    """The input's place is an attribute of the result; here it is one that nobody has."""
    copy, gone = shutil.copy(path, tmp_path / "r.h5"), str(tmp_path / "gone.h5")
    with h5py.File(copy, "a") as f:
        f.attrs["input_file"] = gone
    done = subprocess.run([MULTIPLET, "check", copy], capture_output=True, text=True)
    assert done.returncode == 3 and f"cannot open input '{gone}'" in done.stderr and done.stderr.count("\n") == 1


def test_check_old_by_its_input(tmp_path):
    """The input made again from the result: another file, so that only its fingerprint can be at fault."""
    copy = shutil.copy(OLD, tmp_path / "r.h5")
    with h5py.File(copy, "a") as f:
        w, v = f["H/eigenvalues"][:], f["H/eigenvectors"][:]
        f.attrs["input_file"] = str(tmp_path / "in.h5")
    with h5py.File(tmp_path / "in.h5", "w") as f:
        f["H"] = np.einsum("bij,bj,bkj->bik", v, w, v.conj())
    done = subprocess.run([MULTIPLET, "check", copy], capture_output=True, text=True)
    assert done.returncode in (2, 3) and "input" in done.stderr and done.stderr.count("\n") == 1
