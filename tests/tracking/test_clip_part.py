"""Which frames are tracked, and what tells a clip from another."""

from __future__ import annotations

import itertools
import os

import pytest
from PIL import Image

from face3d.errors import ArgumentError, InputError
from face3d.tracking.clip_part import ClipPart
from tests.media.clips import numbered_clip, numbered_frame


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return numbered_clip(tmp_path_factory.mktemp("clip") / "count.mp4", 50)


def numbers(part: ClipPart, **options) -> list[int]:
    with part.open(**options) as video:
        return [frame.index for frame in video]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, range(50)),
        ({"start": 0.4, "end": 1.2}, range(10, 30)),
        ({"every": 3, "start": 0.04}, range(1, 50, 3)),
        ({"frames_per_second": 25}, range(50)),
        ({"frames_per_second": 100}, range(50)),
        ({"frames_per_second": 12.5}, range(0, 50, 2)),
        ({"frames_per_second": 5, "start": 0.2}, range(5, 50, 5)),
        ({"frames_per_second": 5, "start": 0.28}, [7, *range(10, 50, 5)]),
    ],
)
def test_frames_of_a_part_and_of_the_rest_of_it(clip, options, expected):
    part = ClipPart(clip, **options)
    assert numbers(part) == list(expected)
    later = expected[4]
    assert numbers(part, start=later / 25) == [number for number in expected if number >= later]


def test_ten_a_second_of_25(clip):
    """The nearest that whole frames allow."""
    taken = numbers(ClipPart(clip, frames_per_second=10))
    assert len(taken) == 20
    assert {later - number for number, later in itertools.pairwise(taken)} == {2, 3}


def test_a_folder_is_one_clip_of_a_given_rate(tmp_path):
    for number in range(12):
        Image.fromarray(numbered_frame(number)).save(tmp_path / f"{number}.png")
    part = ClipPart(tmp_path, frames_per_second=50, end=0.2)
    with part.open() as video:
        assert [frame.time for frame in video] == pytest.approx([n / 50 for n in range(10)])
    assert part.stem == tmp_path.name


@pytest.mark.parametrize(
    ("source", "stem"),
    [("0", "camera_0"), (2, "camera_2"), ("/dev/video1", "camera_1"), ("rtsp://10.0.0.7/live", "stream")],
)
def test_cameras(source, stem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    part = ClipPart(source)
    assert part.is_live
    assert part.stem == stem


def test_a_file_of_digits_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7").write_bytes(b"x")
    assert not ClipPart("7").is_live


def test_a_clip_is_another_once_it_has_changed(tmp_path):
    path = numbered_clip(tmp_path / "count.mp4", 5)
    before = ClipPart(path).fingerprint()
    assert ClipPart(path).fingerprint() == before
    assert ClipPart(path, every=2).fingerprint() != before
    os.utime(path, ns=(1, 1))
    assert ClipPart(path).fingerprint() != before
    with pytest.raises(InputError, match="missing.mp4"):
        ClipPart(tmp_path / "missing.mp4").fingerprint()


@pytest.mark.parametrize(
    "options",
    [
        {"start": -1.0},
        {"start": 2.0, "end": 1.0},
        {"every": 0},
        {"frames_per_second": 0.0},
        {"frames_per_second": float("nan")},
        {"source": "0", "start": 1.0},
        {"source": "0", "every": 2},
    ],
)
def test_unusable_parts(options):
    with pytest.raises(ArgumentError):
        ClipPart(**{"source": "clip.mp4", **options})
