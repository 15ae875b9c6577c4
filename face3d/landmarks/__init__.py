"""Landmarks: detectors from image to points, what each point is, and crops aligned by them.

What photos and MediaPipe have no need of is loaded when first used: PyTorch, for one, takes two seconds and 450 MB.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal

from face3d import assets
from face3d.assets import AssetUse
from face3d.errors import ArgumentError
from face3d.landmarks.crops import arcface_crop, similarity_crop
from face3d.landmarks.detector import Detector, FaceLandmarks, Topology
from face3d.landmarks.dlib_detector import DlibDetector
from face3d.landmarks.mediapipe_detector import MediaPipeDetector
from face3d.landmarks.mediapipe_topology import arcface_points, ibug_points
from face3d.landmarks.topologies import TOPOLOGIES, convert_landmarks, convert_points, index_map, mirror_points

if TYPE_CHECKING:
    from face3d.landmarks.crops_published import Crop, CropKind, face_crop
    from face3d.landmarks.fan_detector import FanDetector
    from face3d.landmarks.smoothing import OneEuro, OneEuroFilter, smooth_track
    from face3d.landmarks.video import FaceTrack, number_faces, track_landmarks

__all__ = [
    "TOPOLOGIES",
    "Crop",
    "CropKind",
    "Detector",
    "DetectorName",
    "DlibDetector",
    "FaceLandmarks",
    "FaceTrack",
    "FanDetector",
    "MediaPipeDetector",
    "OneEuro",
    "OneEuroFilter",
    "Topology",
    "arcface_crop",
    "arcface_points",
    "convert_landmarks",
    "convert_points",
    "detector_assets",
    "face_crop",
    "ibug_points",
    "index_map",
    "mirror_points",
    "number_faces",
    "open_detector",
    "similarity_crop",
    "smooth_track",
    "track_landmarks",
]

DetectorName = Literal["mediapipe", "fan", "dlib"]

_HOME_OF = {
    "Crop": "crops_published",
    "CropKind": "crops_published",
    "FaceTrack": "video",
    "FanDetector": "fan_detector",
    "OneEuro": "smoothing",
    "OneEuroFilter": "smoothing",
    "face_crop": "crops_published",
    "number_faces": "video",
    "smooth_track": "smoothing",
    "track_landmarks": "video",
}


def __getattr__(name: str) -> Any:
    """Import such a name from its module (PEP 562)."""
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"face3d.landmarks.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'face3d.landmarks' has no attribute {name!r}")


def open_detector(name: str = "mediapipe", *, device: str = "cpu") -> Detector:
    """Open a landmark detector by its name, with its default options; close it, or use it in a `with`.

    Args:
        name: "mediapipe", "fan" (2D points, S3FD boxes) or "dlib".
        device: PyTorch device, for FAN; the others run on the CPU.

    Raises:
        ArgumentError: there is no such detector.
        AssetError: its model file is missing or damaged.
        DependencyError: its library is not installed.
    """
    if name == "mediapipe":
        return MediaPipeDetector()
    if name == "fan":
        from face3d.landmarks.fan_detector import FanDetector

        return FanDetector(device=device)
    if name == "dlib":
        return DlibDetector()
    raise ArgumentError(f"there is no landmark detector {name!r}; choose mediapipe, fan or dlib")


def detector_assets(name: str = "mediapipe", *, progress: bool | None = None) -> tuple[AssetUse, ...]:
    """The model files that `open_detector(name)` uses, for the record of a result and its licence check.

    Args:
        name: as for `open_detector`.
        progress: draw a bar on stderr where a file is fetched; None draws it when stderr is a terminal.

    Raises:
        ArgumentError: there is no such detector.
        AssetError: a model file is missing or damaged.
    """
    if name == "fan":
        from face3d.landmarks.fan_detector import fan_assets

        return fan_assets()
    if name not in ("mediapipe", "dlib"):
        raise ArgumentError(f"there is no landmark detector {name!r}; choose mediapipe, fan or dlib")
    return (assets.use_of(assets.obtain(name, progress=progress)),)
