"""Power loss at every moment: what a job wrote is recorded (inject/record.c), and files are made again as a disk could
hold them when the power goes after the first k operations: all of them, or the synced ones and any of the others, whole
or in part. Each rank is a host of its own, whose sync reaches its own writes only.

    replay.py --job forward --ranks 2 --losses 3 --seed 1

Whatever file stands at the result's path opens and tells the truth: of each problem that is not PENDING all that is
stored is right, and `complete` means that all are there. When the program has ended with 0, that is on the disk."""
import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from job import MULTIPLET, command, config, hermitian, write  # noqa: E402

SECTOR = 512
COMPARED = ("eigenvalues", "eigenvectors", "functions/rho", "gradient", "multiplet")


class Log:
    def __init__(self, path):
        self.operations = []
        data, at = path.read_bytes(), 0
        while at < len(data):
            end = data.index(b"\n", at)
            op, pid, inode, offset, length, name = data[at:end].decode().split(" ", 5)
            at = end + 1 + int(length)
            self.operations.append((op, int(pid), int(inode), int(offset), name, data[end + 1:at]))


class Disk:
    """What may be there after a loss: per file what is certain and what is pending, and names likewise."""

    def __init__(self):
        self.files, self.pending = {}, {}  # by inode: bytes; [(pid, offset or None, data or size)]
        self.names, self.renames = {}, []  # path: inode; those not yet certain, in order

    def do(self, operation):
        op, pid, inode, offset, path, data = operation
        if op == "C":
            self.files.setdefault(inode, bytearray())
            self.pending.setdefault(inode, [])
            self.renames.append((path, inode))
        elif op == "W":
            self.pending.setdefault(inode, []).append((pid, offset, data))
        elif op == "T":
            self.pending.setdefault(inode, []).append((pid, None, offset))
        elif op == "S":
            mine = [p for p in self.pending.get(inode, []) if p[0] == pid]
            self.pending[inode] = [p for p in self.pending.get(inode, []) if p[0] != pid]
            for change in mine:
                apply(self.files.setdefault(inode, bytearray()), change)
        elif op == "R":
            self.renames += [(path, None), (data.decode(), inode)]
        elif op == "U":
            self.renames.append((path, None))
        elif op == "D":
            for name, to in self.renames:
                self.names[name] = to
            self.renames = []

    def after_loss(self, path, chance):
        """The content at a path when unsynced changes are there or not as chance has it; None: no file. Names change in
        order, as journals have it; a file's changes in any."""
        names = dict(self.names)
        for name, inode in self.renames[:chance.randint(0, len(self.renames))]:
            names[name] = inode
        inode = names.get(str(path))
        if inode is None:
            return None
        content = bytearray(self.files.get(inode, b""))
        keeps = chance.choice((0.0, 0.5, 0.9, 1.0))
        for change in self.pending.get(inode, []):
            if chance.random() < keeps:
                apply(content, change if keeps == 1.0 else torn(change, chance))
        return bytes(content)

    def without_loss(self, path):
        names = {**self.names, **dict(self.renames)}
        inode = names.get(str(path))
        if inode is None:
            return None
        content = bytearray(self.files.get(inode, b""))
        for change in self.pending.get(inode, []):
            apply(content, change)
        return bytes(content)


def apply(content, change):
    _, offset, what = change
    if offset is None:
        del content[what:]
        content.extend(bytes(what - len(content)))
    else:
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset:offset + len(what)] = what


