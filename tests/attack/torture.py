"""Matrices that break eigensolvers, in every kind, size, type, triangle, engine, selection and number of ranks: what has
status OK is right, and finite input does not fail.

    torture.py --count 100000 --seed 1

A case is one matrix. A job holds some of each kind; what it is drawn of is printed when it fails, and `--only SEED`
does that job again."""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import scipy.linalg

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from job import OK, TYPES, command, config, eps, write  # noqa: E402

GAUGE, INTERNAL, TOO_MANY, SUBGRADIENT = 2, 9, 10, 11
SMALL = [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49]
LARGE = [63, 64, 65, 96, 97, 127, 128, 129]
BOUND = 30  # n eps


def unitary(rng, n, dtype):
    a = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n))
    return np.linalg.qr(a)[0]


def of_spectrum(rng, w, dtype):
    q = unitary(rng, len(w), dtype)
    return (q * w) @ q.conj().T


def tridiagonal(d, e):
    return np.diag(d) + np.diag(e, 1) + np.diag(e, -1)


def wilkinson(n):
    return tridiagonal(np.abs(np.arange(n) - (n - 1) / 2), np.ones(n - 1))


def glued(n, glue):
    e = np.ones(n - 1)
    e[6::7] = glue
    return tridiagonal(np.abs(np.arange(n) % 7 - 3.0), e)


def hadamard_like(n, complex_):
    k = np.arange(n)
    if complex_:  # F + F^H, eigenvalues of high multiplicity
        f = np.exp(-2j * np.pi * np.outer(k, k) / n) / n ** 0.5
        return (f + f.conj().T) / 2
    return 2.0 / (n + 1) ** 0.5 * np.sin(np.pi * np.outer(k + 1, k + 1) / (n + 1))


def sparse(rng, n, dtype):
    a = np.where(rng.random((n, n)) < 2 / n, rng.standard_normal((n, n)), 0)
    return a + a.T


