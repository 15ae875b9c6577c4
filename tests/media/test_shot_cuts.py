"""Shot cuts: found where there are some, and not in what moves, flashes or pans."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from face3d.media.shot_cuts import ShotCuts
from face3d.media.video import open_video

SCENES = [np.ascontiguousarray(scene[:280, :400]) for scene in (data.astronaut(), data.coffee(), data.chelsea())]


def cuts_in(frames):
    cuts = ShotCuts()
    return [number for number, frame in enumerate(frames) if cuts.begins(frame)]


def shaken(scene, number):
    """A hand-held camera."""
    turn = cv2.getRotationMatrix2D((200, 140), 2 * np.sin(number), 1)
    turn[:, 2] += [8 * np.sin(number / 2), 6 * np.cos(number / 3)]
    return cv2.warpAffine(scene, turn, (400, 280), borderMode=cv2.BORDER_REFLECT)


def test_each_cut_is_found_where_it_is():
    frames = [shaken(SCENES[number // 12 % 3], number) for number in range(60)]
    assert cuts_in(frames) == [12, 24, 36, 48]


def test_one_frame_between_two_cuts():
    assert cuts_in([SCENES[0]] * 5 + [SCENES[1]] + [SCENES[2]] * 5) == [5, 6]


def test_a_flash_is_no_cut():
    bright = np.clip(SCENES[0].astype(int) + 90, 0, 255).astype(np.uint8)
    assert cuts_in([SCENES[0]] * 5 + [bright] + [SCENES[0]] * 5) == []


def test_a_whirling_camera_is_no_cut():
    wide = np.concatenate([data.coffee()[:280], data.chelsea()[:280], data.astronaut()[:280]], axis=1)
    assert cuts_in([wide[:, 40 * n : 40 * n + 400] for n in range(25)]) == []


def test_noise_and_blank_frames_are_no_cuts():
    rng = np.random.default_rng(0)
    grey = [rng.normal(120, 12, (280, 400, 3)).astype(np.uint8) for _ in range(10)]
    assert cuts_in([*grey, *[np.zeros((280, 400, 3), np.uint8)] * 3]) in ([], [10])


def test_frames_of_any_shape():
    assert cuts_in([np.zeros((17, 1000, 3), np.uint8), np.zeros((20, 20, 3), np.uint8)]) == []


@pytest.mark.parametrize(
    ("name", "cuts"),
    [
        ("noface_face.mov", {96, 168}),
        ("single_face.mp4", set()),
        ("no_face.mp4", set()),
        ("carphone_pristine.mp4", set()),
    ],
)
def test_real_clips(package_clips, name, cuts):
    with open_video(package_clips[name]) as video:
        assert set(cuts_in(frame.pixels for frame in video)) == cuts
