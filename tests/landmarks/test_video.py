"""Tracks over a video: any detector, gaps, cuts, times; and the figures on real faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from face3d.landmarks import MediaPipeDetector
from face3d.landmarks.detector import Detector
from face3d.landmarks.smoothing import OneEuroFilter
from face3d.landmarks.video import RemembersFrames, number_faces, track_landmarks
from face3d.media import read_image
from face3d.media.video import VideoFrame, open_video
from tests.landmarks.drawn_faces import DrawnDetector, centre_of, drawn_landmarks, drawn_video
from tests.landmarks.test_smoothing import delay


def moving(n: int) -> tuple[float, float]:
    return 60 + 2.0 * n, 90.0


def test_any_detector_of_the_protocol_will_do():
    sights = [{"ann": moving(n)} for n in range(20)]
    detector = DrawnDetector(sights)
    assert isinstance(detector, Detector)
    assert not isinstance(detector, RemembersFrames)
    (track,) = track_landmarks(drawn_video(sights), detector)
    assert track.person == 1
    np.testing.assert_array_equal(track.frames, np.arange(20))
    np.testing.assert_allclose(track.times, np.arange(20) / 25)
    assert not track.interpolated.any()
    expected = np.stack([drawn_landmarks(moving(n)).points for n in range(20)])
    np.testing.assert_allclose(track.points, expected, rtol=1e-6)
    assert track.example.detector == "drawn"
    assert track.curve_names == ()
    assert track.face_transforms is None


def test_short_gaps_are_bridged_and_marked_long_ones_are_not():
    there = [{"ann": moving(n)} for n in range(60)]
    missed = {*range(10, 15), 16, *range(25, 45)}
    sights = [{} if n in missed else places for n, places in enumerate(there)]
    (track,) = track_landmarks(drawn_video(there), DrawnDetector(sights))
    np.testing.assert_array_equal(track.frames, [n for n in range(60) if not 25 <= n < 45])
    np.testing.assert_array_equal(track.frames[track.interpolated], [10, 11, 12, 13, 14, 16])
    expected = np.stack([drawn_landmarks(moving(n)).points[:, :2] for n in track.frames])
    np.testing.assert_allclose(track.points[..., :2], expected, atol=1e-4)
    assert (track.confidence[track.interpolated] == 0).all()
    assert (track.scores[~track.interpolated] == np.float64(0.9)).all()
    # Smoothing does not draw the face across the long gap.
    assert np.abs(centre_of(track.smoothed[25]) - moving(45)).max() < 2.0


def test_gaps_of_uneven_frames_are_bridged_in_time():
    times = [0.0, 0.1, 0.15, 0.4, 0.5]
    there = [{"a": (60 + 100 * t, 90.0)} for t in times]
    drawn = drawn_video(there)
    frames = [VideoFrame(frame.pixels, frame.index, time) for frame, time in zip(drawn, times, strict=True)]
    sights = [{} if n in (2, 3) else places for n, places in enumerate(there)]
    (track,) = track_landmarks(frames, DrawnDetector(sights))
    for n, t in enumerate(times):
        assert centre_of(track.points[n])[0] == pytest.approx(60 + 100 * t, abs=1e-3)


def test_a_cut_is_no_gap():
    """Two shots, the same person in both, missed around the cut: nothing is bridged over it."""
    first, second = [{"ann": (60.0, 90.0)}] * 12, [{"ann": (250.0, 60.0)}] * 12
    frames = drawn_video(first + second, background=90)
    rng = np.random.default_rng(0)
    for frame in frames[12:]:
        busy = cv2.resize(rng.integers(0, 256, (6, 10, 3), dtype=np.uint8), (320, 180), interpolation=cv2.INTER_CUBIC)
        untouched = frame.pixels == 90
        frame.pixels[untouched] = busy[untouched]
        rng = np.random.default_rng(0)
    sights = [{} if n in (10, 11, 12, 13) else places for n, places in enumerate(first + second)]
    tracks = track_landmarks(frames, DrawnDetector(sights))
    for track in tracks:
        assert not track.interpolated.any()
    assert sorted(n for track in tracks for n in track.frames) == [n for n in range(24) if n not in (10, 11, 12, 13)]
    assert {int(shot) for track in tracks for shot in track.shots} == {1, 2}


def test_a_glimpse_is_a_mistake_but_not_in_a_short_video():
    sights = [{"ann": (60.0, 90.0), **({"ghost": (250.0, 60.0)} if n == 7 else {})} for n in range(20)]
    assert len(track_landmarks(drawn_video(sights), DrawnDetector(sights))) == 1
    assert len(track_landmarks(drawn_video(sights[7:8]), DrawnDetector(sights[7:8]))) == 2


def test_no_frames_and_nobody():
    assert track_landmarks([], DrawnDetector([])) == []
    assert track_landmarks(drawn_video([{}] * 5), DrawnDetector([{}] * 5)) == []


def test_frames_within_a_millisecond():
    sights = [{"ann": (60.0, 90.0)}] * 10
    detector = DrawnDetector(sights)
    (track,) = track_landmarks(drawn_video(sights, rate=10_000.0), detector)
    assert len(track.frames) == 10
    assert np.all(np.diff(detector.clock) > 0)


def test_a_track_as_faces():
    sights = [{"ann": moving(n)} if n != 4 else {} for n in range(10)]
    (track,) = track_landmarks(drawn_video([{"ann": moving(n)} for n in range(10)]), DrawnDetector(sights))
    faces = list(track.faces("clip.mp4"))
    assert [face.sighting.frame for face in faces] == list(range(10))
    assert [face.sighting.interpolated for face in faces] == [n == 4 for n in range(10)]
    assert faces[3].sighting.source == "clip.mp4"
    assert faces[3].sighting.time == pytest.approx(3 / 25)
    np.testing.assert_allclose(faces[3].points, track.points[3])
    np.testing.assert_allclose(faces[3].box[:2], track.points[3, :, :2].min(axis=0))
    np.testing.assert_allclose(faces[3].sighting.smoothed, track.smoothed[3])


# The figures, with MediaPipe on real faces.


def interocular(points):
    return np.linalg.norm(points[:, 263, :2] - points[:, 33, :2], axis=-1)


def tremble(points):
    """How far a landmark is from its mean over time, RMS, relative to the interocular distance."""
    return float(np.sqrt(points[..., :2].var(axis=0).sum(axis=-1).mean()) / interocular(points).mean())


@pytest.fixture(scope="module")
def still_track(detector: MediaPipeDetector):
    """One photo, encoded with fresh noise for each of 100 frames."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(100):
        noisy = np.clip(data.astronaut() + rng.normal(0, 4, (512, 512, 3)), 0, 255).astype(np.uint8)
        _, encoded = cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
        frames.append(
            VideoFrame(cv2.cvtColor(np.asarray(cv2.imdecode(encoded, 1)), cv2.COLOR_BGR2RGB), number, number / 25)
        )
    (track,) = track_landmarks(frames, detector)
    return track


