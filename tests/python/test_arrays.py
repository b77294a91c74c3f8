"""multiplet.eigh and friends on NumPy arrays: NumPy's own tests, differences, and multiplet.torch beside them."""
import subprocess
import sys

import numpy as np
import pytest

import multiplet
from job import TYPES, hermitian
from library import PATH

EPS = {"float32": 2**-23, "complex64": 2**-23, "float64": 2**-52, "complex128": 2**-52}
DOUBLES = ("float64", "complex128")


def draw(rng, shape, dtype):
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def batch(dtype, shape, n=6, spectrum=(0.5, 0.5, 1, 2, 2, 3.1)):
    count = int(np.prod(shape))
    return hermitian(np.random.default_rng(5), count, n, dtype, list(spectrum)).reshape(*shape, n, n)


def python(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300,
                          env={**__import__("os").environ, "MULTIPLET_LIBRARY": str(PATH)}, cwd="/")
    return done.returncode, done.stdout + done.stderr


def test_numpys_own_tests():
    code, out = python(f"""
import sys; sys.path.insert(0, {str(pytest.importorskip("multiplet").__path__[0])!r} + "/..")
import numpy as np, pytest, multiplet
np.linalg.eigh, np.linalg.eigvalsh = multiplet.eigh, multiplet.eigvalsh
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--pyargs", "numpy.linalg.tests.test_linalg",
                      "-k", "TestEigh or TestEigvalsh"]))""")
    assert code == 0 and "22 passed" in out, out


def test_numpy_alone():
    code, out = python(f"""
import sys; sys.path.insert(0, {str(multiplet.__path__[0])!r} + "/..")
import multiplet, numpy as np
w, v = multiplet.eigh(np.diag([4., 1, 1]))
assert list(w) == [1, 1, 4] and "h5py" not in sys.modules and "torch" not in sys.modules, sorted(sys.modules)""")
    assert code == 0, out


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (3,), (1, 2), (2, 0)])
def test_pairs_and_certificate(dtype, shape):
    a = batch(dtype, shape)
    pairs = multiplet.eigh(a)
    w, v = pairs
    assert w.shape == a.shape[:-1] and v.shape == a.shape and w.dtype == a.real.dtype and v.dtype == a.dtype
    assert np.allclose(a @ v, v * w[..., None, :], atol=100 * EPS[dtype])
    assert pairs.certificate.status.shape == shape and (pairs.certificate.status == multiplet.Status.OK).all()
    assert (pairs.certificate.multiplet == [0, 0, 1, 2, 2, 3]).all()
    assert np.allclose(multiplet.eigvalsh(a, "U"), w, atol=100 * EPS[dtype])
    g = multiplet.eigh_backward(pairs)
    assert g.gradient.shape == a.shape and not g.gradient.any()


@pytest.mark.parametrize("dtype", DOUBLES)
@pytest.mark.parametrize("shape", [(), (2, 2)])
def test_gradients_by_differences(dtype, shape):
    """Of the loss Re tr(M P) and functions, at repeated eigenvalues; every argument by its own cotangent."""
    rng, a = np.random.default_rng(1), batch(dtype, shape)
    m, r = draw(rng, a.shape, dtype), draw(rng, (*shape, 6, 2), dtype)
    h = 1e-5 * batch(dtype, shape, spectrum=rng.standard_normal(6))
    gf = draw(rng, (*shape, 6, 2), dtype)

    def inner(x, y):
        return float(np.sum(x.conj() * y).real)

    def slope(f):
        return (f(a + h) - f(a - h)) / 2

    p = multiplet.projector(a, (0, 2))
    assert np.isclose(inner(multiplet.matrix_function_backward(p, m).gradient, h),
                      slope(lambda x: inner(m, multiplet.projector(x, (0, 2)).value)), rtol=1e-6, atol=1e-12)
    f = multiplet.matrix_function(a, "fermi", beta=2.0, electrons=1.5)
    assert np.allclose(np.trace(f.value, axis1=-2, axis2=-1), 1.5)
    assert np.isclose(inner(multiplet.matrix_function_backward(f, m).gradient, h),
                      slope(lambda x: inner(m, multiplet.matrix_function(x, "fermi", beta=2.0, electrons=1.5).value)),
                      rtol=1e-6, atol=1e-12)
    z = multiplet.frame(a, r, (0, 2))
    g = multiplet.frame_backward(z, gf)
    assert np.isclose(inner(g.gradient, h), slope(lambda x: inner(gf, multiplet.frame(x, r, (0, 2)).value)),
                      rtol=1e-5, atol=1e-11)
    dr = 1e-5 * draw(rng, r.shape, dtype)
    by_reference = inner(gf, multiplet.frame(a, r + dr, (0, 2)).value - multiplet.frame(a, r - dr, (0, 2)).value) / 2
    assert np.isclose(inner(g.gradient_reference, dr), by_reference, rtol=1e-5, atol=1e-11)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_same_as_torch(dtype):
    """eigh's backward pass to the last bit, and one reference for all matrices."""
    torch = pytest.importorskip("torch")
    import multiplet.torch as mt
    rng, a = np.random.default_rng(2), batch(dtype, (3,))
    pairs, x = multiplet.eigh(a, threads=1), torch.from_numpy(a).requires_grad_()
    w, v = mt.eigh(x)
    assert np.array_equal(v.detach().numpy(), pairs.eigenvectors) and np.array_equal(w.detach().numpy(), pairs[0])
    gw, gv = draw(rng, w.shape, w.detach().numpy().dtype), draw(rng, a.shape, dtype)
    with pytest.warns(multiplet.GaugeWarning, match=r"matrix \[\d\]"):
        g = multiplet.eigh_backward(pairs, gw, gv)
    with pytest.warns(multiplet.GaugeWarning):
        torch.autograd.backward([w, v], [torch.from_numpy(gw), torch.from_numpy(gv)])
    assert np.array_equal(x.grad.numpy(), g.gradient)
    assert np.array_equal(mt.last_certificate().gradient_error, g.certificate.gradient_error)
    r = draw(rng, (6, 2), dtype)
    other = mt.frame(x, torch.from_numpy(r), (0, 2)).detach().numpy()
    assert np.array_equal(multiplet.frame(a, r, (0, 2)).value, other)


