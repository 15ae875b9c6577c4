"""What every command takes and how every command speaks: people on stderr and stdout, or one JSON document."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from face3d.errors import ArgumentError, Face3DError, OutputError

__all__ = ["CommonOptions", "finish", "intrinsics_in", "libraries_kept_quiet", "names_in"]


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


def names_in(text: str) -> tuple[str, ...]:
    """The names of a list that was typed with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def intrinsics_in(text: str | None) -> tuple[float, ...] | None:
    """The numbers that `--intrinsics` was given, if it was.

    Raises:
        ArgumentError: they are no numbers.
    """
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"--intrinsics is four numbers fx,fy,cx,cy, not {text!r}") from None


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
def libraries_kept_quiet() -> Iterator[None]:
    """Keep what libraries print off both streams, so that people read results and errors and scripts read JSON.

    MediaPipe's native code chats on stderr whatever its environment variables say. What Python code writes to either
    stream reaches stderr; what native code writes is shown only when the block ends by an error that nobody expected.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    before = sys.stderr
    real_out, real_err = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as log, os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as stderr:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        sys.stderr = stderr
        try:
            with contextlib.redirect_stdout(stderr):
                yield
        except (Face3DError, KeyboardInterrupt):
            raise
        except BaseException:
            log.seek(0)
            stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            sys.stderr = before
            for real, number in ((real_out, 1), (real_err, 2)):
                os.dup2(real, number)
                os.close(real)
