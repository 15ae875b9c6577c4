"""The studio that portraits are lit in: lamps and sky that travel with the camera, and how skin and eyes answer.

A picture for people, not a measurement: no step here has a gradient. Dimension letters: V vertices, F faces, L lamps,
H, W image height and width, U texture coordinates, TH, TW texture height and width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from face3d.errors import ArgumentError
from face3d.media.colour import srgb_from_linear
from face3d.render.compiled import compiled, run_interleaved
from face3d.render.rasterize_numba import CameraFragments, check_triangles
from face3d.render.texture_sampling import value_between

__all__ = ["SurfaceTexture", "shade_samples", "vertex_colours"]

# Directions towards the lamps in the OpenCV camera frame (+x right, +y down, +z away from the viewer), then linear RGB.
LAMPS = np.array(
    [
        [-0.55, -0.65, -0.75, 0.95, 0.92, 0.88],
        [0.85, -0.10, -0.55, 0.22, 0.24, 0.27],
        [0.70, -0.45, 0.60, 0.40, 0.42, 0.45],
    ],
    dtype=np.float32,
)
SKY_AND_GROUND = np.array([[0.42, 0.43, 0.45], [0.20, 0.19, 0.18]], dtype=np.float32)
EXPOSURE = 0.72
WRAP = 0.15
"""How far light reaches past the terminator, as it does through skin."""
SKIN_GLOSS, EYE_GLOSS = (0.05, 24.0), (0.9, 220.0)
"""Strength and sharpness of highlights."""

INSIDE_COLOUR = np.array([0.16, 0.15, 0.145], dtype=np.float32)
"""Linear RGB of back faces: the inside of an open mesh, seen through the neck."""
IRIS_COLOUR = np.array([0.085, 0.135, 0.16], dtype=np.float32)
PUPIL_COLOUR = 0.008
IRIS_RADIUS = 0.0117 / 2
"""Metres. Half the horizontal visible iris diameter of adults, 11.7 mm (Rüfer, Schröder and Erb, 2005)."""
PUPIL_RADIUS = 0.0018
"""Metres. A pupil in daylight."""
IRIS_EDGE = 0.0006
"""Metres over which iris and white, pupil and iris fade into each other."""


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceTexture:
    """Colours of a surface finer than its vertices.

    Attributes:
        image: (TH, TW, 3) sRGB, row 0 at v = 1.
        uv: (U, 2) texture coordinates, u to the right and v up.
        uv_triangles: (F, 3) indices into `uv`, in the order of the mesh's triangles.

    Raises:
        ArgumentError: shapes or types that do not fit.
    """

    image: UInt8[np.ndarray, "TH TW 3"]
    uv: Float[np.ndarray, "U 2"]
    uv_triangles: Int[np.ndarray, "F 3"]

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8 or not self.image.size:
            raise ArgumentError(f"a texture is uint8 (H, W, 3), not {self.image.dtype} {tuple(self.image.shape)}")
        if self.uv.ndim != 2 or self.uv.shape[1] != 2:
            raise ArgumentError(f"uv must have the shape (U, 2), not {tuple(self.uv.shape)}")
        check_triangles(self.uv_triangles, len(self.uv))


def shade_samples(
    fragments: CameraFragments,
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    normals: Float[np.ndarray, "V 3"],
    albedo: Float[np.ndarray, "V 3"],
    visibility: Float[np.ndarray, " V"],
    eye_position: Float[np.ndarray, "V 2"],
    texture: SurfaceTexture | None = None,
) -> Float[np.ndarray, "H W 3"]:
    """Light what each sample of a rasterised mesh sees.

    Args:
        fragments: from `rasterize_camera`.
        vertices_camera: OpenCV camera frame, metres.
        triangles: the int64 corner indices that were rasterised.
        normals: unit vectors in the camera frame.
        albedo: linear RGB.
        visibility: share of the surrounding light that arrives, in [0, 1].
        eye_position: metres across the eye's optical axis; NaN for what is no eye.
        texture: replaces `albedo` and the iris drawn by `eye_position`.

    Returns:
        sRGB in [0, 255], 0 where nothing is seen.
    """
    attributes = np.concatenate((normals, vertices_camera, albedo, visibility[:, None], eye_position), -1)
    attributes = np.ascontiguousarray(attributes, dtype=np.float32)
    lamps = LAMPS.copy()
    lamps[:, :3] /= np.linalg.norm(lamps[:, :3], axis=-1, keepdims=True)
    if texture is None:
        image, uv, uv_faces = np.zeros((0, 0, 3), np.uint8), np.zeros((0, 2)), triangles
    else:
        image, uv, uv_faces = (
            np.ascontiguousarray(texture.image),
            np.ascontiguousarray(texture.uv, dtype=np.float64),
            check_triangles(texture.uv_triangles, len(texture.uv)),
        )
        if len(uv_faces) != len(triangles):
            raise ArgumentError(f"a texture with {len(uv_faces)} triangles does not fit a mesh with {len(triangles)}")
    height, width = fragments.face_id.shape
    picture = np.zeros((height, width, 3), dtype=np.float32)
    run_interleaved(
        lambda first, step: _light(
            fragments.face_id,
            fragments.barycentric,
            triangles,
            attributes,
            lamps,
            (image, uv, uv_faces),
            first,
            step,
            picture,
        ),
        height,
        width,
        None,
    )
    return picture


def vertex_colours(
    albedo: Float[np.ndarray, "V 3"], eye_position: Float[np.ndarray, "V 2"]
) -> UInt8[np.ndarray, "V 3"]:
    """sRGB of the surface without light, with irises and pupils as fine as the mesh is: for viewers that light it."""
    off_axis = np.linalg.norm(eye_position, axis=-1, keepdims=True)
    iris = np.nan_to_num((IRIS_RADIUS - off_axis) / IRIS_EDGE + 0.5).clip(0.0, 1.0)
    pupil = np.nan_to_num((PUPIL_RADIUS - off_axis) / IRIS_EDGE + 0.5).clip(0.0, 1.0)
    colours = albedo + iris * (IRIS_COLOUR - albedo)
    colours = colours + pupil * (PUPIL_COLOUR - colours)
    rounded: UInt8[np.ndarray, "V 3"] = np.rint(255.0 * srgb_from_linear(colours.clip(0.0, 1.0))).astype(np.uint8)
    return rounded


@compiled
def _light(face_id, barycentric, faces, attributes, lamps, texture, first_row, row_step, picture):  # type: ignore[no-untyped-def]
    value, light, gloss = np.zeros(12, dtype=np.float32), np.zeros(3), np.zeros(3)
    texture_image, uv, uv_faces = texture
    textured = texture_image.size > 0
    for row in range(first_row, face_id.shape[0], row_step):
        for column in range(face_id.shape[1]):
            face = face_id[row, column]
            if face < 0:
                continue
            value[:] = 0.0
            for corner in range(3):
                weight, vertex = barycentric[row, column, corner], faces[face, corner]
                for k in range(12):
                    value[k] += weight * attributes[vertex, k]
            scale = max(math.sqrt(value[0] ** 2 + value[1] ** 2 + value[2] ** 2), 1e-12)
            nx, ny, nz = value[0] / scale, value[1] / scale, value[2] / scale
            scale = max(math.sqrt(value[3] ** 2 + value[4] ** 2 + value[5] ** 2), 1e-12)
            vx, vy, vz = -value[3] / scale, -value[4] / scale, -value[5] / scale
            reach = min(max(value[9], 0.0), 1.0)
            off_axis = math.sqrt(value[10] ** 2 + value[11] ** 2)
            is_eye = not math.isnan(off_axis)
            inside = _seen_from_behind(attributes, faces[face, 0], faces[face, 1], faces[face, 2])
            strength, sharpness = EYE_GLOSS if is_eye else SKIN_GLOSS
            iris, pupil, iris_shade = 0.0, 0.0, 0.0
            if textured:
                u, v = 0.0, 0.0
                for corner in range(3):
                    u += barycentric[row, column, corner] * uv[uv_faces[face, corner], 0]
                    v += barycentric[row, column, corner] * uv[uv_faces[face, corner], 1]
                x, y = u * texture_image.shape[1], (1.0 - v) * texture_image.shape[0]
                for channel in range(3):
                    encoded = value_between(texture_image, x, y, channel) / 255.0
                    linear = encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4
                    value[6 + channel] = linear
            elif is_eye:
                iris = min(max((IRIS_RADIUS - off_axis) / IRIS_EDGE + 0.5, 0.0), 1.0)
                pupil = min(max((PUPIL_RADIUS - off_axis) / IRIS_EDGE + 0.5, 0.0), 1.0)
                # The iris darkens towards its rim.
                iris_shade = 1.25 - 0.85 * (off_axis / IRIS_RADIUS) ** 3
            up = 0.5 - 0.5 * ny
            for channel in range(3):
                light[channel] = reach * (SKY_AND_GROUND[0, channel] * up + SKY_AND_GROUND[1, channel] * (1.0 - up))
                gloss[channel] = 0.0
            for lamp in range(lamps.shape[0]):
                lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
                cosine = max(nx * lx + ny * ly + nz * lz + WRAP, 0.0) / (1.0 + WRAP)
                hx, hy, hz = lx + vx, ly + vy, lz + vz
                scale = max(math.sqrt(hx * hx + hy * hy + hz * hz), 1e-12)
                shine = max((nx * hx + ny * hy + nz * hz) / scale, 0.0)
                highlight = 0.0
                if cosine > 0.05 and not inside:
                    highlight = strength * shine**sharpness * reach
                for channel in range(3):
                    light[channel] += cosine * math.sqrt(reach) * lamps[lamp, 3 + channel]
                    gloss[channel] += highlight * lamps[lamp, 3 + channel]
            for channel in range(3):
                tint = value[6 + channel]
                if is_eye and not textured:
                    tint += iris * (IRIS_COLOUR[channel] * iris_shade - tint)
                    tint += pupil * (PUPIL_COLOUR - tint)
                if inside:
                    tint = INSIDE_COLOUR[channel]
                linear = min(max(tint * light[channel] * EXPOSURE + gloss[channel], 0.0), 1.0)
                # The transfer curve of IEC 61966-2-1.
                encoded = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1.0 / 2.4) - 0.055
                picture[row, column, channel] = 255.0 * encoded


@compiled
def _seen_from_behind(attributes, a, b, c):  # type: ignore[no-untyped-def]
    ux, uy, uz = (
        attributes[b, 3] - attributes[a, 3],
        attributes[b, 4] - attributes[a, 4],
        attributes[b, 5] - attributes[a, 5],
    )
    wx, wy, wz = (
        attributes[c, 3] - attributes[a, 3],
        attributes[c, 4] - attributes[a, 4],
        attributes[c, 5] - attributes[a, 5],
    )
    outward_x, outward_y, outward_z = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
    return outward_x * attributes[a, 3] + outward_y * attributes[a, 4] + outward_z * attributes[a, 5] > 0.0
