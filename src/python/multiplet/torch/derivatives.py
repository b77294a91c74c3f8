"""Derivatives of the operators, for autograd, forward mode and torch.func in any nesting.

Each operator's rule is written in operators again, and in PyTorch's products, so that rules can be differentiated: an
operator's first argument is the matrix A, for the sake of its derivatives, and eigenpairs w and v are what the forward
kernel returned for it. For functions w and v are constants, and all dependence is through A:

    f(A)                       d f = Df(A)[dA]
    Df(A)[E]    function_map     d = D2f(A)[E, dA] + Df(A)[dE]
    D2f(A)[E, C]    function_second, symmetric in both; its derivative by A is refused

and each map is its own adjoint. Eigenpairs are differentiable outputs of eigh, and eigh_backward is a function of them
and of their cotangents: forward.py, pairs.py.
"""
import contextlib

import torch
from torch.autograd import forward_ad

from . import forward, frames, kernels, pairs, selected, smearing
from .operators import library, ops

try:  # one level of torch.func's at a time, as PyTorch's own operators
    from torch._functorch.utils import enable_single_level_autograd_function as _one_level
    from torch.autograd.function import _SingleLevelFunction as _Function
    _tangents = forward_ad._set_fwd_grad_enabled
    _OLD, _below = False, torch._C._AutoDispatchBelowAutograd
except ImportError:  # before PyTorch 2.0: autograd and forward mode alone
    _Function, _one_level, _tangents = torch.autograd.Function, contextlib.nullcontext, contextlib.nullcontext
    _OLD = True

    @contextlib.contextmanager
    def _below():
        guard = torch._C._AutoDispatchBelowAutograd()
        yield
        del guard


ONE_SIDED = "one-sided derivatives of eigenvalues along a direction are not differentiated further"


class Node(_Function):
    """A rule. `forward` calls `below`; the levels of torch.func below this one differentiate on their own."""

    @staticmethod
    def below(ctx, name, *arguments):
        plain = kernels.is_plain(arguments[0])
        if plain and kernels.is_direct(arguments[0]):
            out = getattr(kernels, name)(*arguments)
        else:
            with torch.enable_grad(), _tangents(True), _below():
                out = getattr(ops, name)(*arguments)
        ctx.certificate, ctx.backend = kernels.forward_of_last() if plain else None, kernels.current()
        ctx.set_materialize_grads(False)
        return out

    @staticmethod
    @contextlib.contextmanager
    def primals(ctx):
        """The saved tensors without this level's tangents; inside, products of them have those of the levels below."""
        with _tangents(True):
            yield [x if x is None else forward_ad.unpack_dual(x).primal for x in ctx.saved_tensors]

    @staticmethod
    def keep(ctx, *tensors):
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)


class Eigh(Node):
    @staticmethod
    def forward(ctx, A, seed, how, turned):
        w, v, ids, report = Node.below(ctx, "eigh", A, seed, how, turned or ctx.needs_input_grad[0])
        Node.keep(ctx, A, w, v, ids, report, seed)
        ctx.mark_non_differentiable(ids, report)
        ctx.how, ctx.notes = how, []
        return w, v, ids, report

    @staticmethod
    def jvp(ctx, dA, *_):
        with Node.primals(ctx) as (*eigen, _):
            return (*forward.along_eigh(*eigen, dA, ctx.how), None, None)

    @staticmethod
    def backward(ctx, gw, gv, *_):
        *eigen, seed = ctx.saved_tensors
        if gw is None and gv is None:
            return 4 * (None,)
        with kernels.forward_certificate(ctx.certificate):
            if ctx.certificate is not None and kernels.is_plain(eigen[0]):
                return pairs.gradient(pairs.Pass(ctx.certificate, ctx.how, ctx.notes), eigen, gw, gv, seed), *3 * [None]
            return ops.eigh_backward(*eigen, gw, gv, seed, ctx.how)[0], *3 * [None]


class EighBackward(Node):
    @staticmethod
    def forward(ctx, A, w, v, ids, report, gw, gv, seed, how):
        g, report2 = Node.below(ctx, "eigh_backward", A, w, v, ids, report, gw, gv, seed, how)
        Node.keep(ctx, A, w, v, ids, report, gw, gv)
        ctx.mark_non_differentiable(report2)
        ctx.how = how
        return g, report2

    @staticmethod
    def jvp(ctx, dA, dw, dv, _, __, dgw, dgv, *___):
        with Node.primals(ctx) as saved:
            return pairs.along(saved, dA, dw, dv, dgw, dgv, ctx.how), None

    @staticmethod
    def backward(ctx, c, _):
        if c is None:
            return 9 * (None,)
        w, v, gw, gv = pairs.back(ctx.saved_tensors, c, ctx.how)
        return None, w, v, None, None, gw, gv, None, None


