"""The scripts of jobs/ that run a config, under a real SLURM: complete, fail, cancel."""

import shutil
from pathlib import Path

import cluster as slurm
import h5py
import numpy as np
import pytest
import work


@pytest.mark.parametrize("launch", ["mpirun", "srun", "srun --mpi=pmix --label"])
def test_single_node_completes(cluster, new_config, inputs, launch):
    config = new_config("short")
    job = cluster.wait_for_end(work.submit_config(cluster, "single-node", config, launch=launch), 60)
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), work.read_log(config)
    assert ("0: multiplet: " in work.read_log(config)) == ("--label" in launch)
    assert_done_by(config, job, ranks=2)
    work.assert_same_result(work.result_of(config), inputs / "short-result.h5")


def assert_done_by(config, job, ranks):
    result = work.result_of(config)
    assert work.is_complete(result)
    assert int(work.attribute(result, "ranks")) == ranks
    assert str(work.attribute(result, "slurm_job_id")) == job["JobId"]


def test_srun_that_speaks_no_mpi(cluster, new_config):
    """Nobody solves anything. Open MPI 4 itself refuses such tasks; where an MPI takes them for programs of their own, the
    program does, see test_writers."""
    config = new_config("short")
    job = cluster.wait_for_end(work.submit_config(cluster, "single-node", config, launch="srun --mpi=none"), 60)
    log = work.read_log(config)
    assert job["JobState"] == "FAILED" and job["ExitCode"] in ("1:0", "2:0"), log
    assert "direct launched using" in log or "cannot run as 2 ranks: srun started them" in log
    assert not work.result_of(config).exists()


@pytest.mark.parametrize("launch", ["mpirun", "srun"])
def test_a_rank_has_its_threads(cluster, new_config, launch):
    config = new_config("short")
    config.write_text(config.read_text().replace("run: {", "run: {threads: 2, "))
    number = work.submit_config(cluster, "single-node", config, "--ntasks=1", "--cpus-per-task=2", launch=launch)
    job = cluster.wait_for_end(number, 60)
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), work.read_log(config)
    assert_done_by(config, job, ranks=1)


needs_nodes = pytest.mark.skipif(not slurm.SEVERAL_NODES, reason="several nodes need a UTS namespace each")


@needs_nodes
@pytest.mark.parametrize("launch", ["mpirun", "srun"])
def test_multi_node_spreads_its_ranks(cluster, new_config, inputs, launch):
    config = new_config("short")
    job = cluster.wait_for_end(work.submit_config(cluster, "multi-node", config, launch=launch), 60)
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), work.read_log(config)
    assert job["NodeList"] == "multiplet[1-2]"
    assert_done_by(config, job, ranks=4)
    work.assert_same_result(work.result_of(config), inputs / "short-result.h5")


@needs_nodes
def test_multi_node_spreads_one_matrix(cluster, new_config):
    """One rank on each node, both in one solution: what they exchange goes from node to node."""
    config = new_config("short")
    config.write_text(config.read_text().replace("run: {", "run: {distribute_from: 2, grid: [1, 2], block: 4, "))
    job = cluster.wait_for_end(work.submit_config(cluster, "multi-node", config, "--ntasks-per-node=1"), 60)
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), work.read_log(config)
    assert job["NodeList"] == "multiplet[1-2]"
    with h5py.File(work.result_of(config), "r") as file:
        assert set(file["H/diagnostics/ranks"][()]) == {2}
        assert file["H/diagnostics/residual"][()].max() < 10


