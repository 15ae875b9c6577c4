"""FAN as a detector: 68 points in the image, or fixed to the skin, or with depth (Bulat and Tzimiropoulos 2017).

Crops, networks and heatmaps are face-alignment's; the points between the heatmap's cells are face3d's own, see
`face3d.landmarks.heatmaps`. The weights are the user's (`face3d assets add fan DIR`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from typing_extensions import Self

from face3d import assets
from face3d.assets import AssetUse
from face3d.errors import ArgumentError, InputError, MissingAssetError
from face3d.landmarks.detector import FaceLandmarks, VideoClock, confidence_inside
from face3d.landmarks.fan_boxes import FaceDetectorName, box_finder, face_detector_named
from face3d.landmarks.fan_geometry import FAN_SIZE, HEATMAP_SIZE, FanFrame, fan_crop, fan_frame
from face3d.landmarks.fan_networks import FanHeatmaps, load_depth_network, load_fan
from face3d.landmarks.heatmaps import draw_gaussians, heatmap_peaks, reference_peaks
from face3d.landmarks.search import shrunk
from face3d.media.photo import as_rgb

__all__ = ["FanDecode", "FanDetector", "FanPoints", "fan_assets"]

FanPoints = Literal["2d", "2.5d", "3d"]
FanDecode = Literal["subpixel", "reference"]

_FAN_2D, _FAN_3D, _DEPTH = "2DFAN4-11f355bf06.pth.tar", "3DFAN4-7835d9f11d.pth.tar", "depth-2a464da4ea.pth.tar"

DETECTION_SIDE = 1280
"""Pixels of the longer side that faces are looked for in; S3FD takes 3 GB for the full size of a phone's photo."""


def _files(points: FanPoints, face_detector: FaceDetectorName | None) -> tuple[str, ...]:
    networks = {"2d": (_FAN_2D,), "2.5d": (_FAN_3D,), "3d": (_FAN_3D, _DEPTH)}
    if points not in networks:
        raise ArgumentError(f"FAN gives 2d, 2.5d or 3d points, not {points!r}")
    return networks[points] + (() if face_detector is None else face_detector_named(face_detector).files)


def fan_assets(points: FanPoints = "2d", face_detector: FaceDetectorName | None = "sfd") -> tuple[AssetUse, ...]:
    """What a result's record says of the files that a `FanDetector` of these options uses.

    Raises:
        MissingAssetError: one of them has not been added.
    """
    return tuple(found.use for found in assets.obtain_members("fan", _files(points, face_detector)))


@dataclass(frozen=True, slots=True, eq=False)
class _Face:
    """One face to read: which image, its square, its crop, and its score where a detector gave one."""

    image: int
    frame: FanFrame
    crop: UInt8[ndarray, "256 256 3"]
    score: float | None


