"""mpt_weighted_function: matrices that share one chemical potential, in C's calls. Values by 190 digits, gradients by
differences of losses there."""
import mpmath as mp
import numpy as np
import pytest

import library
from job import TYPES, hermitian
from multiplet import Status
from multiplet.backend import Function, spec
from test_occupations import Truth

WEIGHTS = [0.25, 0.75]
CASES = {"metal": ("fermi", {"beta": 4.0}, 1.7, [[0, 1, 2, 3.5], [0.5, 1.5, 1.75, 4]]),
         "insulator": ("fermi", {"beta": 200.0}, 2.0, [[0, 0.5, 2, 3], [0, 0.25, 2.5, 4]]),
         "level": ("gaussian", {"sigma": 0.25}, 1.6, [[0, 1, 1, 3], [0.5, 1, 1, 1]]),
         "cold": ("cold", {"sigma": 0.5}, 1.3, [[0, 1, 2, 3.5], [0.5, 0.5, 1.75, 4]]),
         "paxton": ("methfessel_paxton", {"sigma": 0.5, "order": 2.0}, 1.5, [[0, 1, 2, 3.5], [0.5, 1.5, 1.75, 4]])}


def reals(x):
    return [[mp.mpc(complex(y)) for y in row] for row in x]


def exact(case, a):
    """(f(A_k), mu) of matrices of mpmath."""
    kind, parameters, electrons, _ = CASES[case]
    pairs = [mp.eighe(x) for x in a]
    flat = [x for w, _ in pairs for x in w]
    t = Truth(kind, parameters, flat, electrons, np.repeat(WEIGHTS, 4))
    return [v * mp.diag(t.f[4 * k:4 * k + 4]) * v.transpose_conj() for k, (_, v) in enumerate(pairs)], t.mu


def loss(f, c):
    return mp.re(mp.fsum(mp.conj(c[k][i, j]) * f[k][i, j] for k in range(2) for i in range(4) for j in range(4)))


class Call:
    """Both passes on matrices a [count, 4, 4]."""

    def __init__(self, case, a, **options):
        kind, parameters, electrons, _ = CASES[case]
        self.memory, self.options = library.Memory(a.dtype, a.shape[-1], len(a)), options
        self.function = spec(Function(kind, electrons=electrons, **parameters))
        self.weights, self.mu, self.f = np.array(WEIGHTS[:len(a)]), np.empty(1), np.empty_like(a)
        self.memory.call("mpt_weighted_function", self.weights, a, self.f, self.memory.w, self.memory.v, self.mu,
                         spec=self.function, **options)
        self.report = self.memory.report.copy()

    def backward(self, gf):
        m = self.memory
        m.call("mpt_weighted_function_backward", self.weights, m.w, m.v, gf, m.g, spec=self.function, **self.options)
        return m.g.copy()


def make(case, dtype):
    rng = np.random.default_rng(3)
    return np.concatenate([hermitian(rng, 1, 4, dtype, w) for w in CASES[case][3]])


def halves(a):
    return (a + a.conj().swapaxes(-1, -2)) / 2


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case, dtype):
    a, gf = make(case, dtype), np.random.default_rng(4).standard_normal((2, 4, 4)).astype(dtype)
    if np.iscomplexobj(gf):
        gf = (gf + 1j * gf[::-1]).astype(dtype)
    call, eps = Call(case, a), np.finfo(a.real.dtype).eps
    f, mu = exact(case, [mp.matrix(reals(x)) for x in a])
    assert np.abs(call.f - np.array([[[complex(y) for y in row] for row in x.tolist()] for x in f])).max() < 50 * eps
    assert abs(call.mu[0] - float(mu)) < 100 * eps and (call.report["status"] == Status.OK).all()
    g = call.backward(gf)
    assert (call.memory.report["status"] == Status.OK).all()
    direction = halves(make("metal", dtype)[:, ::-1] + 1j * a if np.iscomplexobj(a) else make("metal", dtype)[:, ::-1] + a)
    h, c = mp.mpf(10) ** -30, [mp.matrix(reals(x)) for x in halves(gf)]
    ends = [loss(exact(case, [mp.matrix(reals(x)) + s * h * mp.matrix(reals(d)) for x, d in zip(a, direction)])[0], c)
            for s in (1, -1)]
    expected = float((ends[0] - ends[1]) / (2 * h))
    found = np.sum(g.conj() * direction).real
    error = abs(found - expected) / (np.linalg.norm(g) * np.linalg.norm(direction) or 1)
    estimate = np.linalg.norm(call.memory.report["gradient_error"] * np.linalg.norm(g, axis=(1, 2))) / (np.linalg.norm(g) or 1)
    assert error <= max(estimate, 4 * eps) and error < 500 * eps, (error, estimate)


