"""Damaged files on which libhdf5 crashes, or goes round in circles: an error of one line, and nothing that hangs."""
import base64
import gzip
import os
import subprocess
import time

import h5py
import numpy as np
import pytest
from job import MULTIPLET, OK, command, config, hermitian, read, run, solve, write
from test_inputs import error_of
from test_serve import Service, answer, put, request

CRASHES = gzip.decompress(base64.b64decode("""
H4sIAAAAAAACA+2aMW/TQBTH7852cFNQkxKVtGWwmMgEFR3KRBEJzVBR1IJUMaCUJgghhkpk8Fg2WJkYO/IRGDv2I/RDsLCwprbvXeJ7leNISU
tE/r+qevXdy5199+7lved+a9af3yquFEWM7wtXlESaHhE+tq9Nf4ukJPmV5E9l2p2kr0rtJRq/WrM//2q30Yi1ewx+H4EAs0iz8fRlLPfp+iHJ
M8X0SB6QfEPyM8kHTdte7+fMK4WndaW53tDS0Q1mepfJrHYnOgnxJ8vBE+EnLZtifV6s9xzd70Wtcb9SKpnAp5MTTeezo0Z8uNZ92HuxU5fR05
ibCZzh+ubcn60O1zNeJ/TshzzxbIWA+QM14j5OGzL5GaxPmR6QP2+eXyzd1tKHi5hJsuwoJPv5sYg1AtmEbw9b4svC39bH6Ivk++/FP1fSgHUG
AIBpz6tMHB7YZQDxjiUfzTHnzYtrq3cQ18IuL9vlLxbPHk7YLnV+O0i2T2/Y4yOuHi8vOa5QXr80mh84Wrb3H8y2HzD2dLpk67WpINhes8/r5o
T8wH7FHpfbMcjyA7x+qit1Upc3L9VHJ1gvnaOd4hnvP10PbVeqb1et6nD9/vfeCmxpOuzqeCrtSorC0PcUhYx1KIy7Pvr1npgXQfKH7M/vJxFA
u/P+00G30x/Xpwq+o9zzuwOX6tJvKtzfGDu/iNeExxXlUQcomrjF9vtZlJm+ytG/x/RzXqOIR0zfzdGvM30vR/910b72MuwC+RgAAAAAAPgfMf
VK/v+MN6miFOfwlSga7lL/cpT4lChfl6lIWabi57A2yCW2nu1sy1SCL1mc3e2E3fT9nC9gTwAAAAAAAJgUJzWsAQDgergAQ6MqiHg5AAA="""))
HEAP = {"crashes": (1 << 63, "libhdf5 crashed looking at it"), "loops": ((1 << 64) - 16, "took longer than")}
LIMIT = {**os.environ, "MULTIPLET_LOOK_SECONDS": "1.5"}


def start(path, *arguments, verb="run", ranks=1):
    """A process that is killed if it hangs, and not only asked to end."""
    process = subprocess.Popen(command(path, *arguments, ranks=ranks, verb=verb), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=LIMIT)
    try:
        process.stdout_text, process.stderr = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail("it hangs")
    return process


def damage_heap(path, size):
    """Where the strings of attributes are."""
    data = bytearray(path.read_bytes())
    k = data.index(b"GCOL") + 24
    data[k:k + 8] = size.to_bytes(8, "little")
    path.write_bytes(data)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("role", ["input", "cotangents", "directions", "reference"])
def test_files_on_which_libhdf5_crashes(tmp_path, role, ranks):
    write(tmp_path / "in.h5", H=hermitian(np.random.default_rng(0), 2, 4, "f8"))
    (tmp_path / "odd.h5").write_bytes(CRASHES)
    keys = {"input": {"input": {"file": "odd.h5"}}, "cotangents": {"gradient": {"cotangents": "odd.h5"}},
            "directions": {"tangent": "odd.h5"},
            "reference": {"frame": {"index": [0, 2], "reference": {"file": "odd.h5", "dataset": "/H"}}}}
    path = config(tmp_path, **keys[role])
    for verb in ("run", "plan")[:3 - ranks]:
        done = start(path, verb=verb, ranks=ranks)
        assert done.returncode == 3, done.stderr
        assert f"cannot use {role} '" in error_of(done) and "libhdf5 crashed" in error_of(done)
        assert "HDF5-DIAG" not in done.stderr
    assert not (tmp_path / "job-out.h5").exists()


