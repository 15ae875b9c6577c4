"""Depth and normals against rays and spheres, and the files that they become."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from face3d.errors import ArgumentError
from face3d.render.maps import decode_depth, depth_map, depth_preview, encode_depth, normal_map, normal_picture
from tests.render.shapes import ball, plane

SIZE = (40, 60)
INTRINSICS = np.array([[100.0, 0.0, 30.0], [0.0, 90.0, 20.0], [0.0, 0.0, 1.0]])


def rays():
    """(H, W, 3) directions through the pixels' centres, z = 1."""
    rows, columns = np.indices(SIZE) + 0.5
    return np.stack(((columns - 30) / 100, (rows - 20) / 90, np.ones(SIZE)), -1)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.3, 5.0), st.floats(-0.8, 0.8), st.floats(-0.8, 0.8))
def test_depth_is_where_the_ray_meets_the_plane(distance, slope_x, slope_y):
    vertices, triangles = plane((-2, -2, 0), (4, 0, 0), (0, 4, 0))
    vertices *= distance
    vertices[:, 2] = distance + vertices[:, 0] * slope_x + vertices[:, 1] * slope_y
    depth = depth_map(vertices, triangles, INTRINSICS, SIZE)
    # Points t * ray with t = distance + slope . t * ray.
    expected = distance / (1 - rays()[..., 0] * slope_x - rays()[..., 1] * slope_y)
    seen = np.isfinite(depth)
    assert seen.mean() > 0.5
    np.testing.assert_allclose(depth[seen], expected[seen], rtol=1e-5)


def test_normals_of_a_sphere_point_away_from_its_centre():
    centre, radius = np.array([0.02, -0.01, 1.0]), 0.12
    vertices, triangles = ball(radius, centre, count=80)
    normals = normal_map(vertices, triangles, INTRINSICS, SIZE)
    direction = rays() / np.linalg.norm(rays(), axis=-1, keepdims=True)
    along = direction @ centre
    discriminant = along**2 - (centre @ centre - radius**2)
    expected = (direction * (along - np.sqrt(discriminant.clip(0)))[..., None] - centre) / radius
    inner = discriminant > 1e-4
    assert inner.sum() > 100
    assert (normals[inner] * expected[inner]).sum(-1).min() > np.cos(np.radians(2))
    np.testing.assert_allclose(np.linalg.norm(normals[inner], axis=-1), 1, atol=1e-5)
    assert not normals[discriminant < -1e-3].any()


def test_normals_as_colours():
    normals = np.array([[[0, 0, -1], [1, 0, 0], [0, -1, 0], [0, 0, 0], [0, 0.6, -0.8]]], dtype=np.float32)
    facing, right, up, nothing, down = normal_picture(normals)[0].tolist()
    assert facing == [128, 128, 255]
    assert right == [255, 128, 128]
    assert up == [128, 255, 128]
    assert nothing == [0, 0, 0]
    np.testing.assert_allclose(np.array(down) / 127.5 - 1, [0, -0.6, 0.8], atol=0.01)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 600.0))
def test_a_depth_file_reads_back_within_half_a_step(seed, farthest):
    random = np.random.default_rng(seed)
    depth = random.uniform(0.5 * farthest, farthest, (6, 7)).astype(np.float32)
    depth[random.random(depth.shape) < 0.3] = np.inf
    png = encode_depth(depth)
    read = decode_depth(png)
    np.testing.assert_array_equal(np.isfinite(read), np.isfinite(depth))
    with Image.open(io.BytesIO(png)) as image:
        step = float(image.info["metres_per_step"])
        assert image.mode.startswith("I;16")
    if farthest < 6.5:
        assert step == 1e-4
    seen = np.isfinite(depth)
    np.testing.assert_allclose(read[seen], depth[seen], atol=step / 2 * 1.01, rtol=1e-6)


def test_depths_that_no_file_holds_are_refused():
    with pytest.raises(ArgumentError, match="700 m"):
        encode_depth(np.full((2, 2), 700.0))
    buffer = io.BytesIO()
    Image.new("I;16", (4, 4)).save(buffer, format="PNG")
    with pytest.raises(ArgumentError, match="metres_per_step"):
        decode_depth(buffer.getvalue())


def test_an_empty_view_is_an_empty_map():
    vertices, triangles = ball(0.1, (0.0, 0.0, -1.0))
    depth = depth_map(vertices, triangles, INTRINSICS, SIZE)
    assert np.isinf(depth).all()
    assert not depth_preview(depth).any()
    assert np.isinf(decode_depth(encode_depth(depth))).all()
    assert not normal_picture(normal_map(vertices, triangles, INTRINSICS, SIZE)).any()


def test_the_preview_tells_near_from_far():
    depth = np.full((3, 5), np.inf, dtype=np.float32)
    depth[1] = [0.5, 0.6, 0.7, 0.8, 0.9]
    picture = depth_preview(depth).astype(int)
    near, far = picture[1, 0], picture[1, 4]
    assert near[0] > 200 > 120 > near[2], "yellow"
    assert far[2] > far[0], "blue"
    assert (np.diff(picture[1].sum(-1)) < 0).all(), "ever darker"
    assert not picture[[0, 2]].any()
