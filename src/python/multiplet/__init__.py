"""Hermitian eigenproblems with gradients that are correct where eigenvalues coincide.

    multiplet.open("result.h5")       results of `multiplet run`, as NumPy arrays
    multiplet.plot("result.h5")       a figure of one (needs matplotlib)
    multiplet.torch.eigh(A)           and matrix_function, projector, frame, for PyTorch
    with multiplet.service(spool):    the same, computed by `multiplet serve SPOOL`

Reading needs only NumPy and h5py; multiplet.torch needs PyTorch and libmultiplet.so (see multiplet.library).
"""
import importlib

from .errors import (Error, GaugeError, GaugeWarning, LibraryNotFound, OutOfMemory, ProblemError, ServiceError,
                     SubgradientError, SubgradientWarning)
from .reader import Result, open
from .spool import service
from .status import Status

__version__ = "0.1.0"
__all__ = ["Error", "GaugeError", "GaugeWarning", "LibraryNotFound", "OutOfMemory", "ProblemError", "Result",
           "ServiceError", "Status", "SubgradientError", "SubgradientWarning", "open", "plot", "service"]


def __getattr__(name):
    """Makes multiplet.torch available without an import of its own; PyTorch is loaded at the first use."""
    if name == "torch":
        return importlib.import_module(".torch", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def plot(result, group=None):
    """A figure of a result (a path or an open result) in four panels: see multiplet.figure.plot. Returns matplotlib's
    Figure."""
    from .figure import plot as draw
    return draw(result, group)
