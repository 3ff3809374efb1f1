"""Networks of depthwise convolutions, and those whose sizes on Loihi are published; plain torch.

mobilenetv2       Sandler et al. (CVPR 2018) for 32x32 images: the first two strides are 1, as CIFAR code has it
pseudo_mobilenet  NxTF's network for CIFAR-10 (Rueckauer et al., 2022; intel-nrc-ecosystem/models, tutorial on CIFAR):
                  14 populations, of which the image is one, the average pool another
dvs_gesture       SANA-FE's DVS Gesture network (SLAM-Lab/SANA-FE, snn/dvs.yaml): an input of 32x32, four convolutions,
                  a dense layer
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, pad: int = 0, groups: int = 1, relu: bool = True
) -> list[nn.Module]:
    """A convolution, batch norm and, if asked, a ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return [*layers, nn.ReLU()] if relu else layers


class InvertedResidual(nn.Module):
    """1x1 to `expand` times the channels, 3x3 for each of them, 1x1 back without an activation; beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = inputs * expand
        layers = conv(inputs, wide, 1) if expand > 1 else []
        layers += conv(wide, wide, 3, stride, 1, wide) + conv(wide, outputs, 1, relu=False)
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


def mobilenetv2(classes: int = 10) -> nn.Module:
    layers = conv(3, 32, 3, 1, 1)
    inputs = 32
    for expand, outputs, blocks, stride in (
        (1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for i in range(blocks):
            layers.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expand))
            inputs = outputs
    layers += [*conv(320, 1280, 1), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(1280, classes)]
    return nn.Sequential(*layers)


def pseudo_mobilenet(classes: int = 10) -> nn.Module:
    layers: list[nn.Module] = [nn.ReLU(), *conv(3, 32, 3, 2, 1)]
    inputs = 32
    for outputs, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        layers += [*conv(inputs, inputs, 3, stride, 1, inputs), *conv(inputs, outputs, 1)]
        inputs = outputs
    layers += [nn.AvgPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(1024, classes)]
    return nn.Sequential(*layers)


def dvs_gesture(classes: int = 11) -> nn.Module:
    layers: list[nn.Module] = [nn.ReLU()]
    inputs = 1
    for outputs, stride in ((16, 2), (32, 1), (64, 1), (11, 1)):
        layers += conv(inputs, outputs, 3, stride)
        inputs = outputs
    layers += [nn.Flatten(), nn.Linear(891, classes)]
    return nn.Sequential(*layers)


MOBILE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {  # how to make it, and the shape of one input
    "mobilenetv2": (mobilenetv2, (3, 32, 32)),
    "pseudo_mobilenet": (pseudo_mobilenet, (3, 32, 32)),
    "dvs_gesture": (dvs_gesture, (1, 32, 32)),
}
