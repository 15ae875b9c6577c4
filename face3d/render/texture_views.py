"""What a photo shows of each texel, and how far that can be trusted.

Dimension letters: V vertices, F faces, N covered texels, H, W image height and width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from face3d.errors import ArgumentError
from face3d.media.colour import linear_from_srgb, srgb_from_linear
from face3d.render.compiled import compiled
from face3d.render.rasterize_numba import CameraFragments, rasterize_camera
from face3d.render.shading import spherical_harmonics_shading, vertex_normals
from face3d.render.texture_chart import TextureChart, TextureSurface, interpolated, vertex_means
from face3d.render.texture_diffusion import diffused
from face3d.render.texture_plausibility import plausible

__all__ = ["PosedPhoto", "TexelView", "pixels_per_metre", "view_texels"]

FACING = (0.12, 0.5)
"""Cosines between the surface's normal and the line of sight: nothing is taken below the first."""
DEPTH_BIAS = 0.0007
"""Metres. How far behind the nearest surface a point still counts as seen: less than a lid before its eye."""
SILHOUETTE = (0.001, 0.007)
"""Metres from the head's outline in the photo between which trust grows from 0 to 1: a fit that is a millimetre off
must not bring the background in."""
OCCLUSION_EDGE = (0.0, 0.0025)
"""The same, from where a nearer part of the head covers a farther one."""
LID_EDGE = (0.0002, 0.0018)
"""The same, for the eyeball from its lids."""
CORE = (0.006, 0.02)
"""Metres from the head's outline between which a photo comes to be taken at its word. Closer to it, and outside
CORE_REGIONS everywhere, as on neck and ears, only what looks like the person's skin or hair is believed."""
CORE_REGIONS = ("face", "scalp", "lips", "eye_region", "left_eyeball", "right_eyeball", "mouth_interior", "tongue")
DEPTH_STEP = 0.004
"""Metres between neighbouring pixels that make an edge."""
LEAST_BLUR = 1.0
"""Pixels of the photo. No ramp is shorter, as lenses and Bayer filters mix about so many."""
LARGEST_WORKING_SIDE = 1.5
"""Longer side of the resampled photo, in sides of the texture, at most."""
LEAST_SHADING = 0.35
"""Of the brightest third: darker places are not brightened further when light is divided out."""
LIGHT_SPRING = 0.25
"""Beside the mesh's edges of about one: shading is smoothed over about two of them, as skin scatters light and normals
of lids and lips are less sure than those of cheeks."""


@dataclass(frozen=True, slots=True, eq=False)
class PosedPhoto:
    """A photo, and where the head is in it.

    Attributes:
        pixels: (H, W, 3) RGB, upright.
        vertices_camera: (V, 3) the posed head, OpenCV camera frame, metres.
        intrinsics: (3, 3) K in pixels of the photo.
        light: (9, 3) spherical harmonics to divide out, or None: DECA's order, linear RGB, normals in the camera frame.
    """

    pixels: UInt8[np.ndarray, "H W 3"]
    vertices_camera: Float[np.ndarray, "V 3"]
    intrinsics: Float[np.ndarray, "3 3"]
    light: Float[np.ndarray, "9 3"] | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ArgumentError(f"pixels must be uint8 (H, W, 3), not {self.pixels.dtype} {tuple(self.pixels.shape)}")
        if not np.isfinite(self.vertices_camera).all():
            raise ArgumentError("vertices_camera must be finite everywhere")


@dataclass(frozen=True, slots=True, eq=False)
class TexelView:
    """What one photo says of the texels.

    Attributes:
        colour: (N, 3) sRGB in [0, 1], without light where that was asked for; 0 where nothing is seen.
        trust: (N,) from 0, not seen, to 1, seen plainly.
        resolution: pixels of the photo per metre of the head.
    """

    colour: Float[np.ndarray, "N 3"]
    trust: Float[np.ndarray, " N"]
    resolution: float


def pixels_per_metre(photo: PosedPhoto) -> float:
    """Resolution of a photo at the depth of the head; 0 when the head is behind the camera."""
    depth = float(np.median(photo.vertices_camera[:, 2]))
    focal = math.sqrt(abs(photo.intrinsics[0, 0] * photo.intrinsics[1, 1]))
    return focal / depth if depth > 0 else 0.0


