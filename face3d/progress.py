"""A progress bar on stderr for jobs that take longer than a moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["bar"]


@contextlib.contextmanager
def bar(shown: bool, title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar, if it is to be shown; gives what moves it on by so many.

    Args:
        shown: whether a person would see it.
        title: what is being done.
        total: how many there are; None where nobody knows.
    """
    if not shown:
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)
