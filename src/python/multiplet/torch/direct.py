"""Eigenpairs and their gradients by the library in this process, from tensor to tensor: its call and little else, since
for small matrices the call takes less time than what prepares it."""
import ctypes
import functools

import numpy as np
import torch

from .. import library
from ..arguments import SPREADS
from ..backend import FAILED, Certificate
from ..status import Status

REAL = {torch.float32: torch.float32, torch.float64: torch.float64, torch.complex64: torch.float32,
        torch.complex128: torch.float64}
NUMBERS = {getattr(torch, name.name): number for name, number in library.TYPES.items()}
SOLVED, OK = bytes(np.flatnonzero(~FAILED).tolist()), bytes([Status.OK])
CHECKS = slice(1, 4)  # the numbers of a report that a backward pass takes over: largest, residual, orthogonality


class Outcome:
    """What a call leaves beside its numbers, from which a Certificate is made when somebody asks for it."""

    def __init__(self, A):
        *self.batch, _, self.n = A.shape
        self.count = A.numel() // self.n ** 2
        self.memory = (ctypes.c_char * (library.REPORT_BYTES * self.count))(), (ctypes.c_int32 * (self.n * self.count))()

    @property
    def statuses(self):
        """As bytes, one for each matrix."""
        return self.memory[0][::library.REPORT_BYTES]

    @property
    def reports(self):
        """[*batch, 20], float64"""
        return torch.from_numpy(np.frombuffer(self.memory[0], np.float64).reshape(*self.batch, -1))

    def multiplets(self, dtype):
        """[*batch, n], as numbers of a floating type."""
        return torch.from_numpy(np.frombuffer(self.memory[1], np.int32).astype(dtype).reshape(*self.batch, self.n))

    def certificate(self):
        found = Certificate(np.frombuffer(self.memory[0], library.report_type()).copy(),
                            np.frombuffer(self.memory[1], np.int32).reshape(-1, self.n).copy())
        found.batch = tuple(self.batch)
        return found


def statuses(reports):
    """Of reports [*batch, 20], as bytes."""
    return (ctypes.c_char * (8 * reports.numel())).from_address(reports.data_ptr())[::library.REPORT_BYTES]


def are(statuses, wanted):
    """Whether all statuses are among the wanted ones."""
    return not statuses.translate(None, wanted)


@functools.lru_cache(maxsize=1024)
def _options(settings, threads, basis, seed):
    """The mpt_options of a call, which only reads them."""
    return library.Options(triangle=library.TRIANGLES[settings.triangle], tolerance=settings.tolerance,
                           spread_policy=library.SPREADS[SPREADS[settings.spread]], threads=threads,
                           basis=library.BASES[basis], seed=seed, handle=library.load().handle)


def _options_of(settings, turned, seed):
    make = _options if seed is None else _options.__wrapped__
    return make(settings, torch.get_num_threads(), "turned" if turned else "solver", 0 if seed is None else int(seed))


def is_fit(A):
    """Whether its numbers are there, and stand as the library reads them."""
    return A.numel() and A.is_contiguous() and not A.is_conj() and not A.is_neg()


def _as_read(x):
    return None if x is None else x.detach().resolve_conj().resolve_neg().contiguous()


def _call(name, A, settings, turned, seed, arrays, outcome):
    reports, multiplets = outcome.memory
    return getattr(library.load(), name)(
        NUMBERS[A.dtype], outcome.n, outcome.count, _options_of(settings, turned, seed),
        *[None if x is None else x.data_ptr() for x in arrays], multiplets, reports, None)


def eigh(A, settings, vectors=True, turned=False, seed=None):
    """(w, v or None, Outcome) of all matrices of A; None if the call failed, or a matrix of which zeros were not asked for:
    the general way says why."""
    w, v = A.new_empty(A.shape[:-1], dtype=REAL[A.dtype]), torch.empty_like(A) if vectors else None
    outcome = Outcome(A)
    code = _call("mpt_eigh", A, settings, turned, seed, (A, w, v), outcome)
    wrong = code or settings.failed == "raise" and not are(outcome.statuses, SOLVED)
    return None if wrong else (w, v, outcome)


def eigh_backward(w, v, reports, gw, gv, settings, seed=None):
    """(G, Outcome), or None likewise."""
    if not (is_fit(v) and w.is_contiguous() and reports.is_contiguous()) or not are(statuses(reports), SOLVED):
        return None
    gw, gv, g, outcome = _as_read(gw), _as_read(gv), torch.empty_like(v), Outcome(v)
    code = _call("mpt_eigh_backward", v, settings, True, seed, (None, w, v, gw, gv, g), outcome)
    if code or not are(outcome.statuses, SOLVED):
        return None
    mine = outcome.reports
    mine[..., CHECKS] = reports[..., CHECKS]
    return g, mine, outcome
