"""What `face3d align` writes per photo or video, and how a later run knows that it is complete."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from face3d.errors import ArgumentError
from face3d.export.landmarks_csv import write_landmarks_csv
from face3d.export.landmarks_json import write_landmarks_json
from face3d.export.landmarks_npz import write_landmarks_npz
from face3d.export.pts import export_pts
from face3d.export.result_folder import ResultFolders, ResultNames
from face3d.landmarks.crop_choice import NamedCrop
from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.topologies import convert_points
from face3d.media import write_image

__all__ = ["FORMATS", "MARKER", "AlignedFile", "check_formats", "claim_name", "earlier_result", "write_alignment"]

MARKER = "alignment.json"
"""In every result folder, written last: what was done with which file."""

FORMATS = ("json", "csv", "npz", "pts")

SCHEMA_VERSION = 1

_LEFT_BY_A_KILL = re.compile(r".+\.[a-z0-9_]{8}\.partial")
"""The names that `ResultFolders` gives to folders while it writes them."""

_OWN_FILES = re.compile(
    r"landmarks(_smoothed)?\.(json|csv|npz)|alignment\.json|.*\.pts|.*\.png|pts|crops|\..*\.partial"
)


@dataclass(frozen=True, slots=True)
class AlignedFile:
    """One photo or video that was aligned into a folder.

    Attributes:
        name: of its folder.
        source: as given.
        folder: where its files are.
        people: how many faces a photo shows, or how many people a video.
        frames: how many of a video were read; None for a photo.
        already_done: it was complete from an earlier run and left as it was.
        warnings: what a user should know about it.
    """

    name: str
    source: str
    folder: Path
    people: int
    frames: int | None
    already_done: bool
    warnings: tuple[str, ...]


def check_formats(formats: Sequence[str]) -> None:
    """Refuse names that are no format of landmark files.

    Raises:
        ArgumentError: one is not.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ArgumentError(f"no landmark format is named {', '.join(unknown)}; there are {', '.join(FORMATS)}")


def identity_of(file: Path) -> dict[str, Any]:
    """What tells a file from another, or from itself after a change."""
    status = file.stat()
    return {"path": str(file.resolve()), "bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def claim_name(file: Path, names: ResultNames, folders: ResultFolders) -> str:
    """The folder of a file: named by its stem, and none that holds another file's result, of this or an earlier run."""
    own = str(file.resolve())

    def fits(name: str) -> bool:
        done = _marker_of(folders.path_of(name))
        return done is None or done.get("file", {}).get("path") == own

    return names.claim(file.stem, fits=fits)


def earlier_result(file: Path, name: str, folders: ResultFolders, settings: Mapping[str, Any]) -> AlignedFile | None:
    """The complete result of a run with the same settings, if the file has not changed since."""
    folder = folders.path_of(name)
    done = _marker_of(folder)
    try:
        if done is None or done["file"] != identity_of(file) or done["settings"] != dict(settings):
            return None
        return AlignedFile(
            name, str(file), folder, int(done["people"]), done["frames"], True, tuple(map(str, done["warnings"]))
        )
    except (OSError, KeyError, TypeError, ValueError):
        return None


def remove_left_over(out: Path) -> None:
    """Remove what a killed run left half written; only folders that hold nothing but this job's files."""
    for entry in out.iterdir():
        if not (_LEFT_BY_A_KILL.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink()):
            continue
        if all(_OWN_FILES.fullmatch(child.name) for child in entry.iterdir()):
            shutil.rmtree(entry, ignore_errors=True)


def write_alignment(
    folder: Path,
    file: Path,
    faces: Callable[[], Iterator[FaceLandmarks]],
    *,
    formats: Sequence[str],
    crops: Sequence[NamedCrop],
    images: Callable[[], Iterator[tuple[int | None, UInt8[np.ndarray, "H W 3"]]]],
    document: Mapping[str, Any],
    video: bool,
) -> None:
    """Write the files of one photo or video into an existing folder, the marker last.

    Args:
        folder: the one.
        file: the photo or video.
        faces: gives its faces, from the first each time that it is called.
        formats: names in `FORMATS`.
        crops: to cut out of each face; in videos by the smoothed points, so that they do not tremble.
        images: gives the frames (number and pixels), or the photo (None and pixels).
        document: what the marker says.
        video: whether the file is one.

    Raises:
        OSError: the disk is full or the folder cannot be written.
        OutputError: an image cannot be written.
    """
    if "json" in formats:
        with (folder / "landmarks.json").open("w", encoding="utf-8") as text:
            write_landmarks_json(text, str(file), faces())
    if "csv" in formats:
        for stem, smoothed in (("landmarks", False), ("landmarks_smoothed", True))[: 2 if video else 1]:
            with (folder / f"{stem}.csv").open("w", encoding="utf-8", newline="") as text:
                write_landmarks_csv(text, faces(), smoothed=smoothed)
    if "npz" in formats:
        with (folder / "landmarks.npz").open("wb") as binary:
            write_landmarks_npz(binary, faces())
    if "pts" in formats:
        _write_pts(folder, file.stem, list(faces()) if not video else faces(), video)
    if crops:
        _write_crops(folder, crops, faces(), images(), video)
    (folder / MARKER).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def marker_document(
    file: Path, settings: Mapping[str, Any], people: int, frames: int | None, warnings: Sequence[str], assets: Any
) -> dict[str, Any]:
    """What `MARKER` holds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "file": identity_of(file),
        "people": people,
        "frames": frames,
        "warnings": list(warnings),
        "assets": assets,
        "settings": dict(settings),
    }


def _marker_of(folder: Path) -> dict[str, Any] | None:
    try:
        document = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _write_pts(folder: Path, stem: str, faces: Any, video: bool) -> None:
    if video:
        (folder / "pts").mkdir()
    several = not video and len(faces) > 1
    for face in faces:
        name = f"pts/{_frame_name(face)}.pts" if video else f"{stem}{_number(face, several)}.pts"
        (folder / name).write_bytes(export_pts(_ibug_68(face)))


def _ibug_68(face: FaceLandmarks) -> np.ndarray:
    """The 68 points, or the nearest that the face's set has; 68 points fixed to the skin are 68 points as well."""
    return face.points if len(face.points) == 68 else convert_points(face.points, face.topology, "ibug_68")


def _write_crops(
    folder: Path,
    crops: Sequence[NamedCrop],
    faces: Iterator[FaceLandmarks],
    images: Iterator[tuple[int | None, UInt8[np.ndarray, "H W 3"]]],
    video: bool,
) -> None:
    if video:
        (folder / "crops").mkdir()
    in_frame: dict[int | None, list[FaceLandmarks]] = {}
    for face in faces:
        if face.sighting is not None:
            in_frame.setdefault(face.sighting.frame, []).append(face)
    for frame, pixels in images:
        for face in in_frame.get(frame, ()):
            smoothed = None if face.sighting is None else face.sighting.smoothed
            placed = face if smoothed is None else replace(face, points=smoothed)
            for kind, cut in crops:
                name = f"crops/{kind}_{_frame_name(face)}" if video else kind + _number(face, len(in_frame[frame]) > 1)
                write_image(folder / f"{name}.png", cut(pixels, placed))


def _frame_name(face: FaceLandmarks) -> str:
    sighting = face.sighting
    return "" if sighting is None or sighting.frame is None else f"{sighting.frame:06d}_{sighting.person}"


def _number(face: FaceLandmarks, several: bool) -> str:
    return f"_{face.sighting.person}" if several and face.sighting is not None else ""
