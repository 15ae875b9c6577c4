"""The NDC rasteriser against an independent numpy one, written from PyTorch3D's documented conventions."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.render import Fragments, Rasterizer, rasterize
from face3d.render.rasterize_ndc import ndc_pixel_centres
from tests.render.backends import BACKENDS

SIZES = [(9, 9), (8, 14), (15, 7)]


def pixel_positions(height, width):
    """NDC of pixel centres: +x left, +y up, shorter side [-1, 1]."""
    short = min(height, width)
    x = (width / 2 - (np.arange(width) + 0.5)) * 2 / short
    y = (height / 2 - (np.arange(height) + 0.5)) * 2 / short
    return np.stack(np.meshgrid(x, y), -1)


def segment_distance_squared(points, a, b):
    t = np.clip(((points - a) @ (b - a)) / max(((b - a) ** 2).sum(), 1e-300), 0, 1)
    return ((points - a - t[..., None] * (b - a)) ** 2).sum(-1)


def brute_force(vertices, triangles, image_size, cull, perspective):
    """Solve the 2D barycentric system of each pixel in each triangle, with linear algebra instead of edge functions."""
    points = pixel_positions(*image_size)
    best = {
        "face": np.full(image_size, -1),
        "z": np.full(image_size, np.inf),
        "bary": np.full((*image_size, 3), -1.0),
        "dist": np.full(image_size, -1.0),
    }
    ambiguous = np.zeros(image_size, dtype=bool)
    for index, triangle in enumerate(triangles):
        corners = vertices[triangle]
        system = np.vstack((corners[:, :2].T, np.ones(3)))
        # Mirrored x: what runs counter-clockwise for the viewer has a negative determinant.
        if abs(np.linalg.det(system)) <= 1e-8 or (corners[:, 2] < 1e-8).any() or (cull and np.linalg.det(system) > 0):
            continue
        homogeneous = np.concatenate((points, np.ones((*image_size, 1))), -1)
        weights = np.linalg.solve(system, homogeneous.reshape(-1, 3).T).T.reshape(*image_size, 3)
        ambiguous |= (np.abs(weights) < 1e-6).any(-1)
        if perspective:
            weights = weights / corners[:, 2]
            weights = weights / weights.sum(-1, keepdims=True)
            inverse_sum_positive = (np.linalg.solve(system, homogeneous.reshape(-1, 3).T).T / corners[:, 2]).sum(-1) > 0
            weights[~inverse_sum_positive.reshape(image_size)] = -1
        z = weights @ corners[:, 2]
        inside = (weights > 0).all(-1)
        ambiguous |= inside & (np.abs(z - best["z"]) < 1e-6)
        wins = inside & (z < best["z"])
        best["face"][wins] = index
        best["z"][wins] = z[wins]
        best["bary"][wins] = weights[wins]
        distance = np.min([segment_distance_squared(points, *corners[[i, (i + 1) % 3], :2]) for i in range(3)], 0)
        best["dist"][wins] = -distance[wins]
    best["z"][best["face"] < 0] = -1
    return best, ambiguous


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from(SIZES),
    cull=st.booleans(),
    perspective=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_agrees_with_brute_force(seed, size, cull, perspective, dtype):
    random = np.random.default_rng(seed)
    triangles = random.integers(0, 9, (7, 3))
    vertices = random.normal(0.0, 1.0, (2, 9, 3)) + np.array([0.0, 0.0, 1.5])
    vertices = vertices.astype(np.float32)
    fragments = rasterize(
        torch.from_numpy(vertices).to(dtype),
        torch.from_numpy(triangles),
        size,
        cull_backfaces=cull,
        perspective_correct=perspective,
    )
    for item in range(2):
        expected, ambiguous = brute_force(vertices[item].astype(float), triangles, size, cull, perspective)
        clear = ~ambiguous
        offset_face = np.where(expected["face"] >= 0, expected["face"] + item * len(triangles), -1)
        np.testing.assert_array_equal(fragments.pix_to_face[item, ..., 0].numpy()[clear], offset_face[clear])
        # Slivers and corners near the camera lose digits in float32, and the epsilon in the area is PyTorch3D's own.
        compare = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-3)
        compare(fragments.zbuf[item, ..., 0].numpy()[clear], expected["z"][clear])
        compare(fragments.bary_coords[item, ..., 0, :].numpy()[clear], expected["bary"][clear])
        compare(fragments.dists[item, ..., 0].numpy()[clear], expected["dist"][clear])


def facing_triangle(dtype=torch.float64):
    """Large, tilted, counter-clockwise for the viewer."""
    vertices = torch.tensor([[[1.1, -0.9, 1.0], [-1.3, -1.0, 1.7], [0.1, 1.2, 2.3]]], dtype=dtype)
    return vertices, torch.tensor([[0, 1, 2]])


def test_left_is_plus_x_and_up_is_plus_y():
    small = torch.tensor([[[1.0, 1.0, 1.0], [0.5, 1.0, 1.0], [1.0, 0.5, 1.0]]])
    seen = rasterize(small, torch.tensor([[0, 1, 2]]), (20, 20)).pix_to_face[0, ..., 0] >= 0
    rows, columns = torch.nonzero(seen, as_tuple=True)
    assert rows.max() < 5
    assert columns.max() < 5


def test_the_longer_side_reaches_beyond_one():
    wide = torch.tensor([[[2.0, -1.0, 1.0], [-2.0, -1.0, 1.0], [-2.0, 1.0, 1.0], [2.0, 1.0, 1.0]]])
    two = torch.tensor([[0, 1, 2], [0, 2, 3]])
    assert (rasterize(wide * 1.01, two, (7, 14)).pix_to_face >= 0).all()
    tall = wide[..., [1, 0, 2]]
    assert (rasterize(tall * 1.01, two, (14, 7)).pix_to_face >= 0).all()


def test_back_faces_are_those_that_run_clockwise():
    vertices, triangles = facing_triangle()
    assert (rasterize(vertices, triangles, 9, cull_backfaces=True).pix_to_face >= 0).any()
    assert (rasterize(vertices, triangles.flip(1), 9, cull_backfaces=True).pix_to_face == -1).all()
    assert (rasterize(vertices, triangles.flip(1), 9).pix_to_face >= 0).any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("near", [None, 0.1])
def test_a_mesh_behind_the_camera_is_an_empty_image_that_backpropagates(backend, near):
    vertices, triangles = facing_triangle()
    behind = (vertices - torch.tensor([0.0, 0.0, 5.0], dtype=torch.float64)).requires_grad_()
    found = rasterize(behind, triangles, (4, 5), backend=backend, z_clip_value=near)
    assert (found.pix_to_face == -1).all()
    (found.zbuf.sum() + found.bary_coords.sum() + found.dists.sum()).backward()
    assert (behind.grad == 0).all()


def project(vertices_camera):
    """PyTorch3D camera frame (+x left, +y up, +z forward) to NDC, focal length 1."""
    return torch.cat((vertices_camera[..., :2] / vertices_camera[..., 2:], vertices_camera[..., 2:]), -1)


def test_clipping_keeps_what_lies_beyond_the_near_plane():
    camera = torch.tensor(
        [
            [
                [3.0, -1.0, -1.0],
                [-3.0, -1.0, -1.0],
                [0.0, -1.0, 40.0],
                [2.0, -0.8, 3.0],
                [-2.0, -0.8, 0.4],
                [0.0, 3.0, 2.0],
            ]
        ],
        dtype=torch.float64,
    )
    triangles = torch.tensor([[0, 1, 2], [3, 4, 5]])
    size, near = (30, 30), 0.7
    found = rasterize(project(camera), triangles, size, z_clip_value=near)
    hit = found.pix_to_face[0, ..., 0] >= 0
    face = found.pix_to_face[0, ..., 0][hit]
    assert set(face.tolist()) == {0, 1}
    assert (found.zbuf[0, ..., 0][hit] >= near - 1e-9).all()
    # The barycentric coordinates are those of the uncut triangle: they lead to the point that the pixel looks at.
    point = (found.bary_coords[0, ..., 0, :][hit][..., None] * camera[0][triangles[face]]).sum(1)
    looking_at = torch.from_numpy(pixel_positions(*size))[hit]
    torch.testing.assert_close(point[:, :2] / point[:, 2:], looking_at, atol=1e-6, rtol=0)
    torch.testing.assert_close(point[:, 2], found.zbuf[0, ..., 0][hit], atol=1e-6, rtol=0)
    # And every ray that meets a triangle beyond the near plane finds one.
    rays = np.concatenate((pixel_positions(*size), np.ones((*size, 1))), -1)
    reached = np.zeros(size, dtype=bool)
    for triangle in triangles.numpy():
        weights = np.linalg.solve(camera[0].numpy()[triangle].T, rays.reshape(-1, 3).T).T.reshape(*size, 3)
        inside = (weights > 1e-7).all(-1) & (1 / weights.sum(-1) > near + 1e-7)
        reached |= inside
    assert hit.numpy()[reached].mean() > 0.99
    assert not hit.numpy()[~reached & (np.abs(weights).min(-1) > 1e-4)].any()


def test_without_clipping_a_triangle_through_the_camera_plane_is_left_out():
    vertices = torch.tensor([[[3.0, -1.0, -1.0], [-3.0, -1.0, 1.0], [0.0, 1.0, 4.0]]])
    assert (rasterize(vertices, torch.tensor([[0, 1, 2]]), 9).pix_to_face == -1).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("near", [None, 0.1, 1.5])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_broken_and_degenerate_triangles_are_left_out(backend, near, bad, axis):
    vertices, _ = facing_triangle(torch.float32)
    broken = torch.tensor([[[0.0, 0.1, 2.0]]])
    broken[..., axis] = bad
    vertices = torch.cat((vertices, broken), 1).requires_grad_()
    triangles = torch.tensor([[0, 1, 3], [3, 3, 3], [0, 0, 1], [0, 1, 2], [0, 1, 2]])
    found = rasterize(vertices, triangles, 9, backend=backend, z_clip_value=near)
    assert set(found.pix_to_face.unique().tolist()) == {-1, 3}, "of two equal triangles the first is seen"
    found.zbuf.sum().backward()
    assert vertices.grad is not None
    assert torch.isfinite(vertices.grad).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1e15, 1e25, 3e38])
def test_triangles_of_any_size_do_no_harm(backend, size):
    vertices, triangles = facing_triangle(torch.float32)
    huge = torch.tensor([[[size, -size, 1.0], [-size, -size, 2.0], [0.0, size, 3.0], [0.0, 0.0, size]]])
    both = torch.cat((triangles, torch.tensor([[3, 4, 5], [0, 4, 6], [3, 6, 2]])))
    for options in ({}, {"blur_radius": 0.1, "faces_per_pixel": 3}, {"z_clip_value": 1.5}):
        found = rasterize(torch.cat((vertices, huge), 1), both, 5, backend=backend, **options)
        assert ((found.pix_to_face >= -1) & (found.pix_to_face < 4)).all()
        assert (found.pix_to_face == 0).any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("near", [None, 0.5])
def test_a_mesh_of_nothing_but_nan_is_an_empty_image(backend, near):
    vertices = torch.full((2, 4, 3), float("nan"), requires_grad=True)
    triangles = torch.tensor([[0, 1, 2], [1, 2, 3]])
    found = rasterize(vertices, triangles, 6, backend=backend, z_clip_value=near, blur_radius=0.1, faces_per_pixel=3)
    assert (found.pix_to_face == -1).all()
    found.dists.sum().backward()
    assert (vertices.grad == 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("near", [None, 0.5, 100.0])
def test_empty_meshes(backend, near):
    options = {"backend": backend, "z_clip_value": near, "faces_per_pixel": 2}
    nothing = rasterize(torch.zeros(2, 0, 3), torch.zeros(0, 3, dtype=torch.int64), (3, 4), **options)
    assert nothing.pix_to_face.shape == (2, 3, 4, 2)
    assert nothing.bary_coords.shape == (2, 3, 4, 2, 3)
    assert (nothing.zbuf == -1).all()
    assert rasterize(torch.zeros(0, 3, 3), torch.tensor([[0, 1, 2]]), (3, 4), **options).dists.shape == (0, 3, 4, 2)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("near", [None, 1.5])
def test_an_empty_mesh_among_others(backend, near):
    vertices, triangles = facing_triangle(torch.float32)
    none = torch.zeros(0, 3, dtype=torch.int64)
    full = vertices[0].requires_grad_()
    meshes = [full, full[:0], full]
    found = rasterize(meshes, [triangles, none, triangles], (4, 6), backend=backend, z_clip_value=near)
    assert [set(item.unique().tolist()) for item in found.pix_to_face] == [{-1, 0}, {-1}, {-1, 1}]
    assert (found.zbuf[1] == -1).all()
    torch.testing.assert_close(found.zbuf[0], found.zbuf[2])
    found.zbuf.sum().backward()
    assert (full.grad != 0).any()


@pytest.mark.parametrize("backend", BACKENDS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_every_form_of_a_batch_gives_the_same_fragments(backend, seed):
    random = np.random.default_rng(seed)
    vertices = torch.from_numpy(random.normal((0, 0, 2), 0.7, (3, 8, 3)))
    triangles = torch.from_numpy(random.integers(0, 8, (6, 3)))
    options = {"backend": backend, "faces_per_pixel": 2, "z_clip_value": 1.5}
    shared = rasterize(vertices, triangles, (7, 9), **options)
    own = rasterize(vertices, triangles.expand(3, -1, -1), (7, 9), **options)
    listed = rasterize(list(vertices), [triangles.to(torch.int32)] * 3, (7, 9), **options)
    packed = rasterize(
        vertices.reshape(-1, 3),
        torch.cat([triangles + 8 * item for item in range(3)]),
        (7, 9),
        faces_per_mesh=[6, 6, 6],
        **options,
    )
    for other in (own, listed, packed):
        for name in ("pix_to_face", "zbuf", "bary_coords", "dists"):
            torch.testing.assert_close(getattr(other, name), getattr(shared, name), rtol=0, atol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_result_has_the_dtype_of_the_vertices(backend):
    for dtype in (torch.float32, torch.float64):
        vertices, triangles = facing_triangle(dtype)
        found = rasterize(vertices, triangles, 5, backend=backend)
        assert {found.zbuf.dtype, found.bary_coords.dtype, found.dists.dtype} == {dtype}
        assert found.pix_to_face.dtype == torch.int64


@pytest.mark.parametrize("backend", BACKENDS)
def test_blur_reaches_as_far_as_its_squared_radius(backend):
    """Pixels outside have a positive distance, and clipped weights that still lead to a point of the triangle."""
    vertices, triangles = facing_triangle()
    vertices = vertices * torch.tensor([0.3, 0.3, 1.0])
    size, blur = (40, 40), 0.03
    found = rasterize(vertices, triangles, size, backend=backend, blur_radius=blur)
    corners = vertices[0, :, :2].numpy()
    positions = pixel_positions(*size)
    distance = np.min([segment_distance_squared(positions, *corners[[i, (i + 1) % 3]]) for i in range(3)], 0)
    inside = rasterize(vertices, triangles, size, backend=backend).pix_to_face[0, ..., 0].numpy() >= 0
    clear = np.abs(distance - blur) > 1e-6
    np.testing.assert_array_equal(
        (found.pix_to_face[0, ..., 0].numpy() >= 0)[clear], (inside | (distance < blur))[clear]
    )
    hit = found.pix_to_face[0, ..., 0].numpy() >= 0
    signed = np.where(inside, -distance, distance)
    np.testing.assert_allclose(found.dists[0, ..., 0].numpy()[hit], signed[hit], atol=1e-6)
    weights = found.bary_coords[0, ..., 0, :].numpy()[hit]
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_nearest_faces_come_first(backend):
    """Three screens behind each other, given in disorder; the fourth place stays empty."""
    square = torch.tensor([[1.5, -1.5], [-1.5, -1.5], [0.0, 3.0]])
    depths = [2.0, 1.0, 3.0]
    vertices = torch.cat([torch.cat((square, torch.full((3, 1), depth)), 1) for depth in depths])[None]
    found = rasterize(vertices, torch.arange(9).reshape(3, 3), (2, 2), backend=backend, faces_per_pixel=4)
    assert (found.pix_to_face == torch.tensor([1, 0, 2, -1])).all()
    torch.testing.assert_close(found.zbuf, torch.tensor([1.0, 2.0, 3.0, -1.0]).expand(1, 2, 2, 4))
    two = rasterize(vertices, torch.arange(9).reshape(3, 3), (2, 2), backend=backend, faces_per_pixel=2)
    assert (two.pix_to_face == torch.tensor([1, 0])).all()


def test_rasterize_is_a_rasterizer():
    def silhouette(rasterizer: Rasterizer, vertices, triangles):
        return rasterizer(vertices, triangles, 4).pix_to_face >= 0

    vertices, triangles = facing_triangle()
    with_numba: Rasterizer = functools.partial(rasterize, backend="numba")
    assert torch.equal(silhouette(rasterize, vertices, triangles), silhouette(with_numba, vertices, triangles))


def test_pixel_centres_are_where_the_conventions_put_them():
    for size in SIZES:
        x, y = ndc_pixel_centres(size, np.float64)
        np.testing.assert_allclose(np.stack(np.meshgrid(x, y), -1), pixel_positions(*size), atol=1e-15)


GOOD = (torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]]))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("vertices", "triangles", "size", "options", "message"),
    [
        (*GOOD, (0, 4), {}, "image_size"),
        (*GOOD, 0, {}, "image_size"),
        (*GOOD, (4, -1), {}, "image_size"),
        (torch.zeros(3, 3), GOOD[1], (4, 4), {}, "vertices_ndc"),
        (torch.zeros(1, 3, 3, dtype=torch.float16), GOOD[1], (4, 4), {}, "float16"),
        (GOOD[0], torch.tensor([[0, 1, 3]]), (4, 4), {}, "3 vertices"),
        (GOOD[0], torch.tensor([[0, 1, -1]]), (4, 4), {}, "3 vertices"),
        (GOOD[0], torch.tensor([0, 1, 2]), (4, 4), {}, "triangles"),
        (GOOD[0], torch.tensor([[0.0, 1.0, 2.0]]), (4, 4), {}, "triangles"),
        (GOOD[0], GOOD[1].expand(2, 1, 3), (4, 4), {}, "2 meshes"),
        ([], [], (4, 4), {}, "empty list"),
        ([GOOD[0][0]], [], (4, 4), {}, "0 meshes"),
        ([GOOD[0]], [GOOD[1]], (4, 4), {}, "each of vertices_ndc"),
        ([GOOD[0][0], GOOD[0][0].double()], [GOOD[1]] * 2, (4, 4), {}, "one dtype"),
        (GOOD[0], GOOD[1], (4, 4), {"faces_per_mesh": [1]}, "with faces_per_mesh"),
        (GOOD[0][0], GOOD[1], (4, 4), {"faces_per_mesh": [2]}, "add up"),
        (GOOD[0][0], GOOD[1], (4, 4), {"faces_per_mesh": [2, -1]}, "add up"),
        (*GOOD, (4, 4), {"faces_per_pixel": 0}, "faces_per_pixel"),
        (*GOOD, (4, 4), {"blur_radius": -1.0}, "blur_radius"),
        (*GOOD, (4, 4), {"blur_radius": float("nan")}, "blur_radius"),
        (*GOOD, (4, 4), {"z_clip_value": 0.0}, "z_clip_value"),
        (*GOOD, (4, 4), {"z_clip_value": float("nan")}, "z_clip_value"),
    ],
)
def test_unusable_arguments_are_named(backend, vertices, triangles, size, options, message):
    with pytest.raises(ArgumentError, match=message):
        rasterize(vertices, triangles, size, backend=backend, **options)


def test_an_unknown_backend_is_named():
    with pytest.raises(ArgumentError, match="opengl"):
        rasterize(*GOOD, 4, backend="opengl")


def test_fragments_take_the_names_that_shaders_read():
    found = rasterize(*facing_triangle(), 4)
    assert isinstance(found, Fragments)
    assert found.pix_to_face.shape == found.zbuf.shape == found.dists.shape == (1, 4, 4, 1)
