import pytest
from program import multiplet, MULTIPLET
import subprocess


def test_version_and_help_go_to_standard_output():
    assert multiplet("--version").stdout == "multiplet 0.1.0\n"
    top = multiplet("--help")
    assert "sample" in top.stdout and top.stderr == ""
    sample = multiplet("sample", "--help").stdout
    for word in ("-o FILE.h5", "--dataset", "--cotangents", "heisenberg", "binomial(d, k)"):
        assert word in sample
    assert max(map(len, sample.splitlines())) <= 100


@pytest.mark.parametrize("arguments, text", [
    ([], "no command"),
    (["smaple"], "did you mean 'sample'?"),
    (["--versoin"], "did you mean '--version'?"),
    (["qqqqqqqqqq"], "multiplet --help lists them"),
    (["sample"], "heisenberg, tight-binding, hypercube, random, forum"),
    (["sample", "hypercub", "-o", "x.h5"], "did you mean 'hypercube'?"),
    (["sample", "forum"], "add -o FILE.h5"),
    (["sample", "forum", "-o"], "its value is missing (write -o FILE.h5)"),
    (["sample", "forum", "-o", "x.h5", "--datset", "/H"], "did you mean '--dataset'?"),
    (["sample", "forum", "random", "-o", "x.h5"], "the kind is 'forum' already"),
    (["sample", "forum", "-o", "x.h5", "-o", "y.h5"], "'-o' twice"),
    (["sample", "forum", "-o", "x.h5", "--type", "float16"], "float32, float64, complex64"),
    (["sample", "forum", "-o", "x.h5", "--dataset", "/"], "not a dataset's name"),
    (["sample", "forum", "-o", "x.h5", "--n", "3"], "means nothing to 'forum'"),
    (["sample", "forum", "-o", "x.h5", "--cotangents", "x.h5"], "name another file"),
    (["sample", "random", "-o", "x.h5", "--n", "64x"], "from 0 to"),
    (["sample", "random", "-o", "x.h5", "--n", "-1"], "from 0 to"),
    (["sample", "random", "-o", "x.h5", "--multiplicity=0"], "from 1 to"),
    (["sample", "random", "-o", "x.h5", "--seed", "99999999999999999999"], "--seed"),
    (["sample", "heisenberg", "-o", "x.h5", "--sites", "4", "--sector", "5"], "give 0 to 4"),
    (["sample", "heisenberg", "-o", "x.h5", "--sites", "40"], "too large"),
    (["sample", "tight-binding", "-o", "x.h5", "--type", "float64"], "complex64, complex128"),
])
def test_usage_errors(arguments, text, tmp_path):
    done = multiplet(*arguments, expect=2, cwd=tmp_path)
    assert text in done.stderr
    assert done.stdout == "" and list(tmp_path.iterdir()) == []


def test_a_full_standard_output_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run([MULTIPLET, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 5 and "No space left" in done.stderr
