"""Landmark sets that no index map joins, through the head: fit it to the ones, read the others from its surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from face3d.errors import ArgumentError
from face3d.fit.landmark_fit import Fit, Observation, fit_landmarks
from face3d.landmarks import TOPOLOGIES, FaceLandmarks, Topology, convert_landmarks, index_map
from face3d.landmarks.detector import confidence_inside
from face3d.render.point_visibility import visible_points

if TYPE_CHECKING:
    from face3d.head import HeadModel

__all__ = ["convert_through_head", "fitted_landmarks", "points_in_view"]


def convert_through_head(model: HeadModel, observation: Observation, target: Topology) -> FaceLandmarks:
    """A face's landmarks as another set: exactly by index where that is possible, else as a fitted head has them.

    Args:
        model: the head; its point sets say what can be read.
        observation: the landmarks and the photo's camera.
        target: the set wanted.

    Raises:
        ArgumentError: the model has no such points, or cannot be fitted to the given ones.
        InputError: no head explains the landmarks.
    """
    landmarks = observation.landmarks
    way = index_map(landmarks.topology, target)
    if way is not None and way.exact:
        return convert_landmarks(landmarks, target)
    return fitted_landmarks(model, fit_landmarks(model, [observation]), landmarks, target)


def fitted_landmarks(
    model: HeadModel, fit: Fit, landmarks: FaceLandmarks, target: Topology, *, view: int = 0
) -> FaceLandmarks:
    """The landmarks that a fitted head shows in a photo.

    Args:
        model: the head that was fitted.
        fit: the fit.
        landmarks: what it was fitted to in this photo; detector, licence, score and image size are taken from there.
        target: which set.
        view: which of the fit's photos.

    Returns:
        Points with their depth, confidence 1 where the photo shows them and 0 where the head hides them or the image
        ends.

    Raises:
        ArgumentError: the model has no such points and none that they can be made of.
    """
    name = _readable(model, target)
    camera, pixels, visible = points_in_view(model, fit, name, view=view)
    head_depth = float(fit.camera_from_head[view, 2, 3])
    focal = float(fit.intrinsics[view].matrix[0, 0])
    depth = (camera[:, 2] - head_depth) * focal / head_depth
    points = np.column_stack([pixels, depth])
    read = FaceLandmarks(
        points=points,
        confidence=visible * confidence_inside(points, landmarks.image_size),
        box=np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]),
        score=landmarks.score,
        topology=name,
        detector=landmarks.detector,
        licence=landmarks.licence,
        image_size=landmarks.image_size,
    )
    return read if name == target else convert_landmarks(read, target)


def points_in_view(
    model: HeadModel, fit: Fit, name: str, *, view: int = 0
) -> tuple[Float[ndarray, "N 3"], Float[ndarray, "N 2"], Bool[ndarray, " N"]]:
    """A named point set of a fitted head in one of its photos.

    Returns:
        The points in the camera frame (metres) and in pixels, and whether the head itself leaves them visible.

    Raises:
        ArgumentError: the model has no such set.
    """
    pose = fit.camera_from_head[view]
    geometry = model(
        identity=torch.as_tensor(fit.identity),
        expression=torch.as_tensor(fit.expression[view]),
        jaw=torch.as_tensor(fit.jaw[view]),
        neck=torch.as_tensor(fit.neck[view]),
        eyes=torch.as_tensor(fit.eyes[view]),
    )
    seen_by = torch.as_tensor(pose)[None].to(geometry.vertices)
    places = model.points(name, geometry, camera_from_head=seen_by)[0].detach().cpu().numpy().astype(np.float64)
    vertices = geometry.vertices[0].detach().cpu().numpy().astype(np.float64)
    camera, surface = (values @ pose[:3, :3].T + pose[:3, 3] for values in (places, vertices))
    projected = camera @ fit.intrinsics[view].matrix.T
    visible = visible_points(camera, surface, model.triangles.cpu().numpy())
    return camera, projected[:, :2] / projected[:, 2:], visible


def _readable(model: HeadModel, target: Topology) -> Topology:
    """The model's own point set that is the target, or that it can be made of, the same points before nearest ones."""
    if target in model.point_sets:
        return target
    sources = [name for name in TOPOLOGIES if name in model.point_sets and index_map(name, target) is not None]
    if not sources:
        raise ArgumentError(
            f"head {model.name!r} has no {target} points and none that they can be made of (it has: "
            f"{', '.join(sorted(model.point_sets)) or 'none'})"
        )
    sources.sort(key=lambda name: not index_map(name, target).exact)  # type: ignore[union-attr]
    return TOPOLOGIES[sources[0]].name
