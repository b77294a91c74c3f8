"""The operators torch.ops.multiplet.*: what multiplet.torch is made of, as PyTorch's dispatcher sees it.

Each operator has a kernel for the CPU (kernels.py); one for CUDA and other devices, which copies to pinned host memory
and back; one for tensors without data, so that torch.compile and torch.export trace through; one that torch.func.vmap
calls; and one that makes derivatives (derivatives.py). With these, transforms work in any nesting.
"""
import torch
from torch.library import Library

from ..library import REPORT, REPORT_BYTES
from . import kernels
from .direct import REAL

DEVICES = ("CUDA", "XPU", "MPS", "PrivateUse1")

PAIRS = "Tensor w, Tensor v, Tensor ids, Tensor report"
FACTORS = "Tensor reflectors, Tensor tau, Tensor diagonal, Tensor offdiagonal, Tensor eigenvalues"
SCHEMAS = {
    "eigh": "(Tensor A, Tensor? seed, str how, bool turned) -> (Tensor, Tensor, Tensor, Tensor)",
    "eigvalsh": "(Tensor A, str how) -> (Tensor, Tensor, Tensor)",
    "eigh_backward": f"(Tensor A, {PAIRS}, Tensor? gw, Tensor? gv, Tensor? seed, str how) -> (Tensor, Tensor)",
    "eigh_along": f"(Tensor A, {PAIRS}, Tensor dA, str how) -> (Tensor, Tensor, Tensor)",
    "eigh_selected": "(Tensor A, Tensor? seed, str select, str how, bool turned) -> "
                     f"({', '.join(10 * ['Tensor'])})",
    "eigvalsh_selected": "(Tensor A, str select, str how) -> (Tensor, Tensor, Tensor, Tensor)",
    "eigh_selected_backward": "(Tensor A, Tensor w, Tensor v, Tensor found, Tensor ids, Tensor report, Tensor? gw, "
                              f"Tensor? gv, Tensor? seed, {FACTORS}, str select, str how) -> (Tensor, Tensor)",
    "function": "(Tensor A, str what, str how) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    "function_map": f"(Tensor A, {PAIRS}, Tensor E, str what, str how, str doing) -> Tensor",
    "function_second": f"(Tensor A, {PAIRS}, Tensor E, Tensor C, str what, str how) -> Tensor",
    "frame": "(Tensor A, Tensor R, int start, int stop, str how) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    "frame_backward": f"(Tensor A, Tensor R, {PAIRS}, Tensor gf, int start, int stop, str how) -> (Tensor, Tensor)",
    "finite": "(Tensor d, Tensor A, Tensor ids, Tensor report, str what, str how) -> Tensor",
    "defined": "(Tensor values, Tensor A, Tensor ids, Tensor report, str how) -> Tensor",
    "settled": "(Tensor x, Tensor? error, Tensor A, Tensor ids, Tensor report, str how) -> Tensor",
    "simple": "(Tensor x, Tensor A, Tensor ids, Tensor report, str how) -> Tensor",
    "constant": "(Tensor x) -> Tensor",
    "limited": "(Tensor x, Tensor A, int order, str why) -> Tensor",
    "chemical_potential": "(Tensor w, Tensor width, Tensor electrons, Tensor? weights, str what) -> "
                          "(Tensor, Tensor, Tensor, Tensor)",
    "sloped": "(Tensor total, str what) -> Tensor",
    "directional": "(Tensor A, Tensor dA, str how) -> (Tensor, Tensor)",
    "certificate": "(Tensor report) -> Tensor",
    "refused": "(Tensor x, Tensor made_of, str why) -> Tensor",
}

library = Library("multiplet", "DEF")
for _name, _schema in SCHEMAS.items():
    library.define(_name + _schema)
ops = torch.ops.multiplet


def _real(A):
    return REAL[A.dtype]


def _pairs(A):
    """Empty w, v, multiplets and reports."""
    return (A.new_empty(A.shape[:-1], dtype=_real(A)), A.new_empty(A.shape), *_outcome(A))


def _outcome(A):
    return A.new_empty(A.shape[:-1], dtype=_real(A)), _reports(A)


