#!/usr/bin/env python3
"""The library's error estimates against the truth, on random problems (problems.py), through eigh and its gradient.

    MULTIPLET_LIBRARY=build/libmultiplet.so python3 tests/attack/estimates.py --count 10000 --seed 1

Prints, for each kind of loss and decade of the smallest gap, how many problems have which status, and of those with
status OK the true relative error of the gradient, the estimate, and quantiles of true / estimate. A gradient of a
loss that has none, or whose truth is zero, is counted apart.
"""
import argparse
import collections
import csv
import multiprocessing
import os
import pathlib
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src/python"), str(pathlib.Path(__file__).parent)]
os.environ.setdefault("MULTIPLET_LIBRARY", str(ROOT / "build/libmultiplet.so"))

import numpy as np  # noqa: E402

import problems  # noqa: E402
from multiplet.backend import Function, Library, Options  # noqa: E402
from multiplet.status import Status  # noqa: E402

FIELDS = "number type kind function family n gap status estimate error scale gauge spread rule".split()


def solve(problem, engine):
    """(v, g, certificate) of one problem."""
    library, options = Library(), Options(triangle="full", solver=engine)
    if problem.entry:
        return through_entry(library, options, problem.a[None], problem.terms[0])
    w, v, forward = library.eigh(problem.a[None], options)
    gw, gv = (np.ascontiguousarray(x)[None] for x in problem.cotangents(w[0], v[0]))
    g, certificate = library.eigh_backward(w, v, gw, gv, forward, options)
    return v[0], g[0], certificate


def through_entry(library, options, a, term):
    if isinstance(term, problems.Frame):
        _, w, v, forward = library.frame(a, term.index, term.r, options)
        g, _, certificate = library.frame_backward(w, v, term.index, term.r, term.c[None], forward, options)
        return v[0], g[0], certificate
    if isinstance(term, problems.Projector):
        function = Function("projector", index=term.index)
    else:
        kind = {"square": "power"}.get(term.f.kind, term.f.kind)
        function = Function(kind, **({"exponent": 2.0} if term.f.kind == "square" else term.f.p))
    _, w, v, forward = library.function(a, function, options)
    g, certificate = library.function_backward(w, v, function, np.ascontiguousarray(term.c)[None], forward, options)
    return v[0], g[0], certificate


def measure(arguments):
    """A row of FIELDS. error is NaN without a truth, scale is the truth's norm."""
    seed, number, dtype, kind, engine = arguments
    problem = problems.make(seed, number, dtype, kind)
    v, g, certificate = solve(problem, engine)
    truth = problem.truth(v)
    error = scale = np.nan
    if truth is not None:
        wide = g.astype(truth.dtype)
        scale = np.linalg.norm(truth)
        with np.errstate(all="ignore"):
            error = float(np.linalg.norm(wide - truth) / scale) if scale > 0 else np.nan
    report = certificate.report[0]
    return dict(number=number, type=dtype, kind=problem.kind, function=problem.function, family=problem.family,
                n=len(v), gap=problem.gap, status=Status(int(report["status"])).name,
                estimate=float(report["gradient_error"]), error=error, scale=float(scale),
                gauge=float(report["gauge_violation"]), spread=float(report["cotangent_spread"]), rule=int(report["rule"]))


def decade(gap):
    return "0" if gap == 0 else f"1e{max(int(np.floor(np.log10(gap))), -17)}"


def _quantiles(x):
    if not len(x):
        return "       -        -        -"
    return " ".join(f"{q:8.1e}" for q in (np.median(x), np.quantile(x, 0.99), x.max()))


HEADER = (f"{'':42}{'statuses':28}{'true error':>26}{'estimate':>10} {'true / estimate':>26}  above: {'3':>6} "
          f"{'10':>6} {'est/true':>9}\n{'':70}{'median     99 %      max':>26}{'median':>10} {'median     99 %      max':>26}")


