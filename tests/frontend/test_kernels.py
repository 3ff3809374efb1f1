"""Whether 8-bit kernels saturate."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganglion.frontend.kernels import kernels_saturate

PROCESSOR = Path("/proc/cpuinfo")


@pytest.mark.skipif(not PROCESSOR.exists(), reason="only Linux says in a file what the processor can do")
def test_x86_saturates_without_dot_products() -> None:
    words = set(PROCESSOR.read_text().split())
    assert kernels_saturate() == ("sse2" in words and not words & {"avx512_vnni", "avx_vnni"})
