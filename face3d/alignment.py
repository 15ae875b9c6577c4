"""What `face3d align` writes per photo or video, and how a later run knows that it is complete."""

from __future__ import annotations

import json
import re
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
from face3d.landmarks.detector import FaceLandmarks, Sighting
from face3d.landmarks.topologies import convert_points
from face3d.media import write_image

__all__ = ["FORMATS", "MARKER", "OWN_FILES", "AlignedFile", "Results", "check_formats"]

MARKER = "alignment.json"
"""In every result folder, written last: what was done with which file."""

FORMATS = ("json", "csv", "npz", "pts")

SCHEMA_VERSION = 1

OWN_FILES = re.compile(r"landmarks(_smoothed)?\.(json|csv|npz)|alignment\.json|.*\.pts|.*\.png|pts|crops|\..*\.partial")
"""All that a result folder may hold."""


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


@dataclass(frozen=True, slots=True)
class Results:
    """Where and how the results of one run are written.

    Attributes:
        folders: what writes result folders, each whole or not at all.
        formats: of the landmarks; names in `FORMATS`.
        crops: to cut out of each face; in videos by the smoothed points, so that they do not tremble.
        settings: what a result depends on beside its file; a later run keeps what was made with the same.
        assets: the model files in use, for the record.
        recognition: the model file by which people in videos are known again, if any.
    """

    folders: ResultFolders
    formats: tuple[str, ...]
    crops: tuple[NamedCrop, ...]
    settings: Mapping[str, Any]
    assets: Sequence[Mapping[str, Any]]
    recognition: Mapping[str, Any] | None = None

    def claim_name(self, file: Path, names: ResultNames) -> str:
        """The folder of a file: named by its stem, and none that holds another file's result of an earlier run."""
        own = str(file.resolve())

        def fits(name: str) -> bool:
            done = _marker_of(self.folders.path_of(name))
            return done is None or done.get("file", {}).get("path") == own

        return names.claim(file.stem, fits=fits)

    def earlier(self, file: Path, name: str) -> AlignedFile | None:
        """The complete result of an earlier run with the same settings, if the file has not changed since."""
        folder = self.folders.path_of(name)
        done = _marker_of(folder)
        try:
            if done is None or done["file"] != _identity(file) or done["settings"] != self._settings_of(done["frames"]):
                return None
            warnings = tuple(map(str, done["warnings"]))
            return AlignedFile(name, str(file), folder, int(done["people"]), done["frames"], True, warnings)
        except (OSError, KeyError, TypeError, ValueError):
            return None

    def write_photo(
        self, name: str, file: Path, faces: Sequence[FaceLandmarks], pixels: UInt8[np.ndarray, "H W 3"]
    ) -> AlignedFile:
        """Write the folder of a photo.

        Raises:
            OutputError: the disk is full, or something that is no such result is in the way.
        """
        result = AlignedFile(name, str(file), self.folders.path_of(name), len(faces), None, False, ())
        with self.folders.writing(name) as folder:
            self._write_landmarks(folder, file, lambda: iter(faces))
            for face in faces:
                number = f"_{_sighting(face).person}" if len(faces) > 1 else ""
                if "pts" in self.formats:
                    (folder / f"{file.stem}{number}.pts").write_bytes(export_pts(_ibug_68(face)))
                for kind, cut in self.crops:
                    write_image(folder / f"{kind}{number}.png", cut(pixels, face))
            self._write_marker(folder, file, result)
        return result

    def write_video(
        self,
        name: str,
        file: Path,
        faces: Callable[[], Iterator[FaceLandmarks]],
        images: Callable[[], Iterator[tuple[int, UInt8[np.ndarray, "H W 3"]]]],
        *,
        people: int,
        frames: int,
        warnings: Sequence[str],
    ) -> AlignedFile:
        """Write the folder of a video.

        Args:
            faces: gives all faces, from the first each time that it is called.
            images: gives number and pixels of each frame; called if crops are wanted.
            people: how many there are.
            frames: how many were read.
            warnings: what was wrong with it.

        Raises:
            OutputError: the disk is full, or something that is no such result is in the way.
        """
        result = AlignedFile(name, str(file), self.folders.path_of(name), people, frames, False, tuple(warnings))
        with self.folders.writing(name) as folder:
            self._write_landmarks(folder, file, faces)
            if "csv" in self.formats:
                with (folder / "landmarks_smoothed.csv").open("w", encoding="utf-8", newline="") as text:
                    write_landmarks_csv(text, faces(), smoothed=True)
            if "pts" in self.formats:
                (folder / "pts").mkdir()
                for face in faces():
                    (folder / "pts" / f"{_frame_name(face)}.pts").write_bytes(export_pts(_ibug_68(face)))
            if self.crops:
                (folder / "crops").mkdir()
                self._write_crops(folder / "crops", faces(), images())
            self._write_marker(folder, file, result)
        return result

    def _write_landmarks(self, folder: Path, file: Path, faces: Callable[[], Iterator[FaceLandmarks]]) -> None:
        if "json" in self.formats:
            with (folder / "landmarks.json").open("w", encoding="utf-8") as text:
                write_landmarks_json(text, str(file), faces())
        if "csv" in self.formats:
            with (folder / "landmarks.csv").open("w", encoding="utf-8", newline="") as text:
                write_landmarks_csv(text, faces())
        if "npz" in self.formats:
            with (folder / "landmarks.npz").open("wb") as binary:
                write_landmarks_npz(binary, faces())

    def _write_crops(
        self,
        folder: Path,
        faces: Iterator[FaceLandmarks],
        images: Iterator[tuple[int, UInt8[np.ndarray, "H W 3"]]],
    ) -> None:
        in_frame: dict[int | None, list[FaceLandmarks]] = {}
        for face in faces:
            in_frame.setdefault(_sighting(face).frame, []).append(face)
        for frame, pixels in images:
            for face in in_frame.pop(frame, ()):
                smoothed = _sighting(face).smoothed
                placed = face if smoothed is None else replace(face, points=smoothed)
                for kind, cut in self.crops:
                    write_image(folder / f"{kind}_{_frame_name(face)}.png", cut(pixels, placed))

    def _settings_of(self, frames: int | None) -> dict[str, Any]:
        """What the result of a photo, or of a video of so many frames, depends on."""
        if frames is None or self.recognition is None:
            return dict(self.settings)
        return {**self.settings, "recognition": self.recognition["name"]}

    def _assets_of(self, frames: int | None) -> list[Mapping[str, Any]]:
        """What the result of a photo, or of a video of so many frames, was made with."""
        return [*self.assets] if frames is None or self.recognition is None else [*self.assets, self.recognition]

    def _write_marker(self, folder: Path, file: Path, result: AlignedFile) -> None:
        """Write, last, what tells a later run that the folder is complete."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "file": _identity(file),
            "people": result.people,
            "frames": result.frames,
            "warnings": list(result.warnings),
            "assets": self._assets_of(result.frames),
            "settings": self._settings_of(result.frames),
        }
        (folder / MARKER).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _identity(file: Path) -> dict[str, Any]:
    """What tells a file from another, or from itself after a change."""
    status = file.stat()
    return {"path": str(file.resolve()), "bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def _marker_of(folder: Path) -> dict[str, Any] | None:
    try:
        document = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _ibug_68(face: FaceLandmarks) -> np.ndarray:
    """The 68 points, or the nearest that the face's set has; 68 points fixed to the skin are 68 points as well."""
    return face.points if len(face.points) == 68 else convert_points(face.points, face.topology, "ibug_68")


def _sighting(face: FaceLandmarks) -> Sighting:
    return face.sighting or Sighting(source="", person=1)


def _frame_name(face: FaceLandmarks) -> str:
    """Frame and person, such as 000120_2."""
    sighting = _sighting(face)
    return f"{sighting.frame or 0:06d}_{sighting.person}"
