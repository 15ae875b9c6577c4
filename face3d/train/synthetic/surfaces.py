"""Compiled: what each kind of surface looks like at one point, lit. Each returns or has one class of the segmentation.

Whoever changes this must touch `shade.py` too: the machine code kept on disk for a module does not know of changes in
another.
"""

from __future__ import annotations

import math

from face3d.render.compiled import compiled
from face3d.train.synthetic.kinds import (
    BROW_CLASS,
    CLOTH,
    CLOTH_CLASS,
    FRAME,
    GLASSES_CLASS,
    HAIR,
    HAIR_CLASS,
    LIPS_CLASS,
    MOUTH,
    MOUTH_CLASS,
    OTHER_CLASS,
    SKIN_CLASS,
    TEETH,
)
from face3d.train.synthetic.lighting import irradiance, lit, smooth

__all__ = ["eye_point", "plain_point", "skin_point", "strand_shade"]


@compiled
def skin_point(values, sight, face_frame, coarse, detail, person, light, albedo, colour):  # type: ignore[no-untyped-def]
    """Skin, brows, lips and what is painted on them. Returns the class."""
    size, fine = coarse.shape[0], detail.shape[0]
    u = min(max(values[6], 0.0), size - 1.001)
    v = min(max(values[7], 0.0), size - 1.001)
    i, j = int(v), int(u)
    fv, fu = v - i, u - j
    w00, w01, w10, w11 = (1 - fv) * (1 - fu), (1 - fv) * fu, fv * (1 - fu), fv * fu
    for channel in range(3):
        albedo[channel] = (
            w00 * coarse[i, j, channel] + w01 * coarse[i, j + 1, channel]
            + w10 * coarse[i + 1, j, channel] + w11 * coarse[i + 1, j + 1, channel]
        )  # fmt: skip
    shine = (
        w00 * coarse[i, j, 3] + w01 * coarse[i, j + 1, 3] + w10 * coarse[i + 1, j, 3] + w11 * coarse[i + 1, j + 1, 3]
    )
    lips = w00 * coarse[i, j, 4] + w01 * coarse[i, j + 1, 4] + w10 * coarse[i + 1, j, 4] + w11 * coarse[i + 1, j + 1, 4]
    brow = w00 * coarse[i, j, 5] + w01 * coarse[i, j + 1, 5] + w10 * coarse[i + 1, j, 5] + w11 * coarse[i + 1, j + 1, 5]
    ratio = fine / size
    p = min(max((v + 0.5) * ratio - 0.5, 0.0), fine - 1.001)
    q = min(max((u + 0.5) * ratio - 0.5, 0.0), fine - 1.001)
    i, j = int(p), int(q)
    fv, fu = p - i, q - j
    w00, w01, w10, w11 = (1 - fv) * (1 - fu), (1 - fv) * fu, fv * (1 - fu), fv * fu
    hair = (
        w00 * detail[i, j, 0] + w01 * detail[i, j + 1, 0] + w10 * detail[i + 1, j, 0] + w11 * detail[i + 1, j + 1, 0]
    ) / 255.0
    mark = (
        w00 * detail[i, j, 1] + w01 * detail[i, j + 1, 1] + w10 * detail[i + 1, j, 1] + w11 * detail[i + 1, j + 1, 1]
    ) / 255.0
    h00, h01 = detail[i, j, 2] / 255.0, detail[i, j + 1, 2] / 255.0
    h10, h11 = detail[i + 1, j, 2] / 255.0, detail[i + 1, j + 1, 2] / 255.0
    slope_u = (1 - fv) * (h01 - h00) + fv * (h11 - h10)
    slope_v = -((1 - fu) * (h10 - h00) + fu * (h11 - h01))
    level = w00 * h00 + w01 * h01 + w10 * h10 + w11 * h11 - 128.0 / 255.0
    normal = (
        values[0] - person.bump * (slope_u * face_frame[0] + slope_v * face_frame[3]),
        values[1] - person.bump * (slope_u * face_frame[1] + slope_v * face_frame[4]),
        values[2] - person.bump * (slope_u * face_frame[2] + slope_v * face_frame[5]),
    )
    length = math.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2) + 1e-12
    normal = (normal[0] / length, normal[1] / length, normal[2] / length)
    upper = v < 0.48 * size
    lash = min(values[11] * person.lashes, 1.0)
    for channel in range(3):
        albedo[channel] *= (1.0 - 0.72 * mark) * (1.0 + 0.6 * min(level, 0.0))
        of_hair = person.brow[channel] if upper else person.beard[channel]
        albedo[channel] += (of_hair - albedo[channel]) * hair
        albedo[channel] += (0.15 * person.brow[channel] - albedo[channel]) * lash
    gloss = person.gloss * shine * (1.0 - 0.7 * max(hair, lash))
    lit(normal, sight, values, albedo, gloss, person.roughness * (1.0 - 0.15 * lips), light, colour)
    if lips > 0.5:
        return LIPS_CLASS
    if brow > 0.45:
        return BROW_CLASS
    return SKIN_CLASS


