"""What a person looks at first: the fitted mesh over the photo, and the head by itself beside it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw, ImageFont

from face3d.errors import ArgumentError
from face3d.render.marks import LANDMARK_COLOUR, draw_points, draw_segments
from face3d.render.portrait import BACKGROUND, HeadAppearance, head_appearance, portrait, shaded_layer
from face3d.render.wireframe import wireframe_layer

__all__ = ["OverlayStyle", "crop_around_head", "landmark_overlay", "overlay", "panel", "wireframe_overlay"]

OverlayStyle: TypeAlias = Literal["shaded", "wireframe", "landmarks"]

LINE_COLOUR = (235, 250, 255)
LINE_SHARE = 1 / 700
"""Width of a wireframe's lines by the head's larger extent in the image."""
FITTED_COLOUR, RESIDUAL_COLOUR = (255, 120, 70), (255, 205, 60)
SCALE_BAR = 0.05
"""Metres. Length of the bar that says that the head has a real size."""
HEAD_SHARE = 0.62
"""Share of a panel's tile that the head takes in the photo."""


def overlay(
    photo: UInt8[np.ndarray, "H W 3"],
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    *,
    appearance: HeadAppearance | None = None,
    opacity: float = 0.6,
    landmarks: Float[np.ndarray, "N 2"] | None = None,
    supersample: int = 3,
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw the shaded mesh half transparently over the photo, with smooth edges.

    Args:
        photo: RGB, upright.
        vertices_camera: the posed mesh, OpenCV camera frame, metres.
        triangles: corner indices.
        intrinsics: K in pixels of the photo.
        appearance: colours of the head; by default plain clay.
        opacity: of the mesh, 0 to 1.
        landmarks: pixels of the photo; drawn as dots on top. NaN rows are left out.
        supersample: samples per pixel and axis.
    """
    _check_photo(photo)
    look = appearance or head_appearance(vertices_camera, triangles)
    colour, coverage = shaded_layer(
        vertices_camera, triangles, intrinsics, photo.shape[:2], look, supersample=supersample
    )
    share = (opacity * coverage)[..., None]
    drawn = np.rint(photo * (1 - share) + colour * share).astype(np.uint8)
    return drawn if landmarks is None else draw_points(drawn, landmarks)


def wireframe_overlay(
    photo: UInt8[np.ndarray, "H W 3"],
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    *,
    line_width: float | None = None,
    colour: tuple[int, int, int] = LINE_COLOUR,
    opacity: float = 0.85,
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw the mesh's visible edges over the photo.

    Args:
        photo: RGB, upright.
        vertices_camera: the posed mesh, OpenCV camera frame, metres.
        triangles: corner indices.
        intrinsics: K in pixels of the photo.
        line_width: pixels; by default to suit the head's extent in the photo.
        colour: sRGB.
        opacity: of the lines, 0 to 1.
    """
    _check_photo(photo)
    if line_width is None:
        low, high = _extent(vertices_camera, intrinsics, photo.shape[:2])
        line_width = min(max(float((high - low).max()) * LINE_SHARE, 0.7), 4.0)
    coverage = wireframe_layer(vertices_camera, triangles, intrinsics, photo.shape[:2], line_width=line_width)
    share = (opacity * coverage)[..., None]
    return np.rint(photo * (1 - share) + np.asarray(colour, dtype=np.float32) * share).astype(np.uint8)


def landmark_overlay(
    photo: UInt8[np.ndarray, "H W 3"],
    detected: Float[np.ndarray, "N 2"],
    fitted: Float[np.ndarray, "N 2"],
    *,
    radius: float | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw detected landmarks (green), where the fitted head has them (orange), and what is left between the two.

    Args:
        photo: RGB, upright.
        detected: pixels of the photo; rows that are not finite in either are left out.
        fitted: the same points of the fitted head.
        radius: of the dots in pixels; by default to suit the points' extent.
    """
    _check_photo(photo)
    both = np.isfinite(detected).all(-1) & np.isfinite(fitted).all(-1)
    if not both.any():
        return photo.copy()
    if radius is None:
        radius = max(float(np.ptp(detected[both], axis=0).max()) / 150, 0.75)
    drawn = draw_segments(photo, detected[both], fitted[both], colour=RESIDUAL_COLOUR, width=max(0.9 * radius, 1.0))
    drawn = draw_points(drawn, fitted[both], colour=FITTED_COLOUR, radius=0.8 * radius)
    return draw_points(drawn, detected[both], colour=LANDMARK_COLOUR, radius=radius)


def crop_around_head(
    photo: UInt8[np.ndarray, "H W 3"],
    vertices_camera: Float[np.ndarray, "V 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    tile: int,
    *,
    share: float = HEAD_SHARE,
) -> tuple[UInt8[np.ndarray, "tile tile 3"], Float[np.ndarray, "3 3"]]:
    """Cut a square around the head out of a photo and scale it.

    Args:
        photo: RGB, upright.
        vertices_camera: the posed mesh, OpenCV camera frame, metres.
        intrinsics: K in pixels of the photo.
        tile: side of the square in its own pixels.
        share: of the square that the head takes, where the photo is large enough.

    Returns:
        The square, and the matrix from the photo's pixels to the square's (homogeneous; scale and shift), so that
        `matrix @ intrinsics` is the square's camera.
    """
    tile_from_photo = _tile_from_photo(vertices_camera, intrinsics, photo.shape[:2], tile, share)
    return _resample(photo, tile_from_photo, tile), tile_from_photo


def panel(
    photo: UInt8[np.ndarray, "H W 3"],
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    neutral_vertices: Float[np.ndarray, "V 3"],
    *,
    appearance: HeadAppearance | None = None,
    turned: tuple[Float[np.ndarray, "V 3"], HeadAppearance] | None = None,
    landmarks: Float[np.ndarray, "N 2"] | None = None,
    tile: int = 640,
) -> UInt8[np.ndarray, "tile 4*tile 3"]:
    """Four tiles side by side: the photo around the face, the overlay, the neutral head from the front and half turned.

    Args:
        photo: RGB, upright.
        vertices_camera: the posed mesh, OpenCV camera frame, metres.
        triangles: corner indices.
        intrinsics: K in pixels of the photo.
        neutral_vertices: identity only, head frame, metres.
        appearance: colours of the head, from `head_appearance`; by default plain clay.
        turned: the head of the last tile in the head frame, metres, and its colours; by default the neutral head. What
            is painted with a photo looks right only with that photo's expression.
        landmarks: the detected points, pixels of the photo; drawn over the photo in the first tile.
        tile: side of a tile in pixels.
    """
    look = appearance or head_appearance(neutral_vertices, triangles)
    plain, tile_from_photo = crop_around_head(photo, vertices_camera, intrinsics, tile)
    fitted = overlay(plain, vertices_camera, triangles, tile_from_photo @ intrinsics, appearance=look)
    if landmarks is not None:
        points = np.asarray(landmarks, dtype=np.float64)[:, :2]
        plain = draw_points(plain, points * np.diag(tile_from_photo)[:2] + tile_from_photo[:2, 2])
    front, scale = portrait(neutral_vertices, triangles, look, (tile, tile))
    last, last_look = turned or (neutral_vertices, look)
    half_turned, _ = portrait(last, triangles, last_look, (tile, tile), yaw=40.0, pitch=6.0)
    return np.concatenate((plain, fitted, _with_scale_bar(front, scale), half_turned), 1)


def _tile_from_photo(
    vertices_camera: Float[np.ndarray, "V 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
    tile: int,
    share: float,
) -> Float[np.ndarray, "3 3"]:
    """Scale and shift that bring the head to the middle of a tile, without leaving the photo where it can be helped."""
    height, width = image_size
    low, high = _extent(vertices_camera, intrinsics, image_size)
    side = float((high - low).max()) / share
    side = min(max(side, 8.0), float(max(height, width)))
    corner = (low + high) / 2 - side / 2
    for axis, length in enumerate((width, height)):
        if side <= length:
            corner[axis] = min(max(corner[axis], 0.0), length - side)
        else:
            corner[axis] = (length - side) / 2
    scale = tile / side
    return np.array([[scale, 0.0, -scale * corner[0]], [0.0, scale, -scale * corner[1]], [0.0, 0.0, 1.0]])


def _extent(
    vertices_camera: Float[np.ndarray, "V 3"], intrinsics: Float[np.ndarray, "3 3"], image_size: tuple[int, int]
) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
    """Least and greatest x and y in pixels of the mesh before the camera, also beyond the image; the whole image if
    there is none.
    """
    pixels = vertices_camera[vertices_camera[:, 2] > 0] @ np.asarray(intrinsics, dtype=np.float64).T
    pixels = pixels[:, :2] / pixels[:, 2:]
    pixels = pixels[np.isfinite(pixels).all(-1)]
    if not len(pixels):
        return np.zeros(2), np.array([image_size[1], image_size[0]], dtype=np.float64)
    return pixels.min(0), pixels.max(0)


def _check_photo(photo: UInt8[np.ndarray, "H W 3"]) -> None:
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise ArgumentError(f"photo must be uint8 of the shape (H, W, 3), not {photo.dtype} {tuple(photo.shape)}")


def _resample(
    photo: UInt8[np.ndarray, "H W 3"], tile_from_photo: Float[np.ndarray, "3 3"], tile: int
) -> UInt8[np.ndarray, "tile tile 3"]:
    """Cut a tile out of the photo; what lies outside the photo is background."""
    height, width = photo.shape[:2]
    scale, shift = tile_from_photo[0, 0], tile_from_photo[:2, 2]
    # Whole tile pixels that lie inside the photo, and the exact part of the photo that they show.
    first = np.ceil(np.maximum(shift, 0.0) - 1e-6).astype(int)
    last = np.floor(np.minimum(shift + scale * np.array([width, height]), tile) + 1e-6).astype(int)
    result = np.full((tile, tile, 3), BACKGROUND, dtype=np.uint8)
    if (last <= first).any():
        return result
    box = np.concatenate(((first - shift) / scale, (last - shift) / scale))
    box = box.clip(0.0, [width, height, width, height])
    part = Image.fromarray(photo).resize(
        (int(last[0] - first[0]), int(last[1] - first[1])), Image.Resampling.LANCZOS, box=tuple(box.tolist())
    )
    result[first[1] : last[1], first[0] : last[0]] = np.asarray(part)
    return result


def _with_scale_bar(picture: UInt8[np.ndarray, "H W 3"], pixels_per_metre: float) -> UInt8[np.ndarray, "H W 3"]:
    """Draw a bar of SCALE_BAR at the lower left, true at the depth of the head's centre."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    height, ink = picture.shape[0], (110, 110, 108)
    margin, thickness = height // 24, max(2, height // 210)
    length = round(SCALE_BAR * pixels_per_metre)
    base = height - margin
    draw.rectangle((margin, base - thickness, margin + length, base), fill=ink)
    font = ImageFont.load_default(size=max(10, height // 32))
    draw.text((margin, base - 2 * thickness), f"{SCALE_BAR * 1000:.0f} mm", fill=ink, font=font, anchor="lb")
    return np.asarray(image)
