"""Threads that work beside the caller's: how many pay off, and one that makes the next things ahead of him."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

__all__ = ["Ahead", "in_parts", "processors"]

Item = TypeVar("Item")

_END = object()


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parts(work: Callable[[slice], None], count: int, size: int) -> None:
    """Go through `count` things, `size` at a time, in as many threads as there are processors, the caller's among them.

    The parts are the same for any number of threads, so that what is written for each has the same bits. Threads pay
    off where `work` releases the interpreter's lock most of the time.
    """
    parts = iter([slice(first, min(first + size, count)) for first in range(0, count, size)])
    others = min(processors(), -(-count // size)) - 1

    def some() -> None:
        # Threads take the next part each, which is one step of the interpreter.
        for part in parts:
            work(part)

    if others < 1:
        some()
        return
    with ThreadPoolExecutor(others, thread_name_prefix="face3d-parts") as pool:
        beside = [pool.submit(some) for _ in range(others)]
        some()
        for future in beside:
            future.result()


class Ahead(Generic[Item]):
    """Iterates over something in a thread of its own, a bounded number of items ahead; to be closed.

    What it raises is raised where the items are taken.

    Args:
        items: used by that thread alone, from `start` on.
        limit: items that wait for the caller at most.
        name: of the thread.
    """

    def __init__(self, items: Iterator[Item], *, limit: int, name: str) -> None:
        self._items = items
        self._stop = threading.Event()
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=limit)
        self._thread = threading.Thread(target=self._make, name=name, daemon=True)

    @property
    def waiting(self) -> int:
        """How many items are there to be taken."""
        return self._queue.qsize()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        """The items that are left, in order."""
        while (item := self._queue.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        """Stop after the item under way; safe to call twice, and before the start."""
        self._stop.set()
        while self._thread.is_alive():
            # The thread may wait for room in the queue.
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=0.01)

    def _make(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_END)
        except BaseException as error:  # handed to the thread that takes
            self._put(error)
        finally:
            # A generator's `finally` runs in the thread that used it.
            close = getattr(self._items, "close", None)
            if close is not None:
                close()

    def _put(self, item: object) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
