"""Fits from 68 points, and landmark sets read from a fitted head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.errors import ArgumentError
from face3d.fit import Observation, convert_through_head, fit_landmarks, fitted_landmarks, head_pose, plain_response
from face3d.fit.head_pose import FACING, rotation_of_angles
from face3d.fit.responses import response_of
from face3d.head import HeadModel, load_flame, load_head
from face3d.landmarks import FaceLandmarks, Topology
from tests.fit.synthetic_views import SIZE, draw_identity, face_error
from tests.head.golden import FLAME

FOCAL = 1700.0
INTRINSICS = Intrinsics(np.array([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1.0]]), SIZE, 0.0, "given")


def seen(
    model: HeadModel, identity: np.ndarray, name: Topology, yaw: float, *, noise: float = 0.0, seed: int = 0
) -> tuple[FaceLandmarks, np.ndarray]:
    """A point set of a turned head as a detector of that set sees it, and the head's camera_from_head."""
    random = np.random.default_rng(seed)
    camera_from_head = np.eye(4)
    camera_from_head[:3, :3] = FACING @ rotation_of_angles(yaw, random.uniform(-10, 10), random.uniform(-10, 10))
    camera_from_head[:3, 3] = [0.02, 0.03, 0.6]
    geometry = model(identity=torch.as_tensor(identity))
    places = model.points(name, geometry, camera_from_head=torch.as_tensor(camera_from_head)[None].float())
    camera = places[0].double().numpy() @ camera_from_head[:3, :3].T + camera_from_head[:3, 3]
    pixels = camera[:, :2] / camera[:, 2:] * FOCAL + [SIZE[0] / 2, SIZE[1] / 2]
    pixels += noise * 250 * random.normal(size=pixels.shape)
    landmarks = FaceLandmarks(
        points=np.column_stack([pixels, np.full(len(pixels), np.nan)]),
        confidence=np.ones(len(pixels)),
        box=np.array([*pixels.min(axis=0), *pixels.max(axis=0)]),
        score=1.0,
        topology=name,
        detector="test",
        licence="none",
        image_size=SIZE,
    )
    return landmarks, camera_from_head


def turn_between(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.rad2deg(Rotation.from_matrix(one[:3, :3].T @ other[:3, :3]).magnitude()))


@pytest.mark.parametrize("yaw", [-40.0, -20.0, 0.0, 30.0, 45.0])
def test_known_heads_come_back_from_68_points(yaw: float) -> None:
    """With the noise of a real detector, pose within a few degrees although the jaw line slides over the skin."""
    model = load_head()
    turns, errors = [], []
    for seed in range(4):
        identity = draw_identity(model, np.random.default_rng(seed))
        landmarks, truth = seen(model, identity, "ibug_68", yaw, noise=0.01, seed=seed)
        fit = fit_landmarks(model, [Observation(landmarks, INTRINSICS)])
        turns.append(turn_between(fit.camera_from_head[0], truth))
        errors.append(face_error(model, fit.identity, identity))
        assert fit.warnings == ()
    assert np.mean(turns) < 4
    assert np.mean(errors) < 0.003


def test_a_sliding_outline_turns_a_fit_that_holds_it_fixed() -> None:
    """What the response of the outline is for: without it the pose of a turned head is twice as wrong at least."""
    model = load_head()
    wrong, right = [], []
    for seed in range(3):
        identity = draw_identity(model, np.random.default_rng(seed))
        landmarks, truth = seen(model, identity, "ibug_68", 40.0, seed=seed)
        observation = Observation(landmarks, INTRINSICS)
        held = fit_landmarks(model, [observation], response=plain_response(model, "ibug_68"))
        wrong.append(turn_between(held.camera_from_head[0], truth))
        right.append(turn_between(fit_landmarks(model, [observation]).camera_from_head[0], truth))
    assert np.mean(right) < np.mean(wrong) / 2


