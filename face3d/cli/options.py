"""What every command takes and how every command speaks: people on stderr and stdout, or one JSON document."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from face3d.errors import OutputError

__all__ = ["CommonOptions", "finish", "stdout_kept_for_json"]


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """Every command takes these."""

    out: Annotated[Path | None, arg(metavar="PATH")] = None
    """Where results go: a folder, or for commands that only report, a file for the JSON document."""
    device: str = "cpu"
    """A PyTorch device: cpu, cuda, cuda:1, ..."""
    quiet: bool = False
    """Print nothing but errors and show no progress."""
    json: bool = False
    """Print one JSON document on stdout and nothing else there."""

    @property
    def shows_progress(self) -> bool:
        """Whether a progress bar would reach a person."""
        return not self.quiet and sys.stderr.isatty()


def finish(common: CommonOptions, document: Any, text: str, *, write_out: bool = False) -> None:
    """Report what a command did, in the form that was asked for.

    Args:
        document: what `--json` prints.
        text: what a person reads.
        write_out: also write the document to the file that `--out` names; for commands that only report.

    Raises:
        OutputError: that file cannot be written.
    """
    serialised = json.dumps(document, indent=2, allow_nan=False)
    if write_out and common.out is not None:
        try:
            common.out.write_text(serialised + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {common.out}: {error.strerror}; choose another file for --out") from error
    if common.json:
        print(serialised)
    elif not common.quiet and text:
        print(text)


@contextlib.contextmanager
def stdout_kept_for_json() -> Iterator[None]:
    """Send what libraries print to stdout, native code included, to stderr instead."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
