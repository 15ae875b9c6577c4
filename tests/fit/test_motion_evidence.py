"""Normal equations of landmarks against a plain account of what landmarks miss, differentiated numerically."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.fit.landmark_problem import view_angles
from face3d.fit.motion_evidence import Frames, LandmarkEvidence
from face3d.fit.motion_points import MotionPoints
from face3d.fit.point_model import PointModel
from face3d.fit.responses import response_of
from face3d.head import load_flame, load_head
from tests.head.golden import FLAME, GOLDEN

INTRINSICS = Intrinsics(np.array([[1500.0, 0, 640], [0, 1520, 360], [0, 0, 1]]), (1280, 720), 0.0, "given")
COUNT = 5


def flame():
    return load_flame(FLAME, landmarks=GOLDEN / "flame" / "landmark_embedding.npy")


@pytest.fixture(scope="module", params=["open", "flame"])
def world(request):
    """Evidence of a head whose eyes turn, or its jaw too; frames, and pixels some way off them."""
    rng = np.random.default_rng(3)
    model, topology, turning, held = (
        (load_head(), "mediapipe_478", (1, 2), ("jaw",))
        if request.param == "open"
        else (flame(), "ibug_68_fixed", (0, 1, 2), ())
    )
    response = response_of(model, topology)
    points = PointModel.of(model, response.triangles, response.barycentric, held=held).displaced(response.gain)
    identity = rng.normal(size=points.identity_size)
    errors = rng.normal(size=len(response.modes))
    evidence = LandmarkEvidence(MotionPoints.of(points, identity), response, INTRINSICS, errors, turning)
    turns = Rotation.from_rotvec(0.2 * rng.normal(size=(3 * COUNT, 3))).as_matrix().reshape(COUNT, 3, 3, 3)
    turn = np.array([[0.1, 0.2, 0.05], [0, 0.9, 0.3], [-0.5, -0.4, 0], [0.2, -0.2, 2.0], [1.2, 0, -0.4]])
    rotation = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_rotvec(turn).as_matrix()
    frames = Frames(
        rng.uniform(0, 0.4, (COUNT, model.expression_size)),
        turns,
        rotation,
        0.05 * rng.normal(size=(COUNT, 3)) + [0, 0, 0.7],
    )
    landmarks = len(response.indices)
    weights = rng.choice([0.0, 0.3, 1.0, 1.0], (COUNT, landmarks))
    weights[1:3] = 1.0
    offset = np.tensordot(errors, response.modes[:, :, :2], 1)
    pixels = projected(evidence, frames, response, offset, np.zeros((COUNT, landmarks, 2)))
    pixels += rng.normal(size=pixels.shape)
    return evidence, frames, pixels, weights, response, offset


def projected(evidence, frames, response, offset, pixels):
    """Minus the misses of those pixels, in pixels."""
    misses = np.stack([missed(evidence, frames[t : t + 1], pixels[t], response, offset) for t in range(COUNT)])
    upright = np.stack([upright_at(rotation) for rotation in frames.rotation])
    return -(misses @ upright) / (frames.translation[:, 2] / 1500.0)[:, None, None]


def upright_at(rotation, rolled=0.0):
    roll = np.arctan2(rotation[1, 0], rotation[0, 0]) + rolled
    return np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])


def missed(evidence, frame, pixels, response, offset, turning=(), step=None):
    """(N, 2) metres in the upright image plane, observed minus modelled, after a step from a frame.

    Its scale is held, and of all turns only one about the line of sight turns the upright axes.
    """
    at = frame if step is None else stepped(frame, step, turning)
    head = evidence.points.evaluate(at.expression, at.turns, slopes=False).points[0]
    camera = head @ at.rotation[0].T + at.translation[0]
    modelled = camera[:, :2] / camera[:, 2:] * [1500.0, 1520.0] + [640, 360]
    off = (pixels - modelled) * frame.translation[0, 2] / 1500.0
    yaw, pitch = view_angles(at.rotation[0], at.translation[0])
    upright = upright_at(frame.rotation[0], 0.0 if step is None else step[-4])
    return off @ upright.T - response.bias_at(yaw, pitch)[:, :2] - offset


def stepped(frames, step, turning):
    expressions = frames.expression.shape[1]
    turns = frames.turns.copy()
    for k, joint in enumerate(turning):
        turn = step[expressions + 3 * k : expressions + 3 * k + 3]
        turns[:, joint] = Rotation.from_rotvec(turn).as_matrix() @ turns[:, joint]
    return Frames(
        frames.expression + step[:expressions],
        turns,
        Rotation.from_rotvec(step[-6:-3]).as_matrix() @ frames.rotation,
        frames.translation + step[-3:],
    )


def test_normal_equations_are_those_of_the_misses(world):
    evidence, frames, pixels, weights, response, offset = world
    turning = (1, 2) if len(response.indices) > 68 else (0, 1, 2)
    equations = evidence.linearize(frames, pixels, weights)
    for t in range(COUNT):
        frame = frames[t : t + 1]
        yaw, _ = view_angles(frame.rotation[0], frame.translation[0])
        sigma = response.sigma_at(yaw)[:, :2]
        root = weights[t][:, None] / np.where(np.isfinite(sigma), sigma, 1e3)

        def standard(step, frame=frame, root=root, t=t):
            return (missed(evidence, frame, pixels[t], response, offset, turning, step) * root).reshape(-1)

        units = 1e-6 * np.eye(evidence.size)
        jacobian = np.stack([(standard(unit) - standard(-unit)) / 2e-6 for unit in units], axis=1)
        modes = evidence._whitened * np.repeat(weights[t], 2)
        precision = np.linalg.inv(np.eye(len(jacobian)) + modes.T @ modes)
        residual = standard(np.zeros(evidence.size))
        scale = np.sqrt(np.einsum("dd->d", jacobian.T @ precision @ jacobian)) + 1e-3
        hessian = jacobian.T @ precision @ jacobian / np.outer(scale, scale)
        np.testing.assert_allclose(equations.hessian[t] / np.outer(scale, scale), hessian, atol=1e-4)
        gradient = jacobian.T @ precision @ residual / scale
        np.testing.assert_allclose(equations.gradient[t] / scale, gradient, atol=1e-4 * np.abs(gradient).max())
        surprise = residual @ precision @ residual / (2 * (weights[t] > 0).sum())
        assert equations.surprise[t] == pytest.approx(surprise, rel=1e-4)


def test_a_frame_is_told_of_the_same_among_others(world):
    evidence, frames, pixels, weights, *_ = world
    together = evidence.linearize(frames, pixels, weights)
    for t in range(COUNT):
        alone = evidence.linearize(frames[t : t + 1], pixels[t : t + 1], weights[t : t + 1])
        np.testing.assert_allclose(alone.hessian[0], together.hessian[t], rtol=1e-3, atol=1e-5 * together.hessian.max())
        np.testing.assert_allclose(alone.gradient[0], together.gradient[t], rtol=1e-3, atol=1e-2)


def test_a_hessian_that_is_given_is_taken(world):
    evidence, frames, pixels, weights, *_ = world
    made = evidence.linearize(frames, pixels, weights)
    given = np.zeros_like(made.hessian)
    again = evidence.linearize(frames, pixels, weights, given)
    assert again.hessian is given
    assert not given.any()
    np.testing.assert_array_equal(again.gradient, made.gradient)
    np.testing.assert_array_equal(again.surprise, made.surprise)
