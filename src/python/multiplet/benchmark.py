"""A training step with multiplet.torch.eigh and with torch.linalg.eigh, side by side.

    python3 -m multiplet.benchmark [--n 16] [--batch 1000] [--type complex128] [--repeat 9] [--service RANKS]
    python3 -m multiplet.benchmark --n 1000 --batch 1 --lowest 10

A step is the forward and backward pass, including the loss, of a loss that does not depend on phases. Both sides run
on one thread each and take turns. There are two losses, since PyTorch's arithmetic on large arrays is part of the step
on both sides: one depends on all eigenvalues and the vectors' first components (a local density), the other on all
components. The output is the medians, and how many times as fast multiplet is. The gradients must agree.

--lowest K takes losses of the K lowest pairs, and multiplet computes no others.

--service starts a service with that number of ranks during the benchmark, in the directory for temporary files, and
also takes the same step through it. It prints how long a small request takes, from its rename to its answer.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# Both sides call a BLAS that these variables make slower; it reads them when it is loaded.
HELD_BACK = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}


def matrices(torch, dtype, batch, n):
    """Hermitian [batch, n, n], eigenvalues 1/2 to 3/2 apart, so that torch's gradients are accurate."""
    torch.manual_seed(n)
    q = torch.linalg.qr(torch.randn(batch, n, n, dtype=dtype))[0]
    w = torch.arange(n) + torch.rand(batch, 1, n) / 2
    a = q * w.to(dtype) @ q.mH
    return ((a + a.mH) / 2).contiguous()


# The part of the vectors, [batch, n, n, 2] with real and imaginary parts separate, on which each loss depends.
LOSSES = {"sum c_j w_j + sum d_0j |V_0j|^2": slice(0, 1), "sum c_j w_j + sum d_ij |V_ij|^2": slice(None)}


def step(torch, eigh, a, c, d, rows):
    """(gradient, seconds)"""
    a.grad = None
    start = time.perf_counter()
    w, v = eigh(a)
    w, v = w[..., :len(c)], v[..., :len(c)]
    parts = torch.view_as_real(v) if v.is_complex() else v.unsqueeze(-1)
    loss = (c * w).sum() + (d[rows] * parts[:, rows].square()).sum()
    loss.backward()
    return a.grad, time.perf_counter() - start


def compare(dtype, batch, n, repeat, rows, backend, lowest=None):
    """Seconds of a step with torch, and with the backend; of the lowest pairs also without `select`, at the end."""
    import torch
    import multiplet.torch
    from multiplet.backend import using
    torch.set_num_threads(1)
    dtype = getattr(torch, dtype)
    a = matrices(torch, dtype, batch, n).requires_grad_()
    real = a.detach().real.dtype
    c, d = torch.randn(lowest or n, dtype=real), torch.randn(n, lowest or n, 1, dtype=real)
    sides = {"torch": torch.linalg.eigh, "multiplet": multiplet.torch.eigh}
    if lowest:
        sides["whole"] = sides["multiplet"]
        sides["multiplet"] = lambda a: multiplet.torch.eigh(a, select={"lowest": lowest})
    times, gradients = {side: [] for side in sides}, {}
    for _ in range(repeat + 1):  # the first warms up
        for side, eigh in sides.items():
            with using(backend):
                gradients[side], seconds = step(torch, eigh, a, c, d, rows)
            times[side].append(seconds)
    theirs, ours, *_ = ((g + g.mH) / 2 for g in gradients.values())
    error = float((theirs - ours).abs().max() / ours.abs().max())
    if error > 1000 * n * torch.finfo(real).eps:
        raise SystemExit(f"the gradients differ by {error:.1e}")
    return [statistics.median(t[1:]) for t in times.values()]


def program():
    """The program: $MULTIPLET, or on PATH, or beside the library, in a build or where both are installed."""
    from . import library
    here = pathlib.Path(library.load().path).resolve().parent
    found = [os.environ.get("MULTIPLET"), shutil.which("multiplet"), here / "bin/multiplet", here.parent / "bin/multiplet"]
    for path in found:
        if path and os.access(path, os.X_OK):
            return str(path)
    raise SystemExit("cannot find the program multiplet (put it on PATH, or name it in MULTIPLET)")


@contextlib.contextmanager
def running_service(ranks):
    """A client of a service that is started for it; None when the number of ranks is 0."""
    import multiplet
    if not ranks:
        yield None
        return
    with tempfile.TemporaryDirectory() as spool:
        process = subprocess.Popen(["mpirun", "-n", str(ranks), program(), "serve", spool], stderr=subprocess.PIPE)
        try:
            while not os.path.exists(spool + "/status.json"):
                if process.poll() is not None:
                    raise SystemExit(f"the service did not start: {process.stderr.read().decode()}")
                time.sleep(0.02)
            with multiplet.service(spool) as client:
                yield client
        finally:
            process.terminate()
            process.wait()


def latency(client, count, n, repeat):
    """Seconds from the rename of a request with `count` matrices to its answer."""
    import h5py
    import numpy as np
    a = np.random.default_rng(n).standard_normal((count, n, n))
    with h5py.File(client.directory / "latency.h5", "w") as f:
        f["H"] = a + a.transpose(0, 2, 1)
    here, times = client.directory.name, []
    for k in range(repeat + 1):
        text = f"input: {{file: {here}/latency.h5}}\noutput: {{file: {here}/latency-{k}.h5}}\n"
        start = time.perf_counter()
        code, error = client.ask(f"latency-{k}", text)
        times.append(time.perf_counter() - start)
        if code:
            raise SystemExit(error)
    return statistics.median(times[1:])


def main():
    parser = argparse.ArgumentParser(prog="multiplet.benchmark", description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--type", default="complex128", choices=["float32", "float64", "complex64", "complex128"])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--lowest", type=int, metavar="K")
    parser.add_argument("--service", type=int, default=0, metavar="RANKS")
    options = parser.parse_args()
    if HELD_BACK & os.environ.keys():
        rest = {name: value for name, value in os.environ.items() if name not in HELD_BACK}
        os.execve(sys.executable, [sys.executable, "-m", "multiplet.benchmark", *sys.argv[1:]], rest)
    print(f"training step, {options.batch} matrices of n = {options.n}, {options.type}, one thread, median of "
          f"{options.repeat}")
    from .backend import Library
    with running_service(options.service) as client:
        for what, backend in {"multiplet": Library(), f"service on {options.service} ranks": client}.items():
            for loss, rows in LOSSES.items() if backend else ():
                theirs, ours, *whole = compare(options.type, options.batch, options.n, options.repeat, rows, backend,
                                               options.lowest)
                print(f"loss {loss}: torch {theirs * 1e3:.2f} ms, {what} {ours * 1e3:.2f} ms, ratio {theirs / ours:.1f}"
                      + "".join(f", without select {x * 1e3:.2f} ms" for x in whole))
        if client:
            print(f"a request of 4 matrices of n = 8: {latency(client, 4, 8, 20 * options.repeat) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
