#!/usr/bin/env python3
"""What gradients were known to get wrong, row by row: true error, estimate and status.

    python3 tests/attack/tables.py [--engine lapack]

Logarithms of determinants and lowest eigenvalues in single precision; one vector of a near pair; V f(w) V^H composed
through the pairs at every gap; losses that depend on the basis and hide it; second derivatives; Fermi levels of an
almost full spectrum. tests/python/test_tables.py holds a sample.
"""
import argparse
import collections
import os
import pathlib
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src/python"), str(pathlib.Path(__file__).parent)]
os.environ.setdefault("MULTIPLET_LIBRARY", str(ROOT / "build/libmultiplet.so"))

import numpy as np  # noqa: E402

import problems  # noqa: E402
from multiplet import library  # noqa: E402
from multiplet.backend import Function, Library, Options  # noqa: E402
from multiplet.status import Status  # noqa: E402
from reference import Exact, Scalar  # noqa: E402

Row = collections.namedtuple("Row", "name error estimate status rule")
GAPS = [1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12, 0]
CONDITIONS = {"cond 1e2, n = 512": (512, 1e2), "cond 1e4, n = 64": (64, 1e4), "cond 1e6, n = 64": (64, 1e6),
              "exactly degenerate, n = 64": (64, 1)}


def gradient(a, cotangents, engine="auto"):
    """G, the report of one matrix, w; cotangents(w, v) are what the loss's own code computes."""
    options = Options(triangle="full", solver=engine)
    w, v, forward = Library().eigh(a[None], options)
    gw, gv = (np.ascontiguousarray(x)[None].astype(t) for x, t in zip(cotangents(w[0], v[0]), (w.dtype, v.dtype)))
    g, certificate = Library().eigh_backward(w, v, gw, gv, forward, options)
    return g[0], certificate.report[0], w[0], v[0]


def row(name, g, report, truth):
    """truth None: there is none."""
    error = np.nan if truth is None else float(np.linalg.norm(g - truth) / np.linalg.norm(truth))
    return Row(name, error, float(report["gradient_error"]), Status(int(report["status"])).name,
               library.RULES[int(report["rule"])])


def of_spectrum(w, dtype, seed=1):
    """These eigenvalues to rounding, at random vectors."""
    rng, w = np.random.default_rng([seed, len(w)]), np.asarray(w)
    q = np.linalg.qr(problems.draw(rng, (len(w), len(w)), np.dtype(dtype).kind == "c"))[0]
    a = q * w @ q.conj().T
    return problems._symmetric((a + a.conj().T) / 2).astype(dtype)