class EighSelected(Node):
    @staticmethod
    def forward(ctx, A, seed, select, how, turned):
        made = Node.below(ctx, "eigh_selected", A, seed, select, how, turned or ctx.needs_input_grad[0])
        Node.keep(ctx, A, seed, *made)
        ctx.mark_non_differentiable(*made[2:])
        ctx.select, ctx.how = select, how
        return made

    @staticmethod
    def jvp(ctx, dA, *_):
        with Node.primals(ctx) as (A, _, w, v, found, *_, spectrum):
            return *selected.along_eigh(A, w, v, found, spectrum, dA, ctx.select, ctx.how), *8 * [None]

    @staticmethod
    def backward(ctx, gw, gv, *_):
        A, seed, w, v, found, ids, report, *factors = ctx.saved_tensors
        if gw is None and gv is None:
            return 5 * (None,)
        with kernels.forward_certificate(ctx.certificate):
            return ops.eigh_selected_backward(A, w, v, found, ids, report, gw, gv, seed, *factors, ctx.select,
                                              ctx.how)[0], *4 * [None]


class EighSelectedBackward(Node):
    @staticmethod
    def forward(ctx, A, w, v, found, ids, report, gw, gv, *others):
        g, report2 = Node.below(ctx, "eigh_selected_backward", A, w, v, found, ids, report, gw, gv, *others)
        *_, spectrum, ctx.select, ctx.how = others
        Node.keep(ctx, A, w, v, found, spectrum, gw, gv)
        ctx.mark_non_differentiable(report2)
        return g, report2

    @staticmethod
    def jvp(ctx, dA, dw, dv, _, __, ___, dgw, dgv, *____):
        with Node.primals(ctx) as saved:
            return selected.along_backward(saved, dA, dw, dv, dgw, dgv, ctx.select, ctx.how), None

    @staticmethod
    def backward(ctx, c, _):
        if c is None:
            return 16 * (None,)
        by_matrix, w, v, gw, gv = selected.back_backward(ctx.saved_tensors, c, ctx.select, ctx.how)
        return by_matrix, w, v, None, None, None, gw, gv, *8 * [None]


class FunctionOf(Node):
    @staticmethod
    def forward(ctx, A, what, how):
        f, *eigen = Node.below(ctx, "function", A, what, how)
        Node.keep(ctx, A, *eigen)
        ctx.mark_non_differentiable(*eigen)
        ctx.what, ctx.how = what, how
        return (f, *eigen)

    @staticmethod
    def jvp(ctx, dA, *_):
        doing = f"derivative of {kernels.function_of(ctx.what).kind} along a direction"
        return (ops.function_map(*ctx.saved_tensors, dA, ctx.what, ctx.how, doing), *4 * [None])

    @staticmethod
    def backward(ctx, gf, *_):
        if gf is None:
            return None, None, None
        doing = f"gradient of {kernels.function_of(ctx.what).kind}"
        with kernels.forward_certificate(ctx.certificate):
            return ops.function_map(*ctx.saved_tensors, gf, ctx.what, ctx.how, doing), None, None


class FunctionMap(Node):
    @staticmethod
    def forward(ctx, A, w, v, ids, report, E, what, how, doing):
        Node.keep(ctx, A, w, v, ids, report, E)
        ctx.what, ctx.how, ctx.doing = what, how, doing
        return Node.below(ctx, "function_map", A, w, v, ids, report, E, what, how, doing)

    @staticmethod
    def second(ctx, *directions):
        return ops.function_second(*ctx.saved_tensors[:5], *directions, ctx.what, ctx.how)

    @staticmethod
    def first(ctx, E):
        with kernels.forward_certificate(ctx.certificate):
            return ops.function_map(*ctx.saved_tensors[:5], E, ctx.what, ctx.how, ctx.doing)

    @staticmethod
    def jvp(ctx, dA, _, __, ___, ____, dE, *_____):
        moved = None if dA is None else FunctionMap.second(ctx, ctx.saved_tensors[5], dA)
        if dE is None:
            return moved
        return FunctionMap.first(ctx, dE) if moved is None else moved + FunctionMap.first(ctx, dE)

    @staticmethod
    def backward(ctx, c):
        by_matrix = by_direction = None
        if c is not None and ctx.needs_input_grad[0]:
            by_matrix = FunctionMap.second(ctx, ctx.saved_tensors[5], c)
        if c is not None and ctx.needs_input_grad[5]:
            by_direction = FunctionMap.first(ctx, c)
        return by_matrix, *4 * [None], by_direction, *3 * [None]


