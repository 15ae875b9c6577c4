"""A motion fitted around expressions that are known: they stay, and the pose is found beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from face3d.errors import ArgumentError
from face3d.fit.known_expression import KnownExpression
from face3d.fit.motion import MotionFitter, MotionOptions
from face3d.fit.responses import response_of
from face3d.head import HeadModel, load_head
from tests.fit.flame_heads import flame_like
from tests.tracking.given_faces import INTRINSICS, POSE

FRAMES = 12


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return flame_like()


@pytest.fixture(scope="module")
def known() -> KnownExpression:
    """Fifty components and a jaw, as SPECTRE has them."""
    time = np.arange(FRAMES)[:, None]
    expression = 0.3 * np.sin(0.4 * time + np.arange(50))
    return KnownExpression(expression, np.column_stack([0.1 + 0.08 * np.sin(0.5 * time), 0 * time, 0 * time]))


@pytest.fixture(scope="module")
def poses() -> np.ndarray:
    turn = Rotation.from_euler("YX", np.column_stack([0.2 * np.sin(0.2 * np.arange(FRAMES)), 0.05 * np.ones(FRAMES)]))
    poses = np.tile(POSE, (FRAMES, 1, 1))
    poses[:, :3, :3] = POSE[:3, :3] @ turn.as_matrix()
    return poses


def landmarks(head: HeadModel, known: KnownExpression, poses: np.ndarray) -> np.ndarray:
    response = response_of(head, "mediapipe_478")
    with torch.no_grad():
        vertices = head(expression=torch.tensor(known.expression).float(), jaw=torch.tensor(known.jaw).float()).vertices
    corners = vertices.double().numpy()[:, head.triangles.numpy()[response.triangles]]
    surface = np.einsum("nk,tnkx->tnx", response.barycentric, corners)
    pixels = (surface @ poses[:, :3, :3].transpose(0, 2, 1) + poses[:, None, :3, 3]) @ INTRINSICS.matrix.T
    points = np.full((len(poses), 478, 3), 80.0)
    points[:, response.indices, :2] = pixels[..., :2] / pixels[..., 2:]
    return points


def fitter(head: HeadModel) -> MotionFitter:
    options = MotionOptions(smoothness=0.01, tolerance=1e-3, iterations=20)
    return MotionFitter(head, np.zeros(head.identity_size), INTRINSICS, options=options)


TIMES = np.arange(FRAMES) / 25


def test_expression_and_jaw_stay_and_the_pose_is_found(head, known, poses):
    motion = fitter(head).fit(TIMES, landmarks(head, known, poses), known=known)
    np.testing.assert_allclose(motion.expression[:, :50], known.expression, atol=1e-12)
    assert not motion.expression[:, 50:].any()
    np.testing.assert_allclose(motion.jaw, known.jaw, atol=1e-9)
    turned = Rotation.from_matrix(motion.camera_from_head[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1))
    assert np.rad2deg(turned.magnitude()).max() < 0.2
    assert np.abs(motion.camera_from_head[:, :3, 3] - poses[:, :3, 3]).max() < 2e-3
    assert motion.residual.max() < 0.003


def test_lips_that_say_otherwise_do_not_turn_the_head(head, known, poses):
    points = landmarks(head, known, poses)
    shifted = points.copy()
    shifted[:, [13, 14, 17, 61, 291, 0, 78, 308], 1] += 6
    first, second = (fitter(head).fit(TIMES, given, known=known) for given in (points, shifted))
    np.testing.assert_allclose(second.camera_from_head, first.camera_from_head, atol=1e-9)
    assert (second.residual > first.residual + 0.001).all()


def test_frames_without_a_face_take_what_lies_between(head, known, poses):
    valid = np.ones(FRAMES, dtype=bool)
    valid[5] = False
    wild = KnownExpression(known.expression.copy(), known.jaw.copy())
    wild.expression[5] = 40.0
    motion = fitter(head).fit(TIMES, landmarks(head, known, poses), valid=valid, known=wild)
    np.testing.assert_allclose(motion.expression[5, :50], (known.expression[4] + known.expression[6]) / 2, atol=1e-9)
    np.testing.assert_array_equal(motion.valid, valid)


def test_chunks_hold_what_they_are_given(head, known, poses):
    points, one = landmarks(head, known, poses), fitter(head)
    first = one.fit(TIMES, points, known=known, keep=6)
    second = one.fit(TIMES[6:], points[6:], known=known[6:], start=first.state)
    np.testing.assert_allclose(second.expression[:, :50], known.expression[6:], atol=1e-12)
    whole = one.fit(TIMES, points, known=known)
    np.testing.assert_allclose(second.camera_from_head, whole.camera_from_head[6:], atol=1e-4)


def test_what_cannot_be_held(head, known, poses):
    points = landmarks(head, known, poses)
    with pytest.raises(ArgumentError, match="opens this head's jaw"):
        MotionFitter(load_head(), np.zeros(load_head().identity_size), INTRINSICS).fit(TIMES, points, known=known)
    with pytest.raises(ArgumentError, match=r"12 frames are \(12, 60 or fewer\) and \(12, 3\), got \(5, 50\)"):
        fitter(head).fit(TIMES, points, known=known[:5])
