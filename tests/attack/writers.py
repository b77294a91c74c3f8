"""Two jobs, or three, on one result, on a disk that is slow: the same job or another, with and without --fresh, one of them
killed at times. Whatever file is left tells the truth about the job that it names, and whoever ends with 0 left it whole.

    writers.py --count 100 --seed 1"""
import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from job import MULTIPLET, command, config, hermitian, read, run, write  # noqa: E402

COMPARED = ("eigenvalues", "eigenvectors", "multiplet", "status")
LIBRARY = pathlib.Path(MULTIPLET).resolve().parents[1] / "lib/libinject_posix.so"


def prepare(directory):
    rng = np.random.default_rng(1)
    truth = {}
    for name in ("first", "second"):
        write(directory / f"{name}.h5", H=hermitian(rng, 150, 20))
        path = config(directory, name, input={"file": f"{name}.h5"}, output={"file": "out.h5"},
                      run={"checkpoint_seconds": 1e-3})
        run(path, "--fresh")
        truth[name] = read(directory / "out.h5")
    (directory / "out.h5").unlink()
    return truth


def start(directory, name, fresh, ranks, delay):
    words = command(directory / f"{name}.yaml", *(["--fresh"] if fresh else []), ranks=ranks)
    slow = {"LD_PRELOAD": str(LIBRARY), "INJECT_DELAY": str(delay), "INJECT_UNDER": str(directory)} if LIBRARY.exists() else {}
    at = words.index(MULTIPLET)
    return subprocess.Popen([*words[:at], "env", *(f"{k}={v}" for k, v in slow.items()), *words[at:]],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def check(directory, truth):
    """The job that the file names, and whether it is complete; None: there is no file."""
    output = directory / "out.h5"
    if not output.exists():
        return None, 0
    with h5py.File(output, "r") as f:
        name, complete = pathlib.Path(f.attrs["input_file"]).stem, int(f.attrs["complete"])
    now = read(output)
    done = now["status"] != 0
    assert not complete or done.all(), "complete, and is not"
    for field in COMPARED:
        assert np.array_equal(now[field][done], truth[name][field][done]), f"{field} is not {name}'s"
    return name, complete


def attack(count, seed):
    """(pairs, refused, killed): how many came too early, and how many did not come to an end."""
    chance, refused, killed = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory(prefix="multiplet-writers-") as scratch:
        directory = pathlib.Path(scratch)
        truth = prepare(directory)
        for _ in range(count):
            if chance.random() < 0.5:
                (directory / "out.h5").unlink(missing_ok=True)
            jobs = []
            for _ in range(chance.choice((2, 2, 3))):
                name = chance.choice(("first", "second"))
                jobs.append((name, start(directory, name, chance.random() < 0.5, chance.choice((1, 1, 2)),
                                         chance.choice((0, 0.001, 0.005)))))
                time.sleep(chance.uniform(0, 0.4))
            if chance.random() < 0.3:
                chance.choice(jobs)[1].send_signal(signal.SIGKILL)
            ended = [(name, job.communicate(timeout=120)[1], job.returncode) for name, job in jobs]
            time.sleep(0.3)  # ranks of an mpirun that was killed
            left, complete = check(directory, truth)
            codes = [code for _, _, code in ended]
            assert set(codes) <= {0, 2, 5, -signal.SIGKILL, 128 + signal.SIGKILL}, ended
            refused += sum("another job is writing it" in told for _, told, _ in ended)
            killed += sum(code < 0 for code in codes)
            if 0 in codes and -signal.SIGKILL not in codes:
                assert complete and left in {name for name, _, code in ended if code == 0}, ended
    return count, refused, killed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    count, refused, killed = attack(a.count, a.seed)
    print(f"writers: {count} times two or three at once, {refused} refused, {killed} killed, no file that lies")


if __name__ == "__main__":
    main()
