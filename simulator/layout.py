"""Channels last: how the layer engine keeps values, so that what one synapse row reads lies side by side.

A value of shape (C, H, W) is kept as (..., H, W, C), (C, L) as (..., L, 1, C), and a flat one (n,) as (..., 1, 1, n).
"""

from __future__ import annotations

from math import prod

import numpy as np

from ganglion.ir import Array, Shape


def extent(shape: Shape) -> tuple[int, int, int]:
    """`shape` as (H, W, C)."""
    channels, *places = shape
    return places[0] if places else 1, prod(places[1:]), channels


def channels_last(values: Array, shape: Shape) -> Array:
    """`values` (..., *shape) as (..., H, W, C)."""
    lead = values.shape[: values.ndim - len(shape)]
    return np.moveaxis(values, len(lead), -1).reshape(*lead, *extent(shape))


def channels_first(values: Array, shape: Shape) -> Array:
    """`values` (..., H, W, C) as (..., *shape)."""
    lead = values.shape[:-3]
    return np.moveaxis(values, -1, len(lead)).reshape(*lead, *shape)


def flat_order(shape: Shape) -> Array:
    """For every neuron of `shape` in C order, its number with channels last."""
    H, W, C = extent(shape)
    return channels_first(np.arange(H * W * C).reshape(H, W, C), shape).ravel()
