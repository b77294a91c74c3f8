"""Band energy and forces of a tight-binding ring of ten atoms, half filled.

    python3 configs/examples/chain_forces.py        (needs numpy and h5py; MULTIPLET names the program)

The hopping between neighbours falls with their distance d as -exp(1 - d). The energy of the band,
E = 2 (w_0 + ... + w_4), has the gradient G = dE/dH = 2 P, and the force on atom k is -Re tr(G dH/dx_k). In the
even ring levels come in pairs; that makes no difference to G.
"""
import os
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
MULTIPLET = os.environ.get("MULTIPLET", str(HERE.parents[1] / "build/bin/multiplet"))
ATOMS, FILLED = 10, 5


def distances(x):
    return np.roll(x, -1) - x + np.where(np.arange(ATOMS) == ATOMS - 1, ATOMS, 0)


def hamiltonian(x):
    h, t = np.zeros((ATOMS, ATOMS)), -np.exp(1 - distances(x))
    for i in range(ATOMS):
        j = (i + 1) % ATOMS
        h[i, j] = h[j, i] = t[i]
    return h


def forces(x, g):
    """-tr(G dH/dx_k): bond i pulls its ends with 2 G_ij t_i, as dt/dd = -t."""
    pull = np.array([-2 * g[i, (i + 1) % ATOMS] * np.exp(1 - distances(x)[i]) for i in range(ATOMS)])
    return np.roll(pull, 1) - pull


def main():
    rng = np.random.default_rng(1)
    even = np.arange(ATOMS, dtype=float)
    geometries = [even, even + 0.05 * (-1) ** np.arange(ATOMS), even + 0.1 * rng.standard_normal(ATOMS)]
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        with h5py.File(work / "chain.h5", "w") as f:
            f["H"] = [hamiltonian(x) for x in geometries]
        with h5py.File(work / "chain-cotangents.h5", "w") as f:
            f["H/eigenvalues"] = np.tile(2.0 * (np.arange(ATOMS) < FILLED), (len(geometries), 1))
        (work / "chain.yaml").write_text((HERE / "chain_forces.yaml").read_text())
        subprocess.run([MULTIPLET, "run", work / "chain.yaml"], check=True)
        with h5py.File(work / "chain-result.h5") as f:
            w, g = f["H/eigenvalues"][:], f["H/gradient"][:]
    for name, x, e, gradient in zip(("even", "dimerized", "shaken"), geometries, w, g):
        force = forces(x, gradient)
        energy = lambda y: 2 * np.linalg.eigvalsh(hamiltonian(y))[:FILLED].sum()
        moved = 1e-5 * np.eye(ATOMS)
        differences = np.array([(energy(x - d) - energy(x + d)) / 2e-5 for d in moved])
        print(f"{name:10} energy {2 * e[:FILLED].sum():10.6f}   largest force {abs(force).max():.6f}   "
              f"from differences {abs(differences).max():.6f}")
        assert np.abs(force - differences).max() < 1e-8 and abs(force.sum()) < 1e-12


if __name__ == "__main__":
    main()
