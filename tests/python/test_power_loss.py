"""Power loss at any moment: tests/attack/replay.py, a sample; every file that a disk may hold tells the truth."""
import pathlib
import subprocess
import sys

import pytest
from job import MULTIPLET, ROOT

sys.path.insert(0, str(ROOT / "tests/attack"))
import replay

LIBRARY = str(pathlib.Path(MULTIPLET).resolve().parents[1] / "lib/librecord.so")


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("job", replay.JOBS)
def test_every_cut_tells_the_truth(job, ranks):
    tried, telling, wrong = replay.attack(job, ranks, losses=2, seed=ranks, library=LIBRARY)
    assert not wrong and telling > 10 and tried > telling


@pytest.mark.parametrize("job", replay.JOBS)
def test_without_syncing_the_same_cuts_do_not(job):
    """run.sync: off is what it says; and the attack finds what it is for."""
    assert replay.attack(job, 1, losses=2, seed=1, library=LIBRARY, sync=False)[2]


def test_order_of_system_calls(tmp_path):
    """Data, sync, status, sync, complete, sync; the new file is on the disk before it has its name."""
    log, _, path = replay.record(tmp_path, "forward", 1, LIBRARY)
    inode = {operation[2] for operation in log.operations if operation[0] == "C" and ".new-" in operation[4]}
    order = "".join(operation[0] for operation in log.operations if operation[2] in inode)
    renamed = order.index("R")
    assert order[renamed - 1] == "S" and order[renamed:].count("S") >= 4 and order.endswith("S")
    assert log.operations[next(k for k, o in enumerate(log.operations) if o[0] == "R") + 1][0] == "D"


def test_sync_off_syncs_nothing(tmp_path):
    log, _, _ = replay.record(tmp_path, "forward", 1, LIBRARY, sync=False)
    assert not {"S", "D"} & {operation[0] for operation in log.operations}
