"""Networks to try the compiler on: plain torch, ReLU and all, as published; `random_network` makes them spike.

resnet20       He et al. (CVPR 2016), CIFAR shape, with 1x1 convolutions as shortcuts (option B); functional ReLUs;
               and the deeper ones of its family, resnet32, resnet44, resnet56
resnet18       the same paper's ImageNet network with the CIFAR stem; one ReLU module for several call sites
resnet34_224   the ImageNet network as published, for 3x224x224
vgg16          Simonyan and Zisserman (ICLR 2015) with batch norm, CIFAR shape; max pools
vgg16_224      the same for 3x224x224, 138 million weights
lenet          LeCun et al. (1998), with average pools and ReLU
mlp            two hidden layers
mlp512         one hidden layer, for 28x28 images
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganglion.frontend.torch import calibrate_thresholds, convert
from ganglion.frontend.torch.conversion import MaxPool


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, with ReLU as a function (as in most CIFAR code)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        y: Tensor = functional.relu(out + self.shortcut(x))
        return y


class ReusingBlock(nn.Module):
    """The same with one in-place ReLU module for both places (as in torchvision)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.downsample(x)
        y: Tensor = self.relu(out)
        return y


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Identity where the shape stays, otherwise a 1x1 convolution with batch norm (option B)."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """A residual network: a stem and stages that halve the image and widen it, `blocks` of them each.

    For 32x32 images the stem is a 3x3 convolution; for 224x224 (`imagenet`) a 7x7 one of stride 2 and a max pool.
    """

    def __init__(
        self,
        block: Callable[[int, int, int], nn.Module],
        widths: tuple[int, ...],
        blocks: tuple[int, ...],
        classes: int = 10,
        imagenet: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], *((7, 2, 3) if imagenet else (3, 1, 1)), bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if imagenet else nn.Identity()
        self.stages = nn.ModuleList()
        inputs = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            strides = [1 if stage == 0 else 2] + [1] * (count - 1)
            members = [block(inputs if i == 0 else width, width, stride) for i, stride in enumerate(strides)]
            self.stages.append(nn.Sequential(*members))
            inputs = width
        self.pool = nn.AvgPool2d((56 if imagenet else 32) // 2 ** (len(widths) - 1))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.fc(self.pool(x).flatten(1))
        return logits


class LeNet(nn.Module):
    """LeNet-5 for 1x28x28 images."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.avg_pool2d(torch.relu(self.conv1(x)), 2)
        x = functional.avg_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = self.fc1(x).relu()
        x = self.fc2(x).relu()
        logits: Tensor = self.fc3(x)
        return logits


def cifar_resnet(blocks: int, width: int = 16) -> nn.Module:
    """The ResNet of 6 * `blocks` + 2 layers for 32x32 images; its first stage has `width` channels."""
    return ResNet(BasicBlock, (width, 2 * width, 4 * width), (blocks,) * 3)


def resnet20() -> nn.Module:
    return cifar_resnet(3)


def resnet18() -> nn.Module:
    return ResNet(ReusingBlock, (64, 128, 256, 512), (2, 2, 2, 2))


def resnet34_224() -> nn.Module:
    return ResNet(ReusingBlock, (64, 128, 256, 512), (3, 4, 6, 3), classes=1000, imagenet=True)


def vgg16(hidden: int = 4096, classes: int = 10, image: int = 32, width: int = 64) -> nn.Module:
    layers: list[nn.Module] = []
    inputs = 3
    for times in (1, 1, 0, 2, 2, 0, 4, 4, 4, 0, 8, 8, 8, 0, 8, 8, 8, 0):  # 0: a pool
        if outputs := times * width:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            inputs = outputs
        else:
            layers.append(nn.MaxPool2d(2))
    classifier = [nn.Linear(inputs * (image // 32) ** 2, hidden), nn.ReLU(), nn.Dropout()]
    classifier += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, classes)]
    return nn.Sequential(
        OrderedDict(features=nn.Sequential(*layers), flatten=nn.Flatten(), classifier=nn.Sequential(*classifier))
    )


def mlp(*widths: int) -> nn.Module:
    """A perceptron with these widths, from the input's to that of the logits."""
    layers = OrderedDict[str, nn.Module](flatten=nn.Flatten())
    for i, (inputs, outputs) in enumerate(pairwise(widths), 1):
        layers[f"fc{i}"] = nn.Linear(inputs, outputs)
        if i < len(widths) - 1:
            layers[f"relu{i}"] = nn.ReLU()
    return nn.Sequential(layers)


class Network(NamedTuple):
    """How to make a network, and the shape of one of its inputs."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]


NETWORKS = {
    "mlp": Network(partial(mlp, 64, 48, 32, 10), (1, 8, 8)),
    "mlp512": Network(partial(mlp, 784, 512, 10), (1, 28, 28)),
    "lenet": Network(LeNet, (1, 28, 28)),
    "resnet20": Network(resnet20, (3, 32, 32)),
    "resnet32": Network(partial(cifar_resnet, 5), (3, 32, 32)),
    "resnet44": Network(partial(cifar_resnet, 7), (3, 32, 32)),
    "resnet56": Network(partial(cifar_resnet, 9), (3, 32, 32)),
    "resnet18": Network(resnet18, (3, 32, 32)),
    "resnet34_224": Network(resnet34_224, (3, 224, 224)),
    "vgg16": Network(vgg16, (3, 32, 32)),
    "vgg16_224": Network(partial(vgg16, classes=1000, image=224), (3, 224, 224)),
}


def random_images(shape: tuple[int, ...], count: int, seed: int = 0) -> Tensor:
    """`count` smooth random images (count, *shape) of 8-bit grey levels k/255, so that neighbours are alike."""
    noise = torch.rand((count, *shape), generator=torch.Generator().manual_seed(seed))
    coarse = functional.interpolate(noise[..., ::4, ::4], size=shape[1:], mode="bilinear")
    return torch.round(255 * (0.75 * coarse + 0.25 * noise)) / 255


@torch.no_grad()
def randomise(model: nn.Module, images: Tensor, seed: int = 0) -> None:
    """Give `model` a sensible state without training it: weights that keep the variance (He et al., ICCV 2015),
    batch norms with gains around 1 and small offsets whose statistics are those of `images`. Ends in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            module.weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)
            if module.bias is not None:
                module.bias.uniform_(-0.1, 0.1, generator=generator)
    for norm in norms:
        norm.weight.uniform_(0.75, 1.25, generator=generator)
        norm.bias.uniform_(-0.1, 0.1, generator=generator)
        norm.reset_running_stats()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = None  # the plain average over the batches: here, over one
    model(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def random_network(
    name: str | Network, *, levels: int = 4, seed: int = 0, percentile: float = 99.9, max_pool: MaxPool = "average"
) -> nn.Module:
    """A network, of NETWORKS where it is named, with random weights and QCFS activations, in eval mode.

    Equal seeds give equal ones.
    Max pools become average pools (or stay: "keep"), and the thresholds come from its activations on random images.
    """
    network = NETWORKS[name] if isinstance(name, str) else name
    images = random_images(network.shape, 16, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network.make()
    model.eval()  # dropout stays off while the statistics are taken
    randomise(model, images, seed)
    spiking = convert(model, levels, max_pool=max_pool)
    calibrate_thresholds(spiking, [images], percentile)
    return spiking