def test_a_still_face_trembles_by_less_than_0_15_percent(still_track):
    assert len(still_track.frames) == 100
    assert tremble(still_track.points.astype(np.float64)) > 0.0015
    assert tremble(still_track.smoothed.astype(np.float64)) < 0.0015
    causal, unit = OneEuroFilter(), interocular(still_track.points)
    points = [
        causal(raw.astype(np.float64), time, size)
        for raw, time, size in zip(still_track.points, still_track.times, unit, strict=True)
    ]
    assert tremble(np.stack(points)[25:]) < 0.0015


def test_a_talking_face_lags_by_less_than_a_frame(detector, talk_clip):
    with open_video(talk_clip, end=4.0) as video:
        (track,) = track_landmarks(video, detector)
    assert len(track.frames) == 100
    assert not track.interpolated.any()
    raw, causal = track.points.astype(np.float64), OneEuroFilter()
    filtered = np.stack([causal(p, t, size) for p, t, size in zip(raw, track.times, interocular(raw), strict=True)])
    for landmark in (1, 33, 263, 61, 291, 14, 152):  # nose, eyes, mouth, chin
        for axis in (0, 1):
            signal = raw[:, landmark, axis]
            assert abs(delay(track.smoothed[:, landmark, axis].astype(np.float64), signal)) < 0.1
            assert delay(filtered[:, landmark, axis], signal) < 1


def passing_clip(front, talk_clip, count, place):
    """A talking face, and a photographed one that is drawn over it at `place(frame)`."""
    pixels, box = front
    with open_video(talk_clip) as video:
        for frame in video:
            if frame.index >= count:
                break
            scene = np.full((540, 960, 3), (90, 110, 120), np.uint8)
            scene[20:532, 200:712] = frame.pixels
            left, top = place(frame.index)
            left, right = max(left, 0), min(left + box, 960)
            if right > left:
                scene[top : top + box, left:right] = pixels[:, : right - left] if left else pixels[:, -(right - left) :]
            yield VideoFrame(scene, frame.index, frame.time)


@pytest.mark.parametrize(
    "place",
    [lambda n: (980 - 8 * n, 150), lambda n: (int(980 - 300 * np.sin(n / 30) ** 2), 120)],
    ids=["crosses in front and leaves", "comes, goes and comes again"],
)
def test_the_talker_keeps_the_number_while_another_passes(detector, talk_clip, package_photos, place):
    photo = read_image(package_photos["obama.jpg"]).pixels
    (face,) = detector.detect(photo)
    centre, side = (face.box[:2] + face.box[2:]) / 2, float((face.box[3] - face.box[1]) * 0.8)
    left, top, right, bottom = np.rint(np.concatenate([centre - side, centre + side])).astype(int).clip(0)
    front = cv2.resize(photo[top:bottom, left:right], (260, 260), interpolation=cv2.INTER_AREA)
    tracks = track_landmarks(passing_clip((front, 260), talk_clip, 130, place), detector)
    assert len(tracks) == 2
    talker, passer = tracks
    middle = (talker.points[..., 0].min(axis=1) + talker.points[..., 0].max(axis=1)) / 2
    assert talker.frames[0] == 0
    assert talker.frames[-1] == 129
    assert np.abs(middle - 460).max() < 60
    seen = [place(n)[0] + 130 for n in passer.frames]
    middle = (passer.points[..., 0].min(axis=1) + passer.points[..., 0].max(axis=1)) / 2
    assert np.abs(middle - seen).max() < 60


def test_a_person_is_tracked_over_cuts(detector, package_clips):
    """Half of this clip shows nobody; in the other half is one person."""
    with open_video(package_clips["noface_face.mov"]) as video:
        (track,) = track_landmarks(video, detector)
    assert 60 < len(track.frames) < 80
    assert track.frames[0] == 96


def test_numbers_as_the_frames_come(detector, talk_clip):
    with open_video(talk_clip, end=0.2) as video:
        for frame, faces in number_faces(video, detector):
            assert [numbered.person for numbered in faces] == [1], frame.index
