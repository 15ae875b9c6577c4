"""Compiled loops that turn what each pixel sees into light and into a class.

Visibility is sampled twice each way in a pixel; what samples of one surface see is averaged and lit once, except on the
eyes, whose irises are finer than a pixel and are lit per sample.
"""

from __future__ import annotations

import math

import numpy as np

from face3d.render.compiled import compiled
from face3d.train.synthetic.figure import (
    CLOTH,
    FRAME,
    HAIR,
    LEFT_EYE,
    MASK,
    MOUTH,
    RIGHT_EYE,
    SKIN,
    TEETH,
)

__all__ = ["shade_lenses", "shade_shell", "shade_solid"]

_CONSTANTS = (0.28209479, 1.02332671, 0.85808553, 0.42904277, 0.24770796)
"""Of the nine shading functions: the first, the linear three, the products, x^2 - y^2, 3 z^2 - 1."""
BACKGROUND_CLASS, SKIN_CLASS, LIPS_CLASS, MOUTH_CLASS, EYE_CLASS, BROW_CLASS, HAIR_CLASS = range(7)
GLASSES_CLASS, CLOTH_CLASS, OTHER_CLASS = 7, 8, 9
_FRESNEL = 0.028
"""Reflectance of skin and water facing the viewer (refractive index 1.4)."""
_BUMP = 0.55
"""Metres of slope per unit of the lines' height and coarse texel, chosen so that full depth tilts about 35 degrees."""


@compiled
def _smooth(value, low, high):  # type: ignore[no-untyped-def]
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@compiled
def _irradiance(x, y, z, coefficients, channel):  # type: ignore[no-untyped-def]
    c0, c1, c2, c3, c4 = 0.28209479, 1.02332671, 0.85808553, 0.42904277, 0.24770796
    return (
        c0 * coefficients[0, channel]
        + c1 * (coefficients[1, channel] * x + coefficients[2, channel] * y + coefficients[3, channel] * z)
        + c2 * (coefficients[4, channel] * x * y + coefficients[5, channel] * x * z + coefficients[6, channel] * y * z)
        + c3 * coefficients[7, channel] * (x * x - y * y)
        + c4 * coefficients[8, channel] * (3.0 * z * z - 1.0)
    )


@compiled
def _light(normal, sight, attributes, albedo, gloss, roughness, light, colour):  # type: ignore[no-untyped-def]
    """Diffuse light and highlights of one surface point into `colour`."""
    coefficients, lamps = light
    x, y, z = normal
    facing = max(x * sight[0] + y * sight[1] + z * sight[2], 0.02)
    rim = (1.0 - facing) ** 5
    # The sky's reflection: light from where the mirrored view points.
    rx, ry, rz = 2 * facing * x - sight[0], 2 * facing * y - sight[1], 2 * facing * z - sight[2]
    sheen = gloss * (0.8 * _FRESNEL + 0.2 * rim) * (1.0 - 0.6 * roughness)
    for channel in range(3):
        reached = attributes[3 + channel]
        diffuse = max(_irradiance(x, y, z, coefficients, channel), 0.01)
        mirrored = max(_irradiance(rx, ry, rz, coefficients, channel), 0.0)
        colour[channel] = albedo[channel] * diffuse * reached + sheen * mirrored * min(reached, 1.0)
    sharp = 6.0 + 70.0 * (1.0 - roughness) ** 2
    for lamp in range(lamps.shape[0]):
        lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
        above = x * lx + y * ly + z * lz
        if above > 0.0:
            hx, hy, hz = lx + sight[0], ly + sight[1], lz + sight[2]
            length = math.sqrt(hx * hx + hy * hy + hz * hz)
            if length > 1e-6:
                cosine = max((x * hx + y * hy + z * hz) / length, 0.0)
                grazing = 1.0 - max((lx * hx + ly * hy + lz * hz) / length, 0.0)
                fresnel = _FRESNEL + (1.0 - _FRESNEL) * grazing**5
                lobe = gloss * fresnel * (sharp + 2.0) / 8.0 * cosine**sharp * min(1.0, 4.0 * above)
                for channel in range(3):
                    reached = attributes[3 + channel]
                    colour[channel] += lobe * lamps[lamp, 3 + channel] * min(reached * reached, 1.0)


