"""What people asked of differentiable eigensolvers in public, as small cases, and who passes.

    python3 tests/conformance/conformance.py [--backend multiplet|torch|jax|scipy ...]

Backends that this Python lacks are left out. A case passes, fails (with what came back), or is not offered.
"""
import argparse
import inspect
import multiprocessing
import sys
import warnings

import numpy as np

CASES = {}
FORUM = np.array([[1.2039, 0, 0.3690, 0], [0, -1.2039, 0, 0.3690], [0.3690, 0, -1.2039, 0], [0, 0.3690, 0, 1.2039]])


class NotOffered(Exception):
    """A backend has no such function."""


def case(text):
    def note(run):
        CASES[text] = run
        return run
    return note


class Torch:
    """torch.linalg, and what all PyTorch backends share: real losses as functions of a tensor."""

    def __init__(self):
        import torch
        self.torch, self.version = torch, f"torch.linalg {torch.__version__.split('+')[0]}"

    def eigh(self, A, **more):
        return self.torch.linalg.eigh(A)

    def function(self, *_, **__):
        raise NotOffered

    projector = frame = subset = directional = generalized = function

    def array(self, a):
        return self.torch.as_tensor(np.array(a))

    def bfloat16(self, a):
        return self.array(a).to(self.torch.bfloat16)

    def grad(self, loss, a):
        x = self.array(a).requires_grad_()
        return self.torch.autograd.grad(loss(x), x)[0].numpy()

    def jvp(self, f, a, d):
        return self.torch.func.jvp(f, (self.array(a),), (self.array(d),))[1].numpy()

    def vmap_grad(self, loss, a):
        return self.torch.func.vmap(self.torch.func.grad(loss))(self.array(a)).numpy()

    def change(self, x):
        x.mul_(2)

    def hessian(self, loss, a):
        return self.torch.func.hessian(loss)(self.array(a)).numpy()


class Multiplet(Torch):
    def __init__(self):
        super().__init__()
        import multiplet
        import multiplet.torch
        self.mt, self.version = multiplet.torch, f"multiplet {multiplet.__version__}"

    def eigh(self, A, **more):
        return self.mt.eigh(A, **more)

    def function(self, A, name, **parameters):
        return self.mt.matrix_function(A, name, **parameters)

    def projector(self, A, index):
        return self.mt.projector(A, index)

    def frame(self, A, reference, index):
        return self.mt.frame(A, reference, index)

    def subset(self, A, index):
        return self.mt.eigh(A, select={"index": index})[0]

    def directional(self, A, d):
        return self.mt.eigvalsh_directional(A, d).numpy()


class Jax:
    def __init__(self):
        import jax
        jax.config.update("jax_enable_x64", True)
        self.jax, self.version = jax, f"jax.numpy.linalg {jax.__version__}"

    def eigh(self, A, **more):
        return self.jax.numpy.linalg.eigh(A)

    def function(self, *_, **__):
        raise NotOffered

    projector = frame = subset = directional = generalized = change = function

    def array(self, a):
        return self.jax.numpy.asarray(a)

    def bfloat16(self, a):
        return self.jax.numpy.asarray(a, self.jax.numpy.bfloat16)

    def grad(self, loss, a):
        return np.asarray(self.jax.grad(loss)(self.array(a)))

    def jvp(self, f, a, d):
        return np.asarray(self.jax.jvp(f, (self.array(a),), (self.array(d),))[1])

    def vmap_grad(self, loss, a):
        return np.asarray(self.jax.vmap(self.jax.grad(loss))(self.array(a)))

    def hessian(self, loss, a):
        return np.asarray(self.jax.hessian(loss)(self.array(a)))


class Scipy:
    """Values alone: SciPy has no gradients."""

    def __init__(self):
        import scipy
        import scipy.linalg
        self.scipy, self.version = scipy, f"scipy.linalg {scipy.__version__}"

    def eigh(self, A, **more):
        return self.scipy.linalg.eigh(A)

    def subset(self, A, index):
        return self.scipy.linalg.eigh(A, subset_by_index=(index[0], index[1] - 1))[0]

    def array(self, a):
        return np.asarray(a)

    def function(self, *_, **__):
        raise NotOffered

    def generalized(self, A, B):
        return self.scipy.linalg.eigh(A, B)[0]

    projector = frame = bfloat16 = directional = grad = jvp = vmap_grad = hessian = change = function


BACKENDS = {"multiplet": Multiplet, "torch": Torch, "jax": Jax, "scipy": Scipy}


def near(found, expected, tolerance=1e-8):
    found, expected = np.asarray(found), np.asarray(expected)
    assert np.isfinite(found).all(), "nan"
    error = np.abs(found - expected).max() / max(1, np.abs(expected).max())
    assert error <= tolerance, f"wrong by {error:.1g}"


def differences(loss, b, a, step=1e-6):
    """Of a loss that only takes values, by the same backend's forward pass."""
    g = np.zeros_like(a)
    for i, j in np.ndindex(*a.shape):
        e = np.zeros_like(a)
        e[i, j] += step / 2
        e[j, i] += step / 2
        g[i, j] = (float(loss(b.array(a + e))) - float(loss(b.array(a - e)))) / (2 * step)
    return g


