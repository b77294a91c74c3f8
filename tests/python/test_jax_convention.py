"""`convention: jax` against values of jax.grad itself (tests/oracle/jax_grad.h5): of cotangents as of gradients."""
import h5py
import numpy as np
import pytest

from job import OK, ROOT, config, eps, read, run, write
from library import Frame, Function, Memory

ENGINES = {"lanes": ("lanes", 1), "lapack": ("lapack", 1), "scalapack": ("scalapack", 2)}
JAX, SOLVERS = 1, {"lanes": 1, "lapack": 2}


def case(name, dtype="complex128"):
    with h5py.File(ROOT / "tests/oracle/jax_grad.h5", "r") as f:
        out = {k: v[:] for k, v in f[name].items()}
        out.update(f[name].attrs)
    narrow = {"c": dtype, "f": np.zeros(0, dtype).real.dtype}
    return {k: v.astype(narrow[v.dtype.kind]) if isinstance(v, np.ndarray) and v.dtype.kind in "cf" else v
            for k, v in out.items()}


def same(found, exact, dtype="complex128"):
    assert np.iscomplexobj(found) and found.shape == exact.shape
    assert np.abs(found - exact).max() < 1000 * eps(dtype) * np.abs(exact).max()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_in_memory(dtype, solver):
    """Several copies, so that lanes are filled and not; the caller's cotangents stay as they were."""
    for count in (1, 37):
        tile = lambda x: np.ascontiguousarray(np.broadcast_to(x, (count, *x.shape)))  # noqa: E731
        options = {"convention": JAX, "solver": SOLVERS[solver]}
        c = case("pairs_5", dtype)
        m = Memory(dtype, 5, count)
        m.w[:], m.v[:] = c["eigenvalues"], c["eigenvectors"]
        gv = tile(c["by_eigenvectors"])
        m.backward(tile(c["matrix"]), tile(c["by_eigenvalues"]), gv, **options)
        assert (m.report["status"] == OK).all() and np.array_equal(gv, tile(c["by_eigenvectors"]))
        same(m.g, tile(c["gradient"]), dtype)
        c = case("function", dtype)
        m = Memory(dtype, 5, count)
        f = Function(c["kind"], scale=c["scale"])
        same(m.function(tile(c["matrix"]), f, **options), tile(c["value"]), dtype)
        same(m.function_gradient(None, f, tile(c["by_value"]), **options), tile(c["gradient"]), dtype)
        c = case("frame", dtype)
        f = Frame(c["index"], c["reference"])
        same(m.frame(tile(c["matrix"]), f, **options), tile(c["value"]), dtype)
        g, gr = m.frame_gradient(None, f, tile(c["by_value"]), **options)
        same(g, tile(c["gradient"]), dtype)
        same(gr, tile(c["gradient_reference"]), dtype)


def sections(engine):
    solver, ranks = ENGINES[engine]
    return {"solve": {"solver": solver}, **({"run": {"distribute_from": 1}} if ranks > 1 else {})}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["pairs_5", "pairs_3"])
def test_jobs_of_eigenpairs(name, engine, tmp_path):
    c, ranks = case(name), ENGINES[engine][1]
    k, settings = len(c["eigenvalues"]), sections(engine)
    if k < 5:
        settings["solve"]["select"] = {"lowest": k}
    write(tmp_path / "in.h5", H=c["matrix"])
    run(config(tmp_path, "forward", output={"file": "forward.h5"}, **settings), ranks=ranks)
    v = read(tmp_path / "forward.h5")["eigenvectors"][0]
    phases = (c["eigenvectors"].conj() * v).sum(0)  # of this solver's vectors against JAX's
    assert np.allclose(np.abs(phases), 1)
    write(tmp_path / "c.h5", **{"H/eigenvalues": c["by_eigenvalues"][None],
                                "H/eigenvectors": (c["by_eigenvectors"] * phases.conj())[None]})
    run(config(tmp_path, gradient={"cotangents": "c.h5", "eigenpairs": "forward.h5", "convention": "jax"}, **settings),
        ranks=ranks)
    r = read(tmp_path / "job-out.h5")
    assert r["status"][0] == OK
    same(r["gradient"][0], c["gradient"])
    run(tmp_path / "job-out.h5", "--gradients", "1", verb="check")


@pytest.mark.parametrize("engine", ENGINES)
def test_jobs_of_functions_and_frames(engine, tmp_path):
    f, x, ranks = case("function"), case("frame"), ENGINES[engine][1]
    write(tmp_path / "in.h5", H=np.stack([f["matrix"]] * 2))
    write(tmp_path / "r.h5", R=x["reference"])
    zero = np.zeros_like
    write(tmp_path / "c.h5", **{"H/functions/heat": np.stack([f["by_value"], zero(f["by_value"])]),
                                "H/frame": np.stack([zero(x["by_value"]), x["by_value"]])})
    run(config(tmp_path, functions=[{"name": "heat", "kind": f["kind"], "scale": float(f["scale"])}],
               frame={"index": [int(k) for k in x["index"]], "reference": {"file": "r.h5", "dataset": "/R"}},
               gradient={"cotangents": "c.h5", "convention": "jax"}, **sections(engine)), ranks=ranks)
    r = read(tmp_path / "job-out.h5")
    assert (r["status"] == OK).all()
    same(r["functions/heat"][0], f["value"])
    same(r["gradient"], np.stack([f["gradient"], x["gradient"]]))
    same(r["gradient_reference"][1], x["gradient_reference"])
    run(tmp_path / "job-out.h5", "--gradients", "2", verb="check")
