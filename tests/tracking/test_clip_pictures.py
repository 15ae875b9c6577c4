"""The second reading of a clip: which frames, in which chunks, and no more of them at a time than a chunk has."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import InputError
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.clip_pictures import chunks_of, in_chunks, pictures, places_in, points_68, stretches
from face3d.tracking.stored_faces import PersonTimeline
from tests.media.clips import number_of, numbered_clip
from tests.tracking.given_faces import GivenFaces, timeline_of


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return numbered_clip(tmp_path_factory.mktemp("clip") / "count.mp4", 30)


def timeline_at(frames) -> PersonTimeline:
    frames = np.asarray(frames)
    return PersonTimeline(np.arange(len(frames)), frames, frames / 25, np.ones(len(frames), dtype=int))


@pytest.mark.parametrize("places", [range(5), (0, 2, 4), (3,), ()])
def test_the_frames_of_a_timeline_come_again_with_their_places(clip, places):
    timeline = timeline_at([4, 5, 6, 20, 29])
    seen = [(number_of(frame.pixels), place) for frame, place in pictures(ClipPart(clip), timeline, places)]
    assert seen == [(int(timeline.frames[place]), place) for place in places]


@pytest.mark.parametrize("options", [{"every": 3}, {"frames_per_second": 10.0}, {"start": 0.21, "every": 2}])
def test_a_part_begins_in_its_middle_with_the_same_frames(clip, options):
    part = ClipPart(clip, **options)
    with part.open() as video:
        frames = [(frame.index, frame.time) for frame in video]
    timeline = replace(timeline_at([index for index, _ in frames]), times=np.array([time for _, time in frames]))
    half = range(len(frames) // 2, len(frames))
    assert [frame.index for frame, _ in pictures(part, timeline, half)] == [frames[place][0] for place in half]


def test_a_video_that_has_become_shorter(clip):
    with pytest.raises(InputError, match=r"count\.mp4: frame 31 is not there"):
        list(pictures(ClipPart(clip), timeline_at([3, 31]), range(2)))


def test_the_video_is_closed_when_nobody_wants_more(clip):
    reading = pictures(ClipPart(clip), timeline_at([0, 1, 2]), range(3))
    next(reading)
    reading.close()


def test_cuts_and_frames_that_lack_end_a_stretch():
    timeline = replace(timeline_at([0, 2, 4, 10, 12, 14]), shots=np.array([1, 1, 1, 1, 2, 2]))
    assert stretches(timeline, np.arange(0, 20, 2)) == [range(3), range(3, 4), range(4, 6)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(1, 12), st.integers(0, 4), st.data())
def test_chunks_keep_every_frame_once_and_look_no_further_than_their_stretch(lengths, length, context, data):
    ends = np.cumsum([0, *lengths])
    runs = [range(first, last) for first, last in pairwise(ends.tolist())]
    chunks = chunks_of(runs, length, context)
    assert [place for chunk in chunks for place in range(chunk.keep_start, chunk.keep_end)] == list(range(sum(lengths)))
    for chunk in chunks:
        (run,) = [run for run in runs if chunk.keep_start in run]
        assert chunk.start == max(run.start, chunk.keep_start - context)
        assert chunk.end == min(run.stop, chunk.keep_start + length + context)
    missing = [chunk for chunk in chunks if data.draw(st.booleans())]
    drawn: list[int] = []

    def seen():
        for place in places_in(missing):
            drawn.append(place)
            yield -place, place

    for chunk, items in in_chunks(seen(), missing):
        assert items == [-place for place in range(chunk.start, chunk.end)]
        assert drawn[-1] == chunk.end - 1


def test_landmarks_of_frames_without_the_face_lie_between_those_around():
    count, hidden = 9, (2, 3, 6)
    points = np.cumsum(np.ones((count, 68, 3)), axis=0)
    timeline = timeline_of(count, hidden=hidden)
    found = points_68(GivenFaces(points, np.arange(count), "ibug_68"), timeline, [range(count)])
    np.testing.assert_allclose(found, points[..., :2])
    assert found.dtype == np.float32


def test_landmarks_do_not_reach_over_a_cut():
    points = np.repeat([0.0, 0, 0, 50, 50, 50], 68 * 3).reshape(6, 68, 3)
    stored = GivenFaces(points, np.arange(6), "ibug_68_fixed")
    found = points_68(stored, timeline_of(6, hidden=(1, 4)), [range(3), range(3, 6)])
    np.testing.assert_array_equal(found, points[..., :2])
