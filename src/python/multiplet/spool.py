"""Requests to a running service, `multiplet serve SPOOL`, and their answers.

    with multiplet.service("/scratch/spool"):
        w, v = multiplet.torch.eigh(A)      # the same functions, the same numbers

A request is two files in a directory of this client's inside the spool, matrices in and results out, and a config
that is renamed into the inbox. The forward pass's files stay until its gradient can no longer be asked for.
"""
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time
import weakref

import h5py
import numpy as np

from . import library
from .backend import Certificate, using
from .errors import Error, ServiceError

DIAGNOSTICS = ("residual", "orthogonality", "min_gap", "gauge_violation", "cotangent_spread", "gradient_error",
               "frame_condition", "seconds")
PATIENT = 2.0  # seconds before a wait is shown
SILENT = 10.0  # seconds without a new status.json after which nobody is thought to be there


@contextlib.contextmanager
def service(spool, timeout=600.0, progress=None):
    """multiplet.torch's calls inside are answered by the service at `spool`.

    timeout: seconds to wait for one answer; a ServiceError then says what the service was doing.
    progress: shows long waits on standard error; None: when that is a terminal.
    """
    client = Client(spool, timeout, progress)
    try:
        with using(client):
            yield client
    finally:
        client.close()


class Client:
    """A backend (see multiplet.backend) that asks a service. Use `service()`."""

    def __init__(self, spool, timeout=600.0, progress=None):
        self.spool = pathlib.Path(spool).resolve()
        if not (self.spool / "inbox").is_dir():
            raise ServiceError(f"no service has been at {spool}: it has no inbox (multiplet serve {spool})")
        self.timeout, self.progress = timeout, sys.stderr.isatty() if progress is None else progress
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="client-", dir=self.spool))
        self._name, self._numbers = self.directory.name, itertools.count()
        self._finalizer = weakref.finalize(self, shutil.rmtree, self.directory, ignore_errors=True)

    def close(self):
        """Removes this client's files. Gradients of its forward passes are out of reach then."""
        self._finalizer()

    # The six methods of multiplet.backend.Library.

    def eigh(self, a, options, vectors=True):
        job = _Job(self, a, options)
        job.config["solve"] = {"eigenvectors": vectors}
        r = job.run()
        return r["eigenvalues"], r.get("eigenvectors"), job.certificate(r)

    def eigh_backward(self, w, v, gw, gv, forward, options):
        cotangents = {"eigenvalues": gw, "eigenvectors": gv}
        return self._backward(forward, cotangents, options)

    def function(self, a, function, options):
        job = _Job(self, a, options)
        job.config["functions"] = [_function(function)]
        r = job.run()
        return r["functions/f"], r["eigenvalues"], r["eigenvectors"], job.certificate(r)

    def function_backward(self, w, v, function, gf, forward, options):
        return self._backward(forward, {"functions/f": gf}, options, functions=[_function(function)])

    def frame(self, a, index, reference, options):
        job = _Job(self, a, options)
        with h5py.File(job.path("reference"), "w") as f:
            f["R"] = reference
        job.config["frame"] = {"index": list(index), "reference": {"file": job.name("reference"), "dataset": "R"}}
        r = job.run()
        return r["frame"], r["eigenvalues"], r["eigenvectors"], job.certificate(r)

    def frame_backward(self, w, v, index, reference, gf, forward, options):
        first = forward.origin
        frame = {"index": list(index), "reference": {"file": first.name("reference"), "dataset": "R"}}
        return self._backward(forward, {"frame": gf}, options, frame=frame)

    def _backward(self, forward, cotangents, options, **sections):
        first = forward.origin
        if not first.path("in").exists():
            raise ServiceError("the forward pass's files are gone: its `with multiplet.service(...)` has ended "
                               "(take the gradient inside)")
        job = _Job(self, None, options, first)
        with h5py.File(job.path("cotangents"), "w") as f:
            for name, value in cotangents.items():
                if value is not None:
                    f["H/" + name] = value
        job.config["output"]["store"] = ["gradient", "diagnostics"]
        job.config["gradient"] = {"cotangents": job.name("cotangents"), "eigenpairs": first.name("out")}
        job.config.update(sections)
        r = job.run()
        outputs = [r["gradient"]] + ([r["gradient_reference"]] if "frame" in sections else [])
        return (*outputs, job.certificate(r).inherit(forward))

    def ask(self, name, text):
        """Puts a request and waits for its outcome: (exit code, error or None)."""
        hidden, inbox = self.directory / f"{name}.yaml", self.spool / "inbox" / f"{name}.yaml"
        hidden.write_text(text)
        hidden.rename(inbox)
        answers = [(self.spool / where / f"{name}.yaml") for where in ("done", "failed")]
        try:
            answer = self._wait(answers)
        except BaseException:
            with contextlib.suppress(OSError):  # not accepted yet: nobody needs it any more
                inbox.unlink()
            raise
        outcome = answer.read_text().rpartition("outcome: ")[2]
        answer.unlink()
        code = int(re.search(r"exit: (\d+)", outcome).group(1)) if "exit: " in outcome else 5
        error = re.search(r'error: (".*")\}', outcome)
        return code, json.loads(re.sub(r"\\x(..)", r"\\u00\1", error.group(1))) if error else None

    def _wait(self, paths):
        start, nap, shown = time.monotonic(), 1e-4, False
        try:
            while True:
                for path in paths:
                    if path.exists():
                        return path
                waited = time.monotonic() - start
                if waited > min(SILENT, self.timeout) and self._silent():
                    raise ServiceError(f"no service answers at {self.spool}: {self._status()} (multiplet serve "
                                       f"{self.spool})")
                if waited > self.timeout:
                    raise ServiceError(f"no answer within {self.timeout:g} s from {self.spool}: {self._status()} (give "
                                       "service() a longer timeout)")
                if self.progress and waited > PATIENT:
                    print(f"\rmultiplet: {waited:.0f} s, {self._status()}\x1b[K", end="", file=sys.stderr, flush=True)
                    shown = True
                time.sleep(nap)
                nap = min(nap * 1.1, 0.5 if waited > PATIENT else 0.005)
        finally:
            if shown:
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def status(self):
        """status.json as a dict; None when there is none."""
        try:
            return json.loads((self.spool / "status.json").read_text())
        except (OSError, ValueError):
            return None

    def _silent(self):
        status = self.status()
        return not status or status["state"] == "stopped" or time.time() - status["updated"] > SILENT

    def _status(self):
        status = self.status()
        if not status:
            return "it has left no status"
        age = time.time() - status["updated"]
        return (f"{status['state']} {age:.0f} s ago, {status['queue']} waiting, {status['done']} done, "
                f"{status['failed']} failed, on {status['ranks']} ranks of {status['host']}")


