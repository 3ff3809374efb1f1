"""A data set that is made, not kept: textured shapes on 32x32 colour images, in ten classes.

    python examples/textures.py PICTURE.png

draws some of every class. The class is the shape (one of five) and the texture (one of two) of the large object;
around it, behind it and before it lie small shapes with textures of their own, bars, a slope of colours, and noise.
Position, size, rotation, colours, and the texture's width, rotation and contrast are drawn at random.

Only additions, multiplications, divisions and comparisons are used, which IEEE 754 fixes to the bit, so that a seed
gives the same images on every machine; a rotation is taken from the rational points of the circle for that reason.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHAPES = ("disc", "square", "triangle", "cross", "ring")
TEXTURES = ("stripes", "checks")
CLASSES = tuple(f"{texture} {shape}" for shape, texture in product(SHAPES, TEXTURES))
SIDE = 32
BLOCK = 500  # images made at once
Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Difficulty:
    """How hard the images are.

    clutter, bars  small shapes behind the object (one more lies before it), and bars before it
    noise          grey levels: the most that noise adds or takes
    centre         how far the object's centre is from the image's, at most; 1: 16 pixels
    radius         of the object, least and most; 1: 16 pixels
    rate           stripes or checks to a radius, least and most
    contrast       grey levels between the two colours of its texture, least and most
    """

    clutter: int
    bars: int
    noise: float
    centre: float
    radius: tuple[float, float]
    rate: tuple[float, float]
    contrast: tuple[float, float]


EASY = Difficulty(
    clutter=3, bars=1, noise=45.0, centre=0.3, radius=(0.5, 0.85), rate=(2.0, 3.5), contrast=(50.0, 160.0)
)  # to begin a training with
HARD = Difficulty(
    clutter=5, bars=2, noise=60.0, centre=0.35, radius=(0.42, 0.78), rate=(2.0, 4.5), contrast=(40.0, 150.0)
)


def textures(count: int, seed: int, difficulty: Difficulty = HARD) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`count` images (count, 3, 32, 32) and their classes (count,), which take turns: i % 10.

    The first images of a larger `count` are those of a smaller one; different seeds have nothing in common.
    """
    images = np.empty((count, 3, SIDE, SIDE), np.uint8)
    labels = np.arange(count) % len(CLASSES)
    for block, first in enumerate(range(0, count, BLOCK)):
        part = images[first : first + BLOCK]
        drawn = _draw(np.random.Generator(np.random.PCG64([seed, block])), np.arange(BLOCK) % len(CLASSES), difficulty)
        part[:] = drawn[: len(part)]
    return images, labels


def _draw(rng: np.random.Generator, labels: NDArray[np.int64], d: Difficulty) -> NDArray[np.uint8]:
    n = len(labels)
    image = _background(rng, n)
    for _ in range(d.clutter):
        _clutter(rng, image)
    u, v = _frame(rng, n, d.centre, *d.radius)
    shape, texture = np.divmod(labels, len(TEXTURES))
    _paint(image, _inside(shape, u, v), _texture(rng, texture, u, v, *d.rate), *_colours(rng, n, *d.contrast))
    _clutter(rng, image)
    for _ in range(d.bars):
        u, v = _frame(rng, n, centre=0.9, low=0.05, high=0.11)
        _paint(image, np.abs(u) <= 1, np.ones(u.shape, bool), *_colours(rng, n, 0.0, 0.0))
    noise = rng.random((3, *image.shape)).sum(axis=0) / 1.5 - 1  # three uniform values: near enough to a normal one
    strength = d.noise * _uniform(rng, n, 0.3, 1.0)[..., None]
    grey: NDArray[np.uint8] = np.clip(np.floor(image + strength * noise), 0, 255).astype(np.uint8)
    return grey


def _uniform(rng: np.random.Generator, n: int, low: float, high: float) -> Values:
    """One value an image, (n, 1, 1)."""
    return low + (high - low) * rng.random((n, 1, 1))


def _rotation(rng: np.random.Generator, n: int) -> tuple[Values, Values]:
    """Cosine and sine of a random angle, from a rational point of a quarter of the circle and a quarter turn or not."""
    t = rng.random((n, 1, 1))
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    turned, back = rng.random((n, 1, 1)) < 0.5, rng.random((n, 1, 1)) < 0.5
    cosine, sine = np.where(turned, -sine, cosine), np.where(turned, cosine, sine)
    sign = np.where(back, -1.0, 1.0)
    return sign * cosine, sign * sine


