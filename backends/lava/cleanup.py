"""What a Lava run may leave behind beside its processes: segments of shared memory under its name, removed."""

from __future__ import annotations

from pathlib import Path

SHM = Path("/dev/shm")


def remove_segments(run: str) -> None:
    """Remove the shared memory and semaphores of the run named `run`, and no others."""
    for segment in SHM.glob(f"*{run}*") if SHM.is_dir() else ():
        segment.unlink(missing_ok=True)
