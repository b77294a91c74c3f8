"""A training step with multiplet.torch.eigh and with torch.linalg.eigh, side by side.

    python3 -m multiplet.benchmark [--n 16] [--batch 1000] [--type complex128] [--repeat 9]

A step is forward and backward of a loss that no choice of phases changes, loss included, on one thread each, in
turns. Two losses, since PyTorch's arithmetic on large arrays is part of the step on both sides: one looks at all
eigenvalues and the vectors' first components (a local density), one at all components. Medians are printed, and how
many times as fast multiplet is. The gradients have to agree.
"""
import argparse
import os
import statistics
import sys
import time

# Both sides call BLAS, which is slower by these where they are set, and reads them when it is loaded.
HELD_BACK = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}


def matrices(torch, dtype, batch, n):
    """Hermitian [batch, n, n], eigenvalues 1/2 to 3/2 apart, so that torch's gradients are accurate."""
    torch.manual_seed(n)
    q = torch.linalg.qr(torch.randn(batch, n, n, dtype=dtype))[0]
    w = torch.arange(n) + torch.rand(batch, 1, n) / 2
    a = q * w.to(dtype) @ q.mH
    return ((a + a.mH) / 2).contiguous()


# What of the vectors, real and imaginary parts apart, [batch, n, n, 2], a loss sees.
LOSSES = {"sum c_j w_j + sum d_0j |V_0j|^2": slice(0, 1), "sum c_j w_j + sum d_ij |V_ij|^2": slice(None)}


def step(torch, eigh, a, c, d, rows):
    """(gradient, seconds)"""
    a.grad = None
    start = time.perf_counter()
    w, v = eigh(a)
    parts = torch.view_as_real(v) if v.is_complex() else v.unsqueeze(-1)
    loss = (c * w).sum() + (d[rows] * parts[:, rows].square()).sum()
    loss.backward()
    return a.grad, time.perf_counter() - start


def compare(dtype, batch, n, repeat, rows):
    """{"torch": seconds, "multiplet": seconds} of a step."""
    import torch
    import multiplet.torch
    torch.set_num_threads(1)
    dtype = getattr(torch, dtype)
    a = matrices(torch, dtype, batch, n).requires_grad_()
    real = a.detach().real.dtype
    c, d = torch.randn(n, dtype=real), torch.randn(n, n, 1, dtype=real)
    sides = {"torch": torch.linalg.eigh, "multiplet": multiplet.torch.eigh}
    times, gradients = {side: [] for side in sides}, {}
    for _ in range(repeat + 1):  # the first warms up
        for side, eigh in sides.items():
            gradients[side], seconds = step(torch, eigh, a, c, d, rows)
            times[side].append(seconds)
    theirs, ours = ((g + g.mH) / 2 for g in (gradients["torch"], gradients["multiplet"]))
    error = float((theirs - ours).abs().max() / ours.abs().max())
    if error > 1000 * n * torch.finfo(real).eps:
        raise SystemExit(f"the gradients differ by {error:.1e}")
    return {side: statistics.median(t[1:]) for side, t in times.items()}


def main():
    parser = argparse.ArgumentParser(prog="multiplet.benchmark", description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--type", default="complex128", choices=["float32", "float64", "complex64", "complex128"])
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    if HELD_BACK & os.environ.keys():
        rest = {name: value for name, value in os.environ.items() if name not in HELD_BACK}
        os.execve(sys.executable, [sys.executable, "-m", "multiplet.benchmark", *sys.argv[1:]], rest)
    print(f"training step, {options.batch} matrices of n = {options.n}, {options.type}, one thread, median of "
          f"{options.repeat}")
    for loss, rows in LOSSES.items():
        times = compare(options.type, options.batch, options.n, options.repeat, rows)
        print(f"loss {loss}: torch {times['torch'] * 1e3:.2f} ms, multiplet {times['multiplet'] * 1e3:.2f} ms, "
              f"ratio {times['torch'] / times['multiplet']:.1f}")


if __name__ == "__main__":
    main()
