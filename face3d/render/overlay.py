"""What a person looks at first: the fitted mesh over the photo, and the head by itself beside it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw, ImageFont

from face3d.errors import ArgumentError
from face3d.render.portrait import HeadAppearance, head_appearance, portrait, shaded_layer

__all__ = ["draw_points", "overlay", "panel"]

LANDMARK_COLOUR = (64, 224, 160)
BACKGROUND = (242, 242, 240)
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
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise ArgumentError(f"photo must be uint8 of the shape (H, W, 3), not {photo.dtype} {tuple(photo.shape)}")
    look = appearance or head_appearance(vertices_camera, triangles)
    colour, coverage = shaded_layer(vertices_camera, triangles, intrinsics, photo.shape[:2], look)
    share = (opacity * coverage)[..., None]
    drawn = np.rint(photo * (1 - share) + colour * share).astype(np.uint8)
    return drawn if landmarks is None else draw_points(drawn, landmarks)


def draw_points(
    image: UInt8[np.ndarray, "H W 3"],
    points: Float[np.ndarray, "N 2"],
    *,
    colour: tuple[int, int, int] = LANDMARK_COLOUR,
    radius: float | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Return a copy of the image with a smooth-edged dot at each point.

    Args:
        image: RGB.
        points: pixels, the first pixel's centre at (0.5, 0.5); rows that are not finite are left out.
        colour: sRGB.
        radius: pixels; by default to suit the points' extent.
    """
    pixels = np.asarray(points, dtype=np.float64)
    pixels = pixels[np.isfinite(pixels).all(-1)]
    drawn = image.astype(np.float32)
    if not len(pixels):
        return image.copy()
    size = float(np.ptp(pixels, axis=0).max()) / 200 if radius is None else radius
    size = max(size, 0.75)
    reach = int(np.ceil(size + 1))
    height, width = image.shape[:2]
    for x, y in pixels:
        if not (-reach <= x <= width + reach and -reach <= y <= height + reach):
            continue
        left, right = max(0, int(x) - reach), min(width, int(x) + reach + 1)
        top, bottom = max(0, int(y) - reach), min(height, int(y) + reach + 1)
        if left >= right or top >= bottom:
            continue
        distance = np.hypot(np.arange(left, right) + 0.5 - x, np.arange(top, bottom)[:, None] + 0.5 - y)
        share = (size + 0.5 - distance).clip(0.0, 1.0)[..., None]
        patch = drawn[top:bottom, left:right]
        patch += share * (np.asarray(colour, dtype=np.float32) - patch)
    return np.rint(drawn).astype(np.uint8)


def panel(
    photo: UInt8[np.ndarray, "H W 3"],
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    neutral_vertices: Float[np.ndarray, "V 3"],
    *,
    appearance: HeadAppearance | None = None,
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
        landmarks: the detected points, pixels of the photo; drawn over the photo in the first tile.
        tile: side of a tile in pixels.
    """
    look = appearance or head_appearance(neutral_vertices, triangles)
    tile_from_photo = _tile_from_photo(vertices_camera, intrinsics, photo.shape[:2], tile)
    plain = _resample(photo, tile_from_photo, tile)
    fitted = overlay(plain, vertices_camera, triangles, tile_from_photo @ intrinsics, appearance=look)
    if landmarks is not None:
        points = np.asarray(landmarks, dtype=np.float64)[:, :2]
        plain = draw_points(plain, points * np.diag(tile_from_photo)[:2] + tile_from_photo[:2, 2])
    front, scale = portrait(neutral_vertices, triangles, look, (tile, tile))
    turned, _ = portrait(neutral_vertices, triangles, look, (tile, tile), yaw=40.0, pitch=6.0)
    return np.concatenate((plain, fitted, _with_scale_bar(front, scale), turned), 1)


def _tile_from_photo(
    vertices_camera: Float[np.ndarray, "V 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
    tile: int,
) -> Float[np.ndarray, "3 3"]:
    """Scale and shift that bring the head to the middle of a tile, without leaving the photo where it can be helped."""
    height, width = image_size
    pixels = vertices_camera[vertices_camera[:, 2] > 0] @ np.asarray(intrinsics, dtype=np.float64).T
    pixels = pixels[:, :2] / pixels[:, 2:]
    pixels = pixels[np.isfinite(pixels).all(-1)]
    if not len(pixels):
        pixels = np.array([[0.0, 0.0], [width, height]])
    low, high = pixels.min(0), pixels.max(0)
    side = float((high - low).max()) / HEAD_SHARE
    side = min(max(side, 8.0), float(max(height, width)))
    corner = (low + high) / 2 - side / 2
    for axis, length in enumerate((width, height)):
        if side <= length:
            corner[axis] = min(max(corner[axis], 0.0), length - side)
        else:
            corner[axis] = (length - side) / 2
    scale = tile / side
    return np.array([[scale, 0.0, -scale * corner[0]], [0.0, scale, -scale * corner[1]], [0.0, 0.0, 1.0]])


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
