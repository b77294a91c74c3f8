"""The picture of the README: how wrong is the gradient of a loss on a subspace, as the gap inside it closes?

    python3 tests/figures/gap.py OUT.svg        (needs NumPy, h5py and build/bin/multiplet)

The loss is Re tr(C P), P the projector on the lowest three of twelve eigenvalues, which are `gap` apart; its
gradient does not depend on the gap. Compared are plain division by w_j - w_i (PyTorch, JAX), the broadening
x / (x^2 + 1e-12) that is common instead, and multiplet, median over ten matrices each.
"""
import pathlib
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from job import hermitian, solve  # noqa: E402

GAPS = [10.0 ** -k for k in range(1, 16)]
SERIES = {"plain division": "#c0392b", "broadened": "#d68910", "multiplet": "#1f618d"}


def errors(gap, directory, count=10, n=12):
    rng = np.random.default_rng(1)
    inside = np.arange(n) < 3
    a = hermitian(rng, count, n, spectrum=np.where(inside, 1 + gap * np.arange(n), 2.5 + np.arange(n)))
    c = hermitian(rng, count, n)
    forward = solve(directory, a, name="forward")
    w, v = forward["eigenvalues"], forward["eigenvectors"]
    gv = np.where(inside, 2 * c @ v, 0)
    ours = solve(directory, a, cotangents={"eigenvectors": gv},
                 gradient={"eigenpairs": "forward-out.h5"})["gradient"]
    adjoint = v.conj().swapaxes(1, 2)
    x = w[:, None, :] - w[:, :, None]
    kernel = adjoint @ gv
    kernel = (kernel - kernel.conj().swapaxes(1, 2)) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.where(np.eye(n), 0, 1 / x)
        across = np.where(inside[:, None] & ~inside, -1 / x, 0) * (adjoint @ c @ v)
    found = {"plain division": v @ (plain * kernel) @ adjoint,
             "broadened": v @ (x / (x * x + 1e-12) * kernel) @ adjoint, "multiplet": ours}
    exact = v @ (across + across.conj().swapaxes(1, 2)) @ adjoint
    size = np.linalg.norm(exact, axis=(1, 2))
    return {k: np.median(np.linalg.norm(g - exact, axis=(1, 2)) / size) for k, g in found.items()}


def position(gap, error, width=640, height=300):
    """Logarithmic axes: gap from 1e-1 to 1e-15, error from 1e-17 to 10."""
    error = min(max(error if np.isfinite(error) else 10, 1e-17), 10)
    return (60 + (-np.log10(gap) - 1) / 14 * (width - 200), 20 + (1 - np.log10(error)) / 18 * (height - 60))


def draw(rows):
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" font-family="sans-serif" '
           'font-size="12">', '<rect width="640" height="300" fill="white"/>']
    for k in range(-16, 1, 4):
        y = position(.1, 10.0 ** k)[1]
        out.append(f'<path d="M60 {y:.0f}H500" stroke="#ddd"/><text x="52" y="{y + 4:.0f}" '
                   f'text-anchor="end">1e{k}</text>')
    for k in range(1, 16, 2):
        out.append(f'<text x="{position(10.0 ** -k, 1)[0]:.0f}" y="276" text-anchor="middle">1e-{k}</text>')
    out.append('<text x="280" y="295" text-anchor="middle">gap inside the subspace</text>'
               '<text x="60" y="13">relative error of the gradient</text>')
    for name, colour in SERIES.items():
        points = [position(gap, row[name]) for gap, row in rows.items()]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="508" y="{points[-1][1] + 4:.0f}" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</svg>", ""])


def main(target):
    with tempfile.TemporaryDirectory() as directory:
        rows = {gap: errors(gap, directory) for gap in GAPS}
    for gap, row in rows.items():
        print(f"gap {gap:.0e}  " + "  ".join(f"{k} {v:.1e}" for k, v in row.items()))
    pathlib.Path(target).write_text(draw(rows))
    return rows


if __name__ == "__main__":
    main(sys.argv[1])
