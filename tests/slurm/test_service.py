"""jobs/service.sbatch under a real SLURM: with a stand-in for the service, and with the real one."""

import json
import subprocess
from pathlib import Path

import cluster as slurm
import h5py
import pytest
import work

STAND_IN = Path(__file__).with_name("stand_in.sh")


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


def submit(cluster, spool, *command, program=STAND_IN, options=(), **environment):
    return work.submit(cluster, "service", spool, *command, directory=spool.parent, options=options,
                       environment={"MULTIPLET": str(program), **environment})


def read_log(spool):
    return (spool.parent / "log").read_text()


def names(spool, pattern):
    return sorted(path.name for path in spool.glob(pattern))


@pytest.mark.parametrize("launch", ["mpirun", "srun"])
def test_the_service_lives_as_long_as_the_command(cluster, spool, launch):
    spool.mkdir()
    (spool / "stop").touch()  # left by an earlier job
    command = 'ls "$MULTIPLET_SPOOL"; echo "args: $0 $1"; exit 7'
    number = submit(cluster, spool, "bash", "-c", command, "one two", "three", LAUNCH=launch)
    job = cluster.wait_for_end(number, 60)
    assert (job["JobState"], job["ExitCode"]) == ("FAILED", "7:0"), read_log(spool)
    seen = read_log(spool).split()
    assert {"status.json", "alive.0"} <= set(seen) and "stop" not in seen
    assert "args: one two three" in read_log(spool)
    assert names(spool, "stopped.*") == ["stopped.0", "stopped.1"], "not ended by SPOOL/stop"
    assert not names(spool, "alive.*")
    assert "error" not in read_log(spool)


def test_the_command_may_have_cores_of_its_own(cluster, spool):
    number = submit(cluster, spool, "true", SERVICE_RANKS="1")
    job = cluster.wait_for_end(number, 60)
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), read_log(spool)
    assert names(spool, "stopped.*") == ["stopped.0"]


def test_a_status_of_an_earlier_service_is_not_waited_for(cluster, spool):
    spool.mkdir()
    (spool / "status.json").write_text("{}")
    number = submit(cluster, spool, "touch", spool / "ran", STAND_IN="never-ready", SERVICE_WAIT="1")
    assert cluster.wait_for_end(number, 60)["ExitCode"] == "2:0"
    assert "the service did not write" in read_log(spool)
    assert not (spool / "ran").exists()
    slurm.wait_until(lambda: not names(spool, "alive.*"), 10, "the end of the service")


def test_a_service_that_dies_early(cluster, spool):
    number = submit(cluster, spool, "touch", spool / "ran", STAND_IN="dies-early")
    assert cluster.wait_for_end(number, 60)["ExitCode"] == "3:0"
    assert "multiplet: error: the service ended before it was ready, with code 3" in read_log(spool)
    assert not (spool / "ran").exists()


@pytest.mark.parametrize("mode, code", [("dies-late", 5), ("ends-late", 1)])
def test_a_service_that_ends_while_the_command_runs(cluster, spool, mode, code):
    number = submit(cluster, spool, "bash", "-c", 'touch "$MULTIPLET_SPOOL/die"; exec sleep 100', STAND_IN=mode)
    assert cluster.wait_for_end(number, 30)["ExitCode"] == f"{code}:0", read_log(spool)
    assert "multiplet: error: the service ended while the command ran" in read_log(spool)


@pytest.mark.parametrize("scancel", [[], ["--batch", "--signal=TERM"]], ids=["scancel", "TERM"])
def test_scancel_stops_both(cluster, spool, scancel):
    command = 'trap "touch $MULTIPLET_SPOOL/told; exit 9" TERM; while true; do sleep 0.1; done'
    number = submit(cluster, spool, "bash", "-c", command)
    slurm.wait_until((spool / "started.1").exists, 30, "the service's start")
    slurm.wait_until(lambda: any("told" in line for line in processes_of(number)), 30, "the command's start")
    cluster.command("scancel", *scancel, number)
    job = cluster.wait_for_end(number, 25)
    assert (spool / "told").exists()
    slurm.wait_until(lambda: not processes_of(number), 5, "the end of every process")
    if scancel:  # else mpirun is told as well, and gives the ranks no more than a second
        assert job["ExitCode"] == "9:0", read_log(spool)
        assert names(spool, "stopped.*") == ["stopped.0", "stopped.1"], "not ended by SPOOL/stop"


def processes_of(number):
    """The command lines of a job's processes, without the shell of the script itself."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"SLURM_JOB_ID={number}".encode() in environment and "slurm_script" not in line:
            found.append(line)
    return found


@pytest.mark.parametrize("arguments", [[], ["spool"], ["spool", "no-such-command"]])
def test_usage(cluster, spool, arguments):
    number = work.submit(cluster, "service", *arguments, directory=spool.parent)
    assert cluster.wait_for_end(number, 30)["ExitCode"] == "2:0"
    assert read_log(spool).startswith("multiplet: error: ")
    assert not spool.exists()


def serves():
    return " serve" in subprocess.run([work.PROGRAM, "--help"], capture_output=True, text=True).stdout


# Sends one request, by rename, and waits for its answer.
CLIENT = """\
set -eu
cp request.yaml "$MULTIPLET_SPOOL/new.yaml"
mv "$MULTIPLET_SPOOL/new.yaml" "$MULTIPLET_SPOOL/inbox/first.yaml"
until [ -e "$MULTIPLET_SPOOL/done/first.yaml" ] || [ -e "$MULTIPLET_SPOOL/failed/first.yaml" ]; do sleep 0.1; done
cat "$MULTIPLET_SPOOL"/*/first.yaml
"""


@pytest.mark.skipif(not serves(), reason="this program has no service")
@pytest.mark.parametrize("launch", ["mpirun", "srun"])
def test_the_real_service_answers(cluster, spool, inputs, launch):
    directory = spool.parent
    (directory / "request.yaml").write_text(f"input: {{file: {inputs}/short.h5}}\n"
                                            f"output: {{file: {directory}/answer.h5}}\n")
    (directory / "client.sh").write_text(CLIENT)
    number = submit(cluster, spool, "bash", "client.sh", program=work.PROGRAM, LAUNCH=launch)
    job = cluster.wait_for_end(number, 60)
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), read_log(spool)
    assert (spool / "done" / "first.yaml").exists(), read_log(spool)
    with h5py.File(directory / "answer.h5", "r") as file:
        assert int(file.attrs["complete"]) == 1
    assert json.loads((spool / "status.json").read_text())["ranks"] == work.RANKS
    work.assert_same_result(directory / "answer.h5", inputs / "short-result.h5")
