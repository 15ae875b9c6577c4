"""Clips whose lips are compared: tracks of face3d, landmark files of `face3d align`, and true heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from face3d.camera import project
from face3d.errors import ArgumentError, InputError
from face3d.evaluate.lips import interocular, lip_series
from face3d.export.track_npz import LABIODENTAL, LIPS_CLOSED
from face3d.head import HeadModel
from face3d.landmarks.topologies import convert_points

__all__ = ["LandmarkClip", "LipClip", "clips_in", "read_landmark_clips", "read_lip_clip"]

POINTS = "ibug_68_fixed"
_CLOSED = ("closed", LIPS_CLOSED)
"""Names under which files say when lips are closed: those of others, and tracks."""

_MOVING = ("expression", "jaw", "neck", "eyes")
CHUNK = 200
"""Frames whose whole heads are in memory at a time."""

_OTHER = {68: "ibug_68", 478: "mediapipe_478"}
"""Landmark sets by their number of points, where a file does not name its own."""


@dataclass(frozen=True, slots=True, eq=False)
class LipClip:
    """What a head does with its lips, metres, in the head frame.

    Attributes:
        frames: (T,) numbers of the frames in the video.
        points: (T, 68, 3).
        lips: (T, L, 3) vertices of the head's region "lips".
        rest: opening of the lips of the head at rest, over the distance of its eyes' outer corners.
        pixels: (T, 68, 2) the points in the image; None where the file says nothing of a camera.
        closed: (T,) whether the lips are closed, where the file says so itself.
        labiodental: (T,) whether the lower lip is at the upper teeth, where the file says so itself.
    """

    frames: Int[np.ndarray, " T"]
    points: Float[np.ndarray, "T 68 3"]
    lips: Float[np.ndarray, "T L 3"]
    rest: float
    pixels: Float[np.ndarray, "T 68 2"] | None
    closed: Bool[np.ndarray, " T"] | None
    labiodental: Bool[np.ndarray, " T"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkClip:
    """A person's landmarks in a video: numbers of the frames, and points in pixels, with depth where there is one."""

    frames: Int[np.ndarray, " T"]
    points: Float[np.ndarray, "T 68 D"]


def clips_in(folder: Path, file: str) -> dict[str, Path]:
    """Clips by name: `<name>/<file>` and `<name>.npz` in a folder, the folder's own `<file>`, or one .npz by itself.

    Raises:
        ArgumentError: there is nothing of the kind.
    """
    if folder.is_file():
        return {folder.parent.name if folder.name == file else folder.stem: folder}
    if (folder / file).is_file():
        return {folder.resolve().name: folder / file}
    found = {path.parent.name: path for path in sorted(folder.glob(f"*/{file}"))}
    found |= {path.stem: path for path in sorted(folder.glob("*.npz")) if path.name != file}
    if not found:
        raise ArgumentError(f"{folder} has neither <clip>/{file} nor <clip>.npz in it")
    return found


