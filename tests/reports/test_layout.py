"""No population covers another, no edge passes through one, and the same network is always drawn the same way."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganglion.reports.columns import crossings, folds, rows_of
from ganglion.reports.layout import BELOW, HEIGHT, WIDTH, Layout, layout

Network = tuple[list[int], list[tuple[int, int]]]


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Levels and edges: every node but the first reads one of the level before, and some any earlier ones."""
    widths = [1, *draw(st.lists(st.integers(1, 3), min_size=1, max_size=30))]
    levels = [level for level, width in enumerate(widths) for _ in range(width)]
    edges = set()
    for node, level in enumerate(levels[1:], 1):
        before = [n for n, at in enumerate(levels) if at == level - 1]
        edges.add((draw(st.sampled_from(before)), node))
        earlier = [n for n, at in enumerate(levels) if at < level]
        edges |= {(n, node) for n in draw(st.lists(st.sampled_from(earlier), max_size=3))}
    return levels, sorted(edges)


def dense(blocks: int) -> Network:
    """A chain in which every node reads all earlier ones."""
    return list(range(blocks)), list(combinations(range(blocks), 2))


def through(found: Layout, edges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(edge, node) where an edge has a point strictly inside a population's box."""
    wrong = []
    for e, path in enumerate(found.paths):
        for (x1, y1), (x2, y2) in pairwise(path):
            for n, (x, y) in enumerate(found.nodes):
                if meets(x1 - x, y1 - y, x2 - x, y2 - y, WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5):
                    wrong.append((e, n))
    return wrong


def meets(x1: float, y1: float, x2: float, y2: float, half_width: float, half_height: float) -> bool:
    """Whether the segment meets the box around the origin (Liang and Barsky, ACM TOG 3(1), 1984)."""
    start, end = 0.0, 1.0
    for p, q in (
        (x1 - x2, x1 + half_width),
        (x2 - x1, half_width - x1),
        (y1 - y2, y1 + half_height),
        (y2 - y1, half_height - y1),
    ):
        if p == 0:
            if q < 0:
                return False
        elif p < 0:
            start = max(start, q / p)
        else:
            end = min(end, q / p)
    return start <= end


@given(networks(), st.sampled_from([0.4, 0.7, 1.9, 4.0]))
def test_nothing_covers_anything(network: Network, aspect: float) -> None:
    levels, edges = network
    found = layout(levels, edges, aspect)
    for (x1, y1), (x2, y2) in combinations(found.nodes, 2):
        assert abs(x1 - x2) > WIDTH or abs(y1 - y2) > HEIGHT
    assert through(found, edges) == []
    assert found == layout(levels, edges, aspect)


@given(networks())
def test_every_edge_begins_and_ends_at_its_populations(network: Network) -> None:
    levels, edges = network
    found = layout(levels, edges, 1.9)
    for (source, target), path in zip(edges, found.paths, strict=True):
        for (x, y), node in ((path[0], source), (path[-1], target)):
            beside, below = abs(x - found.nodes[node][0]), abs(y - found.nodes[node][1])
            assert beside == WIDTH / 2 or below == HEIGHT / 2
            assert beside <= WIDTH / 2
            assert below <= HEIGHT / 2
        for x, y in path:
            assert found.left <= x <= found.left + found.width
            assert found.top <= y <= found.top + found.height


@given(networks())
def test_levels_go_down_and_columns_to_the_right(network: Network) -> None:
    levels, edges = network
    found = layout(levels, edges, 1.9)
    for (a, level), (b, other) in combinations(enumerate(levels), 2):
        (xa, ya), (xb, yb) = found.nodes[a], found.nodes[b]
        if level < other:
            assert ya < yb or xb - xa > 0
        else:
            assert ya == yb


def test_sources_on_one_lane_do_not_meet() -> None:
    """In a chain in which everything reads everything, no two sources' edges lie upon each other vertically."""
    levels, edges = dense(40)
    found = layout(levels, edges, 1.9)
    upright: dict[float, dict[int, tuple[float, float]]] = {}
    for (source, _), path in zip(edges, found.paths, strict=True):
        for (x1, y1), (x2, y2) in pairwise(path):
            if x1 == x2 and len(path) > 2:
                low, high = upright.setdefault(x1, {}).get(source, (min(y1, y2), max(y1, y2)))
                upright[x1][source] = min(low, y1, y2), max(high, y1, y2)
    assert len(upright) > 10
    for spans in upright.values():
        for (low, high), (other_low, other_high) in combinations(spans.values(), 2):
            assert high < other_low or other_high < low


@pytest.mark.parametrize("aspect", [0.5, 1.0, 2.0, 4.0])
def test_a_deep_network_is_folded_to_the_wanted_shape(aspect: float) -> None:
    levels = list(range(120))
    found = layout(levels, list(pairwise(levels)), aspect)
    assert 0.7 < found.width / found.height / aspect < 1.4


def test_a_chain_of_three_is_not_folded_on_a_phone() -> None:
    found = layout([0, 1, 2], [(0, 1), (1, 2)], 0.5)
    assert len({x for x, _ in found.nodes}) == 1
    assert found.nodes[1][1] - found.nodes[0][1] == HEIGHT + BELOW


def test_rows_are_ordered_by_their_neighbours() -> None:
    """Two chains side by side that are listed crosswise come out uncrossed."""
    levels = [0, 0, 1, 1, 2, 2]
    rows = rows_of(levels, [(0, 3), (1, 2), (3, 4), (2, 5)])
    assert rows in ([[0, 1], [3, 2], [4, 5]], [[1, 0], [2, 3], [5, 4]])


def test_folds_are_where_few_edges_cross() -> None:
    """Two blocks in which everything reads everything: the fold is between them, not in the middle."""
    edges = [*combinations(range(10), 2), (9, 10), *((a + 10, b + 10) for a, b in combinations(range(13), 2))]
    cuts = crossings([[n] for n in range(23)], edges)
    assert (cuts[9], cuts[10], cuts[11]) == (1, 1, 2)
    assert folds(cuts, 2) == [0, 11]  # behind the first of the second block, which alone is read further down
    assert folds(cuts, 1) == [0]
