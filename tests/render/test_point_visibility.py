"""Which points a surface hides: a wall, a sphere whose answer is known, and a head."""

from __future__ import annotations

import numpy as np
import trimesh

from face3d.head import load_head
from face3d.render.point_visibility import visible_points


def test_a_wall_hides_what_lies_behind_it() -> None:
    wall = np.array([[-1.0, -1.0, 2.0], [1.0, -1.0, 2.0], [0.0, 1.0, 2.0]])
    points = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 3.0], [3.0, 0.0, 3.0], [0.0, 0.0, 2.001], [0.0, 0.0, -3.0]])
    expected = [True, False, True, True, False]
    assert visible_points(points, wall, np.array([[0, 1, 2]])).tolist() == expected
    assert visible_points(points, wall[::-1], np.array([[0, 1, 2]])).tolist() == expected
    assert not visible_points(np.full((1, 3), np.nan), wall, np.array([[0, 1, 2]])).any()


def test_a_sphere_shows_its_near_cap() -> None:
    """A point is seen where its normal has the camera in front: up to the horizon, beyond which the ball hides it."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.1)
    centre = np.array([0.05, -0.02, 0.6])
    vertices = np.asarray(ball.vertices) + centre
    normals = (vertices - centre) / 0.1
    facing = -np.sum(normals * vertices, axis=1) / np.linalg.norm(vertices, axis=1)
    seen = visible_points(vertices, vertices, np.asarray(ball.faces), thickness=1e-4)
    assert seen[facing > 0.05].all()
    assert not seen[facing < -0.1].any()


def test_a_turned_head_hides_its_far_side() -> None:
    head = load_head()
    geometry = head()
    points, vertices = head.points("ibug_68_fixed", geometry)[0].numpy(), geometry.vertices[0].numpy()
    for yaw, hidden, shown in ((70.0, (45, 26), (36, 17)), (-70.0, (36, 17), (45, 26))):
        angle = np.deg2rad(yaw)
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        pose = np.diag([1.0, -1.0, -1.0]) @ turn
        seen = visible_points(points @ pose.T + [0, 0, 0.6], vertices @ pose.T + [0, 0, 0.6], head.triangles.numpy())
        assert not seen[list(hidden)].any()
        assert seen[[*shown, 30, 33]].all()
