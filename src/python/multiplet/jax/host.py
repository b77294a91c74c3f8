"""What a handler of src/jax does, in NumPy: where arrays are not on the CPU."""
import numpy as np

from .. import library
from ..backend import FAILED, Factors
from ..errors import Error, OutOfMemory, ProblemError
from ..status import Status
from . import handlers
from .layout import NUMBERS, REPORTED, first, shapes

# The call of the library, and its arrays between options and multiplets: operands in small letters with their number
# among those of one letter, results in capitals; * is the structure of a selection's factors, of operands or results.
CALLS = {"eigh": ("mpt_eigh", "m0 W0 M0"), "eigvalsh": ("mpt_eigh", "m0 W0 -"),
         "eigh_backward": ("mpt_eigh_backward", "- w0 m0 w1 m1 M0"),
         "eigh_selected": ("mpt_eigh_selected", "m0 X0 C0 F0 *"),
         "eigvalsh_selected": ("mpt_eigh_selected", "m0 X0 - F0 -"),
         "eigh_selected_backward": ("mpt_eigh_selected_backward", "- x0 c0 x1 c1 M0 *"),
         "function": ("mpt_matrix_function", "m0 M0 W0 M1"),
         "function_backward": ("mpt_matrix_function_backward", "- w0 m0 m1 M0"),
         "function_reported": ("mpt_matrix_function_backward", "- w0 m0 m1 M0"),
         "function_second": ("mpt_matrix_function_second", "w0 m0 m1 m2 M0"),
         "frame": ("mpt_frame", "m0 C0 W0 M0"), "frame_backward": ("mpt_frame_backward", "- w0 m0 c1 M0 C0")}
WHAT = {"eigh_backward": "gradient of eigh", "function": "matrix_function", "frame_backward": "gradient of frame",
        "eigh_selected": "eigh", "eigvalsh_selected": "eigvalsh", "eigh_selected_backward": "gradient of eigh",
        "function_backward": "derivative of matrix_function", "function_reported": "derivative of matrix_function",
        "function_second": "second derivative of matrix_function", "occupations": "chemical potential",
        "settled": "spectral_function", "split": "derivative of eigh along a direction"}


def answer(name, results, operands, attributes, selection, *arrays):
    """The results of the handler `name`, as arrays."""
    arrays = [np.ascontiguousarray(x) for x in arrays]
    made = [np.zeros(*found) for found in shapes(results, operands, arrays, selection)]
    like = first(operands, arrays)
    batch, n = like.shape[:-2], like.shape[-2]
    count = int(np.prod(batch))
    flat = {"in": [x.reshape(count, *x.shape[len(batch):]) for x in arrays],
            "out": [x.reshape(count, *x.shape[len(batch):]) for x in made]}
    report = np.zeros(count, library.report_type())
    if name == "split":
        _split(flat, report, attributes)
    elif name == "settled":
        flat["out"][0][:], report["status"] = flat["in"][0], Status.OK
    elif name == "occupations":
        _occupations(flat, report, attributes)
    else:
        _solve(name, results, operands, attributes, flat, report, (like.dtype, n, count))
    if name == "function_second":
        _refuse_bent(flat, operands, report, attributes)
    _finish(WHAT.get(name, name), results, operands, attributes, flat, report)
    return tuple(made)


def _split(flat, report, attributes):
    splitting, *passing = flat["in"][:3]
    for to, x in zip(flat["out"], passing):
        to[:] = x
    report["gauge_violation"] = splitting
    apart = splitting > np.finfo(splitting.dtype).eps ** 0.5
    report["status"] = np.where(apart, Status.GAUGE_DEPENDENT, Status.OK)
    report["refused"] = apart & bool(attributes["gauge"])


def _refuse_bent(flat, operands, report, attributes):
    """As refuse_bent() of src/jax/handlers.c."""
    earlier = flat["in"][operands.index("s")].reshape(-1)
    none = (report["status"] == Status.FUNCTION_UNDEFINED) & ~FAILED[earlier]
    if none.any() and attributes["failed"] != 0:
        kink = list(library.kinds())[attributes["kind"]] in ("abs", "sign", "clamp_min")
        what = "at the function's kink, within rounding" if kink else "that are zero within rounding"
        how = "use a smooth function, as softplus or tanh" if kink else "keep the spectrum above zero"
        raise ProblemError(f"second derivative of matrix_function: matrix {none.argmax()} of {none.size} has "
                           f"eigenvalues {what}, where none exists ({how}; failed='zero' gives zeros for such matrices)")


def _occupations(flat, report, attributes):
    """As src/jax/potential.c."""
    levels, weights, width, electrons = (np.ascontiguousarray(x, np.float64) for x in flat["in"])
    mu, occupations, response, total = flat["out"][:4]
    named = "beta" if attributes["kind"] == list(library.kinds()).index("fermi") else "sigma"
    for k in range(report.size):
        finite = np.isfinite(levels[k]).all()
        report["status"][k] = Status.FUNCTION_UNDEFINED if finite else Status.NONFINITE_INPUT
        if not finite or not (width[k] > 0 and electrons[k] > 0):
            continue
        found, one = [np.empty_like(levels[k]) for _ in range(3)], np.zeros(1)
        f = _spec("function", {**attributes, named: width[k], "electrons": electrons[k]}, None)
        try:
            library.occupations(levels.shape[2], levels.shape[1], f, weights[k], levels[k], *found, one)
        except OutOfMemory:
            raise
        except Error:
            continue
        report["status"][k] = Status.OK
        mu[k], occupations[k], response[k] = one[0], found[0], found[2]
        total[k] = np.cumsum((weights[k][:, None] * found[1]).ravel())[-1]  # in that order


