"""BLAS held to one thread while many small matrices are factored."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread; a `with` block or a decorator, which may be nested.

    OpenBLAS splits even a Cholesky factor of 260 rows over all cores: 1 ms by one thread, up to 90 ms by two that wait
    for each other. Its threads are the process's: while fits run side by side, the first one's limit is everybody's.
    """
    with _libraries().limit(limits=1):
        yield


@functools.cache
def _libraries() -> ThreadpoolController:
    """The BLAS libraries of NumPy, SciPy and OpenCV; finding them takes some 30 ms, setting their threads nothing."""
    return ThreadpoolController().select(user_api="blas")
