#!/usr/bin/env python3
"""Losses that are none of V f(w) V^H, at exact multiplets: how many are taken for one and then wrong?

    python3 tests/attack/forms.py [--count 1000000] [--seed 1] [--type float32]

Random losses through the library in batches: two functions of the matrix, a projector and a function, a projector and
a function of the eigenvalues, single vectors, the entropy of |v|^2. A loss counts as taken when its problem is OK and
its gradient is wrong by more than 1e-6 (in single precision 1e-2).
"""
import argparse
import os
import pathlib
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src/python")]
os.environ.setdefault("MULTIPLET_LIBRARY", str(ROOT / "build/libmultiplet.so"))

import numpy as np  # noqa: E402

from multiplet.backend import Library, Options  # noqa: E402

SHAPES = [(2, 2), (3, 2), (4, 3), (5, 2), (6, 4)]  # n, size of the multiplet
FUNCTIONS = [(np.exp, np.exp), (np.sin, np.cos), (np.sqrt, lambda w: 0.5 / np.sqrt(w)), (np.log, lambda w: 1 / w),
             (np.tanh, lambda w: 1 - np.tanh(w) ** 2), (np.square, lambda w: 2 * w)]


def draw(rng, count, n, dtype):
    x = rng.standard_normal((count, n, n))
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal((count, n, n))
    return ((x + x.conj().swapaxes(1, 2)) / 2).astype(dtype)


def turned(c, v):
    return v.conj().swapaxes(-1, -2) @ c @ v


class Batch:
    """Losses on `count` copies of one matrix; sums of terms, each with cotangents and a true gradient."""

    def __init__(self, rng, count, n, m, dtype):
        self.rng, self.dtype, self.n, self.m = rng, dtype, n, m
        self.w0 = np.r_[np.full(m, 0.75), 1.5 + np.arange(n - m)]
        order = rng.permutation(n)
        self.a = np.repeat(np.diag(self.w0[order])[None], count, 0).astype(dtype)
        self.options = Options(triangle="full", seed=int(rng.integers(1 << 30)))
        self.w, self.v, self.forward = Library().eigh(self.a, self.options)
        self.exact = np.eye(n)[:, np.argsort(self.w0[order], kind="stable")]
        self.gw, self.gv, self.truth = np.zeros_like(self.w), np.zeros_like(self.v), np.zeros(self.a.shape, complex)

    def function(self, f, df):
        c = draw(self.rng, len(self.a), self.n, self.dtype)
        inner = turned(c, self.v)
        self.gw += (df(self.w) * np.diagonal(inner, 0, 1, 2).real).astype(self.w.dtype)
        self.gv += (2 * (c @ self.v) * f(self.w)[:, None]).astype(self.dtype)
        w = np.sort(self.w0)
        gap = w - w[:, None]
        table = np.where(gap == 0, df(w) + 0 * gap, (f(w) - f(w)[:, None]) / np.where(gap == 0, 1, gap))
        self.add(table * turned(c.astype(complex), self.exact))

    def projector(self):
        c, inside = draw(self.rng, len(self.a), self.n, self.dtype), np.arange(self.n) < self.m
        self.gv += (np.where(inside, 2, 0) * (c @ self.v)).astype(self.dtype)
        w = np.sort(self.w0)
        across = inside[:, None] != inside
        table = np.where(across, (1.0 * inside - inside[:, None]) / np.where(across, w - w[:, None], 1), 0)
        self.add(table * turned(c.astype(complex), self.exact))

    def values(self, df):
        weight = self.rng.uniform(0.5, 2, (len(self.a), 1))
        self.gw += (weight * df(self.w)).astype(self.w.dtype)
        self.add(weight[:, :, None] * np.diag(df(np.sort(self.w0))))

    def add(self, inner):
        self.truth = self.truth + self.exact @ inner @ self.exact.T

    def vectors(self):
        a = self.rng.standard_normal(self.v.shape)
        self.gv += (2 * a * (a * self.v).sum(1, keepdims=True)).astype(self.dtype)
        self.truth = None

    def entropy(self):
        p = abs(self.v) ** 2
        weight = self.rng.standard_normal((len(self.a), 1, self.n))
        self.gv += (-2 * weight * self.v * (np.log(np.maximum(p, 1e-30)) + 1)).astype(self.dtype)
        self.truth = None

    def taken(self):
        g, certificate = Library().eigh_backward(self.w, self.v, self.gw, self.gv, self.forward, self.options)
        ok = certificate.status == 1
        if self.truth is None:
            return int(ok.sum())
        error = np.linalg.norm(g - self.truth, axis=(1, 2)) / np.linalg.norm(self.truth, axis=(1, 2))
        return int((ok & (error > (1e-6 if self.w.dtype == np.float64 else 1e-2))).sum())


def two(b, rng):
    for k in rng.permutation(len(FUNCTIONS))[:2]:
        b.function(*FUNCTIONS[k])


def projector_and_function(b, rng):
    b.projector()
    b.function(*FUNCTIONS[rng.integers(len(FUNCTIONS))])


def projector_and_values(b, rng):
    """The sum of a function of eigenvalues alone has equal cotangents in a multiplet; here two of them with one f."""
    b.projector()
    b.values(FUNCTIONS[rng.integers(len(FUNCTIONS))][1])


KINDS = {"two functions": two, "projector + function": projector_and_function,
         "projector + values": projector_and_values, "vectors": lambda b, rng: b.vectors(),
         "entropy of |v|^2": lambda b, rng: b.entropy()}


def survey(dtype, count, seed):
    """{kind: (losses, taken)}"""
    rng, found = np.random.default_rng(seed), {}
    for kind, add in KINDS.items():
        done = taken = 0
        while done < count:
            n, m = SHAPES[rng.integers(len(SHAPES))]
            b = Batch(rng, min(1000, count - done), n, m, dtype)
            add(b, rng)
            taken += b.taken()
            done += len(b.a)
        found[kind] = done, taken
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--type", choices="float32 float64 complex64 complex128".split())
    given = parser.parse_args()
    for dtype in [given.type] if given.type else "float64 complex128 float32 complex64".split():
        for kind, (count, taken) in survey(dtype, given.count // len(KINDS), given.seed).items():
            print(f"{dtype:12}{kind:24}{count:10} losses, {taken} taken for V f(w) V^H and wrong")


if __name__ == "__main__":
    main()