def symmetric(x):
    return (x + x.swapaxes(-1, -2)) / 2


def matrix(spectrum, seed=0):
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(spectrum),) * 2))
    return symmetric(q * np.array(spectrum, float) @ q.T)


@case("a simple vector beside a multiplet has its gradient")
def _(b):
    a = matrix([1, 1, 2, 4])
    loss = lambda A: (b.eigh(A)[1][..., :, 3] ** 4).sum()
    near(symmetric(b.grad(loss, a)), differences(loss, b, a), 1e-6)


@case("no nan at repeated eigenvalues: the forum's matrix")
def _(b):
    g = b.grad(lambda A: b.eigh(A)[0][..., :2].sum() + (b.eigh(A)[1][..., :, :2] ** 2).sum(), FORUM)
    near(symmetric(g), b.grad(lambda A: b.eigh(A)[0][..., :2].sum(), FORUM), 1e-8)


@case("a loss that depends on the basis in a multiplet is reported")
def _(b):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            g = b.grad(lambda A: (b.eigh(A)[1][..., 0, 0]) ** 2, matrix([1, 1, 3]))
        except NotOffered:
            raise
        except Exception as error:
            said.append(error)
    assert any("depends on" in str(getattr(w, "message", w)) for w in said), "nothing said"


@case("a composed function V f(w) V^T is exact at a multiplet")
def _(b):
    a, m = matrix([1, 1, 2, 4]), matrix([1, -2, 0.5, 3], 1)
    def loss(A):
        w, v = b.eigh(A)
        return ((v * (w ** 0.5)[..., None, :]) @ v.swapaxes(-1, -2) * b.array(m)).sum()
    near(symmetric(b.grad(loss, a)), differences(loss, b, a), 1e-6)


@case("near eigenvalues, gap 1e-9: the gradient of a projector's loss")
def _(b):
    a, m = matrix([1, 1 + 1e-9, 2, 4]), matrix([1, -2, 0.5, 3], 1)
    def loss(A):
        v = b.eigh(A)[1][..., :, :2]
        return (v @ v.swapaxes(-1, -2) * b.array(m)).sum()
    near(symmetric(b.grad(loss, a)), differences(loss, b, a, 1e-5), 1e-6)


@case("forward mode at a multiplet: tr P M along a direction")
def _(b):
    a, d, m = matrix([1, 1, 2, 4]), matrix([1, 2, 3, 5], 3), matrix([1, -2, 0.5, 3], 1)
    def loss(A):
        v = b.eigh(A)[1][..., :, :2]
        return (v @ v.swapaxes(-1, -2) * b.array(m)).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        near(b.jvp(loss, a, d), (differences(loss, b, a) * d).sum(), 1e-6)


@case("vmap of grad, one matrix of the batch degenerate")
def _(b):
    a = np.stack([matrix([1, 2, 3]), matrix([1, 1, 3])])
    loss = lambda A: (b.eigh(A)[0] ** 2).sum() + (b.eigh(A)[1][..., :, 2] ** 4).sum()
    near(symmetric(b.vmap_grad(loss, a)), np.stack([differences(loss, b, x) for x in a]), 1e-6)


@case("Hessian of a projector's loss at a degeneracy")
def _(b):
    a, m = matrix([1, 1, 2, 4]), matrix([1, -2, 0.5, 3], 1)
    loss = lambda A: (b.projector((A + A.swapaxes(-1, -2)) / 2, (0, 2)) * b.array(m)).sum()
    h, step, d = b.hessian(loss, a), 1e-5, matrix([1, 2, 3, 5], 3)
    near(np.einsum("ijkl,kl->ij", h, d), (b.grad(loss, a + step * d) - b.grad(loss, a - step * d)) / (2 * step), 1e-6)


@case("a smooth frame in a degenerate plane")
def _(b):
    a, r = matrix([1, 1, 2, 4]), np.ones((4, 1))
    loss = lambda A: (b.frame(A, b.array(r), (0, 2)) * b.array(np.arange(4.0)[:, None])).sum()
    near(symmetric(b.grad(loss, a)), differences(loss, b, a), 1e-6)


@case("Fermi function at a crossing, fixed number of electrons")
def _(b):
    a, m = matrix([1, 1, 2, 4]), matrix([1, -2, 0.5, 3], 1)
    loss = lambda A: (b.function(A, "fermi", beta=3.0, electrons=1.5) * b.array(m)).sum()
    near(symmetric(b.grad(loss, a)), differences(loss, b, a), 1e-6)


@case("Fermi function in a gap: beta = 1000")
def _(b):
    a, m = matrix([1, 1, 2, 4]), matrix([1, -2, 0.5, 3], 1)
    loss = lambda A: (b.function(A, "fermi", beta=1000.0, electrons=2) * b.array(m)).sum()
    near(symmetric(b.grad(loss, a)), differences(loss, b, a), 1e-6)


