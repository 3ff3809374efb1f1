"""What can go wrong, and whose fault it is.

    GanglionError
    |-- CompileError    the model cannot become a spiking network; names the ONNX nodes and the remedy
    |-- InputError      a file, an array or an option is not what it should be
    |-- EngineError     an engine outside this process (Lava) failed, hung or is not installed
    `-- InternalError   a bug in ganglion: an invariant of the IR does not hold

The first three are answers to the user and print without a traceback; `InternalError` is not.
"""

from __future__ import annotations

from collections.abc import Sequence


class GanglionError(Exception):
    """Base of every error that ganglion raises on purpose.

    `message` says what is wrong, `hint` what to do about it.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message + (f"\n  hint: {self.hint}" if self.hint else "")


class CompileError(GanglionError):
    """The model cannot be compiled.

    `origin` holds the names of the ONNX nodes (or IR ops) that stand in the way.
    """

    def __init__(self, message: str, *, origin: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.origin = tuple(origin)

    def __str__(self) -> str:
        where = f"{', '.join(self.origin)}: " if self.origin else ""
        return where + super().__str__()


class InputError(GanglionError):
    """A file, an array or an option that the user gave is not usable."""


class EngineError(GanglionError):
    """An engine in another process could not run, failed, or passed its time limit."""


class InternalError(GanglionError):
    """A bug in ganglion. `ir_text` is the network at the moment it was noticed."""

    def __init__(self, message: str, *, ir_text: str = "") -> None:
        super().__init__(message, hint="this is a bug in ganglion; please report it with the text above")
        self.ir_text = ir_text


class GanglionWarning(UserWarning):
    """Something the user should know that does not stop the work."""
