"""The jobs that faults.py runs: what each needs, and whether what a run left behind is right."""
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from job import MULTIPLET, command, config, hermitian, read, write # noqa: E402

TIME_LIMIT = 40
LEFT_OUT = {"diagnostics/seconds", "diagnostics/started", "diagnostics/rank", "diagnostics/ranks", "diagnostics/solver",
            "attributes"}


class Fault(AssertionError):
    """Something that must not be."""


def must(condition, *what):
    if not condition:
        raise Fault(": ".join(map(str, what)))


@dataclasses.dataclass
class Done:
    code: int
    out: str
    err: str


def call(arguments, environment=None, timeout=TIME_LIMIT):
    """In a process group of its own, so that all ranks end with it."""
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                               env={**os.environ, **(environment or {})}, start_new_session=True)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, err = process.communicate()
        raise Fault(f"hangs: {err[-300:]}") from None
    return Done(process.returncode, out, err)


class Job:
    """A job in a directory of its own, which is put back before each try."""
    ranks = (1, 2)
    verb = "run"
    output = "job-out.h5"
    arguments = ()

    def __init__(self, directory):
        self.at = directory
        self.at.mkdir()
        self.prepare(np.random.default_rng(1))
        self.before = self.files()

    def call(self, arguments, environment=None):
        """Ranks alone name their folders alike, hence a place of its own for those."""
        mine = {"OMPI_MCA_ess_singleton_isolated": "1", "OMPI_MCA_orte_tmpdir_base": f"{self.at}.mpi"}
        return call(arguments, {**mine, **(environment or {})})

    def files(self):
        return {p.relative_to(self.at): p.read_bytes() for p in self.at.rglob("*") if p.is_file()}

    def restore(self):
        for entry in list(self.at.iterdir()):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for name, content in self.before.items():
            (self.at / name).parent.mkdir(exist_ok=True, parents=True, mode=0o700)
            (self.at / name).write_bytes(content)

    def command(self, ranks, preload=None, again=False):
        arguments = () if again else self.arguments
        line = command(self.at / "job.yaml", *arguments, ranks=ranks, verb=self.verb)
        at = line.index(MULTIPLET)
        return [*line[:at], *(["env", f"LD_PRELOAD={preload}"] if preload else []), *line[at:]]

    def run(self, ranks, environment=None, preload=None, again=False):
        return self.call(self.command(ranks, preload, again), environment)

    def learn(self, ranks):
        """The reference."""
        self.restore()
        done = self.run(ranks)
        must(done.code == 0, "without faults", done.code, done.err)
        self.right = self.groups()

    def groups(self):
        found = []
        with h5py.File(self.at / self.output, "r") as f:
            f.visit(lambda name: found.append(name[:-7]) if name.endswith("/status") else None)
        return {name: read(self.at / self.output, name) for name in found}

    def judge(self, done):
        """What the try left behind."""
        output = self.at / self.output
        if done.code == 0:
            must(output.exists(), "exit 0 without a result")
        if not output.exists():
            return
        try:
            now = self.groups()
        except OSError as reason:
            raise Fault(f"the result does not open: {reason}") from None
        must(now.keys() == self.right.keys(), "datasets are missing")
        complete = {bool(group["attributes"]["complete"]) for group in now.values()}
        for name, group in now.items():
            right = self.right[name]
            must(group["attributes"]["config"] == right["attributes"]["config"], "another config")
            finished = group["status"] != 0
            failed = finished & (group["status"] != right["status"])
            must(not failed.any() or done.code != 0, "exit 0", "failures")
            must(set(group["status"][failed]) <= {9}, "a status that is not so", group["status"])
            must(finished.all() or complete == {False}, "complete and not finished")
            must(finished.all() or done.code != 0, "exit 0 and not finished")
            for key in right.keys() - LEFT_OUT:
                compare(group[key], right[key], finished & ~failed, failed, f"{name}/{key}")
        must(complete == {True} or done.code != 0, "exit 0 and not complete")

    def judge_end(self):
        """After a run without faults."""
        done = self.run(1 if 1 in self.ranks else 2, again=True)
        if done.code == 4: # memory was out for some problems, and that is what became of them
            done = self.call([*self.command(1 if 1 in self.ranks else 2, again=True), "--fresh"])
        must(done.code == 0, "the next run ends", done.code, done.err)
        self.judge(done)
        strangers = set(self.files()) - set(self.before) - {pathlib.Path(self.output)}
        must(not strangers, "files are left behind", sorted(map(str, strangers)))


def compare(now, right, solved, failed, what):
    if now.dtype.kind in "fc":
        must(np.isfinite(now).all(), what, "NaN")
    if now.shape[:1] != solved.shape: # one for all problems
        return
    if now.dtype.kind in "fc" and not what.split("/", 1)[1].startswith("diagnostics"):
        scale = max(np.abs(right).max(), 1e-300) * (1e-4 if right.dtype.char in "fF" else 1e-9)
        must(np.abs(now[solved] - right[solved]).max(initial=0) <= scale, what, "not right")
        must(not now[failed].any(), what, "not zero where it failed")
    elif now.dtype.kind in "iu" and "diagnostics" not in what:
        must(np.array_equal(now[solved], right[solved]), what, "not right")


