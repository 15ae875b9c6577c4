"""Edges as lines: where the projected edges are, as wide as asked for at any depth, and hidden where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.render.wireframe import wireframe_layer
from tests.render.shapes import ball, plane

SIZE = (80, 120)
INTRINSICS = np.array([[100.0, 0.0, 60.0], [0.0, 100.0, 40.0], [0.0, 0.0, 1.0]])


def projected(points):
    pixels = points @ INTRINSICS.T
    return pixels[:, :2] / pixels[:, 2:]


def distance_to_line(start, end):
    """Of each pixel's centre, pixels."""
    rows, columns = np.indices(SIZE) + 0.5
    across = np.array([end[1] - start[1], start[0] - end[0]]) / np.linalg.norm(end - start)
    return np.abs((columns - start[0]) * across[0] + (rows - start[1]) * across[1])


@settings(max_examples=25, deadline=None)
@given(
    depth=st.floats(0.4, 3.0),
    tilt=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)),
    width=st.floats(1.0, 4.0),
)
def test_a_shared_edge_is_a_line_of_the_width_asked_for_at_any_depth_and_tilt(depth, tilt, width):
    # A square over the whole picture, tilted about both axes; its one inner edge is the diagonal.
    vertices, triangles = plane((-2, -2, 0), (4, 0, 0), (0, 4, 0))
    vertices[:, 2] = 3 + vertices[:, 0] * tilt[0] + vertices[:, 1] * tilt[1]
    vertices *= depth / 3
    ink = wireframe_layer(vertices, triangles, INTRINSICS, SIZE, line_width=width)
    start, end = projected(vertices[[0, 2]])
    distance = distance_to_line(start, end)
    border = np.min([distance_to_line(*projected(vertices[[i, (i + 1) % 4]])) for i in range(4)], axis=0)
    inner = border > width + 2
    assert ink[inner & (distance < width / 2 - 0.8)].min(initial=1.0) > 0.95
    assert ink[inner & (distance > width / 2 + 0.9)].max(initial=0.0) == 0
    rows = np.nonzero(inner.all(axis=1) & (distance.min(axis=1) < 0.5))[0]
    direction = (end - start) / np.linalg.norm(end - start)
    if len(rows) > 5 and abs(direction[1]) > 0.3:
        crossing = (np.abs(columns_of_minimum(distance[rows]) - 60) < 60 - 8 - width / abs(direction[1])).nonzero()[0]
        if len(crossing):
            # A row cuts the line at a slant, so that it holds width / sin(angle) of ink.
            np.testing.assert_allclose(ink[rows[crossing]].sum(1) * abs(direction[1]), width, atol=0.25)


def columns_of_minimum(distance):
    return distance.argmin(axis=1) + 0.5


def test_what_lies_behind_a_surface_is_left_out():
    front, triangles = plane((-0.1, -0.1, 1), (0.2, 0, 0), (0, 0.2, 0))
    alone = wireframe_layer(front, triangles, INTRINSICS, SIZE)
    behind, more = ball(0.08, (0.0, 0.0, 1.5), count=8)
    both = wireframe_layer(
        np.concatenate((front, behind)), np.concatenate((triangles, more + len(front))), INTRINSICS, SIZE
    )
    np.testing.assert_array_equal(both, alone)
    assert wireframe_layer(behind, more, INTRINSICS, SIZE).sum() > 20


def test_the_inside_of_a_surface_has_no_lines():
    vertices, triangles = plane((-0.1, -0.1, 1), (0.2, 0, 0), (0, 0.2, 0))
    assert wireframe_layer(vertices, triangles, INTRINSICS, SIZE).max() == 1
    assert not wireframe_layer(vertices, triangles[:, ::-1], INTRINSICS, SIZE).any()


def test_crowded_lines_are_fainter_but_never_gone():
    coarse, fine = ball(0.3, (0.0, 0.0, 1.0), count=8), ball(0.3, (0.0, 0.0, 1.0), count=120)
    middle = np.s_[30:50, 50:70]
    sparse, dense = (wireframe_layer(*mesh, INTRINSICS, SIZE)[middle] for mesh in (coarse, fine))
    assert sparse.max() == pytest.approx(1.0)
    assert 0.05 < dense.mean() < 0.5


@pytest.mark.parametrize("shift", [(0, 0, -2.0), (5.0, 0, 0)], ids=["behind", "beside"])
def test_a_mesh_out_of_sight_has_no_lines(shift):
    vertices, triangles = ball(0.1, np.array([0.0, 0.0, 1.0]) + shift)
    assert not wireframe_layer(vertices, triangles, INTRINSICS, SIZE).any()


def test_broken_vertices_and_a_mesh_through_the_camera_are_drawn_as_far_as_they_go():
    vertices, triangles = ball(0.3, (0.0, 0.0, 1.0))
    vertices[137] = np.nan
    ink = wireframe_layer(vertices, triangles, INTRINSICS, SIZE)
    assert np.isfinite(ink).all()
    assert ink.sum() > 50
    # A floor that runs under the camera to behind it, with one edge straight ahead.
    floor = np.array([[-5.0, 0.2, -5], [-5, 0.2, 5], [0, 0.2, -5], [0, 0.2, 5], [5, 0.2, -5], [5, 0.2, 5]])
    squares = np.array([[0, 2, 1], [1, 2, 3], [2, 4, 3], [3, 4, 5]])
    ink = wireframe_layer(floor, squares, INTRINSICS, SIZE)
    assert ink[60:79, 59:61].mean() > 0.4
    assert np.isfinite(ink).all()


def test_no_triangles_give_no_lines():
    assert not wireframe_layer(np.zeros((0, 3)), np.zeros((0, 3), dtype=int), INTRINSICS, SIZE).any()
