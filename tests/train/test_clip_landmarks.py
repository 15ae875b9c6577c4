"""Landmarks of clips: read, found once, found again where a clip has changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from face3d.alignment import MARKER
from face3d.errors import InputError, NoFaceError
from face3d.landmarks.detector import FaceLandmarks, VideoClock
from face3d.train import clip_landmarks
from face3d.train.clip_landmarks import landmark_files, seen_track
from tests.train.small_spectre import write_points

FACE = np.random.default_rng(0).uniform(10, 50, (68, 2))


class Brightness:
    """Finds a face unless an image's first pixel is black: further right, the brighter that is."""

    opened = 0
    seen = 0

    def __init__(self):
        type(self).opened += 1
        self.clock = VideoClock()

    def detect(self, image):
        return self.detect_video(image, 0)

    def detect_video(self, image, timestamp_ms):
        type(self).seen += 1
        shade = int(image[0, 0, 0])
        if not shade:
            return []
        points = np.column_stack([FACE[:, 0] + shade / 50, FACE[:, 1], np.zeros(68)])
        box = np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])
        return [FaceLandmarks(points, np.ones(68), box, 0.9, "ibug_68", "mediapipe", "none", (64, 64))]

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


@pytest.fixture
def detector(monkeypatch):
    monkeypatch.setattr(clip_landmarks, "open_detector", lambda name, device: Brightness())
    Brightness.opened = Brightness.seen = 0
    return Brightness


def write_frames(folder: Path, shades) -> Path:
    folder.mkdir(parents=True)
    for number, shade in enumerate(shades):
        write_frame(folder / f"{number:03d}.png", shade)
    return folder


def write_frame(path: Path, shade: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    pixels[0, 0] = shade
    Image.fromarray(pixels).save(path)


def test_landmarks_are_found_once(tmp_path, detector):
    found = {"s/1": write_frames(tmp_path / "s" / "1", [100, 101, 102, 103, 104, 105])}
    files, failed = landmark_files(found, tmp_path / "store")
    assert (failed, detector.opened, detector.seen) == ({}, 1, 6)
    assert files == {"s/1": tmp_path / "store" / "s" / "1.npz"}
    first, points = seen_track(files["s/1"])
    expected = FACE + np.arange(100, 106)[:, None, None] / 50 * [1, 0]
    assert first == 0
    np.testing.assert_allclose(points, expected, atol=1e-4)
    assert landmark_files(found, tmp_path / "store") == (files, {})
    assert detector.seen == 6
    write_frame(tmp_path / "s" / "1" / "006.png", 106)
    os.utime(tmp_path / "s" / "1", (1, 1))
    landmark_files(found, tmp_path / "store")
    assert detector.seen == 13
    assert len(seen_track(files["s/1"])[1]) == 7


def test_a_stopped_run_goes_on_with_what_is_left(tmp_path, detector, monkeypatch):
    found = {name: write_frames(tmp_path / name, [90] * 5) for name in ("a", "b", "c")}
    monkeypatch.setattr(clip_landmarks, "worker_count", lambda wanted, items: 1)
    original = Brightness.detect_video

    def stopping(self, image, timestamp_ms):
        if type(self).seen >= 7:
            raise KeyboardInterrupt
        return original(self, image, timestamp_ms)

    monkeypatch.setattr(Brightness, "detect_video", stopping)
    with pytest.raises(KeyboardInterrupt):
        landmark_files(found, tmp_path / "store")
    monkeypatch.setattr(Brightness, "detect_video", original)
    Brightness.seen = 0
    files, _ = landmark_files(found, tmp_path / "store")
    assert Brightness.seen == 10
    assert sorted(files) == ["a", "b", "c"]


def test_nobody_and_what_cannot_be_read_are_told_apart_from_the_rest(tmp_path, detector):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    found = {
        "black": write_frames(tmp_path / "black", [0] * 6),
        "broken": tmp_path / "broken.mp4",
        "good": write_frames(tmp_path / "good", [50] * 6),
    }
    files, failed = landmark_files(found, tmp_path / "store")
    assert (list(failed), sorted(files)) == (["broken"], ["black", "good"])
    assert "broken.mp4" in str(failed["broken"])
    with pytest.raises(NoFaceError, match="black.npz: nobody is seen"):
        seen_track(files["black"])
    seen = detector.seen
    landmark_files({name: found[name] for name in files}, tmp_path / "store")
    assert detector.seen == seen


def test_what_align_wrote_is_taken_by_the_file_that_it_is_of(tmp_path, detector):
    found = {name: write_frames(tmp_path / name, [70] * 5) for name in ("s/1", "t/1", "u/1", "v/1")}
    for folder, name in (("1", "s/1"), ("1-2", "t/1")):
        write_points(tmp_path / "aligned" / folder / "landmarks.npz", np.repeat(FACE[None], 9, axis=0))
        record = {"file": {"path": str((tmp_path / name).resolve())}}
        (tmp_path / "aligned" / folder / MARKER).write_text(json.dumps(record))
    write_points(tmp_path / "aligned" / "u" / "1.npz", np.repeat(FACE[None], 8, axis=0))
    files, failed = landmark_files(found, tmp_path / "store", given=tmp_path / "aligned")
    assert failed == {}
    assert {name: len(seen_track(file)[1]) for name, file in files.items()} == {"s/1": 9, "t/1": 9, "u/1": 8, "v/1": 5}
    assert detector.seen == 5
    with pytest.raises(InputError, match="has landmarks of none of the 4 clips"):
        landmark_files(found, tmp_path / "store", given=tmp_path / "s")


def test_short_gaps_are_filled_and_long_ones_part(tmp_path):
    frames = [3, 4, 6, 7, 30, 31]
    points = FACE + np.array(frames)[:, None, None] * [2.0, -1.0]
    write_points(tmp_path / "clip.npz", points, frames)
    first, filled = seen_track(tmp_path / "clip.npz")
    assert first == 3
    np.testing.assert_allclose(filled, FACE + np.arange(3, 8)[:, None, None] * [2.0, -1.0], atol=1e-5)


def test_of_two_people_the_one_seen_longer_then_the_larger(tmp_path):
    path = tmp_path / "clip.npz"
    people, frames = np.repeat([1, 2, 3], [4, 6, 6]), np.r_[:4, :6, :6]
    points = np.concatenate([np.repeat(FACE[None] * size, count, axis=0) for size, count in ((9, 4), (1, 6), (2, 6))])
    np.savez(path, points=points.astype(np.float32), frame=frames, person=people, topology=np.array("ibug_68"))
    np.testing.assert_allclose(seen_track(path)[1][0], 2 * FACE, rtol=1e-5)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "clip.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="clip.npz cannot be read as NumPy arrays"):
        seen_track(path)
