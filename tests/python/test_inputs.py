"""What of a file is read, what is refused and why; nothing is passed over in silence."""
import os
import shutil
import socket
import subprocess
import time

import h5py
import numpy as np
import pytest
from job import MULTIPLET, OK, ROOT, config, hermitian, read, run, solve, write

HUGE = 1 << 40


def error_of(done):
    lines = [line for line in done.stderr.splitlines() if "multiplet: error: " in line]
    assert len(lines) == 1 and "(null)" not in done.stderr, done.stderr
    return lines[0]


def unwritten(f, name, shape, dtype="f8", early=False, **keys):
    """A dataset without data, of any size, in about a kilobyte."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if "chunks" in keys:
        plist.set_chunk(keys["chunks"])
    if "fill" in keys:
        plist.set_fill_value(np.array(keys["fill"], dtype))
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_INCR if "chunks" in keys else h5py.h5d.ALLOC_TIME_LATE)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(f.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype)), space, plist).close()


ABSURD = {
    "contiguous": dict(shape=(HUGE, 4, 4)),
    "one": dict(shape=(2, 4, 4)),
    "large n": dict(shape=(3, 1 << 20, 1 << 20)),
    "chunked": dict(shape=(HUGE, 4, 4), chunks=(16, 4, 4)),
    "filled": dict(shape=(HUGE, 4, 4), fill=1.0),
    "overflow": dict(shape=(1 << 31, 1 << 31, 1 << 31, 2, 2)),
    "empty matrices": dict(shape=(HUGE, 0, 0)),
}


def few_resources():
    """Of this process, before it becomes the program: 4 GiB of address space, 20 s of processor."""
    import resource
    if "ASAN_OPTIONS" not in os.environ: # a sanitizer reserves terabytes
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize("case", ABSURD)
def test_absurd_sizes_cost_nothing(tmp_path, case, verb):
    with h5py.File(tmp_path / "in.h5", "w") as f:
        unwritten(f, "H", **ABSURD[case])
    assert (tmp_path / "in.h5").stat().st_size < 5000
    for datasets in ({}, {"datasets": ["/H"]}):
        path = config(tmp_path, input={"file": "in.h5", **datasets})
        done = subprocess.run([MULTIPLET, verb, path], capture_output=True, text=True, preexec_fn=few_resources)
        assert done.returncode == 3, done
        text = "2^31" if case == "empty matrices" else "never written"
        assert text in error_of(done) and "'/H'" in error_of(done), done.stderr
    assert not (tmp_path / "job-out.h5").exists()


@pytest.mark.parametrize("shape", [(HUGE, 4, 4), (1 << 26, 1000, 1000)])
def test_hardly_written(tmp_path, shape):
    with h5py.File(tmp_path / "in.h5", "w") as f:
        unwritten(f, "H", shape, chunks=(1, *shape[1:]))
        f["H"][7] = np.eye(shape[1])
    command = [MULTIPLET, "plan", config(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=few_resources)
    assert done.returncode == 3 and "were ever written" in error_of(done)


def test_sparse_and_compressed_are_read(tmp_path):
    """Chunks that were never written are zeros, and that is said; what compresses well is no damage."""
    with h5py.File(tmp_path / "in.h5", "w") as f:
        unwritten(f, "sparse", (6, 4, 4), chunks=(2, 4, 4))
        f["sparse"][2:4] = np.eye(4)
        f.create_dataset("small", data=np.zeros((3000, 8, 8)), compression="gzip", compression_opts=9)
        f.create_dataset("none", (0, 3, 3))
    done = run(config(tmp_path))
    assert "'/sparse' of " in done.stderr and "2 of its 3 chunks were never written" in done.stderr
    for name, count in (("sparse", 6), ("small", 3000), ("none", 0)):
        assert (read(tmp_path / "job-out.h5", name)["status"] == OK).sum() == count


def test_truncated_data(tmp_path):
    """A dataset whose elements lie behind the file's end, which the file's own header does not say."""
    write(tmp_path / "in.h5", H=np.eye(3), K=hermitian(np.random.default_rng(0), 4, 30))
    with h5py.File(tmp_path / "in.h5") as f:
        at = f["K"].id.get_offset()
    data = bytearray((tmp_path / "in.h5").read_bytes())
    data[data.index(at.to_bytes(8, "little")):][:8]
    k = data.index(at.to_bytes(8, "little"))
    data[k:k + 8] = (1 << 40).to_bytes(8, "little")
    (tmp_path / "in.h5").write_bytes(data)
    assert "truncated or damaged" in error_of(run(config(tmp_path), expect=3))


def matrices():
    return hermitian(np.random.default_rng(1), 3, 5)


def named(dtype, names):
    """Complex matrices as a compound of these names, in this order."""
    a = matrices().astype(dtype)
    out = np.zeros(a.shape, [(name, a.real.dtype) for name in names])
    for name in names:
        out[name] = a.imag if name.startswith("i") else a.real
    return out


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("names", [("r", "i"), ("i", "r"), ("real", "imag"), ("re", "im"), ("im", "re")])
def test_names_of_complex_numbers(tmp_path, dtype, names):
    """Of inputs, cotangents and directions; read to the same bits."""
    a = named(dtype, names)
    files = dict(gradient={"cotangents": "c.h5"}, tangent="t.h5")
    write(tmp_path / "c.h5", **{"H/eigenvectors": a})
    write(tmp_path / "t.h5", H=a)
    for name, data in (("plain", matrices().astype(dtype)), ("named", a)):
        write(tmp_path / f"{name}.h5", H=data)
        run(config(tmp_path, name, input={"file": f"{name}.h5"}, **files))
    plain, other = read(tmp_path / "plain-out.h5"), read(tmp_path / "named-out.h5")
    assert (other["status"] == OK).all() or (other["status"] == 2).all()
    for key in ("eigenvalues", "eigenvectors", "gradient", "tangent/eigenvalues"):
        assert np.array_equal(plain[key], other[key]), key
    done = run(tmp_path / "named-out.h5", "--gradients", "3", verb="check")
    assert "NOT within" not in done.stdout


REFUSED = {
    "int64": lambda: np.ones((3, 4, 4), "i8"), "uint8": lambda: np.ones((4, 4), "u1"),
    "bool": lambda: np.ones((4, 4), bool), "float16": lambda: np.ones((2, 3, 4, 4), "f2"),
    "long double (128 bits)": lambda: np.ones((4, 4), np.longdouble),
    "a compound {r: float16, i: float16}": lambda: np.zeros((4, 4), [("r", "f2"), ("i", "f2")]),
    "a compound {x: float64, y: float64}": lambda: np.zeros((4, 4), [("x", "f8"), ("y", "f8")]),
    "a compound {r: int32, i: int32}": lambda: np.zeros((4, 4), [("r", "i4"), ("i", "i4")]),
    "strings": lambda: np.full((2, 2), b"abc"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_types_are_refused_by_name(tmp_path, text):
    write(tmp_path / "in.h5", **{"a/odd": REFUSED[text](), "H": matrices(), "vector": np.ones(3, "i8"),
                                 "wide": np.ones((3, 4), "i8")})
    path = config(tmp_path)
    line = f"/a/odd: its type is not float32, float64 or a complex compound {{r, i}} of either, but {text} (convert it)"
    done = run(path)
    assert f"multiplet: warning: not used: {line}\n" in done.stderr and done.stderr.count("not used") == 1
    out = read(tmp_path / "job-out.h5")
    assert (out["status"] == OK).all() and out["attributes"]["not_used"] == line
    assert f"not used: {line}\n" in run(path, verb="plan").stdout
    assert "not used: /a/odd" in run(path, ranks=2).stderr # complete, and still said
    named = config(tmp_path, "named", input={"file": "in.h5", "datasets": ["/a/odd"]})
    assert f"but {text} (convert it)" in error_of(run(named, expect=3))
    write(tmp_path / "odd.h5", odd=REFUSED[text]())
    alone = error_of(run(config(tmp_path, "alone", input={"file": "odd.h5"}), expect=3))
    assert "no square matrices" in alone and f"/odd: its type" in alone
    chosen = config(tmp_path, "chosen", input={"file": "in.h5", "datasets": ["/H"]})
    assert "not used" not in run(chosen).stderr
    assert "not_used" not in read(tmp_path / "chosen-out.h5")["attributes"]


def refusal(tmp_path):
    """Of a file that has nothing else: the same by plan and on two ranks."""
    lines = {error_of(run(config(tmp_path), expect=3, **how)) for how in ({}, {"verb": "plan"}, {"ranks": 2})}
    assert len(lines) == 1
    return lines.pop()


def test_numbers_in_formats_of_their_own(tmp_path):
    """libhdf5 would take bit fields as described, and read what lies outside of a compound."""
    with h5py.File(tmp_path / "in.h5", "w") as file:
        odd = h5py.h5t.IEEE_F64LE.copy()
        odd.set_ebias(1000)
        h5py.h5d.create(file.id, b"X", odd, h5py.h5s.create_simple((2, 2)))
    assert "/X: its type is not float32" in refusal(tmp_path) and "but float64, not of IEEE 754 (" in refusal(tmp_path)


def test_a_compound_whose_parts_lie_outside(tmp_path):
    """Found by a fuzzer: H5Dread crashed."""
    shutil.copy(ROOT / "tests/attack/fuzz/seeds/input/outside.h5", tmp_path / "in.h5")
    assert "but a compound whose parts do not fit {r: float64, i: float64} (" in refusal(tmp_path)


def in_every_way(tmp_path, texts):
    """A file whose dataset /X is refused: found, named, alone, by plan, on two ranks; and nothing is solved."""
    for name, keys in (("found", {}), ("named", {"datasets": ["/X"]})):
        path = config(tmp_path, name, input={"file": "in.h5", **keys})
        for how in ({}, {"verb": "plan"}, {"ranks": 2}):
            line = error_of(run(path, expect=3, **how))
            assert all(text in line for text in ("'/X'", *texts)) and line.endswith(")"), line
        assert not (tmp_path / f"{name}-out.h5").exists()


LINKS = {"soft": (h5py.SoftLink("/nowhere"), ["'/nowhere'"]),
         "external file": (h5py.ExternalLink("no.h5", "/H"), ["'no.h5:/H'"]),
         "external dataset": (h5py.ExternalLink("other.h5", "/K"), ["'other.h5:/K'"])}


@pytest.mark.parametrize("case", LINKS)
def test_links_that_lead_nowhere(tmp_path, case):
    write(tmp_path / "other.h5", H=matrices())
    write(tmp_path / "in.h5", H=matrices(), X=LINKS[case][0])
    in_every_way(tmp_path, ["a link to", "which is not there", *LINKS[case][1]])


def test_links_that_lead_somewhere(tmp_path):
    """To the same file: another name of what is used. To another file: used when it is named."""
    write(tmp_path / "other.h5", H=matrices())
    write(tmp_path / "in.h5", H=matrices(), S=h5py.SoftLink("/H"), G=h5py.ExternalLink("other.h5", "/"),
          X=h5py.ExternalLink("other.h5", "/H"))
    done = run(config(tmp_path))
    assert "not used: /X: it is a link to another file, 'other.h5:/H' (name it" in done.stderr
    assert "not used: /S" not in done.stderr
    with h5py.File(tmp_path / "job-out.h5") as f:
        assert list(f) == ["H"]
    run(config(tmp_path, "named", input={"file": "in.h5", "datasets": ["/X", "/S"]}))
    for group in "XS":
        assert np.array_equal(read(tmp_path / "named-out.h5", group)["eigenvalues"],
                              read(tmp_path / "job-out.h5")["eigenvalues"])


def virtual(tmp_path, sources, shape=(3, 5, 5)):
    """in.h5 with /H, and /X of one source a matrix."""
    layout = h5py.VirtualLayout(shape, "c16")
    for k, source in sources.items():
        layout[k] = source
    with h5py.File(tmp_path / "in.h5", "w") as f:
        f["H"] = matrices()
        f.create_virtual_dataset("X", layout)


def same_values(virtual_result, result):
    return np.array_equal(read(virtual_result, "X")["eigenvalues"], read(result)["eigenvalues"])


def source(name="part.h5", path="M", shape=(5, 5)):
    return h5py.VirtualSource(name, path, shape, "c16")


def test_virtual_datasets(tmp_path):
    for k, a in enumerate(matrices()):
        write(tmp_path / f"part{k}.h5", M=a)
    virtual(tmp_path, {k: source(f"part{k}.h5") for k in range(3)})
    cwd = os.getcwd()
    run(config(tmp_path))
    assert same_values(tmp_path / "job-out.h5", tmp_path / "job-out.h5")
    (tmp_path / "far").mkdir()
    (tmp_path / "part1.h5").rename(tmp_path / "far/part1.h5")
    in_every_way(tmp_path, ["virtual", "'part1.h5:M' is missing", "HDF5_VDS_PREFIX"])
    os.environ["HDF5_VDS_PREFIX"] = "${ORIGIN}/far"
    try:
        run(config(tmp_path, "prefix"))
    finally:
        del os.environ["HDF5_VDS_PREFIX"]
    assert same_values(tmp_path / "prefix-out.h5", tmp_path / "job-out.h5")
    os.mkfifo(tmp_path / "part1.h5")
    in_every_way(tmp_path, ["'part1.h5:M' is missing"])
    assert os.getcwd() == cwd


def test_virtual_datasets_with_holes(tmp_path):
    write(tmp_path / "part.h5", M=matrices()[0], small=np.eye(3), link=h5py.SoftLink("/no"))
    with h5py.File(tmp_path / "part.h5", "a") as f:
        unwritten(f, "late", (5, 5), "c16")
    virtual(tmp_path, {0: source(), 2: source()})
    in_every_way(tmp_path, ["a part of it has no source"])
    for path, text in (("K", "is missing"), ("link", "is missing"), ("small", "is smaller"), ("late", "never written")):
        virtual(tmp_path, {0: source(), 1: source(path=path), 2: source()})
        in_every_way(tmp_path, [text])


def test_virtual_datasets_in_themselves(tmp_path):
    write(tmp_path / "in.h5", M=matrices())
    layout = h5py.VirtualLayout((2, 3, 5, 5), "c16")
    for k in range(2):
        layout[k] = h5py.VirtualSource(".", "M", (3, 5, 5), "c16")
    with h5py.File(tmp_path / "in.h5", "a") as f:
        f.create_virtual_dataset("X", layout)
    run(config(tmp_path))
    w = read(tmp_path / "job-out.h5", "X")["eigenvalues"]
    assert w.shape == (2, 3, 5) and np.array_equal(w[1], read(tmp_path / "job-out.h5", "M")["eigenvalues"])


def test_external_files(tmp_path):
    a = matrices()
    with h5py.File(tmp_path / "in.h5", "w") as f:
        f["H"] = a
        f.create_dataset("X", a.shape, a.dtype, external=[(str(tmp_path / "x.raw"), 7, h5py.h5f.UNLIMITED)])
    in_every_way(tmp_path, ["external file", "is missing"])
    (tmp_path / "x.raw").write_bytes(b"7 bytes" + a.tobytes()[:-1])
    in_every_way(tmp_path, ["external file", "is too short"])
    (tmp_path / "x.raw").write_bytes(b"7 bytes" + a.tobytes())
    run(config(tmp_path))
    assert same_values(tmp_path / "job-out.h5", tmp_path / "job-out.h5")


def foreign_filter(path, name, number, label):
    """One of a chunked dataset that this HDF5 has not."""
    with h5py.File(path, "a") as f:
        f.create_dataset(name, (3, 5, 5), "f8", chunks=(3, 5, 5), compression="gzip")
        f[name].id.write_direct_chunk((0, 0, 0), b"whatever")
    data = path.read_bytes()
    k = data.index(b"deflate\0")
    head = data[k - 8:k]
    assert head[:2] == b"\1\0", head # the id, the name's length, flags, the number of values
    path.write_bytes(data[:k - 8] + number.to_bytes(2, "little") + head[2:] + label.ljust(8, b"\0") + data[k + 8:])


@pytest.mark.parametrize("number,label,text", [(32015, b"zs", "32015 (zstd)"), (32000, b"lzf", "32000 (lzf)"),
                                               (31999, b"mine", "31999 (mine)")])
def test_missing_filters_are_called_that(tmp_path, number, label, text):
    foreign_filter(tmp_path / "in.h5", "X", number, label)
    write(tmp_path / "in.h5", H=matrices())
    done = run(config(tmp_path))
    assert f"not used: /X: it is compressed with filter {text}" in done.stderr and "HDF5_PLUGIN_PATH" in done.stderr
    assert "not used: /X" in run(tmp_path / "job.yaml", verb="plan").stdout
    assert "filter" in read(tmp_path / "job-out.h5")["attributes"]["not_used"]
    line = error_of(run(config(tmp_path, "named", input={"file": "in.h5", "datasets": ["/X"]}), expect=3))
    assert text in line and "HDF5_PLUGIN_PATH" in line
    write(tmp_path / "c.h5", **{"H/eigenvalues": np.ones((3, 5))})
    foreign_filter(tmp_path / "t.h5", "H", number, label)
    path = config(tmp_path, "tangent", input={"file": "in.h5", "datasets": ["/H"]}, tangent="t.h5")
    line = error_of(run(path, expect=3))
    assert "type" in line or text in line


def test_files_that_mirror_are_written(tmp_path):
    write(tmp_path / "in.h5", H=matrices())
    for name, sections, group in (("c.h5", {"gradient": {"cotangents": "c.h5"}}, "H/eigenvalues"),
                                  ("t.h5", {"tangent": "t.h5"}, "H")):
        with h5py.File(tmp_path / name, "w") as f:
            if "/" in group:
                f.create_group("H")
            unwritten(f, group, (3, 5) if "/" in group else (3, 5, 5), "f8" if "/" in group else "c16")
        assert "never written" in error_of(run(config(tmp_path, **sections), expect=3))
        with h5py.File(tmp_path / name, "w") as f:
            f[group] = h5py.SoftLink("/nowhere")
        assert "which is not there" in error_of(run(config(tmp_path, **sections), expect=3))
    with h5py.File(tmp_path / "r.h5", "w") as f:
        unwritten(f, "R", (5, 2), "c16")
    frame = {"index": [0, 2], "reference": {"file": "r.h5", "dataset": "/R"}}
    assert "never written" in error_of(run(config(tmp_path, frame=frame), expect=3))


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    at = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path.name)
    os.chdir(at)


NO_FILES = {"a FIFO": make_fifo, "a directory": lambda p: p.mkdir(), "a socket": make_socket,
            "a device": lambda p: p.symlink_to("/dev/zero")}
ROLES = {"input": {"input": {"file": "odd"}}, "cotangents": {"gradient": {"cotangents": "odd"}},
         "eigenpairs": {"gradient": {"cotangents": "c.h5", "eigenpairs": "odd"}}, "directions": {"tangent": "odd"},
         "reference": {"frame": {"index": [0, 2], "reference": {"file": "odd", "dataset": "/R"}}}}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file(tmp_path, kind, role):
    write(tmp_path / "in.h5", H=matrices())
    write(tmp_path / "c.h5", **{"H/eigenvalues": np.ones((3, 5))})
    NO_FILES[kind](tmp_path / "odd")
    path = config(tmp_path, **ROLES[role])
    for how in ({}, {"verb": "plan"}) if kind != "a FIFO" else ({}, {"verb": "plan"}, {"ranks": 2}):
        line = error_of(run(path, expect=3, timeout=20, **how))
        assert f"cannot use {role} '" in line and f"it is {kind}, no regular file" in line


@pytest.mark.parametrize("kind", NO_FILES)
def test_results_that_are_no_files(tmp_path, kind):
    write(tmp_path / "in.h5", H=matrices())
    NO_FILES[kind](tmp_path / "odd")
    assert "multiplet: error: " in run(config(tmp_path, output={"file": "odd"}), expect=5, timeout=20).stderr
    for verb in ("show", "check"):
        assert f"it is {kind}" in error_of(run(tmp_path / "odd", verb=verb, expect=3, timeout=20))


def test_locked_and_half_written_files(tmp_path):
    """A writer that has the file open, and the mark that one leaves in the file when it dies."""
    write(tmp_path / "in.h5", H=matrices())
    with h5py.File(tmp_path / "in.h5", "a", locking=True):
        line = error_of(run(config(tmp_path), expect=3))
        assert "the file is locked" in line and "HDF5_USE_FILE_LOCKING=FALSE" in line
    with h5py.File(tmp_path / "new.h5", "w", libver="latest") as f:
        f["H"] = matrices()
    data = bytearray((tmp_path / "new.h5").read_bytes())
    assert data[8] == 3 # superblock, whose 11th byte says who has it open
    script = ("import h5py, os; f = h5py.File('new.h5', 'a', libver='latest', locking=False); f['K'] = 1; f.flush(); "
              "os._exit(0)")
    subprocess.run(["/usr/bin/python3", "-c", script], cwd=tmp_path, check=True)
    line = error_of(run(config(tmp_path, input={"file": "new.h5"}), expect=3))
    assert "has it open for writing" in line and "h5clear" in line


# What failed is counted by status, and the first of each is looked at

def lines_of_failures(done):
    return [x.removeprefix("multiplet: warning: ") for x in done.stderr.splitlines() if " failed: " in x]


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("solver", ["lanes", "scalapack"])
def test_failures_are_counted_by_status(tmp_path, solver, ranks):
    a = hermitian(np.random.default_rng(2), 6, 5)
    a[2, 1, 0] += 0.25 * np.abs(a[2]).max()
    a[4, 1, 0] += 1
    a[3, 3, 3] = np.nan
    write(tmp_path / "in.h5", H=a)
    done = run(config(tmp_path, solve={"solver": solver}), ranks=ranks, expect=4)
    nan, crooked = lines_of_failures(done)
    assert nan.startswith("1 failed: NONFINITE_INPUT, the matrix holds NaN") and "first problem 3 of /H" in nan
    assert crooked.startswith("2 failed: NOT_HERMITIAN, ") and "first problem 2 of /H" in crooked
    largest = max(np.abs(a[2].real).max(), np.abs(a[2].imag).max())
    defect = np.abs((d := a[2] - a[2].conj().T).real).max()
    assert f"the largest |A - A^H| is {defect / largest:.2g} of the largest |A|" in crooked, (crooked, d)
    assert "triangle: lower" in crooked and "triangle: average" in crooked


def test_directions_that_are_not_hermitian(tmp_path):
    write(tmp_path / "in.h5", H=matrices())
    write(tmp_path / "t.h5", H=matrices() + np.triu(np.ones(5), 1))
    line, = lines_of_failures(run(config(tmp_path, tangent="t.h5"), expect=4))
    assert "3 failed: NOT_HERMITIAN" in line and "|dA - dA^H| is " in line


@pytest.mark.parametrize("solver", ["lanes", "lapack"])
def test_an_overflow_is_no_cotangent_that_holds_nan(tmp_path, solver):
    a = np.stack([np.diag([1.0, 1.5, 3]), np.diag([1.0, 2, 3])]) * 1e-280
    cotangents = {"H/eigenvectors": np.random.default_rng(0).standard_normal((2, 3, 3)) * 1e300}
    nan = {"H/eigenvalues": np.full((2, 3), np.nan)}
    for name, more, text in (("large", {}, "cotangents are finite and what they lead to overflows"),
                             ("nan", nan, "a cotangent or direction is not finite")):
        write(tmp_path / f"{name}-in.h5", H=a)
        write(tmp_path / f"{name}-c.h5", **cotangents, **more)
        path = config(tmp_path, name, input={"file": f"{name}-in.h5"}, gradient={"cotangents": f"{name}-c.h5"},
                      solve={"solver": solver})
        line, = lines_of_failures(run(path, expect=4))
        assert "2 failed: NONFINITE_COTANGENT" in line and text in line, line
    shown = run(f"{tmp_path / 'large-out.h5'}:/H[0]", verb="show").stdout
    assert "or what it leads to overflows" in shown


def test_check_says_how_much_it_could_not_test(tmp_path):
    """Eigenvectors apart by less than what a difference needs: their gradients are not testable."""
    a = np.stack([np.diag([1.0, 1 + 1e-11, 3]), np.diag([1.0, 2, 3])])
    gv = np.random.default_rng(0).standard_normal((2, 3, 3))
    solve(tmp_path, a, cotangents={"eigenvectors": gv})
    out = run(tmp_path / "job-out.h5", "--gradients", "2", verb="check").stdout
    assert "not testable" in out and "all within bounds" not in out
    assert "within bounds as far as could be tested: 2 problems; " in out and " not tested" in out
    assert "all within bounds: 2 problems" in run(tmp_path / "job-out.h5", verb="check").stdout


SETS = ["", "=", "input.file=", "gradient.cotangents=", "input.datasets=[]", "input.datasets=", "run.grid="]


@pytest.mark.parametrize("arguments", [["run", "--set"], ["run", ""], ["plan", ""], ["show", ""], ["check", ""],
                                       ["show", ":/H"], ["serve", ""], ["--completion"],
                                       *(["run", "job.yaml", "--set", text] for text in SETS)])
def test_no_null_is_printed(tmp_path, arguments):
    write(tmp_path / "in.h5", H=matrices())
    config(tmp_path)
    done = subprocess.run([MULTIPLET, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode in (2, 3, 5) and "(null)" not in done.stderr + done.stdout
    assert done.stderr.count("error: ") >= 1
