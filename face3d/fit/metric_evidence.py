"""Turning what is known in millimetres (irises, typed distances) into terms of the fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from face3d.errors import ArgumentError
from face3d.fit.landmark_problem import LinearTerm, ViewState
from face3d.fit.point_model import MOVING_JOINTS, PointModel
from face3d.fit.scale import TYPED_DISTANCE_SIGMA, TYPED_FIT_SIGMA, ScaleSource
from face3d.landmarks import FaceLandmarks

if TYPE_CHECKING:
    from face3d.head import HeadModel

IRIS_RINGS = {"right_eye": (468, (469, 470, 471, 472)), "left_eye": (473, (474, 475, 476, 477))}
"""MediaPipe's iris centre and the four points around it, by the subject's own side."""

BLINK_LIMIT = 0.5
"""A lid closed further than this (ARKit eyeBlink) hides too much of the iris to measure it."""

TYPED_PASSES = 5

OBLIQUE_LIMIT = 0.6
"""Cosine of the angle between gaze and line of sight below which an iris is seen too obliquely."""


def apparent_iris_diameters(
    points: PointModel,
    landmarks: FaceLandmarks,
    view: ViewState,
    identity: Float[ndarray, " I"],
    focal: float,
) -> list[float]:
    """Iris diameters in metres as a photo shows them at the fitted distance, one per usable eye.

    MediaPipe's horizontal iris diameter comes out too large and the vertical too small, the mean of all four radii
    right within a percent; that mean is corrected for the tilt of the iris against the line of sight.
    """
    if landmarks.topology != "mediapipe_478":
        return []
    diameters = []
    for eye, (centre, ring) in IRIS_RINGS.items():
        side = "Left" if eye == "left_eye" else "Right"
        if landmarks.blendshapes is not None and landmarks.blendshapes.get(f"eyeBlink{side}", 0.0) > BLINK_LIMIT:
            continue
        position, _ = points.joint(eye, identity)
        camera = view.rotation @ position + view.translation
        if camera[2] <= 0:
            # A fit gone astray; what an eye behind the camera would measure is nothing.
            continue
        gaze = view.rotation @ view.turns[MOVING_JOINTS.index(eye)] @ np.array([0.0, 0.0, 1.0])
        sight = -camera / np.linalg.norm(camera)
        if gaze @ sight < OBLIQUE_LIMIT:
            continue
        # A tilted disc shrinks along the tilt only: along the head's x axis, and across it.
        across = view.rotation @ np.array([1.0, 0.0, 0.0])
        across -= (across @ sight) * sight
        across /= np.linalg.norm(across)
        along = np.cross(sight, across)
        foreshortening = [np.sqrt(1 - min(float(gaze @ axis) ** 2, 0.99)) for axis in (across, along)]
        radii = np.linalg.norm(landmarks.points[list(ring), :2] - landmarks.points[centre, :2], axis=1)
        diameters.append(2 * float(radii.mean()) * float(camera[2]) / focal / float(np.mean(foreshortening)))
    return diameters


def anatomy_point(
    model: HeadModel, label: str, identity: Float[ndarray, " I"]
) -> tuple[Float[ndarray, " 3"], Float[ndarray, "3 I"]]:
    """A named anatomical point at rest, metres in the head frame, and its derivative by the identity.

    Raises:
        ArgumentError: the head has no such point.
    """
    points = model.point_sets.get("anatomy")
    labels = list(points.labels or ()) if points is not None else []
    if label not in labels or points is None:
        raise ArgumentError(f"head {model.name!r} has no anatomical point {label!r}; it has: {', '.join(labels)}")
    return set_point(model, "anatomy", labels.index(label), identity)


def set_point(
    model: HeadModel, name: str, number: int, identity: Float[ndarray, " I"]
) -> tuple[Float[ndarray, " 3"], Float[ndarray, "3 I"]]:
    """One point of a set at rest, metres in the head frame, and its derivative by the identity."""
    points = model.point_sets[name]
    corners = model.triangles[points.triangles[number]]
    weights = points.barycentric[number].cpu().numpy().astype(np.float64)
    template = model.template[corners].cpu().numpy().astype(np.float64)
    basis = model.identity_basis[: len(identity), corners].cpu().numpy().astype(np.float64)
    slope = np.einsum("k,ikx->xi", weights, basis)
    return weights @ template + slope @ identity, slope


def distance_term(
    model: HeadModel, points: PointModel, ends: tuple[str, str], distance: float, identity: Float[ndarray, " I"]
) -> tuple[LinearTerm, float]:
    """A typed distance between two points as a term linearised at `identity`, and the distance there in metres.

    Args:
        ends: names of anatomical points, or of the eye joints (their distance is the far pupillary distance).
    """
    first, second = (
        points.joint(end, identity) if end in IRIS_RINGS else anatomy_point(model, end, identity) for end in ends
    )
    difference = first[0] - second[0]
    current = float(np.linalg.norm(difference))
    row = difference / current @ (first[1] - second[1])
    return LinearTerm(row, distance - current + float(row @ identity), TYPED_FIT_SIGMA), current


def typed_terms(
    model: HeadModel,
    points: PointModel,
    typed: Mapping[tuple[str, str], float],
    identity: Float[ndarray, " I"],
) -> tuple[LinearTerm, ...]:
    """Every typed distance, metres by its ends, as a term linearised at `identity`."""
    return tuple(distance_term(model, points, ends, distance, identity)[0] for ends, distance in typed.items())


def typed_sources(
    model: HeadModel,
    points: PointModel,
    typed: Mapping[tuple[str, str], float],
    identity: Float[ndarray, " I"],
    size: float,
) -> list[ScaleSource]:
    """What every typed distance says of the size of a head that is `size` times the mean head's now."""
    sources = []
    for ends, distance in typed.items():
        _, current = distance_term(model, points, ends, distance, identity)
        name = "pupillary_distance" if ends == ("left_eye", "right_eye") else "-".join(ends)
        sources.append(ScaleSource(name, size * distance / current, TYPED_DISTANCE_SIGMA / distance))
    return sources


def hold_exactly(
    model: HeadModel,
    points: PointModel,
    identity: Float[ndarray, " I"],
    typed: Mapping[tuple[str, str], float],
    covariance: Float[ndarray, "I I"],
) -> Float[ndarray, " I"]:
    """Close the last tenth of a millimetre by the most plausible change of identity (Newton, distances are curved)."""
    for _ in range(TYPED_PASSES if typed else 0):
        terms = typed_terms(model, points, typed, identity)
        rows = np.stack([term.row for term in terms])
        gaps = np.array([term.target for term in terms]) - rows @ identity
        identity = identity + covariance @ rows.T @ np.linalg.lstsq(rows @ covariance @ rows.T, gaps, rcond=None)[0]
    return identity
