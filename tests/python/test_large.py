"""Matrices that are solved by LAPACK's parts and the package's own back-transformation, and on all threads."""
import os
import subprocess
import sys

import numpy as np
import pytest

import multiplet

TYPES = ["float32", "float64", "complex64", "complex128"]
RNG = np.random.default_rng(5)


def unitary(n, dtype):
    x = RNG.standard_normal((n, n)) + (1j * RNG.standard_normal((n, n)) if np.dtype(dtype).kind == "c" else 0)
    return np.linalg.qr(x)[0]


def check(a, w, v, exact=None):
    """In double precision, relative to the rounding of the type; `exact` ascending."""
    n, eps = a.shape[-1], np.finfo(a.dtype).eps
    a, v, w = a.astype("c16"), v.astype("c16"), w.astype("f8")
    size = max(np.abs(w).max(), np.finfo("f8").tiny)
    assert np.linalg.norm(v.conj().T @ v - np.eye(n)) <= 5 * n * eps
    assert np.linalg.norm(a / size @ v - v * (w / size)) <= 5 * n * eps
    exact = np.linalg.eigvalsh(a / size) if exact is None else exact / size
    assert np.abs(w / size - exact).max() <= 5 * n ** 0.5 * eps


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n", [255, 256, 257, 300, 321, 520])
def test_ordinary_and_repeated_eigenvalues(n, dtype):
    """Sizes beside the edges of its blocks, on two threads."""
    q = unitary(n, dtype)
    for spectrum in (np.sort(RNG.standard_normal(n)), np.repeat([-1.0, 0.5, 2], [n // 3, n // 3, n - 2 * (n // 3)])):
        a = ((q * spectrum) @ q.conj().T)
        a = ((a + a.conj().T) / 2).astype(dtype)
        w, v = multiplet.eigh(a, threads=2)
        check(a, w, v)


@pytest.mark.parametrize("dtype", TYPES)
def test_matrices_without_reflectors(dtype):
    """Diagonal and block diagonal ones, zero, and tridiagonal ones: some reflectors, or all, are the identity."""
    n = 270
    diagonal = np.diag(np.arange(n)[::-1]).astype(dtype)
    blocks = diagonal.copy()
    blocks[:70, :70] += 1
    chain = np.diag(np.ones(n - 1), 1)
    for a, exact in ((diagonal, np.arange(n)), (np.zeros((n, n)), np.zeros(n)), (blocks, None),
                     (chain + chain.T, 2 * np.cos(np.arange(n, 0, -1) * np.pi / (n + 1)))):
        a = a.astype(dtype)
        w, v = multiplet.eigh(a)
        check(a, w, v, exact)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_largest_and_smallest_numbers(dtype):
    n, info = 260, np.finfo(dtype)
    q = unitary(n, dtype)
    for size in (float(info.max) / n, float(info.tiny) * 16):
        spectrum = np.sort(RNG.uniform(-1, 1, n)) * size
        a = (q * spectrum) @ q.conj().T
        a = ((a + a.conj().T) / 2).astype(dtype)
        w, v = multiplet.eigh(a)
        check(a, w, v, spectrum)


def test_bits_do_not_depend_on_the_batch():
    a = RNG.standard_normal((3, 515, 515))
    a = a + a.swapaxes(1, 2)
    w, v = multiplet.eigh(a, threads=2)
    for k in range(3):
        alone = multiplet.eigh(a[k], threads=2)
        assert np.array_equal(alone[0], w[k]) and np.array_equal(alone[1], v[k])


def run(program):
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300,
                   env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})


def test_a_child_whose_parent_used_pytorchs_threads():
    """They are missing in the child, in which the first call comes; PyTorch's own arithmetic would wait for them."""
    pytest.importorskip("torch")
    run("""
import os, signal, numpy as np, torch, multiplet.torch as mt
torch.set_num_threads(2)
x = torch.randn(1200, 1200)
(x @ x).exp().sum()
given = [torch.randn(*shape).double() for shape in ((50, 90, 90), (530, 530))]
given = [a + a.mT for a in given]
expected = [np.linalg.eigvalsh(a.numpy()) for a in given]
child = os.fork()
if not child:
    signal.alarm(60)
    for a, e in zip(given, expected):
        w, v = mt.eigh(a)
        assert np.abs(w.numpy() - e).max() < 1e-12 * np.abs(e).max()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
for a, e in zip(given, expected):
    assert np.abs(mt.eigh(a)[0].numpy() - e).max() < 1e-12 * np.abs(e).max()
""")


def test_several_callers_and_forks():
    """Large and small matrices at the same time, and in a child that was forked meanwhile."""
    program = """
import os, threading, numpy as np, multiplet
rng = np.random.default_rng(0)
large, small = rng.standard_normal((530, 530)), rng.standard_normal((50, 90, 90))
large, small = large + large.T, small + small.swapaxes(1, 2)
expected = multiplet.eigh(large, threads=2), multiplet.eigh(small, threads=2)
same = []
def call(a, e):
    for _ in range(5):
        w, v = multiplet.eigh(a, threads=2)
        same.append(np.allclose(w, e[0]) and np.allclose(abs(v), abs(e[1]), atol=1e-9))
threads = [threading.Thread(target=call, args=x) for x in 2 * [(large, expected[0]), (small, expected[1])]]
for t in threads: t.start()
children = []
for _ in range(4):
    child = os.fork()
    if not child:
        call(large, expected[0]); call(small, expected[1])
        os._exit(0 if all(same) else 1)
    children.append(child)
for t in threads: t.join()
assert all(same), same
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""
    run(program)
