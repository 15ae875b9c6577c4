"""The landmarks of every person in a video over time: followed, numbered, gaps bridged, smoothed beside the raw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from face3d.errors import ArgumentError
from face3d.landmarks.detector import Detector, FaceLandmarks, Sighting, Topology
from face3d.landmarks.recognition import OpenRecognition
from face3d.landmarks.smoothing import OneEuro, smooth_track
from face3d.landmarks.topologies import index_map
from face3d.landmarks.tracking import PersonTracker, sights_of
from face3d.media.shot_cuts import ShotCuts
from face3d.media.video import VideoFrame

__all__ = ["FaceTrack", "NumberedFace", "RemembersFrames", "number_faces", "track_landmarks"]

LONGEST_GAP = 0.5
"""Seconds without a sight of a face that are bridged by interpolation; in longer ones the face is absent."""

FEWEST_SIGHTINGS = 3
"""Frames in which a person must be seen; less is a mistake of the detector's. Shorter videos need fewer."""


_EYE_CORNERS_OF_68: tuple[int, ...] = (36, 45)


@runtime_checkable
class RemembersFrames(Protocol):
    """A detector whose `detect_video` depends on the frames before, if only on their times."""

    def start_shot(self) -> None:
        """Forget them: the next frame begins another video or another shot."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class NumberedFace:
    """A face in a frame of a video: whose it is, and in which shot, both counted from 1."""

    person: int
    shot: int
    face: FaceLandmarks


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """One person's landmarks over a video. T counts the frames in which the person is there, in order.

    Attributes:
        person: number, from 1 in the order in which people appear.
        frames: (T,) number of each frame in the video, from 0.
        times: (T,) seconds since the video's first frame.
        points: (T, N, 3) as the detector read them; in frames between two sightings interpolated in time.
        smoothed: (T, N, 3) the same after smoothing.
        interpolated: (T,) whether a frame's points come from those around it and not from the frame.
        shots: (T,) number of the shot, from 1.
        confidence: (T, N) as in `FaceLandmarks`; 0 where interpolated.
        scores: (T,) as in `FaceLandmarks`; 0 where interpolated.
        curve_names: names of the expression curves; empty when the detector has none.
        curves: (T, C) their values; interpolated ones included.
        face_transforms: (T, 4, 4) as in `FaceLandmarks`, NaN where interpolated; None when the detector has none.
        example: one of the sightings, for what all have in common.
    """

    person: int
    frames: Int[np.ndarray, " T"]
    times: Float[np.ndarray, " T"]
    points: Float[np.ndarray, "T N 3"]
    smoothed: Float[np.ndarray, "T N 3"]
    interpolated: Bool[np.ndarray, " T"]
    shots: Int[np.ndarray, " T"]
    confidence: Float[np.ndarray, "T N"]
    scores: Float[np.ndarray, " T"]
    curve_names: tuple[str, ...]
    curves: Float[np.ndarray, "T C"]
    face_transforms: Float[np.ndarray, "T 4 4"] | None
    example: FaceLandmarks

    def faces(self, source: str) -> Iterator[FaceLandmarks]:
        """The track as one `FaceLandmarks` per frame, each with its sighting."""
        for t in range(len(self.frames)):
            points = self.points[t].astype(np.float64)
            transform = None if self.face_transforms is None else self.face_transforms[t]
            yield replace(
                self.example,
                points=points,
                confidence=self.confidence[t].astype(np.float64),
                box=np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)]),
                score=float(self.scores[t]),
                blendshapes=dict(zip(self.curve_names, self.curves[t].tolist(), strict=True)) or None,
                face_transform=None if transform is None or np.isnan(transform).any() else transform,
                sighting=Sighting(
                    source=source,
                    person=self.person,
                    frame=int(self.frames[t]),
                    time=float(self.times[t]),
                    shot=int(self.shots[t]),
                    interpolated=bool(self.interpolated[t]),
                    smoothed=self.smoothed[t].astype(np.float64),
                ),
            )


def number_faces(
    frames: Iterable[VideoFrame], detector: Detector, people: PersonTracker | None = None
) -> Iterator[tuple[VideoFrame, list[NumberedFace]]]:
    """Each frame of a video with its faces and whose they are, as the frames come in; one frame late.

    Shot cuts are found; a detector that remembers frames is told of them. Any detector will do.

    Args:
        frames: of one video, in order.
        detector: any.
        people: a new tracker, for callers who want to know which numbers turned out to be of one person.
    """
    cuts, people = ShotCuts(), people or PersonTracker()
    shot, last_shot, clock = 1, 1, -1
    waiting: tuple[VideoFrame, int, Future[list[FaceLandmarks]]] | None = None

    def numbered(frame: VideoFrame, number: int, faces: list[FaceLandmarks]) -> list[NumberedFace]:
        nonlocal last_shot
        if number != last_shot:
            people.start_shot()
            last_shot = number
        persons = people.number(sights_of(frame.pixels, faces, crops=people.needs_crops), frame.time)
        return [NumberedFace(person, number, face) for person, face in zip(persons, faces, strict=True)]

    # The detector works on one frame while the faces of the frame before are numbered.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="face3d-detect") as beside:
        if isinstance(detector, RemembersFrames):
            beside.submit(detector.start_shot).result()
        for frame in frames:
            if cuts.begins(frame.pixels):
                shot += 1
                if isinstance(detector, RemembersFrames):
                    beside.submit(detector.start_shot)
                    clock = -1
            # Detectors count whole milliseconds; frames can lie closer.
            clock = max(clock + 1, round(frame.time * 1000))
            found = beside.submit(detector.detect_video, frame.pixels, clock)
            if waiting is not None:
                yield waiting[0], numbered(*waiting[:2], waiting[2].result())
            waiting = frame, shot, found
        if waiting is not None:
            yield waiting[0], numbered(*waiting[:2], waiting[2].result())


def track_landmarks(
    frames: Iterable[VideoFrame],
    detector: Detector,
    *,
    smoothing: OneEuro | None = None,
    longest_gap: float = LONGEST_GAP,
    on_frame: Callable[[VideoFrame], None] | None = None,
    recognition: OpenRecognition | None = None,
) -> list[FaceTrack]:
    """Follow every person through a video.

    Memory grows by 6 kB per face and frame for what is found; frames are not kept.

    Args:
        frames: of one video, in order.
        detector: any.
        smoothing: how strongly to smooth; by `smooth_track`, without lag.
        longest_gap: seconds without a sight of a person that are bridged.
        on_frame: called after each frame.
        recognition: opens what tells people apart by features, as for `PersonTracker`.

    Returns:
        One track per person, in the order in which they appear.
    """
    seen: dict[int, _Sightings] = {}
    people = PersonTracker(recognition)
    times: list[float] = []
    indices: list[int] = []
    for frame, faces in number_faces(frames, detector, people):
        for numbered in faces:
            seen.setdefault(numbered.person, _Sightings(numbered.face)).add(len(times), numbered)
        times.append(frame.time)
        indices.append(frame.index)
        if on_frame is not None:
            on_frame(frame)
    for number, known in sorted(people.same.items(), reverse=True):
        seen[known].take(seen.pop(number))
    fewest = min(FEWEST_SIGHTINGS, len(times))
    tracks = [
        sightings.track(number, np.array(indices), np.array(times), smoothing or OneEuro(), longest_gap)
        for number, sightings in enumerate((s for s in seen.values() if len(s.steps) >= fewest), start=1)
    ]
    return tracks


class _Sightings:
    """What is collected of one person; single precision, which is a ten-thousandth of a pixel in full HD."""

    def __init__(self, example: FaceLandmarks) -> None:
        self.example = example
        self.steps: list[int] = []
        self.shots: list[int] = []
        self.points: list[Float[np.ndarray, "N 3"]] = []
        self.confidence: list[Float[np.ndarray, " N"]] = []
        self.scores: list[float] = []
        self.curves: list[list[float]] = []
        self.transforms: list[Float[np.ndarray, "4 4"]] = []
        self.curve_names = tuple(example.blendshapes or ())

    def add(self, step: int, numbered: NumberedFace) -> None:
        face = numbered.face
        self.steps.append(step)
        self.shots.append(numbered.shot)
        self.points.append(face.points.astype(np.float32))
        self.confidence.append(face.confidence.astype(np.float16))
        self.scores.append(face.score)
        self.curves.append([(face.blendshapes or {}).get(name, np.nan) for name in self.curve_names])
        if face.face_transform is not None:
            self.transforms.append(face.face_transform)

    def take(self, other: _Sightings) -> None:
        """Add what was collected under another number."""
        order = np.argsort(self.steps + other.steps, kind="stable")
        for name in ("steps", "shots", "points", "confidence", "scores", "curves", "transforms"):
            joined = getattr(self, name) + getattr(other, name)
            if len(joined) == len(order):
                setattr(self, name, [joined[index] for index in order])

    def track(
        self,
        number: int,
        indices: Int[np.ndarray, " F"],
        times: Float[np.ndarray, " F"],
        smoothing: OneEuro,
        longest_gap: float,
    ) -> FaceTrack:
        stretches = list(_stretches(np.array(self.steps), np.array(self.shots), times, longest_gap))
        steps = np.concatenate([np.arange(self.steps[part[0]], self.steps[part[-1]] + 1) for part in stretches])
        # Where each frame lies among the sightings: whole numbers are sightings, others between two of them.
        place = np.interp(times[steps], times[self.steps], np.arange(len(self.steps)))
        before = np.floor(place).astype(int)
        interpolated = ~np.isin(steps, self.steps)

        points = _between(np.stack(self.points), place)
        smoothed = np.empty_like(points)
        first = 0
        for part in stretches:
            last = first + self.steps[part[-1]] - self.steps[part[0]] + 1
            unit = _interocular(points[first:last], self.example.topology)
            smoothed[first:last] = smooth_track(points[first:last], times[steps[first:last]], unit, smoothing)
            first = last
        confidence = np.stack(self.confidence)[before]
        scores = np.array(self.scores)[before]
        confidence[interpolated], scores[interpolated] = 0, 0
        transforms = None
        if len(self.transforms) == len(self.steps):
            transforms = np.stack(self.transforms)[before]
            transforms[interpolated] = np.nan
        return FaceTrack(
            person=number,
            frames=indices[steps],
            times=times[steps],
            points=points,
            smoothed=smoothed,
            interpolated=interpolated,
            shots=np.array(self.shots)[before],
            confidence=confidence,
            scores=scores,
            curve_names=self.curve_names,
            curves=_between(np.array(self.curves, dtype=np.float32), place),
            face_transforms=transforms,
            example=self.example,
        )


def _between(values: Float[np.ndarray, "S ..."], place: Float[np.ndarray, " T"]) -> Float[np.ndarray, "T ..."]:
    """Values at whole places, and between two of them in proportion."""
    before = np.floor(place).astype(int)
    share = (place - before).reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
    return values[before] + share * (values[np.ceil(place).astype(int)] - values[before])


def _interocular(points: Float[np.ndarray, "T N 3"], topology: Topology) -> Float[np.ndarray, " T"]:
    """Distance of the outer eye corners in the image, pixels: the unit of landmark errors since 300-W.

    Raises:
        ArgumentError: the landmark set has no eye corners.
    """
    rows = _EYE_CORNERS_OF_68
    if not topology.startswith("ibug_68"):
        to_68 = index_map(topology, "ibug_68")
        if to_68 is None:
            raise ArgumentError(f"landmarks of the set {topology} have no eye corners to scale the smoothing by")
        rows = tuple(to_68.rows[row][0] for row in _EYE_CORNERS_OF_68)
    return np.asarray(np.linalg.norm((points[:, rows[0]] - points[:, rows[1]])[:, :2], axis=-1))


def _stretches(
    steps: Int[np.ndarray, " S"], shots: Int[np.ndarray, " S"], times: Float[np.ndarray, " F"], longest_gap: float
) -> Iterator[Int[np.ndarray, " P"]]:
    """Runs of sightings that belong together: no longer gap between them, and no cut."""
    apart = (np.diff(times[steps]) > longest_gap) & (np.diff(steps) > 1)
    breaks = np.flatnonzero(apart | (np.diff(shots) != 0)) + 1
    yield from np.split(np.arange(len(steps)), breaks)
