"""Any number of leading dimensions: the same problems as in one, counted flat, and arrays of their shape."""
import itertools
import os
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from job import OK, command, config, hermitian, read, run, same, solve, write

import multiplet

SHAPES = [(2, 3), (1, 1), (0, 4), (2, 1, 3)]
FUNCTIONS = [{"name": "rho", "kind": "fermi", "beta": 4, "electrons": 2},
             {"name": "P", "kind": "projector", "index": [0, 2]}]
SOLVERS = ["lanes", "lapack", "scalapack"]
SELECTIONS = [{"lowest": 3}, {"highest": 3}, {"index": [1, 4]}, {"range": [-9, 9], "at_most": 3}]
TIMES = ("diagnostics/seconds", "diagnostics/started", "diagnostics/rank", "attributes")


def problems(shape, n=6, dtype="c16", seed=1):
    count = int(np.prod(shape))
    return hermitian(np.random.default_rng(seed), max(count, 1), n, dtype)[:count].reshape(*shape, n, n)


def job(at, name, shape, flat, select=None, n=6, dtype="c16", each=False, **sections):
    """A job with all outputs, its arrays in the leading dimensions `shape` or with one of them."""
    rng, count, real = np.random.default_rng(2), int(np.prod(shape)), np.zeros(0, dtype).real.dtype
    lead = (count,) if flat else shape
    m = 3 if select else n

    def draw(*tail, kind=dtype):
        x = rng.standard_normal((count, *tail))
        if np.dtype(kind).kind == "c":
            x = x + 1j * rng.standard_normal((count, *tail))
        return x.astype(kind).reshape(*lead, *tail)
    a, da = problems(shape, n, dtype).reshape(*lead, n, n), problems(shape, n, dtype, 5).reshape(*lead, n, n)
    cotangents = {"H/eigenvalues": draw(m, kind=real), "H/eigenvectors": draw(n, m)}
    whole = {"H/functions/rho": draw(n, n), "H/functions/P": draw(n, n), "H/frame": draw(n, 2)}
    reference = (draw(n, 2) if each else draw(n, 2).reshape(-1, n, 2)[0] if count else np.eye(n, 2).astype(dtype))
    for file, datasets in (("in", {"H": a}), ("c", cotangents if select else cotangents | whole), ("t", {"H": da}),
                           ("r", {"R": reference})):
        write(at / f"{name}-{file}.h5", **datasets)
    keys = {"solve": {"select": select or "all"}, "input": {"file": f"{name}-in.h5"},
            "gradient": {"cotangents": f"{name}-c.h5"}}
    if not select:
        keys |= {"functions": FUNCTIONS, "tangent": f"{name}-t.h5",
                 "frame": {"index": [0, 3], "reference": {"file": f"{name}-r.h5", "dataset": "/R"}}}
    keys["solve"] |= sections.pop("solve", {})
    return config(at, name, **keys, **sections)


def flattened(out, shape):
    return {k: v if k == "attributes" else v.reshape(-1, *v.shape[len(shape):]) for k, v in out.items()}


def compare(at, shape, ranks=1, expect=0, fresh=(), **keys):
    """The same job on [*, n, n] and on [B, n, n], to the last bit."""
    flat = job(at, "flat", shape, True, **keys)
    deep = job(at, "deep", shape, False, **keys)
    for path in (flat, deep):
        run(path, ranks=ranks, expect=expect)
    one, other = read(at / "flat-out.h5"), read(at / "deep-out.h5")
    count = int(np.prod(shape))
    for name, value in other.items():
        if name != "attributes":
            assert value.shape[:len(shape)] == shape and one[name].shape[0] == count, name
    same(one, flattened(other, shape), leave_out=TIMES)
    return deep, other


def some(*lists):
    """All combinations in the long tier, else every fifth."""
    return list(itertools.product(*lists))[::1 if os.environ.get("MULTIPLET_LONG") else 5]


@pytest.mark.parametrize("shape,solver,each", some(SHAPES, SOLVERS, [False, True]))
def test_every_field(tmp_path, shape, solver, each):
    deep, out = compare(tmp_path, shape, solve={"solver": solver}, each=each)
    assert len(out) > 25 and np.isin(out["status"], [1, 2]).all()
    done = run(tmp_path / "deep-out.h5", *(["--gradients", "2"] if np.prod(shape) else []), verb="check")
    assert "NOT within" not in done.stdout
    if np.prod(shape):
        assert f"{np.prod(shape)} matrices of n = 6" in run(deep, verb="plan").stdout + run(deep, "--fresh").stderr


