"""Jobs for the tests: inputs written and results read with h5py and NumPy alone."""
import os
import pathlib
import subprocess

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
MULTIPLET = os.environ.get("MULTIPLET", str(ROOT / "build/bin/multiplet"))
TYPES = ["float32", "float64", "complex64", "complex128"]
# A rank without mpirun starts a daemon of Open MPI's beside it, which takes longer than a small job. What asks for
# none has no use for Open MPI's folders, either, and two such ranks would call theirs alike. Symbols are bound at the
# start: once in some thousand runs Open MPI's own thread bound one while its components were unloaded, and crashed.
NO_DAEMON = ("env", "OMPI_MCA_ess_singleton_isolated=1", "OMPI_MCA_orte_create_session_dirs=0", "LD_BIND_NOW=1")
OK, GAUGE, NONFINITE, NOT_HERMITIAN, NONFINITE_COTANGENT, SUBGRADIENT = 1, 2, 3, 4, 8, 11


def eps(dtype):
    return np.finfo(np.dtype(dtype)).eps


def hermitian(rng, count, n, dtype="complex128", spectrum=None):
    """Random matrices; with `spectrum`, of exactly these eigenvalues up to rounding."""
    dtype = np.dtype(dtype)
    a = rng.standard_normal((count, n, n))
    if dtype.kind == "c":
        a = a + 1j * rng.standard_normal((count, n, n))
    if spectrum is None:
        a = (a + a.conj().swapaxes(1, 2)) / 2
    else:
        q = np.linalg.qr(a)[0]
        a = (q * spectrum) @ q.conj().swapaxes(1, 2)
        a = (a + a.conj().swapaxes(1, 2)) / 2
    return a.astype(dtype)


def write(path, **datasets):
    """write(p, H=a, **{"a/b": c}): every keyword is a dataset."""
    with h5py.File(path, "a") as f:
        for name, value in datasets.items():
            f[name] = value
    return path


def config(directory, name="job", **sections):
    """A config file; flow mappings are YAML as Python prints them."""
    sections.setdefault("input", {"file": "in.h5"})
    sections.setdefault("output", {"file": f"{name}-out.h5"})
    path = pathlib.Path(directory) / f"{name}.yaml"
    path.write_text("".join(f"{k}: {yaml(v)}\n" for k, v in sections.items()))
    return path


def yaml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(yaml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def command(path, *arguments, ranks=1, verb="run", alone=NO_DAEMON):
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else alone
    return [*launcher, MULTIPLET, verb, str(path), *arguments]


def run(path, *arguments, ranks=1, expect=0, verb="run", timeout=120, alone=NO_DAEMON):
    done = subprocess.run(command(path, *arguments, ranks=ranks, verb=verb, alone=alone), capture_output=True,
                          text=True, timeout=timeout)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return done


def solve(directory, matrices, *arguments, name="job", ranks=1, expect=0, cotangents=None, **sections):
    """Writes in.h5 (and cotangents.h5), runs, and gives the open result's group /H as arrays. Or, in one job, of
    `matrices` and `cotangents` by dataset the results by dataset."""
    directory = pathlib.Path(directory)
    for stale in ("in.h5", "cotangents.h5"):
        (directory / stale).unlink(missing_ok=True)
    several = isinstance(matrices, dict)
    write(directory / "in.h5", **(matrices if several else {"H": matrices}))
    if cotangents:
        by_group = cotangents if several else {"H": cotangents}
        write(directory / "cotangents.h5", **{f"{group}/{k}": v for group, of in by_group.items() for k, v in of.items()})
        sections.setdefault("gradient", {})["cotangents"] = "cotangents.h5"
    path = config(directory, name, **sections)
    run(path, "--fresh", *arguments, ranks=ranks, expect=expect)
    results = {group: read(directory / f"{name}-out.h5", group) for group in (matrices if several else ["H"])}
    return results if several else results["H"]


def read(path, group="H"):
    out = {}
    with h5py.File(path, "r") as f:
        f[group].visititems(lambda name, item: out.__setitem__(name, item[:])
                            if isinstance(item, h5py.Dataset) else None)
        out["attributes"] = dict(f.attrs)
    return out


def same(a, b, leave_out=("diagnostics/seconds", "diagnostics/started", "diagnostics/rank", "attributes")):
    """All datasets equal to the last bit."""
    assert a.keys() == b.keys()
    for name in a.keys() - set(leave_out):
        assert np.array_equal(a[name], b[name]), name


def reference_gradient(w, v, multiplet, gw, gv):
    """G = V [F o skew(V^H gV) + diag(gw)] V^H, gw averaged inside multiplets; plain division."""
    inside = multiplet[:, None] == multiplet[None, :]
    gw = inside @ gw / inside.sum(1)
    kernel = v.conj().T @ gv
    kernel = (kernel - kernel.conj().T) / 2
    gap = np.where(inside, 1, w[None, :] - w[:, None])
    return v @ (np.where(inside, 0, kernel / gap) + np.diag(gw)) @ v.conj().T