def test_the_number_itself_has_no_gradient():
    """sum_k weights_k tr f(A_k) is `electrons`, whatever the matrices: the estimate says that nothing is left."""
    call = Call("metal", make("metal", "float64"))
    g = call.backward(np.array(WEIGHTS)[:, None, None] * np.broadcast_to(np.eye(4), (2, 4, 4)))
    assert np.abs(g).max() < 1e-14 and (call.memory.report["gradient_error"] > 0.1).all()


def test_conventions():
    a, gf = make("level", "complex128"), make("metal", "complex128") * (1 + 2j)
    torch, jax = Call("level", a), Call("level", a, convention=1)
    assert np.allclose(jax.backward(np.ascontiguousarray(gf.conj())), torch.backward(gf).conj(), atol=1e-14)


@pytest.mark.parametrize("n", [3, 40, 90])
def test_as_one_matrix_of_blocks(n):
    """With equal weights, two matrices are the blocks of one, for which mpt_matrix_function solves."""
    rng = np.random.default_rng(n)
    a, gf = (halves(rng.standard_normal((2, n, n))) for _ in range(2))
    blocks = np.zeros((2, 1, 2 * n, 2 * n))
    for to, x in zip(blocks, (a, gf)):
        to[0, :n, :n], to[0, n:, n:] = x
    kind, parameters = "fermi", {"beta": 3.0}
    one = library.Memory("float64", 2 * n, 1)
    function = spec(Function(kind, electrons=0.6 * n, **parameters))
    expected_f, expected_g = one.function(blocks[0], function), one.function_gradient(blocks[0], function, blocks[1])
    memory, f, mu, weights = library.Memory("float64", n, 2), np.empty_like(a), np.empty(1), np.ones(2)
    memory.call("mpt_weighted_function", weights, a, f, memory.w, memory.v, mu, spec=function, threads=2)
    memory.call("mpt_weighted_function_backward", weights, memory.w, memory.v, gf, memory.g, spec=function, threads=2)
    for found, expected in ((f, expected_f), (memory.g, expected_g)):
        assert np.allclose(found[0], expected[0, :n, :n], atol=1e-12)
        assert np.allclose(found[1], expected[0, n:, n:], atol=1e-12)


def test_failures_and_bad_arguments():
    a = make("metal", "float64")
    a[1, 2, 0] = np.nan
    call = Call("metal", a)
    assert call.report["status"].tolist() == [Status.FUNCTION_UNDEFINED, Status.NONFINITE_INPUT]
    assert not call.f.any() and not call.memory.w.any() and call.mu[0] == 0
    good, gf = Call("metal", make("metal", "float64")), np.ones((2, 4, 4))
    gf[0, 1, 1] = np.inf
    assert not good.backward(gf).any() and (good.memory.report["status"] == Status.NONFINITE_COTANGENT).all()
    memory, one = library.Memory("float64", 4, 2), np.empty((2, 4, 4))
    right = {"weights": np.array(WEIGHTS), "function": Function("fermi", beta=1.0, electrons=1.0)}
    for change, text in (({"weights": None}, "bad argument, a null array"), ({"weights": np.array([1.0, -1])}, "weights"),
                         ({"function": Function("fermi", beta=1.0, electrons=4.0)}, "the levels hold 4"),
                         ({"function": Function("fermi", beta=1.0)}, "has no electrons"),
                         ({"function": Function("exp")}, "has no electrons"), ({"f": None}, "a null array")):
        x = {**right, "f": one, **change}
        memory.w[:] = 7
        with pytest.raises(RuntimeError, match=text):
            memory.call("mpt_weighted_function", x["weights"], make("metal", "float64"), x["f"], memory.w, memory.v, None,
                        spec=spec(x["function"]))
        assert (memory.w == 7).all(), "no output has been written"
