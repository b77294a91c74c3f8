"""libmultiplet.so in this process: finding it, and its calls (include/multiplet/*.h) through ctypes.

It is looked for, in this order,
  where the environment variable MULTIPLET_LIBRARY says (and then nowhere else);
  in lib/ of the package, where a wheel has it;
  beside the package, as `cmake --install` leaves both (LIBDIR/python/multiplet and LIBDIR/libmultiplet.so);
  in build/ of the checkout that holds the package;
  in lib/ of this Python's prefix (a virtual environment or conda environment that it was installed into);
  beside the program `multiplet` on PATH;
  where the system's loader finds it.
"""
import collections
import ctypes
import ctypes.util
import functools
import itertools
import os
import pathlib
import shutil
import sys

import numpy as np

from .errors import Error, LibraryNotFound, OutOfMemory

SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"
NAME = "libmultiplet" + SUFFIX
TYPES = {np.dtype(name): k for k, name in enumerate(("float32", "float64", "complex64", "complex128"))}
DOMAINS = ("number", "nonzero", "positive", "below n", "index", "order")
NEEDS = ("optional", "required", "one of")
TRIANGLES = {"full": 0, "lower": 1, "upper": 2, "average": 3}
SPREADS = {"mean": 0, "raw": 1, "fail": 2, "unbiased": 3}
BASES = {"turned": 0, "solver": 1}
RULES = ("plain", "form", "mean", "unbiased", "raw")
SOLVERS = {"auto": 0, "lanes": 1, "lapack": 2}
SELECTIONS = {"lowest": 1, "highest": 2, "index": 3, "range": 4}
NO_RESOURCE = 6  # an mpt_code


class _Sized(ctypes.Structure):
    """A structure that a call reads: its first member is its size."""

    def __init__(self, **members):
        super().__init__(size=ctypes.sizeof(self), **members)


class Options(_Sized):
    """mpt_options"""
    _fields_ = [("size", ctypes.c_size_t), ("triangle", ctypes.c_int), ("tolerance", ctypes.c_double),
                ("gauge_policy", ctypes.c_int), ("spread_policy", ctypes.c_int), ("convention", ctypes.c_int),
                ("threads", ctypes.c_int), ("solver", ctypes.c_int), ("basis", ctypes.c_int), ("seed", ctypes.c_uint64),
                ("handle", ctypes.c_void_p)]


class Function(_Sized):
    """mpt_function"""
    _fields_ = [("size", ctypes.c_size_t), ("kind", ctypes.c_int), ("scale", ctypes.c_double),
                ("exponent", ctypes.c_double),
                ("beta", ctypes.c_double), ("mu", ctypes.c_double), ("electrons", ctypes.c_double),
                ("index", ctypes.c_int64 * 2), ("sigma", ctypes.c_double), ("order", ctypes.c_double),
                ("minimum", ctypes.c_double)]


class _Parameter(ctypes.Structure):
    """mpt_parameter"""
    _fields_ = [("name", ctypes.c_char_p), ("domain", ctypes.c_int), ("need", ctypes.c_int),
                ("standard", ctypes.c_double), ("offset", ctypes.c_size_t)]


class FrameSpec(_Sized):
    """mpt_frame_spec"""
    _fields_ = [("size", ctypes.c_size_t), ("index", ctypes.c_int64 * 2), ("columns", ctypes.c_int64),
                ("reference", ctypes.c_void_p), ("each", ctypes.c_int), ("reserved", ctypes.c_int)]


class Select(_Sized):
    """mpt_select"""
    _fields_ = [("size", ctypes.c_size_t), ("kind", ctypes.c_int), ("index", ctypes.c_int64 * 2),
                ("range", ctypes.c_double * 2), ("at_most", ctypes.c_int64)]


class Factors(_Sized):
    """mpt_factors"""
    _fields_ = [("size", ctypes.c_size_t), ("reflectors", ctypes.c_void_p), ("tau", ctypes.c_void_p),
                ("diagonal", ctypes.c_void_p), ("offdiagonal", ctypes.c_void_p), ("eigenvalues", ctypes.c_void_p)]


class CallError(ctypes.Structure):
    """mpt_error"""
    _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 1000)]


REPORT_BYTES = 160  # of an mpt_report
# Its members (report_type() has their places).
REPORT = ("status", "largest", "residual", "orthogonality", "min_gap", "gauge_violation", "cotangent_spread",
          "gradient_error", "frame_condition", "tangent_splitting", "tangent_error", "output_residual", "rule",
          "retried", "first_failed", "first_decade", "refused", "seconds", "null_violation")

# The number of arrays that a call takes between its options (and its spec) and its error.
_ARRAYS = {"mpt_eigh": 5, "mpt_eigh_backward": 8, "mpt_matrix_function": 6, "mpt_matrix_function_backward": 7,
           "mpt_matrix_function_second": 7, "mpt_eigh_tangent": 7, "mpt_frame": 6, "mpt_frame_backward": 8,
           "mpt_eigh_selected": 7, "mpt_eigh_selected_backward": 9}
_SPECS = {"mpt_matrix_function": Function, "mpt_matrix_function_backward": Function, "mpt_matrix_function_second": Function,
          "mpt_frame": FrameSpec, "mpt_frame_backward": FrameSpec, "mpt_eigh_selected": Select,
          "mpt_eigh_selected_backward": Select}


