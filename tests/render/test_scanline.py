"""Scan lines see what the exact rasteriser sees."""

from __future__ import annotations

import numpy as np
import pytest

from face3d import load_head
from face3d.render.rasterize_numba import rasterize_camera
from face3d.render.scanline import NEAR, barycentric_at, covered_box, fill_front_faces, pixel_colours, project_points

CAMERA = np.array([[420.0, 0, 160], [0, 420, 120], [0, 0, 1]])
SIZE = (240, 320)


def filled(vertices, triangles, corner=(0, 0), size=SIZE):
    face_id, nearness = np.empty(size, np.int32), np.empty(size, np.float32)
    fill_front_faces(project_points(vertices, CAMERA), triangles, corner, face_id, nearness)
    return face_id, nearness


@pytest.fixture(scope="module")
def head():
    model = load_head("open")
    vertices = model().vertices[0].double().numpy() * [1, -1, -1] + [0.02, 0.01, 0.5]
    return vertices, model.triangles.numpy()


def test_a_head_as_the_exact_rasteriser_sees_it(head):
    vertices, triangles = head
    face_id, nearness = filled(vertices, triangles)
    exact = rasterize_camera(vertices, triangles, CAMERA, SIZE, cull_backfaces=True)
    assert ((face_id >= 0) == (exact.face_id >= 0)).mean() > 0.9999
    both = (face_id >= 0) & (exact.face_id >= 0)
    assert (face_id == exact.face_id)[both].mean() > 0.999
    assert np.median(np.abs(1 / nearness[both] - exact.depth[both])) < 1e-6
    rows, columns = np.nonzero(both & (face_id == exact.face_id))
    weights = np.empty((len(rows), 3), np.float32)
    barycentric_at(rows, columns, face_id, triangles, project_points(vertices, CAMERA), 0, 0, weights)
    # Slivers at the silhouette are the exception.
    assert np.quantile(np.abs(weights - exact.barycentric[rows, columns]).max(axis=1), 0.99) < 1e-3


def test_a_part_of_the_image_shows_what_the_whole_does(head):
    vertices, triangles = head
    left, top, right, bottom = covered_box(project_points(vertices, CAMERA), SIZE)
    whole, _ = filled(vertices, triangles)
    part, _ = filled(vertices, triangles, (left, top), (bottom - top, right - left))
    np.testing.assert_array_equal(part, whole[top:bottom, left:right])
    assert (whole >= 0).sum() == (part >= 0).sum() > 10_000


def test_shared_edges_are_watertight_and_backs_are_not_seen():
    """A fan of thin triangles around a point, its edges at odd places: no pixel inside falls between two."""
    angles = np.linspace(0, 2 * np.pi, 48)[:-1]
    rim = np.stack([0.2 * np.cos(angles), 0.2 * np.sin(angles), np.full(47, 1.0)], axis=1)
    vertices = np.concatenate([[[0.0123, -0.0071, 1.0]], rim])
    ring = np.arange(47)
    front = np.stack([np.zeros(47, int), 1 + (ring + 1) % 47, 1 + ring], axis=1)
    seen, _ = filled(vertices, front)
    y, x = np.mgrid[:240, :320] + 0.5
    inside = np.hypot(x - 160, y - 120) < 80
    assert (seen[inside] >= 0).all()
    assert (seen[np.hypot(x - 160, y - 120) > 85] < 0).all()
    assert (filled(vertices, front[:, ::-1].copy())[0] < 0).all()


def test_colours_are_linear_between_corners():
    vertices = np.array([[-0.2, -0.1, 1.0], [0.25, -0.15, 1.0], [0.0, 0.2, 1.0]])
    triangles = np.array([[0, 2, 1]])
    projected = project_points(vertices, CAMERA)
    face_id, _ = filled(vertices, triangles)
    plane = np.array([[0.3, 0.5, 20.0], [-0.1, 0.2, 90.0], [0.0, 0.4, 10.0]])
    per_vertex = (np.concatenate([projected[:, :2], np.ones((3, 1))], axis=1) @ plane.T).astype(np.float32)
    colours = np.zeros((*SIZE, 3), np.float32)
    pixel_colours(face_id, triangles, projected, 0, 0, per_vertex, np.empty((1, 9), np.float32), colours)
    rows, columns = np.nonzero(face_id >= 0)
    wanted = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], axis=1) @ plane.T
    assert len(rows) > 5000
    np.testing.assert_allclose(colours[rows, columns], wanted, atol=2e-3)


def test_what_is_behind_or_no_number_is_left_out(head):
    vertices, triangles = head
    projected = project_points(np.array([[0, 0, NEAR / 2], [0, 0, -1.0], [np.nan, 0, 1], [0.1, 0, 1]]), CAMERA)
    np.testing.assert_array_equal(projected[:, 2] > 0, [False, False, False, True])
    assert covered_box(projected[:3], SIZE) is None
    assert covered_box(project_points(vertices + np.array([9.0, 0, 0]), CAMERA), SIZE) is None
    some = vertices.copy()
    some[::7] = np.nan
    seen, _ = filled(some, triangles)
    assert not np.isnan(some[triangles[np.unique(seen[seen >= 0])]]).any()
