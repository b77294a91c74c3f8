"""Square roots, powers and x log x of positive semidefinite matrices: the value, the gradient where it exists, and the
status where it does not; against 50 digits, on matrices whose rank is exact."""
import functools
import warnings

import h5py
import numpy as np
import pytest

mpmath = pytest.importorskip("mpmath", reason="mpmath, the reference, is not in this Python")
import multiplet  # noqa: E402
from job import TYPES, eps, hermitian, run, solve, write  # noqa: E402
from multiplet import Status  # noqa: E402
from multiplet.backend import Function, Library, Options  # noqa: E402

N = 5
KINDS = {"sqrt": Function("sqrt"), "low": Function("power", exponent=1 / 128), "power": Function("power", exponent=0.25), "flat": Function("power", exponent=1.5),
         "xlogx": Function("xlogx"), "negative": Function("sqrt", scale=-0.5)}
SCALARS = {"sqrt": (mpmath.sqrt, lambda x: 1 / (2 * mpmath.sqrt(x))),
           "power": (lambda x: x ** mpmath.mpf(0.25), lambda x: x ** mpmath.mpf(-0.75) / 4),
           "low": (lambda x: x ** (mpmath.mpf(1) / 128), lambda x: x ** (mpmath.mpf(1) / 128 - 1) / 128),
           "flat": (lambda x: x ** mpmath.mpf(1.5), lambda x: 3 * mpmath.sqrt(x) / 2),
           "xlogx": (lambda x: x * mpmath.log(x), lambda x: mpmath.log(x) + 1),
           "negative": (lambda x: mpmath.sqrt(-x / 2), lambda x: -1 / (4 * mpmath.sqrt(-x / 2)))}


@functools.lru_cache(maxsize=None)
def matrix(rank, is_complex, small=1.0):
    """Of exactly this rank, with few digits, so that no type rounds it; `small`: the size of the last factor."""
    rng = np.random.default_rng(rank + 10)
    b = rng.integers(-7, 8, (N, rank)) + (1j * rng.integers(-7, 8, (N, rank)) if is_complex else 0)
    b = b * np.r_[np.ones(max(rank - 1, 0)), [small]][:rank]
    return b @ b.conj().T


@functools.lru_cache(maxsize=None)
def spectrum(rank, is_complex, small=1.0):
    with mpmath.workdps(50):
        w, v = mpmath.eighe(mpmath.matrix(matrix(rank, is_complex, small).tolist()))
        order = sorted(range(N), key=lambda k: w[k])
        assert max([abs(w[k]) for k in order[:N - rank]], default=0) < 1e-40
        vectors = mpmath.matrix([[v[i, k] for k in order] for i in range(N)])
        return [mpmath.mpf(0)] * (N - rank) + [w[k] for k in order[N - rank:]], vectors


def exact(name, rank, is_complex, cotangent, small=1.0):
    """f(A), and the gradient without the part in the null space, and C's share there."""
    value, slope = SCALARS[name]
    sign = -1 if name == "negative" else 1
    with mpmath.workdps(50):
        w, v = spectrum(rank, is_complex, small)
        c = v.H * mpmath.matrix(cotangent.tolist()) * v
        c = (c + c.H) / 2
        d = mpmath.matrix(N, N)
        for i in range(N):
            for j in range(N):
                x, y = sign * w[i], sign * w[j]
                if x == 0 and y == 0:
                    d[i, j] = 0
                elif i == j:
                    d[i, j] = slope(x)
                else:
                    f, g = (value(t) if t else mpmath.mpf(0) for t in (x, y))
                    d[i, j] = (f - g) / (x - y)
        g = v * mpmath.matrix([[d[i, j] * c[i, j] for j in range(N)] for i in range(N)]) * v.H
        f = v * mpmath.diag([value(sign * x) if x else mpmath.mpf(0) for x in w]) * v.H
        null = [[c[i, j] for j in range(N - rank)] for i in range(N - rank)]
        size = mpmath.mnorm(c, "f")
        share = mpmath.mnorm(mpmath.matrix(null), "f") / size if rank < N and size else 0
    as_array = lambda x: np.array(x.tolist(), complex if is_complex else float)
    return as_array(f), as_array(g), float(share)


