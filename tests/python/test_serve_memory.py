"""What a service keeps in memory, and what it does together: answers are those of `multiplet run`, and right."""
import json
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from job import GAUGE, NONFINITE, OK, config, eps, hermitian, read, reference_gradient, run, same, write
from test_serve import Service, answer, put, request, spool, wait_for  # noqa: F401  (a fixture)

MULTIPLETS = [-1, -1, 0, 2, 2, 5.0]


def recalled(spool, count):
    """Waits until the service says so."""
    wait_for(lambda: json.loads((spool / "status.json").read_text())["recalled"] == count, 5)


def cotangents(rng, count, n, dtype):
    gv = rng.standard_normal((count, n, n))
    if np.dtype(dtype).kind == "c":
        gv = gv + 1j * rng.standard_normal((count, n, n))
    return rng.standard_normal((count, n)), gv


def check_gradients(forward, backward, gw, gv, tolerance):
    for k in np.flatnonzero(forward["status"] == OK):
        w, v, multiplet = (forward[name][k] for name in ("eigenvalues", "eigenvectors", "multiplet"))
        g = reference_gradient(w.astype(float), v, multiplet, gw[k], gv[k])
        assert np.abs(backward["gradient"][k] - g).max() < tolerance * np.abs(g).max(), k


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("dtype, count, n, more", [
    ("float64", 20, 6, ""), ("complex64", 20, 6, ""),                             # small: one rank
    ("complex128", 900, 12, ""), ("float32", 6000, 8, ""),                        # large: all ranks, in lanes
    ("float64", 3, 160, ""),                                                      # in LAPACK
    ("complex128", 2, 90, "solve: {solver: scalapack}\nrun: {grid: [1, RANKS]}\n"),  # spread over the ranks
])
def test_a_second_pass_reads_nothing_again(spool, ranks, dtype, count, n, more):
    rng = np.random.default_rng(1)
    spectrum = np.concatenate([MULTIPLETS, np.arange(6, n)])[:n] if n > 5 else None
    a = hermitian(rng, count, n, dtype, spectrum)
    a[0, 1, 1] = np.nan
    gw, gv = cotangents(rng, count, n, dtype)
    write(spool / "a.h5", H=a)
    write(spool / "g.h5", **{"H/eigenvalues": gw.astype(a.real.dtype), "H/eigenvectors": gv.astype(dtype)})
    more = more.replace("RANKS", str(ranks))
    second = more + "gradient: {cotangents: g.h5, eigenpairs: f.h5}\n"
    with Service(spool, ranks):
        put(spool, "f", request("f", "a.h5", more))
        assert "exit: 4" in answer(spool, "f")[2]
        recalled(spool, 0)
        for k in (1, 2):  # as often as one likes
            put(spool, f"b{k}", request(f"b{k}", "a.h5", second))
            assert "exit: 4" in answer(spool, f"b{k}")[2]
            recalled(spool, k)
    forward, backward = read(spool / "f.h5"), read(spool / "b1.h5")
    assert backward["status"][0] == NONFINITE and (backward["status"][1:] == GAUGE).all()
    forward["status"][1:] = OK  # that the loss depends on the basis is no matter here
    check_gradients(forward, backward, gw, gv, 3e4 * n * eps(dtype))
    same(backward, read(spool / "b2.h5"))
    config(spool, "apart", input={"file": "a.h5"}, output={"file": "apart.h5"})
    text = (spool / "apart.yaml").read_text() + second
    (spool / "apart.yaml").write_text(text)
    run(spool / "apart.yaml", ranks=ranks, expect=4)  # from the files
    same(backward, read(spool / "apart.h5"))


