"""Compiled loops that turn what each pixel sees into light and into a class.

Visibility is sampled twice each way in a pixel; what samples of one surface see is averaged and lit once, except on the
eyes, whose irises are finer than a pixel and are lit per sample.
"""

from __future__ import annotations

import math

import numpy as np

from face3d.render.compiled import compiled
from face3d.train.synthetic.kinds import (
    ATTRIBUTES,
    BACKGROUND_CLASS,
    EYE_CLASS,
    GLASSES_CLASS,
    HAIR_CLASS,
    LEFT_EYE,
    MASK,
    OTHER_CLASS,
    RIGHT_EYE,
    SKIN,
)
from face3d.train.synthetic.lighting import irradiance, lit, smooth
from face3d.train.synthetic.surfaces import eye_point, plain_point, skin_point, strand_shade

__all__ = ["majority", "shade_lenses", "shade_shell", "shade_solid"]


@compiled
def shade_solid(seen, mesh, frames, focal, painted, person, eyes, eye_turns, cloth, hair, noise, light, image, classes):  # type: ignore[no-untyped-def]
    """Light every pixel of the solid mesh over the background that `image` holds.

    `seen` is what `rasterize_camera` gives, `mesh` triangles, kinds and attributes, `frames` of `face_frames`, `focal`
    focal length and centre, `painted` the coarse and the detail map; `classes` (H, W, 4) takes each sample's class.
    """
    face_id, barycentric, depth = seen
    triangles, kinds, attributes = mesh
    coarse, detail = painted
    counts = np.empty((4, ATTRIBUTES))
    height, width = image.shape[0], image.shape[1]
    colour, sight, albedo, normal = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    kind_of, number = np.empty(4, dtype=np.int64), np.empty(4, dtype=np.int64)
    first_face = np.empty(4, dtype=np.int64)
    depth_of = np.empty(4)
    group_of = np.empty(4, dtype=np.int64)
    for row in range(height):
        for column in range(width):
            groups, empty = 0, 0
            face = face_id[2 * row, 2 * column]
            alone = face == face_id[2 * row, 2 * column + 1]
            alone = alone and face == face_id[2 * row + 1, 2 * column] and face == face_id[2 * row + 1, 2 * column + 1]
            alone = alone and face >= 0 and kinds[face] != LEFT_EYE and kinds[face] != RIGHT_EYE
            if alone:
                # One triangle fills the pixel, as most do: the same sums, in a quarter of the time.
                groups = 1
                kind_of[0], number[0], first_face[0] = kinds[face], 1, face
                for k in range(ATTRIBUTES):
                    counts[0, k] = 0.0
                for corner in range(3):
                    share = np.float32(0.0)
                    for sample in range(4):
                        share += barycentric[2 * row + sample // 2, 2 * column + sample % 2, corner]
                    share *= np.float32(0.25)
                    vertex = triangles[face, corner]
                    for k in range(ATTRIBUTES):
                        counts[0, k] += share * attributes[vertex, k]
            for sample in range(0 if groups == 0 else 4, 4):
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
                    for k in range(ATTRIBUTES):
                        counts[group, k] = 0.0
                number[group] += 1
                group_of[sample] = group
                for corner in range(3):
                    share = barycentric[y, x, corner]
                    vertex = triangles[face, corner]
                    for k in range(ATTRIBUTES):
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
                for k in range(ATTRIBUTES):
                    values[k] /= number[group]
                kind = kind_of[group]
                if kind == SKIN:
                    length = math.sqrt(values[0] ** 2 + values[1] ** 2 + values[2] ** 2) + 1e-12
                    values[0], values[1], values[2] = values[0] / length, values[1] / length, values[2] / length
                    result = skin_point(
                        values, sight, frames[first_face[group]], coarse, detail, person, light, albedo, colour
                    )
                elif kind in (LEFT_EYE, RIGHT_EYE):
                    eye_point(values, sight, eye_turns[kind - 1], eyes, light, albedo, normal, colour)
                    result = EYE_CLASS
                else:
                    result = plain_point(kind, values, sight, noise, cloth, hair, light, albedo, colour)
                share = np.float32(1.0) if alone else np.float32(0.25 * number[group])
                for channel in range(3):
                    image[row, column, channel] += share * colour[channel]
                for sample in range(4):
                    if alone or group_of[sample] == group:
                        classes[row, column, sample] = result


@compiled
def shade_shell(seen, base_depth, mesh, focal, hair, noise, light, image, classes, covered):  # type: ignore[no-untyped-def]
    """Lay hair, scarf, hat or mask over the image; `covered` (H, W) takes their share, `base_depth` what they hide."""
    face_id, barycentric, depth = seen
    triangles, kinds, attributes = mesh
    height, width = image.shape[0], image.shape[1]
    colour, sight, values, albedo = np.empty(3), np.empty(3), np.empty(ATTRIBUTES), np.empty(3)
    for row in range(height):
        for column in range(width):
            number, kind = 0, 0
            for k in range(ATTRIBUTES):
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
                    for k in range(ATTRIBUTES):
                        values[k] += share * attributes[vertex, k]
            if number == 0:
                continue
            for k in range(ATTRIBUTES):
                values[k] /= number
            length = math.sqrt(values[0] ** 2 + values[1] ** 2 + values[2] ** 2) + 1e-12
            normal = (values[0] / length, values[1] / length, values[2] / length)
            sx, sy = -(column + 0.5 - focal[1]) / focal[0], -(row + 0.5 - focal[2]) / focal[0]
            length = math.sqrt(sx * sx + sy * sy + 1.0)
            sight[0], sight[1], sight[2] = sx / length, sy / length, -1.0 / length
            if kind == MASK:
                alpha = smooth(values[6], -0.0008, 0.0008)
                pleat = 1.0 - 0.12 * smooth(math.sin(values[7] * 420.0), 0.6, 1.0)
                for channel in range(3):
                    albedo[channel] = values[8 + channel] * pleat
                gloss, result = 0.05, OTHER_CLASS
            else:
                shade = strand_shade(values[6], values[7], noise, hair.strands, hair.curl)
                ragged = hair.ragged * min(max((shade - 1.0) / max(hair.strands + hair.curl, 0.05), -1.2), 1.2)
                alpha = smooth(values[8] + ragged, -hair.edge, 1.5 * hair.edge)
                for channel in range(3):
                    albedo[channel] = hair.colour[channel] * shade
                gloss, result = 1.3 * values[11] * shade * shade, HAIR_CLASS
                if hair.is_cloth > 0.5:
                    result = OTHER_CLASS
            if alpha <= 0.0:
                continue
            lit(normal, sight, values, albedo, gloss, 0.55, light, colour)
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
def shade_lenses(seen, base_depth, mesh, focal, lens, light, image, classes):  # type: ignore[no-untyped-def]
    """Tint what lies behind the lenses and add what they mirror."""
    face_id, barycentric, depth = seen
    triangles, _, attributes = mesh
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
                if lens.tint > 0.5:
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
            bright = lens.reflection * (0.06 + 0.6 * (1.0 - facing) ** 5)
            glare = 0.0
            for lamp in range(lamps.shape[0]):
                cosine = mirror[0] * lamps[lamp, 0] + mirror[1] * lamps[lamp, 1] + mirror[2] * lamps[lamp, 2]
                glare += smooth(cosine, 0.95, 0.99) * lens.reflection
            for channel in range(3):
                through = (1.0 - lens.tint) + lens.tint * 0.06 * lens.colour[channel]
                seen = image[row, column, channel] * through + bright * max(
                    irradiance(mirror[0], mirror[1], mirror[2], coefficients, channel), 0.0
                )
                seen += glare * 0.5
                image[row, column, channel] += (seen - image[row, column, channel]) * share


@compiled
def majority(classes, segmentation):  # type: ignore[no-untyped-def]
    """Per pixel the class of most samples; of equals the highest, so that thin things are not lost."""
    for row in range(segmentation.shape[0]):
        for column in range(segmentation.shape[1]):
            best, most = 0, 0
            for sample in range(4):
                number = 0
                for other in range(4):
                    number += classes[row, column, other] == classes[row, column, sample]
                if number > most or (number == most and classes[row, column, sample] > best):
                    best, most = classes[row, column, sample], number
            segmentation[row, column] = best
