"""torch.linalg.eigh and matrix functions with gradients that are also correct at repeated eigenvalues.

    w, v = multiplet.torch.eigh(A)
    rho = multiplet.torch.matrix_function(A, "fermi", beta=40.0, electrons=4)
    P = multiplet.torch.projector(A, (0, 2))
    x = multiplet.torch.frame(A, reference, (0, 2))

A is a tensor [*batch, n, n] on the CPU, float32, float64, complex64 or complex128; one triangle is read. The batch
is solved on torch.get_num_threads() threads. `last_certificate()` says for each matrix how far to trust the numbers;
`Dataset` feeds result files to a DataLoader. Errors and warnings are those of multiplet.errors.
"""
import contextlib

from .. import library
from ..errors import LibraryNotFound
from .data import Dataset
from .linalg import (Certificate, eigh, eigvalsh, eigvalsh_directional, frame, last_certificate, matrix_function,
                     projector, spectral_function)
from .smearing import Occupations, occupations

__all__ = ["Certificate", "Dataset", "Occupations", "eigh", "eigvalsh", "eigvalsh_directional", "frame",
           "last_certificate", "matrix_function", "occupations", "projector", "spectral_function"]

with contextlib.suppress(LibraryNotFound):  # which a call says
    library.load()  # now, so that it sees a fork before the first call
