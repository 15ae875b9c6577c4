"""Points of a head of fixed identity are those of `PointModel`, for many frames at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from face3d.fit.motion_points import MotionPoints, surface_slopes
from face3d.fit.point_model import PointModel
from face3d.head import HeadModel
from tests.head.random_heads import random_arrays


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel(random_arrays(), dtype=torch.float64)


@pytest.mark.parametrize("held", [(), ("jaw",), ("jaw", "left_eye", "right_eye")])
@pytest.mark.parametrize("correctives", [True, False])
def test_points_and_slopes_are_those_of_one_frame(head, held, correctives):
    rng = np.random.default_rng(0)
    if not correctives:
        head = HeadModel(replace(random_arrays(), pose_basis=None), dtype=torch.float64)
    points = PointModel.of(head, rng.integers(0, len(head.triangles), 30), rng.dirichlet(np.ones(3), 30), held=held)
    points = points.displaced(0.01 * rng.normal(size=(30, 3, points.identity_size)))
    identity = rng.normal(size=points.identity_size)
    expression = rng.normal(size=(4, points.size - len(identity)))
    turns = Rotation.from_rotvec(0.4 * rng.normal(size=(12, 3))).as_matrix().reshape(4, 3, 3, 3)
    motion = MotionPoints.of(points, identity)
    many = motion.evaluate(expression, turns)
    for t in range(4):
        one = points.evaluate(np.concatenate([identity, expression[t]]), turns[t])
        np.testing.assert_allclose(many.points[t], one.points, atol=1e-12)
        by_expression, by_turns = motion.basis.copy(), np.zeros((30, 3, 9))
        if many.by_expression is not None and many.by_turns is not None:
            by_expression[motion.carried], by_turns[motion.carried] = many.by_expression[t], many.by_turns[t]
        np.testing.assert_allclose(by_expression, one.by_coefficient[:, :, len(identity) :], atol=1e-12)
        np.testing.assert_allclose(by_turns, one.by_rotation, atol=1e-12)
    np.testing.assert_array_equal(motion.evaluate(expression, turns, slopes=False).points, many.points)
    if many.by_turns is not None:
        np.testing.assert_array_equal(motion.by_turns(expression, turns), many.by_turns)
    assert (motion.slots[motion.carried] == np.arange(len(motion.carried))).all()
    assert (motion.slots >= 0).sum() == len(motion.carried)


@pytest.mark.parametrize("held", [("jaw",), ("jaw", "left_eye", "right_eye")])
def test_directions_follow_the_points(head, held):
    rng = np.random.default_rng(1)
    head = HeadModel(replace(random_arrays(), pose_basis=None), dtype=torch.float64)
    points = PointModel.of(head, rng.integers(0, len(head.triangles), 30), rng.dirichlet(np.ones(3), 30), held=held)
    motion = MotionPoints.of(points, np.zeros(points.identity_size))
    turns = Rotation.from_rotvec(0.4 * rng.normal(size=(12, 3))).as_matrix().reshape(4, 3, 3, 3)
    posed = motion.evaluate(rng.normal(size=(4, head.expression_size)), turns)
    which, direction = rng.integers(0, 30, (4, 9)), rng.normal(size=(4, 9, 3))
    columns = np.array([3, 4, 5, 8])
    found = surface_slopes(motion, posed, which, direction, columns)
    for t in range(4):
        by_expression, by_turns = motion.basis.copy(), np.zeros((30, 3, 9))
        if posed.by_expression is not None and posed.by_turns is not None:
            by_expression[motion.carried], by_turns[motion.carried] = posed.by_expression[t], posed.by_turns[t]
        whole = np.concatenate([by_expression, by_turns[:, :, columns]], axis=2)
        np.testing.assert_allclose(found[t], np.einsum("rx,rxk->rk", direction[t], whole[which[t]]), atol=1e-12)
