"""Requests to a running service, `multiplet serve SPOOL`, and their answers.

    with multiplet.service("/scratch/spool"):
        w, v = multiplet.torch.eigh(A)      # the same functions, the same numbers

A request consists of a config that is renamed into the inbox, and of two files, the matrices and the results, in a
directory of this client inside the spool. The forward pass's files stay until its gradient can no longer be asked for.
"""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import re
import select
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
               "frame_condition", "null_violation", "seconds")
PATIENT = 2.0  # seconds before a wait is shown
LARGE = 1 << 18  # bytes from which an array is mapped
SPARE = 8  # input files kept for later requests
SILENT = 10.0  # seconds without a new status.json after which the service is assumed to be gone


@contextlib.contextmanager
def service(spool, timeout=600.0, progress=None):
    """Inside, the service at `spool` answers multiplet.torch's calls.

    timeout: seconds to wait for one answer; after that, a ServiceError says what the service was doing.
    progress: shows long waits on standard error; None: if standard error is a terminal.
    """
    client = Client(spool, timeout, progress)
    try:
        with using(client):
            yield client
    finally:
        client.close()


class Client:
    """A backend (see multiplet.backend) that sends its calls to a service. Use `service()`."""

    def __init__(self, spool, timeout=600.0, progress=None):
        self.spool = pathlib.Path(spool).resolve()
        if not (self.spool / "inbox").is_dir():
            raise ServiceError(f"no service has been at {spool}: it has no inbox (multiplet serve {spool})")
        self.timeout, self.progress = timeout, sys.stderr.isatty() if progress is None else progress
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="client-", dir=self.spool))
        self._name, self._numbers, self._files = self.directory.name, itertools.count(), _Files(self.directory)
        self._certificates, self._watch = weakref.WeakSet(), _Watch(self.spool / "done", self.spool / "failed")
        self._finalizer = weakref.finalize(self, shutil.rmtree, self.directory, ignore_errors=True)

    def close(self):
        """Removes this client's files. Gradients of its forward passes can no longer be computed."""
        for certificate in self._certificates:
            with contextlib.suppress(OSError):  # already removed by others
                certificate.load()
        self._finalizer()

    # The methods of multiplet.backend.Library.

    def eigh(self, a, options, vectors=True):
        job = _Job(self, a, options)
        job.config["solve"] = {"eigenvectors": vectors}
        r = job.run()
        return r["eigenvalues"], r.get("eigenvectors"), job.certificate(r)

    def eigh_backward(self, w, v, gw, gv, forward, options):
        cotangents = {"eigenvalues": gw, "eigenvectors": gv}
        return self._backward(forward, cotangents, options)

    def eigh_selected(self, a, selection, options, vectors=True, keep=True):
        """Nothing is kept here: the backward pass reduces the matrices again."""
        job = _Job(self, a, options)
        job.config["solve"] = {"eigenvectors": vectors, "select": _selection(selection)}
        r = job.run()
        found = r.get("found", np.full(job.count, selection.columns(job.n), np.int32))
        return r["eigenvalues"], r.get("eigenvectors"), found, None, job.certificate(r)

    def eigh_selected_backward(self, w, v, selection, gw, gv, factors, forward, options):
        cotangents = {"eigenvalues": gw, "eigenvectors": gv}
        return self._backward(forward, cotangents, options, solve={"select": _selection(selection)})

    def function(self, a, function, options):
        job = _Job(self, a, options)
        job.config["functions"] = [_function(function)]
        r = job.run()
        return r["functions/f"], r["eigenvalues"], r["eigenvectors"], job.certificate(r)

    def function_backward(self, w, v, function, gf, forward, options):
        return self._backward(forward, {"functions/f": gf}, options, functions=[_function(function)])

    def frame(self, a, index, reference, options):
        job = _Job(self, a, options)
        job.reference = {"file": job.put({"R": reference}), "dataset": "R"}
        job.config["frame"] = {"index": list(index), "reference": job.reference}
        r = job.run()
        return r["frame"], r["eigenvalues"], r["eigenvectors"], job.certificate(r)

    def frame_backward(self, w, v, index, reference, gf, forward, options):
        frame = {"index": list(index), "reference": forward.origin.reference}
        return self._backward(forward, {"frame": gf}, options, frame=frame)

    def _backward(self, forward, cotangents, options, **sections):
        first = forward.origin
        if not self.directory.exists():
            raise ServiceError("the forward pass's files are gone: its `with multiplet.service(...)` has ended "
                               "(take the gradient inside)")
        job = _Job(self, None, options, first)
        given = job.put({"H/" + name: value for name, value in cotangents.items() if value is not None})
        job.config["output"]["store"] = ["gradient", "diagnostics"]
        job.config["gradient"] = {"cotangents": given, "eigenpairs": first.config["output"]["file"]}
        job.config.update(sections)
        r = job.run()
        outputs = [r["gradient"]] + ([r["gradient_reference"]] if "frame" in sections else [])
        return (*outputs, job.certificate(r))

    def ask(self, name, text):
        """Puts a request and waits for its outcome: (exit code, error or None)."""
        hidden, inbox = self.directory / f"{name}.yaml", self.spool / "inbox" / f"{name}.yaml"
        hidden.write_text(text)
        hidden.rename(inbox)
        answers = [(self.spool / where / f"{name}.yaml") for where in ("done", "failed")]
        try:
            answer = self._wait(answers)
        except BaseException:
            with contextlib.suppress(OSError):  # not accepted yet: no longer needed
                inbox.unlink()
            raise
        outcome = answer.read_text().rpartition("outcome: ")[2]
        answer.unlink()
        code = int(re.search(r"exit: (\d+)", outcome).group(1)) if "exit: " in outcome else 5
        error = re.search(r'error: (".*")\}', outcome)
        return code, json.loads(re.sub(r"\\x(..)", r"\\u00\1", error.group(1))) if error else None

    def _wait(self, paths):
        start, shown = time.monotonic(), False
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
                self._watch.sleep(min(max(waited / 10, 1e-3), 0.5 if waited > PATIENT else 0.02))
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


