"""Result files made with NumPy alone, by the formulas of the schema and of the mathematics."""
import h5py
import numpy as np

STATUS = ["PENDING", "OK", "GAUGE_DEPENDENT", "NONFINITE_INPUT", "NOT_HERMITIAN", "NO_CONVERGENCE",
          "FUNCTION_UNDEFINED", "SPLIT_MULTIPLET", "NONFINITE_COTANGENT", "INTERNAL",
          "TOO_MANY_IN_RANGE", "SUBGRADIENT", None, "NULL_SPACE"]
STATUS_TYPE = h5py.enum_dtype({name: k for k, name in enumerate(STATUS) if name}, basetype="i1")
SOLVER_TYPE = h5py.enum_dtype({"none": 0, "lapack": 1, "scalapack": 2, "lanes": 3}, basetype="i1")
DIAGNOSTICS = ["residual", "orthogonality", "min_gap", "gauge_violation", "cotangent_spread",
               "gradient_error", "seconds"]


def mix(value, word):
    value = (value ^ word) * 0x100000001b3 & 0xffffffffffffffff
    return value ^ value >> 29


def fingerprint(path):
    data, basis = path.read_bytes(), 0xcbf29ce484222325
    assert len(data) <= 64 << 20
    total = mix(basis, len(data))
    for k in range(0, len(data), 1 << 16):
        block = data[k:k + (1 << 16)]
        block += bytes(-len(block) % 32)
        value = mix(basis, k >> 16)
        streams = [value + s for s in range(4)]
        for words in np.frombuffer(block, "<u8").reshape(-1, 4).tolist():
            streams = [mix(s, word) for s, word in zip(streams, words)]
        for s in streams:
            value = mix(value, s)
        total += value
    return f"{total & 0xffffffffffffffff:016x}"


def hermitian(rng, n, kind, values=None):
    """A random matrix of the type, with the given eigenvalues; exactly Hermitian."""
    x = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    if np.dtype(kind).kind == "f":
        x = x.real
    if values is None:
        a = x + x.conj().T
    else:
        q = np.linalg.qr(x)[0]
        a = q * values @ q.conj().T
    below = np.tril(a, -1)
    return (below + below.conj().T + np.diag(np.diag(a).real)).astype(kind)


def fix_phases(v):
    size = abs(v)
    equal = (8 * len(v) + 1000) * np.finfo(v.dtype).eps
    at = np.argmax(size >= (1 - equal) * size.max(0), axis=0)
    pivot = v[at, range(len(v))]
    v = v * (abs(pivot) / pivot)
    v[at, range(len(v))] = abs(pivot)
    return v


def multiplets(w, eps):
    """Numbered by the distance from the first member: 5 sqrt(n) eps ||A||_2 at most."""
    ids, first = np.zeros(len(w)), 0
    for j in range(1, len(w)):
        beyond = w[j] - w[first] > 5 * np.sqrt(len(w)) * eps * max(abs(w[0]), abs(w[-1]))
        first = j if beyond else first
        ids[j] = ids[j - 1] + beyond
    return ids


def mean_inside(gw, ids):
    return np.array([gw[ids == k].mean() for k in ids])


def gradient(w, v, ids, gw, gv, eps, spread="mean"):
    """G = V [F o skew(V^H gV) + diag gw] V^H by the signal-to-noise rule."""
    x = v.conj().T @ gv
    k = (x - x.conj().T) / 2
    size = np.linalg.norm(gv, axis=0)
    noise = 8 * eps * np.sqrt(len(w)) * (size[:, None] + size) / 2
    kept = (ids[:, None] != ids) & (abs(k) > noise)
    gap = np.where(kept, w - w[:, None], 1)
    inner = np.where(kept, k / gap, 0) + np.diag(mean_inside(gw, ids) if spread == "mean" else gw)
    g = v @ inner @ v.conj().T
    g = (g + g.conj().T) / 2
    inside = (ids[:, None] == ids) & (size[:, None] + size > 0)
    if not np.iscomplexobj(k):
        inside &= ~np.eye(len(w), dtype=bool)
    gauge = (2 * abs(k) / np.where(inside, size[:, None] + size, 1))[inside].max(initial=0)
    return g, min(gauge, 1)


