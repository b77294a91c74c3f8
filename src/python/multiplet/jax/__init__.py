"""jax.numpy.linalg.eigh and matrix functions with gradients that are also correct at repeated eigenvalues.

    w, v = multiplet.jax.eigh(a)
    rho = multiplet.jax.matrix_function(a, "fermi", beta=40.0, electrons=4)
    p = multiplet.jax.projector(a, (0, 2))
    x = multiplet.jax.frame(a, reference, (0, 2))
    gradient, report = jax.grad(lambda a, p: loss(multiplet.jax.eigh(a, probe=p)), (0, 1))(a, multiplet.jax.probe(a))

a is an array [*batch, n, n], float32, float64, complex64 or complex128 (the wide ones under jax_enable_x64); one
triangle is read. jit, vmap, grad, jvp, jacfwd and jacrev work with all of them, hessian and grad of grad with
matrix_function and projector. On the CPU XLA calls the library itself (libmultiplet-jax.so), on the threads that
OMP_NUM_THREADS allows; elsewhere arrays go through the host. Gradients and cotangents are in JAX's convention: the
complex conjugates of PyTorch's.
"""
from .linalg import (Certificate, Eigh, Report, eigh, eigvalsh, eigvalsh_directional, frame, matrix_function, probe,
                     projector, spectral_function)
from .parameters import Occupations, occupations

__all__ = ["Certificate", "Eigh", "Occupations", "Report", "eigh", "eigvalsh", "eigvalsh_directional", "frame",
           "matrix_function", "occupations", "probe", "projector", "spectral_function"]