class FanDetector:
    """68 points per face by FAN-4.

    A context manager; not to be shared between threads. Coordinates are face3d's pixels; `z` and what
    `decode="reference"` gives are described at the constructor.
    """

    def __init__(
        self,
        points: FanPoints = "2d",
        *,
        face_detector: FaceDetectorName | None = "sfd",
        decode: FanDecode = "subpixel",
        weights: Path | str | None = None,
        device: str = "cpu",
        batch_size: int = 8,
        flip: bool = True,
        compile: bool = False,
        max_faces: int | None = None,
        detection_side: int | None = DETECTION_SIDE,
    ) -> None:
        """Load the networks.

        Args:
            points: "2d" follows the visible outline; "2.5d" are image positions of points fixed to the skin; "3d" adds
                their depth in pixels, smaller nearer to the camera.
            face_detector: what finds the boxes, see `face3d.landmarks.fan_boxes`; None where they are always given.
            decode: "subpixel" fits each heatmap peak. "reference" gives face-alignment's numbers exactly: x and y cut
                to whole pixels, depth with its sign (larger is nearer), faces looked for at full size.
            weights: folder with the files under their published names; None takes those of the asset `fan`.
            device: PyTorch device.
            batch_size: crops per pass of the network.
            flip: look at each face's mirror image too, as face-alignment does; twice the time.
            compile: `torch.compile` the networks: worth its 25 s only for thousands of faces.
            max_faces: keep only the largest ones; by default all.
            detection_side: pixels of the longer side that larger images are shrunk to before faces are looked for;
                None never shrinks.

        Raises:
            ArgumentError: an option is out of range.
            MissingAssetError: a file that these options need is not here.
            CorruptAssetError: a file is not what it should be.
            DependencyError: face-alignment, or onnxruntime for scrfd, is not installed.
        """
        for name, number in (("batch_size", batch_size), ("max_faces", max_faces), ("detection_side", detection_side)):
            if number is not None and number < 1:
                raise ArgumentError(f"{name} must be at least 1, got {number}")
        if decode not in get_args(FanDecode):
            raise ArgumentError(f"FAN's peaks are decoded as {' or '.join(get_args(FanDecode))}, not {decode!r}")
        self._points = points
        self._decode = decode
        self._flips = flip
        self._device = device
        self._batch_size = batch_size
        self._max_faces = max_faces
        self._detection_side = None if decode == "reference" else detection_side
        self._clock = VideoClock()
        files = _files(points, face_detector)
        paths, self._licence = _located(files, weights)
        self._heatmaps: torch.nn.Module | None = FanHeatmaps(load_fan(paths[0]), flip=flip).to(device)
        self._depth = load_depth_network(paths[1]).to(device) if points == "3d" else None
        if compile:
            for network in (self._heatmaps, self._depth):
                if network is not None:
                    network.compile()
        self._find = None
        self._reference_scale = 195.0
        if face_detector is not None:
            row = face_detector_named(face_detector)
            self._find = box_finder(face_detector, paths[len(files) - len(row.files) :], device)
            self._reference_scale = row.reference_scale

    def detect(self, image: UInt8[ndarray, "H W 3"]) -> list[FaceLandmarks]:
        """The faces of an RGB image, from left to right."""
        return self.detect_batch([image])[0]

    def detect_batch(self, images: Sequence[UInt8[ndarray, "H W 3"]]) -> list[list[FaceLandmarks]]:
        """The faces of several images of any sizes, read together in passes of `batch_size` crops.

        Raises:
            ArgumentError: this detector has no face detector.
            InputError: something is no image.
        """
        pixels = [as_rgb(image) for image in images]
        waiting = []
        for number, image in enumerate(pixels):
            for box in self._boxes(image):
                try:
                    frame = fan_frame(box[:4], reference_scale=self._reference_scale)
                    crop, _ = fan_crop(image, frame)
                except InputError:
                    continue  # a detector's slip at the border is no face
                waiting.append(_Face(number, frame, crop, float(box[4])))
        found: list[list[FaceLandmarks]] = [[] for _ in pixels]
        for face, landmarks in zip(waiting, self._read(waiting, pixels), strict=True):
            found[face.image].append(landmarks)
        return [self._chosen(faces) for faces in found]

    def detect_boxes(
        self,
        image: UInt8[ndarray, "H W 3"],
        boxes: Float[ndarray, "N 4"] | Float[ndarray, "N 5"] | Sequence[Sequence[float] | ndarray],
        *,
        reference_scale: float | None = None,
    ) -> list[FaceLandmarks]:
        """The landmarks of faces whose boxes are known, in their order.

        Args:
            image: RGB.
            boxes: x0, y0, x1, y1 in pixels, and a score where there is one.
            reference_scale: width plus height at which a box has scale 1: 195 for boxes like S3FD's, 165 for tighter
                ones. None takes that of this detector's own face detector, or 195.

        Raises:
            ArgumentError: the boxes have another shape.
            InputError: a box is not finite, empty, or outside of the image.
        """
        image = as_rgb(image)
        rows = np.asarray(boxes, dtype=np.float64)
        if rows.size == 0:
            return []
        if rows.ndim != 2 or rows.shape[1] not in (4, 5):
            raise ArgumentError(f"face boxes are (N, 4), or (N, 5) with scores, got {rows.shape}")
        scale = self._reference_scale if reference_scale is None else reference_scale
        faces = []
        for row in rows:
            frame = fan_frame(row[:4], reference_scale=scale)
            crop, _ = fan_crop(image, frame)
            faces.append(_Face(0, frame, crop, float(row[4]) if len(row) == 5 else None))
        return self._read(faces, [image])

    def detect_video(self, image: UInt8[ndarray, "H W 3"], timestamp_ms: int) -> list[FaceLandmarks]:
        """The faces of the next RGB frame; FAN has no memory, so each frame is searched anew.

        Raises:
            ArgumentError: the timestamp does not increase.
        """
        self._clock.advance(timestamp_ms)
        return self.detect(image)

    def start_shot(self) -> None:
        """Let the next frame of `detect_video` begin another video; nothing is remembered of those before."""
        self._clock.restart()

    def close(self) -> None:
        """Free the networks; safe to call twice."""
        self._heatmaps = self._depth = self._find = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _boxes(self, image: UInt8[ndarray, "H W 3"]) -> Float[ndarray, "N 5"]:
        if self._find is None:
            raise ArgumentError("this FAN detector has no face detector; give boxes to detect_boxes, or choose one")
        small, factor = shrunk(image, self._detection_side)
        boxes = self._find(small)
        boxes[:, :4] *= np.tile(factor, 2)
        return boxes

    def _chosen(self, faces: list[FaceLandmarks]) -> list[FaceLandmarks]:
        largest = sorted(faces, key=lambda face: -float(np.prod(face.box[2:] - face.box[:2])))
        return sorted(largest[: self._max_faces], key=lambda face: float(face.box[0] + face.box[2]))

    def _read(self, faces: Sequence[_Face], images: Sequence[UInt8[ndarray, "H W 3"]]) -> list[FaceLandmarks]:
        read: list[FaceLandmarks] = []
        for start in range(0, len(faces), self._batch_size):
            chunk = faces[start : start + self._batch_size]
            crops = np.stack([face.crop for face in chunk]).transpose(0, 3, 1, 2).astype(np.float32) / 255.0
            heatmaps = self._heatmaps_of(crops)
            peaks, heights = (reference_peaks if self._decode == "reference" else heatmap_peaks)(heatmaps)
            for number, face in enumerate(chunk):
                depth = self._depth_of(crops[number], peaks[number], face.frame)
                read.append(self._landmarks(face, peaks[number], heights[number], depth, images[face.image]))
        return read

    @torch.inference_mode()
    def _heatmaps_of(self, crops: Float[ndarray, "B 3 256 256"]) -> Float[ndarray, "B 68 64 64"]:
        if self._heatmaps is None:
            raise ArgumentError("this FAN detector has been closed; open another")
        heatmaps: Float[ndarray, "B 68 64 64"] = (
            self._heatmaps(torch.from_numpy(np.ascontiguousarray(crops)).to(self._device)).float().cpu().numpy()
        )
        return heatmaps

    @torch.inference_mode()
    def _depth_of(
        self, crop: Float[ndarray, "3 256 256"], peaks: Float[ndarray, "68 2"], frame: FanFrame
    ) -> Float[ndarray, " 68"] | None:
        """Depth of each point in pixels of the image, larger nearer, as face-alignment has it."""
        if self._depth is None:
            return None
        maps = draw_gaussians(peaks * (FAN_SIZE / HEATMAP_SIZE), FAN_SIZE)
        shown = torch.from_numpy(np.concatenate([crop, maps])[None]).to(self._device)
        depth = self._depth(shown).float().cpu().reshape(-1) * (1.0 / (FAN_SIZE / frame.side))
        return np.asarray(depth.numpy())

    def _landmarks(
        self,
        face: _Face,
        peaks: Float[ndarray, "68 2"],
        heights: Float[ndarray, " 68"],
        depth: Float[ndarray, " 68"] | None,
        image: UInt8[ndarray, "H W 3"],
    ) -> FaceLandmarks:
        reference = self._decode == "reference"
        places = face.frame.to_whole_pixels(peaks) if reference else face.frame.to_image(peaks)
        z = np.full(len(places), np.nan) if depth is None else depth.astype(np.float64) * (1 if reference else -1)
        points = np.column_stack([places.astype(np.float64), z])
        size = (image.shape[1], image.shape[0])
        passes = 2.0 if self._flips else 1.0
        certainty = np.clip(heights.astype(np.float64) / passes, 0.0, 1.0)
        return FaceLandmarks(
            points=points,
            confidence=certainty * confidence_inside(points, size),
            box=np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)]),
            score=float(np.clip(certainty.mean() if face.score is None else face.score, 0.0, 1.0)),
            topology="ibug_68" if self._points == "2d" else "ibug_68_fixed",
            detector="fan",
            licence=self._licence,
            image_size=size,
            peak_heights=heights.astype(np.float64),
        )


def _located(files: Sequence[str], weights: Path | str | None) -> tuple[list[Path], str]:
    """The files, in a folder or in the store, and the terms of the first, which makes the points."""
    if weights is None:
        members = assets.obtain_members("fan", files)
        return [found.path for found in members], members[0].licence
    folder = Path(weights)
    table = {member.file: member for member in assets.ASSETS["fan"].members}
    for file in files:
        if not (folder / file).is_file():
            raise MissingAssetError(
                f"{folder / file} is not there; it is needed for {table[file].role}; licence: {table[file].licence}; "
                f"get it from {table[file].obtained}"
            )
    return [folder / file for file in files], table[files[0]].licence
