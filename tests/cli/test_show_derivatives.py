"""What `show` says of each output of one matrix: whether it has a derivative, and why not."""
import subprocess

import h5py
import numpy as np
from program import MULTIPLET, multiplet
from results import hermitian

JOB = """
input: {file: in.h5}
functions:
  - {name: heat, kind: exp}
  - {name: P, kind: projector, index: [0, 2]}
  - {name: all, kind: projector, index: [0, 6]}
frame: {index: [2, 3], reference: {file: in.h5, dataset: R}}
output: {file: out.h5}
"""


def lines_of(tmp_path, spectrum, place, job=JOB, expect=0):
    a = hermitian(np.random.default_rng(2), len(spectrum), "complex128", np.array(spectrum))
    with h5py.File(tmp_path / "in.h5", "w") as f:
        f["H"], f["R"] = a, np.ones((len(spectrum), 1), complex)
    (tmp_path / "job.yaml").write_text(job.replace("in.h5}", "in.h5, datasets: [/H]}", 1))
    done = subprocess.run([MULTIPLET, "run", tmp_path / "job.yaml", "--fresh"], capture_output=True, timeout=60)
    assert done.returncode == expect, done.stderr
    out = multiplet("show", f"{tmp_path / 'out.h5'}:{place}").stdout
    return {line.split()[0]: line for line in out.splitlines() if line.strip()}, out


def test_a_degenerate_matrix(tmp_path):
    found, out = lines_of(tmp_path, [-1, -1, 0.25, 2, 2, 2], "/H[0]")
    assert "of 0-1, 3-5 only the mean" in found["eigenvalues"] and "the others have derivatives" in out
    assert "none within 0-1, 3-5" in found["eigenvectors"]
    assert "smooth function of the matrix (exp)" in found["heat"]
    assert "has a derivative: the range [0, 2) ends in a gap of 1.25" in found["P"]
    assert "derivative zero" in found["all"]
    assert "has a derivative: the range [2, 3) ends in a gap of 1.25" in found["frame"]


def test_a_plain_matrix(tmp_path):
    found, out = lines_of(tmp_path, [-1, 0, 0.25, 1, 2, 3], "/H[0]")
    assert "each has a derivative: none of them is repeated" in found["eigenvalues"]
    assert "up to 12 times" in found["eigenvectors"]


def test_a_range_that_cuts_a_multiplet(tmp_path):
    found, out = lines_of(tmp_path, [-1, -1, -1, 1, 2, 3], "/H[0]", expect=4)
    assert "SPLIT_MULTIPLET: an index range cuts through a multiplet" in out


def selected(tmp_path, spectrum, select):
    """What is said of a selection, on one line for each output."""
    job = JOB.replace("functions:", f"solve: {{select: {select}}}\nfunctions:")
    found, out = lines_of(tmp_path, spectrum, "/H[0]", job=job)
    return found, " ".join(out.split())


def test_a_selection(tmp_path):
    found, out = selected(tmp_path, [-1, -1, 0.25, 2, 2, 2], "{lowest: 5}")
    assert "5 eigenvalues in 3 multiplets" in out
    assert "of 0-1, 3-4 only the mean" in found["eigenvalues"] and "none within 0-1, 3-4" in found["eigenvectors"]
    assert "the neighbours outside are not stored" in out and "narrower than" in out
    assert "the range [0, 2) cuts no multiplet" in found["P"] and "cuts no multiplet" in found["frame"]
    assert "smooth function of the matrix (exp)" in found["heat"]


def test_a_selection_that_ends_in_the_smallest_gap(tmp_path):
    _, out = selected(tmp_path, [-1, -1, 0.25, 2, 2.1, 4], "{lowest: 4}")
    assert "the smallest gap" in out and "it is at an end" in out


def test_a_range_shows_what_was_found(tmp_path):
    found, out = selected(tmp_path, [-1, -1, 0.25, 2, 2.1, 4], "{range: [-2, 1], at_most: 6}")
    assert "3 eigenvalues in 2 multiplets" in out and "none within 0-1" in found["eigenvectors"]


def test_failures_say_how_to_mend_them(tmp_path):
    _, out = lines_of(tmp_path, [-1, -1, -1, 1, 2, 3], "/H[0]", expect=4)
    assert "Nothing is stored: of the ranges P [0, 2), all [0, 6), frame [2, 3) one ends between" in out
    job = JOB.replace("kind: exp", "kind: log")
    _, out = lines_of(tmp_path, [-1, -1, 0.5, 1, 2, 3], "/H[0]", job=job, expect=4)
    assert "one of heat (log), frame does not exist" in out and "wants positive eigenvalues" in out
