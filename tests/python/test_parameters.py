"""Parameters with gradients, occupations, functions given as PyTorch functions, one-sided derivatives."""
import numpy as np
import pytest

torch = pytest.importorskip("torch", "2.4")
import multiplet  # noqa: E402
import multiplet.torch as mt  # noqa: E402
from job import hermitian  # noqa: E402
from torch.autograd import gradcheck  # noqa: E402

PAIRS, METAL = [1.0, 1.0, 2.0, 3.5, 3.5], [0.1, 0.1, 0.3, 0.35, 0.5]
SMEARED = {"fermi": {"beta": 4.0}, "gaussian": {"sigma": 0.3}, "methfessel_paxton": {"sigma": 0.3, "order": 2},
           "cold": {"sigma": 0.3}}


def make(spectrum, dtype="float64", batch=(), seed=0):
    a = hermitian(np.random.default_rng(seed), int(np.prod(batch, dtype=int)), len(spectrum), dtype, spectrum)
    return torch.from_numpy(a).reshape(*batch, len(spectrum), len(spectrum))


def herm(x):
    return (x + x.mH) / 2


def number(*x):
    return torch.tensor(x if len(x) > 1 else x[0], dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("kind, names", [
    ("exp", {"scale": 0.5}), ("tanh", {"scale": [0.5, 0.7]}), ("power", {"exponent": 0.7}), ("power", {"exponent": [0.7, -1.2]}),
    ("clamp_min", {"minimum": 1.5}), ("fermi", {"beta": 2.0, "mu": [1.7, 2.1]}), ("fermi", {"beta": [2.0, 3.0], "electrons": 2.3}),
    ("gaussian", {"sigma": 0.4, "electrons": [2.0, 1.4]}), ("cold", {"sigma": 0.4, "mu": 1.8}),
    ("methfessel_paxton", {"sigma": 0.5, "electrons": 2.6})])
def test_gradients(kind, names, dtype):
    """At repeated eigenvalues, by A and by all parameters; the value is that of plain numbers."""
    A = make(PAIRS, dtype, (2,)).requires_grad_()
    values = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in names.values()]
    f = lambda A, *values: mt.matrix_function(herm(A), kind, **dict(zip(names, values)))
    assert gradcheck(f, (A, *values), check_forward_ad=True)
    for k in range(2):
        plain = {name: float(np.broadcast_to(x, 2)[k]) for name, x in names.items()}
        assert torch.allclose(f(A, *values)[k], mt.matrix_function(A[k], kind, **plain), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", SMEARED)
def test_occupations(kind):
    """As the library's, which are tested against 190 digits; by w, width, electrons and weights."""
    rng = np.random.default_rng(1)
    w, weights = torch.tensor(np.sort(rng.uniform(-1, 1, (3, 6)))), np.array([0.5, 0.25, 0.25])
    given = SMEARED[kind]
    name = next(iter(given))
    for extra in ({}, {"weights": weights}):
        theirs = multiplet.occupations(w.numpy(), kind, electrons=2.3, **given, **extra)
        ours = mt.occupations(w, kind, electrons=2.3, **given, **{k: torch.tensor(v) for k, v in extra.items()})
        assert np.allclose(ours.mu, theirs.mu, rtol=0, atol=1e-14)
        assert np.allclose(ours.occupations, theirs.occupations, rtol=0, atol=1e-13)
    width, electrons, mu = number(given[name]), number(2.3), number(0.2)
    others = {key: value for key, value in given.items() if key != name}
    w.requires_grad_()
    assert gradcheck(lambda w, a, b: mt.occupations(w, kind, electrons=b, **{name: a}, **others), (w, width, electrons),
                     check_forward_ad=True)
    assert gradcheck(lambda w, a, b: mt.occupations(w, kind, mu=b, **{name: a}, **others)[0], (w, width, mu))
    assert gradcheck(lambda w, a, b, c: mt.occupations(w, kind, electrons=b, weights=c, **{name: a}, **others),
                     (w, width, electrons, torch.tensor(weights, requires_grad=True)), check_forward_ad=True)


@pytest.mark.parametrize("kind", SMEARED)
def test_one_chemical_potential(kind):
    """k-points with weights: the same as one block-diagonal matrix, where weights are equal; gradients by differences."""
    A = torch.stack([make(METAL), make(PAIRS), make(METAL, seed=3)])
    f = mt.matrix_function(A, kind, electrons=4.2, weights=torch.ones(3, dtype=torch.float64), **SMEARED[kind])
    together = mt.matrix_function(torch.block_diag(*A), kind, electrons=4.2, **SMEARED[kind])
    assert torch.allclose(torch.block_diag(*f), together, rtol=0, atol=1e-12)
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda A, c: mt.matrix_function(herm(A), kind, electrons=1.7, weights=c, **SMEARED[kind]),
                     (A.clone().requires_grad_(), weights))


