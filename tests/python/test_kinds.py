"""Functions with a kink, a step or both tails, at spectra of both signs with multiplets, against SciPy and differences."""
import numpy as np
import pytest

import multiplet
from job import TYPES, hermitian

W = [-2.5, -1.0, -1.0, 0.25, 3.0, 3.0]
SCALARS = {"softplus": lambda x: np.logaddexp(0, x), "abs": np.abs, "sign": np.sign}


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

    f = multiplet.matrix_function(a.astype(dtype), kind, scale=scale)
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
