"""How far a scan's face is from one predicted mesh, by the NoW protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from face3d.evaluate.registration import Registration, refine
from face3d.evaluate.scan_file import METRES, LengthUnit, Scan
from face3d.evaluate.similarity import Similarity, procrustes
from face3d.evaluate.surface import SurfaceTree

__all__ = ["Reproduce", "ScanError", "scan_error"]

Reproduce: TypeAlias = Literal["nothing", "now"]
"""Whose peculiarities are kept: nobody's, or those of the published NoW evaluation."""


@dataclass(frozen=True, slots=True, eq=False)
class ScanError:
    """The distances of one scan's points to one predicted mesh.

    Attributes:
        distances: (K,) millimetres, unsigned, from each point of the cropped scan to the predicted surface.
        start: from the predicted mesh (its unit) to the scan (mm), by the landmarks alone.
        registration: the same after refinement.
    """

    distances: Float[np.ndarray, " K"]
    start: Similarity
    registration: Registration


def scan_error(
    points: Float[np.ndarray, "K 3"],
    landmarks: Float[np.ndarray, "7 3"],
    predicted: Scan,
    predicted_landmarks: Float[np.ndarray, "7 3"],
    *,
    metrical: bool = False,
    unit: LengthUnit = "m",
    reproduce: Reproduce = "nothing",
    threads: int | None = None,
) -> ScanError:
    """Align a predicted mesh by its landmarks, refine on the surface, and measure.

    Args:
        points: of the cropped scan, millimetres.
        landmarks: on the scan, millimetres.
        predicted: the predicted mesh, in its unit; neutral, if the scan is.
        predicted_landmarks: the same landmarks on it, in its unit.
        metrical: the size must be right as well: the unit alone sets the scale. Otherwise the scale is solved for.
        unit: of the prediction; only the metrical form asks.
        reproduce: `now` keeps two things that the published evaluation does: the landmarks may be aligned by a mirror
            image, and the metrical form starts at the translation that was solved with a scale which it then drops, so
            that the start is off by (scale - unit) times the middle of the rotated landmarks.
        threads: None takes as many as pay off.

    Raises:
        InputError: the mesh or the points cannot be aligned.
    """
    factor = METRES[unit] / METRES["mm"]
    if reproduce == "now":
        start = procrustes(predicted_landmarks, landmarks, reflection=True)
        if metrical:
            start = Similarity(factor, start.rotation, start.translation)
    else:
        start = procrustes(predicted_landmarks, landmarks, scale=factor if metrical else None)
    surface = SurfaceTree.build(predicted.vertices, predicted.triangles)
    registration = refine(points, surface, start=start, scaled=not metrical, threads=threads)
    there = registration.transform
    distances = there.scale * surface.closest(there.inverse().apply(points), threads=threads)[1]
    return ScanError(distances, start, registration)
