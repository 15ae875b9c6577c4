"""Dots and lines on pictures: where they are, and how much ink they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.render.marks import draw_points, draw_segments


def test_points_are_drawn_where_they_are():
    image = np.zeros((20, 30, 3), dtype=np.uint8)
    points = np.array([[10.5, 5.5], [np.nan, 3.0], [-50.0, 5.0], [29.9, 19.9]])
    drawn = draw_points(image, points, colour=(200, 100, 50), radius=2.0)
    np.testing.assert_array_equal(drawn[5, 10], [200, 100, 50])
    assert drawn[19, 29].any()
    weight = drawn[:12, :20].sum(-1).astype(float)
    rows, columns = np.indices(weight.shape) + 0.5
    assert (weight * columns).sum() / weight.sum() == pytest.approx(10.5, abs=0.01)
    assert (weight * rows).sum() / weight.sum() == pytest.approx(5.5, abs=0.01)
    assert weight.sum() / 350 == pytest.approx(np.pi * 4, rel=0.05)
    assert not image.any(), "the image itself is left alone"


@settings(max_examples=30, deadline=None)
@given(
    start=st.tuples(st.floats(12, 48), st.floats(12, 28)),
    end=st.tuples(st.floats(12, 48), st.floats(12, 28)),
    width=st.floats(1.5, 6.0),
)
def test_a_line_is_as_long_and_wide_as_asked_for(start, end, width):
    image = np.zeros((40, 60, 3), dtype=np.uint8)
    weight = draw_segments(image, [start], [end], colour=(255, 255, 255), width=width)[..., 0] / 255
    length = np.hypot(*np.subtract(end, start))
    # Ends are half discs; a thin line's soft edge adds a little.
    assert weight.sum() == pytest.approx(length * width + np.pi * width**2 / 4, rel=0.08, abs=0.5)
    rows, columns = np.indices(weight.shape) + 0.5
    middle = (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
    # A line no longer than a pixel is a dot, whose middle the grid of samples moves a little.
    np.testing.assert_allclose(middle, np.add(start, end) / 2, atol=0.1 if length > 1 else 0.2)


def test_lines_beyond_the_image_and_without_an_end_leave_it_alone():
    image = np.full((20, 30, 3), 7, dtype=np.uint8)
    starts, ends = [[-50, -50], [np.nan, 3], [5, 5]], [[-40, -60], [10, 10], [5, np.inf]]
    np.testing.assert_array_equal(draw_segments(image, starts, ends, colour=(255, 0, 0)), image)
    crossing = draw_segments(image, [[-50.0, 10.5]], [[80.0, 10.5]], colour=(255, 0, 0), width=1.0)
    np.testing.assert_array_equal(crossing[10], np.tile([255, 0, 0], (30, 1)))
    np.testing.assert_array_equal(np.delete(crossing, [9, 10, 11], 0), np.delete(image, [9, 10, 11], 0))