def _frame(rng: np.random.Generator, n: int, centre: float, low: float, high: float) -> tuple[Values, Values]:
    """The pixels (n, 32, 32) as an object sees them: moved, turned, and with its radius as the unit."""
    axis = (np.arange(SIDE) + 0.5) / (SIDE / 2) - 1
    x = axis[None, None, :] - _uniform(rng, n, -centre, centre)
    y = axis[None, :, None] - _uniform(rng, n, -centre, centre)
    (cosine, sine), radius = _rotation(rng, n), _uniform(rng, n, low, high)
    return (cosine * x + sine * y) / radius, (cosine * y - sine * x) / radius


def _inside(shape: NDArray[np.int64], u: Values, v: Values) -> Mask:
    """Whether the pixels are in the shape of their image; all have about the same area."""
    square, a, b = u * u + v * v, np.abs(u), np.abs(v)
    shapes = (
        square <= 0.75,
        np.maximum(a, b) <= 0.77,
        (v >= -0.62) & (v + 1.732 * a <= 1.1),
        (np.minimum(a, b) <= 0.36) & (np.maximum(a, b) <= 1.0),
        (square <= 1.0) & (square >= 0.25),
    )
    chosen = shape[:, None, None]
    inside: Mask = np.select([chosen == i for i in range(len(shapes))], shapes, default=False)
    return inside


def _texture(
    rng: np.random.Generator, texture: NDArray[np.int64], u: Values, v: Values, low: float, high: float
) -> Mask:
    """Which of two colours a pixel has: stripes or checks, `low` to `high` of them to a radius."""
    n = len(texture)
    (cosine, sine), rate = _rotation(rng, n), _uniform(rng, n, low, high)
    along = np.floor(rate * (cosine * u + sine * v) + _uniform(rng, n, 0, 2))
    across = np.floor(rate * (cosine * v - sine * u) + _uniform(rng, n, 0, 2))
    first: Mask = np.where(texture[:, None, None] == 0, along, along + across) % 2 == 0
    return first


def _colours(rng: np.random.Generator, n: int, low: float, high: float) -> tuple[Values, Values]:
    """Two colours (n, 3, 1, 1) that differ by `low` to `high` in lightness."""
    mean = 40 + 175 * rng.random((n, 3, 1, 1))
    apart = (_uniform(rng, n, low, high) * np.where(rng.random((n, 1, 1)) < 0.5, -0.5, 0.5))[..., None]
    return mean + apart, mean - apart


def _background(rng: np.random.Generator, n: int) -> Values:
    """A slope between two colours in a random direction, (n, 3, 32, 32)."""
    u, _ = _frame(rng, n, centre=0.0, low=1.4, high=1.4)
    share = (0.5 + 0.5 * u)[:, None]
    one, other = (40 + 175 * rng.random((n, 3, 1, 1)) for _ in range(2))
    image: Values = one + (other - one) * share
    return image


def _clutter(rng: np.random.Generator, image: Values) -> None:
    """A small shape with a texture, anywhere."""
    n = len(image)
    u, v = _frame(rng, n, centre=0.95, low=0.15, high=0.34)
    shape, texture = (np.floor(rng.random(n) * len(of)).astype(np.int64) for of in (SHAPES, TEXTURES))
    _paint(image, _inside(shape, u, v), _texture(rng, texture, u, v, 1.0, 2.0), *_colours(rng, n, 0.0, 150.0))


def _paint(image: Values, inside: Mask, first: Mask, one: Values, other: Values) -> None:
    np.copyto(image, np.where(first[:, None], one, other), where=inside[:, None])


def picture(each: int = 8, seed: int = 0, scale: int = 2) -> NDArray[np.uint8]:
    """`each` images of every class, a row a class, with a gap between them, (height, width, 3)."""
    images, _ = textures(each * len(CLASSES), seed)
    tiles = images.reshape(each, len(CLASSES), 3, SIDE, SIDE).repeat(scale, axis=3).repeat(scale, axis=4)
    tiles = np.pad(tiles, ((0, 0), (0, 0), (0, 0), (1, 1), (1, 1)), constant_values=255)
    side = tiles.shape[-1]
    whole: NDArray[np.uint8] = tiles.transpose(1, 3, 0, 4, 2).reshape(len(CLASSES) * side, each * side, 3)
    return whole


def main() -> None:
    from matplotlib.image import imsave

    parser = argparse.ArgumentParser(description="draw images of every class")
    parser.add_argument("picture", type=Path, metavar="PICTURE.png")
    imsave(parser.parse_args().picture, picture())


if __name__ == "__main__":
    main()
