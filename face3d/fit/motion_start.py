"""Where the fit of a motion begins: poses of a stiff head, frames that cannot be true, gaps bridged."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.fit.motion_evidence import Frames

__all__ = ["bridge", "jumps", "stiff_poses", "weak_perspective"]

JUMP_TURN, JUMP_SHIFT = 0.3, 0.03
"""Radians and metres across the line of sight by which no head leaves its path and returns to it within two frames."""

JUMP_SECONDS = 0.15
"""Frames further apart tell nothing of a jump between them."""


def stiff_poses(
    points: Float[ndarray, "N 3"], intrinsics: Intrinsics, pixels: Float[ndarray, "T N 2"]
) -> tuple[Float[ndarray, "T 3 3"], Float[ndarray, "T 3"]]:
    """Poses of a stiff head by weak perspective, all frames at once; within some degrees of the truth.

    Args:
        points: metres, head frame.
        intrinsics: of the clip.
        pixels: of those points; frames without any give a pose too, of no meaning.
    """
    matrix = intrinsics.matrix
    lens = np.diag(matrix)[:2]
    turn, scale, middle = weak_perspective(points, (pixels - matrix[:2, 2]) / lens)
    sight = np.concatenate([middle, np.ones((len(pixels), 1))], axis=1)
    # Off the optical axis a head shows the side that is turned to the camera, not to the image plane.
    rotation = _towards(sight) @ turn
    return rotation, sight / scale[:, None] - rotation @ points.mean(axis=0)


def weak_perspective(
    points: Float[ndarray, "N 3"], image: Float[ndarray, "T N 2"]
) -> tuple[Float[ndarray, "T 3 3"], Float[ndarray, " T"], Float[ndarray, "T 2"]]:
    """The scaled orthographic cameras that explain points best in the affine sense.

    Returns:
        Rotations into the camera's axes, image units per metre, and the image of the points' centroid.
    """
    centred = points - points.mean(axis=0)
    spread = np.linalg.solve(centred.T @ centred, centred.T)
    middle = image.mean(axis=1)
    affine = (spread @ (image - middle[:, None])).transpose(0, 2, 1)
    left, stretch, right = np.linalg.svd(affine + 1e-12 * np.eye(2, 3), full_matrices=False)
    rows = left @ right
    rotation = np.stack([rows[:, 0], rows[:, 1], np.cross(rows[:, 0], rows[:, 1])], axis=1)
    return rotation, np.maximum(stretch.mean(axis=1), 1e-6), middle


def _towards(sight: Float[ndarray, "T 3"]) -> Float[ndarray, "T 3 3"]:
    """The smallest rotations that take the optical axis to the lines of sight."""
    axis = np.stack([-sight[:, 1], sight[:, 0], np.zeros(len(sight))], axis=1)
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.arctan2(length, sight[:, 2:])
    return np.asarray(Rotation.from_rotvec(axis / np.maximum(length, 1e-12) * angle).as_matrix())


def jumps(
    times: Float[ndarray, " T"],
    shots: Int[ndarray, " T"],
    valid: Bool[ndarray, " T"],
    rotation: Float[ndarray, "T 3 3"],
    translation: Float[ndarray, "T 3"],
) -> Bool[ndarray, " T"]:
    """Single frames whose head is elsewhere than in the frames before and after, which agree with each other."""
    wild = np.zeros(len(times), bool)
    if len(times) < 3:
        return wild
    before, here, after = slice(None, -2), slice(1, -1), slice(2, None)
    near = valid[before] & valid[here] & valid[after] & (times[after] - times[before] < JUMP_SECONDS)
    near &= (shots[before] == shots[here]) & (shots[here] == shots[after])
    # Depth by weak perspective trembles; what jumps is seen across the line of sight.
    place = translation[:, :2] / translation[:, 2:] * np.median(translation[valid, 2])

    def apart(one: slice, other: slice) -> Float[ndarray, " S"]:
        cosine = (np.einsum("txy,txy->t", rotation[one], rotation[other]) - 1) / 2
        turn = np.arccos(np.clip(cosine, -1, 1)) / JUMP_TURN
        shift = np.linalg.norm(place[one] - place[other], axis=1) / JUMP_SHIFT
        return np.maximum(turn, shift)

    left = np.minimum(apart(before, here), apart(here, after))
    wild[1:-1] = near & (left > 1) & (apart(before, after) < left / 2)
    return wild


def bridge(
    frames: Frames, times: Float[ndarray, " T"], shots: Int[ndarray, " T"], valid: Bool[ndarray, " T"]
) -> Frames:
    """Frames that are not valid take the place between those that are, of their own shot where it has any."""
    if valid.all():
        return frames
    sure = np.flatnonzero(valid)
    after = np.clip(np.searchsorted(sure, np.arange(len(times))), 0, len(sure) - 1)
    before = np.maximum(after - 1, 0)
    before, after = sure[before], sure[after]
    # Outside of all valid frames, and across a cut, the nearer one alone counts.
    share = np.clip((times - times[before]) / np.maximum(times[after] - times[before], 1e-9), 0, 1)
    share = np.where(shots == shots[before], share, 1.0)
    share = np.where(shots == shots[after], share, 0.0)
    share[valid] = (after[valid] == np.flatnonzero(valid)).astype(np.float64)

    def mixed(values: Float[ndarray, "T ..."]) -> Float[ndarray, "T ..."]:
        part = share.reshape(-1, *[1] * (values.ndim - 1))
        return (1 - part) * values[before] + part * values[after]

    def turned(values: Float[ndarray, "T ... 3 3"]) -> Float[ndarray, "T ... 3 3"]:
        way = values[after] @ np.swapaxes(values[before], -1, -2)
        vectors = Rotation.from_matrix(way.reshape(-1, 3, 3)).as_rotvec().reshape(*way.shape[:-1])
        part = (share.reshape(-1, *[1] * (vectors.ndim - 1)) * vectors).reshape(-1, 3)
        return Rotation.from_rotvec(part).as_matrix().reshape(way.shape) @ values[before]

    return Frames(mixed(frames.expression), turned(frames.turns), turned(frames.rotation), mixed(frames.translation))
