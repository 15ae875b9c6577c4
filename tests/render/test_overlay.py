"""Lines and landmarks over a photo, and the square around a head: everything at its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.render.marks import LANDMARK_COLOUR
from face3d.render.overlay import (
    FITTED_COLOUR,
    RESIDUAL_COLOUR,
    crop_around_head,
    landmark_overlay,
    wireframe_overlay,
)
from face3d.render.wireframe import wireframe_layer
from tests.render.shapes import ball

INTRINSICS = np.array([[100.0, 0.0, 30.0], [0.0, 100.0, 20.0], [0.0, 0.0, 1.0]])


def test_landmarks_detected_and_fitted_and_what_is_between():
    photo = np.full((40, 60, 3), 90, dtype=np.uint8)
    detected = np.array([[10.5, 10.5], [30.5, 20.5], [np.nan, 1.0], [5.0, 5.0]])
    fitted = np.array([[22.5, 10.5], [30.5, 20.5], [3.0, 3.0], [np.inf, 5.0]])
    drawn = landmark_overlay(photo, detected, fitted, radius=2.0)
    assert tuple(drawn[10, 10]) == LANDMARK_COLOUR
    assert tuple(drawn[10, 22]) == FITTED_COLOUR
    assert tuple(drawn[10, 16]) == RESIDUAL_COLOUR
    assert tuple(drawn[20, 30]) == LANDMARK_COLOUR, "no residual, one dot"
    np.testing.assert_array_equal(drawn[:6], photo[:6])
    np.testing.assert_array_equal(drawn[30:], photo[30:])
    np.testing.assert_array_equal(landmark_overlay(photo, detected[2:3], fitted[2:3]), photo)


def test_a_wireframe_mixes_its_colour_into_the_photo_by_its_ink():
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    vertices, triangles = ball(0.1, (0.0, 0.0, 1.0), count=8)
    ink = wireframe_layer(vertices, triangles, INTRINSICS, (40, 60), line_width=1.5)[..., None]
    drawn = wireframe_overlay(photo, vertices, triangles, INTRINSICS, line_width=1.5, colour=(10, 200, 30), opacity=0.5)
    np.testing.assert_allclose(drawn, photo * (1 - 0.5 * ink) + 0.5 * ink * [10, 200, 30], atol=0.51)


def test_lines_grow_with_the_head_so_that_a_large_photo_shows_them_as_well():
    vertices, triangles = ball(0.1, (0.0, 0.0, 1.0), count=8)
    shares = []
    for size in (400, 2000):
        intrinsics = np.array([[4.0 * size, 0, size / 2], [0, 4.0 * size, size / 2], [0, 0, 1]])
        drawn = wireframe_overlay(np.zeros((size, size, 3), dtype=np.uint8), vertices, triangles, intrinsics)
        shares.append(drawn.mean() / 255)
    assert shares[1] == pytest.approx(shares[0], rel=0.4)


@settings(max_examples=20, deadline=None)
@given(
    place=st.tuples(st.floats(-0.2, 0.2), st.floats(-0.15, 0.15)),
    share=st.floats(0.4, 0.9),
    tile=st.integers(64, 200),
)
def test_the_square_is_a_camera_of_its_own(place, share, tile):
    vertices, _ = ball(0.06, (*place, 1.0))
    rows, columns = np.indices((40, 60)) + 0.5
    photo = np.stack((columns * 4, rows * 4, 0 * rows), -1).astype(np.uint8)
    square, square_from_photo = crop_around_head(photo, vertices, INTRINSICS, tile, share=share)
    assert square.shape == (tile, tile, 3)
    pixels = (vertices @ (square_from_photo @ INTRINSICS).T)[:, :2] / vertices[:, 2:]
    assert np.ptp(pixels, axis=0).max() == pytest.approx(share * tile, rel=0.01)
    # The photo says of each of its pixels where it is; so does the square, in the photo's pixels.
    centre = np.array([tile // 2, tile // 2])
    told = square[centre[1], centre[0], :2].astype(float) / 4
    expected = (centre + 0.5 - square_from_photo[:2, 2]) / square_from_photo[0, 0]
    if ((expected > 2) & (expected < [58, 38])).all():
        np.testing.assert_allclose(told, expected, atol=0.6)


@pytest.mark.parametrize(
    "draw", [wireframe_overlay, lambda photo, *_: landmark_overlay(photo, np.ones((1, 2)), np.ones((1, 2)))]
)
def test_photos_of_another_kind_are_refused(draw):
    with pytest.raises(ArgumentError, match="uint8"):
        draw(np.zeros((40, 60, 3)), *ball(0.1, (0.0, 0.0, 1.0)), INTRINSICS)