@compiled
def _skin(values, sight, face_frame, coarse, detail, person, colours, light, colour):  # type: ignore[no-untyped-def]
    """Skin, brows, lips and what is painted on them. Returns the class."""
    size, fine = coarse.shape[0], detail.shape[0]
    u = min(max(values[6], 0.0), size - 1.001)
    v = min(max(values[7], 0.0), size - 1.001)
    i, j = int(v), int(u)
    fv, fu = v - i, u - j
    albedo = np.empty(3)
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
        values[0] - person[0] * (slope_u * face_frame[0] + slope_v * face_frame[3]),
        values[1] - person[0] * (slope_u * face_frame[1] + slope_v * face_frame[4]),
        values[2] - person[0] * (slope_u * face_frame[2] + slope_v * face_frame[5]),
    )
    length = math.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2) + 1e-12
    normal = (normal[0] / length, normal[1] / length, normal[2] / length)
    hairs = 0 if v < 0.48 * size else 1
    lash = min(values[11] * person[3], 1.0)
    for channel in range(3):
        albedo[channel] *= (1.0 - 0.72 * mark) * (1.0 + 0.6 * min(level, 0.0))
        albedo[channel] += (colours[hairs, channel] - albedo[channel]) * hair
        albedo[channel] += (0.15 * colours[0, channel] - albedo[channel]) * lash
    gloss = person[1] * shine * (1.0 - 0.7 * max(hair, lash))
    _light(normal, sight, values, albedo, gloss, person[2] * (1.0 - 0.15 * lips), light, colour)
    if lips > 0.5:
        return LIPS_CLASS
    if brow > 0.45:
        return BROW_CLASS
    return SKIN_CLASS


