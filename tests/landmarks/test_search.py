"""Tiles that cover an image, and merging overlapping finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.landmarks.search import merge, tiles


@given(
    width=st.integers(16, 5000),
    height=st.integers(16, 5000),
    divisor=st.sampled_from([1, 2, 4]),
    across=st.floats(0, 1),
    down=st.floats(0, 1),
)
@settings(max_examples=300, deadline=None)
def test_anything_of_half_a_tile_is_whole_in_some_tile(
    width: int, height: int, divisor: int, across: float, down: float
) -> None:
    covering = list(tiles(width, height, divisor))
    half = max(1, max(width, height) // divisor // 2 - 1)
    box_width, box_height = min(half, width), min(half, height)
    left, top = int(across * (width - box_width)), int(down * (height - box_height))
    assert all(
        t.left >= 0 and t.left + t.width <= width and t.top >= 0 and t.top + t.height <= height for t in covering
    )
    assert any(
        t.left <= left
        and t.top <= top
        and left + box_width <= t.left + t.width
        and top + box_height <= t.top + t.height
        for t in covering
    )


def test_the_whole_image_is_one_tile() -> None:
    assert [(t.left, t.top, t.width, t.height) for t in tiles(640, 480, 1)] == [(0, 0, 640, 480)]


def test_the_best_of_overlapping_boxes_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 0, 30, 10], [3, 3, 7, 7], [10, 0, 20, 10]], dtype=float)
    scores = np.array([0.8, 0.9, 0.5, 0.7, 0.6])
    assert merge(boxes, scores, overlap=0.5).tolist() == [1, 4, 2]


@given(st.integers(0, 1000))
@settings(deadline=None)
def test_merging_twice_changes_nothing_and_order_does_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 100, (12, 2))
    boxes, scores = np.hstack([corners, corners + random.uniform(5, 40, (12, 2))]), random.permutation(12) / 12
    kept = merge(boxes, scores, overlap=0.4)
    assert merge(boxes[kept], scores[kept], overlap=0.4).tolist() == list(range(len(kept)))
    order = random.permutation(12)
    assert set(order[merge(boxes[order], scores[order], overlap=0.4)]) == set(kept)


def test_nothing_to_merge() -> None:
    assert merge(np.zeros((0, 4)), np.zeros(0), overlap=0.5).tolist() == []
