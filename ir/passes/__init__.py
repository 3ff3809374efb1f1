"""The passes, in the order in which they run. Each is a plain function from graph to graph, one file each."""

from __future__ import annotations

from .choose_kernels import choose_kernels
from .compose import compose
from .expand_clusters import expand_clusters
from .group import group
from .quantize import quantize
from .runner import Pass, run
from .schedule import schedule

__all__ = ["Pass", "choose_kernels", "compose", "expand_clusters", "group", "quantize", "run", "schedule"]
