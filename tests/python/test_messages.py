"""Every error that a user can meet: its text, its exit code, one line, printed once.

EVERY message of the source has to stand in one of three lists: CASES, ELSEWHERE or UNREACHABLE."""
import ctypes
import os
import re
import subprocess
import sys

import h5py
import numpy as np
import library
import pytest
from job import *
from test_serve import Service, answer, put

sys.path.append(str(ROOT / "tests/cli"))
from results import fingerprint # noqa: E402

NO_MPI = {**os.environ, "OMPI_MCA_pml": "nonexistent"} # MPI_Init fails here
FORM = re.compile(r"(?:\S+:\d+:\d+: )?multiplet: error: [^:]+.*: .+ ?\(.+\)$")


def messages():
    """(file, format) of every mpt_fail in src/."""
    found = []
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        text = path.read_text()
        for match in re.finditer(r'\bmpt_fail\(\s*&?\w+,\s*[\w>.-]+,\s*((?:"(?:[^"\\]|\\.)*"|MPT_\w+|\s)+)', text):
            found.append((path.name, "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(1)))))
        if path.name != "base.c":
            assert len(re.findall(r"(?<!#define )mpt_fail\(", text)) == sum(name == path.name for name, _ in found), path
    return found


def errors(done):
    return [line for line in done.stderr.splitlines() if "multiplet: error" in line]


def fails(arguments, expect, text, ranks=1, env=None, timeout=60):
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run([*launcher, MULTIPLET, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, env=env)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    assert len(errors(done)) == 1 and text in errors(done)[0], done.stderr
    assert FORM.match(errors(done)[0]), errors(done)[0]
    if ranks == 1:
        assert all("multiplet: " in line for line in done.stderr.splitlines()), done.stderr


# Usage: never an MPI_Init, once under mpirun

USAGE = {
    "the config is '%s' already": (["run", "a.yaml", "b.yaml"], "the config is 'a.yaml' already"),
    "no config: which job?": (["plan"], "no config"),
    "takes no value": (["run", "--fresh=1", "a.yaml"], "write --fresh alone"),
    "%s --help lists them)": (["run", "--wwwwwwwwww"], "multiplet run --help lists them"),
    "cannot use --ranks": (["plan", "a.yaml", "--ranks", "2x"], "not a count of ranks"),
    "not %s (see bench --help)": (["bench", "--part", "all"], "not engines, jobs, lanes, pipeline or select"),
    "only bash is known": (["--completion", "fish"], "cannot complete for shell 'fish'"),
    "the spool is '%s' already": (["serve", "a", "b"], "the spool is 'a' already"),
    "no spool: serve where?": (["serve"], "give a directory"),
    "bench takes options only": (["bench", "fast"], "unexpected argument 'fast'"),
}
MORE_USAGE = [
    (["plan", "a.yaml", "--ranks", "0"], "not a count"), (["plan", "a.yaml", "--ranks="], "not a count"),
    (["run"], "no config"), (["run", "--set"], "write --set key=value"), (["run", "--frsh"], "'--fresh'"),
    (["bench", "--n", "64,"], "a list of sizes"), (["bench", "--n", "0"], "a list of sizes"),
    (["bench", "--n", ",".join(["9"] * 17)], "a list of sizes"), (["bench", "--type", "int"], "a scalar type"),
    (["bench", "--repeat", "65"], "from 1 to 64"), (["bench", "--block", "-1"], "a block size"),
    (["bench", "--isa", "sse9"], "avx512"), (["bench", "--count", "0"], "a count of matrices"),
    (["show"], "nothing to show"), (["check"], "nothing to check"), (["sample"], "no kind"),
    (["--completion"], "only bash is known"), (["--mann"], "'--man'"), ([], "no command"),
]


@pytest.mark.parametrize("arguments,text", [*USAGE.values(), *MORE_USAGE])
def test_usage(arguments, text):
    fails(arguments, 2, text, env=NO_MPI)


@pytest.mark.parametrize("arguments,text", [*USAGE.values(), *MORE_USAGE[-7:]])
def test_usage_is_printed_once(arguments, text):
    fails(arguments, 2, text, ranks=3, env=NO_MPI)


def test_config_errors_do_not_start_mpi(tmp_path):
    path = config(tmp_path, solve={"solvr": "lapack"})
    fails(["run", path], 2, "solve.solver", env=NO_MPI)
    fails(["run", tmp_path / "no.yaml"], 2, "No such file", env=NO_MPI)


def test_without_mpi_a_run_fails_here(tmp_path):
    """NO_MPI is what the tests above take it for."""
    write(tmp_path / "in.h5", H=np.eye(3))
    done = subprocess.run([MULTIPLET, "run", config(tmp_path)], capture_output=True, timeout=60, env=NO_MPI)
    assert done.returncode not in (0, 2, 3)


# Files: each case prepares `tmp_path` and gives the arguments

def solved(at, **sections):
    write(at / "in.h5", H=hermitian(np.random.default_rng(1), 3, 5, "float64"))
    write(at / "c.h5", **{"H/eigenvalues": np.ones((3, 5))})
    sections.setdefault("gradient", {"cotangents": "c.h5"})
    run(config(at, **sections))
    return at / "job-out.h5"


def change(path, **attributes):
    with h5py.File(path, "a") as f:
        for name, value in attributes.items():
            if value is None:
                del f.attrs[name]
            else:
                f.attrs[name] = value
    return path


def broken_input(at):
    """A chunk whose checksum is wrong: the file opens, the data do not read."""
    with h5py.File(at / "in.h5", "w") as f:
        f.create_dataset("H", data=np.tile(np.eye(5), (3, 1, 1)), chunks=(3, 5, 5), fletcher32=True)
        offset = f["H"].id.get_chunk_info(0).byte_offset
    with open(at / "in.h5", "r+b") as f:
        f.seek(offset + 3)
        f.write(b"\x55\xaa\x55")
    return ["run", config(at)]


def check_of_broken_input(at):
    result = solved(at, gradient={})
    (at / "in.h5").unlink()
    broken_input(at)
    change(result, input_fingerprint=fingerprint(at / "in.h5"))
    return ["check", result]


def huge(at, n, solver):
    """A chunk that nobody unpacks, the only one that is written."""
    with h5py.File(at / "in.h5", "w") as f:
        f.create_dataset("H", (n, n), "c16", chunks=(n // 25, n // 25), compression="gzip")
        f["H"].id.write_direct_chunk((0, 0), b"no gzip")
    return ["run", config(at, solve={"solver": solver})]


def other_program(at):
    change(solved(at), schema_name="another")
    return ["run", at / "job.yaml"]


def other_schema(at):
    change(solved(at), schema_version="0.9")
    return ["run", at / "job.yaml"]


def without_dataset(at, instead=False):
    with h5py.File(change(solved(at), complete=0), "a") as f:
        del f["H/diagnostics/started"]
        if instead:
            f.create_group("H/diagnostics/started")
    return ["run", at / "job.yaml"]


def unreadable_statuses(at):
    with h5py.File(change(solved(at), complete=0), "a") as f:
        del f["H/status"]
        f["H/status"] = np.array([b"a", b"b", b"c"])
    return ["run", at / "job.yaml"]


def directory_as_output(at):
    write(at / "in.h5", H=np.eye(3))
    (at / "job-out.h5").mkdir()
    return ["run", config(at), "--fresh"]


def bad_stored_config(at):
    result = solved(at)
    with h5py.File(result) as f:
        text = f.attrs["config"]
    return ["check", change(result, config=text.replace("lapack", "lapak").replace("auto", "automatic", 1))]


def no_cotangents(at):
    result = solved(at)
    with h5py.File(result) as f:
        text = f.attrs["config"]
    lines = [line for line in text.splitlines(True) if "cotangents:" not in line or "eigenvalue_" in line]
    return ["check", change(result, config="".join(lines)), "--gradients", "1"]


def other_shape(at):
    result = solved(at, gradient={})
    (at / "in.h5").unlink()
    write(at / "in.h5", H=np.zeros((4, 5, 5)))
    return ["check", change(result, input_fingerprint=fingerprint(at / "in.h5"))]


def bench_into_nowhere(at):
    return ["bench", "--part", "jobs", "--repeat", "1", "--directory", at / "no"]


def bench_over_a_directory(at):
    (at / "multiplet-bench-in.h5").mkdir()
    return ["bench", "--part", "jobs", "--repeat", "1", "--directory", at]


def with_outputs(at, cotangents=None, reference=np.ones((5, 1)), **sections):
    """A job on three matrices of n = 5."""
    write(at / "in.h5", H=hermitian(np.random.default_rng(1), 3, 5, "float64"))
    write(at / "r.h5", R=reference)
    if cotangents is not None:
        write(at / "c.h5", **cotangents)
        sections["gradient"] = {"cotangents": "c.h5"}
    return ["run", config(at, **sections)]


def other_selection(at):
    """As many pairs, and others."""
    solved(at, gradient={}, solve={"select": {"lowest": 2}})
    write(at / "v.h5", **{"H/eigenvalues": np.ones((3, 2))})
    return ["run", config(at, "second", solve={"select": {"highest": 2}},
                          gradient={"cotangents": "v.h5", "eigenpairs": "job-out.h5"})]


def with_frame(at, reference=np.ones((5, 1)), index=(0, 2), dataset="/R"):
    return with_outputs(at, reference=reference,
                        frame={"index": list(index), "reference": {"file": "r.h5", "dataset": dataset}})


EXP = [{"name": "heat", "kind": "exp"}]


def not_absolute(at):
    return ["check", change(solved(at), config="input: {file: in.h5}\noutput: {file: out.h5}\n")]


# key: a part of the format in the source; (prepare, exit code, text)
CASES = {
    "index [%lld, %lld] of '%s'": (
        lambda at: with_outputs(at, functions=[{"name": "P", "kind": "projector", "index": [0, 6]}]), 2,
        "'/H' has n = 5"),
    "cannot use electrons": (
        lambda at: with_outputs(at, functions=[{"name": "f", "kind": "fermi", "beta": 1, "electrons": 5}]), 2,
        "give fewer than n"),
    "which is no function of the config": (
        lambda at: with_outputs(at, {"H/functions/heal": np.ones((3, 5, 5))}, functions=EXP), 3,
        "did you mean 'heat'?"),
    "it holds a frame's of": (lambda at: with_outputs(at, {"H/frame": np.ones((3, 5, 1))}), 3, "add 'frame'"),
    "cannot use reference '%s'": (lambda at: with_frame(at, np.ones((4, 1))), 3, "its rows are not n"),
    "cannot store factor": (
        lambda at: with_outputs(at, output={"file": "job-out.h5", "store": ["eigenvalues", "factor"]}), 2,
        "take it from output.store"),
    "they were selected in another way": (other_selection, 3, "the same solve.select"),
    "cannot use directions '%s'": (lambda at: with_outputs(at, tangent="r.h5"), 3, "mirrors the input file: /H"),
    "problems %lld to %lld: the file is damaged": (broken_input, 3, "cannot read '/H', problems"),
    "cannot read problem %lld of '%s'": (check_of_broken_input, 3, "of '/H': the file is damaged"),
    "with lanes: they are for n up to": (lambda at: huge(at, 4097, "lanes"), 2, "4096 (use solver: auto)"),
    "with lapack: its workspace passes": (lambda at: huge(at, 50000, "lapack"), 2, "solver: scalapack"),
    "more elements a rank than ScaLAPACK": (lambda at: huge(at, 200000, "scalapack"), 2, "ranks or more"),
    "it was made %s": (other_program, 2, "by another program"),
    "it was made %s ": (other_schema, 2, "with another schema version"),
    "it has no %s of '%s', another version": (without_dataset, 2, "no diagnostics/started of '/H'"),
    "it does not open on every rank": (lambda at: without_dataset(at, True), 5, "job-out.h5"),
    "its statuses cannot be read": (unreadable_statuses, 5, "--fresh starts over"),
    "%s (check its directory)": (directory_as_output, 5, "directory"),
    "its attribute config cannot be used": (bad_stored_config, 3, "automatic"),
    "cannot read the resolved config, line %lld": (not_absolute, 3, "not an absolute path"),
    "nor another output that": (no_cotangents, 3, "check without --gradients"),
    "cannot check '%s': %s (give a whole": (
        lambda at: ["check", change(solved(at), input_file=None)], 3, "does not name its input"),
    "does not fit the input's": (other_shape, 3, "4 float64 matrices of n = 5"),
    "cannot write to '%s': no permission": (bench_into_nowhere, 5, "name another --directory"),
    "the benchmark's files need": (bench_over_a_directory, 5, "name another --directory"),
}


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("key", CASES)
def test_files(tmp_path, key, ranks):
    prepare, code, text = CASES[key]
    if "ScaLAPACK" in key and ranks > 1:
        pytest.skip("what does not fit on one rank may on three")
    arguments = prepare(tmp_path)
    fails(arguments, code, text, ranks=ranks)


@pytest.mark.parametrize("reference,text", [
    (np.ones(5), "its rank is not 2 or more"), (np.ones((2, 5, 1)), "one for each matrix"),
    (np.ones((5, 3)), "more than the index range"), (np.ones((5, 0)), "it has no columns"),
    (np.ones((5, 1), complex), "is complex"), (np.ones((5, 1), int), "its type is not")])
def test_references(tmp_path, reference, text):
    fails(with_frame(tmp_path, reference), 3, text)


def test_frames_beyond_the_matrix(tmp_path):
    fails(with_frame(tmp_path, index=(4, 6)), 2, "of 'frame'")


def test_no_groups(tmp_path):
    with h5py.File(solved(tmp_path), "a") as f:
        del f["H"]
    fails(["check", tmp_path / "job-out.h5"], 3, "it holds no groups")


def test_too_large_for_memory(tmp_path):
    """76 GiB; on a machine that has them there is nothing to test."""
    with open("/proc/meminfo") as f:
        available = int(re.search(r"MemAvailable:\s+(\d+)", f.read()).group(1)) / 2 ** 20
    if available > 90:
        pytest.skip("this machine has the memory")
    command = huge(tmp_path, 32000, "lapack")
    fails(command, 2, "ranks or more with as much memory each, solver: auto")
    tmp_path.chmod(0o700)
    with Service(tmp_path):
        put(tmp_path, "large", command[-1].read_text())
        assert answer(tmp_path, "large")[2].startswith("{exit: 2, error: ")


def test_ranks_that_make_no_grid():
    fails(["bench", "--part", "engines", "--n", "8", "--repeat", "1"], 2, "run on 6", ranks=7)


def test_ranks_with_different_configs(tmp_path):
    write(tmp_path / "in.h5", H=np.eye(3))
    a, b = config(tmp_path, "a", output={"file": "o.h5"}), config(tmp_path, "b", output={"file": "p.h5"})
    done = subprocess.run(["mpirun", "-n", "1", MULTIPLET, "run", a, ":", "-n", "1", MULTIPLET, "run", b],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and len(errors(done)) == 1 and "rank 1 read another config" in errors(done)[0]
    assert not (tmp_path / "o.h5").exists() and not (tmp_path / "p.h5").exists()


CALLS = {"mpt_eigh": "a w v", "mpt_eigh_backward": "a w v gw gv g", "mpt_eigh_with_gradient": "a gw gv w v g"}


def refused_by_the_library(call, change):
    """What the library says to these arguments, others being right."""
    room = ctypes.create_string_buffer(1 << 16)
    x = {"type": 1, "n": 2, "count": 1, "options": library.Options(),
         **dict.fromkeys([*CALLS[call].split(), "multiplet", "report"], room)}
    for name, value in change.items():
        if name in x:
            x[name] = value
        else:
            setattr(x["options"], name, value)
    x |= {"n": ctypes.c_int64(x["n"]), "count": ctypes.c_int64(x["count"]), "options": ctypes.byref(x["options"])}
    error = library.Error()
    assert getattr(ctypes.CDLL(str(library.PATH)), call)(*x.values(), ctypes.byref(error)) == 2 == error.code
    return error.text.decode()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("change,text", [
    ({"type": 4}, "type"), ({"type": -1}, "type"), ({"n": -1}, "n"), ({"n": 2 ** 40}, "n"),
    ({"count": -2}, "count"), ({"count": 2 ** 60}, "count"),
    ({"w": None}, "a null array"), ({"multiplet": None}, "a null array"), ({"report": None}, "a null array"),
    ({"n": 0, "report": None}, "a null array"), ({"threads": -1}, "threads"), ({"triangle": 4}, "triangle"),
    ({"gauge_policy": -1}, "gauge_policy"), ({"spread_policy": 4}, "spread_policy"),
    ({"convention": 2}, "convention"), ({"basis": 2}, "basis"), ({"solver": 3}, "solver"), ({"solver": -1}, "solver")])
def test_arguments_of_the_library(call, change, text):
    assert refused_by_the_library(call, change) == f"cannot start: bad argument, {text} (see multiplet/eigh.h)"


@pytest.mark.parametrize("call", ["mpt_eigh", "mpt_eigh_with_gradient"])
def test_only_given_pairs_need_no_matrix(call):
    assert "a null array" in refused_by_the_library(call, {"a": None})


@pytest.mark.parametrize("call", ["mpt_eigh_backward", "mpt_eigh_with_gradient"])
@pytest.mark.parametrize("array", ["v", "g"])
def test_arrays_that_the_gradient_needs(call, array):
    assert "a null array" in refused_by_the_library(call, {array: None})


HERE = {"cannot bench on %d ranks", "read another config than rank 0", "bad argument, %s",
        "it needs %.3g GiB a rank"}

# key: the test file that has it
ELSEWHERE = {
    **dict.fromkeys(["cannot serve '%s': %s (%s)", "cannot use the request", "a zero byte", "is larger than 1 MiB",
                     "cannot read request '%s': %s"], "python/test_serve.py"),
    **dict.fromkeys([
        "unknown command '%s': no such command (did", "such command (multiplet --help", "no command: nothing",
        "cannot write to standard output", "no kind: what", "unknown kind", "no output file", "its value is missing",
        "no such option (did you mean", "twice: which one", "(write one kind at a time)", "for --type: no such type",
        "not a dataset's name", "it means nothing to", "the matrices go there", "not in range (give an integer",
        "cannot use --sector", "cannot use --sites", "is complex (valid"], "cli/test_usage.py"),
    **dict.fromkeys(["the file has it already", "%s (check the path and free space)",
                     "%s (check the name and free space)"], "cli/test_sample.py"),
    **dict.fromkeys([
        "(show one at a time)", "nothing to show", "there is no such group", "not an index", "holds no problems",
        "index is out of range", "its attribute schema_name", "its schema_version is",
        "is not the schema's"], "cli/test_show.py"),
    **dict.fromkeys(["the number '%s' is not among its attributes", "shapes or types that do not belong together",
                     "no handler is named", "%s: matrix %lld of %lld is %s: %s (%s)",
                     "has eigenvalues %s, where none exists"], "python/test_jax_transforms.py"),
    **dict.fromkeys(["already (give one)", "nothing to check", "for --gradients: not a count", "has changed since",
                     "neither eigenvalues", "no problem has one"], "cli/test_check.py"),
    **dict.fromkeys(["cannot open config", "larger than 1 MiB"], "unit/test_config.c"),
    "it failed its self-test": "unit/test_self_test.c",
    **dict.fromkeys(["and the levels hold", "cannot make occupations: bad argument"], "python/test_occupations.py"),
    **dict.fromkeys(["MPI is not initialized", "(see multiplet/job.h)"], "mpi/test_job.c"),
    **dict.fromkeys(["more than can be counted", "more pieces than the 2^24"], "unit/test_plan.c"),
    **dict.fromkeys(["takes each for a job of", "another job is writing it", "which would lock it, is another file",
                     "or move that away", "it is no result of this program", "names (hard links)",
                     "removed or replaced during the run", "its lock was removed", "(what was read before that is kept",
                     "(nothing of this run is kept"], "python/test_writers.py"),
    **dict.fromkeys(["two services ended in the middle", "belongs to user", "it is the service's own"],
                    "python/test_serve.py"),
    **dict.fromkeys(["looking at it took longer than", "libhdf5 crashed"], "python/test_damaged.py"),
    **dict.fromkeys(["no regular file", "the file is locked", "has it open for writing", "which is not there",
                     "cannot use '%s' of '%s': %s"], "python/test_inputs.py"),
    **dict.fromkeys([
        "holds none for any", "it has no %s of", "not of this input",
        "result is not complete", "it needs %lld ranks", "%s for %.3g GiB", "permissions and space",
        "not a readable result", "cannot open %s '%s'", "not an HDF5 file", "is truncated", "cannot find dataset",
        "cannot use dataset", "no square matrices", "its %s does not match", "what is finished is kept",
    ], "python/test_faults.py"),
}

# Memory that runs out for a few bytes, libraries that break their word, files that change within a moment.
UNREACHABLE = {
    "no memory for the reports of %lld matrices": "160 bytes a matrix, whose arrays are there already",
    "no memory for %lld levels": "40 bytes a level, whose arrays are there already",
    "out of memory": "a small allocation fails",
    "MPI has no communicator left": "thousands that nobody frees",
    "descinit gave INFO": "ScaLAPACK refuses a grid of its own",
    **dict.fromkeys(["it is not there, or no matrix", "may be damaged, check it",
                     "its group '%s' cannot be read", "its attribute %s cannot be read"],
                    "an object of an open file cannot be read: tests/attack/faults.py"),
    "cannot read input '%s'": "the input vanishes between its opening and its hashing",
    "%s (run again to continue)": "closing fails after everything was written",
    "it was replaced while it was opened": "between its creation and its opening, under the lock",
    "its lock '%s' cannot be taken": "root may write anywhere",
    "cannot take back what this run": "an input changes, and the result cannot be written: tests/attack/faults.py",
    "finds other datasets in the files": "what one rank cannot read: tests/attack/faults.py",
    "sees another file there than rank 0": "hosts with file systems of their own",
    "the dataset does not open": "a dataset vanishes from an open file",
}


def test_every_message_is_tested():
    keys = [*USAGE, *CASES, *HERE, *ELSEWHERE, *UNREACHABLE]
    formats = messages()
    assert len(formats) > 100
    for name, text in formats:
        assert any(key.strip() in text for key in keys), f"{name}: no test meets: {text}"
    for key in keys:
        assert any(key.strip() in text for _, text in formats), f"no message: {key}"
    for file in set(ELSEWHERE.values()):
        assert (ROOT / "tests" / file).is_file()


# What is nested says it itself: reasons why a request, or a dataset (test_inputs.py), cannot be used.
NESTED = {"cannot use the request: %s", "cannot use dataset '%s' of '%s': %s", "cannot use '%s' of '%s': %s"}


def test_every_message_says_how_to_mend_it():
    for name, text in messages():
        nested = text.endswith("line %lld: %s") or text in NESTED
        assert text.endswith(")") or nested or "out of memory" in text or "no memory" in text, (name, text)