@case("one-sided derivatives of a level that splits")
def _(b):
    a, d, step = matrix([1, 1, 2, 4]), matrix([1, 2, 3, 5], 3), 1e-7
    moved = (np.linalg.eigvalsh(a + step * d) - np.linalg.eigvalsh(a)) / step
    near(b.directional(b.array(a), b.array(d)), moved, 1e-5)


@case("bits of a matrix do not depend on its batch")
def _(b):
    a = np.stack([matrix(np.arange(1.0, 9), k) for k in range(50)])
    together, alone = b.eigh(b.array(a))[1], b.eigh(b.array(a[7]))[1]
    assert np.array_equal(np.asarray(together)[7], np.asarray(alone)), "other bits"


@case("one bad matrix in a batch leaves the others their answer")
def _(b):
    a = np.stack([matrix([1, 2, 3]), np.full((3, 3), np.nan), matrix([1, 2, 5])])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        w = np.asarray(b.eigh(b.array(a), failed="zero")[0])
    near(w[[0, 2]], [[1, 2, 3], [1, 2, 5]])


def refused(solve):
    try:
        solve()
    except NotOffered:
        raise
    except Exception:
        return
    raise AssertionError("taken")


@case("float16 is an error, not another precision")
def _(b):
    refused(lambda: b.eigh(b.array(np.eye(2, dtype=np.float16))))


@case("bfloat16 is an error, not another precision")
def _(b):
    a = b.bfloat16(np.eye(2, dtype=np.float32))
    refused(lambda: b.eigh(a))


@case("a subset of eigenpairs by index")
def _(b):
    near(b.subset(b.array(matrix([1, 2, 3, 4])), (1, 3)), [2, 3])


@case("square root of a positive semidefinite matrix")
def _(b):
    near(b.function(b.array(np.diag([0.0, 1.0, 4.0])), "sqrt"), np.diag([0.0, 1.0, 2.0]))


@case("the root's gradient at a covariance of low rank, where it exists")
def _(b):
    x = matrix([1, 2, 3, 5], 3)[:, :2]
    a = x @ x.T
    c = a @ matrix([1, -2, 0.5, 3], 1) + matrix([1, -2, 0.5, 3], 1) @ a  # nothing in the null space
    g = symmetric(b.grad(lambda A: (b.function(A, "sqrt") * b.array(c)).sum(), a))
    w, v = np.linalg.eigh(a)
    root = np.where(w > 1e-12, np.sqrt(np.abs(w)), 0)
    near(v.T @ g @ v * (root[:, None] + root), v.T @ c @ v)


@case("near pairs of a tridiagonal matrix (Wilkinson's): the gradient by its diagonals")
def _(b):
    n, c = 21, np.random.default_rng(2).standard_normal(21)
    a = np.diag(np.abs(np.arange(n) - n // 2).astype(float)) + np.eye(n, k=1) + np.eye(n, k=-1)

    def loss(A):  # tr C A^2 through eigenpairs, fourteen of which come in pairs within 1e-3 to 1e-14
        w, v = b.eigh(A)
        return ((v * (w * w)[None, :]) @ v.T * b.array(np.diag(c))).sum()
    near(symmetric(b.grad(loss, a)), symmetric(2 * a @ np.diag(c)))


@case("a matrix of which one triangle is filled")
def _(b):
    a = matrix([1, 2, 3, 4])
    near(b.eigh(b.array(np.tril(a)))[0], [1, 2, 3, 4])


@case("an output that is changed in place: right, or an error")
def _(b):
    def loss(A):
        w, v = b.eigh(A)
        total = (w * w).sum()
        b.change(w)
        return total + 0 * w.sum()
    try:
        g = b.grad(loss, matrix([1, 2, 3, 4]))
    except NotOffered:
        raise
    except RuntimeError:
        return
    near(symmetric(g), 2 * matrix([1, 2, 3, 4]))


@case("in a child of a fork")
def _(b):
    def child():
        near(b.eigh(b.array(matrix([1, 2, 3, 4])))[0], [1, 2, 3, 4])
    b.eigh(b.array(matrix(range(1, 80))))
    process = multiprocessing.get_context("fork").Process(target=child)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX's, about its threads
        process.start()
    process.join(20)
    if process.is_alive():
        process.kill()
        raise AssertionError("hangs")
    assert process.exitcode == 0, "fails"


@case("a generalized problem, A x = w B x")
def _(b):
    near(b.generalized(b.array(np.diag([1.0, 6.0])), b.array(np.diag([1.0, 2.0]))), [1, 3])


def run(backend, text):
    """'yes', '-' for what is not offered, or what came back."""
    try:
        CASES[text](backend)
    except NotOffered:
        return "-"
    except AssertionError as wrong:
        return str(wrong)
    except Exception as error:
        return type(error).__name__
    return "yes"


def main():
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    names, found = parser.parse_args().backend, {}
    for name in names:
        try:
            found[name] = BACKENDS[name]()
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    print("|", " | ".join(["", *(b.version for b in found.values())]), "|")
    print("|" + "---|" * (len(found) + 1))
    for text in CASES:
        print("|", " | ".join([text, *(run(b, text) for b in found.values())]), "|")


if __name__ == "__main__":
    main()
