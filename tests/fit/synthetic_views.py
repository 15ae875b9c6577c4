"""Exact projections of drawn heads: what a perfect detector would see."""

from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics, intrinsics_prior
from face3d.fit import Observation
from face3d.head import HeadModel
from face3d.landmarks import FaceLandmarks

SIZE = (1200, 1600)


def draw_identity(model: HeadModel, rng: np.random.Generator) -> np.ndarray:
    """A head of the model's own population."""
    return rng.normal(size=model.identity_size)


def observe(model: HeadModel, identity: np.ndarray, rng: np.random.Generator, **how: Any) -> Observation:
    """The observation of `observe_posed` alone."""
    return observe_posed(model, identity, rng, **how)[0]


def observe_posed(
    model: HeadModel,
    identity: np.ndarray,
    rng: np.random.Generator,
    *,
    noise: float = 0.0,
    expression: np.ndarray | None = None,
    eyes: np.ndarray | None = None,
    known_focal: bool = True,
    angle: float = 40.0,
    size: tuple[int, int] = SIZE,
) -> tuple[Observation, np.ndarray]:
    """One photo: random pose within `angle` degrees, 24 to 85 mm equivalent, noise as a share of the eye distance.

    Returns:
        What was detected, and (4, 4) camera_from_head.
    """
    geometry = model(
        identity=torch.as_tensor(identity)[None],
        expression=None if expression is None else torch.as_tensor(expression)[None],
        eyes=None if eyes is None else torch.as_tensor(eyes)[None],
    )
    points = model.points("mediapipe_478", geometry)[0].double().numpy()
    focal = np.exp(rng.uniform(np.log(24), np.log(85))) / 43.27 * np.hypot(*size)
    matrix = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(np.deg2rad(rng.uniform(0, angle)) * axis / np.linalg.norm(axis)).as_matrix()
    distance = focal * 0.15 / (rng.uniform(0.3, 0.6) * size[0])
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ turn
    pose[:3, 3] = [*rng.uniform(-0.02, 0.02, 2), distance]
    camera = points @ pose[:3, :3].T + pose[:3, 3]
    pixels = camera[:, :2] / camera[:, 2:] * focal + matrix[:2, 2]
    eye_distance = float(np.linalg.norm(pixels[468] - pixels[473]))
    pixels += noise * eye_distance * rng.normal(size=pixels.shape)
    intrinsics = Intrinsics(matrix, size, 0.0, "given") if known_focal else intrinsics_prior(size)
    landmarks = FaceLandmarks(
        points=np.column_stack([pixels, np.full(len(pixels), np.nan)]),
        confidence=np.ones(len(pixels)),
        box=np.array([*pixels.min(axis=0), *pixels.max(axis=0)]),
        score=1.0,
        topology="mediapipe_478",
        detector="mediapipe",
        licence="Apache-2.0",
        image_size=size,
    )
    return Observation(landmarks, intrinsics), pose


def face_error(model: HeadModel, fitted: np.ndarray, true: np.ndarray) -> float:
    """Root mean square distance of the face's vertices in metres after the best similarity transform."""
    ids = model.regions["face"].numpy()
    basis, template = model.identity_basis.double().numpy()[:, ids], model.template.double().numpy()[ids]
    source, target = (template + np.tensordot(identity, basis, axes=1) for identity in (fitted, true))
    source, target = source - source.mean(axis=0), target - target.mean(axis=0)
    left, singular, right = np.linalg.svd(target.T @ source)
    sign = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    moved = (singular * sign).sum() / np.sum(source**2) * source @ (left * sign @ right).T
    return float(np.sqrt(np.mean(np.sum((moved - target) ** 2, axis=1))))
