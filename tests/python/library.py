"""libmultiplet in this process: the calls of multiplet/eigh.h and gradient.h on NumPy arrays."""
import ctypes
import pathlib

import numpy as np
from job import MULTIPLET, TYPES

PATH = pathlib.Path(MULTIPLET).resolve().parents[1] / "libmultiplet.so"


class Sized(ctypes.Structure):
    def __init__(self, **members):
        super().__init__(size=ctypes.sizeof(self), **members)


class Options(Sized):
    _fields_ = [("size", ctypes.c_size_t), ("triangle", ctypes.c_int), ("tolerance", ctypes.c_double),
                ("gauge_policy", ctypes.c_int), ("spread_policy", ctypes.c_int), ("convention", ctypes.c_int),
                ("threads", ctypes.c_int), ("solver", ctypes.c_int), ("basis", ctypes.c_int),
                ("seed", ctypes.c_uint64)]


KINDS = "exp log sqrt inv_sqrt inverse power tanh sin cos fermi projector softplus abs sign clamp_min gaussian " \
        "methfessel_paxton cold xlogx".split()


class Function(Sized):
    _fields_ = [("size", ctypes.c_size_t), ("kind", ctypes.c_int), ("scale", ctypes.c_double), ("exponent", ctypes.c_double),
                ("beta", ctypes.c_double), ("mu", ctypes.c_double), ("electrons", ctypes.c_double),
                ("index", ctypes.c_int64 * 2)]

    def __init__(self, kind, index=(0, 0), **parameters):
        super().__init__(kind=KINDS.index(kind), index=(ctypes.c_int64 * 2)(*index), **parameters)


class Frame(Sized):
    _fields_ = [("size", ctypes.c_size_t), ("index", ctypes.c_int64 * 2), ("columns", ctypes.c_int64),
                ("reference", ctypes.c_void_p), ("each", ctypes.c_int), ("reserved", ctypes.c_int)]

    def __init__(self, index, reference):
        super().__init__(index=(ctypes.c_int64 * 2)(*index), columns=reference.shape[-1],
                         reference=reference.ctypes.data, each=reference.ndim == 3)
        self.kept = reference


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 1000)]


REPORT = np.dtype([("status", "i1"), ("largest", "f8"), ("residual", "f8"), ("orthogonality", "f8"),
                   ("min_gap", "f8"), ("gauge_violation", "f8"), ("cotangent_spread", "f8"),
                   ("gradient_error", "f8"), ("frame_condition", "f8"),
                   ("tangent_splitting", "f8"), ("tangent_error", "f8"), ("output_residual", "f8"),
                   ("rule", "i1"), ("retried", "i1"), ("first_failed", "i1"), ("first_decade", "i1"),
                   ("refused", "i4"), ("seconds", "f8"), ("null_violation", "f8"), ("reserved", "f8", 5)], align=True)


class Memory:
    """Arrays for `count` matrices, made once, so that a call is nothing but the call."""

    def __init__(self, dtype, n, count):
        self.library = ctypes.CDLL(str(PATH))
        self.shape = [TYPES.index(np.dtype(dtype).name), ctypes.c_int64(n), ctypes.c_int64(count)]
        self.w = np.empty((count, n), np.zeros(0, dtype).real.dtype)
        self.v, self.g = np.empty((2, count, n, n), dtype)
        self.multiplet = np.empty((count, n), np.int32)
        self.report = np.empty(count, REPORT)

    def call(self, name, *arrays, spec=None, **options):
        pointers = [None if x is None else x.ctypes.data_as(ctypes.c_void_p)
                    for x in (*arrays, self.multiplet, self.report)]
        error = Error()
        if getattr(self.library, name)(*self.shape, ctypes.byref(Options(**options)),
                                       *([ctypes.byref(spec)] if spec else []), *pointers, ctypes.byref(error)):
            raise RuntimeError(error.text.decode())

    def forward(self, a, **options):
        self.call("mpt_eigh", a, self.w, self.v, **options)

    def backward(self, a, gw, gv, **options):
        self.call("mpt_eigh_backward", a, self.w, self.v, gw, gv, self.g, **options)

    def function(self, a, function, **options):
        """f(A)."""
        f = np.empty_like(self.v)
        self.call("mpt_matrix_function", a, f, self.w, self.v, spec=function, **options)
        return f

    def function_gradient(self, a, function, gf, **options):
        self.call("mpt_matrix_function_backward", a, self.w, self.v, gf, self.g, spec=function, **options)
        return self.g.copy()

    def frame(self, a, frame, **options):
        f = np.empty((*self.v.shape[:2], frame.columns), self.v.dtype)
        self.call("mpt_frame", a, f, self.w, self.v, spec=frame, **options)
        return f

    def frame_gradient(self, a, frame, gf, **options):
        by_reference = np.empty_like(gf)
        self.call("mpt_frame_backward", a, self.w, self.v, gf, self.g, by_reference, spec=frame, **options)
        return self.g.copy(), by_reference
