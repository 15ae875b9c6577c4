"""A flat map of the head's skin that all identities share, and what is known about the face at each place of it.

The map is Lambert's equal-area projection of the directions from the middle of the mean head, the face in its centre:
u to the subject's left, v up, in metres near the face. Looks are painted on it once per person (`paint.py`), fine
things (brow hairs, moles, wrinkles) on a finer grid than broad ones (tone, blood).

Dimension letters: V vertices, N points, C coarse and D detail grid size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import binary_dilation, gaussian_filter

from face3d.render.rasterize_numba import interpolate_attributes, rasterize_camera
from face3d.train.synthetic.heads import OpenHead, open_head

__all__ = ["COARSE", "DETAIL", "EXTENT", "NOISE_SIZE", "FaceChart", "chart_of", "face_chart", "noise_fields"]

COARSE, DETAIL = 320, 640
"""Texels each way: one is about 1.2 mm of brow and cheek on the coarse grid, 0.6 mm on the detail grid."""
EXTENT = 0.163
"""Half the width of the map in metres: it reaches 130 degrees away from straight ahead."""
NOISE_SIZE = 512

_CENTRE = np.array([0.0, -0.010, -0.060])
"""Of projection, metres in the head frame: from here the mean head's skin can be seen almost everywhere."""
_RADIUS = 0.090

_LIP_BORDER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
"""MediaPipe's landmarks around the red of the lips."""