class Forward(Job):
    """Small matrices of two types, by lanes."""

    def prepare(self, rng):
        write(self.at / "in.h5", H=hermitian(rng, 6, 5), S=hermitian(rng, 3, 4, "float32"))
        config(self.at, run={"checkpoint_seconds": 0.001})


class Functions(Job):
    """By LAPACK, with all that a job can have."""

    def prepare(self, rng):
        b, n = 3, 6
        write(self.at / "in.h5", H=hermitian(rng, b, n))
        write(self.at / "ref.h5", R=np.linalg.qr(rng.standard_normal((n, 2)))[0])
        write(self.at / "cotangents.h5", **{"H/eigenvalues": rng.standard_normal((b, n)),
                                            "H/functions/heat": hermitian(rng, b, n),
                                            "H/functions/rho": hermitian(rng, b, n),
                                            "H/frame": rng.standard_normal((b, n, 2)) + 0j})
        config(self.at, solve={"solver": "lapack"}, run={"checkpoint_seconds": 0.001},
               functions=[{"name": "heat", "kind": "exp", "scale": -0.5},
                          {"name": "rho", "kind": "fermi", "beta": 4.0, "electrons": 2}],
               frame={"index": [0, 2], "reference": {"file": "ref.h5", "dataset": "/R"}},
               gradient={"cotangents": "cotangents.h5"})


class Second(Job):
    """The second pass of a training step."""

    def prepare(self, rng):
        b, n = 5, 6
        write(self.at / "in.h5", H=hermitian(rng, b, n))
        write(self.at / "cotangents.h5", **{"H/eigenvalues": rng.standard_normal((b, n)),
                                            "H/eigenvectors": rng.standard_normal((b, n, n)) + 0j})
        forward = config(self.at, "forward")
        must(self.call(command(forward)).code == 0, "the forward pass")
        config(self.at, gradient={"cotangents": "cotangents.h5", "eigenpairs": "forward-out.h5",
                                  }, degeneracy={"gauge_dependent_loss": "warn"})


class Spread(Job):
    """One matrix over two ranks."""
    ranks = (2,)

    def prepare(self, rng):
        write(self.at / "in.h5", H=hermitian(rng, 2, 12))
        write(self.at / "cotangents.h5", **{"H/eigenvalues": rng.standard_normal((2, 12))})
        config(self.at, solve={"solver": "scalapack"}, gradient={"cotangents": "cotangents.h5"},
               run={"distribute_from": 4, "block": 4, "checkpoint_seconds": 0.001})


class Fresh(Job):
    """Over an older result of another job."""
    arguments = ("--fresh",)

    def prepare(self, rng):
        write(self.at / "in.h5", H=hermitian(rng, 4, 5))
        must(self.call(command(config(self.at, degeneracy={"tolerance": 1e-9}))).code == 0, "the older job")
        config(self.at)
        self.old = (self.at / self.output).read_bytes()

    def judge(self, done):
        if done.code and (self.at / self.output).read_bytes() == self.old:
            return
        super().judge(done)

    def judge_end(self):
        if (self.at / self.output).read_bytes() == self.old:
            must(self.run(1, again=True).code == 2, "the older result is taken for this job's")
            (self.at / self.output).unlink()
        super().judge_end()


class Continued(Job):
    """The second half of an unfinished one."""

    def prepare(self, rng):
        write(self.at / "in.h5", H=hermitian(rng, 6, 5))
        path = config(self.at)
        must(self.call(command(path)).code == 0, "the first half")
        with h5py.File(self.at / self.output, "a") as f:
            f.attrs.modify("complete", np.int32(0))
            for name in ("status", "eigenvalues", "eigenvectors", "multiplet"):
                f["H"][name][3:] = 0


class Teller(Job):
    """A command that prints."""
    ranks = (1,)
    same = True

    def prepare(self, rng):
        write(self.at / "in.h5", H=hermitian(rng, 3, 5))
        write(self.at / "cotangents.h5", **{"H/eigenvalues": rng.standard_normal((3, 5))})
        must(self.call(command(config(self.at, gradient={"cotangents": "cotangents.h5"}))).code == 0, "its result")

    def command(self, ranks, preload=None, again=False):
        line = self.line()
        return [*(["env", f"LD_PRELOAD={preload}"] if preload else []), MULTIPLET, self.verb, *map(str, line)]

    def learn(self, ranks):
        self.restore()
        done = self.run(ranks)
        must(done.code == 0, "without faults", done.code, done.err)
        self.right = self.told(done)

    def told(self, done):
        return done.out if self.same else len(done.out.splitlines())

    def judge(self, done):
        must(done.code != 0 or self.told(done) == self.right, "exit 0", "it says something else", done.out)

    def judge_end(self):
        must(set(self.files()) == set(self.before), "files are left behind", sorted(map(str, self.files())))
        done = self.run(1)
        must(done.code == 0, "the next run ends", done.code, done.err)


