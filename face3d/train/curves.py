"""Curves of a run, as TensorBoard draws them. Nothing else imports it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

from face3d.errors import DependencyError, OutputError

__all__ = ["Curves"]


class Curves:
    """A run's curves; one that goes on after a stop takes back what was drawn beyond the step it goes on from.

    Args:
        folder: what TensorBoard is shown.
        step: steps taken.

    Raises:
        DependencyError: TensorBoard is not installed.
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise DependencyError(f'curves need tensorboard ({error}); run `pip install "face3d[train]"`') from error
        _wait_for_a_later_name(folder)
        try:
            self._writer = SummaryWriter(str(folder), purge_step=step + 1)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror}); check the folder") from error

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Draw the values of one step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        """Put on disk what was drawn so far."""
        self._writer.flush()

    def close(self) -> None:
        """Put everything on disk and stop."""
        self._writer.close()


def _wait_for_a_later_name(folder: Path) -> None:
    """Wait out the second in which the newest file began: files are read in the order of their names, which tell it."""
    names = (re.match(r"events\.out\.tfevents\.(\d+)", path.name) for path in folder.glob("events.*"))
    pause = max((int(name[1]) + 1 - time.time() for name in names if name), default=0.0)
    # A clock that was set back is not waited for.
    if 0 < pause <= 1:
        time.sleep(pause)