@compiled
def _eye(values, sight, turn, eyes, light, colour):  # type: ignore[no-untyped-def]
    """An eyeball: white, iris, pupil, the cornea's mirror."""
    x, y, z = values[8], values[9], values[10]
    radius = math.hypot(x, y) if z > 0.0 else 1.0
    iris_radius, pupil_radius, ring, veins = eyes[0], eyes[1], eyes[2], eyes[3]
    albedo = np.empty(3)
    inside = 1.0 - _smooth(radius, iris_radius - 0.00035, iris_radius + 0.00035)
    pupil = 1.0 - _smooth(radius, pupil_radius - 0.0002, pupil_radius + 0.0002)
    angle = math.atan2(y, x)
    rays = (
        1.0
        + 0.16 * math.sin(angle * eyes[5] + eyes[4])
        + 0.12 * math.sin(angle * (eyes[5] * 0.43 // 1.0) - 2 * eyes[4])
    )
    edge = math.exp(-(((radius - iris_radius) / 0.0009) ** 2))
    near = math.exp(-(((radius - pupil_radius) / 0.0014) ** 2))
    redness = veins * _smooth(math.hypot(x, y), iris_radius * 1.05, 0.0118)
    for channel in range(3):
        white = eyes[6 + channel] * (1.0 - redness * (0.1 if channel == 0 else 0.55))
        iris = eyes[9 + channel] * rays
        iris += (eyes[12 + channel] - iris) * 0.7 * near
        iris *= 1.0 - ring * edge
        albedo[channel] = white + (iris - white) * inside
        albedo[channel] += (0.004 - albedo[channel]) * pupil
    normal = np.empty(3)
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
    _light(flat, sight, values, albedo, 0.0, 0.5, light, colour)
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
        colour[channel] += (
            0.02 * reached * max(_irradiance(mirror[0], mirror[1], mirror[2], coefficients, channel), 0.0)
        )
    for lamp in range(lamps.shape[0]):
        cosine = mirror[0] * lamps[lamp, 0] + mirror[1] * lamps[lamp, 1] + mirror[2] * lamps[lamp, 2]
        glint = _smooth(cosine, 0.975, 0.990) * 1.6
        for channel in range(3):
            colour[channel] += glint * lamps[lamp, 3 + channel] * min(2.0 * values[3 + channel], 1.0)


@compiled
def _strands(across, along, noise, contrast, curl):  # type: ignore[no-untyped-def]
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
def _plain(kind, values, sight, noise, cloth, light, colour):  # type: ignore[no-untyped-def]
    """Everything that is not skin or eye. Returns the class."""
    length = math.sqrt(values[0] ** 2 + values[1] ** 2 + values[2] ** 2) + 1e-12
    normal = (values[0] / length, values[1] / length, values[2] / length)
    albedo = np.empty(3)
    for channel in range(3):
        albedo[channel] = values[8 + channel]
    gloss, roughness, result = values[11], 0.5, OTHER_CLASS
    if kind == MOUTH:
        gloss, roughness, result = 0.9, 0.35, MOUTH_CLASS
    elif kind == TEETH:
        # Gaps between teeth of about 8 mm, the darker the further back.
        gap = abs(math.sin(math.pi * values[6] / 0.0078))
        for channel in range(3):
            albedo[channel] *= 0.72 + 0.28 * _smooth(gap, 0.0, 0.35)
        roughness, result = 0.25, MOUTH_CLASS
    elif kind == CLOTH:
        bare = 1.0 - _smooth(values[7], cloth[6] - 0.003, cloth[6] + 0.001)
        stripe = 0.0
        if cloth[7] > 0.0:
            stripe = _smooth(math.sin(values[7] * cloth[7] * 6.2832), -0.2, 0.2)
        wrap = noise.shape[1] - 1
        weave = 1.0 + 0.10 * noise[2, int(values[6] * 1500.0 + 8192.0) & wrap, int(values[7] * 1500.0 + 8192.0) & wrap]
        for channel in range(3):
            fabric = (cloth[channel] + (cloth[3 + channel] - cloth[channel]) * stripe) * weave
            albedo[channel] = fabric + (cloth[8 + channel] - fabric) * bare
        gloss, roughness = 0.05 + cloth[14] * bare, 0.6
        result = SKIN_CLASS if bare > 0.5 else CLOTH_CLASS
    elif kind == FRAME:
        gloss, roughness, result = 3.0 * values[11], 0.2, GLASSES_CLASS
    elif kind == HAIR:
        shade = _strands(values[6], values[7], noise, cloth[11], cloth[13])
        for channel in range(3):
            albedo[channel] *= shade
        gloss, roughness, result = 1.3 * values[11] * shade * shade, 0.55, HAIR_CLASS
        if cloth[12] > 0.5:
            result = OTHER_CLASS
    _light(normal, sight, values, albedo, gloss, roughness, light, colour)
    return result


@compiled
def shade_solid(
    face_id,
    barycentric,
    depth,
    triangles,
    kinds,
    attributes,
    frames,
    focal,
    coarse,
    detail,
    person,
    colours,
    eyes,
    eye_turns,
    noise,
    cloth,
    light,
    image,
    classes,
    counts,
):  # type: ignore[no-untyped-def]
    """Light every pixel of the solid mesh over the background that `image` holds.

    `classes` (H, W, 4) takes the class of each sample; `counts` is scratch of (4, attributes).
    """
    height, width = image.shape[0], image.shape[1]
    colour, sight = np.empty(3), np.empty(3)
    kind_of, number = np.empty(4, dtype=np.int64), np.empty(4, dtype=np.int64)
    first_face = np.empty(4, dtype=np.int64)
    depth_of = np.empty(4)
    group_of = np.empty(4, dtype=np.int64)
    for row in range(height):
        for column in range(width):
            groups, empty = 0, 0
            for sample in range(4):
                y, x = 2 * row + sample // 2, 2 * column + sample % 2
                face = face_id[y, x]
                if face < 0:
                    empty += 1
                    classes[row, column, sample] = BACKGROUND_CLASS
                    group_of[sample] = -1
                    continue
                kind, z = kinds[face], depth[y, x]
                group = -1
                if kind != LEFT_EYE and kind != RIGHT_EYE:
                    for candidate in range(groups):
                        if kind_of[candidate] == kind and abs(depth_of[candidate] - z) < 0.012:
                            group = candidate
                            break
                if group < 0:
                    group = groups
                    groups += 1
                    kind_of[group], depth_of[group], number[group], first_face[group] = kind, z, 0, face
                    for k in range(attributes.shape[1]):
                        counts[group, k] = 0.0
                number[group] += 1
                group_of[sample] = group
                for corner in range(3):
                    share = barycentric[y, x, corner]
                    vertex = triangles[face, corner]
                    for k in range(attributes.shape[1]):
                        counts[group, k] += share * attributes[vertex, k]
            if groups == 0:
                continue
            sx, sy = -(column + 0.5 - focal[1]) / focal[0], -(row + 0.5 - focal[2]) / focal[0]
            length = math.sqrt(sx * sx + sy * sy + 1.0)
            sight[0], sight[1], sight[2] = sx / length, sy / length, -1.0 / length
            for channel in range(3):
                image[row, column, channel] *= 0.25 * empty
            for group in range(groups):
                values = counts[group]
                for k in range(attributes.shape[1]):
                    values[k] /= number[group]
                kind = kind_of[group]
                if kind == SKIN:
                    length = math.sqrt(values[0] ** 2 + values[1] ** 2 + values[2] ** 2) + 1e-12
                    values[0], values[1], values[2] = values[0] / length, values[1] / length, values[2] / length
                    result = _skin(
                        values, sight, frames[first_face[group]], coarse, detail, person, colours, light, colour
                    )
                elif kind == LEFT_EYE or kind == RIGHT_EYE:
                    _eye(values, sight, eye_turns[kind - 1], eyes, light, colour)
                    result = EYE_CLASS
                else:
                    result = _plain(kind, values, sight, noise, cloth, light, colour)
                for channel in range(3):
                    image[row, column, channel] += 0.25 * number[group] * colour[channel]
                for sample in range(4):
                    if group_of[sample] == group:
                        classes[row, column, sample] = result


@compiled
def shade_shell(
    face_id,
    barycentric,
    depth,
    base_depth,
    triangles,
    kinds,
    attributes,
    focal,
    hair,
    noise,
    light,
    image,
    classes,
    covered,
):  # type: ignore[no-untyped-def]
    """Lay hair, scarf, hat or mask over the image; `covered` (H, W) takes their share, `base_depth` what they hide."""
    height, width = image.shape[0], image.shape[1]
    colour, sight, values, albedo = np.empty(3), np.empty(3), np.empty(attributes.shape[1]), np.empty(3)
    for row in range(height):
        for column in range(width):
            number, kind = 0, 0
            for k in range(attributes.shape[1]):
                values[k] = 0.0
            for sample in range(4):
                y, x = 2 * row + sample // 2, 2 * column + sample % 2
                face = face_id[y, x]
                if face < 0 or depth[y, x] >= base_depth[y, x]:
                    continue
                number += 1
                kind = kinds[face]
                for corner in range(3):
                    share = barycentric[y, x, corner]
                    vertex = triangles[face, corner]
                    for k in range(attributes.shape[1]):
                        values[k] += share * attributes[vertex, k]
            if number == 0:
                continue
            for k in range(attributes.shape[1]):
                values[k] /= number
            length = math.sqrt(values[0] ** 2 + values[1] ** 2 + values[2] ** 2) + 1e-12
            normal = (values[0] / length, values[1] / length, values[2] / length)
            sx, sy = -(column + 0.5 - focal[1]) / focal[0], -(row + 0.5 - focal[2]) / focal[0]
            length = math.sqrt(sx * sx + sy * sy + 1.0)
            sight[0], sight[1], sight[2] = sx / length, sy / length, -1.0 / length
            if kind == MASK:
                alpha = _smooth(values[6], -0.0008, 0.0008)
                pleat = 1.0 - 0.12 * _smooth(math.sin(values[7] * 420.0), 0.6, 1.0)
                for channel in range(3):
                    albedo[channel] = values[8 + channel] * pleat
                gloss, result = 0.05, OTHER_CLASS
            else:
                shade = _strands(values[6], values[7], noise, hair[3], hair[7])
                ragged = hair[4] * min(max((shade - 1.0) / max(hair[3] + hair[7], 0.05), -1.2), 1.2)
                alpha = _smooth(values[8] + ragged, -hair[5], 1.5 * hair[5])
                for channel in range(3):
                    albedo[channel] = hair[channel] * shade
                gloss, result = 1.3 * values[11] * shade * shade, HAIR_CLASS
                if hair[6] > 0.5:
                    result = OTHER_CLASS
            if alpha <= 0.0:
                continue
            _light(normal, sight, values, albedo, gloss, 0.55, light, colour)
            alpha *= 0.25 * number
            covered[row, column] = alpha
            for channel in range(3):
                image[row, column, channel] += (colour[channel] - image[row, column, channel]) * alpha
            if alpha > 0.125 * number:
                for sample in range(4):
                    y, x = 2 * row + sample // 2, 2 * column + sample % 2
                    if face_id[y, x] >= 0 and depth[y, x] < base_depth[y, x]:
                        classes[row, column, sample] = result


@compiled
def shade_lenses(face_id, barycentric, depth, base_depth, triangles, attributes, focal, tint, light, image, classes):  # type: ignore[no-untyped-def]
    """Tint what lies behind the lenses and add what they mirror."""
    height, width = image.shape[0], image.shape[1]
    sight = np.empty(3)
    coefficients, lamps = light
    for row in range(height):
        for column in range(width):
            number = 0
            x_, y_, z_ = 0.0, 0.0, 0.0
            for sample in range(4):
                y, x = 2 * row + sample // 2, 2 * column + sample % 2
                face = face_id[y, x]
                if face < 0 or depth[y, x] >= base_depth[y, x]:
                    continue
                number += 1
                for corner in range(3):
                    share = barycentric[y, x, corner]
                    vertex = triangles[face, corner]
                    x_ += share * attributes[vertex, 0]
                    y_ += share * attributes[vertex, 1]
                    z_ += share * attributes[vertex, 2]
                if tint[0] > 0.5:
                    classes[row, column, sample] = GLASSES_CLASS
            if number == 0:
                continue
            length = math.sqrt(x_ * x_ + y_ * y_ + z_ * z_) + 1e-12
            x_, y_, z_ = x_ / length, y_ / length, z_ / length
            sx, sy = -(column + 0.5 - focal[1]) / focal[0], -(row + 0.5 - focal[2]) / focal[0]
            length = math.sqrt(sx * sx + sy * sy + 1.0)
            sight[0], sight[1], sight[2] = sx / length, sy / length, -1.0 / length
            facing = x_ * sight[0] + y_ * sight[1] + z_ * sight[2]
            if facing < 0.0:
                x_, y_, z_, facing = -x_, -y_, -z_, -facing
            mirror = (2 * facing * x_ - sight[0], 2 * facing * y_ - sight[1], 2 * facing * z_ - sight[2])
            share = 0.25 * number
            bright = tint[4] * (0.06 + 0.6 * (1.0 - facing) ** 5)
            glare = 0.0
            for lamp in range(lamps.shape[0]):
                cosine = mirror[0] * lamps[lamp, 0] + mirror[1] * lamps[lamp, 1] + mirror[2] * lamps[lamp, 2]
                glare += _smooth(cosine, 0.95, 0.99) * tint[4]
            for channel in range(3):
                through = (1.0 - tint[0]) + tint[0] * 0.06 * tint[1 + channel]
                seen = image[row, column, channel] * through + bright * max(
                    _irradiance(mirror[0], mirror[1], mirror[2], coefficients, channel), 0.0
                )
                seen += glare * 0.5
                image[row, column, channel] += (seen - image[row, column, channel]) * share
