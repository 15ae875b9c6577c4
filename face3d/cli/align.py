"""`face3d align`: photos, folders and videos become landmarks and aligned crops."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from face3d.cli.options import CommonOptions, finish, libraries_kept_quiet, names_in

if TYPE_CHECKING:
    from face3d.alignment import AlignedFile
    from face3d.failures import Failure

__all__ = ["Align"]

DEFAULT_OUT = Path("face3d-aligned")

FEW = 20
"""Up to so many files each is named on the screen; of more only the sums, and what is unusual."""


@dataclass(frozen=True, slots=True)
class Align:
    """Find the landmarks of every face in photos, folders of them and videos, and write them in many formats.

    One folder per file appears under --out, complete or not at all; run the same command again to go on after an
    interruption. align.json there lists all results and failures.
    """

    inputs: Positional[Annotated[tuple[Path, ...], arg(metavar="PHOTO|FOLDER|VIDEO...")]]
    """Image and video files, and folders, of which all images and videos are taken."""
    detector: Literal["mediapipe", "fan", "dlib"] = "mediapipe"
    """What finds the landmarks."""
    formats: Annotated[str, arg(metavar="LIST")] = "json"
    """Landmark files to write, of json, csv, npz and pts (iBUG's 68 points)."""
    crop: Annotated[str, arg(metavar="LIST")] = ""
    """Aligned crops to write, of arcface, deca, spectre, fan and ffhq; a size may follow, as in ffhq512."""
    start: Annotated[float, arg(metavar="SECONDS")] = 0.0
    """Where to begin in videos."""
    end: Annotated[float | None, arg(metavar="SECONDS")] = None
    """Where to stop in videos."""
    every: Annotated[int, arg(metavar="N")] = 1
    """Take every N-th frame of videos."""
    still_cutoff: Annotated[float, arg(metavar="HZ")] = 1.0
    """Smoothing of videos: cut-off of a point at rest; lower is calmer. The raw points are written too."""
    speed_coefficient: Annotated[float, arg(metavar="HZ_PER_SPEED")] = 30.0
    """Smoothing of videos: hertz that the cut-off rises by for each interocular distance per second."""
    workers: Annotated[int | None, arg(metavar="N")] = None
    """Files at once; by default as many as there are cores."""
    licence: Literal["any", "open"] = "any"
    """open refuses every model file that is not known to allow commercial use."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Align every file; 1 if any gave no result."""
        out = self.common.out or DEFAULT_OUT
        failures: list[Failure] = []
        files: list[AlignedFile] = []

        def report(failure: Failure) -> None:
            failures.append(failure)
            print(f"face3d: {failure.error}", file=sys.stderr)

        with libraries_kept_quiet():
            from face3d.align import VideoPart, align_to_folder
            from face3d.landmarks.smoothing import OneEuro
            from face3d.media import write_whole

            smoothing = OneEuro(still_cutoff=self.still_cutoff, speed_coefficient=self.speed_coefficient)
            files += align_to_folder(
                self.inputs,
                out,
                formats=names_in(self.formats),
                crops=names_in(self.crop),
                detector=self.detector,
                video=VideoPart(self.start, self.end, self.every, smoothing),
                licence=self.licence,
                device=self.common.device,
                workers=self.workers,
                on_failure=report,
                progress=self.common.shows_progress,
            )
            document = _document(files, failures)
            text = json.dumps(document, indent=2, allow_nan=False) + "\n"
            write_whole(out / "align.json", lambda file: file.write(text.encode()))
        finish(self.common, document, _summary(out, files, len(failures)))
        return 1 if failures else 0


def _document(files: list[AlignedFile], failures: list[Failure]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "results": [
            {
                "name": file.name,
                "source": file.source,
                "folder": str(file.folder),
                "people": file.people,
                "frames": file.frames,
                "already_done": file.already_done,
                "warnings": list(file.warnings),
            }
            for file in files
        ],
        "failures": [
            {"source": failure.source, "error": type(failure.error).__name__, "message": str(failure.error)}
            for failure in failures
        ],
    }


def _summary(out: Path, files: list[AlignedFile], failed: int) -> str:
    lines = []
    if len(files) <= FEW:
        for file in files:
            seen = f"{file.people} face{'' if file.people == 1 else 's'}"
            seen = seen if file.frames is None else f"{seen} in {file.frames} frames"
            done = "; done before" if file.already_done else ""
            lines.append("; ".join([f"{file.folder}: {seen}{done}", *(f"note: {text}" for text in file.warnings)]))
    else:
        lines += [f"note: {text}" for file in files for text in file.warnings]
        before = sum(file.already_done for file in files)
        empty = sum(not file.people for file in files)
        lines.append(f"{out}: {len(files)} files, {sum(file.people for file in files)} faces or people")
        lines[-1] += f"; {empty} without a face" * bool(empty) + f"; {before} done before" * bool(before)
        lines[-1] += f"; {failed} failed, named above and in align.json" * bool(failed)
    return "\n".join(lines)
