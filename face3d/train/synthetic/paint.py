"""A look painted on the face's map, once per person: broad colour on the coarse grid, hairs and lines on the fine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from face3d.render.compiled import compiled
from face3d.train.synthetic.chart import COARSE, ZONES, face_chart, noise_fields
from face3d.train.synthetic.hair import AZIMUTHS
from face3d.train.synthetic.look import Look
from face3d.train.synthetic.skin import BLOOD_RANGE, MELANIN_RANGE, skin_table
from face3d.train.synthetic.strokes import draw_details

__all__ = ["PaintedLook", "paint_look"]


class _Amounts(NamedTuple):
    """What of a look decides the coarse map; see `look.Skin`, `look.MakeUp`, `look.Beard`, `hair.Hair`."""

    melanin: float
    blood: float
    melanin_patches: float
    blood_patches: float
    tan: float
    freckles: float
    age_spots: float
    under_eye: float
    lids: float
    lip_blood: float
    lip_melanin: float
    pores: float
    cheeks: float
    nose: float
    ears: float
    chin: float
    blush: float
    cover: float
    lipstick: float
    lid_paint: float
    lip_gloss: float
    beard_shadow: float
    moustache: float
    beard_cheeks: float
    beard_chin: float
    beard_density: float
    hair: float
    hair_edge: float
    brow_fill: float


@dataclass(frozen=True, slots=True, eq=False)
class PaintedLook:
    """A look, ready to be drawn.

    Attributes:
        look: what was painted.
        coarse: (C, C, 6) linear RGB albedo, strength of highlights, share of lips, share of brow.
        detail: (D, D, 3) share of hair, share of dark mark, height of lines (128 level).
        throat: (3,) linear RGB of the neck's skin.
    """

    look: Look
    coarse: Float[np.ndarray, "C C 6"]
    detail: UInt8[np.ndarray, "D D 3"]
    throat: Float[np.ndarray, " 3"]


def paint_look(look: Look) -> PaintedLook:
    """Paint; the same look gives the same bits."""
    rng = np.random.default_rng(look.seed)
    chart, noise = face_chart(), noise_fields()
    detail, brow = draw_details(look, rng)
    coarse = np.zeros((COARSE, COARSE, 6), dtype=np.float32)
    shifts = rng.integers(0, noise.shape[1], (6, 2))
    skin, up, beard, hair = look.skin, look.make_up, look.beard, look.hair
    amounts = _Amounts(
        skin.melanin, skin.blood, *skin.patches, skin.tan, skin.freckles, skin.age_spots, skin.under_eye, skin.lids,
        skin.lip_blood, skin.lip_melanin, skin.pores, *skin.flush, up.blush, up.cover, up.lips, up.lids, up.lip_gloss,
        beard.shadow, beard.moustache, beard.cheeks, beard.chin, beard.density,
        0.0 if hair.is_cloth else hair.cover, hair.edge, look.brows.fill,
    )  # fmt: skip
    amounts = _Amounts(*(float(value) for value in amounts))
    colours = np.stack([up.lip_colour, up.lid_colour, beard.colour, hair.colour, look.brows.colour])
    lines = np.stack([hair.line, hair.upper])
    _paint_coarse(
        chart.zones,
        _heights(),
        chart.azimuth,
        noise,
        shifts,
        skin_table(),
        amounts,
        colours,
        lines,
        brow,
        chart.near,
        coarse,
    )
    if beard.density > 0:
        _grow_stubble(
            detail, chart.zones[_BEARD], chart.zones[_MOUSTACHE], _chin_weight(), noise[3], shifts[0], amounts
        )
    return PaintedLook(look, coarse, detail, coarse[_throat_texels()][:, :3].mean(axis=0).astype(np.float64))


@lru_cache(maxsize=1)
def _throat_texels() -> tuple[np.ndarray, np.ndarray]:
    """Some texels of the neck."""
    rows, columns = np.nonzero((face_chart().zones[_NECK] > 0.6) & face_chart().covered)
    return rows[::7], columns[::7]


@lru_cache(maxsize=1)
def _heights() -> Float[np.ndarray, "C C"]:
    return np.ascontiguousarray(face_chart().rest[..., 1], dtype=np.float32)


@lru_cache(maxsize=1)
def _chin_weight() -> Float[np.ndarray, "C C"]:
    """1 on chin and around the mouth, 0 on the cheeks."""
    x = np.abs(face_chart().rest[..., 0])
    t = np.clip((0.034 - x) / 0.012, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


_ZONE = {name: number for number, name in enumerate(ZONES)}
_CHEEK, _NOSE, _EAR, _FOREHEAD, _CHIN = (_ZONE[name] for name in ("cheek", "nose_tip", "ear", "forehead", "chin"))
_UNDER, _LID, _MOUSTACHE, _BEARD = (_ZONE[name] for name in ("under_eye", "upper_lid", "moustache", "beard"))
_NECK, _LIPS, _SUN = (_ZONE[name] for name in ("neck", "lips", "sun"))
_M0, _MSCALE = float(np.log(MELANIN_RANGE[0])), 95.0 / float(np.log(MELANIN_RANGE[1] / MELANIN_RANGE[0]))
_B0, _BSCALE = float(np.log(BLOOD_RANGE[0])), 95.0 / float(np.log(BLOOD_RANGE[1] / BLOOD_RANGE[0]))
_STEP = float(AZIMUTHS[1] - AZIMUTHS[0])


@compiled
def _ramp(value, low, high):  # type: ignore[no-untyped-def]
    t = (value - low) / (high - low)
    t = min(max(t, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@compiled
def _paint_coarse(zones, heights, azimuths, noise, shifts, table, amounts, colours, lines, brow, painted, coarse):  # type: ignore[no-untyped-def]
    size, wrap = coarse.shape[0], noise.shape[1] - 1
    log_melanin, log_blood = math.log(amounts.melanin), math.log(amounts.blood)
    for row in range(size):
        for column in range(size):
            if not painted[row, column]:
                continue
            broad = noise[0, (row + shifts[0, 0]) & wrap, (column + shifts[0, 1]) & wrap]
            middle = noise[1, (row + shifts[1, 0]) & wrap, (column + shifts[1, 1]) & wrap]
            small = noise[2, (row + shifts[2, 0]) & wrap, (column + shifts[2, 1]) & wrap]
            fine = noise[3, (row + shifts[3, 0]) & wrap, (column + shifts[3, 1]) & wrap]
            broad_b = noise[0, (row + shifts[4, 0]) & wrap, (column + shifts[4, 1]) & wrap]
            middle_b = noise[1, (row + shifts[5, 0]) & wrap, (column + shifts[5, 1]) & wrap]
            even = 1.0 - 0.7 * amounts.cover
            sun, lips, below, lid = (
                zones[_SUN, row, column],
                zones[_LIPS, row, column],
                zones[_UNDER, row, column],
                zones[_LID, row, column],
            )
            m = (
                log_melanin
                + even * amounts.melanin_patches * (broad + 0.6 * middle)
                + amounts.tan * (sun - 0.4 * zones[_NECK, row, column])
            )
            b = log_blood + even * amounts.blood_patches * (broad_b + 0.7 * middle_b + 0.3 * small)
            b += (
                even
                * (
                    amounts.cheeks * zones[_CHEEK, row, column] * (1.0 + 0.25 * middle_b)
                    + amounts.nose * zones[_NOSE, row, column]
                    + amounts.ears * zones[_EAR, row, column]
                    + amounts.chin * zones[_CHIN, row, column]
                )
                + 0.5 * amounts.blush * zones[_CHEEK, row, column]
            )
            if amounts.freckles > 0.0:
                m += (
                    0.9
                    * amounts.freckles
                    * _ramp(small + 0.25 * middle, 1.6 - 0.9 * amounts.freckles, 2.6)
                    * min(1.0, sun * 1.5)
                    * even
                )
            if amounts.age_spots > 0.0:
                m += 0.30 * amounts.age_spots * _ramp(small + 0.3 * middle_b, 2.3 - 0.5 * amounts.age_spots, 3.0) * even
            m += (0.45 * amounts.under_eye * below + amounts.lids * lid * 0.4) * even
            b += (0.7 * amounts.under_eye * below + amounts.lids * lid * 0.8) * even
            m = m * (1.0 - lips) + lips * (log_melanin + math.log(amounts.lip_melanin) + 0.05 * small)
            b = b * (1.0 - lips) + lips * (math.log(amounts.lip_blood) + 0.12 * small + 0.1 * middle_b)
            i = min(max((m - _M0) * _MSCALE, 0.0), 94.999)
            j = min(max((b - _B0) * _BSCALE, 0.0), 94.999)
            i0, j0 = int(i), int(j)
            fi, fj = i - i0, j - j0
            grain = 1.0 + amounts.pores * fine + 0.6 * amounts.pores * small
            # Above the hairline, below which skin is bare.
            angle = azimuths[row, column] / _STEP
            k = min(int(angle), lines.shape[1] - 2)
            t = angle - k
            lower = lines[0, k] * (1 - t) + lines[0, k + 1] * t
            upper = lines[1, k] * (1 - t) + lines[1, k + 1] * t
            y = heights[row, column]
            above = min(y - lower, upper - y) + amounts.hair_edge * (0.55 * small + 0.5 * fine)
            cover = (
                amounts.hair
                * _ramp(above, -amounts.hair_edge, 2.5 * amounts.hair_edge)
                * (1.0 - zones[_EAR, row, column])
            )
            whiskers = amounts.beard_shadow * max(
                zones[_MOUSTACHE, row, column] * amounts.moustache,
                zones[_BEARD, row, column]
                * (
                    amounts.beard_cheeks
                    + (amounts.beard_chin - amounts.beard_cheeks) * max(zones[_CHIN, row, column], 0.0)
                ),
            )
            whiskers *= 1.0 + 0.15 * middle
            for channel in range(3):
                value = (
                    table[i0, j0, channel] * (1 - fi) * (1 - fj)
                    + table[i0 + 1, j0, channel] * fi * (1 - fj)
                    + table[i0, j0 + 1, channel] * (1 - fi) * fj
                    + table[i0 + 1, j0 + 1, channel] * fi * fj
                ) * grain
                value += (0.42 * value + 0.25 * colours[2, channel] - value) * min(whiskers, 0.9)
                value += (colours[0, channel] - value) * amounts.lipstick * lips
                value += (colours[1, channel] - value) * amounts.lid_paint * min(1.0, 1.3 * lid)
                value += (colours[4, channel] - value) * amounts.brow_fill * brow[row, column]
                value += (colours[3, channel] * (1.0 + 0.25 * fine) - value) * cover
                coarse[row, column, channel] = max(value, 0.002)
            shine = 0.75 + 0.5 * zones[_FOREHEAD, row, column] + 0.6 * zones[_NOSE, row, column]
            shine += 0.3 * zones[_CHEEK, row, column]
            shine += lips * (0.1 + 1.5 * amounts.lip_gloss)
            coarse[row, column, 3] = shine * (1.0 - 0.85 * cover) * (1.0 + 0.15 * small)
            coarse[row, column, 4] = lips
            coarse[row, column, 5] = brow[row, column]


@compiled
def _grow_stubble(detail, beard, moustache, chin, noise, shift, amounts):  # type: ignore[no-untyped-def]
    """Single hairs of the lower face: each fine texel bears one or not."""
    factor, wrap = detail.shape[0] // beard.shape[0], noise.shape[0] - 1
    for row in range(beard.shape[0]):
        for column in range(beard.shape[1]):
            share = (
                max(
                    moustache[row, column] * amounts.moustache,
                    beard[row, column]
                    * (amounts.beard_cheeks + (amounts.beard_chin - amounts.beard_cheeks) * chin[row, column]),
                )
                * amounts.beard_density
            )
            if share > 0.02:
                for down in range(factor):
                    for right in range(factor):
                        y, x = factor * row + down, factor * column + right
                        draw = noise[(y + shift[0]) & wrap, (5 * x + shift[1]) & wrap]
                        hair = _ramp(draw, 1.5 - 2.4 * share, 2.9 - 2.4 * share) * min(1.0, 0.40 + 0.6 * share)
                        detail[y, x, 0] = max(detail[y, x, 0], np.uint8(235.0 * hair))
