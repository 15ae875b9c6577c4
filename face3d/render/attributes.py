"""What a mesh carries, seen through rasterised pixels: vertex attributes and UV textures, differentiable.

Works on the fragments of either backend, with any number of faces per pixel. Dimension letters: B batch, V vertices,
F faces, H, W image height and width, K faces per pixel, C channels, U texture coordinates, P pixels hit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from face3d.errors import ArgumentError
from face3d.render.rasterizer import Fragments

__all__ = ["UvTexture", "interpolate_vertices", "sample_texture"]


@dataclass(frozen=True, slots=True, eq=False)
class UvTexture:
    """A texture and how it lies on a mesh.

    Attributes:
        image: (B or 1, C, H, W) values; the row 0 is the top.
        uv: (U, 2) texture coordinates, u to the right and v up, both [0, 1] from edge to edge of the image.
        uv_triangles: (F, 3) indices into `uv`, in the order of the mesh's triangles.
    """

    image: Float[Tensor, "B C H W"]
    uv: Float[Tensor, "U 2"]
    uv_triangles: Int[Tensor, "F 3"]


def interpolate_vertices(
    fragments: Fragments,
    triangles: Int[Tensor, "F 3"],
    attributes: Float[Tensor, "V C"] | Float[Tensor, "B V C"],
) -> Float[Tensor, "B H W K C"]:
    """Return vertex attributes at each pixel, by its barycentric coordinates; 0 where nothing is seen.

    Gradients reach the attributes and, through the barycentric coordinates, the vertices' places. The same as
    `pytorch3d.ops.interpolate_face_attributes`.

    Args:
        fragments: of a batch of meshes that share their triangles.
        triangles: corner indices, as rasterised (or others of the same faces, such as those into a UV map).
        attributes: one row per vertex, for all items or for each.

    Raises:
        ArgumentError: shapes that do not fit each other, or fragments of other triangles.
    """
    batch = fragments.pix_to_face.shape[0]
    if attributes.ndim not in (2, 3) or (attributes.ndim == 3 and attributes.shape[0] not in (1, batch)):
        raise ArgumentError(
            f"attributes must have the shape (V, C) or ({batch}, V, C) for these fragments, "
            f"not {tuple(attributes.shape)}"
        )
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.is_floating_point():
        raise ArgumentError(f"triangles must be integers of the shape (F, 3), not {tuple(triangles.shape)}")
    per_item = attributes.ndim == 3 and attributes.shape[0] > 1
    vertex_count, channels = attributes.shape[-2:]
    hit = fragments.pix_to_face.reshape(-1) >= 0
    place = torch.nonzero(hit)[:, 0]
    faces = fragments.pix_to_face.reshape(-1)[place]
    if len(faces) and int(faces.max()) >= batch * len(triangles):
        raise ArgumentError(
            f"the fragments see face {int(faces.max())}, but {batch} x {len(triangles)} triangles were given"
        )
    corners = triangles.to(device=faces.device, dtype=torch.int64)[faces % max(len(triangles), 1)]
    if corners.numel() and int(corners.max()) >= vertex_count:
        raise ArgumentError(f"triangles name vertex {int(corners.max())}, but {vertex_count} have attributes")
    if per_item:
        corners = corners + vertex_count * (faces // max(len(triangles), 1))[:, None]
    values = attributes.reshape(-1, channels).index_select(0, corners.reshape(-1)).reshape(-1, 3, channels)
    weights = fragments.bary_coords.reshape(-1, 3)[place]
    seen = (weights[..., None] * values).sum(1)
    nothing = torch.zeros(len(hit), channels, dtype=seen.dtype, device=seen.device)
    return nothing.index_copy(0, place, seen).reshape(*fragments.pix_to_face.shape, channels)


def sample_texture(fragments: Fragments, texture: UvTexture) -> Float[Tensor, "B H W K C"]:
    """Return a texture's values at each pixel, bilinear between texels; 0 where no face is seen.

    `torch.nn.functional.grid_sample` with align_corners=False and padding_mode="border": u = 0 is the left EDGE of the
    first texel, whose centre is at u = 0.5 / width, and coordinates outside [0, 1] take the border's value. v = 0 is
    the bottom edge. PyTorch3D's `TexturesUV` does the same when made with align_corners=False (its default is True);
    DECA and SPECTRE too, except for black outside [0, 1]. There is no mip map: a texture much finer than the picture
    aliases.

    Gradients reach the texture, and through the coordinates the vertices' places.

    Raises:
        ArgumentError: shapes that do not fit each other.
    """
    batch, height, width, layers = fragments.pix_to_face.shape
    if texture.image.ndim != 4 or texture.image.shape[0] not in (1, batch):
        raise ArgumentError(f"a texture's image must be (1 or {batch}, C, H, W), not {tuple(texture.image.shape)}")
    if texture.uv.ndim != 2 or texture.uv.shape[1] != 2:
        raise ArgumentError(f"texture coordinates must be (U, 2), not {tuple(texture.uv.shape)}")
    uv = interpolate_vertices(fragments, texture.uv_triangles, texture.uv.to(fragments.bary_coords))
    grid = (uv * uv.new_tensor([2.0, -2.0]) + uv.new_tensor([-1.0, 1.0])).reshape(batch, height, width * layers, 2)
    image = texture.image.to(grid).expand(batch, -1, -1, -1)
    sampled = torch.nn.functional.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
    texels = sampled.reshape(batch, -1, height, width, layers).permute(0, 2, 3, 4, 1)
    return torch.where((fragments.pix_to_face >= 0)[..., None], texels, 0.0)
