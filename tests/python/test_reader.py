"""The Python package without PyTorch's functions: results, datasets, pictures, the library's place, installing."""
import ctypes
import os
import pathlib
import pickle
import re
import resource
import shutil
import subprocess
import sys
import time

import h5py
import multiplet
import numpy as np
import pytest
from job import ROOT, config, hermitian, run, write
from multiplet import Status, backend, library

PACKAGE = ROOT / "src/python"
LIBRARY = os.environ["MULTIPLET_LIBRARY"]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Two groups: a batch with a multiplet, a NaN and a logarithm that does not exist; and a single matrix."""
    directory = tmp_path_factory.mktemp("reader")
    a = hermitian(np.random.default_rng(0), 6, 4, spectrum=[1, 1, 2, 4])
    a[1, 0, 0], a[4] = np.nan, -a[4]
    write(directory / "in.h5", **{"a/H": a, "b": np.eye(3, dtype="float32")})
    ones = np.ones((6, 4, 4), complex)
    write(directory / "cotangents.h5", **{"a/H/eigenvectors": ones, "a/H/functions/l": ones})
    job_file = config(directory, functions=[{"name": "l", "kind": "log"}], gradient={"cotangents": "cotangents.h5"},
                      tangent="in.h5")
    run(job_file, expect=4)
    return directory / "job-out.h5"


def test_reader(result):
    with multiplet.open(result) as r, h5py.File(result) as f:
        assert list(r) == ["a/H", "b"] and r.complete and r.attributes["schema_name"] == "multiplet-result"
        group = r["/a/H"]
        for name in group.names():
            expected = f["a/H"][name][:]
            value = group
            for part in name.split("/"):
                value = value[part]
            assert np.array_equal(value, expected) and np.array_equal(group.read(name, 2), expected[2]), name
        assert {"eigenvalues", "functions/l", "tangent/eigenvalues", "diagnostics/min_gap"} <= set(group.names())
        assert np.array_equal(group.functions["l"], f["a/H/functions/l"]) and list(group.functions) == ["l"]
        assert group.tangent.eigenvalues.shape == (6, 4) and group.diagnostics.seconds.shape == (6,)
        assert group.gradient.dtype == complex and group.count == 6 and group.status_of(0) is Status.GAUGE_DEPENDENT
        assert (group.status == Status.GAUGE_DEPENDENT).tolist() == [True, False, True, True, False, True]
        with pytest.raises(AttributeError, match="has no frame; it has .*eigenvalues"):
            group.frame
        with pytest.raises(AttributeError, match="2 groups"):
            r.eigenvalues
        with pytest.raises(KeyError, match="no group c; it has a/H, b"):
            r["c"]
        assert r["b"].gradient.shape == (1, 3, 3) and r["b"].eigenvalues.dtype == np.float32
    with pytest.raises((ValueError, RuntimeError, KeyError)):
        group.gradient


def test_failed(result):
    with multiplet.open(result) as r:
        failed = list(r.failed())
        assert [(x.group, x.index, x.status) for x in failed] == [
            ("a/H", 1, Status.NONFINITE_INPUT), ("a/H", 4, Status.FUNCTION_UNDEFINED)]
        assert "NaN" in failed[0].text and list(r["b"].failed()) == []


@pytest.mark.parametrize("policy,refused", [({"gauge_dependent_loss": "fail"}, [0]), ({}, []),
                                            ({"eigenvalue_cotangents": "fail"}, [1])])
def test_refused_counts_as_failed(tmp_path, policy, refused):
    """As the program counts them: its exit code says whether there are any."""
    write(tmp_path / "in.h5", H=np.array([np.diag([1.0, 1, 2])] * 2))
    gv, gw = np.zeros((2, 3, 3)), np.zeros((2, 3))
    gv[0, 1, 0] = gw[1, 0] = 1
    write(tmp_path / "cotangents.h5", **{"H/eigenvectors": gv, "H/eigenvalues": gw})
    run(config(tmp_path, gradient={"cotangents": "cotangents.h5"}, degeneracy=policy), expect=4 if refused else 0)
    with multiplet.open(tmp_path / "job-out.h5") as r:
        assert [x.index for x in r.failed()] == refused and r.status[0] == Status.GAUGE_DEPENDENT
        assert all("refused" in x.text and not r.gradient[x.index].any() for x in r.failed())


def test_not_a_result(tmp_path, result):
    with pytest.raises(FileNotFoundError):
        multiplet.open(tmp_path / "nothing.h5")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(multiplet.Error, match="not an HDF5 file"):
        multiplet.open(tmp_path / "text.h5")
    with pytest.raises(multiplet.Error, match="not a result"):
        multiplet.open(write(tmp_path / "input.h5", H=np.eye(2)))
    shutil.copy(result, tmp_path / "later.h5")
    with h5py.File(tmp_path / "later.h5", "a") as f:
        f.attrs["schema_version"] = "2.0"
    with pytest.raises(multiplet.Error, match="schema version is 2.0"):
        multiplet.open(tmp_path / "later.h5")


def test_statuses_are_the_headers():
    header = (ROOT / "include/multiplet/status.h").read_text()
    numbers = re.findall(r"MPT_STATUS_([A-Z_]+) = (\d+)", header)
    assert {name: int(number) for name, number in numbers} == {s.name: s.value for s in Status}
    lib = library.load()
    lib.mpt_status_meaning.restype = ctypes.c_char_p
    for s in Status:
        assert lib.mpt_status_meaning(int(s)).decode() == s.text and bool(lib.mpt_status_is_failure(int(s))) == s.failed


def test_no_memory_is_an_error_of_its_own():
    a, backend = np.eye(1500)[None], multiplet.backend.Library()
    backend.eigh(np.eye(2)[None], multiplet.backend.Options(solver="lapack"))  # its first use tests the engine
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (24 << 20), before[1]))
    try:
        with pytest.raises(multiplet.OutOfMemory, match="out of memory") as info:
            backend.eigh(a, multiplet.backend.Options(solver="lapack"), vectors=True)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert isinstance(info.value, MemoryError) and isinstance(info.value, multiplet.Error)


def test_declarations_are_the_headers():
    """Names of fields, kinds and enumerators in their order, and the number of arguments."""
    text = "".join((ROOT / f"include/multiplet/{name}.h").read_text() for name in ("eigh", "function", "gradient", "selected"))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)

    def fields(struct):
        body = re.search(rf"typedef struct {struct} {{(.*?)}}", text, re.S).group(1)
        name = re.compile(r"\*?(\w+)(?:\[\d+\])?\s*(?:,|$)")
        return [found for line in body.split(";") for found in name.findall(line.strip())]

    for struct, declared in (("mpt_options", library.Options), ("mpt_function", library.Function),
                             ("mpt_frame_spec", library.FrameSpec), ("mpt_select", library.Select),
                             ("mpt_factors", library.Factors)):
        assert fields(struct) == [name for name, _ in declared._fields_]
    assert fields("mpt_report") == [*library.report_type().names, "reserved"]
    kinds = re.search(r"enum mpt_function_kind {(.*?)MPT_FUNCTION_KINDS", text, re.S).group(1)
    assert re.findall(r"MPT_FUNCTION_(\w+) = \d+,", kinds) == [kind.upper() for kind in library.kinds()]
    assert fields("mpt_parameter") == [name for name, _ in library._Parameter._fields_]
    for prefix, words in (("DOMAIN", library.DOMAINS), ("NEED", library.NEEDS)):
        numbered = re.findall(rf"MPT_{prefix}_(\w+) = (\d+)", text)
        assert numbered == [(word.upper().replace(" ", "_"), str(k)) for k, word in enumerate(words)]
    assert re.findall(r"MPT_SELECT_(\w+) = (\d+)", text)[1:] == [(kind.upper(), str(k))
                                                               for kind, k in library.SELECTIONS.items()]
    members = dict(backend.Function("exp")._asdict())
    for kind, parameters in library.kinds().items():
        for name, row in parameters.items():
            assert row.need != "optional" or members[name] == row.standard, (kind, name)
    for name, arrays in library._ARRAYS.items():
        arguments = re.search(rf"\b{name}\((.*?)\);", text, re.S).group(1).split(",")
        assert len(arguments) == arrays + 5 + (name in library._SPECS)


def test_one_version():
    assert f"project(multiplet VERSION {multiplet.__version__} " in (ROOT / "CMakeLists.txt").read_text()
    assert f'\nversion = "{multiplet.__version__}"\n' in (PACKAGE / "pyproject.toml").read_text()


def python(program, *, path=PACKAGE, cwd=None, **environment):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=cwd,
                          env={**os.environ, "PYTHONPATH": str(path), **environment})
    return done.returncode, done.stdout, done.stderr


def test_library_not_found(tmp_path):
    load = "import multiplet.library as m; print(m.load().path)"
    code, _, error = python(load, MULTIPLET_LIBRARY=str(tmp_path / "none.so"))
    assert code and "LibraryNotFound" in error and f"{tmp_path}/none.so (MULTIPLET_LIBRARY)" in error
    shutil.copytree(PACKAGE / "multiplet", tmp_path / "python/multiplet")
    bare = {"MULTIPLET_LIBRARY": "", "PATH": "/nowhere"}
    code, _, error = python(load, path=tmp_path / "python", **bare)
    assert code and f"{tmp_path}/libmultiplet.so (beside the package): not there" in error
    assert "cmake --build build" in error and "MULTIPLET_LIBRARY" in error
    shutil.copy(LIBRARY, tmp_path / "libmultiplet.so")
    assert python(load, path=tmp_path / "python", **bare)[:2] == (0, f"{tmp_path}/libmultiplet.so\n")
    init = tmp_path / "python/multiplet/__init__.py"
    init.write_text(init.read_text().replace(multiplet.__version__, "9.9"))
    _, _, error = python(load, path=tmp_path / "python", **bare)
    assert f"is of version {multiplet.__version__}, this package of 9.9" in error


def test_reading_needs_no_library(result):
    code, out, error = python(f"import multiplet, sys; print(multiplet.open({str(result)!r})['b'].eigenvalues.sum());"
                              "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules",
                              MULTIPLET_LIBRARY="/nowhere")
    assert (code, out) == (0, "3.0\n"), error


def test_torch_dataset(result):
    torch = pytest.importorskip("torch")
    import multiplet.torch as mt
    data = mt.Dataset(result, "a/H")
    assert data.index == [0, 2, 3, 5] and len(data) == 4 and "gradient" in data.fields
    assert not any(name.startswith("diagnostics") for name in data.fields)
    with multiplet.open(result) as r:
        w, gap = r["a/H"].eigenvalues, r["a/H"].diagnostics.min_gap
    assert np.array_equal(data[1]["eigenvalues"], w[2])  # opens the file, which workers must not share
    opened, data._process = data._result, -1  # as after a fork
    data[1]
    assert data._result is not opened and data._process == os.getpid()
    data = pickle.loads(pickle.dumps(data))
    assert data._result is None
    data[0]
    for context in ("fork", "spawn"):
        loader = torch.utils.data.DataLoader(data, batch_size=3, num_workers=2, multiprocessing_context=context)
        batches = list(loader)
        assert [len(batch["status"]) for batch in batches] == [3, 1]
        assert np.array_equal(torch.cat([batch["eigenvalues"] for batch in batches]), w[[0, 2, 3, 5]])
    data = mt.Dataset(result, "a/H", fields=["diagnostics/min_gap"], statuses=[Status.FUNCTION_UNDEFINED])
    assert len(data) == 1 and data[0]["diagnostics/min_gap"] == gap[4]
    with pytest.raises(KeyError, match="no gradiant"):
        mt.Dataset(result, "a/H", fields=["gradiant"])
    with pytest.raises(KeyError, match="has to be named"):
        mt.Dataset(result)


def test_plot(tmp_path, result):
    pytest.importorskip("matplotlib")
    figure = multiplet.plot(result, "a/H")
    spectrum, gaps, errors, times = figure.axes
    simple, inside = (line.get_ydata() for line in spectrum.lines)
    assert len(simple) == len(inside) == 8 and np.allclose(inside, 1) and simple.min() > 1.9
    assert sum(bar.get_height() for bars in gaps.containers for bar in bars) == 12
    assert len(errors.lines[0].get_xdata()) == 4 and errors.get_xscale() == "log"
    assert times.get_title() == "time line of ranks" and len(times.collections) == 1
    figure.savefig(tmp_path / "plot.png")


def bars_of(result, group):
    """Labels and bars, as bounding boxes, of the time line."""
    drawn = multiplet.plot(result, group).axes[3].collections
    return [c.get_label() for c in drawn], [path.get_extents() for c in drawn for path in c.get_paths()]


def check_pieces(d, before, after):
    """Consecutive problems of one start and rank share the time equally; a rank does one piece after the other."""
    assert (d.started > before).all() and (d.started + d.seconds < after).all()
    ends = np.flatnonzero((np.diff(d.started) != 0) | (np.diff(d.rank) != 0)) + 1
    pieces = [(d.rank[k[0]], d.started[k[0]], d.seconds[k].sum())
              for k in np.split(np.arange(len(d.started)), ends) if (d.seconds[k] == d.seconds[k[0]]).all()]
    assert len(pieces) == len(ends) + 1 == len(set(zip(d.started, d.rank)))
    pieces.sort()
    for one, next_one in zip(pieces, pieces[1:]):
        assert one[0] != next_one[0] or one[1] + one[2] < next_one[1] + 1e-4
    return pieces


def test_time_line_of_pieces(tmp_path):
    """So little work is dealt out in turn: both ranks have some, whatever else the machine does."""
    pytest.importorskip("matplotlib")
    before = time.time()
    write(tmp_path / "in.h5", A=hermitian(np.random.default_rng(0), 400, 12))
    run(config(tmp_path, "j"), ranks=2)
    with multiplet.open(tmp_path / "j-out.h5") as r:
        d = r["A"].diagnostics
        pieces = check_pieces(d, before, time.time())
        assert set(d.rank) == {0, 1} and (d.ranks == 1).all()
        labels, bars = bars_of(r, "A")
        assert labels == ["lanes"] and len(bars) == len(pieces) <= 20 and min(bar.x0 for bar in bars) == 0
        assert {(round(bar.y0, 6), round(bar.y1, 6)) for bar in bars} == {(-0.4, 0.4), (0.6, 1.4)}
        assert np.isclose(sum(bar.width for bar in bars), d.seconds.sum())


def test_time_line_of_spread_matrices(tmp_path):
    pytest.importorskip("matplotlib")
    before = time.time()
    write(tmp_path / "in.h5", B=hermitian(np.random.default_rng(0), 2, 300))
    run(config(tmp_path, "j", run={"distribute_from": 200}), ranks=2)
    with multiplet.open(tmp_path / "j-out.h5") as r:
        d = r["B"].diagnostics
        assert len(check_pieces(d, before, time.time())) == 2
        assert d.rank.tolist() == [0, 0] and d.ranks.tolist() == [2, 2]
        labels, bars = bars_of(r, "B")
        assert labels == ["scalapack"] and len(bars) == 2
        assert all(np.allclose((bar.y0, bar.y1), (-0.4, 1.4)) for bar in bars)


@pytest.mark.parametrize("lost", [["started", "rank"], ["started"], ["rank"]])
def test_plot_without_time_line(tmp_path, result, lost):
    """The panel says what the file has not."""
    pytest.importorskip("matplotlib")
    shutil.copy(result, tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "a") as f:
        for name in lost:
            del f["a/H/diagnostics"][name]
    times = multiplet.plot(tmp_path / "old.h5", "a/H").axes[3]
    assert f"diagnostics/{lost[0]}" in times.texts[0].get_text() and not times.collections


@pytest.mark.parametrize("count,store,missing", [
    (2, ["eigenvalues"], "diagnostics"), (0, ["eigenvalues"], "diagnostics"),
    (2, ["eigenvalues", "diagnostics"], "gradient_error")])
def test_plot_of_little(tmp_path, count, store, missing):
    """A panel without its data says so; no matrices at all are no error."""
    pytest.importorskip("matplotlib")
    write(tmp_path / "in.h5", H=np.zeros((count, 2, 2)))
    run(config(tmp_path, output={"file": "out.h5", "store": store}))
    with multiplet.open(tmp_path / "out.h5") as r:
        figure = multiplet.plot(r)
    assert missing in figure.axes[2].texts[0].get_text() and len(figure.axes) == 4
    figure.savefig(tmp_path / "plot.png")
