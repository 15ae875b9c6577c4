"""Who is who from frame to frame: each face of a video gets the number of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from scipy.optimize import linear_sum_assignment

from face3d.landmarks.appearance import DIFFERENT_PERSON, SAME_PERSON, Gallery, face_look, look_distance
from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.point_subsets import five_points

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

_REFUSED = 1e6


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
        looks = [face_look(image, five_points(face.points[:, :2], face.topology)) for face in faces]
        numbers = [0] * len(faces)
        nearby = [person for person in self._people if self._is_expected(person, time)]
        self._assign(nearby, faces, looks, time, numbers, remembered=False)
        rest = [person for person in self._people if person.number not in numbers]
        self._assign(rest, faces, looks, time, numbers, remembered=True)
        for index, face in enumerate(faces):
            if not numbers[index]:
                self._count += 1
                numbers[index] = self._count
                self._people.append(self._new(numbers[index], face, looks[index], time))
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
        self,
        people: list[_Person],
        faces: Sequence[FaceLandmarks],
        looks: list[Float[np.ndarray, "24 24 3"]],
        time: float,
        numbers: list[int],
        *,
        remembered: bool,
    ) -> None:
        free = [index for index, number in enumerate(numbers) if not number]
        if not people or not free:
            return
        costs = np.array(
            [
                [
                    _remembered_cost(person, looks[index])
                    if remembered
                    else _expected_cost(person, faces[index], looks[index], time)
                    for index in free
                ]
                for person in people
            ]
        )
        for row, column in zip(*linear_sum_assignment(costs), strict=True):
            if costs[row, column] < _REFUSED:
                index = free[column]
                numbers[index] = people[row].number
                self._see(people[row], faces[index], looks[index], time)

    def _see(self, person: _Person, face: FaceLandmarks, look: Float[np.ndarray, "24 24 3"], time: float) -> None:
        points = face.points[:, :2]
        if self._is_expected(person, time) and time > person.time and points.shape == person.points.shape:
            velocity = (points - person.points).mean(axis=0) / (time - person.time)
            person.velocity = (person.velocity + velocity) / 2
        else:
            person.velocity = np.zeros(2)
        person.points, person.time, person.shot, person.look = points, time, self._shot, look
        person.gallery.add(look)

    def _new(self, number: int, face: FaceLandmarks, look: Float[np.ndarray, "24 24 3"], time: float) -> _Person:
        return _Person(number, face.points[:, :2], np.zeros(2), time, self._shot, look, Gallery(look), time)


def _expected_cost(person: _Person, face: FaceLandmarks, look: Float[np.ndarray, "24 24 3"], time: float) -> float:
    """Cost of a face being a person who was seen a moment ago, in place, shape and look."""
    points = face.points[:, :2]
    away = time - person.time
    expected = person.points + person.velocity * away
    size = float(np.sqrt(np.prod(np.ptp(points, axis=0))))
    shift = (points - expected).mean(axis=0)
    place = float(np.linalg.norm(shift)) / size
    shape = float(np.sqrt(np.mean((points - expected - shift) ** 2))) / size
    likeness = min(look_distance(person.look, look), person.gallery.distance(look))
    if place > REACH + REACH_PER_SECOND * away or likeness > DIFFERENT_PERSON:
        return _REFUSED
    return place + SHAPE_WEIGHT * shape + likeness


def _remembered_cost(person: _Person, look: Float[np.ndarray, "24 24 3"]) -> float:
    distance = person.gallery.distance(look)
    return distance if distance < SAME_PERSON else _REFUSED
