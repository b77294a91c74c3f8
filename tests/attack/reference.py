"""The truth about a matrix as it is stored: eigenpairs to 31 digits, gradients to about 18.

quad.c gives the eigenpairs; all else is NumPy's longdouble (64 bits of mantissa). Eigenvalues are pairs of numbers
(hi, lo), so that a gap of 1e-16 has all its digits. A gradient is V X V^H, X by the loss's own formula, in which
nothing small is a difference:
  of vectors        K_ij / gap
  of projectors     the block between inside and outside
  of functions      Daleckii and Krein with stable divided differences
  of eigenvalues    the diagonal
"""
import ctypes
import functools
import hashlib
import os
import pathlib
import subprocess
import tempfile

import numpy as np

SOURCE = pathlib.Path(__file__).with_name("quad.c")
FLAGS = ["-std=gnu11", "-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
EQUAL = 1e-27  # relative to ||A||: nearer than this are equal; quad.c's own error is 1e-31 n


@functools.lru_cache(None)
def _compiled():
    """quad.c as a library, kept in the folder for temporary files under the name of its contents."""
    name = hashlib.sha256(SOURCE.read_bytes() + " ".join(FLAGS).encode()).hexdigest()[:16]
    path = pathlib.Path(tempfile.gettempdir()) / f"multiplet-quad-{os.getuid()}-{name}.so"
    if not path.exists():
        own = path.with_suffix(f".{os.getpid()}")
        subprocess.run([os.environ.get("CC", "cc"), *FLAGS, "-o", str(own), str(SOURCE), "-lm"], check=True)
        own.rename(path)
    return ctypes.CDLL(str(path)).mpt_quad_eigh


def _long(high, low):
    return high.astype(np.longdouble) + low


def _is_graded(a):
    size = np.sqrt(np.abs(np.diag(a)))
    if not len(a) or size.max() < 1e4 * size.min() or size.min() == 0:
        return False
    core = np.abs(a) / size / size[:, None]
    return bool((core - np.diag(np.diag(core))).sum(0).max() < 0.9)


class Exact:
    """Eigenpairs of one Hermitian matrix, of exactly the numbers that it holds.

    w, wl [n]       eigenvalues, high and low part
    v [n, n]        eigenvectors in longdouble or clongdouble
    gap [n, n]      w_j - w_i; exactly 0 where they are equal
    norm            ||A||_2
    """

    def __init__(self, a):
        a = np.asarray(a)
        wide = a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)
        assert (wide == wide.conj().T).all(), "not Hermitian as stored"
        unit = 2.0 ** np.floor(np.log2(np.abs(wide).max(initial=0) or 1))
        n = len(wide)
        v = np.linalg.eigh(wide / unit)[1]
        parts = [np.ascontiguousarray(x) for x in ((wide / unit).real, v.real, np.zeros((n, n)))]
        if np.iscomplexobj(wide):
            parts += [np.ascontiguousarray(x) for x in ((wide / unit).imag, v.imag, np.zeros((n, n)))]
        else:
            parts += [None] * 3
        w, wl = np.empty((2, n))
        address = [x if x is None else x.ctypes.data_as(ctypes.c_void_p) for x in (*parts, w, wl)]
        re, vh, vl, im, vih, vil, wh_, wl_ = address
        self.sweeps = _compiled()(n, _is_graded(wide), re, im, wh_, wl_, vh, vl, vih, vil)
        assert 0 < self.sweeps < 30, self.sweeps
        self.w, self.wl = w * unit, wl * unit
        self.v = _long(parts[1], parts[2])
        if parts[3] is not None:
            self.v = self.v + 1j * _long(parts[4], parts[5])
        self.norm = np.abs(self.w).max(initial=0)
        high = self.w.astype(np.longdouble)
        gap = (high - high[:, None]) + (self.wl.astype(np.longdouble) - self.wl[:, None])
        self.gap = np.where(np.abs(gap) <= EQUAL * max(self.norm, 1e-300), 0, gap)

    @property
    def values(self):
        """Eigenvalues in longdouble; equal ones are exactly equal."""
        first = np.argmax(self.gap == 0, axis=0)
        return (self.w.astype(np.longdouble) + self.wl)[first]

    def phased_as(self, v):
        """Each column by the phase that brings it nearest to the given one."""
        inner = (self.v.conj() * v).sum(0)
        size = np.abs(inner)
        return self.v * np.where(size > 0, inner / np.where(size > 0, size, 1), 1)

    def into(self, c):
        return self.v.conj().T @ c @ self.v

    def out_of(self, x):
        g = self.v @ x @ self.v.conj().T
        return (g + g.conj().T) / 2

    def of_values(self, gw):
        return self.out_of(np.diag(np.asarray(gw, np.longdouble)))

    def of_vectors(self, gv, v=None):
        """Of cotangents gv at the exact vectors; None where a pair of equal eigenvalues has a part."""
        k = (self.v if v is None else v).conj().T @ gv
        k = (k - k.conj().T) / 2
        apart = self.gap != 0
        size = np.linalg.norm(gv, axis=0)
        inside = ~apart & ~np.eye(len(k), dtype=bool)
        if (np.abs(k)[inside] > 1e-15 * (size + size[:, None])[inside]).any():
            return None
        x = np.where(apart, k / np.where(apart, self.gap, 1), 0)
        v = self.v if v is None else v
        g = v @ x @ v.conj().T
        return (g + g.conj().T) / 2

    def projector(self, index):
        v = self.v[:, index[0]:index[1]]
        return v @ v.conj().T

    def of_projector(self, index, c):
        """Of L with dL = Re tr(c^H dP), c Hermitian; None where the range cuts equal eigenvalues."""
        inside = np.zeros(len(self.w), bool)
        inside[index[0]:index[1]] = True
        across = inside[:, None] != inside
        if (across & (self.gap == 0)).any():
            return None
        # f_i - f_j over w_i - w_j
        step = inside.astype(np.longdouble) - inside.astype(np.longdouble)[:, None]
        return self.out_of(np.where(across, step / np.where(across, self.gap, 1), 0) * self.into(c))

    def frame(self, index, r):
        """P R (R^H P R)^(-1/2)"""
        inside = self.v[:, index[0]:index[1]]
        b = inside.conj().T @ r
        sigma, j = _singular_values(b)
        return inside @ (b @ (j / sigma) @ j.conj().T)

    def of_frame(self, index, r, c):
        """Of L with dL = Re tr(c^H dframe). With B = V_in^H R of singular values sigma, T = (B^H B)^(-1/2) and Y the
        derivative by B^H B, that by the block of P between inside and outside is (C_in T + 2 B Y) R_out^H +
        B T C_out^H: nothing but the bracket cancels where sigma is small."""
        inside = np.zeros(len(self.w), bool)
        inside[index[0]:index[1]] = True
        if ((self.gap == 0) & (inside[:, None] != inside)).any():
            return None
        r, c = self.v.conj().T @ r, self.v.conj().T @ c
        b = r[inside]
        sigma, j = _singular_values(b)
        root = (j / sigma) @ j.conj().T
        by_root = b.conj().T @ c[inside]
        by_root = j.conj().T @ (by_root + by_root.conj().T) @ j / 2
        y = j @ (-by_root / (sigma[:, None] * sigma * (sigma[:, None] + sigma))) @ j.conj().T
        block = (c[inside] @ root + 2 * b @ y) @ r[~inside].conj().T + b @ root @ c[~inside].conj().T
        x = np.zeros_like(self.v)
        x[np.ix_(inside, ~inside)] = -block / (2 * self.gap[np.ix_(inside, ~inside)])
        return self.out_of(x + x.conj().T)

    def function(self, f):
        return (self.v * f.value(self.values)) @ self.v.conj().T

    def of_function(self, f, c):
        """Of L with dL = Re tr(c^H df(A)), c Hermitian."""
        x = self.values
        return self.out_of(f.differences(x, self.gap) * self.into(c))


