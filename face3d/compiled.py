"""Compiled loops, built once and kept.

The first call of a loop compiles it, which takes a second or two, and keeps the machine code on disk; later processes
load it. It is kept in the folder that NUMBA_CACHE_DIR names, else in `__pycache__` beside the module, else, where that
is not writable, in the user's cache folder (`~/.cache/numba` on Linux). It is made anew when the module changes, or for
another processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["compiled"]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile once and keep the machine code on disk; without a writable cache folder, compile in each process."""
    try:
        return numba.njit(function, nogil=True, cache=True)
    except RuntimeError:
        return numba.njit(function, nogil=True)
