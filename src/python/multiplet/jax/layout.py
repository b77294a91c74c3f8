"""What the operands and results of an operation hold of each matrix, a letter each. All are [*batch, ...], with the
batch in common. src/jax/call.h has the same letters.

    M  [n, n]         w  [n], real             s  int32, a status
    C  [n, columns]   r  a real number         S  uint32, a seed
    i  [n] int32      d  [7] real: NUMBERS     m  [2] int32: status and rule
    x  [columns], real   j  [columns] int32   f  int32, found among a selection's columns
    t  [n]
    q  [6] real: REPORTED, of a backward pass
    A  [n, n], which is there for the sake of derivatives alone, and which no handler gets
    P  [6] real, likewise: a probe, whose cotangent is the backward pass's q
"""
import numpy as np

NUMBERS = ("residual", "orthogonality", "min_gap", "gauge_violation", "cotangent_spread", "gradient_error",
           "frame_condition")
REPORTED = ("status", "rule", "gradient_error", "gauge_violation", "cotangent_spread", "null_violation")
NO_HANDLERS = "AP"


def shape_of(letter, n, columns, dtype):
    """(shape, type)."""
    real = np.zeros(0, dtype).real.dtype
    return {"M": ((n, n), dtype), "A": ((n, n), dtype), "C": ((n, columns), dtype), "w": ((n,), real),
            "i": ((n,), np.int32), "x": ((columns,), real), "j": ((columns,), np.int32), "f": ((), np.int32),
            "t": ((n,), dtype),
            "d": ((len(NUMBERS),), real), **dict.fromkeys("qP", ((len(REPORTED),), real)),
            "r": ((), real), "m": ((2,), np.int32),
            "s": ((), np.int32), "S": ((), np.uint32)}[letter]


def first(operands, arrays):
    """The matrix, or else the panel, that the others are measured by."""
    return arrays[operands.index("M" if "M" in operands else "C")]


def shapes(letters, operands, arrays, selection=None):
    """[(shape, type)] of what these letters stand for, beside operands of those letters."""
    like = first(operands, arrays)
    columns = arrays[operands.index("C")].shape[-1] if "C" in operands else 0
    if selection is not None:
        columns = selection.columns(like.shape[-1])
    found = [shape_of(letter, like.shape[-2], columns, like.dtype) for letter in letters]
    return [((*like.shape[:-2], *shape), dtype) for shape, dtype in found]
