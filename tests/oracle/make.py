"""Makes the cases of this directory: matrices, and what their spectra give, in 50-digit arithmetic.

    python3 tests/oracle/make.py [DIRECTORY]        needs mpmath, numpy and h5py; two minutes

Matrices are doubles, taken as exact. Eigenpairs come from mpmath, derivatives from the Daleckii-Krein
formula on them, and every gradient is compared once with a difference quotient of the function itself, also
in mpmath, before it is written. Nothing here uses the program that the cases are for.
"""
import pathlib
import sys

import h5py
import mpmath as mp
import numpy as np

mp.mp.dps = 120
EQUAL = mp.mpf(10) ** -50       # eigenvalues this near, at 120 digits, are one
STEP = mp.mpf(10) ** -30


# -- matrices, all of them exactly doubles --------------------------------------------------------------------
def dyadic(rng, n, is_complex):
    a = rng.integers(-64, 65, (n, n)) / 32.0
    if is_complex:
        a = a + 1j * rng.integers(-64, 65, (n, n)) / 32.0
    return (a + a.conj().T) / 2


def doubled(rng, n, is_complex):
    """Every eigenvalue exactly twice: B x 1_2, turned by a unitary matrix of dyadic numbers."""
    b = np.kron(dyadic(rng, n // 2, is_complex), np.eye(2))
    h = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2.0
    if is_complex:
        h = h * np.array([1, 1j, -1, 1])
    u = np.eye(n, dtype=h.dtype)
    u[:4, :4] = h
    order = np.argsort(rng.random(n))
    a = (u @ b @ u.conj().T)[np.ix_(order, order)]
    assert np.array_equal(a, a.conj().T)
    return a


def heisenberg(sites):
    """Ring of spins 1/2, two multiplets for three sites."""
    n = 2 ** sites
    h = np.zeros((n, n))
    for s in range(n):
        for i in range(sites):
            j = (i + 1) % sites
            alike = (s >> i & 1) == (s >> j & 1)
            h[s, s] += 0.25 if alike else -0.25
            if not alike:
                h[s ^ (1 << i) ^ (1 << j), s] += 0.5
    return h


def with_spectrum(rng, w, is_complex):
    """Eigenvalues near w: those of the rounded matrix are what counts."""
    a = rng.standard_normal((len(w), len(w)))
    if is_complex:
        a = a + 1j * rng.standard_normal(a.shape)
    q = np.linalg.qr(a)[0]
    a = (q * np.asarray(w)) @ q.conj().T
    return (a + a.conj().T) / 2


def matrices():
    rng = np.random.default_rng(2026)
    forum = np.array([[1.2039, 0, 0.3690, 0], [0, -1.2039, 0, 0.3690],
                      [0.3690, 0, -1.2039, 0], [0, 0.3690, 0, 1.2039]])
    return {
        "one": np.array([[0.75]]),
        "forum": forum,
        "heisenberg": heisenberg(3),
        "identity": np.eye(3) * 1.5,
        "random_real": dyadic(rng, 5, False),
        "random_complex": dyadic(rng, 6, True),
        "double_real": doubled(rng, 6, False),
        "double_complex": doubled(rng, 8, True),
        "near_real": with_spectrum(rng, [-1, -1 + 1e-9, 0.5, 0.5 + 1e-6, 2], False),
        "near_complex": with_spectrum(rng, [-1, 0.25, 0.25 + 1e-11, 0.25 + 1e-8, 3], True),
        "graded": with_spectrum(rng, [1e-8, 3e-6, 1e-3, 1], False),
    }


# -- spectra --------------------------------------------------------------------------------------------------
def exactly(a):
    a = np.asarray(a)
    cell = (lambda x: mp.mpc(x.real, x.imag)) if np.iscomplexobj(a) else mp.mpf
    return mp.matrix([[cell(x.item()) for x in row] for row in np.atleast_2d(a)])


def adjoint(x):
    return x.transpose_conj() if hasattr(x, "transpose_conj") else x.H


class Spectrum:
    def __init__(self, a):
        self.a = exactly(a)
        self.n = self.a.rows
        w, v = mp.eighe(self.a) if np.iscomplexobj(a) else mp.eigsy(self.a)
        order = sorted(range(self.n), key=lambda i: w[i])
        self.w = [w[i] for i in order]
        self.v = mp.matrix(self.n, self.n)
        for j, i in enumerate(order):
            self.v[:, j] = v[:, i]

    def multiplets(self):
        """(start, stop) of each run of eigenvalues that are equal to 8 n eps, as a program in double sees it."""
        tolerance = 8 * self.n * mp.mpf(2) ** -52 * max(abs(self.w[0]), abs(self.w[-1]))
        cuts = [0] + [j for j in range(1, self.n) if self.w[j] - self.w[j - 1] > tolerance] + [self.n]
        return list(zip(cuts[:-1], cuts[1:]))

    def into(self, x):
        return adjoint(self.v) * x * self.v

    def out(self, x):
        return self.v * x * adjoint(self.v)

    def function(self, values):
        return self.out(mp.diag(values))

    def derivative(self, quotient, x, shift=None):
        """V [D o herm(V^H x V)] V^H: the gradient for a cotangent x, the derivative along a direction x."""
        c = self.into(x)
        d = mp.matrix(self.n, self.n)
        for i in range(self.n):
            for j in range(self.n):
                d[i, j] = quotient(i, j) * (c[i, j] + mp.conj(c[j, i])) / 2
            if shift:
                d[i, i] += shift(c)[i]
        return self.out(d)


SMEARINGS = ("gaussian", "methfessel_paxton", "cold")


# -- functions ------------------------------------------------------------------------------------------------
def scalar(kind, p):
    if kind in SMEARINGS:
        return smearing(kind, p)
    s = mp.mpf(p.get("scale", 1))
    beta, mu = mp.mpf(p.get("beta", 0)), p.get("mu", 0)
    e = mp.mpf(p.get("exponent", 0))
    whole = int(e) if e == int(e) else None
    sech2 = lambda x: 1 / mp.cosh(x) ** 2
    return {
        "exp": (lambda x: mp.exp(s * x), lambda x: s * mp.exp(s * x)),
        "log": (lambda x: mp.log(s * x), lambda x: 1 / x),
        "sqrt": (lambda x: mp.sqrt(s * x), lambda x: s / 2 / mp.sqrt(s * x)),
        "xlogx": (lambda x: s * x * mp.log(s * x), lambda x: s * (mp.log(s * x) + 1)),
        "inv_sqrt": (lambda x: 1 / mp.sqrt(s * x), lambda x: -s / 2 / mp.sqrt(s * x) ** 3),
        "inverse": (lambda x: 1 / (s * x), lambda x: -1 / (s * x * x)),
        "power": (lambda x: (s * x) ** (e if whole is None else whole),
                  lambda x: e * s * (s * x) ** (e - 1 if whole is None else whole - 1)),
        "tanh": (lambda x: mp.tanh(s * x), lambda x: s * sech2(s * x)),
        "sin": (lambda x: mp.sin(s * x), lambda x: s * mp.cos(s * x)),
        "cos": (lambda x: mp.cos(s * x), lambda x: -s * mp.sin(s * x)),
        "fermi": (lambda x: 1 / (1 + mp.exp(beta * (x - mu))),
                  lambda x: -beta / (2 + mp.exp(beta * (x - mu)) + mp.exp(-beta * (x - mu)))),
        "softplus": (lambda x: mp.log1p(mp.exp(s * x)), lambda x: s / (1 + mp.exp(-s * x))),
        "abs": (lambda x: abs(s * x), lambda x: s * mp.sign(s * x)),
        "sign": (lambda x: mp.sign(s * x), lambda x: mp.mpf(0)),
        "clamp_min": (lambda x: max(s * x, p["minimum"]), lambda x: s * (mp.sign(s * x - p["minimum"]) + 1) / 2),
    }[kind]


def smearing(kind, p):
    """Of electronic states, from the definitions: the derivative is a broadened delta function."""
    order = {"gaussian": 0, "methfessel_paxton": int(p.get("order", 1)), "cold": 0}[kind]
    argument = lambda x: (x - p["mu"]) / p["sigma"]

    def value(x):
        t = argument(x)
        if kind == "cold":
            u = t + 1 / mp.sqrt(2)
            return mp.erfc(u) / 2 + mp.exp(-u ** 2) / mp.sqrt(2 * mp.pi)
        return mp.erfc(t) / 2 + mp.exp(-t ** 2) * sum(
            (-1) ** n / (mp.factorial(n) * mp.mpf(4) ** n * mp.sqrt(mp.pi)) * mp.hermite(2 * n - 1, t)
            for n in range(1, order + 1))

    def slope(x):
        t = argument(x)
        if kind == "cold":
            return -mp.exp(-(t + 1 / mp.sqrt(2)) ** 2) * (2 + mp.sqrt(2) * t) / mp.sqrt(mp.pi) / p["sigma"]
        return -mp.exp(-t ** 2) / p["sigma"] * sum(
            (-1) ** n / (mp.factorial(n) * mp.mpf(4) ** n * mp.sqrt(mp.pi)) * mp.hermite(2 * n, t)
            for n in range(order + 1))

    return value, slope


def chemical_potential(w, beta, electrons):
    """In a gap both particles and holes are exp(-beta gap / 2) few: digits enough for that."""
    with mp.workdps(600):
        low, high = w[0] - 1000 / mp.mpf(beta), w[-1] + 1000 / mp.mpf(beta)
        excess = lambda mu: sum(1 / (1 + mp.exp(mp.mpf(beta) * (x - mu))) for x in w) - mp.mpf(electrons)
        for _ in range(int(mp.mp.prec) + 40):
            middle = (low + high) / 2
            low, high = (low, middle) if excess(middle) > 0 else (middle, high)
        return +low


def divided(s, f, slope):
    def quotient(i, j):
        x, y = s.w[i], s.w[j]
        return slope((x + y) / 2) if abs(x - y) <= EQUAL * (abs(x) + abs(y)) else (f(x) - f(y)) / (x - y)
    return quotient


def function_case(s, kind, p, cotangent, direction):
    """Value, gradient, derivative along the direction, and mu."""
    mu = None
    if kind == "projector":
        inside = [p["index"][0] <= i < p["index"][1] for i in range(s.n)]
        quotient = lambda i, j: 0 if inside[i] == inside[j] else (inside[i] - inside[j]) / (s.w[i] - s.w[j])
        values = [mp.mpf(int(x)) for x in inside]
        return s.function(values), s.derivative(quotient, cotangent), s.derivative(quotient, direction), mu
    p = dict(p)
    if "electrons" in p:
        mu = p["mu"] = chemical_potential(s.w, p["beta"], p["electrons"])
    elif "mu" in p:
        p["mu"] = mp.mpf(p["mu"])
    f, slope = scalar(kind, p)
    quotient = divided(s, f, slope)
    back = forth = None
    if mu is not None:
        slopes = [slope(x) for x in s.w]
        total = sum(slopes)
        back = lambda c: [-sum(slopes[k] * mp.re(c[k, k]) for k in range(s.n)) * x / total for x in slopes]
        forth = lambda c: [-sum(slopes[k] * mp.re(c[k, k]) for k in range(s.n)) / total * x for x in slopes]
    return (s.function([f(x) for x in s.w]), s.derivative(quotient, cotangent, back),
            s.derivative(quotient, direction, forth), mu)


def functions_for(s):
    everywhere = [("exp_half", "exp", {"scale": -0.5}), ("exp_ten", "exp", {"scale": 10.0}), ("sin", "sin", {}),
                  ("cos_three", "cos", {"scale": 3.0}), ("tanh", "tanh", {"scale": 2.0}),
                  ("cube", "power", {"exponent": 3.0}), ("fermi", "fermi", {"beta": 2.0, "mu": 0.25}),
                  ("cold", "fermi", {"beta": 400.0, "mu": 0.3})]
    if s.n > 1:
        everywhere += [("filled", "fermi", {"beta": 5.0, "electrons": s.n / 2 - 0.25}),
                       ("gap", "fermi", {"beta": 300.0, "electrons": float(s.multiplets()[0][1])})]
        if float(s.multiplets()[0][1]) == s.n:
            everywhere.pop()
    everywhere += [("lowest", "projector", {"index": s.multiplets()[0]})]
    positive = [("log", "log", {}), ("sqrt", "sqrt", {"scale": 2.0}), ("inv_sqrt", "inv_sqrt", {}),
                ("inverse", "inverse", {}), ("third", "power", {"exponent": 0.3333333333333333}),
                ("back", "power", {"exponent": -2.0})]
    return everywhere + (positive if s.w[0] > 0 else [])


# -- frames ---------------------------------------------------------------------------------------------------
def frame_value(p, r):
    z = p * r
    w, v = mp.eighe(adjoint(z) * z)
    return z * v * mp.diag([1 / mp.sqrt(x) for x in w]) * adjoint(v)


def frame_case(s, start, stop, reference, cotangent):
    """The frame, its gradients by A and by R (central differences in 120 digits), and the condition."""
    inside = lambda a: (lambda t: t.v[:, start:stop] * adjoint(t.v[:, start:stop]))(a)
    projector = inside(s)
    value = frame_value(projector, reference)
    pull = lambda d: mp.re(sum(mp.conj(cotangent[i, j]) * d[i, j]
                               for i in range(cotangent.rows) for j in range(cotangent.cols)))
    quotient = lambda i, j: 0 if (start <= i < stop) == (start <= j < stop) else \
        (1 if start <= i < stop else -1) / (s.w[i] - s.w[j])
    real = all(mp.im(x) == 0 for x in s.a) and all(mp.im(x) == 0 for x in reference)
    by_reference = mp.matrix(reference.rows, reference.cols)
    by_projector = mp.matrix(s.n, s.n)
    for part in ([1] if real else [1, mp.mpc(0, 1)]):
        for i in range(s.n):
            for j in range(reference.cols):
                d = mp.matrix(s.n, reference.cols)
                d[i, j] = part
                slope = pull(frame_value(projector, reference + STEP * d) -
                             frame_value(projector, reference - STEP * d)) / (2 * STEP)
                by_reference[i, j] += part * slope
            for j in range(s.n):
                d = mp.matrix(s.n, s.n)
                d[i, j] = part
                up, down = projector + STEP * d, projector - STEP * d
                slope = pull(frame_value(up, reference) - frame_value(down, reference)) / (2 * STEP)
                by_projector[i, j] += part * slope
    z = adjoint(reference) * projector * reference
    norms = [mp.sqrt(mp.re((adjoint(reference[:, j]) * reference[:, j])[0])) for j in range(reference.cols)]
    condition = max(norms) / mp.sqrt(min(mp.eighe(z)[0]))
    return value, s.derivative(quotient, by_projector), by_reference, condition


# -- writing --------------------------------------------------------------------------------------------------
def numbers(x, is_complex):
    out = [[complex(x[i, j]) for j in range(x.cols)] for i in range(x.rows)]
    return np.array(out) if is_complex else np.array(out).real.copy()


def check(s, kind, p, cotangent, direction, gradient):
    """Re tr(G^H E) against a difference quotient of Re tr(C^H f(A + t E)), all in 120 digits."""
    def loss(t):
        moved = Spectrum.__new__(Spectrum)
        moved.a, moved.n = s.a + t * direction, s.n
        w, v = mp.eighe(moved.a)
        moved.w, moved.v = list(w), v
        value = function_case(moved, kind, p, cotangent, direction)[0]
        return mp.re(sum(mp.conj(cotangent[i, j]) * value[i, j] for i in range(s.n) for j in range(s.n)))
    found = (loss(STEP) - loss(-STEP)) / (2 * STEP)
    expected = mp.re(sum(mp.conj(gradient[i, j]) * direction[i, j] for i in range(s.n) for j in range(s.n)))
    scale = sum(abs(x) for x in gradient) + mp.mpf(10) ** -30
    assert abs(found - expected) < mp.mpf(10) ** -18 * max(scale, 1), (kind, p, found, expected)


def write_case(group, a, rng):
    is_complex = np.iscomplexobj(a)
    s = Spectrum(a)
    n = s.n
    draw = lambda *shape: dyadic_array(rng, shape, is_complex)
    group["matrix"] = a
    group["eigenvalues"] = np.array([float(x) for x in s.w])
    group["multiplet"] = np.repeat(np.arange(len(s.multiplets())), [b - a for a, b in s.multiplets()])
    direction = draw(n, n)
    direction = (direction + direction.conj().T) / 2
    group["direction"] = direction
    e = exactly(direction)
    write_eigenpairs(group, s, draw, e, is_complex)
    for name, kind, p in functions_for(s):
        g = group.create_group(f"functions/{name}")
        g.attrs.update({"kind": kind, **{k: list(v) if isinstance(v, tuple) else v for k, v in p.items()}})
        cotangent = draw(n, n)
        c = exactly((cotangent + cotangent.conj().T) / 2)
        value, gradient, tangent, mu = function_case(s, kind, p, c, e)
        check(s, kind, p, c, e, gradient)
        g["cotangent"] = cotangent
        for key, x in (("value", value), ("gradient", gradient), ("tangent", tangent)):
            g[key] = numbers(x, is_complex)
        if mu is not None:
            g.attrs["chemical_potential"] = float(mu)
    for start, stop in s.multiplets()[:2]:
        columns = stop - start
        if columns > 2:
            columns = 2
        g = group.create_group(f"frames/{start}_{stop}")
        reference, cotangent = draw(n, columns), draw(n, columns)
        value, gradient, by_reference, condition = frame_case(s, start, stop, exactly(reference),
                                                              exactly(cotangent))
        g.attrs.update({"index": [start, stop], "condition": float(condition)})
        g["reference"], g["cotangent"] = reference, cotangent
        for key, x in (("value", value), ("gradient", gradient), ("gradient_reference", by_reference)):
            g[key] = numbers(x, is_complex)


def dyadic_array(rng, shape, is_complex):
    a = rng.integers(-64, 65, shape) / 64.0
    return a + 1j * rng.integers(-64, 65, shape) / 64.0 if is_complex else a


def write_eigenpairs(f, s, draw, direction, is_complex):
    """Losses L = sum_j gw_j w_j and L = sum_j weight_j v_j^H C v_j over all eigenpairs, the lowest multiplet's,
    and all but these; the weights are equal inside a multiplet."""
    runs, lowest = s.multiplets(), s.multiplets()[0][1]
    sizes = [b - a for a, b in runs]
    weights = np.repeat(draw(len(runs)).real, sizes)
    values = draw(s.n).real
    observable = draw(s.n, s.n)
    observable = (observable + observable.conj().T) / 2
    means = np.concatenate([np.full(b - a, values[a:b].mean()) for a, b in runs])
    for start, stop in sorted({(0, s.n), (0, lowest), (lowest, s.n)}):
        if start == stop:
            continue
        g = f.create_group(f"eigenpairs/{start}_{stop}")
        g.attrs["index"] = [start, stop]
        inside = (np.arange(s.n) >= start) & (np.arange(s.n) < stop)
        g["eigenvalue_cotangent"] = values[start:stop]
        g["weights"], g["observable"] = weights[start:stop], observable
        some = [mp.mpf(float(x)) for x in weights * inside]
        id_of = np.repeat(np.arange(len(runs)), sizes)
        quotient = lambda i, j: 0 if id_of[i] == id_of[j] else (some[i] - some[j]) / (s.w[i] - s.w[j])
        g["eigenvalue_gradient"] = numbers(s.function([mp.mpf(float(x)) for x in means * inside]), is_complex)
        g["observable_gradient"] = numbers(s.derivative(quotient, exactly(observable)), is_complex)
        g["weighted_projector_tangent"] = numbers(s.derivative(quotient, direction), is_complex)
        c = s.into(direction)
        diagonal = [mp.re(c[i, i]) for i in range(s.n)]
        tangent = np.concatenate([np.full(b - a, float(sum(diagonal[a:b]) / (b - a))) for a, b in runs])
        g["eigenvalue_tangent"] = tangent[start:stop]


def argument_pairs(rng, kind):
    """Eigenvalues x, y: equal, a rounding apart, near, far, tiny and huge."""
    positive = kind in ("log", "sqrt", "inv_sqrt", "inverse", "power", "xlogx")
    for t in range(120):
        if positive:
            x = 10.0 ** rng.uniform(*((-100, 100) if t % 4 == 0 and kind != "power" else (-8, 3)))
        else:
            x = rng.uniform(-30, 30) * 10.0 ** rng.uniform(-6, 0)
        near = x * (1 + 10.0 ** rng.uniform(-16, -1))
        far = x * 10.0 ** rng.uniform(-3, 3) if positive else rng.uniform(-30, 30)
        yield x, [x, np.nextafter(x, np.inf), near, far, near][t % 5]
    if positive:
        yield 1e-8, 3e-6


def parameters(rng, kind):
    if kind == "power":
        return {"scale": 1.0, "exponent": rng.choice([2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 1 / 3, 2.5, 7.0, 0.01])}
    if kind == "fermi":
        return {"beta": 10.0 ** rng.uniform(-1, 3), "mu": rng.uniform(-1, 1)}
    if kind in SMEARINGS:
        return {"sigma": 10.0 ** rng.uniform(-1, 1), "mu": rng.uniform(-1, 1),
                **({"order": float(rng.choice([1, 2, 4, 8]))} if kind == "methfessel_paxton" else {})}
    if kind == "clamp_min":
        return {"scale": rng.choice([1.0, 0.5, 3.7]), "minimum": rng.uniform(-1, 1)}
    return {"scale": rng.choice([1.0, 0.5, 3.7]) if kind == "log" else rng.choice([1.0, 0.5, 3.7, 10.0])}


def write_divided_differences(f):
    """f[x, y] for pairs of eigenvalues: rows of the parameters, x, y and the answer."""
    rng = np.random.default_rng(1951)
    names = ["scale", "exponent", "beta", "mu", "sigma", "order", "minimum"]
    f.attrs["columns"] = [*names, "x", "y", "f[x, y]"]
    for kind in ("exp", "log", "sqrt", "inv_sqrt", "inverse", "power", "tanh", "sin", "cos", "fermi", "softplus", "abs",
                 "sign", "clamp_min", *SMEARINGS, "xlogx"):
        rows = []
        for x, y in argument_pairs(rng, kind):
            p = parameters(rng, kind)
            if kind == "fermi":
                x, y = x / 10, y / 10
            if kind == "power" and p["exponent"] == int(p["exponent"]):
                x, y = x * rng.choice([-1, 1]), y * rng.choice([-1, 1])
            if kind in ("abs", "sign"):
                y *= rng.choice([-1, 1]) if kind == "abs" else -1
            if kind in SMEARINGS:  # to 25 sigma on either side
                x, y = p["mu"] + x * p["sigma"] / 1.2, p["mu"] + y * p["sigma"] / 1.2
            if kind == "clamp_min":
                x, y = x / 10, y / 10
            with mp.workdps(900 if kind in ("tanh", "fermi", "softplus", *SMEARINGS) else 120):
                value, slope = scalar(kind, {k: mp.mpf(float(v)) for k, v in p.items()})
                exact = slope(mp.mpf(x)) if x == y else (value(mp.mpf(x)) - value(mp.mpf(y))) / (mp.mpf(x) - mp.mpf(y))
            if 1e-290 < abs(exact) < 1e290:
                rows.append([float(p.get(k, 0)) for k in names] +
                            [float(x), float(y), float(exact)])
        f[kind] = np.array(rows)


def main():
    directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    rng = np.random.default_rng(1965)
    with h5py.File(directory / "divided_differences.h5", "w") as f:
        write_divided_differences(f)
    for name, a in matrices().items():
        with h5py.File(directory / f"{name}.h5", "w") as f:
            f.attrs["digits"] = 50
            write_case(f, a, rng)
            if np.linalg.eigvalsh(a)[0] <= 0:
                shift = float(np.ceil(-np.linalg.eigvalsh(a)[0])) + 0.5
                write_case(f.create_group("positive"), a + shift * np.eye(len(a)), rng)
        print(name, flush=True)


if __name__ == "__main__":
    main()
