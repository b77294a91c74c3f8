"""Many requests to one service, from four clients at once, good and bad ones mixed: every one is answered, none twice, and
memory stays flat.

    many_requests.py --count 100000 --ranks 2"""
import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from job import hermitian, write  # noqa: E402
from test_serve import Service, answer, put, request  # noqa: E402

CLIENTS, SETTLED = 4, 6000  # requests after which memory has to be flat: results that are kept fill it until then
BAD = {"input: {file: in.h5\n": 2, request("o", "nowhere.h5"): 3, request("o", more="slove: {}\n"): 2}


def attack(count, seed=1, ranks=2):
    """(requests, resident bytes after SETTLED and at the end, requests a second). Results are left where they are."""
    memory, failures, answered = [], [], [0] * CLIENTS
    # Not under the usual prefix, which a test may look for.
    with tempfile.TemporaryDirectory(prefix="multiplet-requests-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as scratch:
        spool = pathlib.Path(scratch) / "spool"
        spool.mkdir(mode=0o700)
        write(spool / "in.h5", H=hermitian(np.random.default_rng(0), 4, 8))
        with Service(spool, ranks) as service:
            def resident():
                pids = subprocess.run(["pgrep", "-f", f"serve {spool}"], capture_output=True, text=True).stdout.split()
                memory.append(sum(int(open(f"/proc/{p}/statm").read().split()[1]) for p in pids) * os.sysconf("SC_PAGE_SIZE"))

            def client(number):
                chance = random.Random(seed * CLIENTS + number)
                for k in range(count // CLIENTS):
                    name, bad = f"c{number}-{k}", chance.random() < 0.1
                    text = chance.choice(list(BAD)) if bad else request(name)
                    put(spool, name, text)
                    where, _, outcome = answer(spool, name)
                    expected = ("failed", f"exit: {BAD[text]}") if bad else ("done", "{OK: 4}")
                    if where != expected[0] or expected[1] not in outcome:
                        failures.append((name, where, outcome))
                    (spool / where / f"{name}.yaml").unlink()
                    if k >= 2000:  # a directory of 10^5 files would be what is measured
                        (spool / f"c{number}-{k - 2000}.h5").unlink(missing_ok=True)
                    answered[number] = k + 1
            clients = [threading.Thread(target=client, args=(k,)) for k in range(CLIENTS)]
            start = time.monotonic()
            [c.start() for c in clients]
            while any(c.is_alive() for c in clients):
                time.sleep(0.05)
                if not memory and sum(answered) >= min(SETTLED, count // 2):
                    resident()
            seconds = time.monotonic() - start
            resident()
            assert service.process.poll() is None
        assert not list((spool / "work").iterdir()) and not list((spool / "inbox").iterdir())
    assert sum(answered) == count // CLIENTS * CLIENTS and not failures, failures[:3]
    return sum(answered), memory, count / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=2)
    a = parser.parse_args()
    count, memory, rate = attack(a.count, a.seed, a.ranks)
    grown = (memory[-1] - memory[0]) / 2**20
    print(f"requests: {count}, {rate:.0f} a second, resident {memory[0] / 2**20:.0f} MiB, {grown:+.1f} MiB at the end")
    sys.exit(grown > 4 + count * 1e-5)


if __name__ == "__main__":
    main()