@pytest.mark.parametrize("shape,solver,select", some(SHAPES, SOLVERS, SELECTIONS))
def test_every_selection(tmp_path, shape, solver, select):
    """TOO_MANY_IN_RANGE in the last; the factor too, where it is made."""
    store = ["eigenvalues", "eigenvectors", "gradient", "diagnostics", *(["factor"] if solver != "lanes" else [])]
    failed = 4 if "range" in select and np.prod(shape) else 0
    selection(tmp_path, shape, select, solver, store, failed)


def selection(at, shape, select, solver, store, failed):
    for name in ("flat", "deep"):
        path = job(at, name, shape, name == "flat", select=select, solve={"solver": solver},
                   output={"file": f"{name}-out.h5", "store": store})
        run(path, expect=failed)
    one, other = read(at / "flat-out.h5"), read(at / "deep-out.h5")
    same(one, flattened(other, shape), leave_out=TIMES)
    assert ("factor/tau" in other) == ("factor" in store) and ("found" in other) == ("range" in select)
    for name in ("flat", "deep"): # the second pass, from the pairs
        path = job(at, name + "2", shape, name == "flat", select=select, solve={"solver": solver},
                   output={"file": f"{name}2-out.h5", "store": ["gradient"]})
        path.write_text(path.read_text().replace(f"{name}2-in.h5", f"{name}-in.h5")
                        .replace("gradient: {", f"gradient: {{eigenpairs: {name}-out.h5, "))
        run(path, expect=failed)
    two, second = read(at / "flat2-out.h5"), read(at / "deep2-out.h5")
    same(two, flattened(second, shape), leave_out=TIMES)


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 3)])
def test_over_ranks(tmp_path, shape, ranks):
    """Problems for one rank each, and matrices that several share."""
    for name, keys in (("small", {}), ("spread", {"solve": {"solver": "scalapack"}, "run": {"distribute_from": 4}})):
        (tmp_path / name).mkdir()
        compare(tmp_path / name, shape, ranks=ranks, n=12, **keys)
        run(tmp_path / name / "deep-out.h5", "--gradients", "2", verb="check", ranks=ranks)


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8"])
def test_other_types(tmp_path, dtype):
    compare(tmp_path, (2, 3), dtype=dtype)


def test_long_batches_are_cut_across_dimensions(tmp_path):
    """Pieces that begin and end inside rows of every leading dimension."""
    shape = (3, 5, 7, 11)
    a = problems(shape, 3, "f8")
    out = solve(tmp_path, a, solve={"solver": "lapack"}, run={"checkpoint_seconds": 0.001})
    assert out["eigenvalues"].shape == (*shape, 3) and (out["status"] == OK).all()
    assert np.allclose(np.linalg.eigvalsh(a), out["eigenvalues"], atol=1e-13)
    v, w = out["eigenvectors"], out["eigenvalues"]
    assert np.abs(a @ v - v * w[..., None, :]).max() < 1e-13


def test_statuses_stand_in_their_places(tmp_path):
    a = problems((2, 3))
    a[1, 0, 2, 2] = np.nan
    a[0, 2, 1, 0] += 1
    out = solve(tmp_path, a, expect=4)
    assert out["status"].tolist() == [[1, 1, 4], [3, 1, 1]]
    assert (out["eigenvalues"][out["status"] != 1] == 0).all()
    path = tmp_path / "job-out.h5"
    shown = run(path, verb="show").stdout
    assert "1 at /H[(1, 0)]" in shown and "1 at /H[(0, 2)]" in shown
    group = run(f"{path}:/H", verb="show").stdout
    assert group.startswith("/H: 6 problems [2, 3], n = 6") and "\n  1, 0 " in group
    for place in ("1, 1", "1,1", "4"):
        one = run(f"{path}:/H[{place}]", verb="show").stdout
        assert one.startswith("/H[1, 1]: n = 6") and f"{out['eigenvalues'][1, 1, 0]:.10g}"[:9] in one
    for place, text in (("2, 0", "up to [1, 2]"), ("0, 3", "out of range"), ("6", "give 0 to 5"),
                        ("0, -1", "out of range")):
        assert text in run(f"{path}:/H[{place}]", verb="show", expect=3).stderr
    for place in ("1, 0, 0", "1, ", ",1", "1 1", "", "x"):
        assert "not an index" in run(f"{path}:/H[{place}]", verb="show", expect=2).stderr
    with h5py.File(path, "a") as f:
        f["H/eigenvalues"][1, 2, 3] += 1
    assert "/H[1, 2]: " in run(path, verb="check", expect=4).stdout


