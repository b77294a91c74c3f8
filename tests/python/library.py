"""libmultiplet in this process: the calls of multiplet/eigh.h and gradient.h on NumPy arrays."""
import ctypes
import pathlib

import numpy as np
from job import MULTIPLET, TYPES

PATH = pathlib.Path(MULTIPLET).resolve().parents[1] / "libmultiplet.so"


class Options(ctypes.Structure):
    _fields_ = [("triangle", ctypes.c_int), ("tolerance", ctypes.c_double), ("gauge_policy", ctypes.c_int),
                ("spread_policy", ctypes.c_int), ("convention", ctypes.c_int), ("threads", ctypes.c_int),
                ("solver", ctypes.c_int)]


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 1000)]


REPORT = np.dtype([("status", "i1"), ("largest", "f8"), ("residual", "f8"), ("orthogonality", "f8"),
                   ("min_gap", "f8"), ("gauge_violation", "f8"), ("cotangent_spread", "f8"),
                   ("gradient_error", "f8"), ("frame_condition", "f8"),
                   ("tangent_splitting", "f8"), ("refused", "i4"), ("seconds", "f8")], align=True)


class Memory:
    """Arrays for `count` matrices, made once, so that a call is nothing but the call."""

    def __init__(self, dtype, n, count):
        self.library = ctypes.CDLL(str(PATH))
        self.shape = [TYPES.index(np.dtype(dtype).name), ctypes.c_int64(n), ctypes.c_int64(count)]
        self.w = np.empty((count, n), np.zeros(0, dtype).real.dtype)
        self.v, self.g = np.empty((2, count, n, n), dtype)
        self.multiplet = np.empty((count, n), np.int32)
        self.report = np.empty(count, REPORT)

    def call(self, name, *arrays, **options):
        pointers = [None if x is None else x.ctypes.data_as(ctypes.c_void_p)
                    for x in (*arrays, self.multiplet, self.report)]
        error = Error()
        if getattr(self.library, name)(*self.shape, ctypes.byref(Options(**options)), *pointers,
                                       ctypes.byref(error)):
            raise RuntimeError(error.text.decode())

    def forward(self, a, **options):
        self.call("mpt_eigh", a, self.w, self.v, **options)

    def backward(self, a, gw, gv, **options):
        self.call("mpt_eigh_backward", a, self.w, self.v, gw, gv, self.g, **options)
