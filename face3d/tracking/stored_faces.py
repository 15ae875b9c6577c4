"""The faces of a clip on disk, segment by segment, and each person's way through them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from face3d.landmarks.detector import FaceLandmarks, Topology
from face3d.landmarks.video import FEWEST_SIGHTINGS, LONGEST_GAP
from face3d.tracking.frame_faces import FrameFaces
from face3d.tracking.looks import SegmentLooks
from face3d.tracking.work_folder import WorkFolder

__all__ = ["FaceRows", "PersonTimeline", "SegmentFaces", "StoredFaces", "segment_name", "timelines"]


def segment_name(number: int) -> str:
    """What the faces of a segment are stored as."""
    return f"faces_{number:06d}"


class SegmentFaces:
    """Collects the faces of a segment's frames, to be stored.

    Points in single precision, which is a ten-thousandth of a pixel in full HD.

    Args:
        looks: keep pictures too, for a network that sees who it is.
    """

    def __init__(self, *, looks: bool = False) -> None:
        self._looks = SegmentLooks() if looks else None
        self._frames: list[tuple[int, float, int]] = []
        self._rows: list[tuple[int, int, float, float]] = []
        self._faces: list[FaceLandmarks] = []

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, seen: FrameFaces, shot: int, persons: Sequence[int]) -> None:
        """Take in the next frame; with crops, where pictures are kept."""
        for person, face, sight, sharp in zip(persons, seen.faces, seen.sights, seen.sharpness, strict=True):
            if self._looks is not None:
                assert sight.crop is not None
                self._looks.add(sight.crop, person, face, sharp, len(self._rows))
            self._rows.append((len(self._frames), person, face.score, sharp))
            self._faces.append(face)
        self._frames.append((seen.index, seen.time, shot))

    def arrays(self) -> dict[str, Any]:
        """All of it, F frames and M faces."""
        # Ctrl-C may have come between a frame's faces and the frame itself.
        whole = sum(row[0] < len(self._frames) for row in self._rows)
        self._rows, self._faces = self._rows[:whole], self._faces[:whole]
        frames, times, shots = zip(*self._frames, strict=True)
        content: dict[str, Any] = {
            "frames": np.array(frames, dtype=np.int64),
            "times": np.array(times, dtype=np.float64),
            "shots": np.array(shots, dtype=np.int64),
            "places": np.array([row[0] for row in self._rows], dtype=np.int64),
            "persons": np.array([row[1] for row in self._rows], dtype=np.int64),
        }
        if not self._rows:
            return content
        example = self._faces[0]
        names = tuple(example.blendshapes or ())
        content |= {
            "scores": np.array([row[2] for row in self._rows], dtype=np.float32),
            "sharpness": np.array([row[3] for row in self._rows], dtype=np.float32),
            "points": np.stack([face.points for face in self._faces]).astype(np.float32),
            "confidence": np.stack([face.confidence for face in self._faces]).astype(np.float16),
            "curves": np.array(
                [[(face.blendshapes or {}).get(name, np.nan) for name in names] for face in self._faces],
                dtype=np.float32,
            ),
            "curve_names": np.array(names, dtype=str),
            "topology": np.array(example.topology),
            "detector": np.array(example.detector),
            "licence": np.array(example.licence),
            "image_size": np.array(example.image_size),
        }
        transforms = [face.face_transform for face in self._faces if face.face_transform is not None]
        if len(transforms) == len(self._faces):
            content["transforms"] = np.stack(transforms).astype(np.float32)
        lips = [face.lips for face in self._faces if face.lips is not None]
        if len(lips) == len(self._faces):
            content["lips"] = np.stack(lips)
        irises = [face.irises for face in self._faces if face.irises is not None]
        if len(irises) == len(self._faces):
            content["irises"] = np.stack(irises)
        return content if self._looks is None else content | self._looks.arrays()


@dataclass(frozen=True, slots=True, eq=False)
class FaceRows:
    """One person's faces in T frames in a row.

    Attributes:
        points: (T, N, 3), confidence: (T, N), curves: (T, C) as detected; zero where not valid.
        lips: (T, R, 2) as read, of no standard deviation where not valid; None where nobody has read them.
        irises: (T, 2, 4) as read, zero where not valid; None where nobody has read them.
    """

    points: Float[np.ndarray, "T N 3"]
    confidence: Float[np.ndarray, "T N"]
    curves: Float[np.ndarray, "T C"]
    lips: Float[np.ndarray, "T R 2"] | None = None
    irises: Float[np.ndarray, "T 2 4"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PersonTimeline:
    """The frames in which a person is there, T in all.

    Attributes:
        rows: (T,) which of the clip's faces is the person's; -1 where the face was not seen, but before and after.
        frames: (T,) number in the video; times: (T,) seconds; shots: (T,) from 1.
    """

    rows: Int[np.ndarray, " T"]
    frames: Int[np.ndarray, " T"]
    times: Float[np.ndarray, " T"]
    shots: Int[np.ndarray, " T"]

    @property
    def valid(self) -> Bool[np.ndarray, " T"]:
        """Where the frame itself shows the face."""
        return self.rows >= 0


class StoredFaces:
    """The faces that `SegmentFaces` has stored: one segment of them is in memory at a time.

    Attributes:
        example: one of them, for what all have in common.
        curve_names: of their expression curves.
    """

    def __init__(self, work: WorkFolder, segments: int) -> None:
        self._work = work
        self._loaded: tuple[int, Mapping[str, np.ndarray]] | None = None
        light = [self._arrays(number, "frames", "times", "shots", "places", "persons") for number in range(segments)]
        self._first_rows = np.cumsum([0, *(len(arrays["persons"]) for arrays in light)])
        first_frames = np.cumsum([0, *(len(arrays["frames"]) for arrays in light)])
        self.frames, self.times, self.shots, self.persons = (
            np.concatenate([arrays[name] for arrays in light]) for name in ("frames", "times", "shots", "persons")
        )
        self.steps = np.concatenate([a["places"] + first for a, first in zip(light, first_frames, strict=False)])

    def _arrays(self, number: int, *members: str) -> dict[str, np.ndarray]:
        arrays = self._work.arrays(segment_name(number), *members)
        if arrays is None:
            raise RuntimeError(f"{self._work.path}: {segment_name(number)}.npz was changed while it was in use")
        return arrays

    def _segment(self, number: int) -> Mapping[str, np.ndarray]:
        if self._loaded is None or self._loaded[0] != number:
            self._loaded = number, self._arrays(number)
        return self._loaded[1]

    def face(self, row: int) -> tuple[FaceLandmarks, float]:
        """One of the faces, as a detector gives it, and how sharp the image of it is."""
        number = self._segment_of(row)
        arrays, place = self._segment(number), row - self._first_rows[number]
        points = arrays["points"][place].astype(np.float64)
        topology = str(arrays["topology"])
        assert topology in get_args(Topology)
        names, curves = arrays["curve_names"].tolist(), arrays["curves"][place].tolist()
        width, height = arrays["image_size"].tolist()
        face = FaceLandmarks(
            points=points,
            confidence=arrays["confidence"][place].astype(np.float64),
            box=np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)]),
            score=float(arrays["scores"][place]),
            topology=topology,  # type: ignore[arg-type]
            detector=str(arrays["detector"]),
            licence=str(arrays["licence"]),
            image_size=(width, height),
            blendshapes=dict(zip(names, curves, strict=True)) or None,
            face_transform=arrays["transforms"][place].astype(np.float64) if "transforms" in arrays else None,
            lips=arrays["lips"][place] if "lips" in arrays else None,
            irises=arrays["irises"][place] if "irises" in arrays else None,
        )
        return face, float(arrays["sharpness"][place])

    def faces(self, timeline: PersonTimeline) -> Iterator[tuple[int, FaceLandmarks, float]]:
        """Place in the timeline, face and sharpness of every sighting of a person, in order."""
        for place in np.flatnonzero(timeline.valid):
            face, sharpness = self.face(int(timeline.rows[place]))
            yield int(place), face, sharpness

    def looks(self) -> tuple[Int[np.ndarray, " L"], Float[np.ndarray, " L"]]:
        """Which faces there are pictures of, and what each is worth."""
        rows, worths = [], []
        for number in np.flatnonzero(np.diff(self._first_rows)):
            arrays = self._arrays(int(number), "look_places", "look_worths")
            rows.append(arrays["look_places"] + self._first_rows[number])
            worths.append(arrays["look_worths"])
        return np.concatenate(rows), np.concatenate(worths)

    def look(self, row: int) -> UInt8[np.ndarray, "112 112 3"]:
        """The picture of one of those faces, as ArcFace is shown it."""
        number = self._segment_of(row)
        arrays = self._segment(number)
        return arrays["looks"][np.flatnonzero(arrays["look_places"] == row - self._first_rows[number])[0]]

    def _segment_of(self, row: int) -> int:
        return int(np.searchsorted(self._first_rows, row, side="right")) - 1

    def part(self, timeline: PersonTimeline, first: int, last: int) -> FaceRows:
        """The person's faces from place `first` of the timeline to before place `last`."""
        rows = timeline.rows[first:last]
        numbers = np.searchsorted(self._first_rows, rows, side="right") - 1
        seen = np.unique(numbers[rows >= 0])
        example = self._segment(int(seen[0]) if len(seen) else self._any_segment())
        readings = tuple(name for name in ("lips", "irises") if name in example)
        names = ("points", "confidence", "curves", *readings)
        parts = {name: np.zeros((len(rows), *example[name].shape[1:])) for name in names}
        for number in seen:
            arrays = self._segment(int(number))
            here = (numbers == number) & (rows >= 0)
            for name, values in parts.items():
                values[here] = arrays[name][rows[here] - self._first_rows[number]]
        lips = parts.pop("lips", None)
        if lips is not None:
            lips[rows < 0, :, 1] = np.inf
        return FaceRows(**parts, lips=lips)

    def _any_segment(self) -> int:
        """One with a face in it."""
        return int(np.flatnonzero(np.diff(self._first_rows))[0])


