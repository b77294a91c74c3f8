"""The density matrix of a half filled ring of eight sites at finite temperature, and what moves it.

    python3 configs/examples/density_matrix.py        (needs numpy and h5py; MULTIPLET names the program)

L = tr(C rho) with rho = 1 / (exp(beta (H - mu)) + 1) and mu such that there are four electrons. Two levels of
the ring lie exactly at mu: differentiating through (w, V) there loses what mixes the two, 20 to 30 % of the
answer. The matrix function has an exact gradient, which says how a bond's strength or a site's energy changes L.
"""
import os
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
MULTIPLET = os.environ.get("MULTIPLET", str(HERE.parents[1] / "build/bin/multiplet"))
SITES, ELECTRONS, BETA = 8, 4, 8.0


def ring():
    h = np.zeros((SITES, SITES))
    for i in range(SITES):
        h[i, (i + 1) % SITES] = h[(i + 1) % SITES, i] = -1
    return h


def density(h):
    w, v = np.linalg.eigh(h)
    fill = lambda mu: 1 / (1 + np.exp(np.clip(BETA * (w - mu), -500, 500)))
    low, high = w[0] - 10, w[-1] + 10
    for _ in range(200):
        mu = (low + high) / 2
        low, high = (low, mu) if fill(mu).sum() > ELECTRONS else (mu, high)
    return (v * fill(mu)) @ v.T


def main():
    c = np.zeros((SITES, SITES))
    c[0, 1] = c[1, 0] = 0.5  # the bond order of sites 0 and 1
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        with h5py.File(work / "ring.h5", "w") as f:
            f["H"] = ring()
        with h5py.File(work / "ring-cotangents.h5", "w") as f:
            f["H/functions/rho"] = c
        (work / "ring.yaml").write_text((HERE / "density_matrix.yaml").read_text())
        subprocess.run([MULTIPLET, "run", work / "ring.yaml"], check=True)
        with h5py.File(work / "ring-result.h5") as f:
            rho, g = f["H/functions/rho"][0], f["H/gradient"][0]
    print(f"bond order {np.sum(c * rho):.8f}, electrons {np.trace(rho):.8f}")
    assert np.abs(rho - density(ring())).max() < 1e-12
    for i, j, what in ((0, 0, "energy of site 0"), (0, 1, "bond 0-1"), (4, 5, "bond 4-5")):
        d = np.zeros((SITES, SITES))
        d[i, j] = d[j, i] = 1
        difference = np.sum(c * (density(ring() + 1e-5 * d) - density(ring() - 1e-5 * d))) / 2e-5
        print(f"d(bond order) / d({what}) = {np.sum(g * d):11.8f}, from differences {difference:11.8f}")
        assert abs(np.sum(g * d) - difference) < 1e-8
    assert abs(np.trace(g)) < 1e-12  # at fixed electron number a constant does nothing


if __name__ == "__main__":
    main()
