"""Kills of a random rank at random moments, from before MPI starts to the last byte; also of a job that continues, and of a
service. After each: no finished problem is wrong, and the next run ends with the same file as an undisturbed one.

    kills.py --count 1000 --seed 1"""
import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from job import command, config, hermitian, read, run, same, write  # noqa: E402
from test_interrupted import ranks_of, wait_for_end  # noqa: E402

GROUPS = {"small": (200, 20), "middle": (20, 80), "large": (6, 150)}
COMPARED = ("eigenvalues", "eigenvectors", "gradient", "multiplet", "status")


def prepare(directory, ranks):
    rng = np.random.default_rng(1)
    if not (directory / "in.h5").exists():
        for name, (count, n) in GROUPS.items():
            write(directory / "in.h5", **{name: hermitian(rng, count, n)})
            write(directory / "cotangents.h5", **{f"{name}/eigenvalues": rng.standard_normal((count, n))})
    path = config(directory, f"job{ranks}", gradient={"cotangents": "cotangents.h5"},
                  run={"checkpoint_seconds": 0.005, "distribute_from": 140, "sync": "off"})
    begun = time.monotonic()
    run(path, ranks=ranks)
    output = directory / f"job{ranks}-out.h5"
    whole, truth = time.monotonic() - begun, {g: read(output, g) for g in GROUPS}
    output.unlink()
    return path, output, whole, truth


def kill_once(path, ranks, moment, chance):
    process = subprocess.Popen(command(path, ranks=ranks), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(moment)
    victims = ranks_of(process.pid) or [process.pid]  # which is the only rank then
    try:
        os.kill(chance.choice(victims), signal.SIGKILL)
    except ProcessLookupError:
        pass
    wait_for_end(process)


def check(output, truth):
    """How many are finished; whatever is, is right."""
    finished = total = 0
    for group, expected in truth.items():
        now = read(output, group)
        done = now["status"] != 0
        finished, total = finished + done.sum(), total + len(done)
        for name in COMPARED:
            assert np.array_equal(now[name][done], expected[name][done]), (group, name)
    assert not now["attributes"]["complete"] or finished == total
    return finished, total


def attack(count, seed):
    """(kills, those that left a part, files that were made again) ; raises on the first wrong one."""
    chance, partial, whole_again = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory(prefix="multiplet-kills-") as scratch:
        directory = pathlib.Path(scratch)
        jobs = {ranks: prepare(directory, ranks) for ranks in (1, 2, 3)}
        for k in range(count):
            ranks = chance.choice((1, 2, 2, 3))
            path, output, whole, truth = jobs[ranks]
            kill_once(path, ranks, chance.uniform(0, 1.05 * whole), chance)
            if output.exists():
                finished, total = check(output, truth)
                partial += 0 < finished < total
            if chance.random() < 0.3 or k == count - 1:  # else the next one is killed while it continues
                run(path, ranks=ranks)
                for group in truth:
                    same(read(output, group), truth[group])
                output.unlink()
                whole_again += 1
            left = [p.name for p in directory.iterdir() if ".new-" in p.name]
            assert len(left) <= len(jobs), left  # one a lock that was left, at most
    return count, partial, whole_again


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    kills, partial, again = attack(a.count, a.seed)
    print(f"kills: {kills}, {partial} left a part of the work, {again} continued to the same file, none wrong")


if __name__ == "__main__":
    main()