@compiled
def eye_point(values, sight, turn, eyes, light, albedo, normal, colour):  # type: ignore[no-untyped-def]
    """An eyeball: white, iris, pupil, the cornea's mirror."""
    x, y, z = values[8], values[9], values[10]
    radius = math.hypot(x, y) if z > 0.0 else 1.0
    iris_radius, pupil_radius, ring, veins = eyes.iris_radius, eyes.pupil_radius, eyes.ring, eyes.veins
    inside = 1.0 - smooth(radius, iris_radius - 0.00035, iris_radius + 0.00035)
    pupil = 1.0 - smooth(radius, pupil_radius - 0.0002, pupil_radius + 0.0002)
    angle = math.atan2(y, x)
    rays = (
        1.0
        + 0.16 * math.sin(angle * eyes.rays + eyes.phase)
        + 0.12 * math.sin(angle * (eyes.rays * 0.43 // 1.0) - 2 * eyes.phase)
    )
    edge = math.exp(-(((radius - iris_radius) / 0.0009) ** 2))
    near = math.exp(-(((radius - pupil_radius) / 0.0014) ** 2))
    redness = veins * smooth(math.hypot(x, y), iris_radius * 1.05, 0.0118)
    for channel in range(3):
        white = eyes.sclera[channel] * (1.0 - redness * (0.1 if channel == 0 else 0.55))
        iris = eyes.iris[channel] * rays
        iris += (eyes.centre[channel] - iris) * 0.7 * near
        iris *= 1.0 - ring * edge
        albedo[channel] = white + (iris - white) * inside
        albedo[channel] += (0.004 - albedo[channel]) * pupil
    length = math.sqrt(values[0] ** 2 + values[1] ** 2 + values[2] ** 2) + 1e-12
    for axis in range(3):
        normal[axis] = values[axis] / length
    # Light scatters in the white and in the iris: nearly the same all over.
    flat = (
        0.75 * normal[0] + 0.25 * turn[0, 2],
        0.75 * normal[1] + 0.25 * turn[1, 2],
        0.75 * normal[2] + 0.25 * turn[2, 2],
    )
    length = math.sqrt(flat[0] ** 2 + flat[1] ** 2 + flat[2] ** 2) + 1e-12
    flat = (flat[0] / length, flat[1] / length, flat[2] / length)
    lit(flat, sight, values, albedo, 0.0, 0.5, light, colour)
    # The cornea is a sphere of 7.8 mm about a point 5.6 mm before the eye's centre (Gullstrand's eye).
    if z > 0.0 and radius < 0.0066:
        cx, cy = x / 0.0078, y / 0.0078
        cz = math.sqrt(max(1.0 - cx * cx - cy * cy, 0.0))
        bulge = (
            turn[0, 0] * cx + turn[0, 1] * cy + turn[0, 2] * cz,
            turn[1, 0] * cx + turn[1, 1] * cy + turn[1, 2] * cz,
            turn[2, 0] * cx + turn[2, 1] * cy + turn[2, 2] * cz,
        )
    else:
        bulge = (normal[0], normal[1], normal[2])
    coefficients, lamps = light
    facing = bulge[0] * sight[0] + bulge[1] * sight[1] + bulge[2] * sight[2]
    mirror = (2 * facing * bulge[0] - sight[0], 2 * facing * bulge[1] - sight[1], 2 * facing * bulge[2] - sight[2])
    for channel in range(3):
        reached = min(values[3 + channel], 1.0)
        colour[channel] += 0.02 * reached * max(irradiance(mirror[0], mirror[1], mirror[2], coefficients, channel), 0.0)
    for lamp in range(lamps.shape[0]):
        cosine = mirror[0] * lamps[lamp, 0] + mirror[1] * lamps[lamp, 1] + mirror[2] * lamps[lamp, 2]
        glint = smooth(cosine, 0.975, 0.990) * 1.6
        for channel in range(3):
            colour[channel] += glint * lamps[lamp, 3 + channel] * min(2.0 * values[3 + channel], 1.0)


@compiled
def strand_shade(across, along, noise, contrast, curl):  # type: ignore[no-untyped-def]
    """Brightness of hair at strand coordinates in metres: streaks along, or knots where it curls."""
    wrap = noise.shape[1] - 1
    if curl > 0.2:
        column, row = int(across * 900.0 + 8192.0) & wrap, int(along * 900.0 + 8192.0) & wrap
        return max(0.12, 1.0 + (contrast + 0.35) * (0.7 * noise[2, column, row] + 0.5 * noise[3, column, row]))
    column, row = int(across * 3400.0 + 8192.0) & wrap, int(along * 150.0 + 8192.0) & wrap
    fine = noise[2, column, row]
    column, row = int(across * 1500.0 + 8192.0) & wrap, int(along * 90.0 + 8192.0) & wrap
    return max(0.2, 1.0 + contrast * (0.7 * fine + 0.5 * noise[2, column, row]))


@compiled
def plain_point(kind, values, sight, noise, cloth, hair, light, albedo, colour):  # type: ignore[no-untyped-def]
    """Everything that is not skin or eye. Returns the class."""
    length = math.sqrt(values[0] ** 2 + values[1] ** 2 + values[2] ** 2) + 1e-12
    normal = (values[0] / length, values[1] / length, values[2] / length)
    for channel in range(3):
        albedo[channel] = values[8 + channel]
    gloss, roughness, result = values[11], 0.5, OTHER_CLASS
    if kind == MOUTH:
        gloss, roughness, result = 0.9, 0.35, MOUTH_CLASS
    elif kind == TEETH:
        # Gaps between teeth of about 8 mm, the darker the further back.
        gap = abs(math.sin(math.pi * values[6] / 0.0078))
        for channel in range(3):
            albedo[channel] *= 0.72 + 0.28 * smooth(gap, 0.0, 0.35)
        roughness, result = 0.25, MOUTH_CLASS
    elif kind == CLOTH:
        bare = 1.0 - smooth(values[7], cloth.collar - 0.003, cloth.collar + 0.001)
        stripe = 0.0
        if cloth.stripes > 0.0:
            stripe = smooth(math.sin(values[7] * cloth.stripes * 6.2832), -0.2, 0.2)
        wrap = noise.shape[1] - 1
        weave = 1.0 + 0.10 * noise[2, int(values[6] * 1500.0 + 8192.0) & wrap, int(values[7] * 1500.0 + 8192.0) & wrap]
        for channel in range(3):
            fabric = (cloth.main[channel] + (cloth.second[channel] - cloth.main[channel]) * stripe) * weave
            albedo[channel] = fabric + (cloth.throat[channel] - fabric) * bare
        gloss, roughness = 0.05 + cloth.throat_gloss * bare, 0.6
        result = SKIN_CLASS if bare > 0.5 else CLOTH_CLASS
    elif kind == FRAME:
        gloss, roughness, result = 3.0 * values[11], 0.2, GLASSES_CLASS
    elif kind == HAIR:
        shade = strand_shade(values[6], values[7], noise, hair.strands, hair.curl)
        for channel in range(3):
            albedo[channel] *= shade
        gloss, roughness, result = 1.3 * values[11] * shade * shade, 0.55, HAIR_CLASS
        if hair.is_cloth > 0.5:
            result = OTHER_CLASS
    lit(normal, sight, values, albedo, gloss, roughness, light, colour)
    return result