def timelines(
    stored: StoredFaces, same: Mapping[int, int], *, longest_gap: float = LONGEST_GAP
) -> list[PersonTimeline]:
    """Every person's, in the order in which they appear; who is hardly seen is a mistake of the detector's.

    Args:
        stored: the clip's faces.
        same: numbers that turned out to be of a person who has another, as `PersonTracker.same` says.
        longest_gap: seconds without a sight of a person that are bridged.
    """
    persons = stored.persons.copy()
    for number, known in sorted(same.items(), reverse=True):
        persons[persons == number] = known
    fewest = min(FEWEST_SIGHTINGS, len(stored.frames))
    found = []
    for person in np.unique(persons):
        rows = np.flatnonzero(persons == person)
        # Two numbers that are one person's can both be in a frame.
        rows = rows[np.unique(stored.steps[rows], return_index=True)[1]]
        if len(rows) >= fewest:
            found.append(_timeline(stored, rows, longest_gap))
    return sorted(found, key=lambda timeline: int(timeline.frames[0]))


def _timeline(stored: StoredFaces, rows: Int[np.ndarray, " M"], longest_gap: float) -> PersonTimeline:
    steps = stored.steps[rows]
    times, shots = stored.times[steps], stored.shots[steps]
    bridged = (np.diff(times) <= longest_gap) & (np.diff(shots) == 0) | (np.diff(steps) == 1)
    ends = np.where(bridged, steps[1:], steps[:-1] + 1)
    stretches = [np.arange(step, end) for step, end in zip(steps, [*ends, steps[-1] + 1], strict=True)]
    there = np.concatenate(stretches)
    row_at = np.full(len(there), -1)
    row_at[np.cumsum([0, *(len(stretch) for stretch in stretches[:-1])])] = rows
    # A bridged frame belongs to the shot of the sightings around it.
    return PersonTimeline(row_at, stored.frames[there], stored.times[there], stored.shots[there])
