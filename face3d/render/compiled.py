"""Compiled loops over the rows of a picture, shared out to threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from face3d.compiled import compiled
from face3d.threads import processors

__all__ = ["compiled", "run_interleaved"]

PIXELS_PER_THREAD = 512 * 512
"""Below this many pixels per thread, starting a thread costs more than it saves."""


def run_interleaved(kernel: Callable[[int, int], None], height: int, width: int, threads: int | None) -> None:
    """Call `kernel(first_row, row_step)` so that together the calls cover every row, in as many threads as pay off.

    The kernel must release the GIL and give each row the same result whatever the step. Plain threads, ended before
    this returns, leave nothing behind that a later `fork` could trip over, as OpenMP would.
    """
    if threads is None:
        threads = min(_threads(), height * width // PIXELS_PER_THREAD)
    threads = max(1, min(int(threads), height))
    if threads == 1:
        kernel(0, 1)
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(kernel, first, threads) for first in range(threads)]:
            future.result()


def _threads() -> int:
    """Threads at most: NUMBA_NUM_THREADS or OMP_NUM_THREADS where set, else one per processor."""
    for variable in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    return processors()
