"""The source, opened up: any value inside of it can be read, and any can be given instead of computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from ganglion.errors import InputError, InternalError

from .kernels import kernel_settings
from .onnxruntime_engine import cast, checked
from .reader import Source, describe, read
from .session import open_session
from .translate import Options, prepare
from .values import Array, name_of, shape_of


class OpenedModel:
    """A model as `import_model` takes it apart: the names of its values are those that populations stand for.

    `result` is the name of the logits.
    """

    def __init__(self, source: Source, options: Options) -> None:
        model = read(source)
        prepare(model, options)
        self.what = describe(source)
        self.result = name_of(model.graph.outputs[0])
        self.shapes = {
            name_of(v): shape_of(v) for v in [*model.graph.inputs, *(o for n in model.graph for o in n.outputs)]
        }
        self._types = {name_of(v): v.dtype for node in model.graph for v in node.outputs}
        self._proto = ir.to_proto(model)

    def run(self, x: Array, names: Sequence[str], given: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """The values called `names`, (N, ...) each, float64, for the samples `x` (N, ...).

        `given` values (N, ...) stand in the place of those that the model computes: whatever reads them sees them. Such
        a value among `names` is what the model itself would have computed there. Raises `InputError` for what
        onnxruntime refuses.
        """
        given = given or {}
        model = self._with(names, given)
        try:
            session = open_session(
                model.SerializeToString(), threads=0, optimise=True, entries=kernel_settings(self._proto)
            )
            (entry, *_) = session.get_inputs()
            dtype = checked(np.asarray(x), entry)
            each = int(entry.shape[0])
            feeds = {name: self._like(name, values) for name, values in given.items()}
            outputs = [self._computed(name) if name in given else name for name in names]
            parts: list[list[Array]] = []
            for first in range(0, len(x), each):
                place = np.minimum(np.arange(first, first + each), len(x) - 1)  # a static batch may be filled up
                feed = {name: values[place] for name, values in feeds.items()}
                results = session.run(outputs, {entry.name: cast(x[place], dtype), **feed})
                parts.append([np.asarray(r)[: len(x) - first] for r in results])
        except (InputError, InternalError):
            raise
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise InputError(f"{self.what}: onnxruntime cannot run it: {error}") from error
        columns = [np.concatenate(column).astype(np.float64) for column in zip(*parts, strict=True)]
        return dict(zip(names, columns, strict=True))

    def _like(self, name: str, values: Array) -> Array:
        """`values` in the type of the value `name`."""
        dtype = self._types[name]
        assert dtype is not None
        numpy = dtype.numpy()
        return (np.rint(values) if np.issubdtype(numpy, np.integer) else values).astype(numpy)

    def _with(self, names: Sequence[str], given: Mapping[str, Array]) -> onnx.ModelProto:
        """The model with the outputs `names` and, in the place of the `given` values, inputs of their names."""
        missing = [name for name in (*names, *given) if name not in self._types]
        if missing:
            raise InternalError(f"the model has no value called {', '.join(missing)}")
        model = onnx.ModelProto()
        model.CopyFrom(self._proto)
        for node in model.graph.node:
            for i, output in enumerate(node.output):
                if output in given:
                    node.output[i] = self._computed(output)
        for name in given:
            dtype = self._types[name]
            assert dtype is not None
            model.graph.input.append(onnx.helper.make_tensor_value_info(name, int(dtype), None))
        del model.graph.output[:]
        outputs = [self._computed(name) if name in given else name for name in names]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(outputs))
        return model

    def _computed(self, name: str) -> str:
        """What the value is called that the model computes where `name` is given."""
        mark = "computed"
        while f"{name}.{mark}" in self._types:
            mark += "_"
        return f"{name}.{mark}"
