"""Two writers of one result, inputs that change while they are read, outputs that must not be replaced, and
launchers that this MPI does not know."""
import os
import random
import shutil
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from job import *
from test_interrupted import ranks_of

PROBLEMS, N = 1200, 40
SLOWLY = {"solver": "lapack"}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A job of a second or so, another one of the same shape, and what both give."""
    directory = tmp_path_factory.mktemp("writers")
    rng = np.random.default_rng(1)
    for name in ("first", "second"):
        write(directory / f"{name}.h5", H=hermitian(rng, PROBLEMS, N))
        run(config(directory, name, input={"file": f"{name}.h5"}, output={"file": f"{name}-alone.h5"}, solve=SLOWLY))
        config(directory, name, input={"file": f"{name}.h5"}, output={"file": "out.h5"},
               solve=SLOWLY, run={"checkpoint_seconds": 0.01})
    return directory


def start(path, *arguments, ranks=1, environment=None):
    return subprocess.Popen(command(path, *arguments, ranks=ranks), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, env=None if environment is None else {**os.environ, **environment})


def wait_for(path, job):
    """Until it is there and holds something: a lock is held by then."""
    while not (path.exists() and path.stat().st_size) and job.poll() is None:
        time.sleep(0.0005)


def error_of(stderr):
    stderr = getattr(stderr, "stderr", stderr)
    lines = [line for line in stderr.splitlines() if "multiplet: error: " in line]
    assert len(lines) == 1, stderr
    return lines[0]


def owner(output, work):
    with h5py.File(output) as f:
        return pathlib.Path(f.attrs["input_file"]).stem, int(f.attrs["complete"])


def check_truth(output, work):
    """What the file says is what the job that it names gives."""
    name, complete = owner(output, work)
    now, alone = read(output), read(work / f"{name}-alone.h5")
    done = now["status"] != 0
    assert not complete or done.all()
    for field in ("eigenvalues", "eigenvectors", "multiplet", "status"):
        assert np.array_equal(now[field][done], alone[field][done]), field
    return complete


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("others", ["first", "second"])
def test_second_job_is_refused(work, ranks, fresh, others):
    """The same job twice, or another, while the first is held where it is: at two moments of it."""
    output = work / "out.h5"
    arguments = ["--fresh"] if fresh else []
    chance = random.Random(ranks)
    refused = 0
    for wait in (0, 0.15):
        output.unlink(missing_ok=True)
        first = start(work / "first.yaml", *arguments, ranks=ranks)
        wait_for(work / "out.h5.lock", first)
        time.sleep(wait * chance.uniform(0.5, 1))
        held = ranks_of(first.pid) if ranks > 1 else [first.pid]
        for process in held:
            os.kill(process, signal.SIGSTOP)
        ended = first.poll() is not None or not (work / "out.h5.lock").exists()
        second = start(work / f"{others}.yaml", *arguments, ranks=ranks)
        told = second.communicate(timeout=60)[1]
        for process in held:
            os.kill(process, signal.SIGCONT)
        first.communicate(timeout=60)
        if not ended:
            line = error_of(told)
            assert second.returncode == 5 and f"another job is writing it, process {min(held)} on " in line, told
            assert first.returncode == 0 and owner(output, work) == ("first", 1)
            refused += 1
        assert check_truth(output, work)
        assert not (work / "out.h5.lock").exists() and not list(work.glob("out.h5.new-*"))
    assert refused


def test_lock_of_killed_job_does_not_block(work):
    """Nor does the file that it was making stay."""
    output = work / "out.h5"
    for wait in (0.15, 0.3, 0.5):
        output.unlink(missing_ok=True)
        job = start(work / "first.yaml")
        time.sleep(wait)
        job.send_signal(signal.SIGKILL)
        job.communicate()
        run(work / "first.yaml", "--fresh")
        assert check_truth(output, work) and not (work / "out.h5.lock").exists()
    draft = work / "out.h5.new-0123456789abcdef"
    other = work / "out.h5.new-mine"
    draft.write_text("half a file")
    other.write_text("somebody's")
    (work / "out.h5.lock").write_text(f"lock of a multiplet job\nprocess 1 on nowhere since 2020\nmaking {draft}\n")
    run(work / "first.yaml", "--fresh")
    assert not draft.exists() and other.exists()
    (work / "out.h5.lock").write_text("a file of the user's\n")
    line = error_of(run(work / "first.yaml", "--fresh", expect=5))
    assert "is another file" in line and (work / "out.h5.lock").read_text() == "a file of the user's\n"
    (work / "out.h5.lock").unlink()


def test_one_lock_under_all_names(work):
    """Through a link to the result, and to its directory; of several hard links none is written to."""
    (work / "link.h5").symlink_to("out.h5")
    (work / "here").symlink_to(".")
    output = work / "out.h5"
    output.unlink(missing_ok=True)
    run(work / "first.yaml")
    with h5py.File(output, "a") as f:
        f.attrs["complete"] = 0
        f["H/status"][5:] = 0
    first = start(work / "first.yaml")
    wait_for(work / "out.h5.lock", first)
    first.send_signal(signal.SIGSTOP)
    for name in ("link.h5", "here/out.h5"):
        other = config(work, "other", input={"file": "first.h5"}, output={"file": name})
        assert "another job is writing it" in error_of(run(other, expect=5))
    first.send_signal(signal.SIGCONT)
    assert first.communicate()[0] is None and first.returncode == 0
    assert check_truth(output, work)
    other = config(work, "other", input={"file": "first.h5"}, output={"file": "link.h5"})
    assert "symbolic link" in error_of(run(other, "--fresh", expect=5))
    (work / "dangling.h5").symlink_to("nowhere.h5")
    dangling = config(work, "other", input={"file": "first.h5"}, output={"file": "dangling.h5"})
    assert "leads to no file" in error_of(run(dangling, expect=5)) and not (work / "nowhere.h5").exists()
    with h5py.File(output, "a") as f:
        f.attrs["complete"] = 0
    os.link(output, work / "hard.h5")
    assert "2 names (hard links)" in error_of(run(work / "first.yaml", expect=5))
    (work / "hard.h5").unlink()
    run(work / "first.yaml")


def test_result_that_goes_away_is_noticed(work):
    for how in ("unlink", "replace", "lock"):
        (work / "out.h5").unlink(missing_ok=True)
        job = start(work / "first.yaml")
        wait_for(work / "out.h5", job)
        while job.poll() is None and not read(work / "out.h5")["status"].any(): # it is being written
            time.sleep(0.001)
        (work / ("out.h5.lock" if how == "lock" else "out.h5")).unlink()
        if how == "replace":
            shutil.copy(work / "second-alone.h5", work / "out.h5")
        stderr = job.communicate()[1]
        says = "its lock was removed" if how == "lock" else "removed or replaced during the run"
        assert job.returncode == 5 and says in error_of(stderr)
        if how == "replace":
            assert owner(work / "out.h5", work) == ("second", 1)


def test_complete_result_in_a_directory_that_is_read_only(work, tmp_path):
    """Needs no lock. (To root every directory can be written.)"""
    shutil.copytree(work, tmp_path / "all", symlinks=True)
    path = config(tmp_path / "all", "kept", input={"file": "first.h5"}, output={"file": "sub/out.h5"})
    (tmp_path / "all/sub").mkdir()
    run(path)
    (tmp_path / "all/sub").chmod(0o555)
    try:
        assert "nothing to do" in run(path).stderr
    finally:
        (tmp_path / "all/sub").chmod(0o755)


CHANGES = ["overwrite", "truncate", "replace", "same size at once"]


def change(path, how, other):
    if how == "truncate":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "replace":
        shutil.copy(other, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)
    else:
        with open(path, "r+b") as f, open(other, "rb") as g:
            f.write(g.read())


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("how", CHANGES)
def test_input_that_changes_is_noticed(work, tmp_path, how, ranks):
    """Whatever is called OK is of the input whose fingerprint the file has; nothing is complete."""
    original = work / "first.h5"
    noticed = 0
    for wait in (0, 0.05, 0.1):
        path = config(tmp_path, "job", input={"file": "in.h5"}, output={"file": "out.h5"},
                      solve=SLOWLY, run={"checkpoint_seconds": 0.01})
        (tmp_path / "out.h5").unlink(missing_ok=True)
        shutil.copy(original, tmp_path / "in.h5")
        if how != "same size at once": # else it is not settled when the job begins
            os.utime(tmp_path / "in.h5", (1e9, 1e9))
        job = start(path, ranks=ranks)
        wait_for(tmp_path / "out.h5", job)
        time.sleep(wait)
        change(tmp_path / "in.h5", how, work / "second.h5")
        stderr = job.communicate(timeout=60)[1]
        now, alone = read(tmp_path / "out.h5"), read(work / "first-alone.h5")
        if job.returncode == 0: # the change came after the end
            continue
        noticed += 1
        assert job.returncode == 3 and "during the run" in error_of(stderr), stderr
        done = now["status"] != 0
        assert now["attributes"]["complete"] == 0
        assert np.array_equal(now["eigenvalues"][done], alone["eigenvalues"][done])
        assert np.array_equal(now["eigenvectors"][done], alone["eigenvectors"][done])
    assert noticed


@pytest.mark.parametrize("which", ["cotangents", "eigenpairs"])
def test_other_inputs_that_change_are_noticed(work, tmp_path, which):
    rng = np.random.default_rng(4)
    shutil.copy(work / "first.h5", tmp_path / "in.h5")
    shutil.copy(work / "first.yaml", tmp_path / "forward.yaml")
    run(config(tmp_path, "forward"))
    write(tmp_path / "cotangents.h5", **{"H/eigenvalues": rng.standard_normal((PROBLEMS, N))})
    write(tmp_path / "others.h5", **{"H/eigenvalues": rng.standard_normal((PROBLEMS, N))})
    path = config(tmp_path, "job", gradient={"cotangents": "cotangents.h5", "eigenpairs": "forward-out.h5"},
                  solve=SLOWLY, run={"checkpoint_seconds": 0.01})
    for wait in (0, 0.02, 0.05):
        (tmp_path / "job-out.h5").unlink(missing_ok=True)
        job = start(path)
        wait_for(tmp_path / "job-out.h5", job)
        time.sleep(wait)
        if which == "cotangents":
            change(tmp_path / "cotangents.h5", "overwrite", tmp_path / "others.h5")
        else:
            with open(tmp_path / "forward-out.h5", "r+b") as f:
                f.seek(-1000, 2)
                f.write(b"\0" * 1000)
        stderr = job.communicate(timeout=60)[1]
        if job.returncode:
            break
    assert job.returncode == 3 and f"cannot use {which}" in error_of(stderr), stderr
    assert read(tmp_path / "job-out.h5")["attributes"]["complete"] == 0


def test_attributes_alone_are_no_change(work, tmp_path):
    """A link more, other permissions: content is what counts where it was hashed."""
    shutil.copy(work / "first.h5", tmp_path / "in.h5")
    job = start(config(tmp_path, "job"))
    wait_for(tmp_path / "job-out.h5", job)
    os.chmod(tmp_path / "in.h5", 0o600)
    job.communicate(timeout=60)
    assert job.returncode == 0


@pytest.mark.parametrize("ranks", [1, 2])
def test_change_under_old_times_is_noticed(work, tmp_path, ranks):
    """As on a file system whose clock ticks too slowly: other content, the same size and time of writing. Since when is not
    known, so nothing of the run counts."""
    shutil.copy(work / "first.h5", tmp_path / "in.h5")
    os.utime(tmp_path / "in.h5", (1e9, 1e9))
    job = start(config(tmp_path, "job", solve=SLOWLY, run={"checkpoint_seconds": 0.001}), ranks=ranks)
    wait_for(tmp_path / "job-out.h5", job)
    with open(tmp_path / "in.h5", "r+b") as f:
        f.seek(os.path.getsize(tmp_path / "in.h5") // 2)
        f.write(b"\0" * 64)
        f.flush()
        os.utime(tmp_path / "in.h5", (1e9, 1e9))
    stderr = job.communicate(timeout=60)[1]
    assert job.returncode == 3 and "during the run" in error_of(stderr)
    if "nothing of this run is kept" in stderr:
        assert not read(tmp_path / "job-out.h5")["status"].any()


def test_fresh_replaces_results_only(work, tmp_path):
    path = config(tmp_path, "job", input={"file": str(work / "first.h5")}, output={"file": "out.h5"}, solve=SLOWLY)
    output = tmp_path / "out.h5"
    write(output, mine=np.arange(5))
    kept = output.read_bytes()
    assert "no result of this program" in error_of(run(path, "--fresh", expect=2))
    output.write_bytes(b"a letter")
    assert "no result of this program" in error_of(run(path, "--fresh", expect=2))
    assert output.read_bytes() == b"a letter" and kept
    output.unlink()
    output.mkdir()
    assert "is a directory" in error_of(run(path, "--fresh", expect=5))
    output.rmdir()
    os.mkfifo(output)
    for arguments in ([], ["--fresh"]):
        assert "it is a FIFO" in error_of(run(path, *arguments, expect=5))
    output.unlink()
    assert "is a device" in error_of(run(config(tmp_path, "null", input={"file": str(work / "first.h5")},
                                                output={"file": "/dev/null"}), "--fresh", expect=5))
    output.touch() # an empty file holds nothing
    run(path, "--fresh")
    data = output.read_bytes()
    output.write_bytes(data[:len(data) // 2]) # a result that was damaged
    assert "not a readable result" in error_of(run(path, expect=5))
    run(path, "--fresh")
    assert check_truth(output, work)


def test_fresh_spares_the_jobs_own_files(work, tmp_path):
    for name in ("in", "cotangents", "reference"):
        shutil.copy(work / "first-alone.h5", tmp_path / f"{name}.h5") # each could pass for a result
    for output, names in (("job.yaml", "this config"), ("in.h5", "input.file"),
                          ("cotangents.h5", "gradient.cotangents"), ("reference.h5", "frame.reference")):
        path = config(tmp_path, "job", input={"file": "in.h5"}, output={"file": output},
                      gradient={"cotangents": "cotangents.h5"},
                      frame={"index": [0, 2], "reference": {"file": "reference.h5", "dataset": "/R"}})
        before = {file: file.read_bytes() for file in tmp_path.iterdir()}
        assert f"it is the file of '{names}'" in error_of(run(path, "--fresh", expect=2))
        assert before == {file: file.read_bytes() for file in tmp_path.iterdir()}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", ["a:b.h5", "nfs:out.h5", "l" * 252 + ".h5"])
def test_any_name_will_do(work, tmp_path, name, ranks):
    path = config(tmp_path, "job", input={"file": str(work / "first.h5")}, output={"file": f"'{name}'"},
                  solve=SLOWLY)
    run(path, ranks=ranks)
    assert check_truth(tmp_path / name, work)
    assert sorted(os.listdir(tmp_path)) == sorted([name, "job.yaml"])


UNKNOWN = {
    "srun without PMIx": ("srun", lambda k: {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "3", "SLURM_PROCID": str(k),
                                             "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "3"}),
    "srun, by NTASKS": ("srun", lambda k: {"SLURM_NTASKS": "3", "SLURM_PROCID": str(k), "SLURM_STEP_ID": "0"}),
    "hydra": ("PMI", lambda k: {"PMI_RANK": str(k), "PMI_SIZE": "3", "MPI_LOCALNRANKS": "3"}),
    "PALS": ("PALS", lambda k: {"PALS_RANKID": str(k), "PALS_SIZE": "3"}),
}


@pytest.mark.parametrize("launcher", UNKNOWN)
@pytest.mark.parametrize("verb", ["run", "serve"])
def test_copies_of_an_unknown_launcher_are_refused(work, tmp_path, launcher, verb):
    word, environment = UNKNOWN[launcher]
    what = config(tmp_path, "job", input={"file": str(work / "first.h5")}) if verb == "run" else tmp_path / "spool"
    copies = [subprocess.Popen(command(what, verb=verb, alone=()), stderr=subprocess.PIPE, text=True,
                               env={**os.environ, **environment(k)}) for k in range(3)]
    told = "".join(copy.communicate(timeout=60)[1] for copy in copies)
    assert [copy.returncode for copy in copies] == [2, 2, 2]
    line = error_of(told)
    assert "cannot run as 3 ranks" in line and word in line and "srun --mpi=pmix" in line
    assert not (tmp_path / "job-out.h5").exists()


@pytest.mark.parametrize("environment", [
    {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_NNODES": "2"}, # in the batch script
    {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},
    {"PMI_RANK": "0", "PMI_SIZE": "1"},
])
@pytest.mark.parametrize("ranks", [1, 2])
def test_single_rank_in_a_larger_allocation_runs(work, tmp_path, environment, ranks, monkeypatch):
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    if ranks == 2 and "PMI_RANK" in environment:
        pytest.skip("mpirun sets its own")
    monkeypatch.setenv("OMPI_MCA_ras", "^slurm") # the allocation is a pretence
    monkeypatch.setenv("OMPI_MCA_plm", "^slurm")
    run(config(tmp_path, "job", input={"file": str(work / "first.h5")}), ranks=ranks, alone=())
