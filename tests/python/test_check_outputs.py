"""`check --gradients` on losses of functions and frames: right ones pass, one that is one percent off does not."""
import subprocess

import h5py
import numpy as np
import pytest

from job import MULTIPLET, TYPES, hermitian, run, solve, write

FUNCTIONS = [{"name": "e", "kind": "exp", "scale": -2}, {"name": "l", "kind": "log"},
             {"name": "f", "kind": "fermi", "beta": 5, "mu": 1.5},
             {"name": "N", "kind": "fermi", "beta": 30, "electrons": 3},
             {"name": "P", "kind": "projector", "index": [0, 2]}]
COUNT, N = len(FUNCTIONS) + 1, 8


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("each", [False, True])
def test_gradients_of_functions_and_frames(tmp_path, dtype, each):
    rng = np.random.default_rng(0)
    a = hermitian(rng, COUNT, N, dtype, [0.5, 0.5, 1, 2, 2, 2.5, 3, 3.1])
    cotangents = {}
    for k, function in enumerate(FUNCTIONS):  # each problem's loss is of one output
        cotangents[f"functions/{function['name']}"] = np.zeros((COUNT, N, N), dtype)
        cotangents[f"functions/{function['name']}"][k] = rng.standard_normal((N, N))
    cotangents["frame"] = np.zeros((COUNT, N, 2), dtype)
    cotangents["frame"][-1] = rng.standard_normal((N, 2))
    write(tmp_path / "r.h5", R=rng.standard_normal((COUNT, N, 2) if each else (N, 2)).astype(dtype))
    solve(tmp_path, a, cotangents=cotangents, functions=FUNCTIONS,
          frame={"index": [3, 5], "reference": {"file": "r.h5", "dataset": "R"}})
    result = tmp_path / "job-out.h5"
    printed = run(result, "--gradients", str(COUNT), verb="check", ranks=2 if each else 1).stdout
    assert f"{COUNT} gradients compared" in printed and "all within bounds" in printed
    for k in range(COUNT):
        with h5py.File(result, "a") as f:
            right = f["H/gradient"][k]
            f["H/gradient"][k] = right * right.dtype.type(1.01)
        done = subprocess.run([MULTIPLET, "check", result, "--gradients", str(COUNT)], capture_output=True, text=True)
        assert done.returncode == 4 and f"/H[{k}]: the gradient differs" in done.stdout, (k, done.stdout)
        assert "1 gradients" in done.stdout
        with h5py.File(result, "a") as f:
            f["H/gradient"][k] = right


