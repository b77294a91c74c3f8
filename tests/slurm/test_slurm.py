"""The SLURM scripts of jobs/ under a real SLURM: complete, continue after the time limit, cancel."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

# The file is read while the program writes to it.
os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"
import h5py  # noqa: E402

import cluster as slurm  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MULTIPLET", str(ROOT / "build" / "bin" / "multiplet"))
STOPPED_EARLY = 75

# The long input has to take longer than a job runs before its signal (some 6 s), on fast machines too;
# single precision and large matrices make much work of few bytes.
LONG_N, LONG_SECONDS, LONG_BATCH_MAX = 1152, 13, 90
SHORT_N, SHORT_BATCH = 24, 8
RANKS = 2
# What depends on when and how often a run was interrupted.
UNCOMPARED = {"diagnostics/seconds"}

reason = slurm.why_not()
pytestmark = pytest.mark.skipif(reason is not None, reason=f"SLURM: {reason}")


@pytest.fixture(scope="module")
def cluster():
    with slurm.Cluster() as running:
        yield running


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The input files, and the result of an undisturbed run of the long one."""
    directory = tmp_path_factory.mktemp("inputs")
    write_input(directory / "short.h5", SHORT_N, SHORT_BATCH)
    write_input(directory / "long.h5", LONG_N, long_batch(directory))
    config = write_config(directory, directory / "long.h5")
    run_on_two_ranks(config)
    yield directory
    remove_data(directory)


@pytest.fixture
def new_config(inputs, tmp_path):
    yield lambda name: write_config(tmp_path, inputs / f"{name}.h5")
    remove_data(tmp_path)


def remove_data(directory):
    """pytest keeps the directories of several runs; these files have hundreds of megabytes."""
    for path in directory.glob("*.h5"):
        path.unlink()


def random_hermitian(rng, n):
    a = (rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))).astype(np.complex64)
    return a + a.conj().T


def write_input(path, n, batch):
    rng = np.random.default_rng(n)
    with h5py.File(path, "w") as file:
        matrices = file.create_dataset("H", (batch, n, n), np.complex64)
        for index in range(batch):
            matrices[index] = random_hermitian(rng, n)


def long_batch(directory):
    """As many matrices as keep two ranks of this machine busy for LONG_SECONDS, by a trial of the program."""
    trial = directory / "trial"
    trial.mkdir()
    write_input(trial / "in.h5", LONG_N, 4 * RANKS)
    log = run_on_two_ranks(write_config(trial, trial / "in.h5"))
    remove_data(trial)
    seconds = float(re.search(r"done in ([0-9.e+-]+) s", log)[1]) / (4 * RANKS)
    return min(LONG_BATCH_MAX, round(LONG_SECONDS / seconds))


def run_on_two_ranks(config):
    return subprocess.run(["mpirun", "-n", str(RANKS), PROGRAM, "run", str(config)], check=True, timeout=240,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr


def write_config(directory, input_file):
    """A config in `directory`, its result beside it."""
    config = directory / "config.yaml"
    config.write_text(f"input: {{file: {input_file}}}\n"
                      "output: {file: result.h5}\n"
                      "run: {checkpoint_seconds: 0.5}\n")
    return config


# Empty, so that the scripts' own default is tested: tests/environment.sh sets another. It binds a rank to
# a core of its own, which takes two.
BINDING = {"OMPI_MCA_hwloc_base_binding_policy": ""} if len(os.sched_getaffinity(0)) >= 2 else {}


def submit(cluster, script, config, *options, launch="mpirun"):
    return cluster.submit(f"--output={config.parent}/log", *options, ROOT / "jobs" / f"{script}.sbatch", config,
                          directory=config.parent, environment={"LAUNCH": launch, **BINDING})


def read_log(config):
    return (config.parent / "log").read_text()


def result_of(config):
    return config.parent / "result.h5"


def is_complete(config):
    with h5py.File(result_of(config), "r") as file:
        return int(file.attrs["complete"]) == 1


def datasets(path):
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset) and not any(name.endswith(end) for end in UNCOMPARED):
            found[name] = item[()]

    with h5py.File(path, "r") as file:
        file.visititems(note)
    return found


def finished_rows(config):
    """Which problems of the long input have been written; none while the file is not there yet."""
    try:
        with h5py.File(result_of(config), "r") as file:
            return np.flatnonzero(file["H/status"][()] != 0)
    except (OSError, KeyError, RuntimeError):
        return np.array([], dtype=int)


