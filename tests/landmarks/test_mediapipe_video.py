"""Following faces with MediaPipe: small, turned and several faces, and agreement with the photo path."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from face3d.assets import asset_path
from face3d.landmarks import MediaPipeDetector
from face3d.landmarks.mediapipe_tasks import MeshTracker
from face3d.landmarks.mediapipe_video import CHECK_EVERY
from face3d.media import read_image
from face3d.media.video import open_video


def interocular(face):
    return float(np.linalg.norm(face.points[263, :2] - face.points[33, :2]))


def rms(one, other):
    return float(np.sqrt(np.mean((one[..., :2] - other[..., :2]) ** 2)))


def follow(detector, frames, rate=25):
    detector.start_shot()
    return [detector.detect_video(frame, round(1000 * number / rate)) for number, frame in enumerate(frames)]


def test_the_video_path_reads_faces_as_the_photo_path_does(detector, talk_clip):
    """Nearer than a model that is led by its own landmarks alone, as in MediaPipe's video mode."""
    with open_video(talk_clip, every=2) as video:
        frames = [frame.pixels for frame in video]
    some = slice(2, None, 8)
    alone = np.stack([detector.detect(frame)[0].points for frame in frames[some]])
    followed = np.stack([faces[0].points for faces in follow(detector, frames)])[some]
    led = MeshTracker(asset_path("mediapipe"), max_faces=1, video=True)
    uncorrected = np.stack([led.read_next(frame)[0].points for frame in frames])[some]
    led.close()
    assert rms(followed, alone) < 0.8 * rms(uncorrected, alone)
    assert rms(followed.mean(axis=0), alone.mean(axis=0)) < 0.5 * rms(uncorrected.mean(axis=0), alone.mean(axis=0))
    unit = np.linalg.norm(alone[0, 263, :2] - alone[0, 33, :2])
    assert abs((followed - alone)[..., 0].mean()) < 0.002 * unit


def test_points_are_not_smoothed_over_time(detector):
    """A face that jumps is read where it is in the very frame."""
    image = data.astronaut()
    frames = [np.roll(image, 6 * (n % 2), axis=1) for n in range(12)]
    faces = [found[0] for found in follow(detector, frames)]
    jumps = np.diff([face.points[:, 0].mean() for face in faces])
    np.testing.assert_allclose(jumps[4:], 6 * np.array([(-1) ** n for n in range(4, 11)]), atol=0.5)


@pytest.mark.parametrize("place", [(250, 100), (1500, 700)])
def test_a_face_200_pixels_wide_in_full_hd(detector, place):
    face = cv2.resize(data.astronaut()[:300, 80:380], None, fx=1.75, fy=1.75, interpolation=cv2.INTER_CUBIC)
    scene = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8), (0, 0), 20)
    left, top = place
    height, width = min(face.shape[0], 1080 - top), min(face.shape[1], 1920 - left)
    scene[top : top + height, left : left + width] = face[:height, :width]
    for faces in follow(detector, [scene] * 3):
        (found,) = faces
        assert 150 < found.box[2] - found.box[0] < 240
        assert left < found.box[0]
        assert found.box[2] < left + width


def test_a_small_face_that_only_tiles_show(detector):
    small = cv2.resize(data.astronaut(), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    scene = np.full((1080, 1920, 3), 128, np.uint8)
    scene[600 : 600 + small.shape[0], 900 : 900 + small.shape[1]] = small
    assert [len(faces) for faces in follow(detector, [scene] * 4)] == [1] * 4


def test_a_head_that_turns_is_followed(detector, package_clips):
    """A man in a car who looks to the side, at 176 x 144 pixels."""
    with open_video(package_clips["carphone_pristine.mp4"]) as video:
        counts = [len(faces) for faces in follow(detector, (frame.pixels for frame in video), 30)]
    assert counts == [1] * 120


def test_all_of_a_group(detector, package_photos):
    group = read_image(package_photos["t1.jpg"]).pixels
    frames = [np.roll(group, 2 * n, axis=1) for n in range(5)]
    assert [len(faces) for faces in follow(detector, frames)] == [6] * 5


def test_a_scene_without_people(detector, package_clips):
    with open_video(package_clips["no_face.mp4"], every=6) as video:
        assert all(not faces for faces in follow(detector, (frame.pixels for frame in video), 4))


def test_a_newcomer_is_seen_within_a_quarter_of_a_second(detector, package_photos):
    empty = np.full((512, 1024, 3), 128, np.uint8)
    first, both = empty.copy(), empty.copy()
    first[:, :512] = both[:, :512] = data.astronaut()
    other = read_image(package_photos["single_face.jpg"]).pixels
    scale = 512 / max(other.shape[:2])
    other = cv2.resize(other, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    both[: other.shape[0], 512 : 512 + other.shape[1]] = other
    counts = [len(faces) for faces in follow(detector, [first] * 5 + [both] * 10)]
    assert counts[:5] == [1] * 5
    assert counts[12:] == [2] * 3


def test_a_face_that_leaves_is_let_go(detector):
    image = data.astronaut()
    gone = data.coffee()[:400, :512]
    frames = [image] * 3 + [np.ascontiguousarray(cv2.resize(gone, (512, 512)))] * 3 + [image] * 3
    counts = [len(faces) for faces in follow(detector, frames, rate=4)]
    assert counts == [1] * 3 + [0] * 3 + [1] * 3


def test_results_do_not_depend_on_how_fast_the_machine_is(detector, monkeypatch, talk_clip):
    """Readings made aside count a fixed number of frames later, however long they take."""
    import time

    with open_video(talk_clip, end=0.04 * (2 * CHECK_EVERY + 6)) as video:
        frames = [frame.pixels for frame in video]
    quick = follow(detector, frames)
    assert detector._followers is not None
    read_again = detector._reader.read_again

    def slow(*arguments):
        time.sleep(0.03)
        return read_again(*arguments)

    monkeypatch.setattr(detector._reader, "read_again", slow)
    for one, other in zip(quick, follow(detector, frames), strict=True):
        np.testing.assert_array_equal(one[0].points, other[0].points)


def test_a_second_video_begins_anew(detector, package_photos):
    """What was followed before leaves no trace, so that results do not depend on the order of files."""
    image = data.astronaut()
    first = follow(detector, [image] * 3)
    follow(detector, [read_image(package_photos["t1.jpg"]).pixels] * 2)
    for one, other in zip(first, follow(detector, [image] * 3), strict=True):
        np.testing.assert_allclose(one[0].points, other[0].points, atol=1e-3)


def test_at_most_as_many_as_asked(package_photos):
    group = read_image(package_photos["t1.jpg"]).pixels
    with MediaPipeDetector(max_faces=2) as few:
        assert [len(faces) for faces in follow(few, [group] * 3)] == [2] * 3
