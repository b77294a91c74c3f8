#!/usr/bin/env python3
"""Makes jax_grad.h5: what jax.grad itself says of losses of complex matrices, in JAX's convention.

    python3 -m venv env && env/bin/pip install jax h5py && env/bin/python tests/oracle/jax_grad.py

A group a loss: `matrix`, `gradient` by it, and the derivatives by what stands between, all as jax.grad gives them:
the complex conjugates of what PyTorch gives.
"""
import pathlib

import h5py
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
N, KEPT, INDEX = 5, 3, (1, 3)
rng = np.random.default_rng(1890)


def draw(*shape):
    """Complex numbers that are exact in single precision."""
    return np.round(64 * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))) / 64


def pairs_loss(w, v):
    """Of all pairs or of the lowest; it does not depend on the phases of the vectors."""
    k = w.shape[0]
    return jnp.sum(D[:k] * jnp.sin(w)) + jnp.sum(D[:k] ** 2 * jnp.abs(jnp.sum(B[:, :k].conj() * v, 0)) ** 2)


def function_loss(f):
    return jnp.sum(jnp.abs(f - T) ** 2) + jnp.real(jnp.sum(C * f * f))


def function(a):
    w, v = jnp.linalg.eigh(a)
    return (v * jnp.exp(-w / 2)) @ v.conj().T


def frame_loss(x):
    return jnp.sum(jnp.abs(x - T[:, :2]) ** 2) + jnp.real(jnp.sum(C[:, :2] * x))


def frame(a, r):
    v = jnp.linalg.eigh(a)[1][:, INDEX[0]:INDEX[1]]
    x = v @ (v.conj().T @ r)
    s, u = jnp.linalg.eigh(x.conj().T @ x)
    return x @ ((u / jnp.sqrt(s)) @ u.conj().T)


A, B, C, T = draw(N, N), draw(N, N), draw(N, N), draw(N, N)
A = (A + A.conj().T) / 2
R, D = draw(N, 2), draw(N).real


def main():
    w, v = jnp.linalg.eigh(A)
    with h5py.File(pathlib.Path(__file__).with_name("jax_grad.h5"), "w") as f:
        f.attrs["jax"] = jax.__version__
        for k in (N, KEPT):
            by_w, by_v = jax.grad(pairs_loss, (0, 1))(w[:k], v[:, :k])

            def loss(a):
                w, v = jnp.linalg.eigh(a)
                return pairs_loss(w[:k], v[:, :k])

            write(f, f"pairs_{k}", matrix=A, eigenvalues=w[:k], eigenvectors=v[:, :k], by_eigenvalues=by_w,
                  by_eigenvectors=by_v, gradient=jax.grad(loss)(A))
        write(f, "function", matrix=A, value=function(A), by_value=jax.grad(function_loss)(function(A)),
              gradient=jax.grad(lambda a: function_loss(function(a)))(A))
        by_a, by_r = jax.grad(lambda a, r: frame_loss(frame(a, r)), (0, 1))(A, R)
        write(f, "frame", matrix=A, reference=R, value=frame(A, R), by_value=jax.grad(frame_loss)(frame(A, R)),
              gradient=by_a, gradient_reference=by_r)
        f["function"].attrs.update(kind="exp", scale=-0.5)
        f["frame"].attrs["index"] = INDEX


def write(f, name, **datasets):
    for key, value in datasets.items():
        f[f"{name}/{key}"] = np.asarray(value)


if __name__ == "__main__":
    main()
