"""Which landmark is which among MediaPipe's 478: semantic groups, mirror partners, and other sets made from them.

"Left" and "right" are the subject's own sides. 0..467 are the face mesh, 468..477 the irises. Groups follow
`mediapipe.tasks.python.vision.FaceLandmarksConnections`; rings are listed in the order in which they run.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

__all__ = [
    "ARCFACE_5_FROM_478",
    "GROUPS",
    "IBUG_68_FROM_478",
    "IRIS_CENTRES",
    "MIRROR_478",
    "arcface_points",
    "ibug_points",
]

_MIDLINE = (0, 1, 2, 4, 5, 6, *range(8, 20), 94, 151, 152, 164, 168, 175, 195, 197, 199, 200)


def _mirror_partners() -> Int[np.ndarray, " 478"]:
    """Partner of each landmark under left-right reflection.

    The canonical mesh in the model file is exactly symmetric, and numbered so that the landmarks off the midline come
    first for the right half and then, in the same order, for the left half.
    """
    partners = np.arange(478)
    off_midline = np.setdiff1d(np.arange(468), _MIDLINE)
    right, left = np.split(off_midline, 2)
    partners[right], partners[left] = left, right
    # Iris rings run centre, image right, top, image left, bottom on both eyes, so reflection swaps their 1 and 3.
    partners[468:478] = [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]
    partners.setflags(write=False)
    return partners


MIRROR_478: Int[np.ndarray, " 478"] = _mirror_partners()
"""`points[MIRROR_478]` of a mirrored image are the points of the image, in its own order."""

IRIS_CENTRES = MappingProxyType({"right": 468, "left": 473})
"""Landmark at the middle of each iris."""

GROUPS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        # Centre, then the points of the iris towards the image's right, top, left and bottom (of an upright face).
        "right_iris": (468, 469, 470, 471, 472),
        "left_iris": (473, 474, 475, 476, 477),
        # From the outer corner over the lower lid to the inner corner and back over the upper lid.
        "right_eye": (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
        "left_eye": (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
        # Upper edge, then lower edge, each from the outer end.
        "right_brow": (70, 63, 105, 66, 107, 46, 53, 52, 65, 55),
        "left_brow": (300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
        # From the right corner over the lower lip to the left corner and back over the upper lip.
        "lips_outer": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
        "lips_inner": (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
        # The bridge from between the eyes to the tip and on to the lip, then the wings.
        "nose": (168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 98, 97, 326, 327, 294, 278, 344, 440, 275, 45, 220, 115, 48, 64),
        # From the top of the forehead over the left temple to the chin and back over the right.
        "face_oval": (
            *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
            *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
        ),
    }
)
"""Landmark indices by name."""

ARCFACE_5_FROM_478: tuple[tuple[int, ...], ...] = (
    (33, 133, 159, 145),
    (263, 362, 386, 374),
    (1, 4),
    (61,),
    (291,),
)
"""Landmarks whose mean is each ArcFace point: eye in the image's left, eye in its right, nose tip, mouth corners.

Eyes by their corners and the middles of their lids and not by the iris: ArcFace was trained on points that stay when
the gaze turns.
"""

IBUG_68_FROM_478: tuple[int, ...] = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),
    *(78, 81, 13, 311, 308, 402, 14, 178),
)
"""The nearest landmark of each point of the 68-point markup (iBUG order).

Close inside the face; the first 17 follow MediaPipe's face oval, which unlike iBUG's contour is fixed to the skin.
"""


def arcface_points(points: Float[np.ndarray, "478 C"]) -> Float[np.ndarray, "5 C"]:
    """The five ArcFace points, in the units and the pixel rule of the given ones."""
    return np.stack([points[list(indices)].mean(axis=0) for indices in ARCFACE_5_FROM_478])


def ibug_points(points: Float[np.ndarray, "478 C"]) -> Float[np.ndarray, "68 C"]:
    """The 68 iBUG-like points, in the units and the pixel rule of the given ones."""
    return points[list(IBUG_68_FROM_478)]
