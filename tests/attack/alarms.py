#!/usr/bin/env python3
"""False alarms: losses that depend on no basis and tell no equal eigenvalues apart. How many have a warning?

    python3 tests/attack/alarms.py [--count 100000] [--seed 1] [--type float32] [--engine lapack]

Random matrices of n = 2 to 24 with groups of eigenvalues: apart, a gap of 1e-3 to 1e-17 between two, all equal; to
rounding, or exactly. Losses as users' code computes them: projectors, far from their target and at it, functions,
logarithms of determinants, energies; of very different size by column. Prints the counts of each kind.

A fit whose residual is rounding alone, V f(w) V^H - T as matrix products leave it, has a part that is not Hermitian; to
(gw, gV) that is a dependence on the basis, and nothing tells it from a real one. The largest such residual is printed.
"""
import argparse
import collections
import os
import pathlib
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src/python")]
os.environ.setdefault("MULTIPLET_LIBRARY", str(ROOT / "build/libmultiplet.so"))

import numpy as np  # noqa: E402

from multiplet.backend import Library, Options  # noqa: E402
from multiplet.status import Status  # noqa: E402

TYPES = ["float32", "float64", "complex64", "complex128"]
GROUPS = [(1, 1), (2, 1), (2, 2), (3, 1, 2), (2, 4, 2), (5, 3, 4), (8, 8), (6, 12, 6)]
BATCH = 100


def adjoint(x):
    return x.conj().swapaxes(-1, -2)


def draw(rng, shape, dtype):
    return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else 0)


def hermitian(rng, n, dtype):
    x = draw(rng, (BATCH, n, n), dtype)
    return ((x + adjoint(x)) / 2).astype(dtype)


def spectra(rng, sizes):
    """[BATCH, n]; groups are far apart, their members as near as it comes."""
    columns = []
    for g, size in enumerate(sizes):
        w = np.sort(rng.uniform(0, 0.5, (BATCH, size)), 1)
        mode = rng.integers(3, size=BATCH)
        w[mode == 0] = w[mode == 0, :1]
        if size > 1:
            w[mode == 1, 1] = w[mode == 1, 0] + 10 ** rng.uniform(-17, -3, (mode == 1).sum())
        columns.append(w + 0.5 + 1.5 * g)
    return np.concatenate(columns, 1)


def matrices(rng, sizes, dtype):
    w = spectra(rng, sizes)
    q = np.linalg.qr(draw(rng, (BATCH, w.shape[1], w.shape[1]), dtype))[0]
    exact = rng.random(BATCH) < 0.3  # diagonal, in any order
    for k in np.flatnonzero(exact):
        q[k] = np.eye(w.shape[1])[rng.permutation(w.shape[1])]
    a = (q * w[:, None]) @ adjoint(q)
    return ((a + adjoint(a)) / 2).astype(dtype)


class Batch:
    def __init__(self, rng, dtype, engine):
        self.rng, self.dtype, self.sizes = rng, np.dtype(dtype), GROUPS[rng.integers(len(GROUPS))]
        self.a, self.options = matrices(rng, self.sizes, dtype), Options(triangle="full", solver=engine)
        self.w, self.v, self.forward = Library().eigh(self.a, self.options)
        self.n, self.first = self.w.shape[1], slice(0, self.sizes[0])
        self.residual = np.full(BATCH, np.inf)  # of a fit: what is left, relative to what is fitted

    def projector(self, v):
        return v[..., self.first] @ adjoint(v[..., self.first])

    def moved(self, size):
        """The pairs of matrices that are off by this."""
        off = np.asarray(size, self.dtype) * hermitian(self.rng, self.n, self.dtype)
        return Library().eigh(self.a + off, self.options)[:2]

    def left(self, one, other):
        norm = [np.linalg.norm(x, axis=(1, 2)) for x in (one - other, one)]
        self.residual = norm[0] / norm[1]
        return one - other

    def onto(self, difference):
        gv = np.zeros_like(self.v)
        gv[..., self.first] = 4 * difference @ self.v[..., self.first]
        return np.zeros_like(self.w), gv

    def function(self, f, slope, difference):
        cv = difference @ self.v
        gw = slope(self.w) * np.einsum("bji,bji->bi", self.v.conj(), cv).real
        return gw, 2 * cv * f(self.w)[:, None]

    def of(self, w, v, f):
        return (v * f(w)[:, None]) @ adjoint(v)


