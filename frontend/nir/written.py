"""Reads back a network that ganglion wrote, to the bit: what the nodes hold, and the rest from the metadata."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ganglion.errors import GanglionError, InputError
from ganglion.ir import Array, Graph, Stage
from ganglion.ir.nir import DIGEST, FIELD, NETWORK, VERSION, digest
from ganglion.ir.records import from_record
from ganglion.ir.verify import verify


def is_written(graph: Any) -> bool:
    """Whether ganglion wrote the `nir.NIRGraph`."""
    return NETWORK in graph.metadata


def read_back(graph: Any, label: str) -> Graph:
    """The network that was written as the `nir.NIRGraph`, which messages call `label`.

    Raises `InputError` where it was changed since, or is of another version.
    """
    strip = f"write it again; without its metadata '{NETWORK}' it is read as any other NIR graph, with reset and steps"
    try:
        about = json.loads(str(graph.metadata[NETWORK]))
        version, network = int(about["version"]), dict(about["network"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{label}: the metadata '{NETWORK}' is damaged: {error!r}", hint=strip) from error
    if version != VERSION:
        raise InputError(f"{label} has version {version} of the metadata; this ganglion reads {VERSION}", hint=strip)
    if digest(graph) != str(graph.metadata.get(DIGEST, "")):
        raise InputError(f"{label}: its nodes, edges or metadata were changed since ganglion wrote it", hint=strip)
    try:
        ops = [
            from_record(op["fields"], arrays_of(graph.nodes[op["node"]], op["arrays"], op["fields"].get("exponent", 0)))
            for op in about["ops"]
        ]
        stage, notes = Stage[network.pop("stage").upper()], tuple(network.pop("notes"))
        found = Graph(ops=tuple(ops), stage=stage, notes=notes, **network)
        verify(found)
    except (KeyError, ValueError, TypeError, AttributeError, GanglionError) as error:
        what = error.message if isinstance(error, GanglionError) else repr(error)
        raise InputError(f"{label}: the metadata '{NETWORK}' is damaged: {what}", hint=strip) from error
    return found


def arrays_of(node: Any, described: dict[str, Any], exponent: int) -> dict[str, Array]:
    """The arrays of an op by field, from the metadata of its node, or, in units of 2^exponent, from the node itself."""
    found = {}
    for field, about in described.items():
        shape, kind = tuple(about["shape"]), np.dtype(about["dtype"])
        if about["at"]:
            values = np.rint(np.ldexp(np.asarray(getattr(node, about["at"]), np.float64), -exponent))
            # a weight of a channel, or of all, is repeated for every neuron
            found[field] = values.reshape(*shape, -1)[..., 0].astype(kind)
        elif int(np.prod(shape)):
            found[field] = np.asarray(node.metadata[FIELD + field], kind).reshape(shape)
        else:
            found[field] = np.zeros(shape, kind)
    return found