def test_functions_frames_and_selections_too(spool):
    rng = np.random.default_rng(2)
    a = hermitian(rng, 5, 6, "complex128", MULTIPLETS)
    write(spool / "a.h5", H=a)
    write(spool / "r.h5", R=np.eye(6, 2, dtype=complex))
    gf = hermitian(rng, 5, 6)
    gv = cotangents(rng, 5, 6, "complex128")[1][:, :, :2]
    write(spool / "gf.h5", **{"H/functions/e": gf})
    write(spool / "gx.h5", **{"H/frame": gv})
    write(spool / "gs.h5", **{"H/eigenvalues": np.ones((5, 2))})
    kinds = {"e": ("functions: [{name: e, kind: exp}]\n", "gf"),
             "x": ("frame: {index: [0, 2], reference: {file: r.h5, dataset: R}}\n", "gx"),
             "s": ("solve: {select: {lowest: 2}}\n", "gs"),
             "q": ("solve: {select: {lowest: 2}, solver: lapack}\n", "gs")}
    with Service(spool, 2):
        for k, (name, (more, g)) in enumerate(kinds.items()):
            text = request(f"{name}1", "a.h5", more)
            if name == "q":  # a second pass from the files takes Q and T, too
                text = text.replace("q1.h5", "q1.h5, store: [eigenvalues, eigenvectors, diagnostics, factor]")
            put(spool, f"{name}1", text)
            assert answer(spool, f"{name}1")[0] == "done"
            put(spool, f"{name}2", request(f"{name}2", "a.h5",
                                           f"{more}gradient: {{cotangents: {g}.h5, eigenpairs: {name}1.h5}}\n"))
            assert answer(spool, f"{name}2")[0] == "done"
            recalled(spool, k + 1)
    for k in range(5):
        w, v = np.linalg.eigh(a[k])
        step = w[:, None] - w
        small = np.abs(step) < 1e-9
        quotient = np.where(small, np.exp(w)[:, None], (np.exp(w)[:, None] - np.exp(w)) / np.where(small, 1, step))
        g = v @ (quotient * (v.conj().T @ gf[k] @ v)) @ v.conj().T
        assert np.abs(read(spool / "e2.h5")["gradient"][k] - g).max() < 1e-11 * np.abs(g).max()
        p = v[:, :2] @ v[:, :2].conj().T
        for name in "sq":
            assert np.abs(read(spool / f"{name}2.h5")["gradient"][k] - p).max() < 1e-12
    for name, (more, g) in kinds.items():
        text = request(f"{name}3", "a.h5", f"{more}gradient: {{cotangents: {g}.h5, eigenpairs: {name}1.h5}}\n")
        (spool / f"{name}3.yaml").write_text(text)
        run(spool / f"{name}3.yaml")
        same(read(spool / f"{name}2.h5"), read(spool / f"{name}3.h5"))


SELECTIONS = {"lowest: 1": lambda w: [0], "highest: 4": lambda w: range(len(w) - 4, len(w)),
              "range: [-2, 3], at_most: 8": lambda w: np.flatnonzero(w < 2.5)}


def gradient_of_trace(a, which):
    """Of the sum of the eigenvalues `which`; where they are some of a multiplet, that many times its mean."""
    w, v = np.linalg.eigh(a.astype(complex))
    share = np.zeros(len(w))
    for multiplet in np.split(np.arange(len(w)), np.flatnonzero(np.diff(w) > 1e-3) + 1):
        share[multiplet] = np.isin(multiplet, which(w)).mean()
    return (v * share) @ v.conj().T


@pytest.mark.parametrize("solver, n, dtype", [("lanes", 24, "float32"), ("lanes", 24, "complex128"),
                                              ("lapack", 90, "complex64"), ("scalapack", 90, "float64")])
