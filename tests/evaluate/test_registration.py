"""Refinement on the surface: known transforms come back, the golden optimum is reached, the derivatives are right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from face3d.errors import InputError
from face3d.evaluate.registration import refine
from face3d.evaluate.similarity import Similarity
from face3d.evaluate.surface import SurfaceTree
from face3d.evaluate.surface_kernels import BLOCK, normal_equations
from tests.evaluate.shapes import face_points, open_head


def small_transform(random, scaled):
    """In millimetres from metres; some 5 degrees and 8 mm off the identity."""
    scale = 1000 * (math.exp(0.05 * random.normal()) if scaled else 1.0)
    turn = Rotation.from_rotvec(0.05 * random.normal(size=3)).as_matrix()
    return Similarity(scale, turn, 5 * random.normal(size=3))


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_known_transform_of_a_resampled_head_comes_back(scaled, seed):
    """Points anywhere on the faces, none of them a vertex: recovered to 1e-4 mm over the whole head."""
    random = np.random.default_rng(seed)
    vertices, triangles = open_head()
    true = small_transform(random, scaled)
    points = true.apply(face_points(2000, random))
    start = Similarity(1000.0, np.eye(3), np.zeros(3))
    found = refine(points, SurfaceTree.build(vertices, triangles), start=start, scaled=scaled)
    assert found.converged
    assert np.abs(found.transform.apply(vertices) - true.apply(vertices)).max() < 1e-4


def test_a_reflected_start_stays_reflected():
    random = np.random.default_rng(0)
    vertices, triangles = open_head()
    mirror = np.diag([-1.0, 1, 1])
    true = Similarity(1000.0, Rotation.from_rotvec([0.05, 0.02, -0.04]).as_matrix() @ mirror, np.array([1.0, 2, 3]))
    points = true.apply(face_points(1000, random))
    found = refine(points, SurfaceTree.build(vertices, triangles), start=Similarity(1000.0, mirror, np.zeros(3)))
    assert np.abs(found.transform.apply(vertices) - true.apply(vertices)).max() < 1e-4


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), huber=st.sampled_from([math.inf, 0.05]))
def test_gradient_is_that_of_the_loss(seed, huber):
    """Central differences of the loss itself, closest points found anew at each step."""
    random = np.random.default_rng(seed)
    vertices, triangles = random.normal(size=(40, 3)), random.integers(0, 40, (60, 3))
    surface = SurfaceTree.build(vertices, triangles)
    points = random.normal(size=(50, 3))
    centre = points.mean(axis=0)
    at = Similarity(1.2, Rotation.random(random_state=seed % 1000).as_matrix(), random.normal(size=3) * 0.1)

    def sums(transform):
        total = np.empty((1, 36))
        rows = np.full(len(points), -1, dtype=np.int64)
        rotation = np.ascontiguousarray(transform.rotation)
        normal_equations(
            points, surface.corners, surface.boxes, transform.scale, rotation, transform.translation,
            centre, huber, 0, 1, rows, total,
        )  # fmt: skip
        return total[0]

    def moved(step):
        turn = Rotation.from_rotvec(step[3:6]).as_matrix()
        grow = math.exp(step[6])
        shifted = centre + step[:3] + grow * turn @ (at.translation - centre)
        return Similarity(grow * at.scale, turn @ at.rotation, shifted)

    analytic = 2 * sums(at)[28:35]
    numeric = np.empty(7)
    for k in range(7):
        step = np.zeros(7)
        step[k] = 1e-6
        numeric[k] = (sums(moved(step))[35] - sums(moved(-step))[35]) / 2e-6
    np.testing.assert_allclose(analytic, numeric, atol=2e-4 * max(1, np.abs(numeric).max()))


def test_numbers_do_not_depend_on_threads():
    random = np.random.default_rng(3)
    vertices, triangles = open_head()
    surface = SurfaceTree.build(vertices, triangles)
    points = face_points(3 * BLOCK + 17, random) + 0.001 * random.normal(size=(3 * BLOCK + 17, 3))
    one, many = (refine(points, surface, scaled=True, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.transform.matrix(), many.transform.matrix())


def test_huber_keeps_what_the_mesh_lacks_from_pulling():
    """A tenth of the points is a slab 3 cm off the face: least squares gives way to it, Huber hardly."""
    random = np.random.default_rng(1)
    vertices, triangles = open_head()
    surface = SurfaceTree.build(vertices, triangles)
    points = face_points(2000, random)
    points[:200] += [0.0, 0.0, 0.03]
    plain, robust = (refine(points, surface, huber=huber) for huber in (math.inf, 0.0005))
    off = [np.linalg.norm(found.transform.apply(vertices) - vertices, axis=1).mean() for found in (plain, robust)]
    assert off[1] < 0.1 * off[0]
    assert off[1] < 2e-4


def test_a_start_that_cannot_be_bettered_is_kept():
    vertices, triangles = open_head()
    found = refine(vertices[:500], SurfaceTree.build(vertices, triangles))
    assert found.converged
    assert found.loss < 1e-20
    np.testing.assert_allclose(found.transform.matrix(), np.eye(4), atol=1e-12)


@pytest.mark.parametrize("points", [np.zeros((2, 3)), np.zeros((0, 3)), np.full((9, 3), np.nan), np.zeros((9, 2))])
def test_unusable_points_are_refused(points):
    vertices, triangles = open_head()
    with pytest.raises(InputError):
        refine(points, SurfaceTree.build(vertices, triangles))


def test_a_mesh_without_area_ends_without_result_but_ends():
    surface = SurfaceTree.build(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    found = refine(np.zeros((9, 3)), surface)
    assert np.isfinite(found.transform.matrix()).all()
