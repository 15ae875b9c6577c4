"""Landmarks: detectors from image to points, what each point is, and crops aligned by them."""

from __future__ import annotations

from face3d.errors import ArgumentError
from face3d.landmarks.crops import arcface_crop, similarity_crop
from face3d.landmarks.detector import Detector, FaceLandmarks
from face3d.landmarks.mediapipe_detector import MediaPipeDetector
from face3d.landmarks.mediapipe_topology import arcface_points, ibug_points

__all__ = [
    "Detector",
    "FaceLandmarks",
    "MediaPipeDetector",
    "arcface_crop",
    "arcface_points",
    "ibug_points",
    "open_detector",
    "similarity_crop",
]


def open_detector(name: str = "mediapipe") -> Detector:
    """Open a landmark detector by its name, with its default options; close it, or use it in a `with`.

    Raises:
        ArgumentError: there is no such detector.
        AssetError: its model file is missing or damaged.
        DependencyError: its library is not installed.
    """
    if name != "mediapipe":
        raise ArgumentError(f"there is no landmark detector {name!r}; choose mediapipe")
    return MediaPipeDetector()