class FunctionSecond(Node):
    @staticmethod
    def forward(ctx, A, w, v, ids, report, E, C, what, how):
        Node.keep(ctx, A, w, v, ids, report, E, C)
        ctx.what, ctx.how = what, how
        return Node.below(ctx, "function_second", A, w, v, ids, report, E, C, what, how)

    @staticmethod
    def again(ctx, E, C):
        return ops.function_second(*ctx.saved_tensors[:5], E, C, ctx.what, ctx.how)

    @staticmethod
    def jvp(ctx, dA, _, __, ___, ____, dE, dC, *_____):
        E, C = ctx.saved_tensors[5:]
        if dA is not None:
            raise RuntimeError(f"multiplet.torch has no derivative here: {pairs.THIRD}")
        parts = [FunctionSecond.again(ctx, *x) for x in ((dE, C), (E, dC)) if x[0] is not None and x[1] is not None]
        return sum(parts[1:], parts[0])

    @staticmethod
    def backward(ctx, c):
        E, C = ctx.saved_tensors[5:]
        if ctx.needs_input_grad[0]:
            raise RuntimeError(f"multiplet.torch has no derivative here: {pairs.THIRD}")
        by_e = FunctionSecond.again(ctx, C, c) if ctx.needs_input_grad[5] else None
        by_c = FunctionSecond.again(ctx, E, c) if ctx.needs_input_grad[6] else None
        return *5 * [None], by_e, by_c, None, None


class Frame(Node):
    @staticmethod
    def forward(ctx, A, R, start, stop, how):
        f, *eigen = Node.below(ctx, "frame", A, R, start, stop, how)
        Node.keep(ctx, A, R, *eigen)
        ctx.mark_non_differentiable(*eigen)
        ctx.index, ctx.how = (start, stop), how
        return (f, *eigen)

    @staticmethod
    def jvp(ctx, dA, dR, *_):
        with Node.primals(ctx) as saved:
            return (frames.along(saved, dA, dR, ctx.index, ctx.how), *4 * [None])

    @staticmethod
    def backward(ctx, gf, *_):
        if gf is None:
            return 5 * (None,)
        with kernels.forward_certificate(ctx.certificate):
            return *frames.back(ctx.saved_tensors, gf, ctx.index, ctx.how), None, None, None


class Values(Node):
    """Numbers alone: their derivatives are those of steps that forward.along_eigh() or frames.back() adds to them."""

    @staticmethod
    def forward(ctx, name, *arguments):
        out = Node.below(ctx, name, *arguments)
        ctx.mark_non_differentiable(*out)
        ctx.outputs = len(out)
        return out

    @staticmethod
    def jvp(ctx, *_):
        return ctx.outputs * (None,)

    @staticmethod
    def backward(ctx, *_):
        return None


class Through(Node):
    """A check of its first argument on the way: the same check of its derivatives."""

    @staticmethod
    def forward(ctx, name, x, *others):
        ctx.name, ctx.others = name, len(others)
        ctx.save_for_forward(x)
        return Node.below(ctx, name, x, *others)

    @staticmethod
    def jvp(ctx, _, dx, *__):
        return torch.zeros_like(ctx.saved_tensors[0]) if dx is None else dx.clone()

    @staticmethod
    def backward(ctx, c):
        return None, c, *ctx.others * [None]


class Simple(Node):
    @staticmethod
    def forward(ctx, x, A, ids, report, how):
        ctx.save_for_backward(A, ids, report)
        ctx.save_for_forward(A, ids, report, x)
        ctx.how = how
        return Node.below(ctx, "simple", x, A, ids, report, how)

    @staticmethod
    def jvp(ctx, dx, *_):
        *given, x = ctx.saved_tensors
        return torch.zeros_like(x) if dx is None else ops.settled(dx, None, *given, ctx.how)

    @staticmethod
    def backward(ctx, c):
        return c if c is None else ops.settled(c, None, *ctx.saved_tensors, ctx.how), *4 * [None]


