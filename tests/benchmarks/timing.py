"""How long something takes, for benchmarks that print ratios."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["fastest"]


def fastest(run: Callable[[], object], *, rounds: int = 5) -> float:
    """Seconds of the quickest of some rounds, after one to warm up."""
    run()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
