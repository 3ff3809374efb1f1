"""The mesh as SVG: chips, cores coloured by population, links as thick as the messages that they carry.

Text and lines take the colour of the text around the picture, so that it need not know whether that is dark. Cores and
links that look alike are one path: the picture of thousands of cores stays small.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np

from ganglion.ir import Array

from .mesh import STROKE, Chip, Mesh, chips_of, colours, mesh_of
from .result import Mapping

SQUARE = 0.9  # of a core, of the square that it has
WIDTHS = (0.12, 0.22, 0.34, 0.48, 0.62, 0.78, 0.95)  # of links that carry something
SCALE = 17  # pixels of a core's square at most


def svg(mapping: Mapping, *, alone: bool = False) -> str:
    """The picture of a mapping that is placed, as an element for a page, or `alone` as a file."""
    mesh = mesh_of(mapping)
    shades, where = colours(mapping), chips_of(mapping)
    parts = []
    for chip in mesh.chips:
        frame = f'width="{_n(mesh.frame[0])}" height="{_n(mesh.frame[1])}"'
        parts.append(
            f'<rect x="{_n(chip.x)}" y="{_n(chip.y)}" {frame} rx="0.6" fill="none" stroke="currentColor" '
            f'stroke-width="{STROKE}" stroke-opacity="0.55"/>'
        )
        parts += [_text(words, chip.x, y) for words, y in _labels(chip, mesh)]
    parts += _links(mesh.links, mesh.messages)
    if len(mesh.free):
        parts.append(f'<path fill="currentColor" fill-opacity="0.1" d="{_squares(mesh.free)}"/>')
    if len(mesh.bare):
        look = 'fill="none" stroke="currentColor" stroke-width="0.06" stroke-opacity="0.3"'
        parts.append(f'<path {look} d="{_squares(mesh.bare)}"/>')
    for layer in mapping.layers:
        title = f"{layer.name}: {layer.cores} {'core' if layer.cores == 1 else 'cores'}"
        title += f" on chip {where[layer.name]}" if mapping.chips > 1 else ""
        path = f'<path d="{_squares(mesh.cores[layer.name])}"/>'
        parts.append(f'<g fill="{shades[layer.name]}"><title>{escape(title)}</title>{path}</g>')
    label = f"{mapping.core_count} cores of {mapping.target} on {mapping.chips} chips"
    wide = " wide" if mapping.chips > 1 else ""
    head = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    return (
        f'<svg{head} class="mesh{wide}" role="img" aria-label="{escape(label)}" viewBox="0 0 {_n(mesh.width)} '
        f'{_n(mesh.height)}" width="{round(SCALE * mesh.width)}" height="{round(SCALE * mesh.height)}" '
        f'font-family="system-ui, sans-serif" font-size="{mesh.text}" fill="currentColor">{"".join(parts)}</svg>'
    )


def widths(messages: Array) -> Array:
    """How thick each link is drawn, in sides of a core's square; 0 where nothing goes over it."""
    most = messages.max(initial=0.0)
    share = np.sqrt(messages / most) if most > 0 else messages  # its square is the traffic: small ones stay visible
    place = np.minimum((share * len(WIDTHS)).astype(int), len(WIDTHS) - 1)
    return np.where(messages > 0, np.array(WIDTHS)[place], 0.0)


def _labels(chip: Chip, mesh: Mesh) -> Iterable[tuple[str, float]]:
    """What is written at a chip, and the height of its base line."""
    yield chip.above, chip.y - 0.5
    if chip.below:
        yield chip.below, chip.y + mesh.frame[1] + mesh.text + 0.2


def _text(words: str, x: float, y: float) -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}">{escape(words)}</text>'


def _links(links: Array, messages: Array) -> Iterable[str]:
    thick = widths(messages)
    for width in np.unique(thick):
        of_it = links[thick == width]
        d = "".join(f"M{_n(a)} {_n(b)}" + (f"h{_n(c - a)}" if b == e else f"v{_n(e - b)}") for a, b, c, e in of_it)
        look = (
            f'stroke-width="{_n(width)}" stroke-opacity="0.7"' if width else 'stroke-width="0.08" stroke-opacity="0.2"'
        )
        yield f'<path fill="none" stroke="currentColor" {look} d="{d}"/>'


def _squares(corners: Array) -> str:
    side = _n(SQUARE)
    return "".join(f"M{_n(x)} {_n(y)}h{side}v{side}h-{side}z" for x, y in corners)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
