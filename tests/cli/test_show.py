import re

import h5py
import numpy as np
import pytest
from program import multiplet
from results import Case, hermitian


def show(path, place="", *options, expect=0):
    done = multiplet("show", f"{path}{place}", *options, expect=expect)
    assert expect or done.stderr == ""
    return done.stderr if expect else done.stdout


def rows(out, first):
    """The cells of the lines of a table from the one that begins with this word."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    at = next(k for k, cells in enumerate(lines) if cells[0] == first)
    return [cells for cells in lines[at:] if cells[0]]


@pytest.fixture
def case(tmp_path):
    rng = np.random.default_rng(1)
    case = Case(tmp_path)
    values = np.array([-2, -2, -2, 0, 0.5, 3, 3])
    out = case.add("/a/H", [hermitian(rng, 7, "complex128", values) for _ in range(5)],
                   lambda w, v: (np.ones(7), 0 * v), status=[1, 1, 0, 3, 1])
    out["diagnostics/residual"][:] = [0.5, 0.75, 0, 99, 0.25]
    out["diagnostics/min_gap"][:] = [0.3, 0.2, 0, 0, 0.4]
    out["status"][4] = 2
    out["diagnostics/gauge_violation"][4] = 0.42
    case.add("/b", np.zeros((0, 3, 3), "float32"))
    case.add("/c", np.zeros((1, 0, 0)))
    case.add("/d", [np.diag(np.arange(100.0))])
    return case


def test_summary(case):
    out = show(case.write())
    for text in ("complete, 4 groups", "2024-01-02T03:04:05Z", "0.1.0", str(case.input), "node7"):
        assert text in out
    assert re.search(r"ranks +3\n", out)
    table = {cells[0]: cells[1:] for cells in rows(out, "group")}
    head = table["group"]
    a = dict(zip(head, table["/a/H"]))
    assert a["type"] == "complex128" and a["n"] == "7" and a["problems"] == "5"
    assert a["status"] == "1 PENDING, 2 OK, 1 GAUGE_DEPENDENT, 1 NONFINITE_INPUT"
    assert a["residual"] == "0.75" and a["min gap"] == "0.2" and a["gauge"] == "0.42"
    assert a["seconds"] == "1.5"
    assert table["/b"][:4] == ["float32", "3", "0", "none"]
    assert table["/c"][:4] == ["float64", "0", "1", "1 OK"]
    assert "NONFINITE_INPUT: the matrix holds NaN or infinity\n    1 at /a/H[3]" in out
    assert "GAUGE_DEPENDENT: " in out and "1 at /a/H[4]" in out and "1 at /a/H[2]" in out


def test_unfinished_and_many_failures(tmp_path):
    case = Case(tmp_path)
    case.add("/H", np.zeros((50, 2, 2)), status=[4] * 50)
    out = show(case.write(complete=0))
    assert "not complete" in out and "50 at /H[0, 1, 2, 3, 4, 5, 6, 7, ...]" in out


def test_what_was_not_stored_is_not_mentioned(case):
    path = case.write(leave_out=["diagnostics", "eigenvectors", "gradient", "multiplet"])
    for place in ("", ":/a/H", ":/a/H[0]"):
        out = show(path, place)
        assert not any(word in out for word in ("residual", "solver", "seconds", "gradient error"))
    assert "7 eigenvalues in 4 multiplets" in show(path, ":/a/H[0]")
    path = case.write(leave_out=["eigenvalues", "eigenvectors", "gradient", "multiplet"])
    assert "multiplets\n" not in show(path, ":/a/H[0]") and "n =" not in show(path, ":/a/H[0]")


def test_group(case):
    out = show(case.write(), ":/a/H")
    assert out.startswith("/a/H: 5 problems, n = 7, complex128\n")
    table = rows(out, "problem")
    assert table[1][:3] == ["0", "OK", "0.5"] and table[3][:3] == ["2", "PENDING", "-"]
    assert "has no gradient" in out
    assert "/b: 0 problems" in show(case.result, ":/b")


def test_long_groups_are_cut_in_the_middle(tmp_path):
    case = Case(tmp_path)
    case.add("/H", np.zeros((100, 2, 2)))
    path = case.write()
    table = rows(show(path, ":/H"), "problem")
    assert [cells[0] for cells in table[1:]] == [*map(str, range(20)), "...",
                                                 *map(str, range(80, 100))]
    assert len(rows(show(path, ":/H", "--all"), "problem")) == 101


def test_spectrum(case):
    out = show(case.write(), ":/a/H[1]")
    assert out.startswith("/a/H[1]: n = 7, complex128\n  OK: solved") 
    assert "7 eigenvalues in 4 multiplets" in out
    table = rows(out, "#")
    assert table[0] == ["#", "eigenvalue", "times", "spread", "gap to next"]
    w = case.groups["/a/H"][2]["eigenvalues"][1]
    first = table[1]
    assert first[0] == "0-2" and first[2] == "3" and abs(float(first[1]) + 2) < 1e-14
    assert float(first[3]) == pytest.approx(w[2] - w[0], rel=0.1)
    assert float(first[4]) == pytest.approx(2, rel=1e-3)
    assert table[2][0] == "3" and table[2][2:] == ["1", "0.5"]
    assert table[4][0] == "5-6" and len(table[4]) == 4
    assert re.search(r"residual +0.75 +\|A V x", out)
    assert re.search(r"solver +lapack +who solved it", out)
    assert re.search(r"started +2001-09-09T01:46:40Z +when that began\n", out)
    assert re.search(r"ranks +1 +how many ranks.*\n +rank +2 +which", out)
    assert re.search(r"min_gap +0.2 +smallest gap between multiplets", out)


def test_long_spectra_are_cut_in_the_middle(case):
    path = case.write()
    table = rows(show(path, ":/d[0]"), "#")[1:]
    numbers = [cells[0] for cells in table[:41]]
    assert numbers == [*map(str, range(20)), "...", *map(str, range(80, 100))]
    assert "--all" in show(path, ":/d[0]") and "..." not in show(path, ":/d[0]", "--all")
    assert [cells[1] for cells in rows(show(path, ":/d[0]", "--all"), "#")[1:101]] == [
        *map(str, range(100))]


def test_pending_failed_and_empty_problems(case):
    path = case.write()
    assert show(path, ":/a/H[2]").endswith("  PENDING: not solved yet\n")
    assert show(path, ":/a/H[3]").endswith("  NONFINITE_INPUT: the matrix holds NaN or infinity\n")
    assert "0 eigenvalues in 0 multiplets" in show(path, ":/c[0]")


@pytest.mark.parametrize("place, text", [
    (":/H", "there is no such group (there is: /a/H, /b, /c, /d)"), (":/a", "no such group"),
    (":/a/H[5]", "out of range (give 0 to 4)"), (":/a/H[-1]", "give 0 to 4"),
    (":/a/H[99999999999999999999]", "give 0 to 4"), (":/b[0]", "holds no problems")])
def test_what_is_not_there(case, place, text):
    assert text in show(case.write(), place, expect=3)


def test_files_that_are_no_results(case, tmp_path):
    path = case.write()
    assert "not a result file" in show(case.input, expect=3)
    assert "No such file" in show(tmp_path / "no.h5", expect=3)
    assert "No such file" in show(tmp_path / "no.h5", ":/H[0]", expect=3)
    (tmp_path / "text").write_text("no")
    assert "not an HDF5 file" in show(tmp_path / "text", expect=3)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = "2.0"
    assert "schema_version is '2.0'" in show(path, expect=3)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = "1.0"
        del file["/a/H/eigenvalues"]
        file["/a/H/eigenvalues"] = np.zeros((5, 3))
    assert "is not the schema's" in show(path, expect=3)


def test_odd_names(tmp_path):
    case = Case(tmp_path)
    case.add("/H[3]", np.zeros((1, 2, 2)))
    path = case.write().rename(tmp_path / "a:b.h5")
    assert show(path, ":/H[3]").startswith("/H[3]: 1 problem")
    assert show(path, ":/H[3][0]").startswith("/H[3][0]: n = 2")


@pytest.mark.parametrize("arguments, text", [
    ([], "no result file"), (["a.h5", "b.h5"], "one at a time"), (["--al", "a"], "did you mean")])
def test_usage_errors(arguments, text):
    assert text in multiplet("show", *arguments, expect=2).stderr


def test_an_index_that_is_none(case):
    assert "not an index" in show(case.write(), ":/a/H[x]", expect=2)
