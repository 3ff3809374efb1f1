"""NIR graphs for tests; without the package nir, what imports it is skipped."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

nir: Any = pytest.importorskip("nir")

CODES = {"input_range": (-4.0, 4.0), "input_step": 0.25}


def neurons(shape: Any, threshold: Any = 1.0, r: float = 1.0, **changes: Any) -> Any:
    ones = np.ones(shape)
    given = np.asarray(threshold, float).reshape(-1, *(1,) * (ones.ndim - 1))
    return nir.IF(r=r * ones, v_threshold=given * ones, **changes)


def graph_of(shape: Any, *nodes: Any, edges: Any = None, **more: Any) -> Any:
    """The nodes n0, n1, ... between `input` and `output`, in a row unless there are `edges`."""
    named = {f"n{i}": node for i, node in enumerate(nodes)}
    names = ["input", *named, "output"]
    row = list(pairwise(names))
    every = {"input": nir.Input(np.array(shape)), **named, "output": nir.Output({"output": None})}
    return nir.NIRGraph(nodes=every, edges=row if edges is None else edges, type_check=False, **more)


def fully(**changes: Any) -> Any:
    graph = graph_of((4,), nir.Linear(np.eye(4)), neurons(4, **changes))
    graph.nodes["output"] = nir.Output(np.array([4]))
    return graph