@pytest.mark.parametrize("case", HEAP)
def test_results_on_which_it_crashes_or_loops(tmp_path, case):
    size, text = HEAP[case]
    a = hermitian(np.random.default_rng(0), 2, 4, "f8")
    solve(tmp_path, a)
    write(tmp_path / "c.h5", **{"H/eigenvalues": np.ones((2, 4))})
    result = tmp_path / "job-out.h5"
    damage_heap(result, size)
    for verb in ("show", "check"):
        done = start(result, verb=verb)
        assert done.returncode == 3 and text in error_of(done), done.stderr
    before = result.read_bytes()
    done = start(tmp_path / "job.yaml")
    assert done.returncode == 5 and "not a readable result" in error_of(done) and result.read_bytes() == before
    second = config(tmp_path, "second", gradient={"cotangents": "c.h5", "eigenpairs": "job-out.h5"})
    done = start(second, ranks=2)
    assert done.returncode == 3 and "eigenpairs" in error_of(done) and text in error_of(done)
    assert start(tmp_path / "job.yaml", "--fresh").returncode == 0
    assert (read(result)["status"] == OK).all()


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_service_survives_them(tmp_path, ranks, monkeypatch):
    """Each request alone fails; those before and after are served, by every rank."""
    monkeypatch.setenv("MULTIPLET_LOOK_SECONDS", "1.5")
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    write(spool / "in.h5", H=hermitian(np.random.default_rng(0), 4, 8))
    (spool / "crash.h5").write_bytes(CRASHES)
    os.mkfifo(spool / "fifo.h5")
    with Service(spool, ranks):
        for k in range(4):
            put(spool, f"c{k}", request(f"c{k}", "crash.h5"))
            put(spool, f"f{k}", request(f"f{k}", "fifo.h5"))
            put(spool, f"g{k}", request(f"g{k}"))
        for k in range(4):
            assert answer(spool, f"g{k}")[0] == "done"
            where, _, outcome = answer(spool, f"c{k}")
            assert where == "failed" and "exit: 3" in outcome and "libhdf5 crashed" in outcome
            where, _, outcome = answer(spool, f"f{k}")
            assert where == "failed" and "exit: 3" in outcome and "it is a FIFO" in outcome


def lookouts():
    """Processes of that name, with their parents."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = dict(x.split(":\t", 1) for x in open(f"/proc/{entry}/status").read().splitlines() if ":\t" in x)
        except OSError:
            continue
        if fields.get("Name") == "multiplet-look" and fields["State"][0] != "Z":
            found[int(entry)] = int(fields["PPid"])
    return found


def test_the_lookout_ends_with_its_program(tmp_path):
    """Also when that is killed; and it does not end with a signal that the program survives."""
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    write(spool / "in.h5", H=hermitian(np.random.default_rng(0), 4, 8))
    service = Service(spool).start()
    put(spool, "a", request("a"))
    answer(spool, "a")
    mine = {p for p, parent in lookouts().items() if parent == service.process.pid}
    mine |= {p for p, parent in lookouts().items() if parent in mine}
    assert len(mine) == 2
    for p in mine:
        os.kill(p, 15)
    put(spool, "b", request("b", "in.h5", "solve: {eigenvectors: false}\n"))
    assert answer(spool, "b")[0] == "done" and mine <= set(lookouts())
    service.kill()
    end = time.monotonic() + 10
    while mine & set(lookouts()):
        assert time.monotonic() < end
        time.sleep(0.01)
