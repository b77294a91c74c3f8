"""Matrix logarithms of covariance matrices, as a layer that learns from them would use them.

    python3 configs/examples/covariance_log.py        (needs numpy and h5py; MULTIPLET names the program)

L = sum_b tr(C log A_b). Covariances shrunk towards the identity have many equal eigenvalues, and the gradient
does not mind. A matrix that is not positive has no logarithm: its status says so and the others go on.
"""
import os
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
MULTIPLET = os.environ.get("MULTIPLET", str(HERE.parents[1] / "build/bin/multiplet"))
N, SAMPLES, COUNT, FUNCTION_UNDEFINED = 12, 5, 40, 6


def logarithm(a):
    w, v = np.linalg.eigh(a)
    return (v * np.log(w)) @ v.T


def main():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((COUNT, N, SAMPLES))
    a = x @ x.swapaxes(1, 2) / SAMPLES + 0.1 * np.eye(N)  # 0.1 is an eigenvalue seven times over
    a[7] -= 0.2 * np.eye(N)
    c = rng.standard_normal((N, N))
    c = (c + c.T) / 2
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        with h5py.File(work / "covariances.h5", "w") as f:
            f["A"] = a
        with h5py.File(work / "covariances-cotangents.h5", "w") as f:
            f["A/functions/log"] = np.broadcast_to(c, a.shape)
        (work / "covariances.yaml").write_text((HERE / "covariance_log.yaml").read_text())
        done = subprocess.run([MULTIPLET, "run", work / "covariances.yaml"])
        assert done.returncode == 4  # finished, and some problems failed
        with h5py.File(work / "covariances-result.h5") as f:
            logs, g, status = f["A/functions/log"][:], f["A/gradient"][:], f["A/status"][:]
    assert (np.flatnonzero(status == FUNCTION_UNDEFINED) == [7]).all() and (logs[7] == 0).all()
    direction = rng.standard_normal((N, N))
    direction = (direction + direction.T) / 2
    worst = 0
    for b in np.flatnonzero(status == 1):
        assert np.abs(logs[b] - logarithm(a[b])).max() < 1e-12
        change = (logarithm(a[b] + 1e-6 * direction) - logarithm(a[b] - 1e-6 * direction)) / 2e-6
        worst = max(worst, abs(np.sum(c * change) - np.sum(g[b] * direction)) / np.abs(change).max())
    print(f"{(status == 1).sum()} logarithms, 1 undefined; gradients differ from differences by {worst:.1e}")
    assert worst < 1e-6


if __name__ == "__main__":
    main()
