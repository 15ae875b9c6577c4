"""A head that turns: how many frames, in which direction, at one scale, and files that play."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from face3d.errors import ArgumentError
from face3d.render.portrait import HeadAppearance
from face3d.render.turntable import ANIMATION_FORMATS, encode_animation, turntable
from tests.render.shapes import ball


def marked_ball():
    """A grey ball that is red on the subject's left side."""
    vertices, triangles = ball(0.1, count=16)
    albedo = np.full((len(vertices), 3), 0.4)
    albedo[vertices[:, 0] > 0.085] = [1.0, 0, 0]
    look = HeadAppearance(albedo, np.full((len(vertices), 2), np.nan), np.ones(len(vertices)))
    return vertices, triangles, look


def red(picture):
    return ((picture[..., 0].astype(int) - picture[..., 1]) > 60).sum()


def test_it_turns_once_to_show_the_left_side_first_and_keeps_its_scale():
    frames = turntable(*marked_ball(), (90, 120), frames=8, pitch=0.0)
    assert frames.shape == (8, 90, 120, 3)
    amounts = [red(frame) for frame in frames]
    assert np.argmax(amounts) == 2, "a quarter turn shows the left side from the front"
    assert max(amounts[5:8]) == 0
    heights = [np.ptp(np.nonzero((frame != frame[0, 0]).any(-1))[0]) for frame in frames]
    assert np.ptp(heights) <= 1
    assert heights[0] == pytest.approx(0.86 * 90, abs=3)


def test_an_unround_head_fits_in_every_frame():
    vertices, triangles, look = marked_ball()
    frames = turntable(vertices * [0.5, 1, 2.0], triangles, look, (80, 100), frames=6)
    for frame in frames:
        drawn = (frame != frame[0, 0]).any(-1)
        assert drawn.any()
        assert not np.concatenate((drawn[[0, -1]].ravel(), drawn[:, [0, -1]].ravel())).any()


@pytest.mark.parametrize("suffix", list(ANIMATION_FORMATS))
def test_the_file_holds_every_frame_and_repeats(suffix):
    random = np.random.default_rng(0)
    frames = np.zeros((7, 32, 48, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        frame[:] = 30 * number
        frame[8:24, 4 * number : 4 * number + 12] = random.integers(60, 256, 3)
    with Image.open(io.BytesIO(encode_animation(frames, suffix, milliseconds_per_frame=100))) as image:
        assert image.format == ANIMATION_FORMATS[suffix]
        assert image.n_frames == len(frames)
        assert image.info["loop"] == 0
        for number, frame in enumerate(frames):
            image.seek(number)
            shown = np.asarray(image.convert("RGB")).astype(int)
            assert np.abs(shown - frame).mean() < 6
            image.load()
            assert image.info["duration"] == 100


def test_other_files_and_no_frames_are_refused():
    with pytest.raises(ArgumentError, match=r"\.mp4"):
        encode_animation(np.zeros((1, 8, 8, 3), dtype=np.uint8), ".mp4")
    with pytest.raises(ArgumentError, match="one frame"):
        turntable(*marked_ball(), (8, 8), frames=0)
