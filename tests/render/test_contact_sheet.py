"""Many pictures on one: each is there once, whole and in order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from face3d.errors import ArgumentError
from face3d.render.contact_sheet import _shortened, contact_sheet


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=20),
    columns=st.none() | st.integers(1, 25),
)
def test_every_picture_is_there_once_in_order_and_in_proportion(sizes, columns):
    pictures = [
        np.tile(np.array([200, 10 + 10 * number, 0], dtype=np.uint8), (*size, 1)) for number, size in enumerate(sizes)
    ]
    sheet = contact_sheet(pictures, [""] * len(pictures), tile=48, columns=columns).astype(int)
    per_row = min(columns or min(8, math.ceil(math.sqrt(len(sizes)))), len(sizes))
    corners = []
    for number, (height, width) in enumerate(sizes):
        rows, cols = np.nonzero((sheet == [200, 10 + 10 * number, 0]).all(-1))
        assert np.ptp(rows) + 1 == max(1, round(height * 48 / max(height, width)))
        assert np.ptp(cols) + 1 == max(1, round(width * 48 / max(height, width)))
        corners.append((rows.mean(), cols.mean()))
    for number in range(1, len(sizes)):
        (row, col), (next_row, next_col) = corners[number - 1 : number + 1]
        if number % per_row:
            assert abs(next_row - row) <= 1
            assert next_col - col == pytest.approx(48 + 4, abs=1)
        else:
            assert next_row - row > 48


def test_labels_stand_under_their_pictures_and_within_their_tile():
    picture = np.full((30, 30, 3), 120, dtype=np.uint8)
    labels = ["a", "a name that is far too long for so small a picture, on two\nlines"]
    sheet = contact_sheet([picture] * 2, labels, tile=96, columns=2).astype(int)
    bare = contact_sheet([picture] * 2, ["", ""], tile=96, columns=2).astype(int)
    ink = (sheet != bare).any(-1)
    rows, columns = np.nonzero(ink)
    assert rows.min() > 4 + 96 - 1
    left, right = columns[columns < 102], columns[columns >= 102]
    assert len(left)
    assert left.mean() == pytest.approx(4 + 48, abs=2)
    assert right.min() >= 104 - 1
    assert right.max() <= 104 + 96


@given(st.text(max_size=60))
@settings(max_examples=30, deadline=None)
def test_a_shortened_label_fits_and_is_the_beginning(label):
    font = ImageFont.load_default(size=12)
    text = _shortened(label, font, 80)
    assert font.getlength(text) <= 80
    plain = " ".join(label.split())
    assert text == plain or (text[-1] == "…" and plain.startswith(text[:-1]))


def test_labels_and_pictures_go_together():
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    for pictures, labels in (([], []), ([picture], []), ([picture], ["a", "b"])):
        with pytest.raises(ArgumentError, match="label"):
            contact_sheet(pictures, labels)
