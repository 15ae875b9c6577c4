"""The NoW benchmark's protocol (Sanyal et al. 2019; metrical form of Zielonka et al. 2022).

A scan is cropped about the nose; the prediction is aligned by seven landmarks and refined on the surface, with its
scale free (non-metrical) or fixed by its unit (metrical); the error is the distance from each point of the crop to the
predicted surface, pooled over images, so that a subject with a denser scan weighs more.
"""

from __future__ import annotations

from face3d.evaluate.now.crop import ScanCrop, crop_scan
from face3d.evaluate.now.evaluation import NowFailure, NowReport, evaluate_now
from face3d.evaluate.now.scan_error import ScanError, scan_error
from face3d.evaluate.similarity import Similarity, procrustes
from face3d.evaluate.surface import surface_distance

__all__ = [
    "NowFailure",
    "NowReport",
    "ScanCrop",
    "ScanError",
    "Similarity",
    "crop_scan",
    "evaluate_now",
    "procrustes",
    "scan_error",
    "surface_distance",
]
