"""An activation as a scalar function: its nodes, evaluated by onnxruntime in the model's own precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ganglion.errors import CompileError

from .activations import Activation
from .session import part_session
from .values import FLOATS, Array, constant, name_of, scalar


def evaluator(activation: Activation, opset_imports: Mapping[str, int]) -> Callable[[Array], Array]:
    """`activation` as a function of arrays (N,) of the root's dtype; results in float32 or float64.

    Every constant in it must be scalar. Raises `CompileError` if onnxruntime cannot run it.
    """
    root, output = activation.root, activation.output
    if root.dtype not in FLOATS or output.dtype not in FLOATS:
        kinds = [str(v.dtype.name.lower()) if v.dtype is not None else "unknown" for v in (root, output)]
        raise CompileError(
            f"an activation from {kinds[0]} to {kinds[1]}; only float32 and float64 are supported",
            origin=activation.names,
            hint="cast to float before the activation, and keep its result a float",
        )
    constants: dict[str, Array] = {}
    for value in (v for node in activation.nodes for v in node.inputs if v is not None):
        array = constant(value)
        if array is not None:
            one = scalar(array)
            assert one is not None, "activations with other constants are refused before"
            constants[name_of(value)] = one
    try:
        session = part_session(activation.nodes, constants, [root], [output], opset_imports)
    except Exception as error:  # onnxruntime's exceptions have no common base of their own
        raise CompileError(f"onnxruntime cannot evaluate it: {error}", origin=activation.names) from error
    source, result = name_of(root), name_of(output)

    def function(x: Array) -> Array:
        # the last of an odd number of 4-bit codes is not clipped far outside (onnxruntime 1.31): never ask for one
        even = np.concatenate([x, x[-1:]]) if len(x) % 2 else x
        with np.errstate(all="ignore"):  # the ends of the float range may overflow on the way to a clip
            return np.asarray(session.run([result], {source: even})[0])[: len(x)]

    return function
