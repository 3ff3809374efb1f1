"""Compiled loops kept on disk, for several processes at a time.

numba writes the index of its cache before the code that the index names, and two processes that add to one index
number their files alike: a third, or one of them, may then be given the code of another function, of other types or
another number of members, and run it. So every look into the cache and every addition is done under a lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

from filelock import FileLock, Timeout
from numba import njit
from numba.core.caching import FunctionCache

F = TypeVar("F", bound=Callable[..., Any])

PATIENCE = 60.0  # seconds; no process holds the lock for more than a few milliseconds


class SharedCache(FunctionCache):
    """numba's cache of one function, which one process at a time reads or writes."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with self._alone() as alone:
            load: Any = super().load_overload
            return load(sig, target_context) if alone else None  # then it is compiled again

    def save_overload(self, sig: Any, data: Any) -> None:
        with self._alone() as alone:
            save: Any = super().save_overload
            if alone:
                save(sig, data)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this process has the cache for itself; not, where no lock is to be had."""
        lock = FileLock(os.path.join(self.cache_path, "loops.lock"), timeout=PATIENCE)
        try:
            os.makedirs(self.cache_path, exist_ok=True)
            lock.acquire()
        except (OSError, Timeout):
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


def compile_shared(function: F) -> F:
    """`function`, compiled by numba at its first call for the types it gets, without the GIL.

    Kept on disk, beside the package or else in the user's cache, where one of them can be written.
    """
    loop: Any = njit(nogil=True, error_model="numpy")(function)
    cache: Any = SharedCache
    with suppress(RuntimeError):  # there is no such place
        loop._cache = cache(function)  # what njit's cache=True does, with numba's own class
    return cast(F, loop)