def projector_far(b):
    """|P - P0|^2"""
    w, v = b.moved(0.3)
    return b.onto(b.left(b.projector(b.v), b.projector(v)))


def projector_near(b):
    w, v = b.moved(10 ** b.rng.uniform(-12 if b.dtype.char in "dD" else -5, -3))
    return b.onto(b.left(b.projector(b.v), b.projector(v)))


def projector_at(b):
    """At the optimum: the difference is rounding alone, and none of it is Hermitian for certain."""
    w, v = b.moved(4 * np.finfo(b.dtype).eps)
    return b.onto(b.left(b.projector(b.v), b.projector(v)))


def whole_projectors(b):
    """sum_g c_g tr(C_g P_g), c from 1e-12 (1e-6) to 1"""
    gv, start = np.zeros_like(b.v), 0
    for size in b.sizes:
        part, weight = slice(start, start + size), 10 ** b.rng.uniform(-12 if b.dtype.char in "dD" else -6, 0)
        gv[..., part] = np.asarray(weight, b.w.dtype) * 2 * (hermitian(b.rng, b.n, b.dtype) @ b.v[..., part])
        start += size
    return np.zeros_like(b.w), gv


def exponential(b):
    return b.function(np.exp, np.exp, hermitian(b.rng, b.n, b.dtype))


def root(b):
    return b.function(np.sqrt, lambda w: 0.5 / np.sqrt(w), hermitian(b.rng, b.n, b.dtype))


def fit_near(b):
    """|exp(A) - exp(A0)|^2"""
    w, v = b.moved(10 ** b.rng.uniform(-12 if b.dtype.char in "dD" else -5, -3))
    return b.function(np.exp, np.exp, 2 * b.left(b.of(b.w, b.v, np.exp), b.of(w, v, np.exp)))


def fit_at(b):
    w, v = b.moved(4 * np.finfo(b.dtype).eps)
    return b.function(np.exp, np.exp, 2 * b.left(b.of(b.w, b.v, np.exp), b.of(w, v, np.exp)))


def fit_at_hermitian(b):
    """The same where the user's code makes the difference Hermitian."""
    w, v = b.moved(4 * np.finfo(b.dtype).eps)
    difference = b.left(b.of(b.w, b.v, np.exp), b.of(w, v, np.exp))
    return b.function(np.exp, np.exp, difference + adjoint(difference))


def logdet(b):
    return 1 / b.w, None


def energy(b):
    gw = np.zeros_like(b.w)
    gw[:, b.first] = 2
    return gw, None


def free_energy(b):
    beta = b.w.dtype.type(5)
    return 1 / (1 + np.exp(beta * (b.w - 1))), None


KINDS = [projector_far, projector_near, projector_at, whole_projectors, exponential, root, fit_near, fit_at,
         fit_at_hermitian, logdet, energy, free_energy]


def survey(dtype, count, seed, engine="auto"):
    """{kind: a Counter of statuses, and the largest residual of a fit that had a warning}."""
    rng, found = np.random.default_rng([seed, TYPES.index(dtype)]), {}
    for k in range(max(1, count // BATCH)):
        kind, b = KINDS[k % len(KINDS)], Batch(rng, dtype, engine)
        gw, gv = kind(b)
        gw, gv = (x if x is None else np.ascontiguousarray(x) for x in (gw, gv))
        _, certificate = Library().eigh_backward(b.w, b.v, gw, gv, b.forward, b.options)
        of_kind = found.setdefault(kind.__name__, [collections.Counter(), 0])
        of_kind[0].update(Status(int(s)).name for s in certificate.status)
        of_kind[1] = max(of_kind[1], b.residual[certificate.status != Status.OK].max(initial=0))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=100_000, help="losses of each type")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--type", choices=TYPES)
    parser.add_argument("--engine", choices=["auto", "lanes", "lapack"], default="auto")
    given = parser.parse_args()
    for dtype in [given.type] if given.type else TYPES:
        for kind, (counts, residual) in survey(dtype, given.count, given.seed, given.engine).items():
            alarms = {name: c for name, c in counts.items() if name != "OK"}
            below = f", of residuals up to {residual:.1e}" if 0 < residual < np.inf else ""
            print(f"{dtype:12}{kind:20}{sum(counts.values()):8} losses, alarms: {alarms or 'none'}{below}", flush=True)


if __name__ == "__main__":
    main()
