#!/usr/bin/env python3
"""Gradients of selections against the truth, with narrow gaps at the edge of the selection and inside it.

    MULTIPLET=build/bin/multiplet python3 tests/attack/selections.py --count 2000 --seed 1

Jobs of two passes, select: {lowest: k} or {highest: k}; n = 2 to 64; the edge gap, an inner gap, or both are 2 to 1e6
times what rounding can tell apart, 5 sqrt(n) eps ||A||. Prints what estimates.py prints; the gap is that of the edge.
"""
import argparse
import pathlib
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(pathlib.Path(__file__).parent), str(ROOT / "tests/python")]

import estimates  # noqa: E402
import job  # noqa: E402
import problems  # noqa: E402
from multiplet.status import Status  # noqa: E402
from reference import Exact, Scalar  # noqa: E402

GROUPS = ((2, 3, 4), (6, 8, 12, 16), (24, 32, 48, 64))  # the sizes of a job
SIZES = sum(GROUPS, ())
FUNCTION = Scalar("exp")


def matrix(rng, n, k, dtype):
    """Of norm 1 and k selected pairs, with the two gaps as they may come."""
    is_complex, tolerance = np.dtype(dtype).kind == "c", 5 * np.sqrt(n) * np.finfo(dtype).eps
    w = np.sort(rng.uniform(-1, 1, n))
    which = rng.integers(1, 4)
    gap = tolerance * 10 ** rng.uniform(np.log10(2), 6, 2)
    w[k:] += 0.2
    if which & 1:  # the edge
        w[k:] += w[k - 1] + gap[0] - w[k]
    if which & 2 and k > 1:  # between the last two that are selected, or two others
        p = k - 2 if rng.random() < 0.5 else int(rng.integers(k - 1))
        w[p + 1:] += w[p] + gap[1] - w[p + 1]
    q = np.linalg.qr(problems.draw(rng, (n, n), is_complex))[0]
    return problems._symmetric(q * (w / max(abs(w[0]), abs(w[-1]))) @ q.conj().T).astype(dtype)


class Loss:
    """Of the selected pairs kept = slice; `kind` projector, vectors, or function."""
    KINDS = ("projector", "vectors", "function")

    def __init__(self, rng, kind, n, k, dtype):
        real = np.zeros(0, dtype).real.dtype
        self.kind, self.c = kind, problems.hermitian(rng, n, dtype)
        self.a = problems.draw(rng, (n, k), np.dtype(dtype).kind == "c").astype(dtype)
        self.weights = rng.standard_normal(k).astype(real)

    def cotangents(self, w, v):
        if self.kind == "projector":
            return np.zeros_like(w), 2 * self.c @ v
        if self.kind == "vectors":
            return np.zeros_like(w), 2 * self.weights * self.a * (self.a.conj() * v).sum(0)
        y, cv = FUNCTION.value(w), self.c @ v
        return FUNCTION.slope(w) * (v.conj() * cv).sum(0).real, 2 * cv * y

    def truth(self, exact, kept):
        n = len(exact.w)
        if self.kind == "projector":
            return exact.of_projector((kept.start, kept.stop), self.c)
        if self.kind == "vectors":
            gv = np.zeros_like(exact.v)
            gv[:, kept] = self.cotangents(exact.values[kept], exact.v[:, kept])[1]
            return exact.of_vectors(gv)
        inside = np.isin(np.arange(n), np.arange(n)[kept])
        x, apart = exact.values, np.where(exact.gap == 0, 1, exact.gap)
        f = np.where(inside, FUNCTION.value(x), 0)
        quotient = (f - f[:, None]) / apart
        both = inside & inside[:, None]
        return exact.out_of(np.where(both, FUNCTION.differences(x, exact.gap), quotient) * exact.into(self.c))


def measure(folder, dtype, solver, seed, count):
    """Rows as estimates.py makes them, of `count` matrices of each size."""
    rng = np.random.default_rng([seed, job.TYPES.index(dtype)])
    rows = []
    for sizes in GROUPS:
        at = pathlib.Path(folder) / str(sizes[0])
        at.mkdir()
        highest, k = rng.random() < 0.3, int(rng.integers(1, sizes[0]))
        kept = {n: slice(n - k, n) if highest else slice(0, k) for n in sizes}
        a = {n: np.stack([matrix(rng, n, n - k if highest else k, dtype) for _ in range(count)]) for n in sizes}
        losses = {n: [Loss(rng, Loss.KINDS[rng.integers(3)], n, k, dtype) for _ in range(count)] for n in sizes}
        result = two_passes(at, a, losses, {"select": {"highest" if highest else "lowest": k}, "solver": solver})
        rows += [row(result[n], b, dtype, losses[n][b], Exact(a[n][b]), kept[n]) for n in sizes for b in range(count)]
    return [{**r, "number": k} for k, r in enumerate(rows)]


def two_passes(at, a, losses, solve):
    """The second one's result, of each size."""
    job.write(at / "in.h5", **{f"H{n}": x for n, x in a.items()})
    job.run(job.config(at, "forward", output={"file": "forward.h5"}, solve=solve))
    cotangents = {}
    for n in a:
        r = job.read(at / "forward.h5", f"H{n}")
        parts = [loss.cotangents(w, v) for loss, w, v in zip(losses[n], r["eigenvalues"], r["eigenvectors"])]
        cotangents[f"H{n}/eigenvalues"], cotangents[f"H{n}/eigenvectors"] = map(np.stack, zip(*parts))
    job.write(at / "c.h5", **cotangents)
    path = job.config(at, solve=solve, gradient={"cotangents": "c.h5", "eigenpairs": "forward.h5"})
    done = job.subprocess.run(job.command(path), capture_output=True, text=True)
    assert done.returncode in (0, 4), done.stderr
    return {n: job.read(at / "job-out.h5", f"H{n}") for n in a}


def row(r, b, dtype, loss, exact, kept):
    truth = loss.truth(exact, kept)
    error = scale = np.nan
    if truth is not None:
        scale = float(np.linalg.norm(truth))
        error = float(np.linalg.norm(r["gradient"][b] - truth) / scale)
    edges = [exact.gap[i - 1, i] for i in (kept.start, kept.stop) if 0 < i < len(exact.w)]
    return dict(number=b, type=dtype, kind="selection: " + loss.kind, function="", family="", n=len(exact.w),
                gap=float(min(edges) / exact.norm), status=Status(int(r["status"][b])).name, error=error, scale=scale,
                estimate=float(r["diagnostics/gradient_error"][b]), gauge=float(r["diagnostics/gauge_violation"][b]),
                spread=float(r["diagnostics/cotangent_spread"][b]), rule=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="problems of each type")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--solver", default="lapack", choices=["lapack", "lanes", "auto"])
    parser.add_argument("--worst", type=int, default=0, metavar="K")
    options = parser.parse_args()
    for dtype in job.TYPES:
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(folder, dtype, options.solver, options.seed, max(1, options.count // len(SIZES)))
        print(f"\n{dtype}, {options.solver}, {len(rows)} problems")
        estimates.table(rows)
        estimates.worst(rows, options.worst)


if __name__ == "__main__":
    main()