class Constant(Node):
    @staticmethod
    def forward(ctx, x):
        out = Node.below(ctx, "constant", x)
        ctx.mark_non_differentiable(out)
        return out

    @staticmethod
    def jvp(ctx, _):
        return None

    @staticmethod
    def backward(ctx, _):
        return None


class Limited(Node):
    @staticmethod
    def forward(ctx, x, A, order, why):
        Node.keep(ctx, A)
        ctx.order, ctx.why = order, why
        return Node.below(ctx, "limited", x, A, order, why)

    @staticmethod
    def next(ctx, dx, A):
        """The derivative dx, with one order less left."""
        return ops.limited(dx, A, ctx.order - 1, ctx.why) if ctx.order > 1 else ops.refused(dx, A, ctx.why)

    @staticmethod
    def jvp(ctx, dx, *_):
        with Node.primals(ctx) as (A,):
            return Limited.next(ctx, torch.zeros_like(A) if dx is None else dx, A)

    @staticmethod
    def backward(ctx, c):
        return c if c is None else Limited.next(ctx, c, ctx.saved_tensors[0]), None, None, None


class ChemicalPotential(Node):
    @staticmethod
    def forward(ctx, w, width, electrons, weights, what):
        mu, *others = Node.below(ctx, "chemical_potential", w, width, electrons, weights, what)
        Node.keep(ctx, w, width, electrons, weights, mu, *others)
        ctx.mark_non_differentiable(*others)
        ctx.what = what
        return (mu, *others)

    @staticmethod
    def jvp(ctx, *directions):
        with Node.primals(ctx) as saved:
            return (smearing.along(saved, *directions[:4], ctx.what), None, None, None)

    @staticmethod
    def backward(ctx, g, *_):
        if g is None:
            return 5 * (None,)
        return *smearing.back(ctx.saved_tensors, g, ctx.needs_input_grad, ctx.what), None


class Directional(Node):
    @staticmethod
    def forward(ctx, A, dA, how):
        return Node.below(ctx, "directional", A, dA, how)

    @staticmethod
    def jvp(ctx, *_):
        raise RuntimeError(f"multiplet.torch has no derivative here: {ONE_SIDED}")

    @staticmethod
    def backward(ctx, *_):
        raise RuntimeError(f"multiplet.torch has no derivative here: {ONE_SIDED}")


class Refused(Node):
    @staticmethod
    def forward(ctx, x, made_of, why):
        ctx.why = why
        return Node.below(ctx, "refused", x, made_of, why)

    @staticmethod
    def jvp(ctx, *_):
        raise RuntimeError(f"multiplet.torch has no derivative here: {ctx.why}")

    @staticmethod
    def backward(ctx, _):
        raise RuntimeError(f"multiplet.torch has no derivative here: {ctx.why}")


def _register(name, node):
    def run(*arguments):
        if _OLD and forward_ad._current_level >= 0:
            raise RuntimeError(f"multiplet.torch has forward mode with PyTorch 2.4 and newer, and this is "
                               f"{torch.__version__} (take gradients, or install a newer PyTorch)")
        with _one_level():
            return node(*arguments)
    library.impl(name, run, "Autograd")


def _eigvalsh(A, how):
    w, _, ids, report = ops.eigh(A, None, how, False)
    return w, ids, report


def _eigvalsh_selected(A, select, how):
    w, _, found, ids, report, *_ = ops.eigh_selected(A, None, select, how, False)
    return w, found, ids, report


for _name, _node in (("eigh", Eigh), ("eigh_backward", EighBackward), ("eigh_selected", EighSelected),
                     ("eigh_selected_backward", EighSelectedBackward), ("function", FunctionOf),
                     ("function_map", FunctionMap), ("function_second", FunctionSecond), ("frame", Frame),
                     ("simple", Simple), ("constant", Constant), ("limited", Limited), ("directional", Directional),
                     ("chemical_potential", ChemicalPotential), ("refused", Refused)):
    _register(_name, _node.apply)
for _name in ("finite", "defined", "settled", "sloped"):
    _register(_name, lambda *x, name=_name: Through.apply(name, *x))
for _name in ("eigh_along", "frame_backward"):
    _register(_name, lambda *x, name=_name: Values.apply(name, *x))
_register("eigvalsh", _eigvalsh)
_register("eigvalsh_selected", _eigvalsh_selected)
