"""What calls of multiplet.torch cost beside torch.linalg's: one small matrix, a step under transforms, one large matrix.

    python3 -m multiplet.front [--threads 2] [--repeat 9] [--large 512 1000 2000]

All sides take turns, and medians are printed. A step is the forward and backward pass with the loss of
multiplet.benchmark that depends on all eigenvalues and components.
"""
import argparse
import os
import statistics
import sys
import time
import timeit
import warnings

from .benchmark import HELD_BACK, matrices


def loss_of(torch, eigh, c, d):
    def loss(a):
        w, v = eigh(a)
        parts = torch.view_as_real(v) if v.is_complex() else v.unsqueeze(-1)
        return (c * w).sum() + (d * parts.square()).sum()
    return loss


def gradient(loss, a):
    a = a.clone().requires_grad_()
    loss(a).backward()
    return a.grad


def medians(calls, repeat):
    """Milliseconds of each of the calls {name: call}, which take turns."""
    times = {name: [] for name in calls}
    for k in range(repeat + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(x[2:]) for name, x in times.items()}


def small(torch, sides):
    a = matrices(torch, torch.float64, 1, 4)[0]
    calls = {name: timeit.Timer(lambda eigh=eigh: eigh(a)) for name, eigh in sides.items()}
    best = {name: min(min(timer.repeat(5, 2000)) for _ in range(2)) / 2000 * 1e6 for name, timer in calls.items()}
    print(f"one call, 4 x 4, float64: torch {best['torch']:.1f} us, multiplet {best['multiplet']:.1f} us, "
          f"{best['multiplet'] / best['torch']:.2f} times")


def transforms(torch, sides, dtype, repeat):
    """The gradient is of a batch of 1000, n = 16."""
    a = matrices(torch, dtype, 1000, 16)
    c, d = torch.randn(16, dtype=a.real.dtype), torch.randn(16, 16, 1, dtype=a.real.dtype)
    calls = {}
    for name, eigh in sides.items():
        loss = loss_of(torch, eigh, c, d)
        mapped, compiled = torch.func.vmap(torch.func.grad(loss)), torch.compile(loss, fullgraph=True)
        calls[name] = lambda loss=loss: gradient(loss, a)
        calls[f"{name} vmap"] = lambda mapped=mapped: mapped(a)
        calls[f"{name} compile"] = lambda compiled=compiled: gradient(compiled, a)
    alone = loss_of(torch, lambda a: (a.diagonal(dim1=-2, dim2=-1).real, a), c, d)  # PyTorch's own part of a step
    mapped_alone = torch.func.vmap(torch.func.grad(alone))
    calls["loss"], calls["loss vmap"] = lambda: gradient(alone, a), lambda: mapped_alone(a)
    found = medians(calls, repeat)
    print(f"step, 1000 matrices of n = 16, {str(dtype)[6:]}: " + "; ".join(
        f"{name} {found[name]:.2f} ms, vmap {found[name + ' vmap']:.2f}, compile {found[name + ' compile']:.2f}" for name in sides)
        + f"; of multiplet vmap {found['multiplet vmap'] / found['multiplet']:.2f} and compile "
          f"{found['multiplet compile'] / found['multiplet']:.2f} times, lead {found['torch'] / found['multiplet']:.1f}; "
          f"the loss without eigh {found['loss']:.2f} ms, vmap {found['loss vmap']:.2f}")


def large(torch, sides, dtype, n, repeat):
    a = matrices(torch, dtype, 1, n)[0]
    c, d = torch.randn(n, dtype=a.real.dtype), torch.randn(n, n, 1, dtype=a.real.dtype)
    calls = {}
    for name, eigh in sides.items():
        loss = loss_of(torch, eigh, c, d)
        calls[name] = lambda eigh=eigh: eigh(a)
        calls[f"{name} step"] = lambda loss=loss: gradient(loss, a)
    found = medians(calls, repeat)
    print(f"n = {n}, {str(dtype)[6:]}: " + ", ".join(
        f"{what} torch {found['torch' + key]:.1f} ms, multiplet {found['multiplet' + key]:.1f} ms, "
        f"{found['multiplet' + key] / found['torch' + key]:.2f} times"
        for what, key in (("forward", ""), ("step", " step"))), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="multiplet.front", description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--large", type=int, nargs="*", default=[512, 1000, 2000], metavar="N")
    options = parser.parse_args()
    if HELD_BACK & os.environ.keys():
        rest = {name: value for name, value in os.environ.items() if name not in HELD_BACK}
        os.execve(sys.executable, [sys.executable, "-m", "multiplet.front", *sys.argv[1:]], rest)
    import torch
    import multiplet.torch
    warnings.simplefilter("ignore")  # the compiler's, about complex numbers
    torch.set_num_threads(options.threads)
    sides = {"torch": torch.linalg.eigh, "multiplet": multiplet.torch.eigh}
    print(f"PyTorch {torch.__version__}, {options.threads} threads, medians of {options.repeat}")
    small(torch, sides)
    for dtype in (torch.float64, torch.complex128):
        transforms(torch, sides, dtype, options.repeat)
    for dtype in (torch.float64, torch.complex128):
        for n in options.large:
            large(torch, sides, dtype, n, min(options.repeat, max(3, 3000 // n)))


if __name__ == "__main__":
    main()