def candidates():
    """[(path or bare name, description of the place)], in the order in which they are tried."""
    here = pathlib.Path(__file__).resolve()
    if os.environ.get("MULTIPLET_LIBRARY"):
        return [(os.environ["MULTIPLET_LIBRARY"], "MULTIPLET_LIBRARY")]
    found = [(here.parent / "lib" / NAME, "in the package"), (here.parents[2] / NAME, "beside the package")]
    if len(here.parents) > 3 and (here.parents[3] / "CMakeLists.txt").is_file():
        found.append((here.parents[3] / "build" / NAME, "the checkout's build"))
    found.append((pathlib.Path(sys.prefix) / "lib" / NAME, "this Python's prefix"))
    program = shutil.which("multiplet")
    if program:
        prefix = pathlib.Path(program).resolve().parents[1]
        found += [(prefix / directory / NAME, "beside the program on PATH") for directory in ("lib", "lib64", "")]
    name = ctypes.util.find_library("multiplet")
    return found + ([(name, "the system's loader")] if name else [])


def _open():
    tried = []
    for path, where in candidates():
        if isinstance(path, pathlib.Path) and not path.exists():
            tried.append(f"{path} ({where}): not there")
            continue
        try:
            return ctypes.CDLL(str(path)), str(path)
        except OSError as error:
            tried.append(f"{path} ({where}): {error}")
    raise LibraryNotFound(
        f"cannot find {NAME}; tried\n" + "".join(f"  {line}\n" for line in tried) +
        f"Build it (cmake --preset release && cmake --build build, which leaves build/{NAME}) or install it "
        "(cmake --install build --prefix PREFIX), and let MULTIPLET_LIBRARY name the file where it is not found by "
        "itself.")


@functools.lru_cache(maxsize=None)
def load():
    """The library with its calls declared. LibraryNotFound says what was tried. Opened once in a process."""
    from . import __version__
    library, path = _open()
    library.mpt_version.restype = ctypes.c_char_p
    version = library.mpt_version().decode()
    if version != __version__:
        raise LibraryNotFound(f"{path} is of version {version}, this package of {__version__}: install both from one "
                              "source, or name another file in MULTIPLET_LIBRARY")
    for name, arrays in _ARRAYS.items():
        spec = [ctypes.POINTER(_SPECS[name])] if name in _SPECS else []
        getattr(library, name).argtypes = [
            ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(Options), *spec,
            *arrays * [ctypes.c_void_p], ctypes.POINTER(CallError)]
    library.path, library.handle = path, _handle(library)
    return library


def _handle(library):
    """The mpt_solver_handle in which all calls of this process keep their workspaces; NULL when memory is out.

    It limits what it keeps, serves calls of several threads at once, and still works in the child of a fork. It is
    never destroyed: a daemon thread's call may outlive the interpreter.
    """
    handle = ctypes.c_void_p()
    library.mpt_solver_create(ctypes.byref(handle), None)
    return handle


# A parameter of a matrix function; `domain` is an index of DOMAINS, `need` one of NEEDS.
Parameter = collections.namedtuple("Parameter", "name domain need standard")


@functools.lru_cache(maxsize=None)
def kinds():
    """{kind of matrix function: {name: Parameter}}, both in the library's order."""
    name, parameter = load().mpt_function_name, load().mpt_function_parameter
    name.restype, parameter.restype = ctypes.c_char_p, ctypes.POINTER(_Parameter)

    def rows(kind):
        for k in itertools.count():
            row = parameter(kind, k)
            if not row:
                return
            row = row.contents
            yield Parameter(row.name.decode(), DOMAINS[row.domain], NEEDS[row.need], row.standard)

    names = itertools.takewhile(bool, map(name, itertools.count()))
    return {found.decode(): {row.name: row for row in rows(kind)} for kind, found in enumerate(names)}


@functools.lru_cache(maxsize=None)
def report_type():
    """The NumPy type of an mpt_report, as the library describes it."""
    member, offset, size = load().mpt_report_member, ctypes.c_size_t(), ctypes.c_size_t()
    member.restype = ctypes.c_char_p
    rows = []
    for k in itertools.count():
        name = member(k, ctypes.byref(offset), ctypes.byref(size))
        if not name:
            break
        rows.append((name.decode(), {1: "i1", 4: "i4", 8: "f8"}[size.value], offset.value))
    names, formats, offsets = zip(*rows)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": REPORT_BYTES})


def address(array):
    """The address of a C-contiguous array, or of a structure; None for NULL."""
    if array is None:
        return None
    if isinstance(array, ctypes.Structure):
        return ctypes.addressof(array)
    assert array.flags.c_contiguous
    return array.ctypes.data


def call(name, shape, options, spec, *arrays):
    """Calls `name` for shape = (dtype, n, count); Error with the library's own message if it refuses.

    The interpreter's lock is released during the call; Ctrl-C takes effect when the call returns.
    """
    error = CallError()
    dtype, n, count = shape
    specs = [] if spec is None else [ctypes.byref(spec)]
    options.handle = load().handle
    code = getattr(load(), name)(TYPES[dtype], n, count, ctypes.byref(options), *specs, *map(address, arrays),
                                 ctypes.byref(error))
    if code:
        raise (OutOfMemory if code == NO_RESOURCE else Error)(error.text.decode())


def occupations(n, count, function, weights, w, *outputs):
    """mpt_occupations; outputs: occupations, slopes, response and mu, float64 or None."""
    error = CallError()
    code = load().mpt_occupations(
        ctypes.c_int64(n), ctypes.c_int64(count), ctypes.byref(function),
        *(ctypes.c_void_p(address(x)) for x in (weights, w, *outputs)), ctypes.byref(error))
    if code:
        raise (OutOfMemory if code == NO_RESOURCE else Error)(error.text.decode())