KINDS = {
    "zero": lambda r, n, t: np.zeros((n, n)),
    "identity": lambda r, n, t: np.eye(n) * r.choice([1, -3, 1 / 3]),
    "diagonal": lambda r, n, t: np.diag(r.standard_normal(n)),
    "diagonal repeated": lambda r, n, t: np.diag(r.integers(-2, 3, n).astype(float)),
    "random": lambda r, n, t: of_spectrum(r, r.standard_normal(n), t),
    "random entries": lambda r, n, t: (lambda a: (a + a.conj().T) / 2)(r.standard_normal((n, n)) + 0j * n),
    "rank one": lambda r, n, t: of_spectrum(r, np.r_[r.standard_normal(1), np.zeros(n - 1)], t),
    "rank two": lambda r, n, t: of_spectrum(r, np.r_[1, -1, np.zeros(n)][:n], t),
    "projector": lambda r, n, t: of_spectrum(r, (np.arange(n) < n // 2).astype(float), t),
    "reflection": lambda r, n, t: of_spectrum(r, np.where(np.arange(n) < n // 3, -1.0, 1.0), t),
    "ones": lambda r, n, t: np.ones((n, n)),
    "laplace": lambda r, n, t: tridiagonal(2 * np.ones(n), -np.ones(n - 1)),
    "wilkinson": lambda r, n, t: wilkinson(n),
    "glued wilkinson": lambda r, n, t: glued(n, eps(t) ** r.choice([0.5, 1.0])),
    "clement": lambda r, n, t: tridiagonal(np.zeros(n), np.sqrt(np.arange(1.0, n) * np.arange(n - 1, 0, -1))),
    "graded": lambda r, n, t: (lambda s: s[:, None] * of_spectrum(r, 1 + r.random(n), t) * s)(10.0 ** -(8 * np.arange(n) / n)),
    "geometric": lambda r, n, t: of_spectrum(r, eps(t) ** (np.arange(n) / max(n - 1, 1)), t),
    "one large": lambda r, n, t: of_spectrum(r, np.r_[1, np.full(n - 1, eps(t))], t),
    "clustered": lambda r, n, t: of_spectrum(r, 1 + eps(t) * r.integers(-20, 20, n), t),
    "near pairs": lambda r, n, t: of_spectrum(r, np.repeat(np.arange(n), 2)[:n] + eps(t) ** r.choice([0.3, 0.5, 0.8]) * np.arange(n), t),
    "multiplets": lambda r, n, t: of_spectrum(r, np.repeat(r.standard_normal(n), r.integers(1, 6, n))[:n], t),
    "arrow": lambda r, n, t: (lambda a: a + a.T)(np.diag(np.arange(n) / 2.0) + np.eye(1, n, 0).T @ np.r_[0, np.ones(n - 1)][None]),
    "hilbert": lambda r, n, t: 1 / (1.0 + np.arange(n)[:, None] + np.arange(n)),
    "fourier": lambda r, n, t: hadamard_like(n, np.dtype(t).kind == "c"),
    "cycle": lambda r, n, t: (lambda p: (p + p.T) / 2)(np.roll(np.eye(n), 1, 0)),
    "sparse": lambda r, n, t: sparse(r, n, t),
    "blocks": lambda r, n, t: np.kron(np.eye(n // 2 + 1), [[0, 1], [1, 0]])[:n, :n],
    "tiny": lambda r, n, t: of_spectrum(r, r.standard_normal(n), t) * float(np.finfo(t).tiny) ** 0.9,
    "huge": lambda r, n, t: of_spectrum(r, r.standard_normal(n), t) * float(np.finfo(t).max) ** 0.9,
    "subnormal": lambda r, n, t: of_spectrum(r, r.standard_normal(n), t) * float(np.finfo(t).tiny) / 16,
}


def draw(seed):
    """What a job is: drawn from its seed alone."""
    r = np.random.default_rng(seed)
    engine = r.choice(["lanes", "lapack", "scalapack", "auto"], p=[0.35, 0.25, 0.25, 0.15])
    n = int(r.choice(SMALL if engine == "lanes" or r.random() < 0.7 else LARGE))
    select = r.choice(["all", "lowest", "highest", "index", "range"], p=[0.5, 0.125, 0.125, 0.125, 0.125])
    if engine == "lanes" and n > 64:
        n = 64
    job = {"engine": str(engine), "n": n, "dtype": str(r.choice(TYPES)), "ranks": int(r.choice([1, 2, 3, 4, 6], p=[0.5, 0.2, 0.1, 0.1, 0.1])),
           "triangle": str(r.choice(["full", "lower", "upper"])), "select": str(select), "seed": seed,
           "each": max(1, min(40, 4000 // (n * n // 8 + 8)))}
    if engine == "scalapack":
        job["ranks"], job["each"] = max(job["ranks"], int(r.choice([1, 2, 4]))), 1
        job["block"] = int(r.choice([4, 8, 16, 32]))
    a, b = sorted(r.integers(0, n + 1, 2))
    job["window"] = (int(a), int(max(b, a + 1)) if a < n else n) if a < n else (0, n)
    return job


def matrices(job):
    r, t, n = np.random.default_rng(job["seed"] + (1 << 32)), np.dtype(job["dtype"]), job["n"]
    out = []
    for kind in KINDS:
        for _ in range(job["each"]):
            with np.errstate(all="ignore"):
                a = np.asarray(KINDS[kind](r, n, t))
                a = (a.real if t.kind == "f" else a).astype(t)
            lower = np.tril(a)
            a = lower + np.tril(a, -1).conj().T
            np.einsum("ii->i", a)[:] = np.einsum("ii->i", a).real
            out.append(a)
    return np.stack(out)


def selection(job):
    """The config's words, and which columns they are; of a range the numbers come with the matrix."""
    a, b = job["window"]
    return {"all": ("all", slice(0, job["n"])), "lowest": ({"lowest": b - a}, slice(0, b - a)),
            "highest": ({"highest": b - a}, slice(job["n"] - (b - a), job["n"])),
            "index": ({"index": [a, b]}, slice(a, b)),
            "range": ({"range": [-0.7, 1.3], "at_most": job["n"]}, None)}[job["select"]]


def times_power(x, exponent):
    """x 2^exponent, of real or complex x, also where the power alone would overflow."""
    x = np.ascontiguousarray(x)
    with np.errstate(all="ignore"):
        half = np.ldexp(x.view("float64"), exponent // 2)
        return np.ldexp(half, exponent - exponent // 2).view(x.dtype)


def judge(job, a, group):
    """What is wrong with each matrix: a list of texts."""
    n, t, wrong = job["n"], np.dtype(job["dtype"]), []
    wide = a.astype("complex128" if t.kind == "c" else "float64")
    words, columns = selection(job)
    for k, kind in enumerate(np.repeat(list(KINDS), job["each"])):
        status = int(group["status"][k])
        exponent = int(np.frexp(np.abs(wide[k]).max())[1])
        unit = times_power(wide[k], -exponent)
        with np.errstate(under="ignore", over="ignore"):
            true = scipy.linalg.eigvalsh(unit)
            norm = np.abs(true).max() if n else 0
            small = times_power(np.float64(np.finfo(t).smallest_subnormal), -exponent)  # what the type cannot hold
            bound = BOUND * max(n, 4) * (eps(t) * norm + small)
            w = times_power(group["eigenvalues"][k].astype("float64"), -exponent)
            v = group["eigenvectors"][k].astype(wide.dtype)
        say = lambda text: wrong.append(f"{kind}: {text}")
        if status == TOO_MANY and job["select"] == "range":
            continue
        if status == INTERNAL and kind == "subnormal" and t.itemsize // (1 + (t.kind == "c")) == 4 and job["select"] != "all":
            continue  # refused: what single precision stores of so small a spectrum fails its certificate
        if status not in (OK, SUBGRADIENT, GAUGE):
            say(f"status {status}")
            continue
        if columns is None:
            found = int(group["found"][k])
            w, v = w[:found], v[:, :found]
            low, high = times_power(np.array([-0.7, 1.3]), -exponent)
            surely = ((true > low + bound) & (true < high - bound)).sum()
            perhaps = ((true > low - bound) & (true < high + bound)).sum()
            if not surely <= found <= perhaps:
                say(f"{found} found, {surely} to {perhaps} there are")
                continue
            near = np.abs(true[:, None] - w[None]).min(0) if found else np.zeros(0)
        else:
            near = np.abs(true[columns] - w)
        if not (np.isfinite(w).all() and np.isfinite(v).all()):
            say("not finite")
        elif near.size and near.max() > bound:
            say(f"eigenvalue off by {near.max():.1e}, {bound:.1e} allowed")
        elif v.size and np.abs(unit @ v - v * w).max() > bound:
            say(f"residual {np.abs(unit @ v - v * w).max():.1e}, {bound:.1e} allowed")
        elif v.size and np.abs(v.conj().T @ v - np.eye(v.shape[1])).max() > BOUND * max(n, 4) * eps(t):
            say("not orthonormal")
        elif "gradient" in group and np.abs(group["gradient"][k] - np.eye(n)).max() > BOUND * max(n, 4) * eps(t):
            say("the gradient of the trace is not 1")
    return wrong


def attack(seed, directory):
    """One job: (cases, what was wrong)."""
    job = draw(seed)
    a = matrices(job)
    stored = a.copy()
    if job["triangle"] != "full" and job["n"] > 1:
        other = np.triu_indices(job["n"], 1) if job["triangle"] == "lower" else np.tril_indices(job["n"], -1)
        stored[:, other[0], other[1]] = np.nan
    for old in directory.iterdir():
        old.unlink()
    write(directory / "in.h5", H=stored)
    words, _ = selection(job)
    sections = {"input": {"file": "in.h5", "triangle": job["triangle"]}, "solve": {"solver": job["engine"], "select": words},
                "run": {"sync": "off", **({"block": job["block"], "distribute_from": 1} if "block" in job else {})}}
    if job["select"] == "all":
        write(directory / "cotangents.h5", **{"H/eigenvalues": np.ones((len(a), job["n"]))})
        sections["gradient"] = {"cotangents": "cotangents.h5"}
    path = config(directory, **sections)
    done = subprocess.run(command(path, ranks=job["ranks"]), capture_output=True, text=True, timeout=300)
    if done.returncode not in (0, 4):
        return len(a), [f"exit {done.returncode}: {done.stderr[-300:]}"], job
    with h5py.File(directory / "job-out.h5", "r") as f:
        group = {}
        f["H"].visititems(lambda name, item: group.__setitem__(name, item[:]) if isinstance(item, h5py.Dataset) else None)
    return len(a), judge(job, a, group), job


def run(count, seed, report=print):
    """Cases done, and a list of what was wrong."""
    cases, wrong = 0, []
    with tempfile.TemporaryDirectory(prefix="multiplet-torture-") as scratch:
        while cases < count:
            done, found, job = attack(seed, pathlib.Path(scratch))
            cases += done
            if found:
                wrong.append((job, found))
                report(f"job {seed}: {job}: {len(found)} of {done}: {'; '.join(found[:4])}")
            seed += 1
    return cases, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    a = parser.parse_args()
    cases, wrong = run(1 if a.only is not None else a.count, a.seed if a.only is None else a.only)
    print(f"torture: {cases} matrices of {len(KINDS)} kinds, {sum(len(found) for _, found in wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