def test_an_insulator():
    """In a gap S underflows, and the gradient by A is that of the projector."""
    A = torch.stack([make([0.0, 0.0, 10.0, 11.0]), make([0.5, 0.6, 12.0, 12.0], seed=1)])
    m, x, y = make([1.0, 2, 3, 4], seed=2), A.clone().requires_grad_(), A.clone().requires_grad_()
    (mt.matrix_function(x, "fermi", beta=1000.0, electrons=2.0, weights=[0.5, 0.5]) * m).sum().backward()
    (mt.projector(y, (0, 2)) * m).sum().backward()
    assert torch.isfinite(x.grad).all() and torch.allclose(x.grad, y.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind, name, others", [("exp", "scale", {}), ("power", "exponent", {}), ("clamp_min", "minimum", {}),
                                                ("fermi", "beta", {"mu": 1.5}), ("cold", "sigma", {"electrons": 2.2})])
def test_a_failed_matrix_leaves_parameters_their_gradient(kind, name, others):
    A, found = torch.stack([make(PAIRS), torch.full((5, 5), float("nan"), dtype=torch.float64)]), []
    for a, failed in ((A, "zero"), (A[:1], "raise")):
        a, p = a.clone().requires_grad_(), number(0.8)
        f = mt.matrix_function(a, kind, failed=failed, **{name: p}, **others)
        (f[0] * f[0]).sum().backward()
        found.append((f[0].detach(), p.grad, a.grad[0]))
        assert len(a) == 1 or (torch.isfinite(f).all() and torch.isfinite(a.grad).all() and not a.grad[1].any())
    assert all(torch.allclose(x, y, rtol=1e-12, atol=1e-13) for x, y in zip(*found))
    with pytest.raises(multiplet.ProblemError, match=r"matrix \[1\] is"):
        mt.matrix_function(A, "fermi", beta=1.0, electrons=1.0, weights=[0.5, 0.5], failed="zero")


