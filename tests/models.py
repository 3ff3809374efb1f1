"""The example networks for tests. Import it after `pytest.importorskip("torch")`.

`examples` is no package and not on the path (the root's `ir`, `frontend`, ... must not be importable), so its files
are loaded by their location, once.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def load_example(name: str) -> ModuleType:
    """examples/`name`.py as the module `examples.<name>`."""
    qualified = f"examples.{name}"
    if qualified not in sys.modules:
        spec = importlib.util.spec_from_file_location(qualified, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[qualified] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
    return sys.modules[qualified]


if TYPE_CHECKING:
    from examples import digits, models
else:
    digits, models = load_example("digits"), load_example("models")

__all__ = ["digits", "load_example", "models"]
