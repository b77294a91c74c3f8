"""`check --gradients` holds every output that a result stores against what its matrix gives: right ones pass, and one
that is a percent off is named."""
import h5py
import numpy as np
import pytest

from job import TYPES, hermitian, run, solve, write

N, COUNT, W = 8, 2, [0.5, 0.5, 1, 2, 2, 2.5, 3, 3.1]
FUNCTIONS = [{"name": "e", "kind": "exp", "scale": -2}, {"name": "l", "kind": "log"},
             {"name": "N", "kind": "fermi", "beta": 30, "electrons": 3},
             {"name": "P", "kind": "projector", "index": [0, 2]}]
VALUES = ["frame", *(f"functions/{f['name']}" for f in FUNCTIONS)]
DERIVATIVES = ["gradient_reference", "tangent/eigenvalues", "tangent/eigenvectors",
               *(f"tangent/functions/{f['name']}" for f in FUNCTIONS)]


def check(tmp_path, *arguments, expect=0, **how):
    return run(tmp_path / "job-out.h5", *(arguments or ["--gradients", "9"]), verb="check", expect=expect, **how).stdout


def spoilt(tmp_path, name, change, problem=1):
    """What check prints when one output of one problem is another."""
    with h5py.File(tmp_path / "job-out.h5", "a") as f:
        right = f[f"H/{name}"][problem]
        f[f"H/{name}"][problem] = change(right)
    out = check(tmp_path, expect=4)
    with h5py.File(tmp_path / "job-out.h5", "a") as f:
        f[f"H/{name}"][problem] = right
    return out


def job(tmp_path, dtype="float64", each=True, reference=None, promote=False, copies=None, **sections):
    """The same problems in datasets of the names `copies`, where they are given."""
    tmp_path.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    a = hermitian(rng, COUNT, N, dtype, W)
    r = rng.standard_normal((COUNT, N, 2) if each else (N, 2)).astype(reference or dtype)
    write(tmp_path / "r.h5", R=r + 0j if promote else r)
    write(tmp_path / "d.h5", **dict.fromkeys(copies or ["H"], hermitian(rng, COUNT, N, dtype)))
    cotangents = {"frame": rng.standard_normal((COUNT, N, 2)).astype(dtype)}
    if copies:
        a, cotangents = dict.fromkeys(copies, a), dict.fromkeys(copies, cotangents)
    return solve(tmp_path, a, cotangents=cotangents, functions=FUNCTIONS, tangent="d.h5",
                 frame={"index": [3, 5], "reference": {"file": "r.h5", "dataset": "R"}}, **sections)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("keys", [{}, {"solve": {"select": {"index": [2, 6]}}},
                                  {"degeneracy": {"eigenvalue_cotangents": "raw"}}])
def test_every_output(tmp_path, dtype, keys):
    """Each is spoilt in a dataset of its own, and is all that is told of it."""
    names = [*VALUES, *DERIVATIVES, "eigenvalues"]
    spoilable = {f"H{k}": name for k, name in enumerate(VALUES + DERIVATIVES)}
    count, every = COUNT * len(spoilable), ["--gradients", str(COUNT * len(spoilable))]
    right = job(tmp_path, dtype, copies=list(spoilable), **keys)
    out = check(tmp_path, *every, ranks=2)
    assert f"{count} gradients compared" in out and f"{count * len(names)} other outputs compared" in out, out
    assert "not testable" not in out and "all within bounds" in out
    for factor in (1.01, np.nan):
        with h5py.File(tmp_path / "job-out.h5", "a") as f:
            for group, name in spoilable.items():
                f[f"{group}/{name}"][1] = right[group][name][1] * right[group][name].dtype.type(factor)
        out = check(tmp_path, *every, expect=4)
        for group, name in spoilable.items():
            against = "what the matrix gives" if name in VALUES else "finite differences"
            assert f"/{group}[1]: {name} differs from {against} by" in out, (name, out)
        assert f"0 gradients, {len(spoilable)} other outputs" in out, out


@pytest.mark.parametrize("convention", ["torch", "jax"])
def test_the_convention_of_the_reference_gradient(tmp_path, convention):
    job(tmp_path, "complex128", each=False, gradient={"convention": convention})
    check(tmp_path)
    assert "gradient_reference differs" in spoilt(tmp_path, "gradient_reference", np.conj)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("stored", ["float32", "float64"])
def test_a_real_reference_of_complex_matrices(tmp_path, dtype, each, stored):
    whole, some = job(tmp_path / "complex", dtype, each, reference=stored, promote=True), job(
        tmp_path / "real", dtype, each, reference=stored)
    for name in ("frame", "gradient", "gradient_reference"):
        assert np.array_equal(whole[name], some[name]) and np.iscomplexobj(some[name]), name
    assert "all within bounds" in check(tmp_path / "real", ranks=2)


def test_without_cotangents(tmp_path):
    rng = np.random.default_rng(1)
    solve(tmp_path, hermitian(rng, COUNT, N, spectrum=W), functions=FUNCTIONS)
    out = check(tmp_path)
    assert "0 gradients compared" in out and f"{COUNT * (1 + len(FUNCTIONS))} other outputs" in out
    assert "functions/l differs" in spoilt(tmp_path, "functions/l", lambda x: -x)


def test_a_triangle_counts_in_directions_too(tmp_path):
    rng = np.random.default_rng(2)
    a, d = hermitian(rng, 1, N), hermitian(rng, 1, N)
    write(tmp_path / "d.h5", H=np.tril(d))
    solve(tmp_path, np.tril(a), tangent="d.h5", input={"file": "in.h5", "triangle": "lower"})
    assert "3 other outputs" in check(tmp_path)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("select", [{"lowest": 3}, {"highest": 3}, {"index": [2, 6]}, {"lowest": 4},
                                    {"range": [0.75, 2.75], "at_most": 7}])
def test_gradients_of_a_selection(tmp_path, dtype, select):
    """Also where it cuts a multiplet, whose mean alone counts."""
    rng = np.random.default_rng(4)
    a, keys = hermitian(rng, COUNT, N, dtype, W), {"solve": {"select": select}}
    forward = solve(tmp_path, a, name="forward", **keys)
    w, v = forward["eigenvalues"], forward["eigenvectors"]
    gv = 2 * hermitian(rng, COUNT, N, dtype) @ v
    if select == {"lowest": 4}:
        gv[:, :, 3] = 0
    solve(tmp_path, a, cotangents={"eigenvectors": gv, "eigenvalues": w ** 2}, gradient={"eigenpairs": "forward-out.h5"},
          **keys)
    out = check(tmp_path)
    assert f"{COUNT} gradients compared with finite differences\n" in out and "all within bounds" in out
    assert "/H[1]: the gradient differs" in spoilt(tmp_path, "gradient", lambda g: g * g.dtype.type(1.01))


def test_pairs_that_were_not_asked_for(tmp_path):
    """Right pairs, residuals and all, but of other places in the spectrum."""
    a = hermitian(np.random.default_rng(5), COUNT, N, spectrum=W)
    other = solve(tmp_path, a, solve={"select": {"highest": 2}})
    solve(tmp_path, a, solve={"select": {"lowest": 2}}, functions=FUNCTIONS[:1])
    with h5py.File(tmp_path / "job-out.h5", "a") as f:
        for name in ("eigenvalues", "eigenvectors", "multiplet"):
            f[f"H/{name}"][1] = other[name][1]
    assert "/H[1]: eigenvalues differs from what the matrix gives" in check(tmp_path, expect=4)
