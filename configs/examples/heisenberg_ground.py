"""The ground-state subspace of a Heisenberg ring of five spins at the isotropic point, and its response.

    python3 configs/examples/heisenberg_ground.py        (needs numpy and h5py; MULTIPLET names the program)

An odd ring has four ground states: total spin 1/2, two momenta. No single one of them has a derivative; the
projector P on all four has one, and so has the frame that follows a reference R. With L = tr(C P) / 4, C being
the correlation of two spins, dL/d(delta) = Re tr(G dH/d(delta)), delta being the anisotropy.
"""
import os
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
MULTIPLET = os.environ.get("MULTIPLET", str(HERE.parents[1] / "build/bin/multiplet"))
SITES, STATES = 5, 4


def spin_product(i, j, flip, diagonal):
    """flip (S_x S_x + S_y S_y) + diagonal S_z S_z of spins i and j."""
    n = 2 ** SITES
    h = np.zeros((n, n))
    for s in range(n):
        alike = (s >> i & 1) == (s >> j & 1)
        h[s, s] = diagonal * (0.25 if alike else -0.25)
        if not alike:
            h[s ^ (1 << i) ^ (1 << j), s] = flip / 2
    return h


def hamiltonian(delta):
    return sum(spin_product(i, (i + 1) % SITES, 1, delta) for i in range(SITES))


def loss(delta, c):
    v = np.linalg.eigh(hamiltonian(delta))[1][:, :STATES]
    return np.trace(v.T @ c @ v) / STATES


def main():
    c = spin_product(0, 2, 0, 1)  # S_z S_z of second neighbours
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        with h5py.File(work / "heisenberg.h5", "w") as f:
            f["H"] = hamiltonian(1.0)
        with h5py.File(work / "heisenberg-cotangents.h5", "w") as f:
            f["H/functions/ground"] = c / STATES
        with h5py.File(work / "reference.h5", "w") as f:
            f["R"] = np.linalg.eigh(hamiltonian(0.9))[1][:, :STATES]  # those of a neighbour
        (work / "heisenberg.yaml").write_text((HERE / "heisenberg_ground.yaml").read_text())
        subprocess.run([MULTIPLET, "run", work / "heisenberg.yaml"], check=True)
        with h5py.File(work / "heisenberg-result.h5") as f:
            w, p, g = f["H/eigenvalues"][0], f["H/functions/ground"][0], f["H/gradient"][0]
            frame, condition = f["H/frame"][0], f["H/diagnostics/frame_condition"][0]
    bonds = sum(spin_product(i, (i + 1) % SITES, 0, 1) for i in range(SITES))
    slope, difference = np.sum(g * bonds), (loss(1 + 1e-5, c) - loss(1 - 1e-5, c)) / 2e-5
    print(f"ground energies {w[:STATES]}")
    print(f"correlation {np.sum(c * p) / STATES:.8f}, its slope {slope:.8f}, from differences {difference:.8f}")
    print(f"frame: condition {condition:.4f}")
    assert abs(slope - difference) < 1e-8 and np.ptp(w[:STATES]) < 1e-13
    assert np.abs(frame @ frame.T - p).max() < 1e-13 and 1 <= condition < 1.1


if __name__ == "__main__":
    main()
