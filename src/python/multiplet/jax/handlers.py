"""libmultiplet-jax.so: the handlers that XLA calls (src/jax), registered under TARGET, and their notices."""
import atexit
import ctypes
import functools
import pathlib
import warnings

import jax

from .. import library
from ..errors import GaugeWarning, LibraryNotFound, NullSpaceWarning, ProblemWarning, SubgradientWarning
from ..status import Status
from ..verdict import ABOVE_ZERO

NAME, TARGET = "libmultiplet-jax" + library.SUFFIX, "multiplet"

_Listener = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
                             ctypes.c_double)


@functools.lru_cache(maxsize=None)
def register():
    """Registers the handlers with XLA, once in a process. LibraryNotFound where they were not built; XLA itself refuses
    those that were built for a version of its interface that it does not know."""
    path = pathlib.Path(library.load().path).with_name(NAME)
    try:
        handlers = ctypes.CDLL(str(path))
    except OSError as error:
        raise LibraryNotFound(
            f"multiplet.jax has no handlers for XLA: {path}: {error}. They are built with the library where jaxlib's "
            "header is found: install jax first and then this package (pip install --force-reinstall --no-deps "
            "./src/python), or let the build get jaxlib (MULTIPLET_JAX=1 pip install ./src/python; of cmake, "
            "XLA_FFI_INCLUDE_DIR)") from None
    jax.ffi.register_ffi_target(TARGET, jax.ffi.pycapsule(handlers.mpt_jax_handler_of_all), platform="cpu")
    listener = _Listener(_listen)
    handlers.mpt_jax_listen(listener)
    atexit.register(handlers.mpt_jax_listen, _Listener())  # XLA's threads may still be at work when Python ends
    return handlers, listener


def _listen(what, status, matrix, count, such, value):
    notice(what.decode(), Status(status), matrix, count, such, value)


def notice(what, status, matrix, count, such, value):
    """The one warning of a pass about all matrices of this status. matrix: the worst, in the flat batch of `count`."""
    name = f"matrix {matrix} of {count}" if count > 1 else "the matrix"
    others = f" ({such} such matrices in all)" if such > 1 else ""
    if status == Status.GAUGE_DEPENDENT and "along" in what:
        text, category = (f"{what}: it splits a multiplet of {name}, by {value:.2g} of its norm{others}. Its "
                          "eigenvalues move by their mean here, and its vectors not among themselves (use "
                          "multiplet.jax.matrix_function or projector there)"), GaugeWarning
    elif status == Status.GAUGE_DEPENDENT:
        text, category = (f"{what}: the loss depends on the basis inside a multiplet, or on a phase, of {name}: gauge "
                          f"violation {value:.2g}, where 0 is none and 1 the most{others}. That part has no gradient "
                          "and was dropped (use multiplet.jax.projector or frame there)"), GaugeWarning
    elif status == Status.SUBGRADIENT:
        text, category = (f"{what}: the loss tells equal eigenvalues apart, of {name}, and no form of it is certified: "
                          f"spread of their cotangents {value:.2g} of the largest{others}. They were replaced by their "
                          "mean (use multiplet.jax.matrix_function for each function of the matrix, or "
                          "eigenvalue_cotangents='unbiased')"), SubgradientWarning
    elif status == Status.NULL_SPACE:
        text, category = (f"{what}: {value:.2g} of the loss, or of the direction, moves eigenvalues of {name} that are zero "
                          f"within rounding, where it does not exist{others}. That part was dropped ({ABOVE_ZERO})"
                          ), NullSpaceWarning
    else:
        more = "; certificate=True has the status of each matrix, failed='raise' makes it an error"
        more = "" if what == "chemical potential" else more
        text = f"{what}: {name} is {status.name}: {status.text}{others} ({status.remedy}{more})"
        category = ProblemWarning
    warnings.warn(text, category, stacklevel=2)