class Case:
    """An input, its cotangents and the right result, written by write()."""

    def __init__(self, folder, triangle="full", spread="mean", convention="torch", gauge="warn"):
        self.folder = folder
        self.options = dict(triangle=triangle, spread=spread, convention=convention, gauge=gauge)
        self.groups, self.input, self.result = {}, folder / "in.h5", folder / "result.h5"
        self.cotangents = folder / "cotangents.h5"

    def add(self, name, matrices, loss=None, status=None):
        """loss(w, v) gives (gw, gv) of one problem in double precision."""
        a = np.asarray(matrices)
        count, n, _ = a.shape
        eps = np.finfo(a.dtype).eps
        real = a.real.dtype
        out = dict(eigenvalues=np.zeros((count, n), real), eigenvectors=np.zeros_like(a),
                   multiplet=np.zeros((count, n), "i4"),
                   status=np.full(count, 1, "i1") if status is None else np.array(status, "i1"),
                   gradient=np.zeros_like(a))
        cotangent = dict(eigenvalues=np.zeros((count, n), real), eigenvectors=np.zeros_like(a))
        out |= {f"diagnostics/{d}": np.zeros(count) for d in DIAGNOSTICS}
        out["diagnostics/solver"] = np.ones(count, "i1")
        out["diagnostics/ranks"] = np.ones(count, "i4")
        out["diagnostics/started"] = np.zeros(count)
        out["diagnostics/rank"] = np.zeros(count, "i4")
        wide = "c16" if a.dtype.kind == "c" else "f8"
        for b in range(count if n else 0):
            if out["status"][b] not in (1, 2):
                continue
            w, v = np.linalg.eigh(a[b].astype(wide))
            w, v = w.astype(real), fix_phases(v.astype(a.dtype))
            ids = multiplets(w.astype(float), eps)
            out["eigenvalues"][b], out["eigenvectors"][b], out["multiplet"][b] = w, v, ids
            out["diagnostics/min_gap"][b] = 0.25
            out["diagnostics/seconds"][b] = 0.5
            out["diagnostics/started"][b] = 1e9 + 0.25
            out["diagnostics/rank"][b] = 2
            if loss is None:
                continue
            gw, gv = loss(w.astype(float), v.astype(wide))
            cotangent["eigenvalues"][b], cotangent["eigenvectors"][b] = gw, gv
            g, violation = gradient(w.astype(float), v.astype(wide), ids, gw,
                                    cotangent["eigenvectors"][b].astype(wide), eps,
                                    self.options["spread"])
            if self.options["convention"] == "jax":
                g, cotangent["eigenvectors"][b] = g.conj(), cotangent["eigenvectors"][b].conj()
            out["gradient"][b] = g
            out["diagnostics/gauge_violation"][b] = violation
            out["diagnostics/gradient_error"][b] = eps * np.sqrt(n)
            if violation > np.sqrt(eps):
                out["status"][b] = 2
                if self.options["gauge"] == "fail":
                    out["gradient"][b] = 0
        if loss is None:
            del out["gradient"], out["diagnostics/gradient_error"]
        self.groups[name] = (a, cotangent if loss else None, out)
        return out

    def write_input(self):
        with h5py.File(self.input, "w") as file:
            for name, (a, _, _) in self.groups.items():
                stored = a.copy()
                other = np.triu_indices(a.shape[1], 1)
                if self.options["triangle"] == "upper":
                    other = other[::-1]
                if self.options["triangle"] != "full":
                    stored[(slice(None), *other)] = np.nan
                file[name] = stored
        with h5py.File(self.cotangents, "w") as file:
            for name, (_, cotangent, _) in self.groups.items():
                for key, value in (cotangent or {}).items():
                    file[f"{name}/{key}"] = value

    def config(self):
        o = self.options
        text = f"input:\n  file: {self.input}\n  triangle: {o['triangle']}\n"
        if any(c for _, c, _ in self.groups.values()):
            text += f"gradient:\n  cotangents: {self.cotangents}\n  convention: {o['convention']}\n"
        text += f"degeneracy:\n  gauge_dependent_loss: {o['gauge']}\n"
        text += f"  eigenvalue_cotangents: {o['spread']}\n"
        return text + f"output:\n  file: {self.result}\n"

    def write(self, leave_out=(), complete=1):
        self.write_input()
        with h5py.File(self.result, "w") as file:
            file.attrs.update({
                "schema_name": "multiplet-result", "schema_version": "1.1", "complete": complete,
                "software": "multiplet", "software_version": "0.1.0", "config": self.config(),
                "input_file": str(self.input), "input_fingerprint": fingerprint(self.input),
                "created": "2024-01-02T03:04:05Z", "ranks": 3, "mpi_library": "none",
                "blas_library": "none", "hostname": "node7"})
            for name, (_, _, out) in self.groups.items():
                for key, value in out.items():
                    if key in leave_out or key.split("/")[0] in leave_out:
                        continue
                    kind = {"status": STATUS_TYPE, "diagnostics/solver": SOLVER_TYPE}.get(key)
                    file.create_dataset(f"{name}/{key}", data=value, dtype=kind)
        return self.result
