"""Jobs for the SLURM tests: inputs, configs, submission, and what became of them."""

import os
import subprocess
from pathlib import Path

import numpy as np

# The file is read while the program writes to it.
os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"
import h5py  # noqa: E402

import cluster as slurm  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MULTIPLET", str(ROOT / "build" / "bin" / "multiplet"))
RANKS = 2
# What depends on when and how often a run was interrupted.
UNCOMPARED = {"diagnostics/seconds", "diagnostics/started", "diagnostics/rank"}
# Open MPI leaves the loopback device out unless told to take it; between "two machines" that are one there is
# no other way that works everywhere.
LOOPBACK = {"OMPI_MCA_btl_tcp_if_include": "lo", "OMPI_MCA_oob_tcp_if_include": "lo"}
# Empty, so that the scripts' own default is tested: tests/environment.sh sets another. It binds a rank to
# a core of its own, which takes two.
BINDING = {"OMPI_MCA_hwloc_base_binding_policy": ""} if len(os.sched_getaffinity(0)) >= 2 else {}


def write_input(path, n, batch):
    rng = np.random.default_rng(n)
    with h5py.File(path, "w") as file:
        matrices = file.create_dataset("H", (batch, n, n), np.complex64)
        for index in range(batch):
            a = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
            matrices[index] = a + a.conj().T


def write_config(directory, input_file, more=""):
    """A config in `directory`, its result beside it."""
    config = directory / "config.yaml"
    config.write_text(f"input: {{file: {input_file}}}\n"
                      "output: {file: result.h5}\n"
                      f"run: {{checkpoint_seconds: 0.1}}\n{more}")
    return config


def remove_data(directory):
    """pytest keeps the directories of several runs."""
    for path in directory.glob("*.h5"):
        path.unlink()


def run_on_two_ranks(config):
    subprocess.run(["mpirun", "-n", str(RANKS), PROGRAM, "run", str(config)], check=True, timeout=240,
                   stdin=subprocess.DEVNULL, capture_output=True)


def submit(cluster, script, *arguments, directory, options=(), environment=(), log="log"):
    return cluster.submit(f"--output={directory}/{log}", *options, ROOT / "jobs" / f"{script}.sbatch", *arguments,
                          directory=directory,
                          environment={"MULTIPLET": PROGRAM, **LOOPBACK, **BINDING, **dict(environment)})


def submit_config(cluster, script, config, *options, launch="mpirun"):
    return submit(cluster, script, config, directory=config.parent, options=options,
                  environment={"LAUNCH": launch})


def read_log(config):
    return (config.parent / "log").read_text()


def result_of(config):
    return config.parent / "result.h5"


def attribute(path, name):
    with h5py.File(path, "r") as file:
        return file.attrs[name]


def is_complete(path):
    return int(attribute(path, "complete")) == 1


def datasets(path):
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset) and not any(name.endswith(end) for end in UNCOMPARED):
            found[name] = item[()]

    with h5py.File(path, "r") as file:
        file.visititems(note)
    return found


def finished_rows(config):
    """Which problems have been written; none while the file is not there yet."""
    try:
        with h5py.File(result_of(config), "r") as file:
            return np.flatnonzero(file["H/status"][()] != 0)
    except (OSError, KeyError, RuntimeError):
        return np.array([], dtype=int)


def wait_for_rows(config):
    slurm.wait_until(lambda: finished_rows(config).size, 60, "a first finished problem", interval=0.05)


def assert_same_result(path, reference):
    expected, found = datasets(reference), datasets(path)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