def view_texels(chart: TextureChart, photo: PosedPhoto) -> TexelView:
    """Project every texel into a photo: its colour there, if the head does not hide it.

    A texel is trusted less towards grazing angles, outlines and the photo's border.
    """
    count, surface = len(chart.texels), chart.surface
    colour, trust = np.zeros((count, 3), dtype=np.float32), np.zeros(count, dtype=np.float32)
    resolution = pixels_per_metre(photo)
    working = _resampled(photo, surface.face_density * chart.size, chart.size * LARGEST_WORKING_SIDE)
    if working is None:
        return TexelView(colour, trust, resolution)
    picture, matrix, scale = working
    vertices = np.ascontiguousarray(photo.vertices_camera, dtype=np.float64)
    fragments = rasterize_camera(vertices, surface.triangles, matrix, picture.shape[:2])
    reliable, core = _reliable_pixels(fragments, surface, resolution * scale, scale)
    in_core = np.zeros(count, dtype=np.float32)
    normals = vertex_normals(torch.from_numpy(vertices), torch.from_numpy(surface.triangles))
    _sample(
        chart.faces,
        chart.barycentric,
        surface.triangles,
        vertices,
        normals.numpy(),
        matrix,
        fragments.depth,
        reliable,
        core,
        picture,
        colour,
        trust,
        in_core,
    )
    base, base_trust = vertex_means(chart, colour, trust)
    inner_trust = vertex_means(chart, colour, trust * in_core)[1]
    core_region = surface.region(*CORE_REGIONS)
    if not core_region.any():
        core_region[:] = True
    believed = plausible(surface, base, base_trust, inner_trust)
    of_core, of_colour = interpolated(chart, np.stack((core_region, believed), -1)).T
    in_core *= of_core
    trust *= in_core + (1.0 - in_core) * of_colour
    if photo.light is not None:
        colour = _without_light(chart, colour, normals.numpy(), photo.light)
    return TexelView(colour, trust, resolution)


def _resampled(
    photo: PosedPhoto, texels_per_metre: float, largest: float
) -> tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "3 3"], float] | None:
    """Cut the head out of the photo at about the texture's own resolution, so that single samples neither skip pixels
    nor show them as squares. Gives the picture in [0, 1], its K and its pixels per pixel of the photo."""
    height, width = photo.pixels.shape[:2]
    ahead = photo.vertices_camera[photo.vertices_camera[:, 2] > 0]
    if not len(ahead):
        return None
    places = ahead @ photo.intrinsics.T
    places = places[:, :2] / places[:, 2:]
    left, top = np.floor(places.min(0) - 2.0).clip(0, [width, height]).astype(int)
    right, bottom = np.ceil(places.max(0) + 2.0).clip(0, [width, height]).astype(int)
    if right - left < 2 or bottom - top < 2:
        return None
    scale = texels_per_metre / max(pixels_per_metre(photo), 1e-9)
    scale = min(scale, largest / max(right - left, bottom - top))
    size = (max(2, round((right - left) * scale)), max(2, round((bottom - top) * scale)))
    crop = Image.fromarray(np.ascontiguousarray(photo.pixels[top:bottom, left:right]))
    picture = np.asarray(crop.resize(size, Image.Resampling.LANCZOS), dtype=np.float32) / 255.0
    across, down = size[0] / (right - left), size[1] / (bottom - top)
    to_working = np.array([[across, 0.0, -across * left], [0.0, down, -down * top], [0.0, 0.0, 1.0]])
    return picture, to_working @ photo.intrinsics, math.sqrt(across * down)


