"""Compiled loops: how they are built once, and how they are shared out to threads.

The first call of a loop compiles it, which takes a second or two, and keeps the machine code on disk; later processes
load it. It is kept in the folder that NUMBA_CACHE_DIR names, else in `__pycache__` beside the module, else, where that
is not writable, in the user's cache folder (`~/.cache/numba` on Linux). It is made anew when the module changes, or for
another processor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba

__all__ = ["compiled", "run_interleaved"]

PIXELS_PER_THREAD = 512 * 512
"""Below this many pixels per thread, starting a thread costs more than it saves."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile once and keep the machine code on disk; without a writable cache folder, compile in each process."""
    try:
        return numba.njit(function, nogil=True, cache=True)
    except RuntimeError:
        return numba.njit(function, nogil=True)


def run_interleaved(kernel: Callable[[int, int], None], height: int, width: int, threads: int | None) -> None:
    """Call `kernel(first_row, row_step)` so that together the calls cover every row, in as many threads as pay off.

    The kernel must release the GIL and give each row the same result whatever the step. Plain threads, ended before
    this returns, leave nothing behind that a later `fork` could trip over, as OpenMP would.
    """
    if threads is None:
        threads = min(_processors(), height * width // PIXELS_PER_THREAD)
    threads = max(1, min(int(threads), height))
    if threads == 1:
        kernel(0, 1)
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(kernel, first, threads) for first in range(threads)]:
            future.result()


def _processors() -> int:
    """Processors this process may use: NUMBA_NUM_THREADS or OMP_NUM_THREADS where set, else the affinity mask."""
    for variable in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