ZONES = (
    "cheek",
    "nose_tip",
    "ear",
    "forehead",
    "chin",
    "under_eye",
    "upper_lid",
    "moustache",
    "beard",
    "neck",
    "lips",
    "sun",
)
"""Soft masks over the map, 0 to 1, in this order in `FaceChart.zones`."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceChart:
    """The map of the mean head.

    Attributes:
        uv: (V, 2) place of each vertex on the map, metres.
        rest: (C, C, 3) rest coordinates of the coarse texels, metres, head frame.
        covered: (C, C) which texels show skin; `near`: those and the ones around, which blends may reach.
        zones: (Z, C, C) see `ZONES`.
        azimuth: (C, C) degrees around the head's vertical axis, 0 in front, without sign.
    """

    uv: Float[np.ndarray, "V 2"]
    rest: Float[np.ndarray, "C C 3"]
    covered: Bool[np.ndarray, "C C"]
    near: Bool[np.ndarray, "C C"]
    zones: Float[np.ndarray, "Z C C"]
    azimuth: Float[np.ndarray, "C C"]


def chart_of(points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 2"]:
    """Places on the map of rest coordinates of the mean head (metres, head frame)."""
    arm = np.asarray(points, dtype=np.float64) - _CENTRE
    arm /= np.linalg.norm(arm, axis=-1, keepdims=True)
    # 2 sin(angle / 2) / sin(angle) = 1 / cos(angle / 2)
    stretch = 1.0 / np.sqrt(np.maximum((1.0 + arm[..., 2]) / 2.0, 1e-3))
    return _RADIUS * arm[..., :2] * stretch[..., None]


def texels(uv: Float[np.ndarray, "*N 2"], size: int) -> Float[np.ndarray, "*N 2"]:
    """Column and row on a grid of `size`, whose first texel has its centre at (0, 0); rows go down."""
    scale = size / (2 * EXTENT)
    return np.stack([(uv[..., 0] + EXTENT) * scale - 0.5, (EXTENT - uv[..., 1]) * scale - 0.5], axis=-1)


@lru_cache(maxsize=1)
def face_chart() -> FaceChart:
    """The map of the open head, made once."""
    head = open_head()
    uv = chart_of(head.template)
    rest, covered = _rest_of_texels(head, uv)
    return FaceChart(
        uv=uv,
        rest=rest,
        covered=covered,
        near=binary_dilation(covered, iterations=3),
        zones=_zones(head, rest).astype(np.float32),
        azimuth=np.degrees(np.abs(np.arctan2(rest[..., 0], rest[..., 2] + 0.075))).astype(np.float32),
    )


@lru_cache(maxsize=1)
def noise_fields() -> Float[np.ndarray, "4 N N"]:
    """Periodic noise of unit variance: patches of about 100, 30 and 10 texels, and single texels, float32."""
    rng = np.random.default_rng(20261124)
    fields = []
    for width in (24.0, 8.0, 2.5, 0.6):
        field = gaussian_filter(rng.standard_normal((NOISE_SIZE, NOISE_SIZE)), width, mode="wrap")
        fields.append((field - field.mean()) / field.std())
    return np.stack(fields).astype(np.float32)


def _paint_vertices(
    head: OpenHead, uv: Float[np.ndarray, "V 2"], skin: np.ndarray, values: Float[np.ndarray, "V K"]
) -> tuple[np.ndarray, np.ndarray]:
    """Values of the outermost surface at each coarse texel, and where there is any; `skin`: which vertices count."""
    corners = uv[head.triangles]
    # Behind the head the map is torn open: triangles across the tear would cover all of it.
    whole = np.ptp(corners, axis=1).max(axis=1) < 0.08
    triangles = head.triangles[skin[head.triangles].all(axis=1) & whole]
    far = 10.0 - np.linalg.norm(head.template - _CENTRE, axis=1)
    place = texels(uv, COARSE) + 0.5
    around = np.concatenate([place * far[:, None], far[:, None]], axis=1)
    fragments = rasterize_camera(around, triangles, np.eye(3), (COARSE, COARSE), threads=1)
    return interpolate_attributes(fragments, triangles, values).astype(np.float64), fragments.face_id >= 0


def _rest_of_texels(head: OpenHead, uv: Float[np.ndarray, "V 2"]) -> tuple[np.ndarray, np.ndarray]:
    """Rest coordinates of the outermost skin at each coarse texel, and where there is any."""
    skin = ~head.region("mouth_interior", "tongue", "left_eyeball", "right_eyeball")
    rest, covered = _paint_vertices(head, uv, skin, head.template)
    # Eye and mouth openings: the sphere of the places around, so that soft masks run on through.
    column, row = np.meshgrid(np.arange(COARSE), np.arange(COARSE))
    u = (column + 0.5) * (2 * EXTENT / COARSE) - EXTENT
    v = EXTENT - (row + 0.5) * (2 * EXTENT / COARSE)
    sine = np.minimum(np.hypot(u, v) / (2 * _RADIUS), 1.0)
    flat = np.sqrt(1 - sine**2)
    sphere = np.stack([u / _RADIUS * flat, v / _RADIUS * flat, 1 - 2 * sine**2], axis=-1) * 0.095 + _CENTRE
    rest[~covered] = sphere[~covered]
    return rest, covered


def _zones(head: OpenHead, rest: Float[np.ndarray, "C C 3"]) -> Float[np.ndarray, "Z C C"]:
    x, y, z = np.abs(rest[..., 0]), rest[..., 1], rest[..., 2]

    def blob(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return np.exp(-(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)) * (z > -0.06)

    lips = _lip_mask(head)
    beard = _step(-y, 0.035 + 0.028 * _step(-x, -0.058, -0.045), 0.062 + 0.028 * _step(-x, -0.058, -0.045))
    beard *= _step(z, -0.075, -0.05) * _step(y, -0.150, -0.125)
    # Free skin beside the mouth and on the cheek bones; sideburns reach up in front of the ear.
    beard = np.maximum(beard, _step(x, 0.060, 0.066) * _step(-y, -0.005, 0.02) * _step(z, -0.072, -0.066) * (y > -0.12))
    moustache = blob(0.009, -0.0575, 0.014, 0.0065) * _step(-y, 0.0495, 0.0525)
    masks = {
        "cheek": blob(0.040, -0.032, 0.017, 0.017),
        "nose_tip": blob(0.0, -0.038, 0.014, 0.011),
        "ear": _step(x, 0.069, 0.074) * _step(-z, 0.055, 0.065) * (y > -0.062) * (y < 0.012),
        "forehead": blob(0.0, 0.045, 0.045, 0.022),
        "chin": blob(0.0, -0.100, 0.016, 0.011),
        "under_eye": blob(0.030, -0.0135, 0.013, 0.0055),
        "upper_lid": blob(0.032, 0.010, 0.016, 0.0065) * (y > 0.002),
        "moustache": np.clip(1.5 * moustache, 0, 1),
        "beard": np.clip(beard, 0, 1) * (1 - lips),
        "neck": _step(-y, 0.105, 0.125) * _step(-z, 0.0, 0.02),
        "lips": lips,
        "sun": np.clip(
            blob(0.0, -0.025, 0.016, 0.02) + blob(0.042, -0.025, 0.02, 0.018) + blob(0, 0.05, 0.05, 0.02), 0, 1
        ),
    }
    return np.stack([masks[name] for name in ZONES])


def _lip_mask(head: OpenHead) -> Float[np.ndarray, "C C"]:
    """The red of the lips on the coarse grid, within the border that a landmark detector sees."""
    border = head.points("mediapipe_478", head.template)[list(_LIP_BORDER)]
    corners = texels(chart_of(border), 4 * COARSE)
    filled = np.zeros((4 * COARSE, 4 * COARSE), dtype=np.uint8)
    cv2.fillPoly(filled, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    lips = cv2.resize(filled, (COARSE, COARSE), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    return gaussian_filter(lips, 0.7)


def _step(value: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
