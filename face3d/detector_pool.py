"""Threads that each hold a landmark detector, so that reading, detection and writing of many files overlap.

MediaPipe, OpenCV and PyTorch release Python's lock while they work, so that threads use all cores; processes would each
need a start of seconds and a copy of everything in memory.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from typing_extensions import Self

from face3d.errors import ArgumentError, AssetError, DependencyError, Face3DError, InputError, OutputError
from face3d.landmarks import Detector

__all__ = ["DetectorPool", "worker_count"]

Item = TypeVar("Item")
Result = TypeVar("Result")

UNDER_WAY = 64
"""Items handed out ahead of the oldest that is not done; bounds what waits in memory to be told in order."""


class _CallerLeftError(BaseException):
    """Ends work whose result nobody waits for any more."""


class DetectorPool:
    """A context manager; leaving it ends the work under way and closes the detectors.

    Args:
        open_detector: gives a new detector; called once in each thread that needs one.
        workers: number of threads.
    """

    def __init__(self, open_detector: Callable[[], Detector], workers: int) -> None:
        self._open = open_detector
        self._own = threading.local()
        self._opened: list[Detector] = []
        self._left = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="face3d-worker")

    def detector(self) -> Detector:
        """This thread's detector."""
        opened: Detector | None = getattr(self._own, "detector", None)
        if opened is None:
            opened = self._open()
            self._own.detector = opened
            self._opened.append(opened)
        return opened

    def check(self) -> None:
        """To be called now and then by long work: ends it once the caller has left."""
        if self._left.is_set():
            raise _CallerLeftError

    def in_order(
        self, items: Iterable[Item], work: Callable[[Item], Result], name: Callable[[Item], str]
    ) -> Iterator[tuple[Item, Result | Face3DError]]:
        """Each item with its result, or with the error that concerns it alone; in the order of the items.

        Args:
            items: taken from as workers become free.
            work: what is done with each, in one of the threads.
            name: what messages call an item.

        Raises:
            ArgumentError, AssetError, DependencyError: what concerns all items.
        """
        pending: deque[tuple[Item, Future[Result | Face3DError]]] = deque()
        for item in items:
            pending.append((item, self._pool.submit(_outcome, work, item, name)))
            while pending and (len(pending) >= UNDER_WAY or pending[0][1].done()):
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._left.set()
        self._pool.shutdown(cancel_futures=True)
        for opened in self._opened:
            opened.close()


def worker_count(wanted: int | None, items: int) -> int:
    """How many threads: as many as asked for or as there are cores, but no more than items.

    Raises:
        ArgumentError: fewer than one is asked for.
    """
    if wanted is not None and wanted < 1:
        raise ArgumentError(f"the number of workers is 1 or more, got {wanted}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(wanted or cores, items))


def _outcome(work: Callable[[Item], Result], item: Item, name: Callable[[Item], str]) -> Result | Face3DError:
    try:
        return work(item)
    except (InputError, OutputError) as error:
        return error
    except (ArgumentError, AssetError, DependencyError):
        raise
    except Exception as error:  # a file that no reader foresaw must not end the other ten thousand
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        return InputError(f"{name(item)}: cannot be used ({type(error).__name__}: {reason}); please report this")
