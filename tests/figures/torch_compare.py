"""How long do torch.linalg.eigh and its autograd take on a batch of small matrices, and multiplet?

    python3 tests/figures/torch_compare.py [--type complex128] [--n 2 4 8] [--repeat 5] [OUT.svg]

Both in this process, on one thread, on the same matrices, with outputs allocated anew at every call. The loss
is sum c_j w_j + sum d_ij |V_ij|^4, which no choice of phases changes; its cotangents are computed beforehand, so
that only the eigensolvers and their backward passes are timed, in turns, medians taken. The gradients have to
agree. Needs PyTorch, NumPy and build/libmultiplet.so.
"""
import argparse
import os
import pathlib
import sys
import time

# OpenBLAS, which both sides call, reads these when it is loaded, and slows down by them. They have to go before.
HOLD_BACK = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}
if __name__ == "__main__" and HOLD_BACK & os.environ.keys():
    rest = {name: value for name, value in os.environ.items() if name not in HOLD_BACK}
    os.execve(sys.executable, [sys.executable, *sys.argv], rest)

import numpy as np  # noqa: E402
import torch  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
from job import TYPES, eps, hermitian  # noqa: E402
from library import Memory  # noqa: E402

SIDES = {"torch": "#c0392b", "multiplet": "#1f618d"}
PASSES = {"forward": "", "backward": ' stroke-dasharray="6 4"'}


def timed(call):
    start = time.perf_counter()
    out = call()
    return out, time.perf_counter() - start


def eigenvector_cotangents(v, weights):
    """Of sum d_ij |V_ij|^4."""
    return np.ascontiguousarray(4 * weights * abs(v) ** 2 * v)


def with_torch(a, c, weights):
    a = torch.from_numpy(a).requires_grad_()
    (w, v), forward = timed(lambda: torch.linalg.eigh(a))
    cotangents = torch.from_numpy(c), torch.from_numpy(eigenvector_cotangents(v.detach().numpy(), weights))
    (g,), backward = timed(lambda: torch.autograd.grad((w, v), a, cotangents))
    return g.numpy(), (forward, backward)


def with_multiplet(a, c, weights):
    def solve():
        memory = Memory(a.dtype, a.shape[-1], len(a))
        memory.forward(a)
        return memory

    def differentiate():
        memory.g = np.empty_like(a)
        memory.backward(None, c, gv)  # like autograd, without looking at A again

    memory, forward = timed(solve)
    gv = eigenvector_cotangents(memory.v, weights)
    _, backward = timed(differentiate)
    assert (memory.report["status"] == 1).all()
    return memory.g, (forward, backward)


def compare(dtype, n, repeat):
    """{side: (forward, backward)} in microseconds a matrix; eigenvalues are at least 1/2 apart."""
    rng = np.random.default_rng(n)
    count = max(16, min(4000, 4000 * 16 ** 3 // n ** 3))
    spectrum = np.arange(n) - n / 2 + rng.random((count, 1, n)) / 2
    a = hermitian(rng, count, n, dtype, spectrum)
    c, weights = rng.standard_normal((count, n)).astype(a.real.dtype), rng.standard_normal((n, n)).astype(a.real.dtype)
    times = {side: [] for side in SIDES}
    for _ in range(repeat + 1):  # the first warms up
        theirs, seconds = with_torch(a, c, weights)
        times["torch"].append(seconds)
        ours, seconds = with_multiplet(a, c, weights)
        times["multiplet"].append(seconds)
        theirs = (theirs + theirs.conj().swapaxes(1, 2)) / 2
        error = abs(theirs - ours).max() / abs(ours).max()
        assert error < 100 * n * eps(dtype), f"the gradients differ by {error:.1e}"
    return {side: np.median(t[1:], axis=0) * 1e6 / count for side, t in times.items()}


def print_table(rows, dtype, repeat):
    print(f"{dtype}, one thread, microseconds a matrix, medians of {repeat}; the gradients agree\n")
    print("".join(f"{'':6}{name:^34}" for name in PASSES) + "     both")
    print("   n" + "".join(f"{'':4}{'torch':>10}{'multiplet':>12}{'ratio':>10}  " for _ in PASSES) + "    ratio")
    for n, row in rows.items():
        cells = [(row["torch"][k], row["multiplet"][k]) for k in range(len(PASSES))]
        print(f"{n:4}" + "".join(f"{'':4}{t:10.2f}{m:12.2f}{t / m:10.1f}  " for t, m in cells) +
              f"{sum(row['torch']) / sum(row['multiplet']):9.1f}")


def draw(rows, dtype):
    """Logarithmic axes; whole powers of ten upwards, of two to the right."""
    sizes, all_times = list(rows), np.concatenate([t for row in rows.values() for t in row.values()])
    low, high = np.floor(np.log10(all_times.min())), np.ceil(np.log10(all_times.max()))
    left, right = np.log2(min(sizes)), max(np.log2(max(sizes)), np.log2(min(sizes)) + 1)

    def position(n, microseconds):
        return (60 + (np.log2(n) - left) / (right - left) * 400,
                20 + (high - np.log10(microseconds)) / (high - low) * 240)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" font-family="sans-serif" '
           'font-size="12">', '<rect width="640" height="300" fill="white"/>',
           f'<text x="60" y="13">microseconds a matrix, {dtype}, one thread</text>',
           '<text x="260" y="295" text-anchor="middle">rows of the matrix</text>']
    for k in range(int(low), int(high) + 1):
        y = position(sizes[0], 10.0 ** k)[1]
        out.append(f'<path d="M60 {y:.0f}H460" stroke="#ddd"/><text x="52" y="{y + 4:.0f}" '
                   f'text-anchor="end">{10.0 ** k:g}</text>')
    for n in sizes:
        out.append(f'<text x="{position(n, 1)[0]:.0f}" y="276" text-anchor="middle">{n}</text>')
    labels = sorted((position(sizes[-1], times[k])[1], side, k)
                    for side, times in rows[sizes[-1]].items() for k in range(len(PASSES)))
    below = 0
    for y, side, k in labels:
        dash, colour = list(PASSES.values())[k], SIDES[side]
        line = " ".join("{:.1f},{:.1f}".format(*position(n, row[side][k])) for n, row in rows.items())
        below = max(y + 4, below + 14)  # labels do not cover each other
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
                   f'<text x="470" y="{below:.0f}" fill="{colour}">{side}, {list(PASSES)[k]}</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--type", choices=TYPES, default="complex128")
    parser.add_argument("--n", type=int, nargs="+", default=[2, 4, 8, 16, 32, 64])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("output", nargs="?", type=pathlib.Path, default=HERE / "torch.svg")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = {n: compare(options.type, n, options.repeat) for n in sorted(options.n)}
    print_table(rows, options.type, options.repeat)
    options.output.write_text(draw(rows, options.type))


if __name__ == "__main__":
    main()