def _singular_values(b):
    """sigma and J with B J = U diag(sigma), in the precision of B, by one-sided Jacobi: for few columns."""
    b, m = b.copy(), b.shape[1]
    j = np.eye(m, dtype=b.dtype)
    for p, q in 12 * [(p, q) for p in range(m) for q in range(p + 1, m)]:
        x, y = b[:, p], b[:, q]
        inner, a, d = np.vdot(x, y), np.vdot(x, x).real, np.vdot(y, y).real
        size = np.abs(inner)
        if size <= 1e-20 * np.sqrt(a * d):
            continue
        tau = (d - a) / (2 * size)
        t = (1 if tau >= 0 else -1) / (np.abs(tau) + np.sqrt(1 + tau * tau))
        c = 1 / np.sqrt(1 + t * t)
        for z in (b, j):
            u, v = z[:, p].copy(), z[:, q] * (inner.conj() / size)
            z[:, p], z[:, q] = c * (u - t * v), c * (t * u + v)
    return np.sqrt((b.conj() * b).real.sum(0)), j


def _sinhc(h):
    small = np.abs(h) < 1e-10
    return np.where(small, 1, np.sinh(h) / np.where(small, 1, h))


class Scalar:
    """f of eigenvalues, f', and its divided differences from x and the gaps x_j - x_i (which x alone has lost).

    In the precision of what it is given, so that it serves as the users' own code, too.
    """
    KINDS = ("exp", "log", "sqrt", "inv_sqrt", "power", "fermi", "tanh", "square")

    def __init__(self, kind, **parameters):
        self.kind, self.p = kind, parameters

    def __repr__(self):
        return self.kind + (str(self.p) if self.p else "")

    def _tanh(self, x):
        """u and du/dx, f = a + b tanh(u)."""
        scale = x.dtype.type(self.p.get("beta", 2) / 2 if self.kind == "fermi" else self.p.get("scale", 1))
        return (x - x.dtype.type(self.p.get("mu", 0))) * scale, scale

    def value(self, x):
        p = self.p
        if self.kind == "exp":
            return np.exp(x * x.dtype.type(p.get("scale", 1)))
        if self.kind in ("log", "sqrt"):
            return getattr(np, self.kind)(x)
        if self.kind == "inv_sqrt":
            return 1 / np.sqrt(x)
        if self.kind == "power":
            return x ** x.dtype.type(p["exponent"])
        if self.kind == "square":
            return x * x
        u, _ = self._tanh(x)
        return 1 / (1 + np.exp(2 * u)) if self.kind == "fermi" else np.tanh(u)

    def slope(self, x):
        p = self.p
        if self.kind == "exp":
            return x.dtype.type(p.get("scale", 1)) * self.value(x)
        if self.kind == "log":
            return 1 / x
        if self.kind == "sqrt":
            return 1 / (2 * np.sqrt(x))
        if self.kind == "inv_sqrt":
            return -1 / (2 * x * np.sqrt(x))
        if self.kind == "power":
            e = x.dtype.type(p["exponent"])
            return e * x ** (e - 1)
        if self.kind == "square":
            return 2 * x
        u, du = self._tanh(x)
        return (-du / 2 if self.kind == "fermi" else du) / np.cosh(u) ** 2

    def differences(self, x, gap):
        a, b = x[:, None], x[None, :]
        if self.kind == "exp":
            s = x.dtype.type(self.p.get("scale", 1))
            return s * np.exp(s * (a + gap / 2)) * _sinhc(s * gap / 2)
        if self.kind == "sqrt":
            return 1 / (np.sqrt(a) + np.sqrt(b))
        if self.kind == "inv_sqrt":
            return -1 / (np.sqrt(a) * np.sqrt(b) * (np.sqrt(a) + np.sqrt(b)))
        if self.kind == "square":
            return a + b
        if self.kind in ("log", "power"):
            t = np.log1p(gap / a)
            one = np.where(gap == 0, 1, gap)
            if self.kind == "log":
                return np.where(gap == 0, 1 / a, t / one)
            e = x.dtype.type(self.p["exponent"])
            return np.where(gap == 0, self.slope(a), a ** e * np.expm1(e * t) / one)
        u, du = self._tanh(x)
        d = (-du / 2 if self.kind == "fermi" else du) * _sinhc(gap * du)
        return d / (np.cosh(u)[:, None] * np.cosh(u))
