"""The restricted points must be the head layer's own, and their derivatives must be derivatives."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from face3d.fit.point_model import PointModel
from face3d.head import HeadModel
from tests.head.random_heads import random_arrays


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel(random_arrays(), dtype=torch.float64)


@pytest.fixture(scope="module")
def surface(head: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, len(head.triangles), 40), rng.dirichlet(np.ones(3), 40)


def _posed(head: HeadModel, surface: tuple[np.ndarray, np.ndarray], coefficients: np.ndarray, turns: np.ndarray):
    size = head.identity_size
    geometry = head(
        identity=coefficients[None, :size],
        expression=coefficients[None, size:],
        jaw=turns[None, 0],
        eyes=turns[None, 1:].reshape(1, 6),
    )
    triangles, barycentric = surface
    corners = geometry.vertices[0].numpy()[head.triangles.numpy()[triangles]]
    return np.einsum("nk,nkx->nx", barycentric, corners)


@pytest.mark.parametrize("turned", [0.0, 0.3])
def test_points_equal_the_head_layer(head, surface, turned):
    rng = np.random.default_rng(1)
    points = PointModel.of(head, *surface)
    coefficients, turns = rng.normal(size=points.size), turned * rng.normal(size=(3, 3))
    state = points.evaluate(coefficients, Rotation.from_rotvec(turns).as_matrix())
    np.testing.assert_allclose(state.points, _posed(head, surface, coefficients, turns), atol=1e-9)


def test_derivatives_equal_finite_differences(head, surface):
    rng = np.random.default_rng(2)
    points = PointModel.of(head, *surface)
    coefficients = rng.normal(size=points.size)
    rotations = Rotation.from_rotvec(0.3 * rng.normal(size=(3, 3))).as_matrix()
    state = points.evaluate(coefficients, rotations)
    step = 1e-6
    for k in range(points.size):
        delta = np.zeros(points.size)
        delta[k] = step
        high, low = (points.evaluate(coefficients + sign * delta, rotations).points for sign in (1, -1))
        np.testing.assert_allclose((high - low) / (2 * step), state.by_coefficient[:, :, k], atol=1e-8)
    for k in range(9):
        delta = np.zeros(9)
        delta[k] = step
        turn = Rotation.from_rotvec(delta.reshape(3, 3)).as_matrix()
        high = points.evaluate(coefficients, turn @ rotations).points
        low = points.evaluate(coefficients, np.transpose(turn, (0, 2, 1)) @ rotations).points
        np.testing.assert_allclose((high - low) / (2 * step), state.by_rotation[:, :, k], atol=1e-8)


@pytest.mark.parametrize("held", [(), ("jaw",), ("jaw", "left_eye", "right_eye")])
def test_many_heads_at_once_have_the_same_points(head, surface, held):
    rng = np.random.default_rng(4)
    points = PointModel.of(head, *surface, held=held).displaced(0.01 * rng.normal(size=(40, 3, head.identity_size)))
    coefficients = rng.normal(size=(5, points.size))
    rotations = Rotation.from_rotvec(0.3 * rng.normal(size=(15, 3))).as_matrix().reshape(5, 3, 3, 3)
    expected = [points.evaluate(*each).points for each in zip(coefficients, rotations, strict=True)]
    np.testing.assert_allclose(points.points_at(coefficients, rotations), np.stack(expected), atol=1e-12)
