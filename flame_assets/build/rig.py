"""FLAME's five joints from MakeHuman's 64 bones: places, skinning weights, and the joint regressor."""

from __future__ import annotations

import numpy as np
from anny_source import SKIN_AND_TONGUE, AnnySource
from eyeballs import EQUATOR_RING
from jaxtyping import Float

__all__ = ["JOINT_NAMES", "PARENTS", "joint_regressor", "skinning_weights"]

JOINT_NAMES = ("root", "neck", "jaw", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 1, 1)

# Share of each MakeHuman neck bone that turns with the head; the rest stays with the shoulders.
_HEAD_SHARE = {"root": 0.0, "neck01": 0.15, "neck02": 0.55, "neck03": 0.9}
_REGRESSOR_VERTICES = 24


def skinning_weights(source: AnnySource, eyeball_size: int) -> Float[np.ndarray, "V 5"]:
    """Weights of the five joints: all bones beneath the jaw bone go to the jaw, the eyeballs to their eyes."""
    names, parents = source.bone_names, source.bone_parents
    weights = np.zeros((SKIN_AND_TONGUE + 2 * eyeball_size, len(JOINT_NAMES)))
    for bone, name in enumerate(names):
        column = source.bone_weights[:, bone]
        if "jaw" in _line(bone, names, parents):
            weights[:SKIN_AND_TONGUE, 2] += column
        else:
            share = _HEAD_SHARE.get(name, 1.0)
            weights[:SKIN_AND_TONGUE, 1] += share * column
            weights[:SKIN_AND_TONGUE, 0] += (1 - share) * column
    weights[SKIN_AND_TONGUE : SKIN_AND_TONGUE + eyeball_size, 3] = 1
    weights[SKIN_AND_TONGUE + eyeball_size :, 4] = 1
    return weights / weights.sum(axis=1, keepdims=True)


def joint_regressor(
    mean: Float[np.ndarray, "V 3"], places: Float[np.ndarray, "3 3"], eyeball_size: int
) -> Float[np.ndarray, "5 V"]:
    """Weights that give the joints from the vertices; the eyes' are exact for any identity.

    Args:
        mean: mean head, metres.
        places: root, neck and jaw joints of the mean head, metres, on the midline.
    """
    regressor = np.zeros((len(JOINT_NAMES), len(mean)))
    for joint, place in enumerate(places):
        # An affine combination of the skin around the joint that hits it and is closest to the plain mean.
        around = _nearest_pairs(mean[:4200], place)
        basis = np.concatenate([mean[around].T, np.ones((1, len(around)))])
        even = np.full(len(around), 1 / len(around))
        regressor[joint, around] = even + np.linalg.pinv(basis) @ (np.append(place, 1.0) - basis @ even)
    for joint, start in ((3, SKIN_AND_TONGUE), (4, SKIN_AND_TONGUE + eyeball_size)):
        ring = np.arange(start + EQUATOR_RING.start, start + EQUATOR_RING.stop)
        regressor[joint, ring] = 1 / len(ring)
    return regressor


def _nearest_pairs(skin: Float[np.ndarray, "V 3"], place: Float[np.ndarray, " 3"]) -> np.ndarray:
    """Skin vertices nearest to a midline joint, on either side alike."""
    left = np.flatnonzero(skin[:, 0] > 1e-4)
    order = left[np.argsort(np.linalg.norm((skin[left] - place)[:, 1:], axis=1), kind="stable")]
    half = order[: _REGRESSOR_VERTICES // 2]
    mirrored = [int(np.argmin(np.linalg.norm(skin - skin[i] * [-1, 1, 1], axis=1))) for i in half]
    return np.unique(np.concatenate([half, mirrored]))


def _line(bone: int, names: tuple[str, ...], parents: tuple[int, ...]) -> list[str]:
    line = []
    while bone >= 0:
        line.append(names[bone])
        bone = parents[bone]
    return line