def test_the_outlines_response_says_where_the_outline_is() -> None:
    """Fixed points plus the bias are the model's own outline, to what the sigma allows."""
    model = load_head()
    response = response_of(model, "ibug_68")
    assert response.outline == 17
    assert (response.view_bias[17:] == 0).all()
    identity = np.zeros(model.identity_size)
    for yaw in (-30.0, 0.0, 30.0):
        angle = np.deg2rad(yaw)
        pose = FACING @ rotation_of_angles(yaw, 0.0, 0.0)
        geometry = model(identity=torch.as_tensor(identity))
        matrix = torch.eye(4)[None]
        matrix[0, :3, :3] = torch.as_tensor(pose)
        outline = model.points("ibug_68", geometry, camera_from_head=matrix)[0, :17].numpy() @ pose.T
        fixed = model.points("ibug_68_fixed", geometry)[0, :17].numpy() @ pose.T
        miss = outline[:, :2] - fixed[:, :2] - response.bias_at(-angle, 0.0)[:17, :2]
        assert (np.abs(miss) <= 2 * response.sigma_at(-angle)[:17, :2]).all()


def test_flame_is_fitted_to_68_points() -> None:
    """The synthetic FLAME of the golden vectors, a blob whose points hardly tell its pose, with its DECA embedding."""
    model = load_flame(FLAME, FLAME.with_name("landmark_embedding.npy"))
    identity = 0.5 * np.random.default_rng(1).normal(size=model.identity_size)
    for name in ("ibug_68", "ibug_68_fixed"):
        landmarks, truth = seen(model, identity, name, 10.0)
        fit = fit_landmarks(model, [Observation(landmarks, INTRINSICS)])
        assert turn_between(fit.camera_from_head[0], truth) < 12
        assert fit.reprojection_pixels[0, 17:].mean() / fit.interocular_pixels[0] < 0.05


def test_68_points_on_a_head_without_a_jaw_line() -> None:
    model = load_flame(FLAME, FLAME.with_name("flame_static_embedding.pkl"))
    assert response_of(model, "ibug_68").indices.tolist() == list(range(17, 68))
    with pytest.raises(ArgumentError, match="no points for wflw_98"):
        response_of(model, "wflw_98")


def test_other_sets_are_read_from_the_fitted_head() -> None:
    """From 478 perfect points: the head's own 68, in place, in depth, and hidden where the head hides them."""
    model = load_head()
    identity = draw_identity(model, np.random.default_rng(3))
    landmarks, truth = seen(model, identity, "mediapipe_478", 50.0)
    fit = fit_landmarks(model, [Observation(landmarks, INTRINSICS)], response=plain_response(model, "mediapipe_478"))
    assert head_pose(fit.camera_from_head[0]).yaw == pytest.approx(head_pose(truth).yaw, abs=3)
    expected, _ = seen(model, identity, "ibug_68_fixed", 50.0)
    read = fitted_landmarks(model, fit, landmarks, "ibug_68_fixed")
    distance = np.linalg.norm(read.points[:, :2] - expected.points[:, :2], axis=1)
    assert distance[17:].mean() / fit.interocular_pixels[0] < 0.03
    assert (read.topology, read.detector, read.image_size) == ("ibug_68_fixed", "test", SIZE)
    assert read.points[45, 2] > read.points[30, 2] > read.points[36, 2]
    assert read.confidence[26] == 0
    assert read.confidence[[36, 17, 30]].tolist() == [1, 1, 1]


def test_conversion_takes_the_shortest_way() -> None:
    """Exact maps need no fit; sets that the head lacks are made of one that it has; what it cannot make it says."""
    model = load_head()
    identity = draw_identity(model, np.random.default_rng(5))
    landmarks, _ = seen(model, identity, "ibug_68", 10.0)
    observation = Observation(landmarks, INTRINSICS)
    exact = convert_through_head(model, observation, "ibug_51")
    np.testing.assert_array_equal(exact.points, landmarks.points[17:])
    mesh = convert_through_head(model, observation, "mediapipe_105")
    expected, _ = seen(model, identity, "mediapipe_478", 10.0)
    assert mesh.points.shape == (105, 3)
    lips = np.linalg.norm(mesh.points[65:, :2] - expected.points[[61, 291]].mean(axis=0)[:2], axis=1)
    assert lips.max() < np.linalg.norm(expected.points[61, :2] - expected.points[291, :2])
    with pytest.raises(ArgumentError, match="no wflw_98 points"):
        convert_through_head(model, observation, "wflw_98")
