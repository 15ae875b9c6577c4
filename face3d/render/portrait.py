"""Shaded pictures of a head: studio light, soft shadows in the creases, eyes with irises.

Dimension letters: V vertices, F faces, H, W image height and width, N points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from face3d.errors import ArgumentError
from face3d.head import HeadModel
from face3d.render.normals import mesh_normals
from face3d.render.rasterize_numba import check_triangles, rasterize_camera
from face3d.render.studio_light import SurfaceTexture, shade_samples
from face3d.render.supersampling import sample_grid

__all__ = [
    "BACKGROUND",
    "HeadAppearance",
    "ambient_visibility",
    "head_appearance",
    "model_appearance",
    "picture_alone",
    "portrait",
    "shaded_layer",
    "standing_views",
]

CLAY = (0.60, 0.57, 0.54)
"""Linear RGB of the surface where nothing else is known: light warm grey, so that shading shows shape."""
REGION_COLOURS: Mapping[str, tuple[float, float, float]] = {
    "lips": (0.565, 0.485, 0.455),
    "tongue": (0.50, 0.27, 0.25),
    "teeth": (0.72, 0.70, 0.64),
    "left_eyeball": (0.78, 0.77, 0.75),
    "right_eyeball": (0.78, 0.77, 0.75),
}
"""Linear RGB of regions that have a colour of their own."""
SOFT_REGIONS = ("lips",)
"""Regions whose colour fades into what surrounds them."""

BACKGROUND = (242, 242, 240)
VIEWING_DISTANCE = 1.5
"""Metres. Where a portrait photographer stands."""
HEAD_SHARE = 0.86
"""Share of the picture that a head alone takes."""


@dataclass(frozen=True, slots=True)
class HeadAppearance:
    """Colours of a head's surface.

    Attributes:
        albedo: (V, 3) linear RGB in [0, 1].
        eye_position: (V, 2) metres across the eye's optical axis for vertices of an eyeball, NaN elsewhere; iris and
            pupil are drawn from it per pixel, finer than the mesh.
        visibility: (V,) share of the surrounding light that reaches each vertex, or None to compute it per picture.
        texture: colours that replace `albedo` and the drawn irises, or None.
    """

    albedo: Float[np.ndarray, "V 3"]
    eye_position: Float[np.ndarray, "V 2"]
    visibility: Float[np.ndarray, " V"] | None = None
    texture: SurfaceTexture | None = None


def head_appearance(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    *,
    regions: Mapping[str, Int[np.ndarray, " R"]] | None = None,
    pupils: Mapping[str, Float[np.ndarray, " 3"]] | None = None,
) -> HeadAppearance:
    """Colour a neutral head by its regions.

    Args:
        vertices: neutral head, head frame, metres.
        triangles: corner indices.
        regions: vertex ids by name; those of REGION_COLOURS are used, others ignored.
        pupils: pupil centre on the surface per eye region ("left_eyeball", "right_eyeball"), head frame, metres; by
            default straight ahead of the eyeball's centre.
    """
    faces = check_triangles(triangles, len(vertices))
    albedo = np.tile(np.asarray(CLAY, dtype=np.float32), (len(vertices), 1))
    eye_position = np.full((len(vertices), 2), np.nan, dtype=np.float32)
    for name, colour in REGION_COLOURS.items():
        ids = np.asarray((regions or {}).get(name, ()), dtype=np.int64)
        if not ids.size:
            continue
        share = np.zeros((len(vertices), 1), dtype=np.float32)
        share[ids] = 1.0
        if name in SOFT_REGIONS:
            share = _spread(share, faces, steps=1)
        albedo += share * (np.asarray(colour, dtype=np.float32) - albedo)
        if name.endswith("_eyeball"):
            centre = (vertices[ids].min(0) + vertices[ids].max(0)) / 2
            pupil = (pupils or {}).get(name)
            axis = np.array([0.0, 0.0, 1.0]) if pupil is None else np.asarray(pupil) - centre
            offset = vertices[ids] - centre
            across = offset @ _facing(axis / np.linalg.norm(axis))[:2].T
            # Behind the centre the axis comes out again; there is no second iris there.
            behind = offset @ axis <= 0
            across[behind] = 2 * np.abs(offset).max()
            eye_position[ids] = across
    return HeadAppearance(albedo, eye_position, ambient_visibility(vertices, faces))


def model_appearance(
    model: HeadModel,
    neutral_vertices: Float[np.ndarray, "V 3"] | None = None,
    *,
    texture: UInt8[np.ndarray, "H W 3"] | None = None,
) -> HeadAppearance:
    """Colour a head by what its model knows: its regions, and its pupils where a point set names them.

    Args:
        model: the head model.
        neutral_vertices: the person's neutral head, head frame, metres; by default the mean head.
        texture: sRGB over the model's own texture coordinates, row 0 at v = 1.

    Raises:
        ArgumentError: a texture for a model without texture coordinates.
    """
    neutral = model.template.double().cpu().numpy() if neutral_vertices is None else neutral_vertices
    triangles = model.triangles.cpu().numpy()
    pupils: dict[str, Float[np.ndarray, " 3"]] = {}
    for points in model.point_sets.values():
        for side in ("left", "right"):
            if points.labels is not None and f"pupil_{side}" in points.labels:
                row = points.labels.index(f"pupil_{side}")
                corners = triangles[int(points.triangles[row])]
                pupils[f"{side}_eyeball"] = points.barycentric[row].double().cpu().numpy() @ neutral[corners]
    regions = {name: ids.cpu().numpy() for name, ids in model.regions.items()}
    look = head_appearance(neutral, triangles, regions=regions, pupils=pupils)
    return look if texture is None else replace(look, texture=_texture_on(model, texture))


def _texture_on(model: HeadModel, texture: UInt8[np.ndarray, "H W 3"]) -> SurfaceTexture:
    if model.uv is None:
        raise ArgumentError(f"head {model.name!r} has no texture coordinates; draw it without a texture")
    corners = model.triangles if model.uv_triangles is None else model.uv_triangles
    return SurfaceTexture(texture, model.uv.double().cpu().numpy(), corners.cpu().numpy())


def ambient_visibility(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], *, directions: int = 64
) -> Float[np.ndarray, " V"]:
    """Share of evenly surrounding light that reaches each vertex past the rest of the mesh, in [0, 1].

    Cosine-weighted, from depth maps in directions spread evenly over the sphere.
    """
    points = np.asarray(vertices, dtype=np.float64)
    finite = np.isfinite(points.sum(axis=1))
    if not len(triangles) or not finite.any():
        return np.ones(len(points), dtype=np.float32)
    centre = (points[finite].min(0) + points[finite].max(0)) / 2
    radius = max(float(np.linalg.norm(points[finite] - centre, axis=-1).max()), 1e-9)
    # In units of the mesh's radius, from so far away that the view is practically parallel.
    distance, side = 60.0, 160
    unit = (np.where(finite[:, None], points, centre) - centre) / radius
    focal = distance * side / 2 * 0.97
    intrinsics = np.array([[focal, 0.0, side / 2], [0.0, focal, side / 2], [0.0, 0.0, 1.0]])
    normals = mesh_normals(unit, triangles)
    reached, total = np.zeros(len(points)), np.full(len(points), 1e-6)
    for towards in _sphere_directions(directions):
        camera = unit @ _facing(towards).T + [0.0, 0.0, distance]
        depth = rasterize_camera(camera, triangles, intrinsics, (side, side)).depth
        column, row = (camera[:, :2] / camera[:, 2:] * focal + side / 2).astype(int).clip(0, side - 1).T
        cosine = (normals @ towards).clip(0.0)
        # The bias covers half a pixel of a surface at a steep angle, so that flat skin does not shade itself.
        reached += np.where(camera[:, 2] <= depth[row, column] + 0.02, cosine, 0.0)
        total += cosine
    return (reached / total).astype(np.float32)


def portrait(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    appearance: HeadAppearance,
    image_size: tuple[int, int],
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    background: tuple[int, int, int] = BACKGROUND,
) -> tuple[UInt8[np.ndarray, "H W 3"], float]:
    """Picture a head alone, seen from 1.5 m, filling the frame.

    Args:
        vertices: head frame, metres.
        triangles: corner indices.
        appearance: its colours.
        image_size: (height, width).
        yaw: degrees that the head is turned, positive to show the subject's left side.
        pitch: degrees that the camera looks down from.
        background: sRGB.

    Returns:
        The picture, and its scale at the head's centre in pixels per metre.
    """
    ((camera,), intrinsics) = standing_views(vertices, image_size, yaws=(yaw,), pitch=pitch)
    picture = picture_alone(camera, triangles, appearance, intrinsics, image_size, background)
    return picture, float(intrinsics[0, 0]) / VIEWING_DISTANCE


def standing_views(
    vertices: Float[np.ndarray, "V 3"], image_size: tuple[int, int], *, yaws: Sequence[float], pitch: float = 0.0
) -> tuple[list[Float[np.ndarray, "V 3"]], Float[np.ndarray, "3 3"]]:
    """Turn a head before a camera that stands still.

    Args:
        vertices: head frame, metres.
        image_size: (height, width).
        yaws: degrees that the head is turned in each view, positive to show the subject's left side.
        pitch: degrees that the camera looks down from.

    Returns:
        The head's vertices in the camera's frame (OpenCV, metres) per view, and intrinsics with which the largest of
        the views fills the image.
    """
    height, width = image_size
    centre = (vertices.min(0) + vertices.max(0)) / 2
    tilt = math.radians(pitch)
    about_x = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
    views = []
    for yaw in yaws:
        turn = math.radians(-yaw)
        about_y = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
        to_camera = np.diag([1.0, -1.0, -1.0]) @ about_x @ about_y
        views.append((vertices - centre) @ to_camera.T + [0.0, 0.0, VIEWING_DISTANCE])
    low = np.min([(view[:, :2] / view[:, 2:]).min(0) for view in views], axis=0)
    high = np.max([(view[:, :2] / view[:, 2:]).max(0) for view in views], axis=0)
    focal = HEAD_SHARE * float((np.array([width, height]) / (high - low)).min())
    shift = np.array([width, height]) / 2 - focal * (low + high) / 2
    return views, np.array([[focal, 0, shift[0]], [0, focal, shift[1]], [0, 0, 1]])


def picture_alone(
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    appearance: HeadAppearance,
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
    background: tuple[int, int, int] = BACKGROUND,
) -> UInt8[np.ndarray, "H W 3"]:
    """Picture a mesh in the camera's frame over an even background."""
    colour, alpha = shaded_layer(vertices_camera, triangles, intrinsics, image_size, appearance, supersample=2)
    picture = np.asarray(background, dtype=np.float32) * (1 - alpha[..., None]) + colour * alpha[..., None]
    return np.rint(picture).astype(np.uint8)