class _Job:
    """The files and the config of one request. A backward pass reads its forward pass's input."""

    def __init__(self, client, a, options, first=None):
        self.client, self.number, self.first = client, next(client._numbers), first
        self.count, self.n = a.shape[:2] if first is None else (first.count, first.n)
        if first is None:
            with h5py.File(self.path("in"), "w") as f:
                f["H"] = a
        source = first or self
        self.config = {"input": {"file": source.name("in"), "triangle": options.triangle},
                       "output": {"file": self.name("out")},
                       "degeneracy": {"eigenvalue_cotangents": options.spread,
                                      "tolerance": options.tolerance or "auto"}}
        self._finalizer = weakref.finalize(self, _remove, str(self.path("")))

    def path(self, what):
        return self.client.directory / f"{self.number}-{what}.h5"

    def name(self, what):
        """Relative to the spool, as a request names it."""
        return f"{self.client.directory.name}/{self.number}-{what}.h5"

    def run(self):
        """The result's datasets."""
        name = f"{self.client._name}-{self.number}"
        code, error = self.client.ask(name, "".join(f"{k}: {_yaml(v)}\n" for k, v in self.config.items()))
        if code not in (0, 4):
            raise ServiceError(f"the service refused a request: {error or 'without a reason'}")
        return self._read()

    def _read(self):
        """What the config asks for; opening datasets one by one is most of the cost of small requests."""
        config, found = self.config, {}
        names = ["status", "multiplet", *(f"diagnostics/{name}" for name in DIAGNOSTICS)]
        backward = "gradient" in config
        names += ["gradient"] if backward else ["eigenvalues", "eigenvectors"]
        if "functions" in config and not backward:
            names.append("functions/f")
        if "frame" in config:
            names.append("gradient_reference" if backward else "frame")
        with h5py.File(self.path("out"), "r") as f:
            group = f["H"].id
            for name in names:
                key = name.encode()
                if name.startswith("diagnostics/") and key not in group:
                    continue
                if name == "eigenvectors" and not config.get("solve", {}).get("eigenvectors", True):
                    continue
                dataset = h5py.h5d.open(group, key)
                found[name] = np.empty(dataset.shape, dataset.dtype)
                dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, found[name])
        return found

    def certificate(self, result):
        report = np.zeros(self.count, library.REPORT)
        report["status"] = result["status"]
        for name in DIAGNOSTICS:
            if f"diagnostics/{name}" in result:
                report[name] = result[f"diagnostics/{name}"]
        return Certificate(report, result["multiplet"], origin=self)


def _remove(stem):
    """All files of one request; `stem` ends with "-.h5"."""
    directory, prefix = os.path.split(stem[:-len(".h5")])
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if name.startswith(prefix):
                os.unlink(os.path.join(directory, name))


def _function(function):
    values = {"name": "f", "kind": function.kind}
    if function.kind == "projector":
        return values | {"index": list(function.index)}
    if function.kind == "fermi":
        which = "electrons" if function.electrons else "mu"
        return values | {"beta": function.beta, which: getattr(function, which)}
    if function.kind == "power":
        values["exponent"] = function.exponent
    return values | {"scale": function.scale}


def _yaml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)
