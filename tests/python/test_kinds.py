"""Functions with a kink, a step or both tails, at spectra of both signs with multiplets, against SciPy and differences."""
import numpy as np
import pytest

import multiplet
from job import TYPES, hermitian, run, solve, write

W = [-2.5, -1.0, -1.0, 0.25, 3.0, 3.0]
SCALARS = {"softplus": lambda x: np.logaddexp(0, x), "abs": np.abs, "sign": np.sign,
           "clamp_min": lambda x: np.maximum(x, 0.125)}
PARAMETERS = {"clamp_min": {"minimum": 0.125}}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("scale", [1.0, -3.0])
@pytest.mark.parametrize("kind", SCALARS)
def test_value_and_gradient(kind, scale, dtype):
    rng = np.random.default_rng(3)
    exact = np.dtype(dtype).kind == "c" and "complex128" or "float64"
    a = hermitian(rng, 2, 6, exact, W)
    m = rng.standard_normal(a.shape) + (1j * rng.standard_normal(a.shape) if np.iscomplexobj(a) else 0)
    h = hermitian(rng, 2, 6, exact, list(rng.standard_normal(6)))

    def value(x):
        w, v = np.linalg.eigh(x)
        return (v * SCALARS[kind](scale * w)[..., None, :]) @ v.conj().swapaxes(-1, -2)

    f = multiplet.matrix_function(a.astype(dtype), kind, scale=scale, **PARAMETERS.get(kind, {}))
    g = multiplet.matrix_function_backward(f, m.astype(dtype))
    eps = np.finfo(dtype).eps
    assert np.abs(f.value - value(a)).max() < 200 * eps and (g.certificate.status == multiplet.Status.OK).all()
    step = 1e-5
    slopes = np.sum(m.conj() * (value(a + step * h) - value(a - step * h)), axis=(1, 2)).real / (2 * step)
    found = np.sum(g.gradient.conj() * h, axis=(1, 2)).real
    assert np.allclose(found, slopes, atol=1e-7 + 3000 * eps), (found, slopes)
    assert (g.certificate.gradient_error < 1e3 * eps).all()


def test_at_zero():
    """|A| has a value and, in the middle of its kink, the derivative 0; sign(A) has none of both."""
    a = np.diag([0.0, 0.0, 2.0])
    f = multiplet.matrix_function(a, "abs")
    g = multiplet.matrix_function_backward(f, np.eye(3))
    assert np.allclose(f.value, a) and np.allclose(g.gradient, np.diag([0, 0, 1]))
    assert g.certificate.gradient_error > 0.1
    with pytest.raises(multiplet.ProblemError, match="FUNCTION_UNDEFINED"):
        multiplet.matrix_function(a, "sign")
    near = multiplet.matrix_function(np.diag([1e-17, -1e-17, 2.0]), "sign")
    assert multiplet.matrix_function_backward(near, np.eye(3) + 1).certificate.gradient_error > 0.1


def test_at_the_minimum():
    """In the middle of the kink the derivative is 1/2; the estimate says that rounding decides there."""
    a = np.diag([-1.0, 0.5, 0.5, 2.0])
    f = multiplet.matrix_function(a, "clamp_min", minimum=0.5)
    g = multiplet.matrix_function_backward(f, np.ones((4, 4)))
    exact = [[0, 0, 0, 0.5], [0, 0.5, 0.5, 1], [0, 0.5, 0.5, 1], [0.5, 1, 1, 1]]
    assert np.allclose(f.value, np.diag([0.5, 0.5, 0.5, 2])) and np.allclose(g.gradient, exact)
    assert g.certificate.gradient_error > 0.1
    assert np.allclose(multiplet.matrix_function(a, "clamp_min").value, np.diag([0, 0.5, 0.5, 2]))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("solver, ranks", [("lanes", 1), ("lapack", 1), ("scalapack", 2)])
def test_jobs(tmp_path, solver, ranks, dtype):
    """Values, gradients and tangents by every engine; check finds nothing in right ones, in single precision either."""
    rng = np.random.default_rng(1)
    w = np.sort(np.r_[rng.standard_normal(20) * 2, [-1.5, -1.5, 0.7, 0.7]])
    a, d = hermitian(rng, 2, len(w), dtype, list(w)), hermitian(rng, 2, len(w), dtype)
    write(tmp_path / "d.h5", H=d)
    result = solve(tmp_path, a, ranks=ranks, solve={"solver": solver}, tangent="d.h5",
                   functions=[{"name": kind, "kind": kind, "scale": -2.0, **PARAMETERS.get(kind, {})} for kind in SCALARS],
                   cotangents={f"functions/{kind}": hermitian(rng, 2, len(w), dtype) for kind in SCALARS})
    v, x = np.linalg.eigh(a.astype("complex128"))
    for kind, f in SCALARS.items():
        exact = (x * f(-2.0 * v)[:, None]) @ x.conj().swapaxes(-1, -2)
        assert np.abs(result[f"functions/{kind}"] - exact).max() < 400 * np.finfo(dtype).eps
    assert (result["status"] == multiplet.Status.OK).all()
    assert (result["diagnostics/gradient_error"] < 1e3 * np.finfo(dtype).eps).all()
    run(tmp_path / "job-out.h5", "--gradients", "2", verb="check")
