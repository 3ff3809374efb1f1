"""A mapping for a page: verdict, populations with the share they take of every resource, mesh, conditions, costs.

The pages of `inspect` and `report` both hold this; it needs `chip.css`, no script and nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from ganglion.ir import dims
from ganglion.ir.html import table

from . import words
from .mesh import chips_of, colours, mesh_of
from .picture import svg
from .result import Check, MappedLayer, Mapping
from .text import Kept


def style() -> str:
    """The style sheet of `fragment`."""
    return (files("ganglion.mapping") / "chip.css").read_text(encoding="utf-8")


def fragment(kept: Kept) -> str:
    """The mapping as HTML below a heading of the page, or what is wrong with it."""
    m = kept.mapping
    if m is None:
        return f'<div class="on-chip"><p class="chip-verdict no">{escape(kept.problem)}</p></div>'
    kind = {"yes": "yes", "no": "no"}.get(m.fits, "assumed")
    parts = [
        f'<p class="chip-verdict {kind}"><strong>Fits {escape(m.target)}, {escape(m.form)} form: {m.fits}.</strong> '
        f"{escape(_sentence(words.verdict(m)))}</p>",
        "".join(f"<p>{escape(_sentence(line))}</p>" for line in words.helps(m)),
        _layers(m),
        _mesh(m),
        _checks(m),
        _costs(m),
    ]
    return f'<div class="on-chip">{"".join(parts)}</div>'


def notebook(mapping: Mapping) -> str:
    """Populations, verdict and mesh for a notebook."""
    notes = [f"fits: {mapping.fits}; {words.verdict(mapping)}", *words.helps(mapping)]
    shown = table(words.title(mapping), *words.layers(mapping), text=2, notes=notes)
    return shown if mapping.placement is None else f'{shown}<div class="ganglion">{svg(mapping)}</div>'


def _layers(m: Mapping) -> str:
    shades, chips = colours(m), chips_of(m)
    resources = list(dict.fromkeys(name for layer in m.layers for name in layer.limits))
    left = ["population", "shape", "members", "tile", "cores", *(["chips"] if m.chips > 1 else [])]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in (*left, *resources))
    body = "".join(_layer(m, x, shades[x.name], chips[x.name], resources) for x in m.layers)
    note = "Of every resource the share that the fullest core takes of what a core has; the one that binds is bold."
    return (
        f'<p>{note}</p><div class="chip-scroll" tabindex="0" role="region" aria-label="Populations and resources">'
        f'<table class="chip-layers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _layer(m: Mapping, x: MappedLayer, shade: str, chips: str, resources: Iterable[str]) -> str:
    swatch = (
        f'<svg class="swatch" viewBox="0 0 1 1" aria-hidden="true"><rect width="1" height="1" fill="{shade}"/></svg>'
    )
    name = f"{swatch}{escape(x.name)}"
    name += f'<small class="no">{escape(x.binding)}</small>' if x.broken else ""
    cells = [dims(x.shape), str(x.members), dims(x.extents), f"{'≥ ' if x.broken else ''}{x.cores:,}"]
    cells += [chips] if m.chips > 1 else []
    bars = "".join(_bar(x, resource) for resource in resources)
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}{bars}</tr>'


def _bar(x: MappedLayer, resource: str) -> str:
    if resource not in x.limits:
        return "<td></td>"
    share = x.utilisation[resource]
    said = f"{100 * share:,.1f}\u00a0%"
    kind = "over" if share > 1 else "binds" if resource == x.binding.split(",")[0] else ""
    width = f"{100 * min(share, 1):.1f}"
    return (
        f'<td class="share {kind}" title="{x.use[resource]:,} of {x.limits[resource]:,}">{said}<svg class="chip-bar" '
        'viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="whole" width="100" height="6"/>'
        f'<rect class="part" width="{width}" height="6"/></svg></td>'
    )


def _mesh(m: Mapping) -> str:
    if m.placement is None:
        return (
            "<p>It is not placed, and so has no mesh; the numbers of cores are what the other limits need at least.</p>"
        )
    mesh = mesh_of(m)
    bare = "; outlined places have none" if len(mesh.bare) else ""
    what = (
        f"the mean over {words.count(m.samples, 'sample')}"
        if m.samples
        else "as if every member fired at every step, since no spikes were measured"
    )
    told = f" Busiest: {mesh.busiest}." if mesh.busiest else ""
    return (
        '<figure class="chip-mesh"><figcaption>The mesh. Small squares are cores in the colours above, grey ones are '
        f"free{bare}; tiles of cores are joined by links, drawn the thicker the more messages pass in a time-step, "
        f"both ways together, along the row first and then the column ({what}).{escape(told)}</figcaption>"
        f'<div class="chip-scroll" tabindex="0" role="region" aria-label="The mesh">{svg(m)}</div></figure>'
    )


def _checks(m: Mapping) -> str:
    """Those that fail or are assumed in the open; those that pass fold out."""
    left, passed = words.open_checks(m), [c for c in m.checks if c.verdict == "pass"]
    told = f"<h3>Conditions</h3>{_conditions(left)}" if left else ""
    if not passed:
        return told
    more = words.count(len(passed), "condition")
    return f"{told}<details><summary>{more} that pass</summary>{_conditions(passed)}</details>"


def _conditions(checks: Sequence[Check]) -> str:
    headings = ["verdict", "condition", "of", "what is known"]
    headings += ["what would help"] if any(check.remedy for check in checks) else []
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    groups: dict[tuple[str, str, str], list[Check]] = {}
    for check in checks:
        groups.setdefault((check.verdict, check.name, check.remedy), []).append(check)
    body = ""
    for (verdict, name, remedy), same in groups.items():
        kind = {"pass": "yes", "fail": "no"}.get(verdict, "assumed")
        of, known = escape(same[0].where), escape(same[0].detail)
        if len(same) > 1:
            lines = "".join(f"<li>{escape(c.where)}: {escape(c.detail)}</li>" for c in same)
            of, known = (
                words.count(len(same), "population"),
                f"<details><summary>{known}, ...</summary><ul>{lines}</ul></details>",
            )
        cells = f"<td>{escape(name)}</td><td>{of}</td><td>{known}</td>"
        cells += f"<td>{escape(remedy)}</td>" if len(headings) > 4 else ""
        body += f'<tr><th scope="row" class="{kind}">{words.WORDS[verdict]}</th>{cells}</tr>'
    rows = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="chip-scroll"><table class="chip-checks">{rows}</table></div>'


def _costs(m: Mapping) -> str:
    pairs = words.costs(m) | {"counted": m.costs["included"], "not counted": m.costs["excluded"]}
    body = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs.items())
    return f'<h3>Costs</h3><dl class="chip-costs">{body}</dl>'


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}" + ("" if line.endswith(".") else ".")
