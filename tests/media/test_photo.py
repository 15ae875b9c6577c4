"""Arrays as photos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import InputError
from face3d.media import Photo, as_rgb

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_rgb_is_taken_as_it_is() -> None:
    photo = Photo.from_array(RGB)
    np.testing.assert_array_equal(photo.pixels, RGB)
    assert photo.image_size == (30, 20)
    assert photo.name == "the given array"
    assert photo.focal_35mm is None


@given(
    channels=st.sampled_from([1, 3]),
    convert=st.sampled_from(
        [
            lambda a: a.astype(np.uint16) * 257,
            lambda a: a / 255,
            lambda a: (a / 255).astype(np.float32),
            lambda a: np.asfortranarray(a),
        ]
    ),
)
@settings(deadline=None)
def test_the_same_picture_in_any_type(channels: int, convert) -> None:
    expected = np.broadcast_to(RGB[..., :channels], RGB.shape)
    np.testing.assert_array_equal(as_rgb(convert(RGB[..., :channels])), expected)


def test_grey_and_boolean_arrays() -> None:
    np.testing.assert_array_equal(as_rgb(RGB[..., 0]), np.repeat(RGB[..., :1], 3, axis=2))
    np.testing.assert_array_equal(as_rgb(RGB[..., 0] > 100), np.repeat((RGB[..., :1] > 100) * np.uint8(255), 3, axis=2))


@pytest.mark.parametrize("opacity", [0, 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_shows_white_behind(channels: int, opacity: int) -> None:
    image = np.dstack([RGB[..., :channels], np.full(RGB.shape[:2], opacity, np.uint8)])
    expected = np.broadcast_to(RGB[..., :channels], RGB.shape) if opacity else np.full_like(RGB, 255)
    np.testing.assert_array_equal(as_rgb(image), expected)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros(5, np.uint8),
        np.zeros((20, 20, 5), np.uint8),
        np.zeros((2, 20, 20, 3), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.full((20, 20, 3), np.nan),
        np.full((20, 20, 3), 200.0),
        np.full((20, 20, 3), -1.0),
        np.zeros((20, 20, 3), np.int64),
        np.zeros((20, 20, 3), complex),
        np.broadcast_to(np.uint8(0), (20000, 20000, 3)),
    ],
)
def test_other_arrays_are_refused_in_one_line(bad: np.ndarray) -> None:
    with pytest.raises(InputError) as error:
        Photo.from_array(bad)
    assert "\n" not in str(error.value)
