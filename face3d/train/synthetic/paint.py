"""A look painted on the face's map, once per person: broad colour on the coarse grid, hairs and lines on the fine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8

from face3d.render.compiled import compiled
from face3d.train.synthetic.chart import COARSE, ZONES, face_chart, noise_fields
from face3d.train.synthetic.hair import AZIMUTHS
from face3d.train.synthetic.look import Look
from face3d.train.synthetic.skin import BLOOD_RANGE, MELANIN_RANGE, skin_table
from face3d.train.synthetic.strokes import draw_details

__all__ = ["PaintedLook", "paint_look"]


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
    amounts = np.array(
        [
            skin.melanin, skin.blood, *skin.patches, skin.tan, skin.freckles, skin.age_spots, skin.under_eye, skin.lids,
            skin.lip_blood, skin.lip_melanin, skin.pores, *skin.flush, up.blush, up.cover, up.lips, up.lids,
            beard.shadow, beard.moustache, beard.cheeks, beard.chin, beard.density,
            hair.cover if not hair.is_cloth else 0.0, hair.edge, up.lip_gloss, look.brows.fill,
        ],
        dtype=np.float64,
    )  # fmt: skip
    colours = np.stack([up.lip_colour, up.lid_colour, beard.colour, hair.colour, look.brows.colour])
    lines = np.stack([hair.line, hair.upper])
    _paint_coarse(
        chart.zones, _heights(), chart.azimuth, noise, shifts, skin_table(), amounts, colours, lines, brow, coarse
    )
    if beard.density > 0:
        _grow_stubble(
            detail, chart.zones[_BEARD], chart.zones[_MOUSTACHE], _chin_weight(), noise[3], shifts[0], amounts[20:25]
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
def _paint_coarse(zones, heights, azimuths, noise, shifts, table, amounts, colours, lines, brow, coarse):  # type: ignore[no-untyped-def]
    (melanin, blood, patch_m, patch_b, tan, freckles, spots, under, lids, lip_blood, lip_melanin, pores) = (
        amounts[0], amounts[1], amounts[2], amounts[3], amounts[4], amounts[5], amounts[6], amounts[7], amounts[8],
        amounts[9], amounts[10], amounts[11],
    )  # fmt: skip
    size, wrap = coarse.shape[0], noise.shape[1] - 1
    log_melanin, log_blood = np.log(melanin), np.log(blood)
    for row in range(size):
        for column in range(size):
            broad = noise[0, (row + shifts[0, 0]) & wrap, (column + shifts[0, 1]) & wrap]
            middle = noise[1, (row + shifts[1, 0]) & wrap, (column + shifts[1, 1]) & wrap]
            small = noise[2, (row + shifts[2, 0]) & wrap, (column + shifts[2, 1]) & wrap]
            fine = noise[3, (row + shifts[3, 0]) & wrap, (column + shifts[3, 1]) & wrap]
            broad_b = noise[0, (row + shifts[4, 0]) & wrap, (column + shifts[4, 1]) & wrap]
            middle_b = noise[1, (row + shifts[5, 0]) & wrap, (column + shifts[5, 1]) & wrap]
            even = 1.0 - 0.7 * amounts[17]
            sun, lips, below, lid = (
                zones[_SUN, row, column],
                zones[_LIPS, row, column],
                zones[_UNDER, row, column],
                zones[_LID, row, column],
            )
            m = log_melanin + even * patch_m * (broad + 0.6 * middle) + tan * (sun - 0.4 * zones[_NECK, row, column])
            b = log_blood + even * patch_b * (broad_b + 0.7 * middle_b + 0.3 * small)
            b += (
                even
                * (
                    amounts[12] * zones[_CHEEK, row, column] * (1.0 + 0.25 * middle_b)
                    + amounts[13] * zones[_NOSE, row, column]
                    + amounts[14] * zones[_EAR, row, column]
                    + amounts[15] * zones[_CHIN, row, column]
                )
                + 0.5 * amounts[16] * zones[_CHEEK, row, column]
            )
            if freckles > 0.0:
                m += (
                    0.9
                    * freckles
                    * _ramp(small + 0.25 * middle, 1.6 - 0.9 * freckles, 2.6)
                    * min(1.0, sun * 1.5)
                    * even
                )
            if spots > 0.0:
                m += 0.30 * spots * _ramp(small + 0.3 * middle_b, 2.3 - 0.5 * spots, 3.0) * even
            m += (0.45 * under * below + lids * lid * 0.4) * even
            b += (0.7 * under * below + lids * lid * 0.8) * even
            m = m * (1.0 - lips) + lips * (log_melanin + np.log(lip_melanin) + 0.05 * small)
            b = b * (1.0 - lips) + lips * (np.log(lip_blood) + 0.12 * small + 0.1 * middle_b)
            i = min(max((m - _M0) * _MSCALE, 0.0), 94.999)
            j = min(max((b - _B0) * _BSCALE, 0.0), 94.999)
            i0, j0 = int(i), int(j)
            fi, fj = i - i0, j - j0
            grain = 1.0 + pores * fine + 0.6 * pores * small
            # Above the hairline, below which skin is bare.
            angle = azimuths[row, column] / _STEP
            k = min(int(angle), lines.shape[1] - 2)
            t = angle - k
            lower = lines[0, k] * (1 - t) + lines[0, k + 1] * t
            upper = lines[1, k] * (1 - t) + lines[1, k + 1] * t
            y = heights[row, column]
            above = min(y - lower, upper - y) + amounts[26] * (0.55 * small + 0.5 * fine)
            cover = amounts[25] * _ramp(above, -amounts[26], 2.5 * amounts[26]) * (1.0 - zones[_EAR, row, column])
            whiskers = amounts[20] * max(
                zones[_MOUSTACHE, row, column] * amounts[21],
                zones[_BEARD, row, column] * (amounts[22] + (amounts[23] - amounts[22]) * max(zones[_CHIN, row, column], 0.0)),
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
                value += (colours[0, channel] - value) * amounts[18] * lips
                value += (colours[1, channel] - value) * amounts[19] * min(1.0, 1.3 * lid)
                value += (colours[4, channel] - value) * amounts[28] * brow[row, column]
                value += (colours[3, channel] * (1.0 + 0.25 * fine) - value) * cover
                coarse[row, column, channel] = max(value, 0.002)
            shine = 0.75 + 0.5 * zones[_FOREHEAD, row, column] + 0.6 * zones[_NOSE, row, column] + 0.3 * zones[_CHEEK, row, column]
            shine += lips * (0.1 + 1.5 * amounts[27])
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
                    moustache[row, column] * amounts[1],
                    beard[row, column] * (amounts[2] + (amounts[3] - amounts[2]) * chin[row, column]),
                )
                * amounts[4]
            )
            if share > 0.02:
                for down in range(factor):
                    for right in range(factor):
                        y, x = factor * row + down, factor * column + right
                        draw = noise[(y + shift[0]) & wrap, (5 * x + shift[1]) & wrap]
                        hair = _ramp(draw, 1.5 - 2.4 * share, 2.9 - 2.4 * share) * min(1.0, 0.40 + 0.6 * share)
                        detail[y, x, 0] = max(detail[y, x, 0], np.uint8(235.0 * hair))
