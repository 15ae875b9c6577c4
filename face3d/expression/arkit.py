"""The curves of Apple's ARKit from a tracked head, in the order of Live Link Face.

Angles are rotations of the head towards the camera, and of the eyes in the head, about ARKit's axes, which are the head
frame's (+x the subject's left, +y up, +z out of the face): yaw about y, positive to the subject's left; pitch about the
turned x, positive down; roll about the turned z, positive towards the subject's right shoulder. Zero is a face turned
along the camera's axis. Dimension letters: T frames, E expression components.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from face3d.export.live_link import ANGLES, CURVES, SHAPES

__all__ = ["FULL_LOOK", "arkit_curves"]

FULL_LOOK = math.radians(30)
"""Turn of an eye at which a look curve is 1. Apple gives no number; eyes seldom turn further before the head does."""

_FACING = np.diag([1.0, -1.0, -1.0])
"""From the camera's frame to the frame of a head that looks into it."""


def arkit_curves(
    expression_names: Sequence[str],
    expression: Float[np.ndarray, "T E"],
    *,
    camera_from_head: Float[np.ndarray, "T 4 4"],
    neck: Float[np.ndarray, "T 3"],
    eyes: Float[np.ndarray, "T 6"],
) -> Float[np.ndarray, "T 61"] | None:
    """Curves and angles over time.

    An expression of the model is the curve of its name; a curve that the model lacks stays zero. The eyes of a head
    turn by joints, its look curves move the lids only: a look curve is the larger of the expression and of the eye's
    turn as a share of FULL_LOOK.

    Args:
        expression_names: of the model, E names such as "jawOpen".
        expression: coefficients; curves are clipped to 0 to 1.
        camera_from_head: rigid transforms into the OpenCV camera frame.
        neck: axis-angle in radians, which the head as a whole turns by.
        eyes: axis-angles relative to the neck, left then right.

    Returns:
        Columns as in `face3d.export.live_link.CURVES`; None for a model without ARKit's names.
    """
    column = {name.casefold(): number for number, name in enumerate(SHAPES)}
    known = [(column[name.casefold()], e) for e, name in enumerate(expression_names) if name.casefold() in column]
    if not known:
        return None
    curves = np.zeros((len(expression), len(CURVES)))
    for number, e in known:
        curves[:, number] = np.clip(expression[:, e], 0.0, 1.0)

    head = Rotation.from_matrix(_FACING @ camera_from_head[:, :3, :3]) * Rotation.from_rotvec(neck)
    turns = [head, Rotation.from_rotvec(eyes[:, :3]), Rotation.from_rotvec(eyes[:, 3:])]
    curves[:, -len(ANGLES) :] = np.concatenate([turn.as_euler("YXZ") for turn in turns], axis=1)
    for side, turn, outwards in (("Left", turns[1], 1.0), ("Right", turns[2], -1.0)):
        yaw, pitch, _ = turn.as_euler("YXZ").T
        for name, angle in (("Out", outwards * yaw), ("In", -outwards * yaw), ("Down", pitch), ("Up", -pitch)):
            number = SHAPES.index(f"EyeLook{name}{side}")
            curves[:, number] = np.maximum(curves[:, number], np.clip(angle / FULL_LOOK, 0.0, 1.0))
    return curves