def test_policies():
    pairs = multiplet.eigh(np.diag([1.0, 1.0, 3.0]))
    with pytest.raises(multiplet.SubgradientError):
        multiplet.eigh_backward(pairs, [1.0, 0.0, 0.0], eigenvalue_cotangents="error")
    with pytest.warns(multiplet.SubgradientWarning):
        g = multiplet.eigh_backward(pairs, [1.0, 0.0, 0.0])
    assert np.allclose(g.gradient, np.diag([0.5, 0.5, 0])) and g.certificate.status == multiplet.Status.SUBGRADIENT
    with pytest.raises(multiplet.GaugeError):
        multiplet.eigh_backward(pairs, None, np.eye(3)[[1, 0, 2]] * [[0, 1, 0]], gauge="error")
    draws = [multiplet.eigh_backward(multiplet.eigh(np.diag([1.0, 1.0, 3.0]), seed=s), [1.0, 0.0, 0.0],
                                     eigenvalue_cotangents="unbiased").gradient for s in range(400)]
    assert not np.allclose(draws[0], draws[1])
    assert np.allclose(np.mean(draws, axis=0), np.diag([0.5, 0.5, 0]), atol=5 * 0.36 / 20)


def test_what_fails():
    a = np.stack([np.eye(3), np.full((3, 3), np.nan)])
    with pytest.raises(multiplet.ProblemError, match=r"eigh: matrix \[1\] is NONFINITE_INPUT"):
        multiplet.eigh(a)
    pairs = multiplet.eigh(a, failed="zero")
    assert not pairs.eigenvectors[1].any() and pairs.certificate.status[1] == multiplet.Status.NONFINITE_INPUT
    with pytest.raises(np.linalg.LinAlgError, match="square"):
        multiplet.eigh(np.ones((2, 3)))
    with pytest.raises(TypeError, match="float16"):
        multiplet.eigh(np.ones((2, 2), "float16"))
    with pytest.raises(ValueError, match="UPLO"):
        multiplet.eigh(np.eye(2), "lower")
    with pytest.raises(ValueError, match="tolerance"):
        multiplet.eigh(np.eye(2), tolerance=-1)
    with pytest.raises(ValueError, match=r"gv has the shape \[2\], not \[2, 2\]"):
        multiplet.eigh_backward(multiplet.eigh(np.eye(2)), None, np.ones(2))
    with pytest.raises(TypeError, match="same_kind"):
        multiplet.eigh_backward(multiplet.eigh(np.eye(2)), None, np.ones((2, 2)) * 1j)
    with pytest.raises(ValueError, match="no matrix function 'nosuch'"):
        multiplet.matrix_function(np.eye(2), "nosuch")
    with pytest.raises(ValueError, match="reference has 3 columns"):
        multiplet.frame(np.eye(4), np.ones((4, 3)), (0, 2))
    with pytest.raises(ValueError, match=r"reference has to be \[4, c\]"):
        multiplet.frame(np.eye(4), np.ones((3, 1)), (0, 2))
    with pytest.raises(multiplet.ProblemError, match="SPLIT_MULTIPLET"):
        multiplet.projector(np.eye(3), (0, 1))


def test_integers_and_bytes():
    w, v = multiplet.eigh([[2, 0], [0, 1]])
    assert w.dtype == np.float64 and list(w) == [1, 2]
    a = batch("complex64", (2,))
    swapped = a.astype(a.dtype.newbyteorder())
    assert np.array_equal(multiplet.eigh(swapped)[0], multiplet.eigh(a)[0])