def _reports(A):
    return A.new_empty((*A.shape[:-2], REPORT_BYTES // 8), dtype=torch.float64)


def _selected(A, select):
    """Empty w, v, found, multiplets and reports of a selection."""
    m = kernels.selection_of(select).columns(A.shape[-1])
    w = A.new_empty((*A.shape[:-2], m), dtype=_real(A))
    v, found = A.new_empty((*A.shape[:-1], m)), A.new_empty(A.shape[:-2], dtype=_real(A))
    return w, v, found, w.new_empty(w.shape), _reports(A)


def _factors(A):
    return _like(A), A.new_empty(A.shape[:-1]), *(A.new_empty(A.shape[:-1], dtype=_real(A)) for _ in range(3))


def _like(x):
    return x.new_empty(x.shape)


EMPTY = {
    "eigh": lambda A, seed, how, turned: _pairs(A),
    "eigvalsh": lambda A, how: (_pairs(A)[0], *_outcome(A)),
    "eigh_backward": lambda A, *_: (_like(A), _reports(A)),
    "eigh_along": lambda A, w, v, *_: (_like(w), _like(v), _reports(A)),
    "eigh_selected": lambda A, seed, select, how, turned: (*_selected(A, select), *_factors(A)),
    "eigvalsh_selected": lambda A, select, how: (lambda w, v, *others: (w, *others))(*_selected(A, select)),
    "eigh_selected_backward": lambda A, *_: (_like(A), _reports(A)),
    "function": lambda A, what, how: (_like(A), *_pairs(A)),
    "function_map": lambda A, *_: _like(A),
    "function_second": lambda A, *_: _like(A),
    "frame": lambda A, R, start, stop, how: (_like(R), *_pairs(A)),
    "frame_backward": lambda A, R, *_: (_like(A), _like(R)),
    "finite": lambda d, *_: _like(d),
    "defined": lambda values, *_: _like(values),
    "settled": lambda x, *_: _like(x),
    "simple": lambda x, *_: _like(x),
    "constant": _like,
    "limited": lambda x, *_: _like(x),
    "chemical_potential": lambda w, width, *_: (_like(width), _like(w), _like(w), _like(width)),
    "sloped": lambda x, *_: _like(x),
    "directional": lambda A, *_: (A.new_empty(A.shape[:-1], dtype=_real(A)),) * 2,
    "certificate": lambda report: report.new_empty((*report.shape[:-1], len(REPORT)), dtype=torch.float64),
    "refused": lambda x, *_: _like(x),
}


def _to_host(x):
    """A CPU tensor; of a CUDA tensor a copy in pinned memory, under way on the current stream."""
    if not torch.is_tensor(x) or x.device.type == "cpu":
        return x
    if x.device.type != "cuda":
        return x.cpu()
    return torch.empty(x.shape, dtype=x.dtype, device="cpu", pin_memory=True).copy_(x, non_blocking=True)


def _from_host(x, device):
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)


def on_host(kernel):
    """The kernel for tensors of another device: one copy each way, on the current stream."""
    def run(*arguments):
        device = arguments[0].device
        arguments = [_to_host(x) for x in arguments]
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()
        out = kernel(*arguments)
        return _from_host(out, device) if torch.is_tensor(out) else tuple(_from_host(x, device) for x in out)
    return run


def _batched(name):
    """The rule for vmap: its dimension becomes the first one of every tensor. A seed is one for the whole batch."""
    if name == "chemical_potential":  # weights are no batch: PyTorch loops
        return
    op, words = getattr(ops, name), SCHEMAS[name].partition(")")[0].split(",")
    seeds = [word.endswith(" seed") for word in words]

    def front(x, dim, size):
        if not torch.is_tensor(x):
            return x
        return x.movedim(dim, 0) if dim is not None else x.expand(size, *x.shape)

    def rule(info, dims, *arguments):
        found = op(*(x if seed else front(x, dim, info.batch_size) for x, dim, seed in zip(arguments, dims, seeds)))
        return found, 0 if torch.is_tensor(found) else (0,) * len(found)
    torch.library.register_vmap(f"multiplet::{name}", rule, lib=library)


def _no_grad(kernel):
    def run(*arguments):
        with torch.no_grad():
            return kernel(*arguments)
    return run


for _name in SCHEMAS:
    _kernel = _no_grad(getattr(kernels, _name))
    library.impl(_name, _kernel, "CPU")
    for _device in DEVICES:
        library.impl(_name, on_host(_kernel), _device)
    library.impl(_name, EMPTY[_name], "Meta")
    if hasattr(torch.library, "register_vmap"):  # since 2.5; before, PyTorch loops over the batch
        _batched(_name)
