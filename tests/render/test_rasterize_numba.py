"""The camera-frame rasteriser against ray casting: every pixel's ray against every triangle, in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.render.rasterize_numba import CameraFragments, interpolate_attributes, rasterize_camera

SIZE = (17, 23)
INTRINSICS = np.array([[20.0, 0.4, 11.0], [0.0, 22.0, 8.0], [0.0, 0.0, 1.0]])


def cast_rays(vertices, triangles, intrinsics, image_size, near=0.01, cull=False):
    """Moeller-Trumbore per pixel and triangle. Also returns how close to an edge or to another surface each hit is."""
    height, width = image_size
    y, x = np.mgrid[:height, :width] + 0.5
    rays = np.stack((x, y, np.ones_like(x)), -1) @ np.linalg.inv(intrinsics).T
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    edge1, edge2 = b - a, c - a
    with np.errstate(all="ignore"):
        p = np.cross(rays[:, :, None], edge2)
        determinant = (p * edge1).sum(-1)
        u = (p * -a).sum(-1) / determinant
        q = np.cross(-a, edge1)
        v = (rays[:, :, None] * q).sum(-1) / determinant
        depth = (q * edge2).sum(-1) / determinant
        weights = np.stack((1 - u - v, u, v), -1)
    facing_away = (np.cross(edge1, edge2) * a).sum(-1) > 0
    valid = np.isfinite(weights).all(-1) & np.isfinite(depth) & (depth >= near) & ~(cull & facing_away)
    hit = valid & (weights >= 0).all(-1)
    depth_of_hits = np.where(hit, depth, np.inf)
    face = depth_of_hits.argmin(-1)
    nearest = depth_of_hits.min(-1)
    second = np.sort(np.concatenate((depth_of_hits, np.full((*image_size, 1), np.inf)), -1), -1)[..., 1]
    near_an_edge = (valid & (np.abs(weights).min(-1) < 1e-6)).any(-1) | (
        np.isfinite(depth) & (np.abs(depth - near) < 1e-5)
    ).any(-1)
    with np.errstate(invalid="ignore"):
        ambiguous = near_an_edge | (second - nearest < 1e-5)
    return np.where(np.isfinite(nearest), face, -1), weights, nearest, ambiguous


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), faces=st.integers(1, 12), cull=st.booleans(), threads=st.integers(1, 3))
def test_agrees_with_ray_casting(seed, faces, cull, threads):
    random = np.random.default_rng(seed)
    # Corners lie on both sides of the camera plane and outside the image as well as inside.
    vertices = random.normal(0.0, 1.0, (8, 3)) * [1.0, 1.0, 1.5] + [0.0, 0.0, 1.0]
    triangles = random.integers(0, 8, (faces, 3))
    found = rasterize_camera(vertices, triangles, INTRINSICS, SIZE, cull_backfaces=cull, threads=threads)
    face, weights, depth, ambiguous = cast_rays(vertices, triangles, INTRINSICS, SIZE, cull=cull)
    clear = ~ambiguous
    np.testing.assert_array_equal(found.face_id[clear], face[clear])
    hit = clear & (face >= 0)
    np.testing.assert_allclose(found.depth[hit], depth[hit], rtol=1e-6)
    expected = np.take_along_axis(weights[hit], face[hit][:, None, None], 1)[:, 0]
    np.testing.assert_allclose(found.barycentric[hit], expected, atol=2e-6)
    assert np.isinf(found.depth[found.face_id < 0]).all()


def test_barycentric_coordinates_are_those_of_the_point_in_space():
    # A plane tilted steeply in depth: the centre of its image is far from the centre of the quadrilateral.
    vertices = np.array([[-1.0, -1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, 4.0], [-1.0, 1.0, 4.0]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    found = rasterize_camera(vertices, triangles, INTRINSICS, SIZE)
    hit = found.face_id >= 0
    assert hit.sum() > 50
    point = interpolate_attributes(found, triangles, vertices)[hit]
    pixels = point @ INTRINSICS.T
    rows, columns = np.nonzero(hit)
    np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], np.stack((columns, rows), -1) + 0.5, atol=1e-4)
    np.testing.assert_allclose(point[:, 2], found.depth[hit], rtol=1e-6)


def test_every_pixel_of_a_tiled_plane_is_seen_once():
    # Pixel centres fall exactly on the shared edges and diagonals of this grid.
    grid = np.arange(-1.0, 24.0) + 0.5
    x, y = np.meshgrid(grid, grid)
    vertices = np.stack((x.ravel(), y.ravel(), np.ones(x.size)), -1)
    corner = (np.arange(24)[:, None] * 25 + np.arange(24)).ravel()
    triangles = np.concatenate(
        (np.stack((corner, corner + 1, corner + 26), -1), np.stack((corner, corner + 26, corner + 25), -1))
    )
    found = rasterize_camera(vertices, triangles, np.eye(3), SIZE)
    assert (found.face_id >= 0).all()
    np.testing.assert_array_equal(found.depth, 1.0)


def test_back_faces():
    triangle = np.array([[0, 1, 2]])
    # Counter-clockwise as the viewer sees it; y points down.
    towards = np.array([[-1.0, 1.0, 2.0], [1.0, 1.0, 2.0], [0.0, -1.0, 2.0]])
    for vertices, seen in ((towards, True), (towards[::-1], False)):
        assert (rasterize_camera(vertices, triangle, INTRINSICS, SIZE).face_id >= 0).any()
        culled = rasterize_camera(vertices, triangle, INTRINSICS, SIZE, cull_backfaces=True)
        assert (culled.face_id >= 0).any() == seen


def test_a_floor_through_the_camera_plane_is_cut_not_lost():
    floor = np.array([[-50.0, 1.0, -50.0], [50.0, 1.0, -50.0], [0.0, 1.0, 100.0]])
    found = rasterize_camera(floor, np.array([[0, 1, 2]]), INTRINSICS, SIZE, near=0.5)
    rows = np.arange(SIZE[0]) + 0.5
    with np.errstate(divide="ignore"):
        depth = 22.0 / (rows - 8.0)
    below_horizon = (depth > 0.5) & (depth < 90.0)
    np.testing.assert_allclose(found.depth[below_horizon, 11], depth[below_horizon], rtol=1e-5)
    assert (found.face_id[rows < 8.0] == -1).all()
    assert (found.face_id[depth < 0.5] == -1).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_only_triangles_with_a_broken_corner_are_left_out(bad):
    vertices = np.array([[-1.0, 1.0, 2.0], [1.0, 1.0, 2.0], [0.0, -1.0, 2.0], [0.0, bad, 1.0]])
    with_broken = rasterize_camera(vertices, np.array([[0, 1, 3], [0, 1, 2]]), INTRINSICS, SIZE)
    without = rasterize_camera(vertices[:3], np.array([[0, 1, 2]]), INTRINSICS, SIZE)
    np.testing.assert_array_equal(with_broken.face_id == 1, without.face_id == 0)
    assert (with_broken.face_id != 0).all()


@pytest.mark.parametrize(
    "vertices",
    [
        np.array([[0.0, 0.0, 1.0]] * 3),
        np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [2.0, 2.0, 1.0]]),
        np.array([[0.0, 0.0, -1.0], [1.0, 0.0, -1.0], [0.0, 1.0, -1.0]]),
        np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        np.array([[1e30, 0.0, 1.0], [1e30, 1.0, 1.0], [1e30, 0.0, 2.0]]),
    ],
    ids=["point", "line", "behind", "in the camera plane", "far outside"],
)
def test_what_has_no_area_in_the_image_is_not_drawn(vertices):
    found = rasterize_camera(vertices, np.array([[0, 1, 2]]), INTRINSICS, SIZE)
    assert (found.face_id == -1).all()
    assert (found.barycentric == 0).all()


def test_empty_mesh_gives_an_empty_image():
    found = rasterize_camera(np.zeros((0, 3)), np.zeros((0, 3), dtype=int), INTRINSICS, SIZE)
    assert isinstance(found, CameraFragments)
    assert found.face_id.shape == SIZE
    assert (found.face_id == -1).all()
    blended = interpolate_attributes(found, np.zeros((0, 3), dtype=int), np.zeros((0, 2)), background=7.0)
    np.testing.assert_array_equal(blended, np.full((*SIZE, 2), 7.0))


TRIANGLE = np.array([[0, 1, 2]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((3, 3)), TRIANGLE, INTRINSICS, (0, 5)), "image_size"),
        ((np.zeros((3, 2)), TRIANGLE, INTRINSICS, SIZE), "vertices_camera"),
        ((np.zeros((2, 3)), TRIANGLE, INTRINSICS, SIZE), "2 vertices"),
        ((np.zeros((3, 3)), -TRIANGLE, INTRINSICS, SIZE), "vertices"),
        ((np.zeros((3, 3)), TRIANGLE.astype(float), INTRINSICS, SIZE), "integers"),
        ((np.zeros((3, 3)), TRIANGLE, np.full((3, 3), np.nan), SIZE), "intrinsics"),
    ],
)
def test_unusable_arguments_are_named(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        rasterize_camera(*arguments)
