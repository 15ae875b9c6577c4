"""Fine things drawn line by line on the face's map: brow hairs, moles, wrinkles, lashes' line."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from face3d.train.synthetic.chart import COARSE, DETAIL, chart_of, texels
from face3d.train.synthetic.heads import open_head
from face3d.train.synthetic.look import Brows, Look

__all__ = ["draw_details"]

_SHIFT = 4
"""Fractional bits of OpenCV's drawing coordinates."""
_BROW_UPPER, _BROW_LOWER = (107, 66, 105, 63, 70), (55, 65, 52, 53, 46)
"""MediaPipe's points along the right brow, from the nose outwards."""
_HAIRS = 170
"""Of one brow at density 1. Real brows have about 250; the map's texels are 0.5 mm."""

# Wrinkles as lines on the mean head's right half or middle, (x, y) in metres; z is looked up. Strength follows.
_LINES: tuple[tuple[str, float, tuple[tuple[float, float], ...]], ...] = (
    ("forehead", 0.9, ((-0.040, 0.043), (-0.02, 0.041), (0.0, 0.043), (0.02, 0.041), (0.040, 0.043))),
    ("forehead", 0.8, ((-0.042, 0.052), (-0.02, 0.050), (0.0, 0.052), (0.02, 0.050), (0.042, 0.052))),
    ("forehead", 0.6, ((-0.036, 0.061), (0.0, 0.061), (0.036, 0.061))),
    ("frown", 0.9, ((-0.006, 0.012), (-0.0065, 0.020), (-0.008, 0.027))),
    ("frown", 0.7, ((0.006, 0.013), (0.0065, 0.020), (0.0075, 0.026))),
    ("crow", 0.8, ((-0.048, 0.000), (-0.054, 0.002), (-0.060, 0.006))),
    ("crow", 0.8, ((-0.048, -0.003), (-0.055, -0.004), (-0.061, -0.003))),
    ("crow", 0.6, ((-0.047, -0.006), (-0.053, -0.010), (-0.058, -0.014))),
    ("crow", 0.8, ((0.048, 0.000), (0.054, 0.002), (0.060, 0.006))),
    ("crow", 0.8, ((0.048, -0.003), (0.055, -0.004), (0.061, -0.003))),
    ("crow", 0.6, ((0.047, -0.006), (0.053, -0.010), (0.058, -0.014))),
    ("bag", 0.6, ((-0.020, -0.012), (-0.030, -0.0165), (-0.042, -0.013))),
    ("bag", 0.6, ((0.020, -0.012), (0.030, -0.0165), (0.042, -0.013))),
    ("fold", 1.0, ((-0.021, -0.043), (-0.026, -0.053), (-0.031, -0.066))),
    ("fold", 1.0, ((0.021, -0.043), (0.026, -0.053), (0.031, -0.066))),
    ("corner", 0.7, ((-0.028, -0.074), (-0.031, -0.083), (-0.032, -0.092))),
    ("corner", 0.7, ((0.028, -0.074), (0.031, -0.083), (0.032, -0.092))),
    ("chin", 0.5, ((-0.012, -0.091), (0.0, -0.089), (0.012, -0.091))),
)


def draw_details(look: Look, rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "D D 3"], Float[np.ndarray, "C C"]]:
    """Draw what is finer than the coarse grid.

    Returns:
        Share of hair, share of dark mark and height of lines (128 level) on the fine grid; and the share of brow on the
        coarse one, which is coloured evenly.
    """
    hair, marks, height = (np.full((DETAIL, DETAIL), level, dtype=np.uint8) for level in (0, 0, 128))
    brow = np.zeros((COARSE, COARSE), dtype=np.uint8)
    for side in (1.0, -1.0):
        _draw_brow(look.brows, side, hair, brow, rng)
    _draw_moles(look, marks, rng)
    if look.skin.lines > 0.05:
        _draw_lines(look.skin.lines, height, rng)
    brow = np.asarray(cv2.GaussianBlur(brow, (0, 0), 1.0), np.uint8)
    shift = rng.integers(0, 64, 2)
    cv2.subtract(height, _pores()[shift[0] : shift[0] + DETAIL, shift[1] : shift[1] + DETAIL], dst=height)
    return np.ascontiguousarray(np.stack([hair, marks, height], axis=2)), brow.astype(np.float32) / 255.0


@lru_cache(maxsize=1)
def _brow_line() -> tuple[np.ndarray, np.ndarray]:
    """Centre line and upward direction of the left brow on the mean head, from the nose outwards, metres."""
    head = open_head()
    points = head.points("mediapipe_478", head.template) * [-1, 1, 1]
    upper, lower = points[list(_BROW_UPPER)], points[list(_BROW_LOWER)]
    centre = 0.5 * (upper + lower)
    steps = np.linspace(0, 4, 33)
    smooth = np.stack([np.interp(steps, range(5), centre[:, k]) for k in range(3)], axis=1)
    for _ in range(6):
        smooth[1:-1] = 0.5 * smooth[1:-1] + 0.25 * (smooth[:-2] + smooth[2:])
    return smooth, steps / 4