def test_what_was_not_selected_is_not_solved_again(spool, solver, n, dtype):
    """Without output.store having factor; also where multiplets are cut; and when the second pass has functions, for
    which Q and T do not do."""
    rng = np.random.default_rng(6)
    a = hermitian(rng, 6, n, dtype, np.concatenate([MULTIPLETS, np.arange(6, n)]))
    gf = hermitian(rng, 6, n, dtype)
    solved = [0, 2, 3, 4, 5]
    a[1, 0, 0] = np.inf
    write(spool / "a.h5", H=a)
    for m in (1, 4, 8):
        write(spool / f"cotangents-g{m}.h5", **{"H/eigenvalues": np.ones((6, m), a.real.dtype)})
        write(spool / f"cotangents-gf{m}.h5", **{"H/eigenvalues": np.ones((6, m), a.real.dtype), "H/functions/e": gf})
    ranks = 1 + (solver == "scalapack")
    solve = f"run: {{grid: [1, {ranks}]}}\nsolve: {{solver: {solver}, select: "
    seconds = {}
    with Service(spool, 2):
        for select in SELECTIONS:
            m, forward = select[-1], f"{solve}{{{select}}}}}\n"
            put(spool, f"f{m}", request(f"f{m}", "a.h5", forward))
            assert "exit: 4" in answer(spool, f"f{m}")[2]
            for name, more in {"g": "", "gf": "functions: [{name: e, kind: power, exponent: 2}]\n"}.items():
                text = f"{forward}{more}gradient: {{cotangents: cotangents-{name}{m}.h5, eigenpairs: f{m}.h5}}\n"
                put(spool, name + m, request(name + m, "a.h5", text))
                assert answer(spool, name + m)[0] == "done"
                seconds[name + m] = text, select
        recalled(spool, len(seconds))
    for name, (text, select) in seconds.items():
        result = read(spool / f"{name}.h5")
        (spool / "apart.yaml").write_text(request("apart", "a.h5", text))
        run(spool / "apart.yaml", "--fresh", ranks=ranks, expect=4)
        apart = read(spool / "apart.h5")
        if solver == "lanes" or name.startswith("gf"):
            same(result, apart)
        else:  # T's other eigenvalues have not been made again, in another way
            forward = read(spool / f"f{name[-1]}.h5")
            assert np.array_equal(result["diagnostics/min_gap"], forward["diagnostics/min_gap"])
        for field in ("status", "multiplet"):
            assert np.array_equal(result[field], apart[field])
        for k in solved:
            g = gradient_of_trace(a[k], SELECTIONS[select])
            if name.startswith("gf"):
                g = g + gf[k] @ a[k] + a[k] @ gf[k]
            assert np.abs(result["gradient"][k] - g).max() < 300 * n * eps(dtype) * max(1, np.abs(g).max()), (name, k)


@pytest.mark.parametrize("select", ["all", "{lowest: 2}"])
def test_a_second_pass_does_not_read_the_matrices(spool, select):
    """Nor eigenpairs, by the kernel's count; without matrices nothing can be solved."""
    count, n = 1000, 40
    write(spool / "a.h5", H=hermitian(np.random.default_rng(7), count, n))
    write(spool / "g.h5", **{"H/eigenvalues": np.ones((count, n if select == "all" else 2))})
    time.sleep(3.1)  # a younger file is fingerprinted again

    def bytes_read(service):
        return int((Path("/proc") / str(service.process.pid) / "io").read_text().split()[1])

    with Service(spool) as service:
        for name, more in {"f": "", "b": "gradient: {cotangents: g.h5, eigenpairs: f.h5}\n"}.items():
            before = bytes_read(service)
            put(spool, name, request(name, "a.h5", f"solve: {{select: {select}}}\n{more}"))
            assert answer(spool, name)[0] == "done"
            took = bytes_read(service) - before
            assert (took < 5e6) == (name == "b"), took  # of 26 MB of matrices


def test_what_changed_on_disk_is_not_taken_from_memory(spool):
    rng = np.random.default_rng(3)
    a = hermitian(rng, 4, 8)
    gw, gv = cotangents(rng, 4, 8, "complex128")
    write(spool / "g.h5", **{"H/eigenvalues": gw, "H/eigenvectors": gv})
    second = "gradient: {cotangents: g.h5, eigenpairs: f.h5}\n"
    with Service(spool):
        put(spool, "f", request("f"))
        answer(spool, "f")
        with h5py.File(spool / "f.h5", "a") as f:  # other phases
            f["H/eigenvectors"][...] *= np.exp(1j * np.arange(8))
        put(spool, "b", request("b", more=second))
        assert answer(spool, "b")[0] == "done"
        recalled(spool, 0)
        check_gradients(read(spool / "f.h5"), read(spool / "b.h5"), gw, gv, 1e-10)
        for name in ("f.h5", "b.h5"):
            (spool / name).unlink()
        put(spool, "f2", request("f"))
        answer(spool, "f2")
        with h5py.File(spool / "in.h5", "a") as f:  # within a clock's tick, perhaps
            f["H"][...] = 2 * a
        put(spool, "stale", request("b", more=second))
        where, _, outcome = answer(spool, "stale")
        assert where == "failed" and "not of this input" in outcome


