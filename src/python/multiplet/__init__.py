"""Hermitian eigenproblems with gradients that stay right where eigenvalues coincide.

    multiplet.open("result.h5")       results of `multiplet run`, as NumPy arrays
    multiplet.plot("result.h5")       a picture of one (needs matplotlib)
    multiplet.torch.eigh(A)           and matrix_function, projector, frame, for PyTorch
    with multiplet.service(spool):    the same, answered by `multiplet serve SPOOL`

Reading needs NumPy and h5py alone; multiplet.torch needs PyTorch and libmultiplet.so (see multiplet.library).
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
    """multiplet.torch without an import of its own; PyTorch is loaded then."""
    if name == "torch":
        return importlib.import_module(".torch", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def plot(result, group=None):
    """Four panels about a result (a path or an open one): see multiplet.figure.plot. Returns matplotlib's Figure."""
    from .figure import plot as draw
    return draw(result, group)