def test_what_parameters_cannot():
    A = make(PAIRS)
    with pytest.raises(TypeError, match="exp takes no weights"):
        mt.matrix_function(A, "exp", weights=[1.0])
    with pytest.raises(TypeError, match="needs either mu or electrons"):
        mt.matrix_function(A, "fermi", beta=number(1.0))
    with pytest.raises(ValueError, match=r"weights have the shape \[3\], not \[2\]"):
        mt.matrix_function(torch.stack([A, A]), "fermi", beta=1.0, electrons=2.0, weights=[1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="beta is -1 and electrons 2; both have to be above 0"):
        mt.matrix_function(A, "fermi", beta=number(-1.0), electrons=2.0)
    with pytest.raises(ValueError, match="there are no occupations 'exp'"):
        mt.occupations(torch.ones(3), "exp", mu=0.0)


FUNCTIONS = {"exp": (torch.exp, "exp"), "tanh": (torch.tanh, "tanh"), "softplus": (torch.nn.functional.softplus, "softplus"),
             "log": (torch.log, "log"), "cos": (torch.cos, "cos")}


@pytest.mark.parametrize("gap", [0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_spectral_function(name, gap):
    """Gradients as those of the library's kinds, which are exact to 1e-13, at every gap."""
    f, kind = FUNCTIONS[name]
    q = torch.linalg.qr(torch.from_numpy(np.random.default_rng(3).standard_normal((5, 5))))[0]
    A = herm(q @ torch.diag(torch.tensor([0.7, 0.7 + gap, 1.9, 2.5, 2.5 + gap], dtype=torch.float64)) @ q.mT)
    m, found = make([1.0, -2, 3, 4, 0.5], seed=2), []
    for function in (lambda A: mt.spectral_function(A, f), lambda A: mt.matrix_function(A, kind)):
        x = A.clone().requires_grad_()
        value = function(x)
        (value * m).sum().backward()
        found += [value.detach(), x.grad]
    assert (found[0] - found[2]).norm() <= 1e-13 * found[2].norm()
    assert (found[1] - found[3]).norm() <= 1e-12 * found[3].norm()


def test_spectral_functions_of_a_network():
    """Coefficients in f have gradients, second derivatives by A are refused, transforms and batches work."""
    c, A = number(0.3, -0.7), make(PAIRS, "complex128", (2,))
    f = lambda A, c: mt.spectral_function(herm(A), lambda w: torch.sin(c[0] * w) + c[1] * w ** 2)
    assert gradcheck(f, (A.requires_grad_(), c), check_forward_ad=True)
    loss = lambda a: f(a, c.detach()).abs().square().sum()
    each = torch.func.vmap(torch.func.grad(loss))(A.detach())
    x = A.detach().clone().requires_grad_()
    g, = torch.autograd.grad(loss(x), x, create_graph=True)
    assert torch.allclose(each, g, rtol=1e-12, atol=1e-12)
    with pytest.raises(RuntimeError, match="spectral_function has first derivatives only unless order=2"):
        g.abs().sum().backward()
    for UPLO, part in (("L", torch.tril), ("U", torch.triu)):
        assert torch.allclose(mt.spectral_function(part(A.detach()), torch.exp, UPLO=UPLO), mt.matrix_function(A.detach(), "exp"))


@pytest.mark.parametrize("gap", [0, 1e-15, 1e-9, 1e-5, 1e-2, 0.5])
@pytest.mark.parametrize("name", ["exp", "tanh", "log", "cos"])
def test_second_derivatives_of_spectral_functions(name, gap):
    """By reverse and forward mode in any nesting, as those of the library's kinds, which mpmath has checked."""
    f, kind = FUNCTIONS[name]
    A, E, C, P = (make([1.0, 1 + gap, 1 + 2 * gap, 2.3, 2.3], "complex128", seed=k) for k in range(4))
    inner, grad, jvp = lambda x, y: (x * y.conj()).sum().real, torch.func.grad, torch.func.jvp

    def products(function):
        slope = grad(lambda a: inner(function(herm(a)), P))
        along = lambda a: jvp(lambda b: function(herm(b)), (a,), (E,))[1]
        return (grad(lambda a: inner(slope(a), E))(A), jvp(slope, (A,), (E,))[1], grad(lambda a: inner(along(a), P))(A),
                jvp(along, (A,), (C,))[1])
    for found, exact in zip(products(lambda a: mt.spectral_function(a, f, order=2)),
                            products(lambda a: mt.matrix_function(a, kind))):
        assert (found - exact).norm() <= 1e-12 * exact.norm()


@pytest.mark.parametrize("dtype", ["float32", "complex64", "float64", "complex128"])
@pytest.mark.parametrize("batch", [(), (3,), (2, 1), (0,)])
def test_second_derivatives_of_spectral_functions_of_every_type(batch, dtype):
    """Ordinary matrices; each type against the exact kinds in double precision."""
    wide = "complex128" if dtype.startswith("complex") else "float64"
    A, E, P = (make([0.6, 1.1, 1.9, 2.4], wide, batch, k) for k in range(3))

    def product(function, dtype):
        x, e, p = (y.to(getattr(torch, dtype)) for y in (A, E, P))
        x = x.clone().requires_grad_()
        g, = torch.autograd.grad((function(herm(x)) * p.conj()).sum().real, x, create_graph=True)
        return torch.autograd.grad((g * e.conj()).sum().real, x)[0]
    for name, (f, kind) in FUNCTIONS.items():
        found = product(lambda a: mt.spectral_function(a, f, order=2), dtype)
        exact = product(lambda a: mt.matrix_function(a, kind), wide)
        assert found.dtype == getattr(torch, dtype) and found.shape == A.shape
        assert (found - exact).norm() <= (1e-12 if dtype == wide else 5e-6) * exact.norm(), name


def test_third_derivatives_of_spectral_functions_are_refused():
    A, E = make(PAIRS), make(PAIRS, seed=4)
    f = lambda a: (mt.spectral_function(herm(a), torch.sin, order=2) * E).sum()
    grad, along = lambda g: (lambda a: (torch.func.grad(g)(a) * E).sum()), lambda g: (lambda a: torch.func.jvp(g, (a,), (E,))[1])
    for outer in (grad, along):
        for middle in (grad, along):
            for inner in (grad, along):
                with pytest.raises(RuntimeError, match="spectral_function has derivatives up to the second"):
                    outer(middle(inner(f)))(A)


@pytest.mark.parametrize("kind", ["fermi", "gaussian", "methfessel_paxton", "cold"])
def test_second_derivatives_at_a_fixed_number_of_electrons(kind):
    """Of occupations and functions, by levels, widths, numbers and weights; of one matrix and of many with one mu, at any
    degeneracy."""
    width, electrons, weights = number(0.6), number(1.7), number(0.4, 0.6)
    name = "beta" if kind == "fermi" else "sigma"
    w = torch.tensor([[-1.0, -1, 0.5], [0.2, 0.4, 2]], dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda w, s, n: mt.occupations(w, kind, electrons=n, **{name: s}),
                                        (w, width, electrons))
    assert torch.autograd.gradgradcheck(lambda w, s, n, k: mt.occupations(w, kind, electrons=n, weights=k, **{name: s}),
                                        (w, width, electrons, weights))
    for spectrum in ([1.0, 1.8, 2.5, 3.7], PAIRS, [1.0, 1 + 1e-7, 2.0, 2 + 1e-3]):
        A = make(spectrum, "complex128", (2,)).requires_grad_()
        assert torch.autograd.gradgradcheck(lambda a, s, n, k: mt.matrix_function(
            herm(a), kind, electrons=n, weights=k, **{name: s}), (A, width, electrons, weights))


@pytest.mark.parametrize("kind", SMEARED)
def test_hessians_of_many_matrices_are_those_of_their_blocks(kind):
    """With equal weights, and the width as a tensor, beside the library's second derivatives of one matrix; in every
    nesting; a gap in which f' underflows, too."""
    m = make([1.0, -1.0, 0.5, 2.0, 3.0])
    for spectrum, width in ((PAIRS, 1.0), ([0.0, 0.0, 50.0, 50.0, 51.0], 0.05 if kind == "fermi" else 1.0)):
        A, parameters = make(spectrum, batch=(2,)), {k: v * width for k, v in SMEARED[kind].items() if k != "order"}
        order = {k: v for k, v in SMEARED[kind].items() if k == "order"}
        if kind == "fermi" and width != 1:
            parameters = {"beta": 40.0}
        one = lambda A: (mt.matrix_function(torch.block_diag(*herm(A)), kind, electrons=4.0, **parameters, **order)
                         * torch.block_diag(m, m @ m)).sum()
        tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in parameters.items()}
        many = lambda A: (mt.matrix_function(herm(A), kind, electrons=4.0, weights=torch.ones(2), **tensors, **order)
                          * torch.stack([m, m @ m])).sum()
        expected = torch.func.hessian(one)(A)
        for way in (torch.func.hessian, lambda f: torch.func.jacrev(torch.func.jacrev(f)),
                    lambda f: torch.func.jacfwd(torch.func.jacfwd(f))):
            assert (way(many)(A) - expected).abs().max() <= 1e-11 * max(1, float(expected.abs().max()))


@pytest.mark.parametrize("uplo", "LU")
@pytest.mark.parametrize("kind, name, others", [("exp", "scale", {}), ("fermi", "beta", {"electrons": 2.2}), ("power", "exponent", {})])
def test_the_triangle_that_is_not_read(kind, name, others, uplo):
    """Whatever is there, zeros or NaN, gradients of parameters are those of the whole matrix; so is A's where it is read."""
    whole, m = make(PAIRS), make([1.0, -1.0, 0.5, 2.0, 3.0], seed=2)
    read = torch.ones(5, 5, dtype=torch.bool).tril() if uplo == "L" else torch.ones(5, 5, dtype=torch.bool).triu()

    def gradients(A, **more):
        A, p = A.clone().requires_grad_(), number(0.7)
        f = mt.matrix_function(A, kind, **{name: p}, **others, **more)
        return torch.autograd.grad((f * m).sum(), (A, p))
    expected = gradients(whole)
    for other in (0.0, float("nan")):
        g, p = gradients(torch.where(read, whole, torch.full_like(whole, other)), UPLO=uplo)
        assert torch.allclose(p, expected[1], rtol=1e-12) and torch.allclose(g[read], expected[0][read], rtol=1e-10, atol=1e-13)
    A = torch.where(read, whole, torch.full_like(whole, float("nan"))).requires_grad_()
    g, = torch.autograd.grad((mt.spectral_function(A, torch.sin, UPLO=uplo) * m).sum(), A)
    x = whole.clone().requires_grad_()
    assert torch.allclose(g[read], torch.autograd.grad((mt.matrix_function(x, "sin") * m).sum(), x)[0][read], atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape, weights", [((0, 5, 5), None), ((1, 2, 5, 5), None), ((0, 2, 5, 5), [0.5, 0.5]),
                                            ((1, 3, 2, 5, 5), [0.5, 0.5])])
def test_every_batch_and_type(shape, weights, dtype):
    """Of ordinary matrices: values, gradients and second derivatives are those of double precision."""
    torch.manual_seed(0)
    wide = torch.complex128 if "complex" in dtype else torch.float64
    A, c = (herm(torch.randn(shape, dtype=wide)) for _ in range(2))

    def derivatives(A, c):
        x = A.clone().requires_grad_()
        f = mt.matrix_function(x, "fermi", beta=torch.tensor(2.0), electrons=torch.tensor(1.7), weights=weights)
        g, = torch.autograd.grad((f * c.conj()).real.sum(), x, create_graph=True)
        return f, g, torch.autograd.grad((g * c.conj()).real.sum(), x)[0]
    kind = getattr(torch, dtype)
    for found, expected in zip(derivatives(A.to(kind), c.to(kind)), derivatives(A, c)):
        assert found.shape == shape and found.dtype == kind
        assert torch.allclose(found.to(wide), expected, rtol=200 * torch.finfo(kind).eps, atol=200 * torch.finfo(kind).eps)


def test_widths_of_several_sets_of_matrices():
    """[2] widths and numbers of [2, 3, n, n], with weights: each set as alone."""
    A, weights = make(METAL, batch=(2, 3)), [0.5, 0.3, 0.2]
    beta, electrons = torch.tensor([3.0, 9.0], dtype=torch.float64), torch.tensor([1.2, 2.1], dtype=torch.float64)
    found = mt.matrix_function(A, "fermi", beta=beta, electrons=electrons, weights=weights)
    for k in range(2):
        alone = mt.matrix_function(A[k], "fermi", beta=float(beta[k]), electrons=float(electrons[k]), weights=weights)
        assert torch.allclose(found[k], alone, atol=1e-13)


def test_derivatives_by_electrons_deep_in_a_gap():
    """mu jumps there: an error, never NaN."""
    w, electrons = torch.tensor([-1.0, 1.5], dtype=torch.float64), number(1.0)
    with pytest.raises(multiplet.Error, match="f' underflows at all levels"):
        mt.occupations(w, "fermi", beta=3000.0, electrons=electrons).mu.backward()
    with pytest.raises(multiplet.Error, match="a wider smearing has one"):
        torch.func.jacfwd(lambda n: mt.occupations(w, "fermi", beta=3000.0, electrons=n).mu)(electrons.detach())


def test_third_derivatives_of_many_matrices():
    """By the matrices, or by them and the width in any order: refused."""
    A, d = make(PAIRS, batch=(2,)), make([0.0, 1, -1, 2, 0.5], batch=(2,), seed=3)
    f = lambda t, beta: mt.matrix_function(A + t * d, "fermi", beta=beta, electrons=3.2, weights=[0.5, 0.8])[0, 0, 1]
    errors, words = RuntimeError, "third derivatives are not there"
    if torch.__version__ < "2.5":  # which loses an error's text in some nestings
        errors, words = (RuntimeError, SystemError), f"{words}|returned NULL|returned a result"
    for way in (torch.func.grad, torch.func.jacfwd):
        for a, b, c in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)):
            with pytest.raises(errors, match=words):
                way(way(way(f, a), b), c)(number(0.0).detach(), number(2.0).detach())


