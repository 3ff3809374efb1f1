"""The page: one HTML file with its style, its scripts, the libraries and the data inside."""

from __future__ import annotations

import html
import json
import re
from importlib.resources import files

from ganglion.errors import InternalError
from ganglion.mapping import kept_in
from ganglion.mapping.page import fragment
from ganglion.mapping.page import style as chip_style

from .data import as_plain
from .result import ReportData

SCRIPTS = ("base.js", "summary.js", "graph.js", "panel.js", "ledger.js", "charts.js", "raster.js", "main.js")
LIBRARIES = ("cytoscape.min.js", "echarts.common.min.js")
LICENCES = ("cytoscape.LICENSE", "echarts.NOTICE", "echarts.LICENSE-d3")


def page(data: ReportData) -> str:
    """The report as HTML: it reads nothing from anywhere else, and its own policy forbids it to."""
    given, kept = as_plain(data), kept_in(data.net)
    own = "\n".join(_text(f"page/{name}") for name in SCRIPTS)
    parts = {
        "title": html.escape(f"{data.net.name}: ganglion report"),
        "style": _text("page/style.css") + chip_style(),
        "data": as_script_data(given),
        "chip": "" if kept is None else fragment(kept),
        "libraries": "\n".join(f"<script>{_inlined(f'vendor/{name}')}</script>" for name in LIBRARIES),
        "script": f'<script>(() => {{\n"use strict";\n{own}\n}})();</script>',
        "licences": "".join(f"<pre>{html.escape(_text(f'vendor/{name}'))}</pre>" for name in LICENCES),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("page/page.html"))


def as_script_data(value: object) -> str:
    """JSON that may stand in a script element: nothing in it can end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _inlined(name: str) -> str:
    text = _text(name)
    if "</script" in text.lower() or "<!--" in text:
        raise InternalError(f"{name} cannot stand in a script element")
    return text


def _text(name: str) -> str:
    return files("ganglion.reports").joinpath(name).read_text(encoding="utf-8")