def _draw_brow(
    brows: Brows, side: float, hair: UInt8[np.ndarray, "D D"], area: UInt8[np.ndarray, "C C"], rng: np.random.Generator
) -> None:
    line, along = _brow_line()
    line = line.copy()
    line[:, 1] += brows.shift + brows.arch * np.sin(np.pi * np.clip(along * 0.85, 0, 1)) + brows.tilt * along
    half = brows.thickness * np.interp(along, [0.0, 0.12, 0.55, 0.8, 1.0], [0.75, 1.0, 0.95, 0.7, 0.25])

    def place(s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Points at `s` along and `t` half thicknesses across the brow, on the mean head."""
        s = s * brows.length
        point = np.stack([np.interp(s, along, line[:, k]) for k in range(3)], axis=-1)
        past = np.clip(s - 1.0, 0, None)
        point[..., 0] += past * 0.045
        point[..., 1] += t * np.interp(s, along, half) - past * 0.02
        return point * [side, 1, 1]

    count = int(_HAIRS * brows.density)
    s, t = rng.uniform(0.0, 1.0, count), np.clip(rng.normal(0, 0.55, count), -1.05, 1.05)
    # Hairs rise by the nose, then lean outwards, those above the line down and those below it up.
    lean = np.interp(s, [0, 0.15, 0.5, 1.0], [0.35, 0.75, 1.0, 1.0])
    length = rng.uniform(0.10, 0.19, count) * np.interp(s, [0, 0.2, 1], [0.7, 1.0, 0.8])
    rise = np.interp(s, [0, 0.15, 0.5, 1.0], [1.3, 0.8, 0.35, 0.05]) - 0.45 * t
    roots = place(s, t)
    middles = place(s + 0.5 * length * lean, t + 0.35 * rise)
    tips = place(s + length * lean, t + 0.6 * rise)
    lines = texels(chart_of(np.stack([roots, middles, tips], axis=1)), DETAIL)
    values = rng.integers(70, 190, count)
    for polyline, value in zip(np.round(lines * (1 << _SHIFT)).astype(np.int32), values, strict=True):
        cv2.polylines(hair, [polyline], False, int(value), 1, cv2.LINE_AA, _SHIFT)
    outline_s = np.concatenate([np.linspace(0.0, 1.02, 12), np.linspace(1.02, 0.0, 12)])
    outline = place(outline_s, np.repeat([0.85, -0.85], 12))
    corners = np.round(texels(chart_of(outline), COARSE) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(area, [corners], 255, cv2.LINE_AA, _SHIFT)


def _draw_moles(look: Look, marks: UInt8[np.ndarray, "D D"], rng: np.random.Generator) -> None:
    for _ in range(look.skin.moles):
        u, v = rng.uniform(-0.085, 0.085), rng.uniform(-0.09, 0.07)
        centre = texels(np.array([u, v]), DETAIL)
        radius = rng.uniform(0.6, 2.6)
        cv2.circle(
            marks,
            (round(centre[0] * 16), round(centre[1] * 16)),
            round(radius * 16),
            int(rng.integers(60, 220)),
            -1,
            cv2.LINE_AA,
            _SHIFT,
        )


@lru_cache(maxsize=1)
def _surface() -> tuple[np.ndarray, np.ndarray]:
    """Front skin of the mean head, to look up depths."""
    head = open_head()
    used = head.region("face", "forehead") & ~head.region("mouth_interior", "left_eyeball", "right_eyeball")
    front = head.template[used & (head.template[:, 2] > -0.04)]
    return front[:, :2], front[:, 2]


def _on_face(points: np.ndarray) -> np.ndarray:
    """(x, y) on the mean head's front, with the depth of the nearest vertices."""
    places, depths = _surface()
    gap = ((points[:, None] - places[None]) ** 2).sum(axis=2)
    near = np.argsort(gap, axis=1)[:, :3]
    weight = 1.0 / (np.take_along_axis(gap, near, 1) + 1e-8)
    return np.concatenate([points, ((depths[near] * weight).sum(1) / weight.sum(1))[:, None]], axis=1)


@lru_cache(maxsize=1)
def _line_texels() -> tuple[np.ndarray, ...]:
    curves = []
    for _, _, corners in _LINES:
        points = np.array(corners)
        t = np.linspace(0, len(points) - 1, 4 * len(points))
        dense = np.stack([np.interp(t, range(len(points)), points[:, k]) for k in range(2)], axis=1)
        curves.append(texels(chart_of(_on_face(dense)), DETAIL))
    return tuple(curves)


@lru_cache(maxsize=1)
def _pores() -> UInt8[np.ndarray, "P P"]:
    """Depth of the skin's finest relief, a little larger than the fine grid."""
    rng = np.random.default_rng(20261125)
    field = cv2.GaussianBlur(rng.standard_normal((DETAIL + 64, DETAIL + 64), dtype=np.float32), (0, 0), 1.1)
    return np.clip(field / field.std() * 2.0 + 4.0, 0, 12).astype(np.uint8)


def _draw_lines(depth: float, height: UInt8[np.ndarray, "D D"], rng: np.random.Generator) -> None:
    kinds = {name: rng.uniform(0.2, 1.0) for name in dict.fromkeys(name for name, _, _ in _LINES)}
    layer = np.zeros((DETAIL, DETAIL), dtype=np.uint8)
    for (name, strength, _), curve in zip(_LINES, _line_texels(), strict=True):
        value = min(255.0, 200.0 * depth * strength * kinds[name])
        if value < 12:
            continue
        bent = curve + rng.normal(0, 1.5, 2) + np.cumsum(rng.normal(0, 0.35, curve.shape), axis=0)
        cv2.polylines(layer, [np.round(bent * 16).astype(np.int32)], False, int(value), 1, cv2.LINE_AA, _SHIFT)
    layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), 1.5), np.uint8)
    np.subtract(height, np.minimum(layer, 120), out=height)
