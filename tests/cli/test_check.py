import os
import subprocess

import h5py
import numpy as np
import pytest
from program import MULTIPLET, multiplet
from results import Case, hermitian

KINDS = ["float32", "float64", "complex64", "complex128"]
MPI = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
           OMPI_MCA_rmaps_base_oversubscribe="1", OMP_NUM_THREADS="1")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def check(path, *options, expect=0, ranks=1):
    """Returns standard output; a result that is out of bounds is no error of the program."""
    command = [MULTIPLET, "check", str(path), *map(str, options)]
    if ranks > 1:
        command = ["mpirun", "-n", str(ranks), *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=MPI)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return done.stdout if expect in (0, 4) else done.stderr


def subspace_loss(seed, lowest):
    """tr(C P) of the lowest eigenvectors plus their energy: invariant inside that subspace."""
    def loss(w, v):
        rng = np.random.default_rng(seed)
        c = hermitian(rng, len(w), v.dtype)
        inside = np.arange(len(w)) < lowest
        return inside.astype(float), 2 * c @ v * inside
    return loss


def any_loss(w, v):
    """Depends on everything, phases too."""
    rng = np.random.default_rng(5)
    gv = rng.standard_normal(v.shape)
    if v.dtype.kind == "c":
        gv = gv + 1j * rng.standard_normal(v.shape)
    return rng.standard_normal(len(w)), gv


def phase_free(w, v):
    """Sums of |v_ij|^4 and of eigenvalues: no dependence on phases, and on all vectors."""
    weight = np.random.default_rng(6).standard_normal(v.shape)
    return np.cos(np.arange(len(w))), 4 * weight * abs(v)**2 * v


def simple_case(folder, kind, loss=phase_free, n=9, count=3, **options):
    rng = np.random.default_rng(1)
    case = Case(folder, **options)
    values = np.arange(1, n + 1) ** 1.3
    case.add("/H", [hermitian(rng, n, kind, values) for _ in range(count)], loss)
    return case


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("triangle", ["full", "lower", "upper"])
def test_right_files_pass(tmp_path, kind, triangle):
    case = simple_case(tmp_path, kind, triangle=triangle)
    out = check(case.write(), "--gradients", 3)
    assert "all within bounds: 3 problems" in out and "3 gradients compared" in out
    assert "not testable" not in out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("convention", ["torch", "jax"])
def test_degenerate_spectra_pass(tmp_path, kind, convention):
    rng = np.random.default_rng(2)
    case = Case(tmp_path, convention=convention)
    values = np.array([-2, -2, -2, 0, 0, 1, 3, 3.0])
    case.add("/a/H", [hermitian(rng, 8, kind, values) for _ in range(2)], subspace_loss(3, 3))
    case.add("/scalar", [3 * np.eye(4, dtype=kind)], subspace_loss(3, 4))
    case.add("/zero", np.zeros((1, 3, 3), kind), subspace_loss(3, 3))
    out = check(case.write(), "--gradients", 9)
    assert "4 gradients compared" in out and "not testable" not in out


def test_a_gauge_dependent_loss_is_compared_without_its_gauge_part(tmp_path):
    rng = np.random.default_rng(2)
    for gauge in ("warn", "fail"):
        case = Case(tmp_path, gauge=gauge, spread="raw")
        values = np.array([-2, -2, -2, 0, 0, 1, 3, 3.0])
        out = case.add("/H", [hermitian(rng, 8, "complex128", values)], any_loss)
        assert out["status"][0] == 2 and bool(out["gradient"].any()) == (gauge == "warn")
        assert "not testable" not in check(case.write(), "--gradients", 1)
        out["gradient"][0, 0, 0] += 1e-3
        check(case.write(), "--gradients", 1, expect=4)


