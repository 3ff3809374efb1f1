"""report: one HTML page about a network.

run.py        `report`: checks, measures, writes
recording.py  single samples: rasters, and firing rates beside those of integrate-and-fire neurons
network.py    populations and edges; columns.py and layout.py: where they stand
data.py       all figures as plain data; page.py: the page around it
result.py     what goes in, `ReportData`, and what comes out, `Report`
page/         the page's markup, style and scripts
vendor/       the libraries that it draws with
"""

from __future__ import annotations

from .result import Report
from .run import report

__all__ = ["Report", "report"]
