"""Jobs that run into their time limit while other tests go on: SLURM needs half a minute to notice.

SLURM's limits are whole minutes, and it looks every 30 s for signals that come due within the next 30: with a lead
of 50 of 60 s the signal comes within the first 30 s. So that work is left then on any machine, the ranks stand still
from their first finished matrix until the signal is there.
"""

import os
import signal
import threading
from pathlib import Path

import cluster as slurm
import work

SIGNAL_SECONDS = 50


class JobWithALimit:
    """Submitted and standing still when it has been made."""

    def __init__(self, cluster, config, *options, launch="mpirun"):
        self.config = config
        self.number = work.submit_config(cluster, "continue", config, "--partition=limit", "--time=1",
                                         f"--signal=B:USR1@{SIGNAL_SECONDS}", *options, launch=launch)
        work.wait_for_rows(config)
        self.ranks = ranks_of(self.number)
        for rank in self.ranks:
            os.kill(rank, signal.SIGSTOP)
        self.signalled = False
        self.thread = threading.Thread(target=self._wake, daemon=True)
        self.thread.start()

    def _wake(self):
        try:
            slurm.wait_until(lambda: all(map(has_usr1_pending, self.ranks)), SIGNAL_SECONDS, "USR1")
            self.signalled = True
        except (TimeoutError, OSError):
            pass  # the test sees that no signal came
        for rank in self.ranks:
            os.kill(rank, signal.SIGCONT)


def ranks_of(number):
    """The processes of a job that run the program, without those that they have started to look at files."""
    found, parents = [], {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            program = os.readlink(entry / "exe")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if program == os.path.realpath(work.PROGRAM) and f"SLURM_JOB_ID={number}".encode() in environment:
            found.append(int(entry.name))
            parents[found[-1]] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return [process for process in found if parents[process] not in found]


def has_usr1_pending(process):
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, mask = line.partition(":")
        if name in ("SigPnd", "ShdPnd") and int(mask, 16) >> (signal.SIGUSR1 - 1) & 1:
            return True
    return False
