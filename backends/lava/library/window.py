"""When a population is active."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Windows of `steps` time-steps, `samples` of them back to back, the first at global step `level`.

    Local step t of sample k is global step `level + k * steps + t`; global steps count from 0.
    """

    level: int
    steps: int
    samples: int

    def __post_init__(self) -> None:
        if self.level < 0 or self.steps < 1 or self.samples < 1:
            raise ValueError(f"not a window: {self}")

    def local(self, step: int) -> int | None:
        """The local step at global step `step`; None outside of all windows."""
        since = step - self.level
        return since % self.steps if 0 <= since < self.samples * self.steps else None

    def sample(self, step: int) -> int:
        """The sample at global step `step`, which must be inside a window."""
        return (step - self.level) // self.steps