def _solve(name, results, operands, attributes, flat, report, shape):
    call, order = CALLS[name]
    dtype, n, count = shape

    def find(word):
        side, letters = ("out", results) if word[0].isupper() else ("in", operands)
        letter = {"w": "w", "m": "M", "c": "C", "x": "x", "f": "f"}.get(word[0].lower())
        places = [k for k, found in enumerate(letters) if found == letter]
        nth = int(word[1]) if word != "-" else len(places)
        return flat[side][places[nth]] if nth < len(places) else None

    chosen = [find(word) for word in order.split() if word != "*"]
    side, letters = ("out", results) if "Mtwww" in results else ("in", operands)
    factors = flat[side][letters.index("Mtwww"):][:5] if "*" in order else None
    numbers = [results.index(letter) for letter in "ij" if letter in results]
    multiplet = flat["out"][numbers[0]] if numbers else np.empty((count, n), np.int32)
    seeds = flat["in"][operands.index("S")] if "S" in operands else np.zeros(count, np.uint32)
    ends = [0, *(np.flatnonzero(np.diff(seeds)) + 1), count]  # matrices in a row that have one seed are one call
    for start, stop in zip(ends[:-1], ends[1:]):
        seed = int(seeds[start]) if count else 0
        options = library.Options(triangle=attributes["triangle"], tolerance=attributes["tolerance"],
                                  gauge_policy=attributes["gauge"], spread_policy=attributes["spread"],
                                  convention=attributes["convention"], threads=attributes["threads"],
                                  basis=attributes["basis"], seed=seed)
        references = flat["in"][operands.index("C")][start:stop] if "C" in operands else None
        library.call(call, (dtype, n, stop - start), options, _spec(name, attributes, references),
                     *(None if x is None else x[start:stop] for x in chosen),
                     *_factors(factors, start, stop), multiplet[start:stop], report[start:stop])


def _factors(factors, start, stop):
    if factors is None:
        return []
    return [library.Factors(**{name: library.address(x[start:stop]) for name, x in zip(Factors._fields, factors)})]


def _spec(name, attributes, reference):
    index = (library.ctypes.c_int64 * 2)(attributes.get("start", 0), attributes.get("stop", 0))
    if "selected" in name:
        return library.Select(kind=attributes["selection"], index=index, at_most=attributes["at_most"],
                              range=(library.ctypes.c_double * 2)(attributes["low"], attributes["high"]))
    if name.startswith("function"):
        names = [name for name, _ in library.Function._fields_ if name not in ("size", "index")]
        return library.Function(index=index, **{name: attributes[name] for name in names})
    if name.startswith("frame"):
        return library.FrameSpec(index=index, columns=reference.shape[-1], reference=library.address(reference), each=1)
    return None


def _finish(what, results, operands, attributes, flat, report):
    """As finish() of src/jax/call.c."""
    status = report["status"]
    old = np.zeros(status.shape, bool)
    if "s" in operands:
        earlier = flat["in"][operands.index("s")].reshape(-1)
        old = FAILED[earlier]
        report[old] = 0
        status[old] = earlier[old]
    bad = FAILED[status]
    ended = (report["refused"] != 0) | (bad & (attributes["failed"] == 2))
    if ended.any():
        k = ended.argmax()
        found = Status(status[k])
        raise ProblemError(f"{what}: matrix {k} of {status.size} is {found.name}: {found.text}")
    if attributes["notices"]:
        said = old & ("m" not in results)
        for s in np.unique(status[~said]):
            quiet = s == Status.SUBGRADIENT and attributes["spread"] != library.SPREADS["mean"]
            if s == Status.OK or quiet:
                continue
            field = {Status.SUBGRADIENT: "cotangent_spread", Status.NULL_SPACE: "null_violation"}.get(s, "gauge_violation")
            such = np.flatnonzero((status == s) & ~said)
            worst = such[0 if FAILED[s] else report[field][such].argmax()]
            handlers.notice(what, Status(s), worst, status.size, such.size, float(report[field][worst]))
    marks = results.find("m") if "m" in results else len(results)
    for k, (letter, x) in enumerate(zip(results, flat["out"])):
        if letter in "MCwx":
            if attributes["failed"] == 1 and k < marks:  # what comes after the marks are factors
                x[bad] = np.nan
        elif letter == "m":
            x[:] = np.stack([status, report["rule"]], -1)
        elif letter == "d":
            x[:] = np.stack([report[name] for name in NUMBERS], -1)
        elif letter == "q":
            x[:] = np.stack([report[name] for name in REPORTED], -1)
