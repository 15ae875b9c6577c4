"""Faces of a clip on disk: complete, resumable, and each person's way through them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from face3d.errors import InputError
from face3d.landmarks.detector import FaceLandmarks
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.find_faces import find_faces
from face3d.tracking.segments import Segments
from face3d.tracking.stored_faces import timelines
from face3d.tracking.work_folder import WorkFolder
from tests.landmarks.drawn_faces import drawn_landmarks
from tests.media.clips import write_clip
from tests.tracking.remembering import RememberingDetector, counted_clip, counted_frame, one_face, place_of

SEGMENTS = Segments(length=10, warm_up=3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return counted_clip(tmp_path_factory.mktemp("clip") / "count.mp4", 50)


def find(folder, clip, sees=one_face, **options):
    folder.mkdir(exist_ok=True)
    opening = partial(RememberingDetector, sees)
    return find_faces(WorkFolder(folder), ClipPart(clip), opening, segments=SEGMENTS, **options)


def content(folder):
    found = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            found |= {(path.name, name): file[name] for name in file.files if name != "seconds"}
    return found


def test_a_run_that_is_stopped_anywhere_goes_on_to_the_same_files(clip, tmp_path):
    find(tmp_path / "whole", clip)
    expected = content(tmp_path / "whole")
    read = []

    def stop_at(number):
        def watch(numbered):
            read.append(numbered.frame.index)
            if numbered.frame.index == number:
                raise KeyboardInterrupt

        return watch

    for number in (3, 17, 29, 30, 45, 49):
        with pytest.raises(KeyboardInterrupt):
            find(tmp_path / "parts", clip, watch=stop_at(number))
    find(tmp_path / "parts", clip, watch=stop_at(None))
    # Of what was done nothing is done again, but for the segment that was under way.
    assert read == [
        n for last in ((0, 3), (0, 17), (10, 29), (30, 30), (30, 45), (40, 49)) for n in range(last[0], last[1] + 1)
    ]
    found = content(tmp_path / "parts")
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values)


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_lanes_leave_the_same_files_wherever_they_are_stopped(clip, tmp_path, lanes):
    find(tmp_path / "whole", clip, lanes=1)
    expected = content(tmp_path / "whole")
    for number in (17, 33):

        def sees(n, memory, number=number):
            if n == number:
                raise KeyboardInterrupt
            return one_face(n, memory)

        with pytest.raises(KeyboardInterrupt):
            find(tmp_path / "parts", clip, sees, lanes=lanes)
    find(tmp_path / "parts", clip, lanes=lanes)
    found = content(tmp_path / "parts")
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values)


def test_lanes_that_leap_astray_begin_anew(tmp_path, monkeypatch):
    """A file does not hold a frame that its packets announce: the same result, read without leaping."""
    clip = counted_clip(tmp_path / "count.mp4", 200)
    segments = Segments(length=100, warm_up=3)

    def found(folder, lanes):
        folder.mkdir()
        find_faces(
            WorkFolder(folder), ClipPart(clip), partial(RememberingDetector, one_face), segments=segments, lanes=lanes
        )
        return content(folder)

    expected = found(tmp_path / "whole", 1)
    astray = []

    def announced(path):
        astray.append(path)
        return np.insert(np.arange(200) / 25, 50, 49.5 / 25)

    monkeypatch.setattr("face3d.media.video.frame_times", announced)
    seen = found(tmp_path / "lanes", 2)
    assert astray
    assert seen.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(seen[key], values)


def test_a_second_run_reads_nothing(clip, tmp_path):
    find(tmp_path / "work", clip)
    faces = find(tmp_path / "work", tmp_path / "gone.mp4", sees=pytest.fail)
    assert len(faces.stored.frames) == 50


def test_a_segment_that_was_damaged_is_read_again(clip, tmp_path):
    find(tmp_path / "whole", clip)
    with pytest.raises(KeyboardInterrupt):
        find(
            tmp_path / "parts",
            clip,
            watch=lambda seen: (_ for _ in ()).throw(KeyboardInterrupt) if seen.frame.index == 35 else None,
        )
    (tmp_path / "parts" / "faces_000002.npz").write_bytes(b"PK")
    find(tmp_path / "parts", clip)
    for key, values in content(tmp_path / "whole").items():
        np.testing.assert_array_equal(content(tmp_path / "parts")[key], values)


def test_faces_come_back_as_they_were_found(clip, tmp_path):
    faces = find(tmp_path / "work", clip)
    (timeline,) = timelines(faces.stored, faces.same)
    assert timeline.valid.all()
    np.testing.assert_array_equal(timeline.frames, np.arange(50))
    np.testing.assert_allclose(timeline.times, np.arange(50) / 25, atol=1e-6)
    seen = list(faces.stored.faces(timeline))
    assert [place for place, _, _ in seen] == list(range(50))
    for place, face, _ in seen:
        (expected,) = one_face(place, [])
        assert isinstance(face, FaceLandmarks)
        np.testing.assert_allclose(face.points[1:, :2], expected.points[1:, :2], rtol=1e-6)
        assert (face.topology, face.detector, face.image_size) == ("ibug_68", "drawn", expected.image_size)
        assert face.blendshapes is None
    rows = faces.stored.part(timeline, 8, 23)
    np.testing.assert_array_equal(rows.points, np.stack([face.points for _, face, _ in seen[8:23]]))
    assert rows.curves.shape == (15, 0)


def test_gaps_are_bridged_marked_or_left_out(clip, tmp_path):
    missing = {*range(12, 16), 22, *range(30, 48)}
    faces = find(tmp_path / "work", clip, lambda n, memory: [] if n in missing else one_face(n, memory))
    (timeline,) = timelines(faces.stored, faces.same)
    np.testing.assert_array_equal(timeline.frames, [*range(30), 48, 49])
    np.testing.assert_array_equal(timeline.frames[~timeline.valid], [12, 13, 14, 15, 22])
    rows = faces.stored.part(timeline, 10, 20)
    np.testing.assert_array_equal(np.abs(np.nan_to_num(rows.points)).sum(axis=(1, 2)) > 0, timeline.valid[10:20])


def test_a_part_of_a_timeline_without_a_sighting(clip, tmp_path):
    faces = find(tmp_path / "work", clip, lambda n, memory: [] if 12 <= n < 16 else one_face(n, memory))
    (timeline,) = timelines(faces.stored, faces.same)
    assert faces.stored.part(timeline, 13, 15).points.shape == (2, 68, 3)


def test_a_glimpse_is_a_mistake_and_nobody_is_nobody(clip, tmp_path):
    glimpse = find(tmp_path / "glimpse", clip, lambda n, memory: one_face(n, memory) if n == 7 else [])
    assert timelines(glimpse.stored, glimpse.same) == []
    nobody = find(tmp_path / "nobody", clip, lambda n, memory: [])
    assert timelines(nobody.stored, nobody.same) == []


def test_two_people_and_the_largest_of_them(tmp_path):
    def places(number):
        return {"ann": place_of(number), **({"bob": (250.0, 60.0)} if number >= 20 else {})}

    def two(number, memory):
        return [drawn_landmarks(place, 20.0 if name == "ann" else 15.0) for name, place in places(number).items()]

    clip = write_clip(tmp_path / "two.mp4", (counted_frame(number, places(number)) for number in range(50)))
    faces = find(tmp_path / "two", clip, two)
    first, second = timelines(faces.stored, faces.same)
    assert (len(first.frames), len(second.frames)) == (50, 30)
    assert faces.stored.face(int(second.rows[0]))[0].points[:, 0].mean() > 200
    one = find(tmp_path / "one", clip, two, max_faces=1)
    assert len(timelines(one.stored, one.same)) == 1


def test_a_number_that_turned_out_to_be_somebody_known(clip, tmp_path):
    faces = find(tmp_path / "work", clip)
    faces.stored.persons[20:35] = 2
    assert [len(timeline.frames) for timeline in timelines(faces.stored, {})] == [50 - 15, 15]
    (timeline,) = timelines(faces.stored, {2: 1})
    assert timeline.valid.all()
    assert len(timeline.frames) == 50


def test_bad_frames_are_told_once(clip, tmp_path):
    def sees(number, memory):
        if 5 <= number < 8:
            raise ValueError("bad frame")
        return one_face(number, memory)

    faces = find(tmp_path / "work", clip, sees)
    (warning,) = faces.warnings
    assert "frame 5" in warning
    (timeline,) = timelines(faces.stored, faces.same)
    assert (~timeline.valid).sum() == 3


def test_a_start_beyond_the_end(clip, tmp_path):
    part = ClipPart(clip, start=60.0)
    with pytest.raises(InputError, match="count.mp4"):
        find_faces(WorkFolder(tmp_path), part, partial(RememberingDetector, one_face), segments=SEGMENTS)


def test_ctrl_c_ends_a_camera_and_keeps_what_it_showed(clip, tmp_path):
    """A file that is read by its address stands for a camera."""

    def watch(numbered):
        if numbered.frame.index == 27:
            raise KeyboardInterrupt

    (tmp_path / "work").mkdir()
    opening = partial(RememberingDetector, one_face)
    part = ClipPart(f"file://{clip}")
    faces = find_faces(WorkFolder(tmp_path / "work"), part, opening, segments=SEGMENTS, watch=watch)
    (timeline,) = timelines(faces.stored, faces.same)
    np.testing.assert_array_equal(timeline.frames, np.arange(28))


def test_pictures_are_kept_for_a_network(clip, tmp_path):
    faces = find(tmp_path / "work", clip, looks=True)
    rows, worths = faces.stored.looks()
    assert len(rows) == 2 * 5
    assert (np.diff(worths.reshape(5, 2).max(axis=1)) != 0).any()
    assert faces.stored.look(int(rows[3])).shape == (112, 112, 3)
