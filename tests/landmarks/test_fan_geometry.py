"""FAN's squares and crops against face-alignment's own numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import InputError
from face3d.landmarks.fan_geometry import FanFrame, fan_crop, fan_frame

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "fan" / "fan_utils.npz")
BOXES = GOLDEN["boxes_ltrb_score"]


@pytest.mark.parametrize("number", range(len(BOXES)))
def test_squares_and_points_are_face_alignments(number: int) -> None:
    frame = fan_frame(BOXES[number, :4])
    np.testing.assert_allclose(frame.centre, GOLDEN["centre"][number], rtol=0, atol=1e-9)
    assert frame.scale == pytest.approx(GOLDEN["scale_ref195"][number], abs=1e-12)
    assert fan_frame(BOXES[number, :4], reference_scale=165).scale == pytest.approx(
        GOLDEN["scale_ref165"][number], abs=1e-12
    )
    points = GOLDEN["points64"][number]
    np.testing.assert_allclose(frame.to_image(points), GOLDEN["points64_to_image_float"][number], atol=1e-9)
    np.testing.assert_array_equal(frame.to_whole_pixels(points), GOLDEN["points64_to_image_int"][number])
    np.testing.assert_allclose(
        frame.to_map(GOLDEN["image_points"][number]), GOLDEN["image_to_64_float"][number], atol=1e-9
    )
    np.testing.assert_array_equal(np.array(frame.corners()), GOLDEN["crop_ul_br_int"][number])


@pytest.mark.parametrize("number", [0, 1])
def test_peaks_in_the_image_are_face_alignments(number: int) -> None:
    peaks = GOLDEN["peaks_1based_minus_half"][number]
    whole = FanFrame(GOLDEN["centre"][number], float(GOLDEN["scale_ref195"][number])).to_whole_pixels(peaks)
    np.testing.assert_array_equal(whole, GOLDEN["peaks_in_image_int"][number])


@pytest.mark.parametrize("number", [0, 1])
def test_crops_are_face_alignments_within_a_grey_level(number: int) -> None:
    x, y, scale = GOLDEN["crop_centre_scale"][number]
    crop, _ = fan_crop(GOLDEN["image_rgb_uint8"], FanFrame(np.array([x, y]), float(scale)))
    assert np.abs(crop.astype(int) - GOLDEN["crops_256_uint8"][number]).max() <= 1


def test_whole_pixels_are_the_librarys() -> None:
    """Boxes of whole numbers too, where results fall on integers."""
    library = pytest.importorskip("face_alignment.utils")
    random = np.random.default_rng(0)
    for number in range(40):
        corner, size = random.uniform(-50, 500, 2), random.uniform(20, 400, 2)
        if number % 2:
            corner, size = np.rint(corner), np.rint(size)
        frame = fan_frame(np.concatenate([corner, corner + size]))
        peaks = (random.integers(0, 64, (30, 2)) + random.choice([0.25, 0.5, 0.75], (30, 2))).astype(np.float32)
        # Without numba's compilation, which takes longer than all tests of this file.
        expected = [library.transform_np.py_func(peak, frame.centre, frame.scale, 64, True) for peak in peaks]
        np.testing.assert_array_equal(frame.to_whole_pixels(peaks), expected)


@given(
    x=st.floats(-100, 500), y=st.floats(-100, 500), width=st.floats(5, 900), height=st.floats(5, 900),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_points_come_back(x: float, y: float, width: float, height: float, seed: int) -> None:
    frame = fan_frame(np.array([x, y, x + width, y + height]))
    points = np.random.default_rng(seed).uniform(-500, 1000, (5, 2))
    np.testing.assert_allclose(frame.to_image(frame.to_map(points)), points, atol=1e-9)


def test_the_matrix_says_where_the_crop_comes_from() -> None:
    """A white pixel of the image is the brightest place of the crop."""
    image = np.zeros((300, 400, 3), np.uint8)
    image[121, 187] = 255
    crop, matrix = fan_crop(image, fan_frame(np.array([150.2, 80.7, 229.3, 169.9])))
    rows, columns = np.nonzero(crop[..., 0] == crop.max())
    seen = [columns.mean() + 0.5, rows.mean() + 0.5]
    np.testing.assert_allclose(matrix[:, :2] @ [187.5, 121.5] + matrix[:, 2], seen, atol=1.0)


@pytest.mark.parametrize(
    ("box", "match"),
    [
        ([np.nan, 0, 10, 10], "not finite"),
        ([0, 0, np.inf, 10], "not finite"),
        ([10, 10, 10, 30], "empty"),
        ([30, 10, 10, 30], "empty"),
        ([0, 0, 1e9, 1e9], "not of a face's size"),
        ([0, 0, 0.1, 0.1], "not of a face's size"),
    ],
)
def test_boxes_that_are_none(box: list[float], match: str) -> None:
    with pytest.raises(InputError, match=match):
        fan_frame(np.array(box))


def test_a_box_outside_of_the_image() -> None:
    with pytest.raises(InputError, match="outside of the 60 x 50 image"):
        fan_crop(np.zeros((50, 60, 3), np.uint8), fan_frame(np.array([1000.0, 10.0, 1040.0, 50.0])))