class _Watch:
    """Sleeps until a file is renamed into one of the directories. Linux reports renames of this machine (inotify);
    without that, it sleeps for a short time."""

    MOVED_TO = 0x80

    def __init__(self, *directories):
        self._file = None
        with contextlib.suppress(AttributeError, OSError):
            libc = ctypes.CDLL(None, use_errno=True)
            file = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            if file < 0:
                return
            weakref.finalize(self, os.close, file)
            if all(libc.inotify_add_watch(file, os.fsencode(d), self.MOVED_TO) >= 0 for d in directories):
                self._file = file

    def sleep(self, seconds):
        if self._file is None:
            time.sleep(min(seconds, 0.005))
        elif select.select([self._file], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._file, 1 << 16)


class _Files:
    """The input files of a client. A file that is no longer needed is overwritten by the next one of its kind, which
    costs a fraction of creating a new one."""

    def __init__(self, directory):
        self.directory, self._spare, self._numbers = directory, [], itertools.count()

    def put(self, datasets):
        """Writes the arrays to a file; returns (kind, path, offset of each array)."""
        kind = tuple((name, array.shape, array.dtype) for name, array in datasets.items())
        spare = next((k for k, (other, *_) in enumerate(self._spare) if other == kind), None)
        path, places = self._create(datasets) if spare is None else self._spare.pop(spare)[1:]
        with open(path, "r+b", buffering=0) as f:
            for array, place in zip(datasets.values(), places):
                f.seek(place)
                _write_all(f, np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        return kind, path, places

    def _create(self, datasets):
        """Creates a file with room for these arrays; returns (path, offset of each)."""
        path, how = self.directory / f"in-{next(self._numbers)}.h5", h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        with h5py.File(path, "w") as f:
            made = [f.create_dataset(name, array.shape, array.dtype, dcpl=how) for name, array in datasets.items()]
            return path, [dataset.id.get_offset() or 0 for dataset in made]

    def take_back(self, kind, path, places):
        self._spare.append((kind, path, places))
        if len(self._spare) > SPARE:
            self._spare.pop(0)[1].unlink(missing_ok=True)


class _Held:
    """The files of one request."""

    def __init__(self, files, out):
        self.files, self.out, self.put, self.asked = files, out, [], False

    def release(self):
        """Releases the files. Those of a request without an answer may still be read; they are removed with the
        client's directory."""
        if self.asked:
            return
        for put in self.put:
            self.files.take_back(*put)
        with contextlib.suppress(OSError):
            self.out.unlink()


class _Job:
    """The files and the config of one request. A backward pass reads its forward pass's input."""

    def __init__(self, client, a, options, first=None):
        self.client, self.number, self.first = client, next(client._numbers), first
        self.count, self.n = a.shape[:2] if first is None else (first.count, first.n)
        self.out = client.directory / f"{self.number}-out.h5"
        self._held = _Held(client._files, self.out)
        self._finalizer = weakref.finalize(self, self._held.release)
        self.input = self.put({"H": a}) if first is None else first.input
        self.config = {"input": {"file": self.input, "triangle": options.triangle},
                       "output": {"file": self._name(self.out)},
                       "degeneracy": {"eigenvalue_cotangents": options.spread,
                                      "tolerance": options.tolerance or "auto",
                                      "basis": options.basis, "seed": options.seed}}

    def put(self, datasets):
        """Writes the arrays to a file; returns its name as a request gives it."""
        self._held.put.append(self.client._files.put(datasets))
        return self._name(self._held.put[-1][1])

    def _name(self, path):
        """The path relative to the spool."""
        return f"{self.client.directory.name}/{path.name}"

    def run(self):
        """Runs the request; returns the result's datasets."""
        name = f"{self.client._name}-{self.number}"
        self._held.asked = True
        code, error = self.client.ask(name, "".join(f"{k}: {_yaml(v)}\n" for k, v in self.config.items()))
        self._held.asked = False
        if code not in (0, 4):
            raise ServiceError(f"the service refused a request: {error or 'without a reason'}")
        return self._read()

    def _read(self):
        """Reads what the config asks for. The certificate's numbers, which are rarely looked at, are read only when
        they are used: opening datasets one by one is most of the cost of small requests."""
        config, backward = self.config, "gradient" in self.config
        names = ["status", *(["gradient"] if backward else ["eigenvalues"])]
        if not backward and config.get("solve", {}).get("eigenvectors", True):
            names.append("eigenvectors")
        if "functions" in config and not backward:
            names.append("functions/f")
        if not backward and "range" in config.get("solve", {}).get("select", {}):
            names.append("found")
        if "frame" in config:
            names.append("gradient_reference" if backward else "frame")
        return self.read(names)

    def read(self, names):
        """Reads those datasets that exist."""
        with h5py.File(self.out, "r") as f:
            group = f["H"].id
            keys = [name.encode() for name in names]
            return {name: self._array(h5py.h5d.open(group, key)) for name, key in zip(names, keys) if key in group}

    def _array(self, dataset):
        """Reads an array. Large ones are mapped privately: no copy is made, and they outlive the removal of the
        file."""
        if dataset.get_storage_size() >= LARGE and dataset.get_offset() is not None:
            return np.memmap(self.out, dataset.dtype, "c", dataset.get_offset(), dataset.shape).view(np.ndarray)
        array = np.empty(dataset.shape, dataset.dtype)
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
        return array

    def certificate(self, result):
        certificate = _Certificate(self, result["status"])
        self.client._certificates.add(certificate)
        return certificate


class _Certificate(Certificate):
    """A certificate that reads its numbers when they are used, or when the client closes."""

    statuses = None  # an attribute here, not a property

    def __init__(self, job, statuses):
        self.origin, self.statuses, self.batch, self._loaded = job, statuses, statuses.shape, None

    def load(self):
        """Reads (report, multiplet)."""
        if self._loaded is None:
            found = self.origin.read(["multiplet", *(f"diagnostics/{name}" for name in DIAGNOSTICS)])
            report = np.zeros(self.statuses.shape, [("status", "i1"), *((name, "f8") for name in DIAGNOSTICS)])
            report["status"] = self.statuses
            for name in DIAGNOSTICS:
                report[name] = found.get(f"diagnostics/{name}", 0)
            self._loaded = report, found["multiplet"]
        return self._loaded

    @property
    def report(self):
        return self.load()[0]

    @property
    def _multiplet(self):
        return self.load()[1]


def _write_all(file, data):
    while data.size:
        data = data[file.write(data):]


def _function(function):
    """The function as a config describes it: of the parameters that exclude one another, the one that is not 0."""
    values = {"name": "f", "kind": function.kind}
    rows = library.kinds()[function.kind].values()
    chosen = [row.name for row in rows if row.need == "one of"]
    chosen = [name for name in chosen if getattr(function, name)] or chosen[:1]
    for row in rows:
        value = getattr(function, row.name)
        if row.need != "one of" or row.name in chosen:
            values[row.name] = list(value) if row.domain == "index" else value
    return values


def _selection(selection):
    """As a config describes it."""
    if selection.kind == "index":
        return {"index": list(selection.index)}
    if selection.kind == "range":
        return {"range": list(selection.range), "at_most": selection.at_most}
    return {selection.kind: selection.at_most}


def _yaml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)
