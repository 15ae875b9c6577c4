"""Depth and normals of a head over the pixels of its photo, as numbers and as files.

Dimension letters: V vertices, F faces, H, W image height and width.
"""

from __future__ import annotations

import io
import math

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16
from PIL import Image, PngImagePlugin

from face3d.errors import ArgumentError
from face3d.render.normals import mesh_normals
from face3d.render.rasterize_numba import interpolate_attributes, rasterize_camera

__all__ = [
    "decode_depth",
    "depth_map",
    "depth_preview",
    "encode_depth",
    "normal_map",
    "normal_picture",
]

DEPTH_STEPS = (1e-4, 1e-3, 1e-2)
"""Metres that one step of a depth file may be: the finest that reaches as far as the picture does is taken. The first
reaches 6.5 m."""
DEPTH_STEP_KEY = "metres_per_step"
"""The PNG text entry that says which."""


def depth_map(
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
) -> Float[np.ndarray, "H W"]:
    """Distance of the surface from the camera plane (z, not along the ray) at each pixel's centre.

    Args:
        vertices_camera: OpenCV camera frame, metres.
        triangles: corner indices.
        intrinsics: K in pixels of the image.
        image_size: (height, width).

    Returns:
        float32 metres, infinite where the mesh is not seen.
    """
    return rasterize_camera(vertices_camera, triangles, intrinsics, image_size).depth


def normal_map(
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
) -> Float[np.ndarray, "H W 3"]:
    """Unit normals of the smooth surface at each pixel's centre.

    Args:
        vertices_camera: OpenCV camera frame, metres.
        triangles: corner indices, counter-clockwise seen from outside.
        intrinsics: K in pixels of the image.
        image_size: (height, width).

    Returns:
        float32, OpenCV camera frame (a surface that faces the camera has 0, 0, -1); 0, 0, 0 where the mesh is not seen.
    """
    fragments = rasterize_camera(vertices_camera, triangles, intrinsics, image_size)
    normals = interpolate_attributes(fragments, triangles, mesh_normals(vertices_camera, triangles))
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)


def encode_depth(depth: Float[np.ndarray, "H W"]) -> bytes:
    """Write a depth map as a 16-bit grey PNG that says its own scale.

    Depth is the number times the metres in the text entry `metres_per_step`: 0.0001 unless the surface reaches
    beyond 6.5 m, then 0.001 or 0.01. The number 0 is no surface.

    Raises:
        ArgumentError: a depth of 655 m or more.
    """
    seen = np.isfinite(depth) & (depth > 0)
    farthest = float(depth[seen].max()) if seen.any() else 0.0
    fitting = [step for step in DEPTH_STEPS if farthest / step < 65535]
    if not fitting:
        raise ArgumentError(f"a depth of {farthest:.0f} m does not fit a 16-bit file; give metres")
    steps: UInt16[np.ndarray, "H W"] = np.where(seen, np.rint(np.where(seen, depth, 0) / fitting[0]), 0).astype(
        np.uint16
    )
    text = PngImagePlugin.PngInfo()
    text.add_text(DEPTH_STEP_KEY, f"{fitting[0]:g}")
    buffer = io.BytesIO()
    Image.fromarray(steps).save(buffer, format="PNG", pnginfo=text)
    return buffer.getvalue()


def decode_depth(png: bytes) -> Float[np.ndarray, "H W"]:
    """Read what `encode_depth` wrote: float32 metres, infinite where there is no surface.

    Raises:
        ArgumentError: the file does not say its scale.
    """
    with Image.open(io.BytesIO(png)) as image:
        step = image.info.get(DEPTH_STEP_KEY)
        steps = np.asarray(image).astype(np.float64)
    if step is None:
        raise ArgumentError(f"the depth file has no entry {DEPTH_STEP_KEY!r}; give one that face3d wrote")
    return np.where(steps > 0, steps * float(step), math.inf).astype(np.float32)


def depth_preview(depth: Float[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Depth as colours, from yellow for the nearest surface to blue for the farthest; black where there is none."""
    seen = np.isfinite(depth)
    picture = np.zeros((*depth.shape, 3), dtype=np.uint8)
    if not seen.any():
        return picture
    near, far = float(depth[seen].min()), float(depth[seen].max())
    share = (far - np.where(seen, depth, far)) / max(far - near, 1e-9)
    colours = cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), cv2.COLORMAP_CIVIDIS)[..., ::-1]
    picture[seen] = colours[seen]
    return picture


def normal_picture(normals: Float[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Normals as colours, as most tools have them: red to the right, green up, blue towards the viewer.

    Each channel is round(255 (n + 1) / 2) along those axes of the camera; black, which no unit vector gives, where
    there is no surface.

    Args:
        normals: OpenCV camera frame, 0, 0, 0 where there is no surface.
    """
    towards_viewer = normals * np.array([1.0, -1.0, -1.0], dtype=np.float32)
    picture = np.rint(255 * (towards_viewer.clip(-1.0, 1.0) + 1) / 2).astype(np.uint8)
    picture[(normals == 0).all(-1)] = 0
    return picture
