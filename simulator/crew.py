"""Threads that share a list of tasks: the caller, and as many more as it asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Crew:
    """`size` threads, the caller included. To be used in a `with`; the others start when there is work for them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.others = ThreadPoolExecutor(size - 1) if size > 1 else None

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        if self.others:
            self.others.shutdown()

    def each(self, task: Callable[[T], None], items: Iterable[T]) -> None:
        """`task` on every item, in no order. After an exception, which is raised here, no other item is begun."""
        left = deque(items)

        def work() -> None:
            while left:
                try:
                    item = left.popleft()
                except IndexError:  # another thread took the last one
                    return
                try:
                    task(item)
                except BaseException:
                    left.clear()
                    raise

        helping = []
        if self.others:
            helping = [self.others.submit(work) for _ in range(min(self.size, len(left)) - 1)]
        try:
            work()
        finally:
            errors = [e for e in (future.exception() for future in helping) if e]
        if errors:
            raise errors[0]


ALONE = Crew(1)
