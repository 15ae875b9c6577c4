"""Which of a face's vertices a photo shows well enough to compare colours at."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.fit.harmonics import harmonics
from face3d.fit.landmark_problem import FitState, ViewEvidence, ViewState
from face3d.fit.photometric_image import FaceImage
from face3d.fit.photometric_problem import PhotometricView
from face3d.fit.skin_surface import SkinSurface
from face3d.head import HeadModel
from face3d.render.rasterize_numba import rasterize_camera

__all__ = ["EVEN_LIGHT", "seen_samples", "seen_share"]

EVEN_LIGHT = float(harmonics(np.array([[0.0, 0.0, 1.0]]))[0, 0])
"""Shading by a unit of the first coefficient alone."""
DEPTH_SIDE = 256
"""Pixels of the depth map that visibility is read from."""
DEPTH_BIAS = 0.004
"""Metres that a vertex may lie behind the surface seen at its pixel and still count as seen."""
FACING = (0.15, 0.45)
"""Cosine between normal and sight from which a vertex begins to count and from which it counts in full."""


def seen_samples(
    model: HeadModel,
    skin: SkinSurface,
    state: FitState,
    evidence: ViewEvidence,
    index: int,
    image: FaceImage,
    blur: float,
) -> PhotometricView:
    """One photo at one level of blur (metres on the face), with the trust in each sample.

    A sample counts that the head itself does not hide, that is not seen at a grazing angle, and where the camera's
    exposure cut no channel off.
    """
    view = state.views[index]
    matrix = view.intrinsics(evidence)
    samples = view.in_camera(skin.points, state.identity)
    surface = _posed(model, state, view) @ view.rotation.T + view.translation
    blurred = image.blurred(blur * float(matrix[0, 0]) / float(view.translation[2]))
    return PhotometricView(blurred, seen_share(model, skin, samples, surface, matrix, image))


def seen_share(
    model: HeadModel,
    skin: SkinSurface,
    samples: Float[ndarray, "N 3"],
    surface: Float[ndarray, "V 3"],
    matrix: Float[ndarray, "3 3"],
    image: FaceImage,
) -> Float[ndarray, " N"]:
    """The trust in each sample, 0 to 1; places are in the camera's frame, metres.

    Args:
        model: the head.
        skin: its sampled skin.
        samples: places of the samples.
        surface: places of all vertices.
        matrix: the camera's K.
        image: the face.
    """
    pixels = samples[:, :2] / samples[:, 2:] * np.diag(matrix)[:2] + matrix[:2, 2]
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    factor = DEPTH_SIDE / max(float((high - low).max()), 1e-6)
    onto_map = np.array([[factor, 0, -factor * low[0]], [0, factor, -factor * low[1]], [0, 0, 1.0]])
    triangles = model.triangles.cpu().numpy()
    depth = rasterize_camera(surface, triangles, onto_map @ matrix, (DEPTH_SIDE, DEPTH_SIDE), threads=1).depth
    column, row = ((pixels - low) * factor).astype(int).clip(0, DEPTH_SIDE - 1).T
    seen = samples[:, 2] < depth[row, column] + DEPTH_BIAS
    normals = skin.normals(samples)
    cosine = -np.einsum("nx,nx->n", normals, samples) / np.linalg.norm(samples, axis=1)
    facing = np.clip((cosine - FACING[0]) / (FACING[1] - FACING[0]), 0, 1)
    share: Float[ndarray, " N"] = seen * facing * image.usable_at(pixels)
    return share


def _posed(model: HeadModel, state: FitState, view: ViewState) -> Float[ndarray, "V 3"]:
    """All vertices of the head in one view, head frame."""
    turns = Rotation.from_matrix(view.turns).as_rotvec().reshape(-1)
    given = {"identity": state.identity, "expression": view.expression, "jaw": turns[:3], "eyes": turns[3:]}
    with torch.no_grad():
        geometry = model(**{name: torch.as_tensor(values).to(model.template) for name, values in given.items()})
    vertices: Float[ndarray, "V 3"] = geometry.vertices[0].double().cpu().numpy()
    return vertices
