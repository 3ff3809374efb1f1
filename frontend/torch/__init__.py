"""Torch models: activations that are trained for spikes instead of ReLU, thresholds from data, and the way to ONNX."""

from .calibrate import calibrate_thresholds
from .convert import convert
from .export import export
from .qcfs import QCFS
from .threshold_relu import ThresholdReLU

__all__ = ["QCFS", "ThresholdReLU", "calibrate_thresholds", "convert", "export"]
