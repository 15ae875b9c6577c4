"""Who is who from frame to frame: each face of a video gets the number of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.optimize import linear_sum_assignment

from face3d.landmarks.appearance import (
    CERTAINLY_SAME,
    DIFFERENT_PERSON,
    SAME_PERSON,
    Gallery,
    face_look,
    look_distance,
)
from face3d.landmarks.crops import arcface_crop
from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.recognition import FaceMemory, OpenRecognition, Recognition
from face3d.landmarks.search import covered_part
from face3d.landmarks.topologies import convert_points

__all__ = ["FaceSight", "PersonTracker", "sights_of"]

BRIEF_SECONDS = 0.6
"""A face not seen for so long is still expected near where it was."""

REACH = 0.5
"""How far a face may be from where it is expected, relative to its size; the frame before, and at rest."""

REACH_PER_SECOND = 4.0
"""How much farther for each second since: as fast as heads turn and duck."""

PROBATION_SECONDS = 1.5
"""For so long a newcomer may turn out to be somebody who was here before: one comes back half hidden or turned."""

SHAPE_WEIGHT = 3.0
"""Weight of the difference in shape, which pose and expression change slowly, beside the one in place."""

CROWDED = 0.1
"""Overlap of two heads, of the smaller one, from which on the looks of both say little: one hides the other."""

HEAD_OVER_FACE = 1.4
"""Side of a head's box over that of the face's landmarks."""

_REFUSED = 1e6


@dataclass(slots=True, eq=False)
class FaceSight:
    """What is known of a face in a frame when its person is asked for; the frame itself is needed no more.

    Attributes:
        points: in the image.
        look: as `face_look` gives it.
        crowded: whether another is drawn over it, or it over another.
        crop: as ArcFace is shown it, where that was asked for.
        features: made of the crop once they are needed.
    """

    points: Float[np.ndarray, "N 2"]
    look: Float[np.ndarray, "24 24 3"]
    crowded: bool
    crop: UInt8[np.ndarray, "112 112 3"] | None = None
    features: Float[np.ndarray, " D"] | None = None


def sights_of(
    image: UInt8[np.ndarray, "H W 3"], faces: Sequence[FaceLandmarks], *, crops: bool = False
) -> list[FaceSight]:
    """Look at all faces of a frame.

    Args:
        image: the frame, RGB.
        faces: all in it.
        crops: cut them out too, as a tracker with a `Recognition` needs it.
    """
    sights = []
    for face, crowded in zip(faces, _crowded(faces), strict=True):
        points = face.points[:, :2]
        points5 = convert_points(points, face.topology, "arcface_5")
        crop = arcface_crop(image, points5) if crops else None
        sights.append(FaceSight(points, face_look(image, points5), crowded, crop))
    return sights


@dataclass(slots=True, eq=False)
class _Person:
    """Somebody who was seen.

    Attributes:
        velocity: pixels per second.
        time, shot: of the last sight.
        since: time of the first sight.
        uncertain: last seen in a crowd, where numbers can change over.
        compared: how many crops of this person had been taken when they were last compared with those of the absent.
    """

    number: int
    points: Float[np.ndarray, "N 2"]
    velocity: Float[np.ndarray, " 2"]
    time: float
    shot: int
    look: Float[np.ndarray, "24 24 3"]
    gallery: Gallery
    memory: FaceMemory
    since: float
    uncertain: bool = False
    compared: int = 0


class PersonTracker:
    """Gives the faces of a video's frames the numbers of people, from 1 in the order in which they come.

    Within a shot a face goes to the person that is expected nearest, by place, shape and look together (the assignment
    of least cost over all), so that people who pass each other keep their numbers. Who was away for longer, or appears
    after a cut, is known again by the look alone, which must then be near.

    With a `Recognition` features of the faces decide instead of looks, unless those are all but equal: of who comes
    back after a loss or a cut or leaves a crowd, and of who suddenly looks different.

    Args:
        recognition: opens it; called when the first such question comes up. None goes by looks alone.

    Attributes:
        same: numbers given to people who turned out to be others: {number: the other's number}.
    """

    def __init__(self, recognition: OpenRecognition | None = None) -> None:
        self.same: dict[int, int] = {}
        self._people: list[_Person] = []
        self._shot = 0
        self._count = 0
        self._time = -np.inf
        self._open = recognition
        self._opened: Recognition | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, Any], recognition: OpenRecognition | None = None) -> PersonTracker:
        """A tracker that goes on where the one with this `state` and the same recognition was."""
        tracker = cls(recognition)
        tracker.same = {int(number): int(known) for number, known in state["same"]}
        tracker._shot, tracker._count = int(state["shot"]), int(state["count"])
        tracker._time = float(state["time"])
        if not len(state["numbers"]):
            return tracker
        galleries = np.split(state["galleries"], np.cumsum(state["gallery_sizes"])[:-1])
        memories = np.split(state["memories"], np.cumsum(state["memory_sizes"])[:-1])
        tracker._people = [
            _Person(
                int(state["numbers"][row]),
                state["points"][row],
                state["velocities"][row],
                float(state["times"][row]),
                int(state["shots"][row]),
                state["looks"][row],
                Gallery(gallery),
                FaceMemory.from_state(
                    memory,
                    float(state["memory_intervals"][row]),
                    float(state["memory_nexts"][row]),
                    int(state["memory_counts"][row]),
                ),
                float(state["since"][row]),
                bool(state["uncertain"][row]),
                int(state["compared"][row]),
            )
            for row, (gallery, memory) in enumerate(zip(galleries, memories, strict=True))
        ]
        return tracker

    def state(self) -> dict[str, np.ndarray]:
        """All that the numbers of later faces depend on, as arrays that can be stored."""
        people = self._people
        galleries = [person.gallery.looks for person in people]
        memories = [person.memory.state() for person in people]
        crops = [memory[0] for memory in memories]
        return {
            "time": np.array(self._time),
            "same": np.array(list(self.same.items()), dtype=np.int64).reshape(-1, 2),
            "shot": np.array(self._shot),
            "count": np.array(self._count),
            "numbers": np.array([person.number for person in people], dtype=np.int64),
            "points": np.array([person.points for person in people]),
            "velocities": np.array([person.velocity for person in people]),
            "times": np.array([person.time for person in people]),
            "shots": np.array([person.shot for person in people], dtype=np.int64),
            "looks": np.array([person.look for person in people]),
            "gallery_sizes": np.array([len(looks) for looks in galleries], dtype=np.int64),
            "galleries": np.concatenate(galleries) if galleries else np.zeros((0, 24, 24, 3), dtype=np.float32),
            "memory_sizes": np.array([len(kept) for kept in crops], dtype=np.int64),
            "memories": np.concatenate(crops) if crops else np.zeros((0, 112, 112, 3), dtype=np.uint8),
            "memory_intervals": np.array([memory[1] for memory in memories]),
            "memory_nexts": np.array([memory[2] for memory in memories]),
            "memory_counts": np.array([memory[3] for memory in memories], dtype=np.int64),
            "since": np.array([person.since for person in people]),
            "uncertain": np.array([person.uncertain for person in people], dtype=bool),
            "compared": np.array([person.compared for person in people], dtype=np.int64),
        }

    @property
    def needs_crops(self) -> bool:
        """Whether the sights must come with crops."""
        return self._open is not None

    def start_shot(self) -> None:
        """The next frame begins another shot: nobody is expected where they were."""
        self._shot += 1

    def number(self, sights: Sequence[FaceSight], time: float) -> list[int]:
        """The person of each face of the next frame; no number twice.

        Args:
            sights: all in it.
            time: seconds, greater than before.
        """
        numbers = [0] * len(sights)
        nearby = [person for person in self._people if self._is_expected(person, time)]
        self._assign(nearby, sights, time, numbers, remembered=False)
        rest = [person for person in self._people if person.number not in numbers]
        self._assign(rest, sights, time, numbers, remembered=True)
        for index, sight in enumerate(sights):
            if not numbers[index]:
                numbers[index] = self._meet(sight, time)
        self._recognise(numbers, time)
        self._time = time
        return numbers

    def _meet(self, sight: FaceSight, time: float) -> int:
        """The number of a newcomer."""
        self._count += 1
        person = _Person(
            number=self._count,
            points=sight.points,
            velocity=np.zeros(2),
            time=time,
            shot=self._shot,
            look=sight.look,
            gallery=Gallery(sight.look[None]),
            memory=FaceMemory(),
            since=time,
            uncertain=sight.crowded,
        )
        self._remember(person, sight, time)
        person.compared = person.memory.count
        self._people.append(person)
        return person.number

    def _recognise(self, numbers: list[int], time: float) -> None:
        """Give newcomers the number of somebody absent whom they by now look like."""
        absent = [person for person in self._people if person.number not in numbers]
        for person in [person for person in self._people if person.number in numbers]:
            if not absent or time - person.since > PROBATION_SECONDS or time == person.since:
                continue
            known = self._known_as(person, absent)
            if known is not None and known.since < person.since:
                self.same[person.number] = known.number
                numbers[numbers.index(person.number)] = known.number
                known.points, known.velocity, known.time = person.points, person.velocity, person.time
                known.shot, known.look, known.uncertain = person.shot, person.look, person.uncertain
                known.memory.absorb(person.memory)
                self._people.remove(person)
                absent.remove(known)

    def _known_as(self, person: _Person, absent: list[_Person]) -> _Person | None:
        """Who of the absent a newcomer is."""
        nearest = min(absent, key=lambda other: other.gallery.distance(person.look))
        distance = nearest.gallery.distance(person.look)
        if self._open is None or distance < CERTAINLY_SAME:
            return nearest if distance < SAME_PERSON else None
        if person.compared == person.memory.count:
            return None
        person.compared = person.memory.count
        recognition = self._recognition()
        features = person.memory.newest(recognition)
        alike = {other.number: other.memory.similarity(features, recognition) for other in absent}
        best = max(absent, key=lambda other: -1.0 if (value := alike[other.number]) is None else value)
        value, of_nearest = alike[best.number], alike[nearest.number]
        if value is not None and value >= recognition.same:
            return best
        by_look = distance < SAME_PERSON and (of_nearest is None or of_nearest >= recognition.different)
        return nearest if by_look else None

    def _is_expected(self, person: _Person, time: float) -> bool:
        return person.shot == self._shot and time - person.time <= BRIEF_SECONDS

    def _assign(
        self, people: list[_Person], sights: Sequence[FaceSight], time: float, numbers: list[int], *, remembered: bool
    ) -> None:
        free = [index for index, number in enumerate(numbers) if not number]
        if not people or not free:
            return
        costs = np.full((len(people), len(free)), _REFUSED)
        doubtful = np.zeros(costs.shape, dtype=bool)
        for row, person in enumerate(people):
            for column, index in enumerate(free):
                if remembered:
                    costs[row, column] = self._remembered_cost(person, sights[index])
                else:
                    costs[row, column], doubtful[row, column] = self._expected_cost(person, sights[index], time)
        for row, column in self._settled(costs, doubtful, people, [sights[index] for index in free]):
            numbers[free[column]] = people[row].number
            self._see(people[row], sights[free[column]], time)

    def _settled(
        self,
        costs: Float[np.ndarray, "P S"],
        doubtful: Bool[np.ndarray, "P S"],
        people: list[_Person],
        sights: list[FaceSight],
    ) -> list[tuple[int, int]]:
        """The assignment of least cost; of the doubtful pairs in it none whose features speak of two people."""
        while True:
            best = zip(*linear_sum_assignment(costs), strict=True)
            pairs = [pair for pair in best if costs[pair] < _REFUSED]
            wrong = [pair for pair in pairs if doubtful[pair] and self._differ(people[pair[0]], sights[pair[1]])]
            if not wrong:
                return pairs
            for pair in wrong:
                costs[pair] = _REFUSED

    def _see(self, person: _Person, sight: FaceSight, time: float) -> None:
        if self._is_expected(person, time) and time > person.time and sight.points.shape == person.points.shape:
            velocity = (sight.points - person.points).mean(axis=0) / (time - person.time)
            person.velocity = (person.velocity + velocity) / 2
        else:
            person.velocity = np.zeros(2)
        person.points, person.time, person.shot = sight.points, time, self._shot
        person.uncertain = sight.crowded
        if not sight.crowded:
            person.look = sight.look
            person.gallery.add(sight.look)
            self._remember(person, sight, time)

    def _remember(self, person: _Person, sight: FaceSight, time: float) -> None:
        if self._open is not None and not sight.crowded and person.memory.wants_crop(time):
            assert sight.crop is not None
            person.memory.add(sight.crop, time, sight.features)

    def _expected_cost(self, person: _Person, sight: FaceSight, time: float) -> tuple[float, bool]:
        """Cost of a face being a person who was seen a moment ago, in place, shape and look; and if that is doubtful.

        It is where they had been lost or in a crowd, or suddenly look different.
        """
        away = time - person.time
        expected = person.points + person.velocity * away
        size = float(np.sqrt(np.prod(np.ptp(sight.points, axis=0))))
        shift = (sight.points - expected).mean(axis=0)
        place = float(np.linalg.norm(shift)) / size
        if place > REACH + REACH_PER_SECOND * away:
            return _REFUSED, False
        shape = float(np.sqrt(np.mean((sight.points - expected - shift) ** 2))) / size
        likeness = min(float(look_distance(person.look, sight.look)), person.gallery.distance(sight.look))
        if likeness > DIFFERENT_PERSON and not sight.crowded:
            return _REFUSED, False
        doubtful = likeness > (CERTAINLY_SAME if person.uncertain or person.time < self._time else SAME_PERSON)
        return place + SHAPE_WEIGHT * shape + min(likeness, DIFFERENT_PERSON), doubtful

    def _remembered_cost(self, person: _Person, sight: FaceSight) -> float:
        distance = person.gallery.distance(sight.look)
        alike = self._similarity(person, sight) if distance > CERTAINLY_SAME else None
        if alike is not None and alike >= self._recognition().same:
            return min(distance, SAME_PERSON * (1 - alike))
        differ = alike is not None and alike < self._recognition().different
        return distance if distance < SAME_PERSON and not differ else _REFUSED

    def _differ(self, person: _Person, sight: FaceSight) -> bool:
        alike = self._similarity(person, sight)
        return alike is not None and alike < self._recognition().different

    def _similarity(self, person: _Person, sight: FaceSight) -> float | None:
        """Of a face to a person by features; None where nothing can be said."""
        if self._open is None or sight.crowded:
            return None
        recognition = self._recognition()
        if sight.features is None:
            assert sight.crop is not None
            sight.features = recognition.encode(sight.crop[None])[0]
        return person.memory.similarity(sight.features, recognition)

    def _recognition(self) -> Recognition:
        assert self._open is not None
        if self._opened is None:
            self._opened = self._open()
        return self._opened


def _crowded(faces: Sequence[FaceLandmarks]) -> list[bool]:
    grown = (1 + HEAD_OVER_FACE) / 2
    boxes = [grown * face.box + (1 - grown) * np.roll(face.box, 2) for face in faces]
    return [
        any(covered_part(box, other) > CROWDED for number, other in enumerate(boxes) if number != index)
        for index, box in enumerate(boxes)
    ]