def torn(change, chance):
    """Some of the sectors that a write covers."""
    pid, offset, data = change
    if offset is None or len(data) <= SECTOR or chance.random() < 0.5:
        return change
    first = SECTOR * chance.randint(0, len(data) // SECTOR)
    last = SECTOR * chance.randint(first // SECTOR, len(data) // SECTOR + 1)
    return pid, offset + first, data[first:last]


def lies(content, truth, scratch):
    """What is wrong with such a file; "" when nothing is. *finished, complete* as well."""
    scratch.write_bytes(content)
    try:
        with h5py.File(scratch, "r") as f:
            finished, total = 0, 0
            for group, expected in truth.items():
                done = f[group]["status"][:] != 0
                finished, total = finished + done.sum(), total + len(done)
                for name in COMPARED:
                    if name in expected and not np.array_equal(f[group][name][:][done], expected[name][done]):
                        return f"{group}/{name} of a finished problem is wrong", finished, 0
                if not np.array_equal(f[group]["status"][:][done], expected["status"][done]):
                    return f"{group}/status is wrong", finished, 0
            complete = int(f.attrs["complete"])
            return ("complete, and is not" if complete and finished < total else ""), finished, complete
    except (OSError, KeyError, RuntimeError) as error:
        return f"it does not open: {error}", 0, 0


def stored(path, groups):
    with h5py.File(path, "r") as f:
        return {g: {n: f[g][n][:] for n in (*COMPARED, "status") if n in f[g]} for g in groups}


JOBS = {
    "forward": {"a": (40, 6), "b": (6, 40)},
    "large": {"a": (2, 70)},  # spread over the ranks, where there are several
}


def record(directory, job, ranks, library, sync=True):
    """Runs a job and gives its log and what it gave, undisturbed: group, field."""
    rng = np.random.default_rng(7)
    groups = JOBS[job]
    for name, (count, n) in groups.items():
        write(directory / "in.h5", **{name: hermitian(rng, count, n)})
        write(directory / "cotangents.h5", **{f"{name}/eigenvalues": rng.standard_normal((count, n))})
    path = config(directory, input={"file": "in.h5"}, output={"file": "out/r.h5"},
                  functions=[{"name": "rho", "kind": "exp", "scale": -0.5}], gradient={"cotangents": "cotangents.h5"},
                  run={"checkpoint_seconds": 1e-6, "distribute_from": 60 if job == "large" else 500,
                       "sync": "on" if sync else "off"})
    (directory / "out").mkdir()
    log = directory / "log"
    environment = ["env", f"LD_PRELOAD={library}", f"MULTIPLET_RECORD={log}",
                   f"MULTIPLET_RECORD_UNDER={directory / 'out'}"]
    words = command(path, ranks=ranks)
    at = words.index(MULTIPLET)
    subprocess.run([*words[:at], *environment, *words[at:]], check=True, capture_output=True, timeout=120)
    return Log(log), stored(directory / "out/r.h5", groups), directory / "out/r.h5"


def attack(job, ranks, losses, seed, library, sync=True, every=1):
    """Number of files looked at, of those with something finished, and what was wrong with the first."""
    chance = random.Random(seed)
    tried = telling = 0
    with tempfile.TemporaryDirectory(prefix="multiplet-replay-", dir="/dev/shm" if pathlib.Path("/dev/shm").is_dir()
                                     else None) as scratch:
        directory = pathlib.Path(scratch).resolve()
        log, truth, path = record(directory, job, ranks, library, sync)
        disk = Disk()
        for k, operation in enumerate(log.operations):
            disk.do(operation)
            last = k == len(log.operations) - 1
            if k % every and not last:
                continue
            contents = [disk.without_loss(path)] + [disk.after_loss(path, chance) for _ in range(losses)]
            for content in filter(lambda c: c is not None, contents):
                wrong, finished, complete = lies(content, truth, directory / "scratch.h5")
                tried, telling = tried + 1, telling + (finished > 0)
                if last and not wrong and not complete:
                    wrong = "the program has ended with 0, and it is not complete"
                if wrong:
                    return tried, telling, f"after {k + 1} of {len(log.operations)} operations ({operation[0]}): {wrong}"
        if last and any(content is None for content in contents):
            return tried, telling, "the program has ended with 0, and there may be no file"
    return tried, telling, ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", choices=JOBS, action="append")
    parser.add_argument("--ranks", type=int, action="append")
    parser.add_argument("--losses", type=int, default=3, help="of each prefix, so many with losses")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--library", default=str(pathlib.Path(MULTIPLET).resolve().parents[1] / "lib/librecord.so"))
    parser.add_argument("--sync-off", action="store_true", help="show what is lost without")
    a = parser.parse_args()
    failed = 0
    for job in a.job or JOBS:
        for ranks in a.ranks or (1, 2):
            tried, telling, wrong = attack(job, ranks, a.losses, a.seed, a.library, not a.sync_off)
            print(f"{job:8s} {ranks} ranks: {tried} files, {telling} with finished problems: {wrong or 'all true'}")
            failed += bool(wrong)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
