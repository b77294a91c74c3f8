"""Forward and backward mode agree: Re<cotangent, derivative along dA> = Re<gradient, dA>, to 1e-12, for every
output, at plain, degenerate and near-degenerate spectra."""
import numpy as np
import pytest

from job import OK, SUBGRADIENT, hermitian, solve, write

FUNCTIONS = [{"name": "exp", "kind": "exp", "scale": -0.5}, {"name": "log", "kind": "log"},
             {"name": "sqrt", "kind": "sqrt"}, {"name": "inv_sqrt", "kind": "inv_sqrt"},
             {"name": "inverse", "kind": "inverse"}, {"name": "power", "kind": "power", "exponent": 2.5},
             {"name": "tanh", "kind": "tanh"}, {"name": "sin", "kind": "sin"}, {"name": "cos", "kind": "cos"},
             {"name": "fermi", "kind": "fermi", "beta": 3, "mu": 1.5},
             {"name": "filled", "kind": "fermi", "beta": 3, "electrons": 3.25},
             {"name": "P", "kind": "projector", "index": [0, 2]}]
SPECTRA = {"plain": [0.3, 0.7, 1.1, 1.9, 2.5, 3.1, 4], "degenerate": [0.5, 0.5, 1, 2, 2, 2, 3],
           "near": [0.5, 0.5 + 1e-9, 1, 2, 2 + 1e-12, 2 + 1e-6, 3]}


def inner(a, b):
    return np.sum(a.conj() * b).real


def same(one, other, scale):
    assert abs(one - other) <= 1e-12 * max(scale, abs(one)), (one, other, scale)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("solver, ranks", [("lanes", 1), ("lapack", 1), ("scalapack", 2)])
def test_adjoint_identity(tmp_path, spectrum, dtype, solver, ranks):
    rng, n = np.random.default_rng(2), 7
    count = len(FUNCTIONS) + 1  # each matrix's loss is of one function, the last one's of the eigenvalues
    a = np.repeat(hermitian(rng, 1, n, dtype, SPECTRA[spectrum]), count, 0)
    d = hermitian(rng, count, n, dtype)
    write(tmp_path / "direction.h5", H=d)
    cotangents = {f"functions/{f['name']}": np.zeros_like(a) for f in FUNCTIONS}
    for k, f in enumerate(FUNCTIONS):
        cotangents[f"functions/{f['name']}"][k] = rng.standard_normal((n, n))
    cotangents["eigenvalues"] = np.zeros((count, n))
    cotangents["eigenvalues"][-1] = rng.standard_normal(n)
    r = solve(tmp_path, a, ranks=ranks, solve={"solver": solver}, functions=FUNCTIONS, tangent="direction.h5",
              cotangents=cotangents)
    told = OK if spectrum != "degenerate" else SUBGRADIENT  # of eigenvalues that are equal
    assert (r["status"][:-1] == OK).all() and r["status"][-1] == told
    for k, f in enumerate(FUNCTIONS):
        cotangent = cotangents[f"functions/{f['name']}"][k]
        scale = np.linalg.norm(r["gradient"][k]) * np.linalg.norm(d[k])
        same(inner(cotangent, r[f"tangent/functions/{f['name']}"][k]), inner(r["gradient"][k], d[k]), scale)
    same(inner(cotangents["eigenvalues"][-1], r["tangent/eigenvalues"][-1]), inner(r["gradient"][-1], d[-1]),
         np.linalg.norm(r["gradient"][-1]) * np.linalg.norm(d[-1]))


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("solver, ranks", [("lanes", 1), ("lapack", 1), ("scalapack", 2)])
def test_adjoint_identity_of_eigenvectors(tmp_path, spectrum, dtype, solver, ranks):
    """In the parallel gauge; the loss is invariant inside multiplets and near pairs, and any loss elsewhere but for the
    phase. Derivatives of vectors of a near pair are as large as 1 / gap, and are rounded in proportion."""
    rng, n = np.random.default_rng(3), 7
    a, d, c = (hermitian(rng, 1, n, dtype, SPECTRA[spectrum]), hermitian(rng, 1, n, dtype), hermitian(rng, 1, n, dtype))
    write(tmp_path / "direction.h5", H=d)
    keys = {"solve": {"solver": solver}, "tangent": "direction.h5"}
    forward = solve(tmp_path, a, name="forward", ranks=ranks, **keys)
    v, dv = forward["eigenvectors"], forward["tangent/eigenvectors"]
    weights = np.unique(np.round(SPECTRA[spectrum], 6), return_inverse=True)[1] + 0.5
    gv = 2 * (c @ v) * weights
    r = solve(tmp_path, a, ranks=ranks, cotangents={"eigenvectors": gv}, gradient={"eigenpairs": "forward-out.h5"},
              solve={"solver": solver})
    assert (r["status"] == OK).all()
    scale = np.linalg.norm(r["gradient"]) * np.linalg.norm(d)
    same(inner(gv[0], dv[0]), inner(r["gradient"][0], d[0]), max(scale, np.linalg.norm(gv) * np.linalg.norm(dv)))
    assert (forward["diagnostics/tangent_splitting"] > 0.01).all() == (spectrum == "degenerate")


def test_directions_are_checked(tmp_path):
    rng = np.random.default_rng(4)
    a, d = hermitian(rng, 3, 5), hermitian(rng, 3, 5)
    d[1, 2, 3], d[2, 0, 1] = np.nan, 7
    write(tmp_path / "direction.h5", H=d)
    r = solve(tmp_path, a, tangent="direction.h5", expect=4)
    assert list(r["status"]) == [OK, 8, 4] and not r["tangent/eigenvectors"][1:].any() and not r["eigenvalues"][1:].any()
    d[1, 2, 3] = 0
    lower = np.tril(d) + np.triu(np.full((5, 5), np.nan), 1)
    (tmp_path / "direction.h5").unlink()
    write(tmp_path / "direction.h5", H=lower)
    r = solve(tmp_path, a, tangent="direction.h5", input={"file": "in.h5", "triangle": "lower"})
    assert (r["status"] == OK).all() and np.isfinite(r["tangent/eigenvectors"]).all()