class Plan(Teller):
    verb, same = "plan", False

    def line(self):
        return [self.at / "job.yaml"]


class Show(Teller):
    verb = "show"

    def line(self):
        return [self.at / self.output]


class ShowOne(Teller):
    verb = "show"

    def line(self):
        return [f"{self.at / self.output}:/H[1]"]


class Check(Teller):
    verb, same = "check", False

    def line(self):
        return [self.at / self.output, "--gradients", 2]


class Sample(Teller):
    verb = "sample"
    output = "made.h5"

    def prepare(self, rng):
        pass

    def line(self):
        return ["heisenberg", "-o", self.at / "made.h5", "--sites", 3, "--cotangents", self.at / "costs.h5"]

    def learn(self, ranks):
        super().learn(ranks)
        self.right = self.contents()

    def contents(self):
        found = {}
        for name in ("made.h5", "costs.h5"):
            with h5py.File(self.at / name, "r") as f:
                f.visititems(lambda path, item: found.__setitem__(name + path, item[...])
                             if isinstance(item, h5py.Dataset) else None)
        return found

    def judge(self, done):
        if done.code == 0:
            now = self.contents()
            must(now.keys() == self.right.keys(), "exit 0", "datasets are missing")
            must(all(np.array_equal(now[k], self.right[k]) for k in now), "exit 0", "not right")

    def judge_end(self):
        for name in ("made.h5", "costs.h5"):
            (self.at / name).unlink(missing_ok=True)
        must(not self.files(), "files are left behind", sorted(map(str, self.files())))
        self.judge(self.run(1))


class Service(Job):
    """One request, put there while the service runs."""
    output = "out.h5"

    def prepare(self, rng):
        write(self.at / "in.h5", H=hermitian(rng, 4, 5))
        (self.at / "spool").mkdir(mode=0o700)
        self.request = f"input: {{file: {self.at}/in.h5}}\noutput: {{file: {self.at}/out.h5}}\n"
        (self.at / "spool/keep").touch()

    def command(self, ranks, preload=None, again=False):
        launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
        return [*launcher, *(["env", f"LD_PRELOAD={preload}"] if preload else []), MULTIPLET, "serve",
                str(self.at / "spool")]

    def answered(self):
        return [p for p in self.at.glob("spool/*/one.yaml") if p.parent.name in ("done", "failed")]

    def run(self, ranks, environment=None, preload=None, again=False):
        spool = self.at / "spool"
        over = threading.Event()

        def client():
            """Puts the request when the service is there, and stops it a little after the answer."""
            end = time.monotonic() + 5
            while not over.wait(0.01) and time.monotonic() < end and not (spool / "inbox").exists():
                pass
            if not again and not self.answered() and (spool / "inbox").exists():
                (spool / "new").write_text(self.request)
                (spool / "new").rename(spool / "inbox/one.yaml")
            while not over.wait(0.01) and time.monotonic() < end and not self.answered():
                pass
            while not over.wait(0.2):
                (spool / "stop").touch()

        thread = threading.Thread(target=client)
        thread.start()
        try:
            return super().run(ranks, environment, preload, again)
        finally:
            over.set()
            thread.join()

    def judge(self, done):
        answers = self.answered()
        if done.code == 0:
            must(len(answers) == 1, "exit 0", "answers", answers)
        for path in answers:
            if "without its outcome" in done.err: # no disk to write it on
                must(path.parent.name == "failed" and path.read_text() == self.request, "set aside", path)
                continue
            outcome = re.search(r"^outcome: {exit: (\d+), .*}\n\Z", path.read_text(), re.M)
            must(outcome, "an answer without an outcome", path.read_text())
            code = int(outcome[1])
            must((path.parent.name == "done") == (code in (0, 4)), "outcome", code)
            super().judge(Done(code, "", ""))

    def judge_end(self):
        for path in self.answered(): # the client puts it once more
            path.unlink()
        done = self.run(1, again=bool(list(self.at.glob("spool/*/one.yaml"))))
        must(done.code == 0 and self.answered(), "the next service ends", done.code, done.err)
        self.judge(done)
        hidden = [str(p) for p in (self.at / "spool").rglob(".*") if p.is_file()]
        must(not hidden, "files are left behind", hidden)


JOBS = {"forward": Forward, "functions": Functions, "second": Second, "spread": Spread, "fresh": Fresh,
        "continued": Continued, "plan": Plan, "show": Show, "show-one": ShowOne, "check": Check, "sample": Sample,
        "service": Service}
