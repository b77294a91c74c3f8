"""Functions, frames and tangents of one matrix over process grids of every shape, against SciPy."""
import numpy as np
import pytest
import scipy.linalg

from job import OK, TYPES, eps, hermitian, solve, write


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("grid, block", [([2, 2], 8), ([2, 3], 16), ([3, 1], 5), ([1, 3], 32)])
def test_outputs_on_a_grid(tmp_path, dtype, grid, block):
    rng, n = np.random.default_rng(0), 70
    spectrum = np.repeat(np.linspace(-2, 2, n // 2), 2)
    a = hermitian(rng, 1, n, dtype, spectrum)
    d, c = hermitian(rng, 1, n, dtype), hermitian(rng, 1, n, dtype)
    reference, pull = (rng.standard_normal((n, 3)).astype(dtype) for _ in range(2))
    write(tmp_path / "d.h5", H=d)
    write(tmp_path / "r.h5", R=reference)
    r = solve(tmp_path, a, ranks=grid[0] * grid[1], solve={"solver": "scalapack"},
              run={"grid": grid, "block": block}, tangent="d.h5",
              functions=[{"name": "e", "kind": "exp", "scale": -0.5}, {"name": "P", "kind": "projector", "index": [0, 4]}],
              frame={"index": [0, 4], "reference": {"file": "r.h5", "dataset": "R"}},
              cotangents={"functions/e": c, "frame": 0 * pull[None]})
    assert (r["status"] == OK).all() and (r["diagnostics/ranks"] == grid[0] * grid[1]).all()
    wide = a[0].astype("complex128")
    close = lambda x, y: np.abs(x - y).max() <= 300 * n * eps(dtype) * np.abs(y).max()
    assert close(r["functions/e"][0], scipy.linalg.expm(-0.5 * wide))
    assert close(r["tangent/functions/e"][0], scipy.linalg.expm_frechet(-0.5 * wide, -0.5 * d[0])[1])
    assert close(r["gradient"][0], scipy.linalg.expm_frechet(-0.5 * wide, -0.5 * c[0])[1])
    v = np.linalg.eigh(wide)[1][:, :4]
    assert close(r["functions/P"][0], v @ v.conj().T)
    u, _, wh = np.linalg.svd(v @ (v.conj().T @ reference), full_matrices=False)
    assert close(r["frame"][0], u @ wh)
    turned = r["tangent/eigenvectors"][0][:, :4] @ r["eigenvectors"][0][:, :4].conj().T
    assert close(turned + turned.conj().T, r["tangent/functions/P"][0])
