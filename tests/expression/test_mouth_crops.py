"""Mouth windows and crops: golden tracks, moving images, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError, InputError
from face3d.expression import fill_missing, mouth_crops, mouth_windows
from tests.expression.golden import large_golden
from tests.head.golden import golden

TRACKS = golden("spectre/mouth_tracks")


@pytest.mark.parametrize("name", TRACKS["track_names"])
def test_windows_are_the_golden_ones(name):
    landmarks, expected = TRACKS[f"{name}_landmarks"], TRACKS[f"{name}_topleft_xy"]
    np.testing.assert_array_equal(mouth_windows(landmarks, 224), expected)
    pixels = torch.from_numpy(landmarks * 112 + 112)
    windows = mouth_windows(pixels, (224, 224))
    assert torch.equal(windows, torch.from_numpy(expected))


def test_the_whole_path_is_the_golden_one():
    clip = large_golden("spectre/mouth_crop")
    frames = torch.from_numpy(clip["clip_images_uint8"]).permute(0, 3, 1, 2) / 255
    windows = mouth_windows(clip["clip_landmarks"], 224)
    np.testing.assert_array_equal(windows, clip["clip_topleft_xy"])
    np.testing.assert_allclose(mouth_crops(frames, windows), clip["clip_network_input"], atol=1e-5)


def face_track(frames, seed):
    random = np.random.default_rng(seed)
    face = random.uniform(40, 180, (68, 2))
    return face + np.cumsum(random.normal(0, 1.5, (frames, 1, 2)), axis=0) + random.normal(0, 1, (frames, 68, 2))


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 40),
    seed=st.integers(0, 1000),
    shift=st.tuples(st.integers(-60, 900), st.integers(-60, 300)),
)
def test_windows_move_with_the_face_and_stay_inside(frames, seed, shift):
    landmarks, size = face_track(frames, seed) + 200.0, (1280, 720)
    windows, moved = mouth_windows(landmarks, size), mouth_windows(landmarks + np.array(shift), size)
    np.testing.assert_array_equal(moved, windows + np.array(shift))
    for beyond in ([-350, 360], [930, -350]):
        corners = mouth_windows(np.clip(landmarks + np.array(beyond), 0, [1279, 719]), size)
        assert (corners >= 0).all()
        assert (corners <= np.array(size) - 96).all()


def test_jitter_of_the_mouth_is_smoothed_and_motion_of_the_head_is_not():
    face = np.random.default_rng(0).uniform(60, 160, (68, 2))
    jumping = np.repeat(face[None], 30, axis=0)
    jumping[15, 48:68] += 14
    moved = mouth_windows(jumping, 224)[15] - mouth_windows(jumping, 224)[5]
    assert (np.abs(moved) <= 6).all()
    turning = face + 2 * np.arange(30)[:, None, None]
    assert np.abs(np.diff(mouth_windows(turning, 500), axis=0) - 2).max() == 0


def test_gradients_reach_the_pixels_of_the_window_alone():
    frames = torch.rand(2, 3, 120, 140, requires_grad=True)
    mouth_crops(frames, np.array([[10, 20], [44, 24]])).sum().backward()
    seen = frames.grad != 0
    assert seen[0, :, 24:112, 14:102].all()
    assert seen.sum() == 2 * 3 * 88 * 88


def test_unusable_clips():
    landmarks = face_track(6, 0)
    missing = landmarks.copy()
    missing[2:4] = np.nan
    with pytest.raises(InputError, match=r"frame 2 of the clip \(and 1 more\) has no landmarks"):
        mouth_windows(missing, 224)
    beyond = landmarks.copy()
    beyond[5] += 300
    with pytest.raises(InputError, match="frame 5 of the clip has its mouth outside of the image"):
        mouth_windows(beyond, 224)
    with pytest.raises(ArgumentError, match="smaller than the mouth's 96"):
        mouth_windows(landmarks, (640, 90))
    with pytest.raises(ArgumentError, match=r"\(T, 68, 2\), not \(6, 20, 2\)"):
        mouth_windows(landmarks[:, 48:], 224)
    with pytest.raises(ArgumentError, match="3 frames have 2 mouth windows"):
        mouth_crops(torch.zeros(3, 3, 224, 224), np.zeros((2, 2), int))
    with pytest.raises(ArgumentError, match="does not lie in frames of 224 x 200"):
        mouth_crops(torch.zeros(1, 3, 200, 224), np.array([[3, 105]]))


def test_gaps_are_filled_as_spectre_does():
    gaps = golden("spectre/landmark_interpolation")
    np.testing.assert_allclose(fill_missing(gaps["landmarks_nan_where_missing"]), gaps["filled"], atol=1e-9)
    with pytest.raises(InputError, match="no frame"):
        fill_missing(np.full((3, 68, 2), np.nan))
