"""Second derivatives of matrix functions and projectors, which the library has at any degeneracy.

Let f[x, y, z] be the second divided difference, and G the gradient for the cotangent E. Then the derivative of <C, G>
with respect to A is V S V^H with

    S_ij = sum_k f[w_i, w_k, w_j] (E_ik C_kj + C_ik E_kj),    E and C in the eigenbasis and Hermitian.

Frames are differentiated through the projector. Losses that depend on eigenpairs: pairs.py.
"""
import itertools

import numpy as np
import torch

from ..backend import Library, Options

THIRD = "third derivatives are not there (take differences of second ones)"
KINKS = {"abs", "sign", "clamp_min"}
SMEARINGS = {"gaussian", "methfessel_paxton", "cold"}
# The functions whose second divided differences the library has.
KINDS = KINKS | SMEARINGS | {"exp", "log", "sqrt", "inv_sqrt", "inverse", "power", "tanh", "sin", "cos", "fermi", "projector",
                             "softplus", "xlogx"}


def hermitian(x):
    return (x + x.mH) / 2


def lacking(function):
    """The reason why a function has no second derivatives here, or None."""
    return None if function.kind in KINDS else f"{function.kind} has first derivatives only"


def second_differences(function, w):
    """f[w_i, w_k, w_j] for w of shape [b, n], as [b, n, n, n], symmetric in all three indices: S_ij along matrices that
    have the entries ik and kj alone."""
    b, n = w.shape
    found = np.zeros((b, n, n, n))
    for places in itertools.combinations_with_replacement(range(n), 3):
        i, k, j = places
        e, c = np.zeros((b, n, n)), np.zeros((b, n, n))
        e[:, i, k] = e[:, k, i] = c[:, k, j] = c[:, j, k] = 1
        s, _ = Library().function_second(w.numpy(), np.broadcast_to(np.eye(n), e.shape).copy(), function, e, c, None, Options())
        for order in itertools.permutations(places):
            found[(slice(None), *order)] = s[:, i, j] / (e @ c + c @ e)[:, i, j]
    return torch.from_numpy(found)
