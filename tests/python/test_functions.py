"""Matrix functions and frames on arrays in memory: against 50-digit arithmetic (tests/oracle), SciPy, and what
has to hold for any function, whatever it is."""
import h5py
import numpy as np
import pytest
import scipy.linalg

from job import ROOT, eps, hermitian
from library import Frame, Function, Memory

LAPACK, LANES = 2, 1
ORACLE = ROOT / "tests/oracle"
OK, UNDEFINED, SPLIT = 1, 6, 7


def oracle_groups():
    for path in sorted(ORACLE.glob("*.h5")):
        with h5py.File(path, "r") as f:
            for name in ["/", "/positive"]:
                if name in f and "matrix" in f[name]:
                    yield path.name, name


def parameters(attrs):
    return {k: attrs[k] for k in ("index", "scale", "exponent", "beta", "mu", "electrons") if k in attrs}


def types_of(a):
    """The matrix's own type, and single precision where it holds the matrix exactly."""
    single = np.complex64 if a.dtype.kind == "c" else np.float32
    return [a.dtype] + ([np.dtype(single)] if np.array_equal(a.astype(single), a) else [])


def batch(x, dtype):
    return np.ascontiguousarray(x[None], dtype)


def close(found, exact, dtype, estimate, what, scale=0):
    """To rounding, or to some times what the gradient's own error estimate allows."""
    allowed = max(60 * len(exact) * eps(dtype), 40 * estimate)
    error = np.abs(found - exact).max() / max(np.abs(exact).max(), scale, 1e6 * np.finfo(dtype).tiny)
    assert error <= allowed, (what, error, allowed)


@pytest.mark.parametrize("solver", [LANES, LAPACK])
@pytest.mark.parametrize("name, group", list(oracle_groups()))
def test_functions_are_the_oracles(name, group, solver):
    with h5py.File(ORACLE / name, "r") as f:
        a = f[group]["matrix"][:]
        for dtype in types_of(a):
            memory = Memory(dtype, len(a), 1)
            for key, case in f[group]["functions"].items():
                function = Function(case.attrs["kind"], **parameters(case.attrs))
                value = memory.function(batch(a, dtype), function, solver=solver)
                if np.abs(case["value"][:]).max() > np.finfo(dtype).max:
                    assert memory.report["status"] == UNDEFINED and (value == 0).all()
                    continue
                assert memory.report["status"] == OK, (dtype, key)
                gradient = memory.function_gradient(batch(a, dtype), function, batch(case["cotangent"][:], dtype),
                                                    solver=solver)
                assert memory.report["status"] == OK, (dtype, key)
                estimate = memory.report["gradient_error"][0]
                close(gradient[0], case["gradient"][:], dtype, estimate, (dtype, key))
                close(value[0], case["value"][:], dtype, estimate, (dtype, key))


@pytest.mark.parametrize("solver", [LANES, LAPACK])
@pytest.mark.parametrize("name, group", list(oracle_groups()))
def test_frames_are_the_oracles(name, group, solver):
    with h5py.File(ORACLE / name, "r") as f:
        a = f[group]["matrix"][:]
        for dtype in types_of(a):
            memory, norm = Memory(dtype, len(a), 1), np.abs(f[group]["eigenvalues"][:]).max()
            for key, case in f[group]["frames"].items():
                frame = Frame(case.attrs["index"], np.ascontiguousarray(case["reference"][:], dtype))
                value = memory.frame(batch(a, dtype), frame, solver=solver)
                report = memory.report[0]
                assert report["status"] == OK, (dtype, key)
                condition, gap = case.attrs["condition"], report["min_gap"]
                turn = eps(dtype) * condition / min(gap, 1)  # of the subspace by rounding
                assert report["frame_condition"] == pytest.approx(condition, rel=100 * turn + 60 * eps(dtype))
                cotangent = case["cotangent"][:]
                gradient, by_reference = memory.frame_gradient(batch(a, dtype), frame, batch(cotangent, dtype),
                                                               solver=solver)
                estimate = max(memory.report["gradient_error"][0], turn)
                close(value[0], case["value"][:], dtype, estimate, (dtype, key))
                scale = np.abs(cotangent).max() * condition / np.linalg.norm(case["reference"][:], axis=0).max()
                close(by_reference[0], case["gradient_reference"][:], dtype, estimate, (dtype, key), scale)
                close(gradient[0], case["gradient"][:], dtype, estimate, (dtype, key), scale / norm)


