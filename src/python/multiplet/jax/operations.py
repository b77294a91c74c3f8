"""Operations on batches of matrices that JAX knows as primitives: how they are batched, compiled and run."""
import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from .. import library
from . import handlers, host
from .layout import NO_HANDLERS, shapes

ZERO, NAN, RAISE = range(3)  # of Settings.failed
TURNED, SOLVER = range(2)  # of Settings.basis
TORCH, JAX = range(2)  # of Settings.convention
MEAN, RAW, FAIL, UNBIASED = range(4)  # of Settings.spread


class Settings(typing.NamedTuple):
    """Attributes of a handler's call: enumerations of include/multiplet, and what src/jax/call.h says."""
    triangle: int
    tolerance: float
    gauge: int
    spread: int
    threads: int
    failed: int
    notices: int
    convention: int = TORCH
    basis: int = SOLVER


def attributes(settings, function=None, index=None, selection=None):
    """Of a handler's call, by name."""
    found = settings._asdict()
    if function is not None:
        found.update(function._asdict())
        found["kind"], index = list(library.kinds()).index(function.kind), found.pop("index")
    if selection is not None:
        found["selection"], index = library.SELECTIONS[selection.kind], selection.index
        (found["low"], found["high"]), found["at_most"] = selection.range, selection.at_most
    if index is not None:
        found["start"], found["stop"] = index
    return found


class Operation:
    """A primitive, called as operation(*arrays, operands=letters, **static); letters: layout.py.

    It is what run(*arrays, operands=letters, **static) does, in JAX's terms, or else the handler of that name, with
    attributes(**static).
    """

    def __init__(self, name, results, run=None):
        self.name, self.results = name, results
        self.primitive = Primitive(f"multiplet_{name}")
        self.primitive.multiple_results = True
        self.primitive.def_abstract_eval(self._abstract)
        self.primitive.def_impl(lambda *arrays, **static: self._compiled(tuple(static.items()))(*arrays))
        self._compiled = functools.lru_cache(maxsize=256)(self._compile)
        batching.primitive_batchers[self.primitive] = self._batch
        for platform, way in (("cpu", run or self._call_handler), (None, run or self._call_host)):
            rule = mlir.lower_fun(functools.partial(self._run, way), multiple_results=True)
            mlir.register_lowering(self.primitive, rule, platform=platform)

    def __call__(self, *arrays, **static):
        return self.primitive.bind(*arrays, **static)

    def derivative(self, rule):
        """Decorator: rule(primals, tangents, **static) gives results and tangents."""
        ad.primitive_jvps[self.primitive] = rule
        return rule

    def transpose(self, rule):
        """Decorator: rule(cotangents, *operands, **static) gives the operands' cotangents, None for what is known."""
        ad.primitive_transposes[self.primitive] = rule
        return rule

    def _compile(self, static):
        return jax.jit(functools.partial(self.primitive.bind, **dict(static)))

    def _abstract(self, *arrays, operands, selection=None, **_):
        return [jax.core.ShapedArray(*found) for found in shapes(self.results, operands, arrays, selection)]

    def _batch(self, arrays, axes, **static):
        size = next(x.shape[axis] for x, axis in zip(arrays, axes) if axis is not None)
        arrays = [jnp.broadcast_to(x, (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)
                  for x, axis in zip(arrays, axes)]
        found = self(*arrays, **static)
        return found, [0] * len(found)

    def _run(self, way, *arrays, operands, **static):
        kept = [(x, letter) for x, letter in zip(arrays, operands) if letter not in NO_HANDLERS]
        return way(*(x for x, _ in kept), operands="".join(letter for _, letter in kept), **static)

    def _outputs(self, operands, arrays, selection=None):
        return [jax.ShapeDtypeStruct(*found) for found in shapes(self.results, operands, arrays, selection)]

    def _call_handler(self, *arrays, operands, **static):
        handlers.register()
        # What passes through need not be copied.
        passing = {"split": {1: 0, 2: 1}, "settled": {0: 0}}.get(self.name)
        call = jax.ffi.ffi_call(handlers.TARGET, self._outputs(operands, arrays, static.get("selection")),
                                input_output_aliases=passing)
        numbers = {name: np.float64(x) if isinstance(x, float) else np.int64(x)
                   for name, x in attributes(**static).items()}
        return call(*arrays, handler=self.name, **numbers)

    def _call_host(self, *arrays, operands, **static):
        selection = static.get("selection")
        answer = functools.partial(host.answer, self.name, self.results, operands, attributes(**static), selection)
        return jax.pure_callback(answer, self._outputs(operands, arrays, selection), *arrays)
