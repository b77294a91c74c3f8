"""Every case of tests/oracle through whole jobs: each engine, each output, backward and forward."""
import functools
import pathlib

import h5py
import numpy as np
import pytest

from job import OK, SUBGRADIENT, ROOT, config, eps, read, run, solve, write

ORACLE = ROOT / "tests/oracle"
ENGINES = {"lanes": ("lanes", 1), "lapack": ("lapack", 1), "scalapack": ("scalapack", 2)}


def groups():
    for path in sorted(ORACLE.glob("*.h5")):
        with h5py.File(path, "r") as f:
            for name in ("/", "/positive"):
                if name in f and "matrix" in f[name]:
                    yield path.stem, name


def test_the_cases_are_there():
    assert len(list(groups())) == 19


def tree(item):
    """A group as dictionaries of arrays, attributes under "attrs"."""
    out = {"attrs": dict(item.attrs)}
    for key, value in item.items():
        out[key] = tree(value) if isinstance(value, h5py.Group) else value[:]
    return out


@functools.lru_cache(None)
def case_of(name, group):
    with h5py.File(ORACLE / f"{name}.h5", "r") as f:
        return tree(f[group])


def entries(case):
    return {k: v for k, v in case.items() if k != "attrs"}


def function_keys(case):
    out = []
    for key, f in entries(case["functions"]).items():
        item = {k: list(map(int, v)) if k == "index" else float(v) if k != "kind" else v
                for k, v in f["attrs"].items() if k != "chemical_potential"}
        out.append({"name": key, **item})
    return out


def engine_sections(engine):
    return {"solve": {"solver": engine}, **({"run": {"distribute_from": 1}} if engine == "scalapack" else {})}


def near(found, exact, estimate, scale, what, floor=100):
    """`scale` where the exact answer may be zero."""
    allowed = max(floor * len(exact) * eps("float64"), 40 * estimate)
    error = np.abs(found - exact).max() / max(np.abs(exact).max(), scale, 1e-290)
    assert error <= allowed, (what, error, allowed)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name, group", list(groups()))
def test_functions_frames_and_tangents(name, group, engine, tmp_path):
    case = case_of(name, group)
    functions, frames = entries(case["functions"]), entries(case["frames"])
    frame = next(iter(frames.values()))
    copies = len(functions) + 2  # a cotangent each, of one function, the eigenvalues, the frame
    a = case["matrix"]
    write(tmp_path / "in.h5", H=np.tile(a, (copies, 1, 1)))
    write(tmp_path / "direction.h5", H=np.tile(case["direction"], (copies, 1, 1)))
    write(tmp_path / "reference.h5", R=frame["reference"])
    cotangents = {f"functions/{k}": np.zeros((copies, *a.shape), a.dtype) for k in functions}
    for k, (key, f) in enumerate(functions.items()):
        cotangents[f"functions/{key}"][k] = f["cotangent"]
    pairs = case["eigenpairs"][f"0_{len(a)}"]
    cotangents["eigenvalues"] = np.zeros((copies, len(a)))
    cotangents["eigenvalues"][-2] = pairs["eigenvalue_cotangent"]
    cotangents["frame"] = np.zeros((copies, *frame["cotangent"].shape), a.dtype)
    cotangents["frame"][-1] = frame["cotangent"]
    write(tmp_path / "cotangents.h5", **{f"H/{k}": v for k, v in cotangents.items()})
    solver, ranks = ENGINES[engine]
    path = config(tmp_path, functions=function_keys(case), tangent="direction.h5",
                  frame={"index": list(map(int, frame["attrs"]["index"])),
                         "reference": {"file": "reference.h5", "dataset": "/R"}},
                  gradient={"cotangents": "cotangents.h5"}, **engine_sections(solver))
    run(path, ranks=ranks)
    r = read(tmp_path / "job-out.h5")
    ids, gw = r["multiplet"][0], np.asarray(pairs["eigenvalue_cotangent"])
    differ = any(np.ptp(gw[ids == k]) > 0 for k in ids)
    assert list(r["status"]) == [OK] * (copies - 2) + [SUBGRADIENT if differ else OK, OK]
    norm, gap = np.abs(case["eigenvalues"]).max(), min(r["diagnostics/min_gap"][0], 1)
    error = r["diagnostics/gradient_error"]
    for k, (key, f) in enumerate(functions.items()):
        near(r[f"functions/{key}"][0], f["value"], error[k], 0, key)
        near(r["gradient"][k], f["gradient"], error[k], 0, key)
        near(r[f"tangent/functions/{key}"][0], f["tangent"], error[k], 0, key, floor=1000)
        if "chemical_potential" in f["attrs"]:
            mu = f["attrs"]["chemical_potential"]
            assert abs(r[f"diagnostics/chemical_potential/{key}"][0] - mu) < 1e-13 * norm
    turn = eps("float64") * frame["attrs"]["condition"] / gap
    scale = np.abs(frame["cotangent"]).max() * frame["attrs"]["condition"] / np.linalg.norm(frame["reference"], axis=0).max()
    near(r["frame"][0], frame["value"], turn, 0, "frame")
    near(r["gradient"][-1], frame["gradient"], max(error[-1], turn), scale / norm, "frame's gradient")
    near(r["gradient_reference"][-1], frame["gradient_reference"], turn, scale, "by the reference")
    near(r["gradient"][-2], pairs["eigenvalue_gradient"], error[-2], 0, "eigenvalues")
    near(r["tangent/eigenvalues"][0], pairs["eigenvalue_tangent"], eps("float64") / gap, 0, "eigenvalues' tangent")
    v, dv, weights = r["eigenvectors"][0], r["tangent/eigenvectors"][0], pairs["weights"]
    turned = (dv * weights) @ v.conj().T
    near(turned + turned.conj().T, pairs["weighted_projector_tangent"], eps("float64") / gap, 1, "vectors' tangent")
    inside = r["multiplet"][0][:, None] == r["multiplet"][0][None, :]
    assert np.abs((v.conj().T @ dv)[inside]).max() <= 1e-13 * max(np.abs(dv).max(), 1)  # the parallel gauge


