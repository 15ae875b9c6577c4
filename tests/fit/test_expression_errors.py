"""What is special in a person's expressions: nothing at rest, more with more motion, alike nearby."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.fit.expression_errors import SPECIAL, expression_errors
from face3d.fit.point_model import PointModel
from face3d.fit.responses import response_of
from face3d.head import HeadModel, load_head


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def points(head) -> PointModel:
    response = response_of(head, "mediapipe_478")
    return PointModel.of(head, response.triangles, response.barycentric, identity_components=1)


def errors_of(head: HeadModel, points: PointModel, **amounts: float) -> np.ndarray:
    """(R, N, 3) of a face that does this."""
    expression = np.zeros((1, head.expression_size))
    for name, amount in amounts.items():
        expression[0, head.expression_names.index(name)] = amount
    patterns: np.ndarray = expression_errors(points.rest_points, points.rest_basis[:, :, 1:], expression)[0]
    return patterns


def smile(head: HeadModel, points: PointModel, amount: float) -> np.ndarray:
    return errors_of(head, points, mouthSmileLeft=amount, mouthSmileRight=amount)


def test_a_face_at_rest_has_none_and_twice_the_smile_twice_as_much(head, points):
    assert not smile(head, points, 0.0).any()
    np.testing.assert_allclose(smile(head, points, 0.8), 2 * smile(head, points, 0.4), atol=1e-12)


def test_they_are_as_large_as_the_motion_along_every_axis_and_nowhere_else(head, points):
    patterns = errors_of(head, points, jawOpen=1.0)
    moved = np.linalg.norm(points.rest_basis[:, :, 1 + head.expression_names.index("jawOpen")], axis=1)
    spread = np.sqrt(np.sum(patterns**2, axis=0))
    assert not spread[moved == 0].any()
    assert (moved == 0).sum() > 20
    far = moved > 0.3 * moved.max()
    np.testing.assert_allclose(np.median(spread[far] / moved[far, None], axis=0), SPECIAL, rtol=0.1)


def test_neighbours_err_alike_and_the_corners_of_the_mouth_do_not(head, points):
    patterns = smile(head, points, 1.0)
    used = list(response_of(head, "mediapipe_478").indices)

    def likeness(one: int, other: int) -> float:
        first, second = (patterns[:, used.index(number)].ravel() for number in (one, other))
        return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))

    # A corner of the lips and the landmark above it; both corners, some 50 mm apart.
    assert likeness(61, 185) > 0.9
    assert abs(likeness(61, 291)) < 0.5