def _reliable_pixels(
    fragments: CameraFragments, surface: TextureSurface, per_metre: float, per_photo_pixel: float
) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """Trust in each pixel by its distance from the edges of what it sees, and whether it lies well inside the head."""
    seen = fragments.face_id >= 0
    eye_faces = np.isfinite(surface.eye_position[surface.triangles].sum((1, 2)))
    eye = seen & eye_faces[fragments.face_id]
    depth = np.where(seen, fragments.depth, np.float32(1e3))
    step = np.zeros(seen.shape, dtype=bool)
    for axis in (0, 1):
        jump = np.abs(np.diff(depth, axis=axis)) > DEPTH_STEP
        near = [slice(None), slice(None)]
        far = [slice(None), slice(None)]
        near[axis], far[axis] = slice(None, -1), slice(1, None)
        step[tuple(near)] |= jump
        step[tuple(far)] |= jump

    def ramp(inside: np.ndarray, limits: tuple[float, float]) -> Float[np.ndarray, "h w"]:
        # The distance transform takes the outside of the picture for inside; its border is an edge as well.
        framed = np.pad(inside.astype(np.uint8), 1)
        distance = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
        low, high = (limit * per_metre for limit in limits)
        high = max(high, low + LEAST_BLUR * per_photo_pixel)
        share = ((distance - 0.5 - low) / (high - low)).clip(0.0, 1.0)
        smooth: Float[np.ndarray, "h w"] = share * share * (3.0 - 2.0 * share)
        return smooth

    skin = ramp(seen, SILHOUETTE) * ramp(~step, OCCLUSION_EDGE)
    reliable = np.where(eye, ramp(eye, LID_EDGE), skin)
    return np.ascontiguousarray(reliable, dtype=np.float32), np.ascontiguousarray(ramp(seen, CORE), dtype=np.float32)


def _without_light(
    chart: TextureChart,
    colour: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "V 3"],
    light: Float[np.ndarray, "9 3"],
) -> Float[np.ndarray, "N 3"]:
    shading = spherical_harmonics_shading(
        torch.from_numpy(normals)[None], torch.from_numpy(np.asarray(light, dtype=np.float64))[None]
    )[0].numpy()
    springs = np.full(len(shading), LIGHT_SPRING)
    shading = diffused(chart.surface, np.zeros((len(chart.surface.edges), 3)), shading, springs)
    bright = np.quantile(shading, 2 / 3, axis=0)
    shading = np.maximum(shading, np.maximum(LEAST_SHADING * bright, 1e-3))
    albedo = linear_from_srgb(colour) / interpolated(chart, shading)
    return srgb_from_linear(albedo.clip(0.0, 1.0)).astype(np.float32)


@compiled
def _sample(  # type: ignore[no-untyped-def]
    faces, barycentric, triangles, vertices, normals, matrix, depth, reliable, core, picture, colour, trust, in_core
):
    """Colour and trust of each texel; see `view_texels`."""
    height, width = depth.shape
    focal = math.sqrt(abs(matrix[0, 0] * matrix[1, 1]))
    point, normal = np.zeros(3), np.zeros(3)
    for row in range(faces.shape[0]):
        point[:] = 0.0
        normal[:] = 0.0
        for corner in range(3):
            vertex, share = triangles[faces[row], corner], barycentric[row, corner]
            for axis in range(3):
                point[axis] += share * vertices[vertex, axis]
                normal[axis] += share * normals[vertex, axis]
        if point[2] <= 0.0:
            continue
        length = math.sqrt((point * point).sum() * (normal * normal).sum())
        cosine = -(point * normal).sum() / max(length, 1e-12)
        facing = (cosine - FACING[0]) / (FACING[1] - FACING[0])
        if facing <= 0.0:
            continue
        x = (matrix[0, 0] * point[0] + matrix[0, 1] * point[1]) / point[2] + matrix[0, 2]
        y = (matrix[1, 0] * point[0] + matrix[1, 1] * point[1]) / point[2] + matrix[1, 2]
        column, line = math.floor(x), math.floor(y)
        if column < 0 or line < 0 or column >= width or line >= height:
            continue
        slope = math.sqrt(max(1.0 - cosine * cosine, 0.0)) / cosine
        if point[2] > depth[line, column] + DEPTH_BIAS + slope * point[2] / focal:
            continue
        facing = min(facing, 1.0)
        trust[row] = facing * facing * (3.0 - 2.0 * facing) * reliable[line, column]
        in_core[row] = core[line, column]
        left = min(max(x - 0.5, 0.0), width - 1.001)
        top = min(max(y - 0.5, 0.0), height - 1.001)
        i, j = int(top), int(left)
        a, b = top - i, left - j
        for k in range(3):
            upper = (1.0 - b) * picture[i, j, k] + b * picture[i, j + 1, k]
            lower = (1.0 - b) * picture[i + 1, j, k] + b * picture[i + 1, j + 1, k]
            colour[row, k] = (1.0 - a) * upper + a * lower
