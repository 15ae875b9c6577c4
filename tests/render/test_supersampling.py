"""Samples lie over what a mesh covers, and add up to its pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.render.supersampling import MAX_SAMPLES, sample_grid

INTRINSICS = np.array([[100.0, 0.0, 30.0], [0.0, 100.0, 20.0], [0.0, 0.0, 1.0]])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_every_visible_vertex_is_in_the_box_and_at_its_sample(seed, factor):
    random = np.random.default_rng(seed)
    centre = np.array([random.normal(0, 0.3), random.normal(0, 0.3), 1.0])
    vertices = centre + random.normal(0, 0.1, (5, 3))
    pixels = (vertices @ INTRINSICS.T)[:, :2] / vertices[:, 2:]
    visible = ((pixels > 0) & (pixels < [60, 40])).all(-1)
    grid = sample_grid(vertices, INTRINSICS, (40, 60), factor)
    if grid is None:
        assert not visible.any()
        return
    left, top, right, bottom = grid.box
    assert 0 <= left < right <= 60
    assert 0 <= top < bottom <= 40
    assert (pixels[visible] >= [left, top]).all()
    assert (pixels[visible] <= [right, bottom]).all()
    samples = (vertices @ grid.intrinsics.T)[:, :2] / vertices[:, 2:]
    np.testing.assert_allclose(samples, (pixels - [left, top]) * factor, atol=1e-9)
    picture = random.random((40, 60))
    box = picture[grid.pixels]
    np.testing.assert_allclose(grid.summed(np.kron(box, np.ones((factor, factor)))), box * factor**2)


def test_large_pictures_get_fewer_samples():
    vertices = np.array([[-100.0, -100, 1], [100, 100, 1]])
    grid = sample_grid(vertices, INTRINSICS, (3000, 4000), 3)
    assert grid.factor == 1
    grid = sample_grid(vertices, INTRINSICS, (1000, 1200), 3)
    assert grid.factor == 2
    assert np.prod(grid.size) <= MAX_SAMPLES