def shaded_layer(
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
    appearance: HeadAppearance,
    *,
    supersample: int = 3,
) -> tuple[Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W"]]:
    """Render a mesh under studio light that travels with the camera.

    Args:
        vertices_camera: OpenCV camera frame, metres.
        triangles: corner indices.
        intrinsics: K in pixels of the image.
        image_size: (height, width).
        appearance: colours of the surface.
        supersample: samples per pixel and axis.

    Returns:
        sRGB in [0, 255] of the surface (not multiplied by the coverage), and the coverage in [0, 1].
    """
    height, width = image_size
    colour, coverage = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    grid = sample_grid(vertices_camera, intrinsics, image_size, supersample)
    if grid is None or not len(triangles):
        return colour, coverage
    samples, seen = _shade(vertices_camera, triangles, grid.intrinsics, grid.size, appearance)
    count = grid.summed(seen)
    colour[grid.pixels] = grid.summed(samples) / np.maximum(count, 1)[..., None]
    coverage[grid.pixels] = count / grid.factor**2
    return colour, coverage


def _shade(
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
    appearance: HeadAppearance,
) -> tuple[Float[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]:
    """One colour per sample (sRGB in [0, 255], 0 where nothing is seen), and which samples see the mesh."""
    visibility = appearance.visibility
    if visibility is None:
        visibility = ambient_visibility(vertices_camera, triangles)
    faces = check_triangles(triangles, len(vertices_camera))
    fragments = rasterize_camera(vertices_camera, faces, intrinsics, image_size)
    normals = mesh_normals(vertices_camera, faces)
    picture = shade_samples(
        fragments,
        vertices_camera,
        faces,
        normals,
        appearance.albedo,
        visibility,
        appearance.eye_position,
        appearance.texture,
    )
    return picture, fragments.face_id >= 0


def _spread(values: Float[np.ndarray, "V 1"], faces: Int[np.ndarray, "F 3"], *, steps: int) -> Float[np.ndarray, "V 1"]:
    """Average each vertex with those it shares triangles with, `steps` times."""
    for _ in range(steps):
        total, count = values.copy(), np.ones_like(values)
        for corner in range(3):
            np.add.at(total, faces[:, corner], values[faces].mean(axis=1))
            np.add.at(count, faces[:, corner], 1.0)
        values = total / count
    return values


def _sphere_directions(count: int) -> Float[np.ndarray, "N 3"]:
    """Unit vectors spread evenly: the Fibonacci lattice."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    angle = math.pi * (1 + math.sqrt(5)) * k
    radius = np.sqrt(1 - z * z)
    return np.stack((radius * np.cos(angle), radius * np.sin(angle), z), -1)


def _facing(towards: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Rotation into the frame of a camera that stands in the direction `towards` and looks back."""
    forward = -towards
    side = np.cross(forward, [1.0, 0.0, 0.0] if abs(forward[0]) < 0.7 else [0.0, 1.0, 0.0])
    side = side / np.linalg.norm(side)
    return np.stack((side, np.cross(forward, side), forward))
