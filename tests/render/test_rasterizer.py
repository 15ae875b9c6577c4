"""The NDC rasteriser against an independent numpy one, written from PyTorch3D's documented conventions."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.render import rasterize

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


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("clip", [None, 1.4])
def test_gradients(perspective, clip):
    vertices, triangles = facing_triangle()
    vertices.requires_grad_()

    def differentiable_part(corners):
        found = rasterize(corners, triangles, (4, 5), perspective_correct=perspective, z_clip_value=clip)
        return found.zbuf, found.bary_coords, found.dists

    assert (differentiable_part(vertices)[0] > 0).any()
    assert torch.autograd.gradcheck(differentiable_part, (vertices,), eps=1e-7, atol=1e-6)


def test_empty_image_still_backpropagates():
    vertices, triangles = facing_triangle()
    behind = (vertices - torch.tensor([0.0, 0.0, 5.0], dtype=torch.float64)).requires_grad_()
    found = rasterize(behind, triangles, (4, 5))
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


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_broken_and_degenerate_triangles_are_left_out(bad):
    vertices, _ = facing_triangle()
    vertices = torch.cat((vertices, torch.tensor([[[0.0, bad, 1.0]]], dtype=vertices.dtype)), 1).requires_grad_()
    triangles = torch.tensor([[0, 1, 3], [0, 0, 1], [0, 1, 2], [0, 1, 2]])
    found = rasterize(vertices, triangles, 9)
    assert set(found.pix_to_face.unique().tolist()) == {-1, 2}, "of two equal triangles the first is seen"
    found.zbuf.sum().backward()
    assert vertices.grad is not None
    assert torch.isfinite(vertices.grad).all()


def test_empty_meshes():
    nothing = rasterize(torch.zeros(2, 0, 3), torch.zeros(0, 3, dtype=torch.int64), (3, 4))
    assert nothing.pix_to_face.shape == (2, 3, 4, 1)
    assert nothing.bary_coords.shape == (2, 3, 4, 1, 3)
    assert (nothing.zbuf == -1).all()
    assert rasterize(torch.zeros(0, 3, 3), torch.tensor([[0, 1, 2]]), (3, 4)).dists.shape == (0, 3, 4, 1)


@pytest.mark.parametrize(
    ("vertices", "triangles", "size", "backend", "message"),
    [
        (torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]]), (0, 4), "numba", "image_size"),
        (torch.zeros(3, 3), torch.tensor([[0, 1, 2]]), (4, 4), "numba", "vertices_ndc"),
        (torch.zeros(1, 3, 3, dtype=torch.float16), torch.tensor([[0, 1, 2]]), (4, 4), "numba", "float16"),
        (torch.zeros(1, 3, 3), torch.tensor([[0, 1, 3]]), (4, 4), "numba", "3 vertices"),
        (torch.zeros(1, 3, 3), torch.tensor([0, 1, 2]), (4, 4), "numba", "triangles"),
        (torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]]), (4, 4), "opengl", "backend"),
    ],
)
def test_unusable_arguments_are_named(vertices, triangles, size, backend, message):
    with pytest.raises(ArgumentError, match=message):
        rasterize(vertices, triangles, size, backend=backend)
