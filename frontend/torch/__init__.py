"""Torch models: QCFS activations instead of ReLU, thresholds from data, and the way to ONNX."""

from .calibrate import calibrate_thresholds
from .convert import convert
from .export import export
from .qcfs import QCFS

__all__ = ["QCFS", "calibrate_thresholds", "convert", "export"]
