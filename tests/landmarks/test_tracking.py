"""Who is who: numbers stay with people who move, cross, hide, leave and return."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.landmarks.tracking import PersonTracker, sights_of
from tests.landmarks.drawn_faces import Places, drawn_frame, drawn_landmarks


def numbers_over(frames: list[Places], cuts: tuple[int, ...] = (), rate: float = 25.0) -> list[dict[str, int]]:
    """The number that each person gets in each frame, and who turned out to be whom taken into account."""
    tracker = PersonTracker()
    given = []
    for step, places in enumerate(frames):
        if step in cuts:
            tracker.start_shot()
        # In an order that tells nothing.
        names = sorted(places, key=lambda name: (step + len(name)) % 2)
        faces = [drawn_landmarks(places[name]) for name in names]
        numbers = tracker.number(sights_of(drawn_frame(places), faces), step / rate)
        assert len(set(numbers)) == len(numbers)
        given.append(dict(zip(names, numbers, strict=True)))
    return [{name: tracker.same.get(number, number) for name, number in frame.items()} for frame in given]


def all_numbers(given: list[dict[str, int]]) -> dict[str, set[int]]:
    return {name: {frame[name] for frame in given if name in frame} for name in {n for frame in given for n in frame}}


def test_people_are_counted_as_they_come():
    frames = [{"ann": (60.0, 90.0)}] * 5 + [{"ann": (60.0, 90.0), "bob": (200.0, 90.0)}] * 5
    assert all_numbers(numbers_over(frames)) == {"ann": {1}, "bob": {2}}


@pytest.mark.parametrize("speed", [2.0, 5.0, 8.0])
def test_people_who_pass_each_other_keep_their_numbers(speed):
    steps = int(240 / speed)
    frames = [{"ann": (40 + speed * n, 84.0), "bob": (280 - speed * n, 96.0)} for n in range(steps)]
    assert all_numbers(numbers_over(frames)) == {"ann": {1}, "bob": {2}}


def test_one_who_is_hidden_while_another_passes():
    frames: list[Places] = []
    for n in range(80):
        front = 300 - 4.0 * n
        frames.append({"front": (front, 95.0), **({} if abs(front - 160) < 34 else {"back": (160.0, 90.0)})})
    given = numbers_over(frames)
    assert all_numbers(given) == {"back": {given[0]["back"]}, "front": {given[0]["front"]}}


@pytest.mark.parametrize("away", [1, 10, 100])
def test_one_who_leaves_and_returns_elsewhere(away):
    frames: list[Places] = [{"ann": (60.0, 90.0), "bob": (200.0, 90.0)}] * 10
    frames += [{"bob": (200.0, 90.0)}] * away + [{"bob": (200.0, 90.0), "ann": (290.0, 60.0)}] * 5
    if away == 1:  # nobody crosses the image between two frames: another place is believed only with time
        frames = [*frames[:11], *[{"bob": (200.0, 90.0), "ann": (66.0, 92.0)}] * 5]
    given = numbers_over(frames)
    assert all_numbers(given) == {"ann": {given[0]["ann"]}, "bob": {given[0]["bob"]}}


def test_another_person_at_the_same_place_gets_another_number():
    frames = [{"ann": (100.0, 90.0)}] * 10 + [{"bob": (100.0, 90.0)}] * 10
    for cuts in ((), (10,)):
        given = all_numbers(numbers_over(frames, cuts))
        assert given == {"ann": {1}, "bob": {2}}


def test_after_a_cut_people_are_known_by_their_looks():
    """They change sides over the cut; by place alone their numbers would change over."""
    first: Places = {"ann": (80.0, 90.0), "bob": (220.0, 90.0)}
    second: Places = {"bob": (80.0, 90.0), "ann": (220.0, 90.0)}
    given = numbers_over([first] * 10 + [second] * 10, cuts=(10,))
    assert all_numbers(given) == {"ann": {given[0]["ann"]}, "bob": {given[0]["bob"]}}


def test_a_fast_mover_is_expected_where_it_goes():
    frames = [{"ann": (30 + 12.0 * n, 90.0)} for n in range(20)]
    assert all_numbers(numbers_over(frames)) == {"ann": {1}}


def test_nobody_in_sight():
    tracker = PersonTracker()
    assert tracker.number(sights_of(np.zeros((90, 160, 3), np.uint8), []), 0.0) == []


def test_a_tracker_goes_on_from_its_stored_state(tmp_path):
    """Two people meet, one leaves and returns; the tracker is stored and read in between."""
    frames: list[Places] = [{"ann": (40 + 4.0 * n, 84.0), "bob": (280 - 4.0 * n, 96.0)} for n in range(40)]
    frames += [{"ann": (200.0, 84.0)}] * 20 + [{"ann": (200.0, 84.0), "bob": (80.0, 90.0)}] * 20
    whole, parts = PersonTracker(), PersonTracker()
    for step, places in enumerate(frames):
        if step % 7 == 0:
            np.savez(tmp_path / "state.npz", allow_pickle=False, **parts.state())
            with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
                parts = PersonTracker.from_state(state)
        if step == 50:
            whole.start_shot()
            parts.start_shot()
        image, faces = drawn_frame(places), [drawn_landmarks(place) for place in places.values()]
        sights = sights_of(image, faces)
        assert whole.number(sights, step / 25) == parts.number(sights, step / 25)
    assert whole.same == parts.same
    for name, values in whole.state().items():
        np.testing.assert_array_equal(parts.state()[name], values)
