"""The truth about one picture, and its form in files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from face3d.errors import InputError
from face3d.head.arrays import YAW_BINS
from face3d.measure import dimensions_from_points
from face3d.measure.dimensions import TAPE
from face3d.train.synthetic.draw import Drawing
from face3d.train.synthetic.heads import HeadState, OpenHead, on_surface, open_head

__all__ = [
    "HeadLabel",
    "LandmarkTruth",
    "label_arrays",
    "label_from",
    "label_properties",
    "landmarks_of",
    "measurements_of",
    "vertices_of",
]

LANDMARK_SETS = ("mediapipe_478", "ibug_68")
_TOLERANCE = 0.004
"""Metres that a landmark may lie behind the nearest surface and still count as seen: landmarks lie on the rims of lids
and lips, and jaw lines where the cheek turns away."""


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkTruth:
    """Landmarks of one set.

    Attributes:
        pixels: origin at the top-left corner of the top-left pixel.
        visible: inside the picture, and neither the head itself nor hair, frame, mask or another thing hides it.
    """

    pixels: Float[np.ndarray, "N 2"]
    visible: Bool[np.ndarray, " N"]


@dataclass(frozen=True, slots=True, eq=False)
class HeadLabel:
    """What is true of one picture.

    Attributes:
        index, seed: the picture is sample `index` of seed `seed`.
        state: identity, expression, jaw and eyes of the open head, exactly those that were drawn.
        camera_from_head, intrinsics: metres, OpenCV camera frame; pixels.
        image_size: height, width.
        landmarks: by set, `mediapipe_478` and `ibug_68` (its jaw line where the head's yaw puts it).
        measurements: of the neutral head by name, metres (see `face3d.measure`).
        light: (9, 3) coefficients for `face3d.render.spherical_harmonics_shading`, normals in the camera frame.
        properties: appearance and circumstances, JSON-serialisable: sex, ancestry, ancestry_weights, age, skin,
            expression_kind, hair, beard, make_up, glasses, mask, occluder, camera, lamps, jpeg_quality.
    """

    index: int
    seed: int
    state: HeadState
    camera_from_head: Float[np.ndarray, "4 4"]
    intrinsics: Float[np.ndarray, "3 3"]
    image_size: tuple[int, int]
    landmarks: Mapping[str, LandmarkTruth]
    measurements: Mapping[str, float]
    light: Float[np.ndarray, "9 3"]
    properties: Mapping[str, Any]


def vertices_of(label: HeadLabel | HeadState) -> Float[np.ndarray, "V 3"]:
    """The posed surface that was drawn, head frame, metres, bit by bit."""
    return open_head().vertices(label.state if isinstance(label, HeadLabel) else label)


def landmarks_of(
    vertices: Float[np.ndarray, "V 3"],
    camera_from_head: Float[np.ndarray, "4 4"],
    intrinsics: Float[np.ndarray, "3 3"],
    drawing: Drawing,
) -> dict[str, LandmarkTruth]:
    """Project the head's landmarks and tell which are seen.

    Args:
        vertices: posed, head frame, metres.
        camera_from_head: rigid transform into the OpenCV camera frame.
        intrinsics: K in pixels of the drawing.
        drawing: of that head.
    """
    head = open_head()
    found = {}
    for name in LANDMARK_SETS:
        places = _set_points(head, name, vertices, camera_from_head)
        camera = (places[:, None, :] * camera_from_head[None, :3, :3]).sum(axis=2) + camera_from_head[:3, 3]
        pixels = camera[:, :2] / camera[:, 2:] * intrinsics[[0, 1], [0, 1]] + intrinsics[:2, 2]
        found[name] = LandmarkTruth(pixels, _seen(pixels, camera[:, 2], drawing))
    return found


def measurements_of(identity: Float[np.ndarray, " I"]) -> dict[str, float]:
    """The dimensions of the neutral head, metres, by name; `face3d.measure.head_dimensions` gives the same."""
    points, spans, labels = _measured_points()
    places = points + np.einsum("i,ik->k", np.asarray(identity, dtype=np.float64), spans).reshape(-1, 3)
    anatomy = {name: torch.from_numpy(places[k]) for k, name in enumerate(labels)}
    sections, start = {}, len(labels)
    for rule in TAPE.values():
        stop = start + len(open_head().arrays.point_sets[rule.points])
        sections[rule.points] = torch.from_numpy(places[start:stop])
        start = stop
    lengths = dimensions_from_points(anatomy, sections)
    lengths["pupillary_distance"] = (anatomy["pupil_left"] - anatomy["pupil_right"]).norm()
    return {name: float(value) for name, value in lengths.items()}


@lru_cache(maxsize=1)
def _measured_points() -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "I 3N"], tuple[str, ...]]:
    """The points that measuring needs on the mean head, how each identity component moves them, labels of the first."""
    arrays, triangles = open_head().arrays, open_head().triangles
    sets = [arrays.point_sets[name] for name in ("anatomy", *(rule.points for rule in TAPE.values()))]
    labels = sets[0].labels
    assert labels is not None
    mean = np.concatenate([on_surface(points, triangles, arrays.template.astype(np.float64)) for points in sets])
    spans = []
    for component in arrays.identity_basis:
        moved = component.astype(np.float64)
        spans.append(np.concatenate([on_surface(points, triangles, moved) for points in sets]).reshape(-1))
    return mean, np.stack(spans), labels


def _set_points(
    head: OpenHead, name: str, vertices: Float[np.ndarray, "V 3"], camera_from_head: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "N 3"]:
    points = head.arrays.point_sets[name]
    places = on_surface(points, head.triangles, vertices)
    if points.contour_triangles is not None and points.contour_barycentric is not None:
        # As `face3d.head.contour.contour_bins` chooses for a head at rest before this camera.
        turn = np.diag([1.0, -1.0, -1.0]) @ camera_from_head[:3, :3]
        yaw = np.degrees(np.arctan2(-turn[2, 0], np.hypot(turn[0, 0], turn[1, 0])))
        limit = (YAW_BINS - 1) // 2
        whole = int(np.round(np.clip(yaw, -limit, limit)))
        chosen = whole if whole >= 0 else limit - whole
        corners = vertices[head.triangles[points.contour_triangles[chosen]]]
        weights = points.contour_barycentric[chosen].astype(np.float64)
        places[: len(corners)] = (weights[:, :, None] * corners).sum(axis=1)
    return places


def _seen(pixels: Float[np.ndarray, "N 2"], depth: Float[np.ndarray, " N"], drawing: Drawing) -> Bool[np.ndarray, " N"]:
    height, width = drawing.segmentation.shape
    inside = (pixels > 0).all(axis=1) & (pixels < [width, height]).all(axis=1)
    farthest = np.zeros(len(pixels))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            column = (2 * pixels[:, 0]).astype(int) + dx
            row = (2 * pixels[:, 1]).astype(int) + dy
            near = drawing.depth[row.clip(0, 2 * height - 1), column.clip(0, 2 * width - 1)]
            farthest = np.maximum(farthest, np.where(np.isfinite(near), near, 0.0))
    column, row = pixels.astype(int).T
    hidden = drawing.hidden[row.clip(0, height - 1), column.clip(0, width - 1)]
    return inside & (depth < farthest + _TOLERANCE) & ~hidden


def label_arrays(label: HeadLabel) -> bytes:
    """The arrays of a label as an uncompressed .npz file, always the same bytes."""
    arrays: dict[str, np.ndarray] = {
        "identity": label.state.identity.astype(np.float64),
        "expression": label.state.expression.astype(np.float64),
        "jaw": label.state.jaw.astype(np.float64),
        "eyes": label.state.eyes.astype(np.float64),
        "camera_from_head": label.camera_from_head.astype(np.float64),
        "intrinsics": label.intrinsics.astype(np.float64),
        "light": label.light.astype(np.float64),
    }
    for name, truth in label.landmarks.items():
        arrays[name] = truth.pixels.astype(np.float32)
        arrays[f"{name}_visible"] = truth.visible
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return buffer.getvalue()


def label_properties(label: HeadLabel) -> bytes:
    """What of a label is not an array, as JSON."""
    document = {
        "index": label.index,
        "seed": label.seed,
        "image_size": list(label.image_size),
        "measurements": dict(label.measurements),
        **label.properties,
    }
    return json.dumps(document, allow_nan=False).encode()


def label_from(properties: bytes, arrays: bytes, where: str) -> HeadLabel:
    """Read a label back.

    Args:
        properties: from `label_properties`.
        arrays: from `label_arrays`.
        where: what an error calls the sample.

    Raises:
        InputError: either is damaged or lacks something.
    """
    try:
        document = json.loads(properties)
        with np.load(io.BytesIO(arrays), allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
        index, seed, size = document.pop("index"), document.pop("seed"), document.pop("image_size")
        return HeadLabel(
            index=int(index),
            seed=int(seed),
            state=HeadState(values["identity"], values["expression"], values["jaw"], values["eyes"]),
            camera_from_head=values["camera_from_head"],
            intrinsics=values["intrinsics"],
            image_size=(int(size[0]), int(size[1])),
            landmarks={
                name: LandmarkTruth(values[name].astype(np.float64), values[f"{name}_visible"])
                for name in LANDMARK_SETS
            },
            measurements=document.pop("measurements"),
            light=values["light"],
            properties=document,
        )
    except (KeyError, ValueError, TypeError, IndexError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{where}: its label cannot be read ({error}); write the data set anew") from error
