"""The `face3d` command: arguments in, a job run, a report and an exit code out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated, TypeAlias

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, OmitSubcommandPrefixes, subcommand

from face3d.cli.align import Align
from face3d.cli.assets import Assets
from face3d.cli.demo import Demo
from face3d.cli.doctor import Doctor
from face3d.cli.evaluate import Evaluate
from face3d.cli.reconstruct import Reconstruct
from face3d.cli.track import Track
from face3d.cli.train import Train
from face3d.errors import ArgumentError, Face3DError

__all__ = ["main", "run"]

Command: TypeAlias = (
    Annotated[Reconstruct, subcommand("reconstruct")]
    | Annotated[Track, subcommand("track")]
    | Annotated[Align, subcommand("align")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Train, subcommand("train")]
    | Annotated[Demo, subcommand("demo")]
    | Annotated[Assets, subcommand("assets")]
    | Annotated[Doctor, subcommand("doctor")]
)

_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""One head is small matrices and short loops: NumPy, SciPy and PyTorch do each in a millisecond by one thread, and were
seen to take 90 by two that wait for each other on a busy machine. (PyTorch takes its number of threads from MKL's.)"""

EXIT_FAILED, EXIT_ARGUMENTS, EXIT_INTERRUPTED = 1, 2, 130


def run() -> None:
    """The console script."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: as typed after `face3d`; None takes the process's own.

    Returns:
        0 all done, 1 something failed (each failure is named on stderr), 2 the arguments are unusable.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    command = tyro.cli(
        Command,
        prog="face3d",
        description="Photos and videos of a person become a metric, animatable 3D head.",
        args=arguments,
        config=(OmitArgPrefixes, OmitSubcommandPrefixes, FlagCreatePairsOff),
    )
    try:
        return command.run()
    except Face3DError as error:
        if command.common.json:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}, indent=2))
        print(f"face3d: {error}", file=sys.stderr)
        return EXIT_ARGUMENTS if isinstance(error, ArgumentError) else EXIT_FAILED
    except KeyboardInterrupt:
        print("face3d: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