def test_array_tasks_are_jobs_of_their_own(cluster, new_config, inputs):
    """Three chunks; the second is damaged, and done again alone when it has been mended."""
    config = new_config("short")
    directory = config.parent
    for task in (2, 3, 5):
        shutil.copy(inputs / "short.h5", directory / f"chunk-{task}.h5")
    (directory / "chunk-3.h5").write_text("not HDF5")
    config.write_text("input: {file: chunk-{task}.h5}\noutput: {file: out.h5}\n")
    assert run_array(cluster, config, "2,3,5") == {2: "0:0", 3: "3:0", 5: "0:0"}
    shutil.copy(inputs / "short.h5", directory / "chunk-3.h5")
    assert run_array(cluster, config, "3") == {3: "0:0"}
    for task in (2, 3, 5):
        work.assert_same_result(directory / f"result-{task}.h5", inputs / "short-result.h5")
    assert sorted(path.name for path in directory.glob("*.yaml")) == [config.name]
    assert config.read_text().count("{task}") == 1


def run_array(cluster, config, tasks):
    number = work.submit(cluster, "array", config.name, "--set", "output.file=result-{task}.h5",
                         directory=config.parent, options=[f"--array={tasks}"], log="log-%a")
    jobs = [cluster.wait_for_end(f"{number}_{task}", 60) for task in tasks.split(",")]
    return {int(job["ArrayTaskId"]): job["ExitCode"] for job in jobs}


def test_array_tasks_do_not_share_a_result(cluster, new_config):
    config = new_config("short")
    number = work.submit_config(cluster, "array", config, "--array=1-2", "--open-mode=append")
    assert [cluster.wait_for_end(f"{number}_{task}", 60)["ExitCode"] for task in (1, 2)] == ["2:0", "2:0"]
    assert work.read_log(config).count("has no {task}") == 2
    assert not work.result_of(config).exists()


# Options for what fails at once.
SMALLEST = {"array": ["--array=7"], "multi-node": ["--nodes=1"]}


@pytest.mark.parametrize("script", ["single-node", "multi-node", "continue", "array"])
def test_a_bad_config_ends_the_job_with_its_code(cluster, new_config, script):
    config = new_config("short", "nonsense: {task}\n" if script == "array" else "nonsense: 1\n")
    job = cluster.wait_for_end(work.submit_config(cluster, script, config, *SMALLEST.get(script, [])), 60)
    assert (job["JobState"], job["ExitCode"]) == ("FAILED", "2:0"), work.read_log(config)
    assert "nonsense" in work.read_log(config)
    assert job["Restarts"] == "0"


@pytest.mark.parametrize("script", ["single-node", "multi-node", "continue", "array"])
def test_no_config_is_a_usage_error(cluster, tmp_path, script):
    number = work.submit(cluster, script, directory=tmp_path, options=SMALLEST.get(script, []))
    assert cluster.wait_for_end(number, 60)["ExitCode"] == "2:0"
    assert "CONFIG.yaml" in (tmp_path / "log").read_text()


def test_a_cancelled_job_is_continued_by_the_next(cluster, inputs, new_config):
    """By scancel, and by TERM to the script alone; two jobs at once, on a node each."""
    jobs = []
    for scancel in ([], ["--batch", "--signal=TERM"]):
        config = new_config("long")
        number = work.submit_config(cluster, "continue", config, "--exclusive")
        jobs.append((number, config, scancel))
    for number, config, scancel in jobs:
        work.wait_for_rows(config)
        cluster.command("scancel", *scancel, number)
    for number, config, _ in jobs:
        job = cluster.wait_for_end(number, 60)
        assert job["Restarts"] == "0", "a cancelled job must not return to the queue"
        assert_finished_rows_are_right(config, inputs / "long-result.h5")
    numbers = [work.submit_config(cluster, "single-node", config) for _, config, _ in jobs]
    for number, (_, config, _) in zip(numbers, jobs):
        assert cluster.wait_for_end(number, 60)["ExitCode"] == "0:0"
        assert work.is_complete(work.result_of(config))
        work.assert_same_result(work.result_of(config), inputs / "long-result.h5")


def assert_finished_rows_are_right(config, reference):
    rows = work.finished_rows(config)
    assert rows.size > 0
    assert not work.is_complete(work.result_of(config))
    with h5py.File(work.result_of(config), "r") as found, h5py.File(reference, "r") as expected:
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
