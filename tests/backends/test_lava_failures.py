"""However a run ends, its reason is told, and no process and no shared memory stays."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ganglion.backends.lava import emit, run
from ganglion.errors import EngineError

from . import networks
from .conftest import Remains

pytestmark = pytest.mark.lava
MANY = 20_000  # samples: minutes


@pytest.fixture
def bundle(tmp_path: Path, lava_python: Path) -> Path:
    return emit(networks.mlp(), tmp_path / "bundle")


def failure(bundle: Path, remains: Remains, victim: str) -> str:
    """Kill a process of a long run, and return the error."""
    codes = networks.codes(networks.mlp(), MANY)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run, bundle, codes, timeout=100)
        main = remains.main()
        remains.wait(lambda: len(remains.segments()) > 20)
        os.kill(main if victim == "main" else leaf(main), signal.SIGKILL)
        with pytest.raises(EngineError) as caught:
            future.result()
    return str(caught.value)


def leaf(main: int) -> int:
    """The last child of the main program but one: Lava starts its runtime service last."""
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    return int(children[-2])


def test_the_main_program_is_killed(bundle: Path) -> None:
    remains = Remains(bundle)
    message = failure(bundle, remains, "main")
    assert "'mlp' (graded form): the main program was killed by signal 9" in message
    assert remains.gone()


def test_a_leaf_process_is_killed(bundle: Path) -> None:
    remains = Remains(bundle)
    message = failure(bundle, remains, "leaf")
    killed = re.search(r"process '(.*)' was killed by signal 9", message)
    assert killed, message
    assert killed[1] in {"image", "fc1", "relu1", "fc2", "relu2", "fc3", "logits", "relu1#recorder"} | {
        "relu2#recorder",
        "logits#recorder",
    }
    assert remains.gone()


def test_the_time_limit(bundle: Path) -> None:
    remains = Remains(bundle)
    codes = networks.codes(networks.mlp(), MANY)
    with ThreadPoolExecutor(1) as pool:
        begin = time.monotonic()
        future = pool.submit(run, bundle, codes, timeout=4)
        remains.main()
        with pytest.raises(EngineError, match=re.escape("the Lava run of 'mlp' (graded form) passed its limit of 4 s")):
            future.result()
    assert time.monotonic() - begin < 12
    assert remains.gone()


@pytest.mark.parametrize("form", ["graded", "cluster"])
def test_an_exception_in_a_model(form: str, bundle: Path) -> None:
    """A potential past 24 bits: what the compiler proves impossible, forced by larger codes than the network has."""
    program = bundle / "network.py"
    text = program.read_text()
    assert "exponent=1)" in text
    program.write_text(text.replace("exponent=1)", "exponent=12)"))
    codes = np.full((2, 2, 3, 4), 32767)
    with pytest.raises(EngineError) as caught:
        run(bundle, codes, form=form, timeout=60)
    message = str(caught.value)
    name = "relu1" if form == "graded" else r"relu1#\d"
    assert re.search(rf"process '{name}' failed at step 1:", message), message  # said by the process itself
    assert "OverflowError: membrane potentials" in message
    assert re.search(rf"error: .*process '{name}' failed, see above", message), message  # said by the main program


def test_an_exception_while_building(bundle: Path) -> None:
    program = bundle / "network.py"
    program.write_text(
        program.read_text().replace("    return Network(", '    raise ValueError("edited")\n    return Network(')
    )
    with pytest.raises(EngineError, match="ValueError: edited"):
        run(bundle, networks.codes(networks.mlp(), 1), timeout=60)


@pytest.fixture
def scratch() -> Iterator[dict[str, str]]:
    """An environment whose temporary files are removed, for programs that get no chance to do it (and a short path:
    Lava makes a socket below it)."""
    folder = tempfile.mkdtemp(prefix="test-")
    yield os.environ | {"TMPDIR": folder}
    shutil.rmtree(folder)


CALLER = """
import sys, numpy as np
from ganglion.backends.lava import run
run(sys.argv[1], np.zeros((20000, 2, 3, 4), np.int32), timeout=100)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -2), (signal.SIGKILL, -9)])
def test_the_caller_is_stopped(number: signal.Signals, code: int, bundle: Path, scratch: dict[str, str]) -> None:
    """Also when the process that called `run` has no chance to clean up."""
    remains = Remains(bundle)
    caller = subprocess.Popen([sys.executable, "-c", CALLER, str(bundle)], stderr=subprocess.DEVNULL, env=scratch)
    try:
        remains.main()
        remains.wait(lambda: len(remains.segments()) > 20)
        caller.send_signal(number)
        assert caller.wait(timeout=20) == code
    finally:
        caller.kill()
        caller.wait()
    assert remains.gone()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_by_hand_it_is_stopped(
    number: signal.Signals, code: int, bundle: Path, tmp_path: Path, lava_python: Path, scratch: dict[str, str]
) -> None:
    """Without the runner: the program looks after itself."""
    np.save(tmp_path / "codes.npy", networks.codes(networks.mlp(), MANY))
    remains = Remains(bundle)
    command = [str(lava_python), f"{bundle}/network.py", "--input", "codes.npy", "--output", "out.npz"]
    before = set(os.listdir("/dev/shm"))
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=scratch
    )
    assert process.stderr is not None
    try:
        main = remains.main()
        remains.run = f"ganglion_{main:x}_"
        remains.wait(lambda: len(remains.segments()) > 20)
        process.send_signal(number)
        assert process.wait(timeout=20) == code
    finally:
        process.kill()
        process.wait()
    assert remains.gone()
    text = process.stderr.read()
    process.stderr.close()
    assert "Traceback" not in text
    assert not {name for name in set(os.listdir("/dev/shm")) - before if remains.run in name}
