"""Pictures of textured heads without any light of their own: the texture as a photo would show it.

Dimension letters: V vertices, F faces, U texture coordinates, H, W image height and width, S side of the texture.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8

from face3d.render.rasterize_numba import CameraFragments, interpolate_attributes, rasterize_camera
from face3d.render.texture_sampling import sample_uv

__all__ = ["textured_layer"]


def textured_layer(
    vertices_camera: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "U 2"],
    uv_triangles: Int[np.ndarray, "F 3"],
    texture: UInt8[np.ndarray, "S S 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    image_size: tuple[int, int],
) -> tuple[Float[np.ndarray, "H W 3"], CameraFragments]:
    """Show a textured mesh at each pixel's centre.

    Args:
        vertices_camera: OpenCV camera frame, metres.
        triangles: corner indices.
        uv: texture coordinates, and `uv_triangles` their rows for each triangle.
        texture: RGB, the first row at v = 1.
        intrinsics: K in pixels of the image.
        image_size: (height, width).

    Returns:
        sRGB in [0, 255], 0 where nothing is seen, and what each pixel sees. Render larger and average for smooth edges.
    """
    fragments = rasterize_camera(vertices_camera, triangles, intrinsics, image_size)
    seen = fragments.face_id >= 0
    picture = np.zeros((*seen.shape, 3), dtype=np.float32)
    picture[seen] = sample_uv(texture, interpolate_attributes(fragments, uv_triangles, uv)[seen])
    return picture, fragments