def read_lip_clip(path: Path, head: HeadModel) -> LipClip:
    """Read the lips of a track, as `face3d track` writes it, or of another file with the same arrays.

    Args:
        path: an npz with `expression` (T, E) and any of identity, jaw, neck, eyes, camera_from_head, K, frames, valid
            and, of what the lips do, `lips_closed` (or `closed`) and `labiodental` (T,); or with `vertices` (T, V, 3)
            in the head frame, metres. Frames that are not valid are left out.
        head: of that track.

    Raises:
        InputError: the file cannot be read, lacks arrays, or is of another head.
        ArgumentError: the head has no region "lips" or no iBUG points.
    """
    if "lips" not in head.regions:
        raise ArgumentError("the head has no region `lips`; put FLAME_masks.pkl beside the FLAME model")
    arrays = _read(path)
    count = len(arrays.get("vertices", arrays.get("expression", ())))
    if not count:
        raise InputError(f"{path} has neither `expression` nor `vertices` of any frame")
    try:
        parts = [_heads(arrays, head, start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
        points, lips = (np.concatenate(each) for each in zip(*parts, strict=True))
        rest = head.points(POINTS, head(identity=arrays.get("identity"))).double().numpy()
        pixels = _pixels(points, arrays)
        valid = arrays.get("valid", np.ones(count, dtype=bool)).astype(bool)
        frames = arrays.get("frames", np.arange(count))
        told = {name: arrays[name].astype(bool)[valid] for name in (*_CLOSED, LABIODENTAL) if name in arrays}
        return LipClip(
            frames=frames[valid],
            points=points[valid],
            lips=lips[valid],
            rest=float(lip_series(rest).aperture[0] / interocular(rest)[0]),
            pixels=None if pixels is None else pixels[valid],
            closed=next((told[name] for name in _CLOSED if name in told), None),
            labiodental=told.get(LABIODENTAL),
        )
    except (ArgumentError, RuntimeError, ValueError, IndexError) as error:
        reason = str(error).splitlines()[0][:160]
        raise InputError(f"{path} is not a track of this head ({reason}); name its own by --head") from error


def read_landmark_clips(path: Path) -> list[LandmarkClip]:
    """The landmarks of each person in a file as `face3d align` writes it, or of one person as plain `points`.

    Raises:
        InputError: the file cannot be read or has no landmarks that lead to 68 points.
    """
    arrays = _read(path)
    points = arrays.get("points")
    if points is None or points.ndim != 3 or not len(points):
        raise InputError(f"{path} has no `points` (T, N, 2) or (T, N, 3)")
    topology = str(arrays["topology"]) if "topology" in arrays else _OTHER.get(points.shape[1])
    if topology is None:
        raise InputError(f"{path} has {points.shape[1]} points, and no `topology` says which these are")
    try:
        found = np.stack([convert_points(frame, topology, "ibug_68") for frame in points.astype(np.float64)])
    except ArgumentError as error:
        raise InputError(f"{path}: {error}") from error
    if found.shape[2] == 3 and not np.ptp(found[..., 2]) > 0:
        found = found[..., :2]
    frames = arrays.get("frame", np.arange(len(found)))
    people = arrays.get("person", np.ones(len(found), dtype=int))
    seen = ~arrays.get("interpolated", np.zeros(len(found), dtype=bool)) & np.isfinite(found).all(axis=(1, 2))
    clips = [LandmarkClip(frames[rows], found[rows]) for rows in ((people == one) & seen for one in np.unique(people))]
    return [clip for clip in clips if len(clip.frames)]


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except Exception as error:
        # zipfile, zlib and NumPy each raise something else at a broken file.
        raise InputError(f"{path} cannot be read as NumPy arrays ({error})") from error


def _heads(
    arrays: Mapping[str, np.ndarray], head: HeadModel, first: int, last: int
) -> tuple[Float[np.ndarray, "t 68 3"], Float[np.ndarray, "t L 3"]]:
    """The points and the lips of some frames."""
    if "vertices" in arrays:
        vertices = torch.as_tensor(arrays["vertices"][first:last], dtype=head.template.dtype)
        geometry = replace(head(), vertices=vertices)
    else:
        moving = {name: arrays[name][first:last] for name in _MOVING if name in arrays}
        geometry = head(identity=arrays.get("identity"), **moving)
    points = head.points(POINTS, geometry)
    return points.double().numpy(), geometry.vertices[:, head.regions["lips"]].double().numpy()


def _pixels(
    points: Float[np.ndarray, "T 68 3"], arrays: Mapping[str, np.ndarray]
) -> Float[np.ndarray, "T 68 2"] | None:
    if "camera_from_head" not in arrays or "K" not in arrays:
        return None
    intrinsics = torch.as_tensor(arrays["K"]).double().expand(len(points), 3, 3)
    camera_from_head = torch.as_tensor(arrays["camera_from_head"]).double()
    pixels: np.ndarray = project(torch.from_numpy(points), camera_from_head, intrinsics).numpy()
    return pixels