def test_second_derivatives_of_insulators():
    """Far below the gap f' underflows, and mu = (w_1 + w_2) / 2 + (log g_1 - log g_2) / (2 beta) has no second ones."""
    w = torch.tensor([-1.0, 1.5], dtype=torch.float64)
    f = lambda w: mt.occupations(w, "fermi", beta=3000.0, electrons=1.0).mu
    assert torch.allclose(torch.func.grad(f)(w), torch.tensor([0.5, 0.5], dtype=torch.float64), atol=1e-15)
    assert torch.func.hessian(f)(w).abs().max() < 1e-9


def test_spectral_functions_that_are_not_defined():
    """Never NaN: an error that names the matrix, or zeros."""
    A = torch.stack([make(PAIRS), make(PAIRS) - 2 * torch.eye(5), torch.full((5, 5), float("nan"))]).double()
    with pytest.raises(multiplet.ProblemError, match=r"matrix \[1\] is FUNCTION_UNDEFINED"):
        mt.spectral_function(A[:2], torch.log)
    x = A.clone().requires_grad_()
    found = mt.spectral_function(x, torch.log, failed="zero")
    found.sum().backward()
    assert not found[1:].any() and not x.grad[1:].any() and torch.isfinite(x.grad).all() and x.grad[0].any()
    assert torch.allclose(found[0], mt.matrix_function(A[0], "log"), rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_spectral_functions_in_single_precision(name, dtype):
    """Ordinary matrices, and repeated eigenvalues, against double precision."""
    f, _ = FUNCTIONS[name]
    for spectrum in (PAIRS, list(np.linspace(0.5, 3, 20))):
        A, m, found = make(spectrum, dtype, (2,)), make(list(np.cos(np.arange(len(spectrum)))), dtype, seed=2), []
        for a, weights in ((A, m), (A.to(torch.complex128), m.to(torch.complex128))):
            x = a.clone().requires_grad_()
            value = mt.spectral_function(x, f)
            (value * weights.conj()).real.sum().backward()
            found += [value.detach(), x.grad]
        for k in (0, 1):
            assert found[k].dtype == A.dtype and (found[k] - found[k + 2]).norm() <= 1e-5 * found[k + 2].norm()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_one_sided_derivatives(dtype):
    """Of a double and a triple level, against differences of sorted eigenvalues."""
    A, d = make([1.0, 1.0, 2.0, 3.5, 3.5, 3.5], dtype, (2,)), make([0.4, -1.0, 2.0, 0.3, 1.0, 1.7], dtype, (2,), 4)
    first, second = mt.eigvalsh_directional(A, d, order=2)
    w, h = torch.linalg.eigvalsh(A), 1e-4
    up, twice = torch.linalg.eigvalsh(A + h * d) - w, torch.linalg.eigvalsh(A + 2 * h * d) - w
    assert torch.allclose(first, (4 * up - twice) / (2 * h), atol=1e-6)
    assert torch.allclose(second, (twice - 2 * up) / h ** 2, rtol=1e-2, atol=1e-2)
    assert torch.equal(mt.eigvalsh_directional(A, d), first)
    with pytest.raises(RuntimeError, match="one-sided derivatives"):
        mt.eigvalsh_directional(A.clone().requires_grad_(), d).sum().backward()
    with pytest.raises(ValueError, match="dA has to be a tensor like A"):
        mt.eigvalsh_directional(A, d[0])
    one = torch.diag(torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64))  # a split of second order alone
    e = torch.zeros_like(one)
    e[0, 2] = e[2, 0] = 1
    first, second = mt.eigvalsh_directional(one, e, order=2)
    assert torch.allclose(first, torch.zeros(3, dtype=torch.float64)) and torch.allclose(second, second.new_tensor([-2.0, 0, 2]))
