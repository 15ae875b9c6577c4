"""Similarity transforms, and the one that lays known points on known points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from face3d.errors import InputError

__all__ = ["IDENTITY", "Similarity", "procrustes"]


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """target = scale * rotation @ source + translation.

    Attributes:
        scale: positive; target units per source unit.
        rotation: (3, 3) orthogonal; its determinant is -1 where a reflection was allowed and fits better.
        translation: (3,) target units.
    """

    scale: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, " 3"]

    def apply(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """Source points in the target's frame and unit."""
        return self.scale * (points @ self.rotation.T) + self.translation

    def inverse(self) -> Similarity:
        """The transform that takes target points back."""
        return Similarity(1.0 / self.scale, self.rotation.T.copy(), -(self.rotation.T @ self.translation) / self.scale)

    def matrix(self) -> Float[np.ndarray, "4 4"]:
        """The transform as a homogeneous matrix, target_from_source."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.scale * self.rotation, self.translation
        return matrix


IDENTITY = Similarity(1.0, np.eye(3), np.zeros(3))
"""Leaves points where they are."""


def procrustes(
    source: Float[np.ndarray, "N 3"],
    target: Float[np.ndarray, "N 3"],
    *,
    scale: float | None = None,
    reflection: bool = False,
) -> Similarity:
    """The similarity transform of least squared error from corresponding points (Umeyama 1991).

    Args:
        source: points to move, any unit.
        target: where they belong, any unit; at least three, not all on one line.
        scale: fixes the scale, such as 1000 from metres to millimetres; None solves for it as well.
        reflection: also allow mirror images, where they fit better, as the NoW evaluation does.

    Raises:
        InputError: the points are too few, not finite, on one line, or differ in number.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3 or len(source) < 3:
        raise InputError(f"alignment needs two equal sets of 3 or more points, got {source.shape} and {target.shape}")
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("alignment needs finite points")
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    centred, aim = source - from_mean, target - to_mean
    for points in (centred, aim):
        spread = np.linalg.svd(points, compute_uv=False)
        if spread[1] <= 1e-9 * spread[0]:
            raise InputError("alignment needs points that do not all lie on one line")
    left, values, right = np.linalg.svd(aim.T @ centred)
    if not reflection and np.linalg.det(left @ right) < 0:
        left[:, 2] *= -1
        values[2] *= -1
    rotation = left @ right
    if scale is None:
        scale = float(values.sum() / (centred**2).sum())
        if scale <= 0:
            raise InputError("alignment finds no positive scale: the points do not correspond")
    return Similarity(scale, rotation, to_mean - scale * rotation @ from_mean)