def covariance(n, condition, seed=1):
    if condition == 1:  # equal blocks
        return np.kron(np.eye(n // 4), of_spectrum([0.5, 1, 1.5, 2], "float32", seed)).astype("float32")
    return of_spectrum(np.logspace(-np.log10(condition), 0, n), "float32", seed)


def logdets(engine="auto"):
    """Of the sum of log w, whose gradient is the inverse."""
    for name, arguments in CONDITIONS.items():
        a = covariance(*arguments)
        g, report, _, _ = gradient(a, lambda w, v: (1 / w, 0 * v), engine)
        yield row("sum log w, " + name, g, report, np.linalg.inv(a.astype("float64")))


def regret(engine="auto"):
    """(tr G A - w_0) / (eps ||A||) of the lowest eigenvalue's gradient G."""
    a = covariance(512, 1e2)
    g, report, w, _ = gradient(a, lambda w, v: (np.eye(len(w))[0], 0 * v), engine)
    lowest = np.linalg.eigvalsh(a.astype("float64"))[0]
    value = (np.sum(g.astype("float64") * a) - lowest) / (np.finfo("float32").eps * w[-1])
    return Row("regret of the lowest, n = 512", value, float(report["gradient_error"]),
               Status(int(report["status"])).name, library.RULES[int(report["rule"])])


def lone_pairs(engine="auto"):
    for gap in (1e-4, 1e-6, 1e-8, 1e-10, 1e-12):
        a = of_spectrum([-1, -0.3, 0.2, 0.2 + gap, 0.7, 1], "float64")
        x = np.random.default_rng(2).standard_normal((6, 1))
        term = problems.Vectors([2], np.ones(1), x)
        g, report, _, v = gradient(a, term.cotangents, engine)
        yield row(f"one vector of a pair, gap {gap:g}", g, report, term.truth(Exact(a), v))


def composed(kind, gap, dtype="complex128", engine="auto", seed=1):
    """tr(C f(A)), composed through the pairs."""
    rng = np.random.default_rng(seed)
    if gap == 0:
        a = np.kron(np.eye(2), of_spectrum([0.4, 1.1, 2.5], dtype, seed)).astype(dtype)
    else:
        a = of_spectrum([0.4, 1.1, 1.1 + gap, 1.9, 2.5], dtype, seed)
    term = problems.Function(Scalar(kind), c=problems.hermitian(rng, len(a), dtype))
    g, report, _, v = gradient(a, term.cotangents, engine)
    return row(f"{kind}, gap {gap:g}", g, report, term.truth(Exact(a), v))


def forms(engine="auto"):
    """The median of five."""
    for kind in ("sqrt", "exp"):
        for gap in GAPS:
            yield sorted((composed(kind, gap, engine=engine, seed=s) for s in range(5)), key=lambda r: r.error)[2]


def _at(n, i, j, value):
    g = np.zeros((n, n))
    g[i, j] = value
    return g


def diluted(c):
    """c tr(V^T V) + v[1, 0]^2: the first part is constant and cancels."""
    return lambda w, v: (0 * w, 2 * c * v + _at(len(w), 1, 0, 2 * v[1, 0]))


M2 = np.array([[2.0, 1], [1, 3]])
HIDDEN = {  # matrix, cotangents
    "diag(4,1,1), v[2,0]": (np.diag([4.0, 1, 1]), lambda w, v: (0 * w, _at(3, 2, 0, 1))),
    "diag(4,1,1), v[1,0]^2": (np.diag([4.0, 1, 1]), lambda w, v: (0 * w, _at(3, 1, 0, 2 * v[1, 0]))),
    "diag(4,1,1), sum v^4": (np.diag([4.0, 1, 1]), lambda w, v: (0 * w, 4 * v ** 3)),
    "kron(I2, M), v[0,0]^2": (np.kron(np.eye(2), M2), lambda w, v: (0 * w, _at(4, 0, 0, 2 * v[0, 0]))),
    "c = 100, float32": (np.diag([4, 1, 1]).astype("float32"), diluted(100)),
    "c = 1e6": (np.diag([4.0, 1, 1]), diluted(1e6)),
}


def hidden(engine="auto"):
    for name, (a, cotangents) in HIDDEN.items():
        yield row("basis: " + name, *gradient(a, cotangents, engine)[:2], None)


def second_derivative(gap=1e-8):
    """Of tr(M P), P of the whole pair, along a direction: against differences of exact gradients."""
    import torch
    import multiplet.torch as mt
    rng = np.random.default_rng(3)
    a = of_spectrum([-1, -1 + gap, 0.2, 0.7, 1], "float64")
    m, d = (problems.hermitian(rng, 5, "float64") for _ in range(2))
    x = torch.tensor(a, requires_grad=True)
    v = mt.eigh(x).eigenvectors[:, :2]
    first, = torch.autograd.grad((torch.tensor(m) @ v @ v.mT).trace(), x, create_graph=True)
    second, = torch.autograd.grad((first * torch.tensor(d)).sum(), x)
    step = 2.0 ** -17
    ends = [Exact(a + s * step * d).of_projector((0, 2), m) for s in (1, -1)]
    truth = (ends[0] - ends[1]) / (2 * step)
    second = (second + second.mT).numpy() / 2
    error = float(np.linalg.norm(second - truth) / np.linalg.norm(truth))
    return Row(f"second derivative of tr(M P), gap {gap:g}", error, np.nan, "", "")


def almost_full(few=1e-12):
    """The gradient of tr(C f(A)) for n - few electrons is that of -A for few of them."""
    rng, n = np.random.default_rng(4), 6
    a, c = of_spectrum([-1, -0.4, 0.1, 0.5, 0.8, 1], "float64"), problems.hermitian(rng, n, "float64")
    electrons, options, g = n - few, Options(triangle="full"), []
    for matrix, count in ((a, electrons), (-a, n - electrons)):
        function = Function("fermi", beta=3.0, electrons=count)
        _, w, v, forward = Library().function(matrix[None], function, options)
        found, certificate = Library().function_backward(w, v, function, c[None], forward, options)
        g.append(found[0])
    return row(f"Fermi, n - {few:g} electrons", g[0], certificate.report[0], g[1])


def show(rows):
    for r in rows:
        print(f"{r.name:46}{r.error:10.1e}{r.estimate:10.1e}  {r.status:16}{r.rule}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", choices=["auto", "lanes", "lapack"], default="auto")
    engine = parser.parse_args().engine
    print(f"{'':46}{'error':>10}{'estimate':>10}  status")
    show(logdets(engine))
    show([regret(engine)])
    show(lone_pairs(engine))
    show(forms(engine))
    show(hidden(engine))
    show([second_derivative(), almost_full()])


if __name__ == "__main__":
    main()