def line(name, rows):
    counts = collections.Counter(r["status"] for r in rows)
    said = " ".join(f"{k if len(k) < 9 else k[:8]}:{c}" for k, c in counts.most_common())
    good = [r for r in rows if r["status"] == "OK" and np.isfinite(r["error"])]
    error, estimate = (np.array([r[k] for r in good]) for k in ("error", "estimate"))
    floor = np.maximum(estimate, 1e-300)
    ratio = error / floor
    middle = f"{np.median(estimate):10.1e}" if len(good) else f"{'-':>10}"
    above = "".join(f" {100 * (ratio > k).mean():5.2f}%" for k in (3, 10)) if len(good) else ""
    back = np.median(estimate / np.maximum(error, 1e-40)) if len(good) else np.nan
    return f"{name:42.42}{said:28.28} {_quantiles(error)}{middle} {_quantiles(ratio)}       {above} {back:9.1e}"


def table(rows, by_gap=True):
    print(HEADER)
    for kind in sorted({r["kind"] for r in rows}):
        own = [r for r in rows if r["kind"] == kind]
        print(line(kind, own))
        if by_gap:
            for name in sorted({decade(r["gap"]) for r in own}, key=float, reverse=True):
                print(line("    gap " + name, [r for r in own if decade(r["gap"]) == name]))
    print(line("all", rows))
    for what, some in (("no truth, status OK", [r for r in rows if r["status"] == "OK" and np.isnan(r["scale"])]),
                       ("truth is zero, status OK", [r for r in rows if r["status"] == "OK" and r["scale"] == 0]),
                       ("not finite, status OK", [r for r in rows if r["status"] == "OK" and r["scale"] > 0
                                                  and not np.isfinite(r["error"])])):
        kinds = collections.Counter(r["kind"] for r in some)
        print(f"{what}: {len(some)}", dict(kinds))


def functions_by_gap(rows):
    """The error of V f(w) V^H composed through the eigenpairs, status OK, largest and median of each decade."""
    rows = [r for r in rows if r["kind"].startswith("function") and "values" not in r["kind"]]
    decades = sorted({decade(r["gap"]) for r in rows}, key=float, reverse=True)
    print("\nerrors of functions composed through eigenpairs, by gap: largest / median, of those with status OK")
    print(f"{'':10}" + "".join(f"{d:>16}" for d in decades))
    for f in sorted({r["function"] for r in rows}):
        cells = []
        for d in decades:
            own = [r for r in rows if r["function"] == f and decade(r["gap"]) == d]
            error = [r["error"] for r in own if r["status"] == "OK" and np.isfinite(r["error"])]
            cells.append(f"{max(error):8.0e}/{np.median(error):.0e}" if error else f"{'-' if own else '':>8}")
        print(f"{f:10}" + "".join(f"{c:>16}" for c in cells))


def describe(row):
    return " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items())


def worst(rows, count):
    good = [r for r in rows if r["status"] == "OK" and np.isfinite(r["error"])]
    good.sort(key=lambda r: -r["error"] / max(r["estimate"], 1e-300))
    if not count:
        return
    print("\nthe worst of true / estimate (again with --only NUMBER, same --seed, --type and --kind):")
    for r in good[:count]:
        print(f"  {r['error'] / max(r['estimate'], 1e-300):8.1e}  {describe(r)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="problems of each type")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=list(problems.ALL))
    parser.add_argument("--engine", choices=["lanes", "lapack", "auto"], default="auto")
    parser.add_argument("--type", action="append", choices=["float32", "float64", "complex64", "complex128"])
    parser.add_argument("--worst", type=int, default=0, metavar="K")
    parser.add_argument("--only", type=int, metavar="NUMBER")
    parser.add_argument("--csv", type=pathlib.Path)
    parser.add_argument("--brief", action="store_true", help="no lines by gap")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    everything, start = [], time.time()
    for dtype in options.type or ["float32", "float64", "complex64", "complex128"]:
        numbers = range(options.count) if options.only is None else [options.only]
        tasks = [(options.seed, k, dtype, options.kind, options.engine) for k in numbers]
        if options.only is not None:
            print(describe(measure(tasks[0])))
            continue
        with multiprocessing.Pool(options.jobs) as pool:
            rows = pool.map(measure, tasks, chunksize=16)
        print(f"\n{dtype}, {options.engine}, {len(rows)} problems")
        table(rows, not options.brief)
        functions_by_gap(rows)
        worst(rows, options.worst)
        everything += rows
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            out = csv.DictWriter(file, FIELDS)
            out.writeheader()
            out.writerows(everything)
    print(f"{time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
