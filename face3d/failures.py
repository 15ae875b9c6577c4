"""Jobs over many inputs: what each input is called, and how one that gives no result lets the others go on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from face3d.errors import Face3DError, InputError, OutputError

__all__ = ["Failure", "Failures"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An input, or a face of it, that gave no result."""

    source: str
    error: Face3DError


class Failures:
    """Lets the other inputs go on when one gives no result, if somebody wants to hear of it."""

    def __init__(self, report: Callable[[Failure], None] | None) -> None:
        self._report = report

    @contextlib.contextmanager
    def of(self, source: str) -> Iterator[None]:
        """Report what the block raises about this input; without anybody who listens it is raised."""
        try:
            yield
        except (InputError, OutputError) as error:
            if self._report is None:
                raise
            self._report(Failure(source, error))