def test_the_forum_vector():
    """The vector that the forum's loss should have used: P r / |P r| for the lowest two eigenvalues."""
    a = np.array([[1.2039, 0, 0.3690, 0], [0, -1.2039, 0, 0.3690],
                  [0.3690, 0, -1.2039, 0], [0, 0.3690, 0, 1.2039]])
    memory, frame = Memory("float64", 4, 1), Frame((0, 2), np.full((4, 1), 0.5))
    assert memory.frame(a[None].copy(), frame).sum() == pytest.approx(1.1890772241680891, abs=1e-15)
    gradient = memory.frame_gradient(a[None].copy(), frame, np.ones((1, 4, 1)))[0][0]

    def loss(m):
        v = np.linalg.eigh(m)[1][:, :2]
        x = v @ (v.T @ np.full(4, 0.5))
        return (x / np.linalg.norm(x)).sum()

    for i in range(4):
        for j in range(4):
            d = np.zeros((4, 4))
            d[i, j] += 0.5e-5
            d[j, i] += 0.5e-5
            assert (loss(a + d) - loss(a - d)) / 2e-5 == pytest.approx(gradient[i, j], abs=1e-8)


SPECTRA = {"plain": [0.3, 0.7, 1.1, 1.9, 2.5, 3.1], "degenerate": [0.5, 0.5, 1, 2, 2, 2],
           "near": [0.5, 0.5 + 1e-9, 1, 2, 2 + 1e-12, 2 + 1e-6]}
FUNCTIONS = [("exp", {"scale": -0.7}), ("log", {}), ("sqrt", {}), ("inv_sqrt", {}), ("inverse", {}),
             ("power", {"exponent": 2.5}), ("tanh", {"scale": 2.0}), ("sin", {}), ("cos", {"scale": 3.0}),
             ("fermi", {"beta": 4.0, "mu": 1.2}), ("fermi", {"beta": 4.0, "electrons": 2.5}),
             ("projector", {"index": (0, 2)})]


def problem(spectrum, dtype, count=1):
    rng = np.random.default_rng(7)
    return hermitian(rng, count, 6, dtype, SPECTRA[spectrum]), hermitian(rng, count, 6, dtype)


def run(a, kind, parameters, gf, solver=0):
    memory, function = Memory(a.dtype, a.shape[-1], len(a)), Function(kind, **parameters)
    value = memory.function(a, function, solver=solver)
    assert (memory.report["status"] == OK).all(), kind
    return value, memory.function_gradient(a, function, gf, solver=solver)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_scipy_agrees(spectrum, dtype):
    a, h = problem(spectrum, dtype)
    value, gradient = run(a, "exp", {"scale": -0.7}, h)
    exact, frechet = scipy.linalg.expm_frechet(-0.7 * a[0], -0.7 * h[0])
    assert np.abs(value[0] - exact).max() < 1e-13 and np.abs(gradient[0] - frechet).max() < 1e-13
    value, gradient = run(a, "log", {}, h)
    assert np.abs(value[0] - scipy.linalg.logm(a[0])).max() < 1e-12
    assert np.abs(scipy.linalg.expm_frechet(value[0], gradient[0])[1] - h[0]).max() < 1e-12  # its inverse
    value, gradient = run(a, "sqrt", {}, h)
    assert np.abs(value[0] - scipy.linalg.sqrtm(a[0])).max() < 1e-13
    assert np.abs(value[0] @ gradient[0] + gradient[0] @ value[0] - h[0]).max() < 1e-13  # Sylvester


@pytest.mark.parametrize("solver", [LANES, LAPACK])
def test_a_projector_is_a_cold_fermi_function(solver):
    a, h = problem("degenerate", "complex128")
    cold, gradient = run(a, "fermi", {"beta": 400.0, "mu": 0.75}, h, solver)
    projector, exact = run(a, "projector", {"index": (0, 2)}, h, solver)
    assert np.abs(cold - projector).max() < 1e-14 and np.abs(gradient - exact).max() < 1e-13


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("kind, parameters", FUNCTIONS)
def test_the_basis_inside_a_multiplet_does_not_matter(kind, parameters, dtype):
    a, h = problem("degenerate", dtype)
    memory, function = Memory(dtype, 6, 1), Function(kind, **parameters)
    memory.function(a, function)
    before = memory.function_gradient(a, function, h)
    rng = np.random.default_rng(3)
    for start, stop in ((0, 2), (3, 6)):
        turn = np.linalg.qr(hermitian(rng, 1, stop - start, dtype)[0])[0]
        memory.v[:, :, start:stop] = memory.v[:, :, start:stop] @ turn
    after = memory.function_gradient(a, function, h)
    assert memory.report["status"] == OK
    assert np.abs(after - before).max() < 1e-13 * np.abs(before).max()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_frames_are_invariant_and_equivariant(dtype):
    a, h = problem("degenerate", dtype)
    rng = np.random.default_rng(11)
    reference, cotangent = np.ascontiguousarray(h[0][:, :2]), np.ascontiguousarray(h[:, :, 2:4])
    memory, frame = Memory(dtype, 6, 1), Frame((3, 6), reference)
    value = memory.frame(a, frame)
    gradient, by_reference = memory.frame_gradient(a, frame, cotangent)
    assert np.abs(value[0].conj().T @ value[0] - np.eye(2)).max() < 1e-14
    for start, stop in ((0, 2), (3, 6)):  # another basis
        turn = np.linalg.qr(hermitian(rng, 1, stop - start, dtype)[0])[0]
        memory.v[:, :, start:stop] = memory.v[:, :, start:stop] @ turn
    again = memory.frame_gradient(a, frame, cotangent)
    assert np.abs(again[0] - gradient).max() < 1e-13 * np.abs(gradient).max()
    assert np.abs(again[1] - by_reference).max() < 1e-13 * np.abs(by_reference).max()
    q = np.linalg.qr(hermitian(rng, 1, 6, dtype)[0])[0]  # A -> 2 Q A Q^H + 3
    turned = Frame((3, 6), np.ascontiguousarray(q @ reference))
    moved = np.ascontiguousarray(2 * q @ a @ q.conj().T + 3 * np.eye(6))
    assert np.abs(memory.frame(moved, turned) - q @ value).max() < 1e-13
    other = memory.frame_gradient(moved, turned, np.ascontiguousarray(q @ cotangent))
    assert np.abs(2 * other[0] - q @ gradient @ q.conj().T).max() < 1e-12 * np.abs(gradient).max()
    assert np.abs(other[1] - q @ by_reference).max() < 1e-12 * np.abs(by_reference).max()


