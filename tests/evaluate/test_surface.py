"""Exact closest points: against brute force, the golden distances, and meshes of every bad kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from face3d.errors import InputError
from face3d.evaluate.surface import SurfaceTree, surface_distance
from tests.evaluate.golden import golden


def brute_force(points, vertices, triangles):
    """Least distance over all triangles, each by minimising over its barycentric square in closed form.

    On a triangle the squared distance is a convex quadratic, whose minimum is inside or on one of the edges.
    """
    best = np.full(len(points), np.inf)
    for a, b, c in vertices[triangles]:
        edges = np.stack([b - a, c - a], axis=1)
        solution = np.linalg.lstsq(edges, (points - a).T, rcond=None)[0]
        inside = (solution >= 0).all(axis=0) & (solution.sum(axis=0) <= 1)
        distance = np.linalg.norm(points - a - (edges @ solution).T, axis=1)
        best = np.where(inside, np.minimum(best, distance), best)
        for start, end in ((a, b), (b, c), (c, a)):
            along = end - start
            length = along @ along
            t = np.clip((points - start) @ along / length, 0, 1) if length > 0 else np.zeros(len(points))
            best = np.minimum(best, np.linalg.norm(points - start - t[:, None] * along, axis=1))
    return best


@settings(max_examples=60, deadline=None)
@example(seed=582, triangles=1, flat="needles", offset=0.0, scale=0.001)
@given(
    seed=st.integers(0, 2**32 - 1),
    triangles=st.integers(1, 60),
    flat=st.sampled_from(["no", "plane", "needles", "points"]),
    offset=st.sampled_from([0.0, 1e3]),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_as_brute_force(seed, triangles, flat, offset, scale):
    random = np.random.default_rng(seed)
    vertices = random.normal(size=(max(3, triangles // 2), 3))
    faces = random.integers(0, len(vertices), (triangles, 3))
    if flat == "plane":
        vertices[:, 2] = 0.5
    elif flat == "needles":
        vertices = vertices[:, :1] * [1.0, 2.0, 3.0] + 1e-9 * random.normal(size=vertices.shape)
    elif flat == "points":
        vertices[:] = vertices[0]
    points = np.concatenate([random.normal(size=(30, 3)) * 2, vertices[:5], vertices[faces[:5]].mean(axis=1)])
    vertices, points = scale * (vertices + offset), scale * (points + offset)
    found = surface_distance(points, vertices, faces)
    np.testing.assert_allclose(found, brute_force(points, vertices, faces), atol=1e-8 * scale * max(1, offset / 10))


def test_golden():
    given_ = golden("point_to_surface")
    found = surface_distance(given_["points_mm"], given_["mesh_vertices_mm"], given_["mesh_faces"])
    np.testing.assert_allclose(found, given_["distance_mm"], rtol=0, atol=1e-9)
    assert (given_["vertex_only_distance_mm"] - found).max() > 1  # the surface is not its vertices


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 1000])
def test_closest_points_lie_on_the_triangle_named(count):
    random = np.random.default_rng(count)
    vertices, faces = random.normal(size=(count + 2, 3)), random.integers(0, count + 2, (count, 3))
    points = random.normal(size=(1300, 3))
    surface = SurfaceTree.build(vertices, faces)
    closest, distances, triangles = surface.closest(points)
    np.testing.assert_allclose(np.linalg.norm(points - closest, axis=1), distances, atol=1e-12)
    for n in range(0, 1300, 100):
        own = surface_distance(closest[n : n + 1], vertices, faces[triangles[n : n + 1]])
        assert own[0] < 1e-10


def test_numbers_do_not_depend_on_threads():
    random = np.random.default_rng(0)
    vertices, faces = random.normal(size=(300, 3)), random.integers(0, 300, (500, 3))
    points = random.normal(size=(3000, 3))
    surface = SurfaceTree.build(vertices, faces)
    one, many = surface.closest(points, threads=1), surface.closest(points, threads=3)
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_unused_vertex_that_is_not_finite_does_no_harm():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [np.nan, 0, 0]])
    assert surface_distance(np.array([[0.2, 0.2, 3.0]]), vertices, np.array([[0, 1, 2]]))[0] == 3


@pytest.mark.parametrize(
    ("points", "vertices", "triangles"),
    [
        (np.zeros((1, 3)), np.zeros((3, 3)), np.zeros((0, 3), int)),
        (np.zeros((1, 3)), np.zeros((3, 3)), np.array([[0, 1, 3]])),
        (np.zeros((1, 3)), np.zeros((3, 3)), np.array([[0, 1, -1]])),
        (np.zeros((1, 3)), np.full((3, 3), np.inf), np.array([[0, 1, 2]])),
        (np.full((1, 3), np.nan), np.eye(3), np.array([[0, 1, 2]])),
        (np.zeros((1, 2)), np.eye(3), np.array([[0, 1, 2]])),
    ],
)
def test_unusable_input_is_refused(points, vertices, triangles):
    with pytest.raises(InputError):
        surface_distance(points, vertices, triangles)


def test_no_points_have_no_distances():
    assert surface_distance(np.zeros((0, 3)), np.eye(3), np.array([[0, 1, 2]])).shape == (0,)