def test_other_datasets_are_not_taken_for_these(spool):
    rng = np.random.default_rng(5)
    a, b = hermitian(rng, 3, 6), hermitian(rng, 3, 6)
    write(spool / "ab.h5", A=a, B=b)
    write(spool / "g.h5", **{f"{name}/eigenvalues": np.outer(np.ones(3), np.arange(6.0)) for name in "AB"})
    with Service(spool):
        put(spool, "f", "input: {file: ab.h5, datasets: [/A, /B]}\noutput: {file: f.h5}\n")
        answer(spool, "f")
        for k, (which, triangle) in enumerate([("/B", "full"), ("/B, /A", "full"), ("/A, /B", "lower"),
                                               ("/A, /B", "full")]):
            put(spool, f"b{k}", f"input: {{file: ab.h5, datasets: [{which}], triangle: {triangle}}}\noutput: {{file: "
                                f"b{k}.h5}}\ngradient: {{cotangents: g.h5, eigenpairs: f.h5}}\n")
            assert answer(spool, f"b{k}")[0] == "done"
            w, v = np.linalg.eigh(b)
            g = (v * np.arange(6.0)) @ v.conj().swapaxes(1, 2)
            assert np.abs(read(spool / f"b{k}.h5", "B")["gradient"] - g).max() < 1e-12
            recalled(spool, int(k == 3))


def test_requests_that_wait_are_solved_together(spool):
    """Of several kinds, sizes and types, with bad ones among them, and two passes of which the second needs the
    first."""
    rng = np.random.default_rng(4)
    inputs = {}
    functions = {"exp": "kind: exp", "exp2": "kind: exp", "square": "kind: power, exponent: 2",
                 "square2": "kind: power, exponent: 2"}
    for k in range(30):
        dtype = ["float64", "complex128", "complex64"][k % 3]
        inputs[f"m{k}"] = hermitian(rng, 1 + k % 4, 5 + k % 2, dtype)
    inputs["m7"][0, 0, 0] = np.inf
    for name, a in inputs.items():
        write(spool / f"{name}.h5", H=a)
    (spool / "m11.h5").write_text("no HDF5")
    gw, gv = cotangents(rng, *inputs["m4"].shape[:2], inputs["m4"].dtype)
    write(spool / "g.h5", **{"H/eigenvalues": gw, "H/eigenvectors": gv})
    for name in inputs:
        put(spool, name, request(f"{name}-out", f"{name}.h5"))
    put(spool, "second", request("second", "m4.h5", "gradient: {cotangents: g.h5, eigenpairs: m4-out.h5}\n"))
    put(spool, "twice", request("m5-out", "m5.h5"))     # has been done by then
    put(spool, "other", request("m5-out", "m6.h5"))     # another job's result
    for name, kind in functions.items():  # two to each rank
        put(spool, name, request(name, "m5.h5", f"functions: [{{name: e, {kind}}}]\n"))
    seconds = {}
    with Service(spool, 2):
        for name, a in inputs.items():
            where, _, outcome = answer(spool, name)
            if name == "m11":
                assert where == "failed" and "exit: 3" in outcome
                continue
            assert where == "done" and ("exit: 4" if name == "m7" else "exit: 0") in outcome, (name, outcome)
            result = read(spool / f"{name}-out.h5")
            fine = np.isfinite(a).all((1, 2))
            w = np.linalg.eigvalsh(a[fine])
            assert np.abs(result["eigenvalues"][fine] - w).max() < 50 * eps(a.dtype)
            v = result["eigenvectors"][fine]
            assert np.abs(a[fine] @ v - v * w[:, None]).max() < 100 * eps(a.dtype)
            assert (result["status"] == np.where(fine, OK, NONFINITE)).all()
            seconds.setdefault(result["diagnostics/seconds"][0], set()).add(name)
        assert answer(spool, "second")[0] == "done" and answer(spool, "twice")[0] == "done"
        assert "another config" in answer(spool, "other")[2]
        check_gradients(read(spool / "m4-out.h5"), read(spool / "second.h5"), gw, gv, 1e-11)
        for name in functions:
            f = np.exp if name.startswith("exp") else np.square
            assert answer(spool, name)[0] == "done"
            w, v = np.linalg.eigh(inputs["m5"])
            value = (v * f(w)[:, None]) @ v.conj().swapaxes(1, 2)
            assert np.abs(read(spool / f"{name}.h5")["functions/e"] - value).max() < 1e-4 * np.abs(value).max()
    # Those of one kind shared a batch's time equally: matrices of one type and size, of different requests.
    together = [names for names in seconds.values() if len(names) > 1]
    assert sum(map(len, together)) >= 20
    for names in together:
        assert len({(inputs[name].dtype, inputs[name].shape[1]) for name in names}) == 1
