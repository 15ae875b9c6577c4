"""Who is who from frame to frame: each face of a video gets the number of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from scipy.optimize import linear_sum_assignment

from face3d.landmarks.appearance import DIFFERENT_PERSON, SAME_PERSON, Gallery, face_look, look_distance
from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.search import covered_part
from face3d.landmarks.topologies import convert_points

__all__ = ["PersonTracker"]

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


@dataclass(frozen=True, slots=True, eq=False)
class _Sight:
    """A face in the newest frame; crowded when another is drawn over it, or it over another."""

    points: Float[np.ndarray, "N 2"]
    look: Float[np.ndarray, "24 24 3"]
    crowded: bool


@dataclass(slots=True, eq=False)
class _Person:
    number: int
    points: Float[np.ndarray, "N 2"]
    velocity: Float[np.ndarray, " 2"]
    time: float
    shot: int
    look: Float[np.ndarray, "24 24 3"]
    gallery: Gallery
    since: float


class PersonTracker:
    """Gives the faces of a video's frames the numbers of people, from 1 in the order in which they come.

    Within a shot a face goes to the person that is expected nearest, by place, shape and look together (the assignment
    of least cost over all), so that people who pass each other keep their numbers. Who was away for longer, or appears
    after a cut, is known again by the look alone, which must then be near.

    Attributes:
        same: numbers given to people who turned out to be others: {number: the other's number}.
    """

    def __init__(self) -> None:
        self.same: dict[int, int] = {}
        self._people: list[_Person] = []
        self._shot = 0
        self._count = 0

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PersonTracker:
        """A tracker that goes on where the one with this `state` was."""
        tracker = cls()
        tracker.same = {int(number): int(known) for number, known in state["same"]}
        tracker._shot, tracker._count = int(state["shot"]), int(state["count"])
        gallery_ends = np.cumsum(state["gallery_sizes"])[:-1]
        galleries = np.split(state["galleries"], gallery_ends) if len(state["numbers"]) else []
        tracker._people = [
            _Person(
                int(state["numbers"][row]),
                state["points"][row],
                state["velocities"][row],
                float(state["times"][row]),
                int(state["shots"][row]),
                state["looks"][row],
                Gallery(gallery),
                float(state["since"][row]),
            )
            for row, gallery in enumerate(galleries)
        ]
        return tracker

    def state(self) -> dict[str, np.ndarray]:
        """All that the numbers of later faces depend on, as arrays that can be stored."""
        people = self._people
        galleries = [person.gallery.looks for person in people]
        return {
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
            "since": np.array([person.since for person in people]),
        }

    def start_shot(self) -> None:
        """The next frame begins another shot: nobody is expected where they were."""
        self._shot += 1

    def number(self, image: UInt8[np.ndarray, "H W 3"], faces: Sequence[FaceLandmarks], time: float) -> list[int]:
        """The person of each face of the next frame; no number twice.

        Args:
            image: the frame, RGB.
            faces: all in it.
            time: seconds, greater than before.
        """
        crowded = _crowded(faces)
        sights = [
            _Sight(
                face.points[:, :2],
                face_look(image, convert_points(face.points[:, :2], face.topology, "arcface_5")),
                close,
            )
            for face, close in zip(faces, crowded, strict=True)
        ]
        numbers = [0] * len(faces)
        nearby = [person for person in self._people if self._is_expected(person, time)]
        self._assign(nearby, sights, time, numbers, remembered=False)
        rest = [person for person in self._people if person.number not in numbers]
        self._assign(rest, sights, time, numbers, remembered=True)
        for index, sight in enumerate(sights):
            if not numbers[index]:
                self._count += 1
                numbers[index] = self._count
                gallery = Gallery(sight.look[None])
                self._people.append(
                    _Person(self._count, sight.points, np.zeros(2), time, self._shot, sight.look, gallery, time)
                )
        self._recognise(numbers, time)
        return numbers

    def _recognise(self, numbers: list[int], time: float) -> None:
        """Give newcomers the number of somebody absent whom they by now look like."""
        absent = [person for person in self._people if person.number not in numbers]
        for person in [person for person in self._people if person.number in numbers]:
            if not absent or time - person.since > PROBATION_SECONDS or time == person.since:
                continue
            known = min(absent, key=lambda other: other.gallery.distance(person.look))
            if known.since < person.since and known.gallery.distance(person.look) < SAME_PERSON:
                self.same[person.number] = known.number
                numbers[numbers.index(person.number)] = known.number
                known.points, known.velocity, known.time = person.points, person.velocity, person.time
                known.shot, known.look = person.shot, person.look
                self._people.remove(person)
                absent.remove(known)

    def _is_expected(self, person: _Person, time: float) -> bool:
        return person.shot == self._shot and time - person.time <= BRIEF_SECONDS

    def _assign(
        self, people: list[_Person], sights: list[_Sight], time: float, numbers: list[int], *, remembered: bool
    ) -> None:
        free = [index for index, number in enumerate(numbers) if not number]
        if not people or not free:
            return
        costs = np.full((len(people), len(free)), _REFUSED)
        for row, person in enumerate(people):
            for column, index in enumerate(free):
                if remembered:
                    costs[row, column] = _remembered_cost(person, sights[index])
                else:
                    costs[row, column] = _expected_cost(person, sights[index], time)
        for row, column in zip(*linear_sum_assignment(costs), strict=True):
            if costs[row, column] < _REFUSED:
                numbers[free[column]] = people[row].number
                self._see(people[row], sights[free[column]], time)

    def _see(self, person: _Person, sight: _Sight, time: float) -> None:
        if self._is_expected(person, time) and time > person.time and sight.points.shape == person.points.shape:
            velocity = (sight.points - person.points).mean(axis=0) / (time - person.time)
            person.velocity = (person.velocity + velocity) / 2
        else:
            person.velocity = np.zeros(2)
        person.points, person.time, person.shot = sight.points, time, self._shot
        if not sight.crowded:
            person.look = sight.look
            person.gallery.add(sight.look)


def _expected_cost(person: _Person, sight: _Sight, time: float) -> float:
    """Cost of a face being a person who was seen a moment ago, in place, shape and look."""
    away = time - person.time
    expected = person.points + person.velocity * away
    size = float(np.sqrt(np.prod(np.ptp(sight.points, axis=0))))
    shift = (sight.points - expected).mean(axis=0)
    place = float(np.linalg.norm(shift)) / size
    shape = float(np.sqrt(np.mean((sight.points - expected - shift) ** 2))) / size
    likeness = min(float(look_distance(person.look, sight.look)), person.gallery.distance(sight.look))
    if place > REACH + REACH_PER_SECOND * away or (likeness > DIFFERENT_PERSON and not sight.crowded):
        return _REFUSED
    return place + SHAPE_WEIGHT * shape + min(likeness, DIFFERENT_PERSON)


def _remembered_cost(person: _Person, sight: _Sight) -> float:
    distance = person.gallery.distance(sight.look)
    return distance if distance < SAME_PERSON else _REFUSED


def _crowded(faces: Sequence[FaceLandmarks]) -> list[bool]:
    grown = (1 + HEAD_OVER_FACE) / 2
    boxes = [grown * face.box + (1 - grown) * np.roll(face.box, 2) for face in faces]
    return [
        any(covered_part(box, other) > CROWDED for number, other in enumerate(boxes) if number != index)
        for index, box in enumerate(boxes)
    ]
