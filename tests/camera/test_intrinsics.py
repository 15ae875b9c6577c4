"""Intrinsics from each source, and which source wins."""

from __future__ import annotations

import math

import numpy as np
import pytest

from face3d import camera
from face3d.errors import ArgumentError
from face3d.media import Photo
from tests.camera.random_cameras import SIZE


def photo(**tags: object) -> Photo:
    return Photo(np.zeros((480, 640, 3), np.uint8), **tags)  # type: ignore[arg-type]


def test_exif_focal_length_is_by_the_diagonal() -> None:
    intrinsics = camera.intrinsics_from_exif(43.27, (300, 400))
    assert intrinsics.matrix[0, 0] == pytest.approx(500.0)
    assert intrinsics.focal_35mm == pytest.approx(43.27)
    assert intrinsics.source == "exif"
    assert 0 < intrinsics.focal_sigma < 0.1
    np.testing.assert_array_equal(intrinsics.matrix[:2, 2], [150, 200])


@pytest.mark.parametrize("size", [(640, 480), (480, 640)])
def test_field_of_view_spans_the_longer_side(size: tuple[int, int]) -> None:
    matrix = camera.intrinsics_from_fov(60, size).matrix
    assert 2 * math.degrees(math.atan(320 / matrix[0, 0])) == pytest.approx(60)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("position", range(4))
def test_intrinsics_that_are_not_finite_are_refused(bad: float, position: int) -> None:
    values = [700.0, 700.0, 320.0, 240.0]
    values[position] = bad
    with pytest.raises(ArgumentError):
        camera.intrinsics_from_values(values[0], values[1], values[2], values[3], SIZE)
    with pytest.raises(ArgumentError):
        camera.choose_intrinsics(photo(), intrinsics=values)


@pytest.mark.parametrize(
    "make",
    [
        lambda: camera.intrinsics_from_values(-700, 700, 320, 240, SIZE),
        lambda: camera.intrinsics_from_values(700, 0, 320, 240, SIZE),
        lambda: camera.intrinsics_from_values(700, 700, 320, 240, (0, 480)),
        lambda: camera.intrinsics_from_values(700, 700, 320, 240, (640,)),  # type: ignore[arg-type]
        lambda: camera.intrinsics_from_exif(math.nan, SIZE),
        lambda: camera.intrinsics_from_exif(-28, SIZE),
        lambda: camera.intrinsics_from_fov(math.nan, SIZE),
        lambda: camera.intrinsics_from_fov(180, SIZE),
        lambda: camera.intrinsics_prior((-1, 5)),
        lambda: camera.choose_intrinsics(photo(), intrinsics=[1, 2, 3]),
        lambda: camera.choose_intrinsics(photo(), intrinsics=[700, 700, 320, 240], fov=60),
        lambda: camera.choose_intrinsics(photo(), intrinsics=camera.intrinsics_prior((480, 640))),
        lambda: camera.choose_intrinsics(photo(), intrinsics=np.ones((3, 3))),
    ],
)
def test_unusable_intrinsics_are_refused(make) -> None:
    with pytest.raises(ArgumentError) as error:
        make()
    assert "\n" not in str(error.value)


def test_intrinsics_cannot_be_changed_behind_the_back() -> None:
    values = np.eye(3)
    intrinsics = camera.Intrinsics(values, SIZE, 0.0, "given")
    values[0, 0] = 5
    assert intrinsics.matrix[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        intrinsics.matrix[0, 0] = 5


def test_choice_prefers_what_the_user_says() -> None:
    tagged = photo(focal_35mm=35.0)
    assert camera.choose_intrinsics(tagged, intrinsics=[700, 700, 320, 240]).source == "given"
    assert camera.choose_intrinsics(tagged, intrinsics=np.diag([700.0, 700, 1])).source == "given"
    assert camera.choose_intrinsics(tagged, fov=50).source == "fov"
    assert camera.choose_intrinsics(tagged).focal_35mm == pytest.approx(35)
    assert camera.choose_intrinsics(photo()).source == "prior"
    assert camera.choose_intrinsics(photo()).focal_sigma > camera.choose_intrinsics(tagged).focal_sigma
    assert camera.choose_intrinsics(photo(focal_35mm=0.5)).source == "prior"


def test_digital_zoom_is_trusted_for_apple_and_doubted_for_others() -> None:
    apple = camera.choose_intrinsics(photo(focal_35mm=52.0, digital_zoom=2.0, make="Apple"))
    other = camera.choose_intrinsics(photo(focal_35mm=26.0, digital_zoom=2.0, make="Other"))
    assert apple.focal_35mm == pytest.approx(52)
    assert abs(math.log(52 / other.focal_35mm)) <= other.focal_sigma
    assert abs(math.log(26 / other.focal_35mm)) <= other.focal_sigma


def test_image_cropped_after_the_shot_keeps_the_pixels_focal_length() -> None:
    whole = Photo(np.zeros((480, 720, 3), np.uint8), focal_35mm=30.0, frame_size=(720, 480))
    cropped = photo(focal_35mm=30.0, frame_size=(720, 480))
    scaled = photo(focal_35mm=30.0, frame_size=(6400, 4800))
    assert camera.choose_intrinsics(cropped).focal == pytest.approx(camera.choose_intrinsics(whole).focal)
    assert camera.choose_intrinsics(cropped).focal_sigma > camera.choose_intrinsics(whole).focal_sigma
    assert camera.choose_intrinsics(scaled).focal_35mm == pytest.approx(30)
    assert camera.choose_intrinsics(scaled).focal_sigma == camera.EXIF_FOCAL_SIGMA


def test_a_shape_that_no_camera_writes_is_doubted() -> None:
    panorama = Photo(np.zeros((300, 900, 3), np.uint8), focal_35mm=30.0)
    assert camera.choose_intrinsics(panorama).focal_sigma > camera.choose_intrinsics(photo(focal_35mm=30.0)).focal_sigma
