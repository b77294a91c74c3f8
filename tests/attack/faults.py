"""Every allocation and every call on a file, failed in turn: no crash, no hang, one line, nothing wrong in the result.

    faults.py [--count N] [--seed S] [--jobs forward,...] [--kinds memory,...] [--ranks 1,2] [--parallel P]
    faults.py --only forward:memory:1:0:17     job, kind, ranks, rank, number of the call: this one, with all it printed

Each job runs once for its reference and once for a list of its calls; then once for each call (or for N of them, from
as many places of the program as there are) with that call failing, and once more with none, which must end with the
whole right result. MULTIPLET names the program; its folder holds ../lib/libinject_*.so.
"""
import argparse
import concurrent.futures
import errno
import pathlib
import random
import re
import sys
import tempfile
import threading

from fault_jobs import JOBS, MULTIPLET, Fault, must

LIBRARIES = pathlib.Path(MULTIPLET).resolve().parents[1] / "lib"
READS = " read pread pread64 "
WRITES = " write pwrite pwrite64 "

# Which library, and its environment. `lasting`: from that call on everything fails.
KINDS = {
    "memory": ("memory", {}),
    "memory-lasting": ("memory", {"INJECT_LASTS": "0"}),
    "memory-hdf5": ("memory", {"INJECT_OBJECTS": " libhdf5 "}),
    "memory-yaml": ("memory", {"INJECT_OBJECTS": " libyaml "}),
    "posix": ("posix", {}),
    "posix-lasting": ("posix", {"INJECT_LASTS": "0"}),
    "full": ("posix", {"INJECT_LASTS": "0", "INJECT_ERRNO": str(errno.ENOSPC),
                       "INJECT_NAMES": WRITES + "fsync fdatasync ftruncate fallocate fclose mkdir "}),
    "short": ("posix", {"INJECT_SHORT": "1", "INJECT_NAMES": READS + WRITES}),
    "interrupted": ("posix", {"INJECT_ERRNO": str(errno.EINTR), "INJECT_NAMES": READS + WRITES}),
    "hdf5": ("hdf5", {}),
    "hdf5-lasting": ("hdf5", {"INJECT_LASTS": "0"}),
}

CODES = {0, 2, 3, 4, 5, 75}


def environment_of(job, kind, rank, at, log):
    return {**KINDS[kind][1], "INJECT_RANK": str(rank), "INJECT_AT": str(at), "INJECT_LOG": str(log),
            "INJECT_UNDER": f"{job.at}/"}


def library_of(kind):
    return str(LIBRARIES / f"libinject_{KINDS[kind][0]}.so")


def list_calls(job, kind, ranks, rank):
    """[number, name, place] of each."""
    log = job.at.parent / f"{job.at.name}.log"
    log.unlink(missing_ok=True)
    job.restore()
    done = job.run(ranks, environment_of(job, kind, rank, 0, log), library_of(kind))
    must(done.code == 0, "with calls listed", done.code, done.err)
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(number), name, place) for number, name, place in lines]


def attempt(job, kind, ranks, rank, at):
    """One try; the exit code."""
    log = job.at.parent / f"{job.at.name}.log"
    log.unlink(missing_ok=True)
    job.restore()
    done = job.run(ranks, environment_of(job, kind, rank, at, log), library_of(kind))
    try:
        said = "\n".join(x for x in done.err.splitlines() if not x.startswith("["))[-300:]
        must(done.code in CODES, "ends", done.code, said)
        errors = re.findall(r"^.*multiplet: error: .*$", done.err, re.M)
        must(len(errors) == (done.code not in (0, 4, 75)), f"exit {done.code}, errors", errors or said)
        must(all(re.fullmatch(r".*error: [^:]*: .*\(.*\)", line) for line in errors), "no error in form", errors)
        must("(null)" not in done.err, "(null)", done.err)
        job.judge(done)
        job.judge_end()
    except Fault as fault:
        what = log.read_text().strip() if log.exists() else "?"
        raise Fault(f"[{what}] {fault}") from None
    return done.code


def choose(calls, count, chance):
    """As many places as `count` allows, or all calls."""
    if not count or count >= len(calls):
        return [number for number, *_ in calls]
    calls = calls[:]
    chance.shuffle(calls)
    seen, first, rest = set(), [], []
    for number, name, place in calls:
        (rest if (name, place) in seen else first).append(number)
        seen.add((name, place))
    return sorted((first + rest)[:count])


class Pool:
    """Jobs with their references, one of each for every thread and number of ranks."""

    def __init__(self, directory):
        self.directory, self.free, self.lock, self.made = directory, {}, threading.Lock(), 0

    def take(self, name, ranks):
        with self.lock:
            if self.free.get((name, ranks)):
                return self.free[name, ranks].pop()
            self.made += 1
            directory = self.directory / f"{name}{self.made}"
        job = JOBS[name](directory)
        job.learn(ranks)
        return job

    def give(self, name, ranks, job):
        with self.lock:
            self.free.setdefault((name, ranks), []).append(job)


def one(pool, name, kind, ranks, rank, at):
    """The fault's text, or the exit code."""
    job = pool.take(name, ranks)
    try:
        return attempt(job, kind, ranks, rank, at)
    except Fault as fault:
        return str(fault)
    finally:
        pool.give(name, ranks, job)


def attack(jobs, kinds, ranks=(1, 2), count=0, seed=1, parallel=1, say=print):
    """(job, kind, ranks, rank, number, what) of each fault; a table on the way."""
    found, tried = [], 0
    with tempfile.TemporaryDirectory(prefix="faults") as directory, \
            concurrent.futures.ThreadPoolExecutor(parallel) as threads:
        pool = Pool(pathlib.Path(directory))
        say(f"{'job':>10} {'kind':>15} ranks rank  calls  tries failed  exits")
        for name in jobs:
            for kind, size in ((k, r) for k in kinds for r in ranks if r in JOBS[name].ranks):
                for rank in range(size):
                    job = pool.take(name, size)
                    calls = list_calls(job, kind, size, rank)
                    pool.give(name, size, job)
                    numbers = choose(calls, count, random.Random(f"{seed}{name}{kind}{size}{rank}"))
                    results = list(threads.map(lambda at: one(pool, name, kind, size, rank, at), numbers))
                    tried += len(numbers)
                    faults = [(name, kind, size, rank, at, r) for at, r in zip(numbers, results) if isinstance(r, str)]
                    exits = {c: results.count(c) for c in sorted(CODES) if c in results}
                    say(f"{name:>10} {kind:>15} {size:5} {rank:4} {len(calls):6} {len(numbers):6} {len(faults):6}  "
                        + " ".join(f"{c}:{n}" for c, n in exits.items()))
                    for fault in faults:
                        say("    {}:{}:{}:{}:{}: {}".format(*fault)[:700])
                    found += faults
        say(f"{tried} tries, {len(found)} failed")
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--kinds", default=",".join(k for k in KINDS if k != "memory-hdf5")) # libhdf5's own crashes
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--only")
    given = parser.parse_args()
    say = lambda text: print(text, flush=True)
    if given.only:
        name, kind, *numbers = given.only.split(":")
        with tempfile.TemporaryDirectory(prefix="faults") as directory:
            say(one(Pool(pathlib.Path(directory)), name, kind, *map(int, numbers)))
        return 0
    return bool(attack(given.jobs.split(","), given.kinds.split(","), tuple(map(int, given.ranks.split(","))),
                       given.count, given.seed, given.parallel, say))


if __name__ == "__main__":
    sys.exit(main())
