"""The lips of heads whose motion is known, as a perfect reader would tell them."""

from __future__ import annotations

import numpy as np

from face3d.fit.lip_matching import match_lips
from face3d.fit.lip_surface import LipSurface, lip_surface
from face3d.head import HeadModel
from face3d.landmarks.lip_contours import COLUMNS, mouth_frames
from tests.fit.talking_clips import TalkingClip, vertices

MIDDLE = slice(2, 7)
"""Of the profiles, those of the middle half of the mouth."""


def surface_of(model: HeadModel) -> LipSurface:
    """The lips of a model that has some."""
    surface = lip_surface(model)
    assert surface is not None
    return surface


def lip_pixels(model: HeadModel, clip: TalkingClip) -> np.ndarray:
    """(T, P, 2) where the points of the lips appear."""
    camera = lip_points(model, clip.identity, clip.expression) @ clip.pose[:, :3, :3].transpose(0, 2, 1)
    camera += clip.pose[:, None, :3, 3]
    matrix = clip.intrinsics.matrix
    pixels: np.ndarray = camera[..., :2] / camera[..., 2:] * np.diag(matrix)[:2] + matrix[:2, 2]
    return pixels


def lip_points(model: HeadModel, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """(T, P, 3) of heads, metres."""
    surface = surface_of(model)
    posed = vertices(model, identity, expression, np.zeros((len(expression), 6)))
    corners = posed[:, model.triangles.numpy()[surface.triangles]]
    points: np.ndarray = np.einsum("nk,tnkx->tnx", surface.barycentric, corners)
    return points


def gap(model: HeadModel, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """(T,) mean height of the gap along the middle of the lips, metres; negative where they pass into each other."""
    height, surface = lip_points(model, identity, expression)[..., 1], surface_of(model)
    above = np.stack([height[:, profile].min(axis=1) for profile in surface.upper[MIDDLE]])
    below = np.stack([height[:, profile].max(axis=1) for profile in surface.lower[MIDDLE]])
    opened: np.ndarray = (above - below).mean(axis=0)
    return opened


def read_perfectly(model: HeadModel, clip: TalkingClip, points: np.ndarray, sigma: float = 0.5) -> np.ndarray:
    """(T, R, 2) readings of a clip for these landmarks; lips pressed into each other show one line."""
    place = match_lips(surface_of(model), lip_pixels(model, clip), mouth_frames(points.astype(np.float32))).place
    edges = place[:, :-2].reshape(len(place), 4, len(COLUMNS))
    pressed = edges[:, 1] < edges[:, 2]
    middle = 0.5 * (edges[:, 1] + edges[:, 2])
    for inner in (1, 2):
        edges[:, inner][pressed] = middle[pressed]
    place[:, :-2] = edges.reshape(len(place), -1)
    known = np.isfinite(place)
    return np.stack([np.where(known, place, 0.0), np.where(known, sigma, np.inf)], axis=2).astype(np.float32)