def test_python_readers(tmp_path):
    a = problems((2, 3))
    a[1, 0, 2, 2] = np.nan
    solve(tmp_path, a, expect=4)
    with multiplet.open(tmp_path / "job-out.h5") as result:
        group = result.only()
        assert group.shape == (2, 3) and group.count == 6 and result.eigenvalues.shape == (2, 3, 6)
        assert [(f.index, f.status) for f in result.failed()] == [((1, 0), multiplet.Status.NONFINITE_INPUT)]
        assert group.status_of((1, 0)) == group.status_of(3) == multiplet.Status.NONFINITE_INPUT
        assert group.read("eigenvalues", (1, 2)).shape == (6,)
    torch = pytest.importorskip("torch")
    from multiplet.torch import Dataset
    data = Dataset(tmp_path / "job-out.h5")
    assert data.index == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2)] and data[3]["eigenvectors"].shape == (6, 6)
    assert torch.equal(data[4]["eigenvalues"], torch.as_tensor(read(tmp_path / "job-out.h5")["eigenvalues"][1, 2]))


def test_figure(tmp_path):
    pytest.importorskip("matplotlib")
    solve(tmp_path, problems((2, 3)), cotangents={"eigenvalues": np.ones((2, 3, 6))})
    assert "6 of 6 matrices" in multiplet.plot(tmp_path / "job-out.h5")._suptitle.get_text()


def test_a_single_matrix_stays_a_batch_of_one(tmp_path):
    a = problems((1,))
    one, batch, deep = (solve(tmp_path, x, name=name) for name, x in
                        (("one", a[0]), ("batch", a), ("deep", a[None])))
    assert one["eigenvalues"].shape == (1, 6) and deep["eigenvalues"].shape == (1, 1, 6)
    same(one, batch)
    write(tmp_path / "c.h5", **{"H/eigenvalues": np.ones(6)})
    write(tmp_path / "single.h5", H=a[0])
    run(config(tmp_path, "single", input={"file": "single.h5"}, gradient={"cotangents": "c.h5"}))


@pytest.mark.parametrize("wrong", [(6, 6), (3, 2, 6), (2, 3, 1, 6), (1, 6, 6)])
def test_what_mirrors_has_the_same_dimensions(tmp_path, wrong):
    write(tmp_path / "in.h5", H=problems((2, 3)))
    write(tmp_path / "c.h5", **{"H/eigenvalues": np.ones(wrong)})
    done = run(config(tmp_path, gradient={"cotangents": "c.h5"}), expect=3)
    assert "its shape does not match" in done.stderr and "here [2, 3, 6]" in done.stderr
    write(tmp_path / "r.h5", R=np.ones((*wrong[:-1], 6, 1)))
    frame = {"index": [0, 2], "reference": {"file": "r.h5", "dataset": "/R"}}
    assert "one for each matrix" in run(config(tmp_path, frame=frame), expect=3).stderr


def test_unfinished_results_are_continued(tmp_path):
    shape, n = (3, 4, 5), 100
    a = problems(shape, n, "f8")
    whole = solve(tmp_path, a, name="whole", solve={"solver": "lapack"})
    path = config(tmp_path, solve={"solver": "lapack"}, run={"checkpoint_seconds": 0.001})
    for wait in np.linspace(0.05, 2, 20):
        (tmp_path / "job-out.h5").unlink(missing_ok=True)
        process = subprocess.Popen(command(path), stderr=subprocess.DEVNULL)
        while process.poll() is None and not (tmp_path / "job-out.h5").exists():
            time.sleep(0.002)
        time.sleep(wait * 0.2)
        process.send_signal(signal.SIGTERM)
        if process.wait(timeout=60) == 75 and 0 < (read(tmp_path / "job-out.h5")["status"] == OK).sum() < 60:
            break
    left = (read(tmp_path / "job-out.h5")["status"] == 0).sum()
    assert 0 < left < 60
    assert f"{left} of 60 problems left" in run(path).stderr
    same(whole, read(tmp_path / "job-out.h5"))
