"""A picture of src/python/README.md: a square root composed through eigenpairs, V sqrt(w) V^H, as a gap closes.

    python3 tests/figures/form.py OUT.svg       (needs NumPy, build/libmultiplet.so and a C compiler)

The loss is Re tr(C sqrt(A)), gV = 2 C V sqrt(w) and gw = diag(V^H C V) / (2 sqrt(w)), as backpropagation makes them;
complex128, n = 6, one pair at the gap; errors against 31 digits on the very matrix, median of ten. Compared are the
quotient K / gap (PyTorch, JAX), the same with a mask on the gap and the mean of gw inside (8 n eps ||A||), a broadening
x / (x^2 + 1e-12), and multiplet. At the left end the pair is exactly equal.
"""
import os
import pathlib
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("MULTIPLET_LIBRARY", str(ROOT / "build/libmultiplet.so"))
sys.path[:0] = [str(ROOT / "src/python"), str(ROOT / "tests/attack")]

import numpy as np  # noqa: E402

import problems  # noqa: E402
import reference  # noqa: E402
from multiplet.backend import Library, Options  # noqa: E402

GAPS = [10.0 ** -k for k in range(1, 17)] + [0.0]
SERIES = {"quotient (PyTorch)": "#c0392b", "mask and mean": "#7d3c98", "broadened": "#d68910", "multiplet": "#1f618d"}
N = 6


def matrix(rng, gap):
    """Exactly equal eigenvalues come as two equal blocks."""
    if gap == 0:
        return np.kron(np.eye(2), problems.hermitian(rng, N // 2, "complex128") + 4 * np.eye(N // 2))
    x = rng.standard_normal((N, N)) + 1j * rng.standard_normal((N, N))
    q = np.linalg.qr(x)[0]
    a = q * np.r_[1, 1 + gap, 2, 2.7, 3.5, 4.4] @ q.conj().T
    return (a + a.conj().T) / 2


def errors(gap, count=10):
    rows = {name: [] for name in SERIES}
    for k in range(count):
        rng = np.random.default_rng([7, k])
        a, c = matrix(rng, gap), problems.hermitian(rng, N, "complex128")
        term = problems.Function(reference.Scalar("sqrt"), c=c)
        exact = reference.Exact(a)
        options = Options(triangle="full")
        w, v, forward = Library().eigh(a[None], options)
        gw, gv = term.cotangents(w[0], v[0])
        g, _ = Library().eigh_backward(w, v, gw[None], np.ascontiguousarray(gv)[None], forward, options)
        truth = term.truth(exact, v[0])
        for name, found in {**others(w[0], v[0], gw, gv), "multiplet": g[0]}.items():
            rows[name].append(float(np.linalg.norm(found - truth) / np.linalg.norm(truth)))
    return {name: np.median(np.nan_to_num(found, nan=10, posinf=10)) for name, found in rows.items()}


def others(w, v, gw, gv):
    k = v.conj().T @ gv
    k = (k - k.conj().T) / 2
    d = w - w[:, None]
    same = abs(d) <= 8 * N * np.finfo(float).eps * abs(w).max()
    mean = np.array([gw[row].mean() for row in same])
    with np.errstate(all="ignore"):
        plain = np.where(np.eye(N, dtype=bool), np.diag(gw), k / d)
        masked = np.where(same, 0, k / np.where(same, 1, d)) + np.diag(mean)
        broad = k * d / (d * d + 1e-12) + np.diag(gw)
    inner = {"quotient (PyTorch)": plain, "mask and mean": masked, "broadened": broad}
    return {name: v @ x @ v.conj().T for name, x in inner.items()}


def position(k, error):
    """The k-th gap from the right, and an error from 1e-17 to 10."""
    error = min(max(error, 1e-17), 10)
    return 60 + (len(GAPS) - 1 - k) / (len(GAPS) - 1) * 430, 20 + (1 - np.log10(error)) / 18 * 240


def draw(rows):
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" font-family="sans-serif" font-size="12">',
           '<rect width="640" height="300" fill="white"/>']
    for k in range(-16, 1, 4):
        y = position(0, 10.0 ** k)[1]
        out.append(f'<path d="M60 {y:.0f}H490" stroke="#ddd"/><text x="52" y="{y + 4:.0f}" text-anchor="end">1e{k}</text>')
    for k, gap in enumerate(GAPS):
        if gap == 0 or k % 3 == 0:
            out.append(f'<text x="{position(k, 1)[0]:.0f}" y="276" text-anchor="middle">{gap:.0e}</text>'.replace(
                "0e+00", "0"))
    out.append('<text x="280" y="295" text-anchor="middle">gap / ||A||</text>'
               '<text x="60" y="13">relative error of the gradient of a loss of V sqrt(w) V^H</text>')
    ends = sorted((position(0, rows[GAPS[0]][name])[1], name) for name in SERIES)
    for place, (_, name) in enumerate(ends):
        points = " ".join("{:.1f},{:.1f}".format(*position(k, rows[gap][name])) for k, gap in enumerate(GAPS))
        out.append(f'<polyline points="{points}" fill="none" stroke="{SERIES[name]}" stroke-width="2"/>'
                   f'<text x="498" y="{60 + 24 * place}" fill="{SERIES[name]}">{name}</text>')
    return "\n".join([*out, "</svg>", ""])


def main(target):
    rows = {gap: errors(gap) for gap in GAPS}
    for gap, row in rows.items():
        print(f"gap {gap:.0e}  " + "  ".join(f"{k} {v:.1e}" for k, v in row.items()))
    pathlib.Path(target).write_text(draw(rows))
    return rows


if __name__ == "__main__":
    main(sys.argv[1])