@pytest.mark.parametrize("kind", KINDS)
def test_near_pairs_that_are_no_multiplet(tmp_path, kind):
    """What `run` numbers is what `check` expects, also of gaps that were once chained (8 n eps)."""
    rng = np.random.default_rng(3)
    eps = np.finfo(kind).eps
    values = np.arange(64.0) // 2 + 1
    values[1::2] += 150 * eps * 32
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["near/H"] = np.stack([hermitian(rng, 64, kind, values) for _ in range(2)])
        file["plain/H"] = np.stack([hermitian(rng, 200, kind)])
    (tmp_path / "job.yaml").write_text("input:\n  file: in.h5\noutput:\n  file: out.h5\n")
    assert multiplet("run", tmp_path / "job.yaml").returncode == 0
    with h5py.File(tmp_path / "out.h5") as file:
        assert (file["near/H/multiplet"][:] == np.arange(64)).all()
    assert "all within bounds: 3 problems" in check(tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5", "r+") as file:
        file["near/H/multiplet"][1] = np.arange(64) // 2
    out = check(tmp_path / "out.h5", expect=4)
    assert "/near/H[1]: multiplets are not those of the eigenvalues" in out and "H[0]" not in out


@pytest.mark.parametrize("gap", [1e-4, 1e-7, 1e-9, 1e-12])
def test_small_gaps_that_the_loss_does_not_see(tmp_path, gap):
    rng = np.random.default_rng(3)
    case = Case(tmp_path)
    values = np.array([-1, -1 + gap, -1 + 2 * gap, 1, 2, 3])
    case.add("/H", [hermitian(rng, 6, "complex128", values)], subspace_loss(4, 3))
    out = check(case.write(), "--gradients", 1)
    assert "not testable" not in out
    case.groups["/H"][2]["gradient"][0] *= 1 + 1e-4
    assert "/H[0]: the gradient differs" in check(case.write(), "--gradients", 1, expect=4)


@pytest.mark.parametrize("gap", [1e-3, 1e-5])
def test_small_gaps_that_the_loss_sees(tmp_path, gap):
    rng = np.random.default_rng(3)
    case = Case(tmp_path)
    values = np.array([-1, -1 + gap, 0.3, 1, 2, 3])
    case.add("/H", [hermitian(rng, 6, "float64", values)], phase_free)
    assert "not testable" not in check(case.write(), "--gradients", 1)


def falsify(case, what, b=1):
    out = case.groups["/H"][2]
    v, w, g = out["eigenvectors"][b], out["eigenvalues"][b], out["gradient"][b]
    if what == "column":
        v[:, 4] = np.roll(v[:, 4], 1)
        largest = abs(v[:, 4]).argmax()
        v[:, 4] *= abs(v[largest, 4]) / v[largest, 4]
    elif what == "component":
        v[abs(v[:, 4]).argmin(), 4] += 1e-3
    elif what == "eigenvalue":
        w[3] *= 1 + 3e-3
    elif what == "order":
        w[[3, 4]] = w[[4, 3]]
        v[:, [3, 4]] = v[:, [4, 3]]
    elif what == "phase":
        v[:, 2] *= -1
    elif what == "turn":
        v[:, 2] *= np.exp(1e-2j)
    elif what == "conjugate":
        v[:] = v.conj()
    elif what == "nan":
        v[3, 3] = np.nan
    elif what == "gradient entry":
        g[2, 5] += 1e-2 * abs(g).max()
    elif what == "gradient":
        g[2, 5] += 1e-3 * abs(g).max()
        g[5, 2] = g[2, 5].conj()
    elif what == "gradient nan":
        g[0, 0] = np.inf
    elif what == "multiplet":
        out["multiplet"][b, 5:] += 1
    elif what == "failed":
        out["status"][b] = 9


FLAWS = {
    "column": "residual", "component": "orthogonality", "eigenvalue": "residual",
    "order": "do not ascend", "phase": "phase convention", "nan": "NaN or infinity",
    "gradient entry": "not Hermitian", "gradient": "differs from finite differences",
    "gradient nan": "NaN or infinity", "multiplet": "multiplets are not", "failed": "must be zero"}


@pytest.mark.parametrize("kind", ["float32", "complex128"])
@pytest.mark.parametrize("what", FLAWS)
def test_falsified_files_fail(tmp_path, kind, what):
    case = simple_case(tmp_path, kind)
    falsify(case, what)
    out = check(case.write(), "--gradients", 3, expect=4)
    assert FLAWS[what] in out and "/H[1]: " in out and "NOT within bounds" in out
    assert "/H[0]: " not in out and "/H[2]: " not in out


@pytest.mark.parametrize("what, flaw", [("turn", "phase"), ("conjugate", "residual")])
def test_falsified_complex_files_fail(tmp_path, what, flaw):
    case = simple_case(tmp_path, "complex64")
    falsify(case, what)
    assert flaw in check(case.write(), expect=4)


def test_the_other_convention_is_not_the_same(tmp_path):
    case = simple_case(tmp_path, "complex128")
    case.options["convention"] = "jax"
    assert "differs from finite differences" in check(case.write(), "--gradients", 3, expect=4)


def test_the_wrong_triangle_is_seen(tmp_path):
    case = simple_case(tmp_path, "complex128", triangle="lower")
    case.groups["/H"][0][1, 2, 1] += 1e-6
    assert "/H[1]: residual" in check(case.write(), expect=4)


def test_an_input_with_nan_has_no_solution(tmp_path):
    case = simple_case(tmp_path, "float64")
    case.groups["/H"][0][2, 4, 4] = np.nan
    assert "/H[2]: residual inf" in check(case.write(), "--gradients", 3, expect=4)


def test_without_eigenvectors(tmp_path):
    case = simple_case(tmp_path, "float64", loss=lambda w, v: (np.sin(w), 0 * v))
    path = case.write(leave_out=["eigenvectors"])
    out = check(path)
    assert "eigenvectors are not stored" in out and "trace" in out
    falsify(case, "eigenvalue")
    assert "trace or Frobenius" in check(case.write(leave_out=["eigenvectors"]), expect=4)
    out = check(case.write(leave_out=["eigenvalues"]))
    assert "eigenvalues are not stored" in out
    assert "neither" in check(case.write(leave_out=["eigenvalues", "eigenvectors", "gradient"]),
                              expect=3)


def test_gradients_of_eigenvalues_need_no_eigenvectors(tmp_path):
    case = simple_case(tmp_path, "float64", loss=lambda w, v: (np.sin(w), 0 * v))
    case.groups["/H"][1].pop("eigenvectors")
    path = case.write(leave_out=["eigenvectors", "eigenvalues", "multiplet"])
    out = check(path, "--gradients", 2)
    assert "2 gradients compared" in out and "not testable" not in out
    falsify(case, "gradient", b=0)
    path = case.write(leave_out=["eigenvectors", "eigenvalues", "multiplet"])
    check(path, "--gradients", 3, expect=4)


def test_two_pass_results_take_the_forward_eigenpairs(tmp_path):
    case = simple_case(tmp_path, "complex128")
    forward = tmp_path / "forward.h5"
    os.rename(case.write(), forward)
    path = case.write(leave_out=["eigenvectors", "eigenvalues", "multiplet"])
    assert "3 not testable" in check(path, "--gradients", 3)
    with h5py.File(path, "a") as file:
        file.attrs["config"] = file.attrs["config"].replace(
            "gradient:\n", f"gradient:\n  eigenpairs: {forward}\n")
    out = check(path, "--gradients", 3)
    assert "not testable" not in out and "eigenpairs are not stored" in out


def test_pending_failed_and_empty_problems(tmp_path):
    case = simple_case(tmp_path, "float64")
    rng = np.random.default_rng(1)
    out = case.add("/some", [hermitian(rng, 4, "float64") for _ in range(4)], status=[0, 1, 3, 4])
    out["eigenvalues"][0] = 7  # half-written
    case.add("/none", np.zeros((0, 5, 5)))
    case.add("/point", np.zeros((2, 0, 0)))
    out = check(case.write(complete=0))
    assert "all within bounds: 6 problems; 2 had failed and hold zeros; 1 pending" in out


@pytest.mark.parametrize("kind, n", [("float64", 150), ("complex64", 131), ("complex128", 300)])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_panels_of_large_matrices(tmp_path, kind, n, ranks):
    case = simple_case(tmp_path, kind, loss=None, n=n, count=1, triangle="upper")
    case.write()
    check(case.result, ranks=ranks)
    v = case.groups["/H"][2]["eigenvectors"][0]
    v[:, n - 2] = v[:, n - 3]
    out = check(case.write(), ranks=ranks, expect=4)
    assert "residual" in out and "orthogonality" in out


def test_ranks_share_the_work(tmp_path):
    case = simple_case(tmp_path, "complex128", count=5)
    rng = np.random.default_rng(1)
    case.add("/b", [hermitian(rng, 20, "float64") for _ in range(40)])
    alone = check(case.write(), "--gradients", 4)
    together = check(case.result, "--gradients", 4, ranks=2)
    assert alone.split("\n")[-2:] == together.split("\n")[-2:]
    falsify(case, "gradient", b=3)
    out = check(case.write(), "--gradients", 5, ranks=2, expect=4)
    assert "/H[3]: the gradient differs" in out


def test_files_that_cannot_be_used(tmp_path):
    case = simple_case(tmp_path, "float64", loss=None)
    path = case.write()
    assert "no problem has one" in check(path, "--gradients", 1, expect=3)
    assert "not a result file" in check(case.input, expect=3, ranks=1)
    assert "check the path" in check(tmp_path / "no.h5", expect=3)
    os.remove(simple_case(tmp_path, "float64").write() and case.cotangents)
    assert "cannot open cotangents" in check(path, "--gradients", 1, expect=3, ranks=2)
    with h5py.File(case.input, "a") as file:
        file["H"][0, 0, 0] += 1
    error = check(path, expect=3, ranks=2)
    assert error.count("multiplet: error: ") == 1 and "has changed since" in error
    os.remove(case.input)
    assert "cannot open input" in check(path, expect=3)


@pytest.mark.parametrize("arguments, text", [
    ([], "no result file"), (["a.h5", "b.h5"], "already"), (["a.h5", "--gradients", "0"], "count"),
    (["a.h5", "--gradients", "x"], "count"), (["a.h5", "--gradient", "3"], "--gradients")])
def test_usage_errors(arguments, text):
    assert text in multiplet("check", *arguments, expect=2).stderr