def assert_same_result(config, reference):
    expected, found = datasets(reference), datasets(result_of(config))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("launch", ["mpirun", "srun"])
def test_single_node_completes(cluster, new_config, launch):
    config = new_config("short")
    job = cluster.wait_for_end(submit(cluster, "single-node", config, launch=launch), 60)
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), read_log(config)
    assert is_complete(config)
    with h5py.File(result_of(config), "r") as file:
        assert int(file.attrs["ranks"]) == RANKS
        assert str(file.attrs["slurm_job_id"]) == job["JobId"]


@pytest.mark.parametrize("script", ["single-node", "continue"])
def test_a_bad_config_ends_the_job_with_its_code(cluster, new_config, script):
    config = new_config("short")
    config.write_text(config.read_text() + "nonsense: 1\n")
    job = cluster.wait_for_end(submit(cluster, script, config), 60)
    assert (job["JobState"], job["ExitCode"]) == ("FAILED", "2:0"), read_log(config)
    assert job["Restarts"] == "0"


def test_no_config_is_a_usage_error(cluster, tmp_path):
    number = cluster.submit(f"--output={tmp_path}/log", ROOT / "jobs" / "single-node.sbatch",
                            directory=tmp_path)
    assert cluster.wait_for_end(number, 60)["ExitCode"] == "2:0"
    assert "CONFIG.yaml" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("launch", ["mpirun", "srun"])
def test_continue_goes_on_after_the_time_limit(cluster, inputs, new_config, launch):
    config = new_config("long")
    job = run_past_its_limit(cluster, config, launch)
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), read_log(config)
    assert int(job["Restarts"]) >= 1, read_log(config)
    assert read_log(config).count("back into the queue") == int(job["Restarts"])
    assert is_complete(config)
    assert_same_result(config, inputs / "result.h5")


def run_past_its_limit(cluster, config, launch):
    """Submits so that the signal comes a few seconds after the start.

    SLURM's limits are whole minutes, and it sends the signal at the first of its checks (every 30 s) that
    is less than the lead + 30 s before the limit. With a lead of 50 of 60 s that is the first check.
    """
    wait_for_limit_check(cluster, from_seconds=5, to_seconds=6.5)
    number = submit(cluster, "continue", config, "--time=1", "--signal=B:USR1@50", launch=launch)
    return cluster.wait_for_end(number, 300)


def wait_for_limit_check(cluster, from_seconds, to_seconds):
    def near():
        seconds = cluster.next_limit_check()
        return seconds is not None and from_seconds <= seconds <= to_seconds

    slurm.wait_until(near, 3 * slurm.LIMIT_CHECK_SECONDS, "slurmctld's check of time limits")


@pytest.mark.parametrize("scancel", [[], ["--batch", "--signal=TERM"]], ids=["scancel", "TERM"])
def test_a_cancelled_job_is_continued_by_the_next(cluster, inputs, new_config, scancel):
    config = new_config("long")
    number = submit(cluster, "continue", config)
    slurm.wait_until(lambda: finished_rows(config).size, 60, "a first finished problem")
    cluster.command("scancel", *scancel, number)
    job = cluster.wait_for_end(number, 60)
    assert job["Restarts"] == "0", "a cancelled job must not return to the queue"
    assert_finished_rows_are_right(config, inputs / "result.h5")
    run_on_two_ranks(config)
    assert is_complete(config)
    assert_same_result(config, inputs / "result.h5")


def assert_finished_rows_are_right(config, reference):
    rows = finished_rows(config)
    assert rows.size > 0
    assert not is_complete(config)
    with h5py.File(result_of(config), "r") as found, h5py.File(reference, "r") as expected:
        for name in ("H/eigenvalues", "H/eigenvectors"):
            np.testing.assert_array_equal(found[name][rows], expected[name][rows], err_msg=name)


def test_the_cluster_leaves_nothing_behind():
    with slurm.Cluster() as short_lived:
        number = short_lived.submit("--wrap=sleep 60", "--output=/dev/null", directory="/")
        short_lived.wait_for_state(number, {"RUNNING"}, 30)
    assert not short_lived.root.exists()
    slurm.wait_until(lambda: not processes_that_name(str(short_lived.root)), 5, "the end of every process")


def processes_that_name(text):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return found
