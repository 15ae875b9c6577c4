"""Reading that goes on in the middle as if it had never stopped."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import numpy as np
import pytest

from face3d.errors import AssetError
from face3d.media.video import VideoFrame
from face3d.tracking.frame_faces import FaceFinding
from face3d.tracking.segments import Segments, read_faces, segments_of_clip
from tests.tracking.remembering import RememberingDetector, counted_frame, one_face

SEGMENTS = Segments(length=10, warm_up=3)


def frames(first: int, count: int = 34):
    return [VideoFrame(counted_frame(number), number, number / 25) for number in range(first, count)]


def opening(first, count=34):
    """Gives the frames from `first` on that are wanted."""
    return lambda wanted: nullcontext(frame for number, frame in enumerate(frames(first, count)) if wanted(number))


def read(first=0, sees=one_face, segments=SEGMENTS, lanes=1, count=34):
    detectors = []

    def opened():
        detectors.append(RememberingDetector(sees))
        return detectors[-1]

    frames_from = opening(segments.start_of_reading(first), count)
    found = list(read_faces(frames_from, FaceFinding(opened), segments, first=first, lanes=lanes))
    assert all(detector.closed for detector in detectors)
    return found, detectors


def test_every_frame_comes_once_and_in_order():
    found, detectors = read()
    assert [sight.index for sight in found] == list(range(34))
    assert len(detectors) == 2
    # The warm-ups are the only frames read twice.
    assert sum(len(detector.read) for detector in detectors) == 34 + 3 * SEGMENTS.warm_up


@pytest.mark.parametrize("lanes", [2, 3, 5])
@pytest.mark.parametrize(("first", "count"), [(0, 34), (10, 34), (20, 34), (0, 30), (0, 31), (0, 7)])
def test_lanes_read_the_same_to_the_last_bit(lanes, first, count):
    whole, _ = read(first, count=count)
    found, detectors = read(first, lanes=lanes, count=count)
    assert [seen.index for seen in found] == list(range(first, count))
    for one, other in zip(whole, found, strict=True):
        assert (one.begins_shot, one.sharpness) == (other.begins_shot, other.sharpness)
        assert other.frame is None
        np.testing.assert_array_equal(one.faces[0].points, other.faces[0].points)
        np.testing.assert_array_equal(one.sights[0].look, other.sights[0].look)
    # A lane needs one detector, and reads nothing twice.
    assert len(detectors) <= lanes
    assert all(len(set(detector.read)) == len(detector.read) for detector in detectors)


@pytest.mark.parametrize("lanes", [1, 2])
def test_no_detector_is_closed_while_it_reads(lanes):
    """The clip ends where a segment does: of the next one's warm-up frames nobody waits for the faces."""
    detectors, count = [], 20

    def opened():
        detectors.append(RememberingDetector(one_face, takes=0.005))
        return detectors[-1]

    list(read_faces(opening(0, count), FaceFinding(opened), SEGMENTS, lanes=lanes))
    read = [number for detector in detectors for number in detector.read]
    assert sorted(set(read)) == list(range(count))
    assert read.count(count - 1) == 2


def test_an_error_in_a_lane_is_the_callers():
    def sees(number, memory):
        if number == 15:
            raise AssetError("the model is damaged")
        return one_face(number, memory)

    with pytest.raises(AssetError, match="damaged"):
        read(sees=sees, lanes=2)


@pytest.mark.parametrize("count", [None, 0, 1, 60, 190, 760, 10_000])
def test_segments_of_a_clip_come_in_pairs(count):
    length = segments_of_clip(count).length
    assert 64 <= length <= 512
    if count and count > 128:
        assert -(-count // length) % 2 == 0


@pytest.mark.parametrize("first", [10, 20, 30])
def test_going_on_reads_the_same_to_the_last_bit(first):
    whole, _ = read()
    rest, detectors = read(first)
    assert [sight.index for sight in rest] == list(range(first, 34))
    for one, other in zip(whole[first:], rest, strict=True):
        assert one.begins_shot == other.begins_shot
        np.testing.assert_array_equal(one.faces[0].points, other.faces[0].points)
    assert min(detectors[0].read) == first - SEGMENTS.warm_up


def test_memory_reaches_back_to_the_warm_up_and_no_further():
    oldest = {}

    def sees(number, memory):
        oldest.setdefault(number, []).append(memory[0])
        return one_face(number, memory)

    read(sees=sees)
    assert oldest[25] == [17]
    assert oldest[18] == [7, 17]


def test_a_frame_that_a_detector_chokes_on_shows_no_face():
    def sees(number, memory):
        if number == 12:
            raise RuntimeError("packet timestamp mismatch\nTraceback")
        return one_face(number, memory)

    found, _ = read(sees=sees)
    assert [sight.index for sight in found if not sight.faces] == [12]
    assert found[12].failure == "frame 12: RuntimeError: packet timestamp mismatch"


def test_landmarks_that_are_no_numbers_are_no_face():
    def sees(number, memory):
        (face,) = one_face(number, memory)
        face.points[3, 1] = np.nan if number == 5 else 0.0
        return [face]

    found, _ = read(sees=sees)
    assert [sight.index for sight in found if not sight.faces] == [5]


def test_what_no_frame_is_to_blame_for_ends_the_run():
    def sees(number, memory):
        raise AssetError("the model is damaged")

    with pytest.raises(AssetError, match="damaged"):
        read(sees=sees)


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_caller_may_leave_early(lanes):
    detectors, before = [], threading.active_count()

    def opened():
        detectors.append(RememberingDetector(one_face))
        return detectors[-1]

    reading = read_faces(opening(0), FaceFinding(opened), SEGMENTS, lanes=lanes)
    next(reading)
    reading.close()
    assert all(detector.closed for detector in detectors)
    assert threading.active_count() == before