def cotangents(rank, is_complex):
    """One that does not reach the null space, beyond rounding in double precision, and one that does."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((N, N)) + (1j * rng.standard_normal((N, N)) if is_complex else 0)
    w, v = np.linalg.eigh(matrix(rank, is_complex))
    null = v[:, :N - rank] @ v[:, :N - rank].conj().T
    return x - null @ x @ null, x


def solved(name, a, dtype, solver):
    """(f, w, v, certificate), and a function of a cotangent."""
    a = np.ascontiguousarray((-a if name == "negative" else a)[None], dtype)
    options = Options(solver=solver)
    f, w, v, forward = Library().function(a, KINDS[name], options)

    def backward(c):
        g, certificate = Library().function_backward(w, v, KINDS[name], np.ascontiguousarray(c[None], dtype), forward,
                                                     options)
        return g[0], certificate
    return f[0], forward, backward


def relative(found, true):
    return np.linalg.norm(found - true) / max(np.linalg.norm(true), 1e-300)


@pytest.mark.parametrize("solver", ["lanes", "lapack"])
@pytest.mark.parametrize("rank", [0, 1, 3, N - 1, N])
@pytest.mark.parametrize("name", KINDS)
def test_value_and_gradient(name, rank, solver):
    for dtype in TYPES:
        is_complex = np.dtype(dtype).kind == "c"
        a, (within, beyond) = matrix(rank, is_complex), cotangents(rank, is_complex)
        f, forward, backward = solved(name, a, dtype, solver)
        value, true, _ = exact(name, rank, is_complex, within)
        assert forward.status == Status.OK and relative(f, value) < 300 * eps(dtype) or not value.any() and not f.any()
        g, certificate = backward(within)
        assert certificate.status == Status.OK and certificate.null_violation < 30 * eps(dtype), (dtype, certificate)
        error = relative(g, true)
        assert error <= max(10 * certificate.gradient_error, 20 * eps(dtype)) and error < 300 * eps(dtype), (dtype, error)
        _, true, share = exact(name, rank, is_complex, beyond)
        g, certificate = backward(beyond)
        steep = name != "flat" and rank < N
        assert certificate.status == (Status.NULL_SPACE if steep else Status.OK), (dtype, certificate)
        assert np.isclose(certificate.null_violation, share if steep else 0, atol=30 * eps(dtype))
        assert np.isfinite(g).all() and not certificate.refused
        error = relative(g, true)
        assert error <= max(10 * certificate.gradient_error, 20 * eps(dtype)), (dtype, error)
        assert error < (1e3 * eps(dtype) if steep or rank == N else 3 * eps(dtype) ** 0.5)


@pytest.mark.parametrize("dtype, small", [("float64", 2.0 ** -18), ("complex128", 2.0 ** -10), ("float32", 2.0 ** -6)])
@pytest.mark.parametrize("name", ["sqrt", "power", "low", "xlogx"])
def test_estimate_beside_the_null_space(name, dtype, small):
    """A small eigenvalue beside zero ones: f[0, y] is large and sensitive, and the estimate knows it, for a loss that
    sees all, the small one alone with zero, or the largest one alone with zero."""
    is_complex = np.dtype(dtype).kind == "c"
    rng, a = np.random.default_rng(2), matrix(3, is_complex, small)
    _, _, backward = solved(name, a, dtype, "lapack")
    w, v = np.linalg.eigh(a)
    null = v[:, :2] @ v[:, :2].conj().T
    least, most = (v[:, k:k + 1] @ v[:, k:k + 1].conj().T for k in (2, N - 1))
    for k in range(12):
        x = rng.standard_normal((N, N)) + (1j * rng.standard_normal((N, N)) if is_complex else 0)
        x = (x - null @ x @ null, null @ x @ least, null @ x @ most)[k % 3]
        g, certificate = backward(x)
        error = relative(g, exact(name, 3, is_complex, x, small)[1])
        assert certificate.status == Status.OK and error <= 10 * certificate.gradient_error < 0.3, (k, error, certificate)
        assert certificate.gradient_error < 1e3 * max(error, eps(dtype)), (k, error, certificate)


@pytest.mark.parametrize("dtype", TYPES)
def test_where_zero_ends(dtype):
    """Eigenvalues within 5 sqrt(n) eps ||A|| of zero count as zero, on either side; beyond, a negative one has no root."""
    width = 5 * 2 ** 0.5 * eps(dtype)
    for w, root in ((0.95, 0), (-0.95, 0), (1.05, (1.05 * width) ** 0.5)):
        f = multiplet.matrix_function(np.diag([w * width, 1]).astype(dtype), "sqrt")
        assert np.allclose(np.diag(f.value), [root, 1], rtol=10 * eps(dtype), atol=0)
    for kind in ({"kind": "sqrt"}, {"kind": "xlogx"}, {"kind": "power", "exponent": 0.5}):
        with pytest.raises(multiplet.ProblemError, match="FUNCTION_UNDEFINED.*A \\+ eps I, or raise .*'clamp_min'"):
            multiplet.matrix_function(np.diag([-1.05 * width, 1]).astype(dtype), **kind)
    for kind in ({"kind": "log"}, {"kind": "inv_sqrt"}, {"kind": "inverse"}, {"kind": "power", "exponent": -0.5}):
        with pytest.raises(multiplet.ProblemError, match="FUNCTION_UNDEFINED"):
            multiplet.matrix_function(np.diag([0.0, 1]).astype(dtype), **kind)


def test_a_batch():
    """One warning, about the worst; matrices without a null space are not concerned."""
    a = np.stack([matrix(N, False), matrix(3, False), matrix(1, False)])
    f = multiplet.matrix_function(a, "sqrt")
    with pytest.warns(multiplet.NullSpaceWarning, match=r"gradient of sqrt: the loss moves eigenvalues of matrix \[2\] .*"
                                                        r"0.89 of it \(2 such matrices in all\)") as told:
        g = multiplet.matrix_function_backward(f, np.broadcast_to(np.eye(N), a.shape))
    assert len(told) == 1 and g.certificate.status.tolist() == [Status.OK, Status.NULL_SPACE, Status.NULL_SPACE]
    assert np.allclose(g.certificate.null_violation, [0, (2 / 5) ** 0.5, (4 / 5) ** 0.5])
    for k in range(3):  # tr sqrt: half the inverse root on the range
        w, v = np.linalg.eigh(a[k])
        half = np.where(w > 1e-9, 0.5 / np.sqrt(np.maximum(w, 1e-9)), 0)
        assert np.allclose(g.gradient[k], (v * half) @ v.T, atol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        multiplet.matrix_function_backward(f, a)


PARAMETERS = {"sqrt": {"kind": "sqrt"}, "power": {"kind": "power", "exponent": 0.25}, "xlogx": {"kind": "xlogx"}}
ENGINES = [("lanes", 1), ("lapack", 1), ("scalapack", 2)]


def rank_preserving(rng, a):
    """A direction along which the zero eigenvalues stay zero."""
    x = hermitian(rng, len(a), a.shape[-1], a.dtype)
    return x @ a + a @ x


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("solver, ranks", ENGINES)
def test_jobs(tmp_path, solver, ranks, dtype):
    """Values, gradients, tangents and statuses by every engine; check and show know them."""
    rng, n = np.random.default_rng(4), 20
    b = hermitian(rng, 3, n, dtype)[:, :, :14]
    a = b @ b.conj().swapaxes(1, 2)
    a = (a + a.conj().swapaxes(1, 2)) / 2 / n
    d = rank_preserving(rng, a)
    d[2] = np.eye(n)
    c = rank_preserving(rng, a)
    c[1] += np.eye(n)
    write(tmp_path / "d.h5", H=(d + d.conj().swapaxes(1, 2)) / 2)
    r = solve(tmp_path, a, ranks=ranks, solve={"solver": solver}, tangent="d.h5",
              functions=[{"name": name, **row} for name, row in PARAMETERS.items()],
              cotangents={f"functions/{name}": c for name in PARAMETERS})
    assert r["status"].tolist() == [Status.OK, Status.NULL_SPACE, Status.NULL_SPACE]
    violation = r["diagnostics/null_violation"]
    share = np.sqrt(6) / np.linalg.norm(c[1])
    assert violation[0] < 100 * eps(dtype)
    assert np.isclose(violation[1], share, rtol=1e-3) and np.isclose(violation[2], np.sqrt(6 / 20), rtol=1e-3)
    wide = a.astype("complex128")
    w, v = np.linalg.eigh(wide)
    values = {"sqrt": np.sqrt, "power": lambda x: x ** 0.25, "xlogx": lambda x: x * np.log(x)}
    total = 0
    for name, f in values.items():
        y = np.where(np.arange(n) < 6, 0, f(np.maximum(w, w[:, 6:7])))
        exact = (v * y[:, None, :]) @ v.conj().swapaxes(1, 2)
        assert np.abs(r[f"functions/{name}"] - exact).max() < 300 * eps(dtype)
        x, z = np.where(np.arange(n) < 6, 0, w)[:, :, None], np.where(np.arange(n) < 6, 0, w)[:, None, :]
        slope = np.where(np.arange(n) < 6, 0, {"sqrt": 0.5 / np.sqrt(np.abs(w)), "power": 0.25 * np.abs(w) ** -0.75,
                                                "xlogx": 1 + np.log(np.abs(w))}[name])
        same = x == z
        q = np.where(same, slope[:, :, None], (y[:, :, None] - y[:, None, :]) / np.where(same, 1, x - z))
        inner = v.conj().swapaxes(1, 2) @ c @ v
        total = total + v @ (q * (inner + inner.conj().swapaxes(1, 2)) / 2) @ v.conj().swapaxes(1, 2)
        moved = v @ (q * (v.conj().swapaxes(1, 2) @ d @ v)) @ v.conj().swapaxes(1, 2)
        assert all(relative(r[f"tangent/functions/{name}"][k], moved[k]) < 3e4 * eps(dtype) for k in range(3))
    errors = [relative(r["gradient"][k], total[k]) for k in range(3)]
    assert (errors <= 10 * r["diagnostics/gradient_error"]).all() and max(errors) < 3e4 * eps(dtype), errors
    assert "3 gradients compared" in run(tmp_path / "job-out.h5", "--gradients", "3", verb="check").stdout
    shown = run(tmp_path / "job-out.h5", verb="show").stdout
    assert "1 OK, 2 NULL_SPACE" in shown and "moves eigenvalues that are zero" in shown
    one = run(f"{tmp_path}/job-out.h5:/H[1]", verb="show").stdout
    assert "NULL_SPACE: the loss" in one and "null_violation" in one
    with h5py.File(tmp_path / "job-out.h5", "a") as f:
        f["H/gradient"][0] = 1.02 * r["gradient"][0]
    run(tmp_path / "job-out.h5", "--gradients", "3", verb="check", expect=4)


def test_the_log_and_python_name_it(tmp_path):
    a = matrix(3, False)[None]
    sqrt, cotangents = [{"name": "root", "kind": "sqrt"}], {"functions/root": np.eye(N)[None]}
    solve(tmp_path, a, functions=sqrt, cotangents=cotangents)
    told = run(tmp_path / "job.yaml", "--fresh").stderr
    assert told.count("moves eigenvalues that are zero, where a function has no derivative (up to 0.63 of it)") == 1
    with multiplet.open(tmp_path / "job-out.h5") as r:
        assert list(r.failed()) == [] and r["H"].status_of(0) is Status.NULL_SPACE
        assert np.isclose(r["H"].diagnostics.null_violation[0], 0.4 ** 0.5)
        names = h5py.check_enum_dtype(r.file["H/status"].dtype)
        assert names == {s.name: s.value for s in Status} and 12 not in names.values()


def test_order_of_statuses(tmp_path):
    """What a policy refuses, then the gauge, then the null space, then the spread."""
    q = np.linalg.qr(np.random.default_rng(8).standard_normal((4, 4)))[0]
    a = (q * [0, 1, 2, 2]) @ q.T
    a = ((a + a.T) / 2)[None]
    pair = [{"name": "root", "kind": "sqrt"}]
    basis, spread, null = np.zeros((1, 4, 4)), np.array([[0.0, 0, 1, 2]]), np.eye(4)[None]
    basis[0, :, 2] = [1, 2, 3, 4]

    def status(degeneracy={}, expect=0, **cotangents):
        given = {"functions/root": null, **{k: v for k, v in cotangents.items()}}
        if "eigenvectors" in cotangents:  # of the vectors that the loss saw
            solve(tmp_path, a, name="first")
            extra = {"gradient": {"eigenpairs": "first-out.h5"}}
        else:
            extra = {}
        r = solve(tmp_path, a, functions=pair, cotangents=given, degeneracy=degeneracy, expect=expect, **extra)
        assert np.isclose(r["diagnostics/null_violation"][0], 0.5) and np.isfinite(r["gradient"]).all()
        assert r["gradient"].any() == (expect == 0)
        return r["status"][0]

    assert status() == Status.NULL_SPACE
    assert status(eigenvalues=spread) == Status.NULL_SPACE
    assert status({"eigenvalue_cotangents": "fail"}, 4, eigenvalues=spread) == Status.SUBGRADIENT
    assert status(eigenvectors=basis) == Status.GAUGE_DEPENDENT
    assert status({"gauge_dependent_loss": "fail"}, 4, eigenvectors=basis) == Status.GAUGE_DEPENDENT


def covariance(rng, rank):
    x = rng.standard_normal((6, rank))
    return x @ x.T


def power(a, p):
    """On the range."""
    w, v = np.linalg.eigh(a)
    kept = w > 1e-10 * w[-1]
    return (v[:, kept] * w[kept] ** p) @ v[:, kept].conj().T


@pytest.mark.parametrize("ranks", [(6, 6), (6, 3), (3, 6), (4, 4), (3, 2), (1, 6)])
def test_frechet_distance(ranks):
    """tr sqrt(S1 S2) of covariances, by both of them, against its closed form. Where S1 lacks a direction, no derivative
    along it exists, and that part is dropped, with a warning."""
    torch = pytest.importorskip("torch", "2.4")
    import multiplet.torch as mt
    rng = np.random.default_rng(sum(ranks))
    s = [torch.tensor(covariance(rng, rank), requires_grad=True) for rank in ranks]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        half = mt.matrix_function(s[0], "sqrt")
        found = torch.autograd.grad(mt.matrix_function(half @ s[1] @ half, "sqrt").trace(), s)
    assert [w.category for w in told] == [multiplet.NullSpaceWarning] * (min(ranks) < 6)
    a, b = (x.detach().numpy() for x in s)
    root, other, within = power(a, 0.5), power(b, 0.5), power(a, 0)
    exact = (other @ power(other @ a @ other, -0.5) @ other / 2, root @ power(root @ b @ root, -0.5) @ root / 2)
    outside = np.eye(6) - within
    exact = (exact[0] - outside @ exact[0] @ outside, exact[1])
    for x, y in zip(found, exact):
        assert np.abs(x.numpy() - y).max() < 1e-9 * np.abs(y).max()


def test_forward_mode():
    """Against the Sylvester equation that the derivative of a root solves."""
    torch = pytest.importorskip("torch", "2.4")
    import multiplet.torch as mt
    a, rng = np.stack([matrix(3, True), matrix(N, True)]), np.random.default_rng(3)
    d = torch.tensor(rank_preserving(rng, a))
    root = lambda x: mt.matrix_function(x, "sqrt")
    with warnings.catch_warnings():
        warnings.simplefilter("error", multiplet.NullSpaceWarning)
        f, moved = torch.func.jvp(root, (torch.tensor(a),), (d,))
    assert (moved @ f + f @ moved - d).abs().max() < 1e-11
    with pytest.warns(multiplet.NullSpaceWarning, match=r"derivative of sqrt along a direction: the direction moves "
                                                        r"eigenvalues of matrix \[0\]") as told:
        one = torch.eye(N, dtype=d.dtype).expand_as(d)
        f, moved = torch.func.jvp(root, (torch.tensor(a),), (one,))
    assert len(told) == 1 and mt.last_certificate().status.tolist() == [Status.NULL_SPACE, Status.OK]
    null = np.eye(N) - power(a[0], 0)
    rest = moved @ f + f @ moved - one
    assert np.abs(rest[0].numpy() + null).max() < 1e-11 and rest[1].abs().max() < 1e-11


@pytest.mark.parametrize("kind", [{"kind": "sqrt"}, {"kind": "power", "exponent": 2.5}])
def test_second_derivatives(kind):
    """Where an eigenvalue is zero there are none: an error that names the matrix, or zeros, never NaN."""
    torch = pytest.importorskip("torch", "2.4")
    import multiplet.torch as mt
    a = torch.tensor(np.stack([matrix(N, False), matrix(3, False)]), dtype=torch.float64)

    def twice(x, **more):
        g, = torch.autograd.grad((a * mt.matrix_function(x, **kind, **more)).sum(), x, create_graph=True)
        assert torch.isfinite(g).all()
        return torch.autograd.grad((g * g).sum(), x)[0]

    whole = twice(a.clone().requires_grad_(), failed="zero")
    with pytest.raises(multiplet.ProblemError, match=rf"second derivative of {kind['kind']}: matrix \[1\] has eigenvalues "
                                                     "that are zero within rounding"):
        twice(a.clone().requires_grad_())
    alone = a[:1].clone().requires_grad_()
    g, = torch.autograd.grad((a[:1] * mt.matrix_function(alone, **kind)).sum(), alone, create_graph=True)
    h, = torch.autograd.grad((g * g).sum(), alone)
    assert torch.equal(whole[:1], h) and h.any() and not whole[1].any()


def test_parameters():
    """By the scale, sqrt(s A) has the derivative sqrt(A) / (2 sqrt(s)), null space or not."""
    torch = pytest.importorskip("torch", "2.4")
    import multiplet.torch as mt
    a, s = torch.tensor(matrix(3, False), dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    value = (a * mt.matrix_function(a, "sqrt", scale=s)).sum()
    slope, = torch.autograd.grad(value, s)
    assert torch.isclose(slope, value.detach() / 4, rtol=1e-13)


def test_jax():
    jax = pytest.importorskip("jax", "0.4.36")
    from multiplet import jax as mj
    jax.config.update("jax_enable_x64", True)
    a, rng = np.stack([matrix(3, False), matrix(N, False)]), np.random.default_rng(3)
    c = rank_preserving(rng, a)

    def root(x, **more):
        return mj.matrix_function(x, "sqrt", **more)

    def twice(x, **more):
        slope = jax.grad(lambda y: (c * root(y, **more)).sum())
        return jax.block_until_ready(jax.grad(lambda y: (slope(y) ** 2).sum())(x))

    with warnings.catch_warnings():
        warnings.simplefilter("error", multiplet.NullSpaceWarning)
        f, moved = jax.jvp(root, (a,), (c,))
        g = jax.block_until_ready(jax.jit(jax.grad(lambda x: (c * root(x)).sum()))(a))
    assert np.abs(moved @ f + f @ moved - c).max() < 1e-11 and np.abs(g - moved).max() < 1e-11
    with pytest.warns(multiplet.NullSpaceWarning, match="0.63 of the loss, .* of matrix 0 of 2") as told:
        g = jax.block_until_ready(jax.jit(jax.grad(lambda x: root(x).trace(axis1=1, axis2=2).sum()))(a))
    assert len(told) == 1 and np.allclose(g[0], power(a[0], -0.5) / 2, atol=1e-12)
    for failed in ("nan", "raise"):
        with pytest.raises(Exception, match="second derivative of matrix_function: matrix 0 of 2 has eigenvalues that are "
                                            "zero within rounding"):
            twice(a, failed=failed)
    found = np.asarray(twice(a, failed="zero", notices=False))
    assert not found[0].any() and found[1].any() and np.isfinite(found).all()
    assert np.allclose(found[1], jax.grad(lambda x: (jax.grad(lambda y: (c[1] * root(y)).sum())(x) ** 2).sum())(a[1]))
