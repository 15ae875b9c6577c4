"""The face detectors that face-alignment brings, run on the user's files; nothing here ever downloads.

| name | network | boxes |
|---|---|---|
| sfd | S3FD | reference scale 195; finds small faces, slow on the CPU |
| blazeface, blazeface_back | BlazeFace | 195; looks only at the image's middle square |
| yunet | YuNet, by OpenCV on the CPU | 165; fast |
| retinaface | RetinaFace, MobileNet 0.25 | 165 |
| scrfd | SCRFD 2.5G, by onnxruntime | 165 |

Boxes, thresholds and suppression are face-alignment 1.5's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from face3d.assets import read_torch_file
from face3d.errors import ArgumentError, CorruptAssetError, DependencyError
from face3d.landmarks.fan_networks import fill, library

__all__ = ["FACE_DETECTORS", "BoxFinder", "FaceDetectorName", "box_finder", "face_detector_named"]

FaceDetectorName = Literal["sfd", "blazeface", "blazeface_back", "yunet", "retinaface", "scrfd"]

BoxFinder = Callable[[UInt8[ndarray, "H W 3"]], Float[ndarray, "N 5"]]
"""From an RGB image to x0, y0, x1, y1 and score of each face."""

SFD_OVERLAP = 0.3
SFD_SCORE = 0.5
BLAZEFACE_SCORE = 0.5
BLAZEFACE_OVERLAP = 0.3


@dataclass(frozen=True, slots=True)
class _FaceDetector:
    """Files it needs, the scale of its boxes, and how it is opened from paths in that order and a device."""

    files: tuple[str, ...]
    reference_scale: float
    open: Callable[[Sequence[Path], str], BoxFinder]


def face_detector_named(name: str) -> _FaceDetector:
    """The row of a face detector.

    Raises:
        ArgumentError: there is none of that name.
    """
    if name not in FACE_DETECTORS:
        raise ArgumentError(f"FAN has no face detector {name!r}; choose {', '.join(FACE_DETECTORS)}")
    return FACE_DETECTORS[name]


def box_finder(name: str, paths: Sequence[Path], device: str) -> BoxFinder:
    """Open a face detector.

    Args:
        name: one of `FACE_DETECTORS`.
        paths: its files, in the table's order.
        device: PyTorch device; yunet stays on the CPU.

    Raises:
        ArgumentError: there is none of that name.
        CorruptAssetError: a file is not what it should be.
        DependencyError: a library is missing.
    """
    find = face_detector_named(name).open(paths, device)

    def checked(image: UInt8[ndarray, "H W 3"]) -> Float[ndarray, "N 5"]:
        found = np.asarray(find(image), dtype=np.float64).reshape(-1, 5)
        return found[np.isfinite(found).all(axis=1)]

    return checked


def _open_sfd(paths: Sequence[Path], device: str) -> BoxFinder:
    network = fill(library("detection.sfd.net_s3fd").s3fd(), read_torch_file(paths[0]), paths[0], "S3FD").to(device)
    detect, suppress = library("detection.sfd.detect").detect, library("detection.sfd.bbox").nms

    def find(image: UInt8[ndarray, "H W 3"]) -> Float[ndarray, "N 5"]:
        boxes = np.asarray(detect(network, image, device)[0:1], dtype=np.float64).reshape(-1, 5)
        kept = boxes[suppress(boxes, SFD_OVERLAP)]
        return kept[kept[:, 4] > SFD_SCORE]

    return find


def _open_blazeface(paths: Sequence[Path], device: str, *, back: bool) -> BoxFinder:
    network: Any = library("detection.blazeface.net_blazeface").BlazeFace(back_model=back)
    fill(network, read_torch_file(paths[0]), paths[0], "BlazeFace")
    try:
        network.load_anchors_from_npy(np.load(paths[1], allow_pickle=False), device)
    except (OSError, ValueError, AssertionError) as error:
        raise CorruptAssetError(f"{paths[1]} does not hold BlazeFace's anchors: {error}") from error
    network.min_score_thresh, network.min_suppression_threshold = BLAZEFACE_SCORE, BLAZEFACE_OVERLAP
    network.to(device)
    detect = library("detection.blazeface.detect").detect
    size = 256 if back else 128
    return lambda image: detect(network, image, target_size=size, device=device)[0]


def _open_through(module: str, name: str) -> Callable[[Sequence[Path], str], BoxFinder]:
    """A detector whose class takes a path and never looks elsewhere when it has one."""

    def opened(paths: Sequence[Path], device: str) -> BoxFinder:
        make = library(f"detection.{module}").FaceDetector
        try:
            return make(device, path_to_detector=str(paths[0])).detect_from_image
        except ImportError as error:
            raise DependencyError(f"face boxes by {name} need onnxruntime; run `pip install onnxruntime`") from error
        except Exception as error:  # OpenCV, onnxruntime and torch each have classes of their own for a bad file
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise CorruptAssetError(f"{paths[0]} does not hold {name}: {reason[:160]}") from error

    return opened


FACE_DETECTORS: Mapping[str, _FaceDetector] = MappingProxyType(
    {
        "sfd": _FaceDetector(("s3fd-619a316812.pth",), 195, _open_sfd),
        "blazeface": _FaceDetector(
            ("blazeface.pth", "anchors.npy"), 195, lambda paths, device: _open_blazeface(paths, device, back=False)
        ),
        "blazeface_back": _FaceDetector(
            ("blazefaceback.pth", "anchorsback.npy"),
            195,
            lambda paths, device: _open_blazeface(paths, device, back=True),
        ),
        "yunet": _FaceDetector(("face_detection_yunet_2023mar.onnx",), 165, _open_through("yunet", "YuNet")),
        "retinaface": _FaceDetector(("retinaface_mobilenet0.25.pth",), 165, _open_through("retinaface", "RetinaFace")),
        "scrfd": _FaceDetector(("scrfd_2.5g_bnkps.onnx",), 165, _open_through("scrfd", "SCRFD")),
    }
)
"""Every face detector by name."""
