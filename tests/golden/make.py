#!/usr/bin/env python3
"""Result files of each schema version, as that version's program wrote them: never made again, only added to.

    python3 tests/golden/make.py DIRECTORY        makes result-1.1.h5 there, with build/bin/multiplet

result-1.0.h5 is of two real matrices of n = 4, the first with a pair, an exponential, and a one-pass gradient.
"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
import job  # noqa: E402


def main():
    at, rng = pathlib.Path(sys.argv[1]).resolve(), np.random.default_rng(1)
    a = np.stack([np.diag([1.0, 1, 2, 3]), np.diag([1.0, 2, 2, 4]), np.diag([1.0, 1, 2, 3]), np.eye(4)])
    a[3, 1, 1] = np.nan
    c = job.hermitian(rng, 4, 4, "float64")
    job.write(at / "in.h5", H=a)
    job.write(at / "direction.h5", H=c)
    job.write(at / "reference.h5", R=np.ones((4, 1)))
    job.run(job.config(at, "forward", output={"file": "forward.h5"}), expect=4)
    r = job.read(at / "forward.h5")
    w, v = r["eigenvalues"], r["eigenvectors"]
    gw, gv = np.zeros_like(w), np.zeros_like(v)
    gw[0] = [1, 0, 0, 0]  # the lowest of two that are equal
    gw[1] = np.diag(v[1].T @ c[1] @ v[1]) / (2 * np.sqrt(w[1]))  # tr(C sqrt(A))
    gv[1] = 2 * (c[1] @ v[1]) * np.sqrt(w[1])
    gv[2, 0, 0] = 1  # one vector of two
    job.write(at / "cotangents.h5", **{"H/eigenvalues": gw, "H/eigenvectors": gv})
    functions = [{"name": "heat", "kind": "exp", "scale": -0.5},
                 {"name": "rho", "kind": "fermi", "beta": 3, "electrons": 2}]
    job.run(job.config(at, functions=functions, tangent="direction.h5", output={"file": "result-1.1.h5"},
                       frame={"index": [0, 3], "reference": {"file": "reference.h5", "dataset": "/R"}},
                       gradient={"cotangents": "cotangents.h5", "eigenpairs": "forward.h5"}), expect=4)


if __name__ == "__main__":
    main()