@pytest.mark.parametrize("kind, parameters", FUNCTIONS)
def test_equivariance(kind, parameters):
    a, h = problem("degenerate", "complex128")
    value, gradient = run(a, kind, parameters, h)
    q = np.linalg.qr(hermitian(np.random.default_rng(9), 1, 6)[0])[0]
    turn = lambda x: q @ x @ q.conj().T
    turned = run(turn(a), kind, parameters, turn(h))
    assert np.abs(turned[0] - turn(value)).max() < 1e-12 * np.abs(value).max()
    assert np.abs(turned[1] - turn(gradient)).max() < 1e-12 * np.abs(gradient).max()
    scaled = dict(parameters)  # f(s A) by A is s f' (s A)
    if kind == "fermi":
        scaled.update(beta=parameters["beta"] / 2, **({"mu": 2 * parameters["mu"]} if "mu" in parameters else {}))
    elif kind != "projector":
        scaled["scale"] = parameters.get("scale", 1) / 2
    twice = run(2 * a, kind, scaled, h)
    assert np.abs(twice[0] - value).max() < 1e-12 * np.abs(value).max()
    assert np.abs(2 * twice[1] - gradient).max() < 1e-12 * np.abs(gradient).max()
    if kind in ("fermi", "projector"):
        moved = dict(parameters, **({"mu": parameters["mu"] + 3} if "mu" in parameters else {}))
        shifted = run(a + 3 * np.eye(6), kind, moved, h)
        assert np.abs(shifted[0] - value).max() < 1e-12 and np.abs(shifted[1] - gradient).max() < 1e-11


@pytest.mark.parametrize("solver", [LANES, LAPACK])
def test_what_does_not_exist_is_said(solver):
    a, h = problem("degenerate", "complex128", 3)
    a[1] -= 0.5 * np.eye(6)
    a[2] -= np.eye(6)
    memory = Memory(a.dtype, 6, 3)
    value = memory.function(a, Function("log"), solver=solver)
    assert memory.report["status"][0] == OK and (memory.report["status"][2:] == UNDEFINED).all()
    assert (value[2] == 0).all() and (memory.w[2] == 0).all() and (value[0] != 0).any()
    assert (memory.function(a, Function("projector", index=(0, 1)), solver=solver) == 0).all()
    assert (memory.report["status"] == SPLIT).all()
    missing = np.zeros((6, 1), complex)
    memory.function(a, Function("projector", index=(0, 2)), solver=solver)
    missing[:, 0] = memory.v[0, :, 5]  # orthogonal to the lowest two
    assert (memory.frame(a[:1].repeat(3, 0), Frame((0, 2), missing), solver=solver) == 0).all()
    assert (memory.report["status"] == UNDEFINED).all()
    assert (memory.frame(a, Frame((1, 3), missing), solver=solver) == 0).all()
    assert (memory.report["status"] == SPLIT).all()


def test_bad_arguments_are_named():
    a, h = problem("plain", "float64")
    memory = Memory(a.dtype, 6, 1)
    for function in (Function("projector", index=(2, 7)), Function("projector", index=(2, 2)), Function("fermi"),
                     Function("fermi", beta=1.0, electrons=6.0), Function("exp", scale=np.nan)):
        with pytest.raises(RuntimeError, match="bad argument, function"):
            memory.function(a, function)
    for index, columns in (((0, 2), 3), ((0, 7), 1), ((-1, 2), 1), ((2, 2), 1)):
        with pytest.raises(RuntimeError, match="bad argument, frame"):
            memory.frame(a, Frame(index, np.ones((6, columns))))
