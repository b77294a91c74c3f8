"""Hermitian eigenproblems with gradients that are correct where eigenvalues coincide.

    multiplet.eigh(a)                 and eigh_backward, matrix_function, projector, frame, for NumPy arrays
    multiplet.torch.eigh(A)           and matrix_function, projector, frame, for PyTorch
    multiplet.jax.eigh(a)             the same for JAX
    multiplet.open("result.h5")       results of `multiplet run`, as NumPy arrays
    multiplet.plot("result.h5")       a picture of one (needs matplotlib)
    with multiplet.service(spool):    the same, answered by `multiplet serve SPOOL`

Importing this needs NumPy alone. Results need h5py, multiplet.torch needs PyTorch, multiplet.jax needs JAX, and all
of these but results need libmultiplet.so (see multiplet.library). Each is loaded when it is first asked for.
"""
import importlib

from .errors import (Error, GaugeError, GaugeWarning, LibraryNotFound, NullSpaceWarning, OutOfMemory, ProblemError,
                     ProblemWarning, ServiceError, SubgradientError, SubgradientWarning)
from .status import Status

__version__ = "0.1.0"

# Which module has what.
_ARRAYS = ("eigh", "eigvalsh", "eigh_backward", "matrix_function", "matrix_function_backward", "occupations", "projector",
           "frame", "frame_backward")
_HOMES = {**dict.fromkeys(_ARRAYS, "arrays"), "Result": "reader", "open": "reader", "service": "spool"}
_MODULES = ("arrays", "backend", "jax", "library", "reader", "spool", "torch", "verdict")

__all__ = ["Error", "GaugeError", "GaugeWarning", "LibraryNotFound", "NullSpaceWarning", "OutOfMemory", "ProblemError",
           "ProblemWarning", "ServiceError", "Status", "SubgradientError", "SubgradientWarning", "plot", *_HOMES]


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__, *_MODULES})


def plot(result, group=None):
    """A figure of a result (a path or an open result) in four panels: see multiplet.figure.plot. Returns matplotlib's
    Figure."""
    from .figure import plot as draw
    return draw(result, group)