def every_case():
    return {f"{name}{group.rstrip('/').replace('/', '-')}": case_of(name, group) for name, group in groups()}


def two_passes(tmp_path, cases, pairs, engine, select=None):
    """Of all cases, with one of each one's `pairs`. Forward; a loss of its eigenvectors; backward: results by case."""
    sections = engine_sections(ENGINES[engine][0])
    if select:
        sections["solve"]["select"] = select
    how = {"ranks": ENGINES[engine][1], **sections}
    a = {name: case["matrix"] for name, case in cases.items()}
    forward = solve(tmp_path, a, name="forward", **how)
    v = {name: r["eigenvectors"][0] for name, r in forward.items()}
    loss = {name: {"eigenvectors": 2 * (p["observable"] @ v[name] * p["weights"])[None]} for name, p in pairs.items()}
    return solve(tmp_path, a, name="backward", cotangents=loss, gradient={"eigenpairs": "forward-out.h5"}, **how)


@pytest.mark.parametrize("engine", ENGINES)
def test_eigenvectors(engine, tmp_path):
    cases = every_case()
    assert len(cases) == 19
    pairs = {name: case["eigenpairs"][f"0_{len(case['matrix'])}"] for name, case in cases.items()}
    for name, r in two_passes(tmp_path, cases, pairs, engine).items():
        assert (r["status"] == OK).all(), name
        gap = min(r["diagnostics/min_gap"][0], 1)
        norm = np.abs(cases[name]["eigenvalues"]).max()
        near(r["gradient"][0], pairs[name]["observable_gradient"],
             max(r["diagnostics/gradient_error"][0], eps("float64") / gap), 1 / norm, f"{name}: observable")


def selections():
    """The lowest multiplet, and all but that, of each case: which cases have a range of indices."""
    found = {}
    for name, case in every_case().items():
        for pairs in entries(case["eigenpairs"]).values():
            start, stop = map(int, pairs["attrs"]["index"])
            if stop - start < len(case["matrix"]):
                found.setdefault((start, stop), []).append((name, pairs))
    return found


def test_the_selections_are_there():
    assert sum(map(len, selections().values())) == 34


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("start, stop", list(selections()))
def test_selections(start, stop, engine, tmp_path):
    """Eigenvectors in two passes, eigenvalues in one; all cases that have this selection in one job."""
    pairs = dict(selections()[start, stop])
    cases = {name: every_case()[name] for name in pairs}
    select, gaps = {"lowest": stop} if start == 0 else {"index": [start, stop]}, {}
    for name, r in two_passes(tmp_path, cases, pairs, engine, select).items():
        norm = np.abs(cases[name]["eigenvalues"]).max()
        assert (r["status"] == OK).all() and r["eigenvalues"].shape == (1, stop - start), name
        gap = gaps[name] = min(r["diagnostics/min_gap"][0], 1)
        near(r["gradient"][0], pairs[name]["observable_gradient"],
             max(r["diagnostics/gradient_error"][0], eps("float64") / gap), 1 / norm, f"{name}: observable")
    sections = engine_sections(ENGINES[engine][0])
    sections["solve"]["select"] = select
    values = {name: {"eigenvalues": p["eigenvalue_cotangent"][None]} for name, p in pairs.items()}
    a = {name: case["matrix"] for name, case in cases.items()}
    for name, r in solve(tmp_path, a, name="values", cotangents=values, ranks=ENGINES[engine][1], **sections).items():
        norm = np.abs(cases[name]["eigenvalues"]).max()
        near(r["eigenvalues"][0], cases[name]["eigenvalues"][start:stop], 0, norm, f"{name}: eigenvalues")
        near(r["gradient"][0], pairs[name]["eigenvalue_gradient"], eps("float64") / gaps[name], 0.1, f"{name}: gradient")
