"""Differentiable rasterisation: which triangle each pixel sees, and where on it, with PyTorch3D's conventions.

Visibility has no gradient, so it is left to a compiled loop (`face3d.render.visibility_numba`); depth, barycentric
coordinates and distances of the pixels that were hit are then computed in torch, where autograd sees them. The rules
(signs, order, thresholds, what counts as inside) are those of `pytorch3d.renderer.mesh.rasterize_meshes` with
`blur_radius=0` and `faces_per_pixel=1`, so that shaders written for PyTorch3D accept the result.

PyTorch3D's normalised device coordinates (NDC): +x to the left of the image, +y up, z grows away from the camera and is
the camera-frame depth. The shorter image side spans [-1, 1]; the longer side spans more, in proportion.

Dimension letters: B batch, V vertices, F faces, H, W image height and width, S triangles after clipping, N pixels hit.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from face3d.errors import ArgumentError

__all__ = ["Fragments", "ndc_pixel_centres", "rasterize"]

EPSILON = 1e-8
"""Threshold on twice the triangle area (NDC squared), on z and on divisors: PyTorch3D's kEpsilon."""


@dataclass(frozen=True, slots=True)
class Fragments:
    """What each pixel sees; the fields are those of PyTorch3D's Fragments. All are -1 where a pixel sees nothing.

    Attributes:
        pix_to_face: (B, H, W, 1) int64 index into the batch's packed faces: face f of item b is b * F + f.
        zbuf: (B, H, W, 1) depth, in the unit of the vertices' z (metres).
        bary_coords: (B, H, W, 1, 3) weights of the triangle's corners; they sum to one.
        dists: (B, H, W, 1) squared distance in NDC to the nearest edge of the triangle, negative inside.
    """

    pix_to_face: Int[Tensor, "B H W 1"]
    zbuf: Float[Tensor, "B H W 1"]
    bary_coords: Float[Tensor, "B H W 1 3"]
    dists: Float[Tensor, "B H W 1"]


def rasterize(
    vertices_ndc: Float[Tensor, "B V 3"],
    triangles: Int[Tensor, "F 3"],
    image_size: tuple[int, int] | int,
    *,
    backend: str = "numba",
    cull_backfaces: bool = False,
    perspective_correct: bool = True,
    z_clip_value: float | None = None,
) -> Fragments:
    """Rasterise a batch of meshes that share their triangles.

    Triangles that are degenerate, that have a corner that is not finite, or that have a corner with z < 1e-8 are left
    out. With `z_clip_value` triangles are first cut at that depth, and what lies beyond stays.

    Args:
        vertices_ndc: PyTorch3D's NDC (+x left, +y up, z the depth in metres), float32 or float64, any device.
        triangles: corner indices. The front side is the one from which the corners run counter-clockwise.
        image_size: (height, width), or the side of a square.
        backend: "numba".
        cull_backfaces: leave out triangles seen from behind.
        perspective_correct: barycentric coordinates on the triangle in space, not on its image.
        z_clip_value: depth of the near plane, metres; None for none.

    Returns:
        Fragments, differentiable in `vertices_ndc` (except `pix_to_face`).

    Raises:
        ArgumentError: an image without pixels, an index without a vertex, wrong shapes or dtype, an unknown backend.
    """
    if backend != "numba":
        raise ArgumentError(f"backend must be 'numba', not {backend!r}")
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if height < 1 or width < 1:
        raise ArgumentError(f"image_size must be at least one pixel each way, not {height} x {width} (height x width)")
    if vertices_ndc.ndim != 3 or vertices_ndc.shape[2] != 3:
        raise ArgumentError(f"vertices_ndc must have the shape (B, V, 3), not {tuple(vertices_ndc.shape)}")
    if vertices_ndc.dtype not in (torch.float32, torch.float64):
        raise ArgumentError(f"vertices_ndc must be float32 or float64, not {vertices_ndc.dtype}")
    corners = _gather_corners(vertices_ndc, triangles)

    batch, faces = corners.shape[:2]
    soup = corners.reshape(-1, 3, 3)
    soup_face: Int[Tensor, " S"] | None = None
    soup_corners: Float[Tensor, "S 3 3"] | None = None
    if z_clip_value is not None and bool((soup[..., 2] < z_clip_value).any()):
        soup, soup_face, soup_corners = _clip(soup, z_clip_value, perspective_correct)

    face_of = np.arange(batch * faces) if soup_face is None else soup_face.cpu().numpy()
    first_triangle = np.searchsorted(face_of, np.arange(batch + 1) * faces)
    visible = _visible(soup, first_triangle, (height, width), cull_backfaces, perspective_correct)

    hit = visible >= 0
    triangle = visible[hit]
    _, rows, columns = torch.nonzero(hit, as_tuple=True)
    x, y = (centres.to(soup) for centres in ndc_pixel_centres((height, width), _numpy_dtype(soup)))
    points = torch.stack((x[columns], y[rows]), -1)
    hit_corners = soup[triangle]
    weights = _barycentric(points, hit_corners, perspective_correct)
    depth = (weights * hit_corners[..., 2]).sum(-1)
    distance = -_squared_edge_distance(points, hit_corners)
    if soup_face is not None and soup_corners is not None:
        weights = (weights[:, None, :] @ soup_corners[triangle])[:, 0]
        triangle = soup_face[triangle]

    nothing = torch.full((batch, height, width), -1.0, dtype=soup.dtype, device=soup.device)
    pix_to_face = torch.full_like(visible, -1)
    pix_to_face[hit] = triangle
    return Fragments(
        pix_to_face=pix_to_face[..., None],
        zbuf=nothing.masked_scatter(hit, depth)[..., None],
        bary_coords=nothing[..., None].repeat(1, 1, 1, 3).masked_scatter(hit[..., None], weights)[..., None, :],
        dists=nothing.masked_scatter(hit, distance)[..., None],
    )


def ndc_pixel_centres(
    image_size: tuple[int, int], dtype: type[np.floating]
) -> tuple[Float[Tensor, " W"], Float[Tensor, " H"]]:
    """Return the NDC x of each column's centres and the NDC y of each row's, rounded as PyTorch3D rounds them."""
    height, width = image_size

    def along(length: int, other: int) -> Float[Tensor, " L"]:
        span = dtype(2.0) if length <= other else dtype(length) * dtype(2.0) / dtype(other)
        half = span / dtype(2.0)
        towards_origin = np.arange(length - 1, -1, -1).astype(dtype)
        return torch.from_numpy(-half + (span * towards_origin + half) / dtype(length))

    return along(width, height), along(height, width)


def _gather_corners(vertices: Float[Tensor, "B V 3"], triangles: Int[Tensor, "F 3"]) -> Float[Tensor, "B F 3 3"]:
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.is_floating_point():
        raise ArgumentError(
            f"triangles must be integers of the shape (F, 3), not {triangles.dtype} {tuple(triangles.shape)}"
        )
    count = vertices.shape[1]
    if triangles.numel() and not 0 <= int(triangles.min()) <= int(triangles.max()) < count:
        span = f"{int(triangles.min())} to {int(triangles.max())}"
        raise ArgumentError(f"triangles name vertices {span}, but the mesh has {count} vertices")
    return vertices[:, triangles.to(device=vertices.device, dtype=torch.int64)]


def _numpy_dtype(tensor: Tensor) -> type[np.floating]:
    return np.float64 if tensor.dtype == torch.float64 else np.float32


def _visible(
    soup: Float[Tensor, "S 3 3"],
    first_triangle: Int[np.ndarray, " B_plus_1"],
    image_size: tuple[int, int],
    cull_backfaces: bool,
    perspective_correct: bool,
) -> Int[Tensor, "B H W"]:
    """Index of the triangle that each pixel of each batch item sees, -1 for none."""
    from face3d.render.visibility_numba import visible_triangles_ndc

    x, y = (centres.numpy() for centres in ndc_pixel_centres(image_size, _numpy_dtype(soup)))
    triangles = np.ascontiguousarray(soup.detach().cpu().numpy())
    visible = [
        visible_triangles_ndc(triangles[first:last], x, y, EPSILON, cull_backfaces, perspective_correct)
        for first, last in itertools.pairwise(first_triangle)
    ]
    index = np.full((len(visible), *image_size), -1, dtype=np.int64)
    for item, first in enumerate(first_triangle[:-1]):
        np.copyto(index[item], visible[item] + first, where=visible[item] >= 0)
    return torch.from_numpy(index).to(soup.device)


def _edge_function(p: Float[Tensor, "N 2"], a: Float[Tensor, "N 2"], b: Float[Tensor, "N 2"]) -> Float[Tensor, " N"]:
    """Twice the area of the triangle p, a, b; positive if they run counter-clockwise in the image (x is mirrored)."""
    return (p[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1]) - (p[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])


def _barycentric(
    points: Float[Tensor, "N 2"], corners: Float[Tensor, "N 3 3"], perspective_correct: bool
) -> Float[Tensor, "N 3"]:
    a, b, c = corners[..., :2].unbind(1)
    area = _edge_function(c, a, b) + EPSILON
    edges = (_edge_function(points, b, c), _edge_function(points, c, a), _edge_function(points, a, b))
    weights = torch.stack(edges, -1) / area[:, None]
    if not perspective_correct:
        return weights
    za, zb, zc = corners[..., 2].unbind(1)
    weights = weights * torch.stack((zb * zc, za * zc, za * zb), -1)
    return weights / weights.sum(-1, keepdim=True).clamp_min(EPSILON)


def _squared_edge_distance(points: Float[Tensor, "N 2"], corners: Float[Tensor, "N 3 3"]) -> Float[Tensor, " N"]:
    """Squared distance from each point to the nearest of its triangle's edges."""
    start = corners[:, :, :2]
    along = start.roll(-1, dims=1) - start
    offset = points[:, None] - start
    length_squared = (along * along).sum(-1)
    t = ((offset * along).sum(-1) / length_squared.clamp_min(EPSILON)).clamp(0.0, 1.0)
    gap = offset - t[..., None] * along
    return (gap * gap).sum(-1).amin(-1)


def _clip(
    soup: Float[Tensor, "F 3 3"], z_clip: float, perspective_correct: bool
) -> tuple[Float[Tensor, "S 3 3"], Int[Tensor, " S"], Float[Tensor, "S 3 3"]]:
    """Cut triangles at the plane z = z_clip.

    Returns:
        The triangles that are left (a triangle with one corner before the plane leaves two), the face that each is part
        of, in ascending order, and the barycentric coordinates of its corners on that face.
    """
    in_front = soup[..., 2] >= z_clip
    count = in_front.sum(-1)
    face = torch.arange(len(soup), device=soup.device)
    whole = face[count == 3]
    identity = torch.eye(3, dtype=soup.dtype, device=soup.device)
    pieces = [(whole, soup[whole], identity.expand(len(whole), 3, 3))]
    for kept in (1, 2):
        cut = face[count == kept]
        # Turn each triangle so that its odd corner (the only one kept, or the only one cut off) comes first.
        lonely = (in_front[cut] == (kept == 1)).to(torch.int64).argmax(-1)
        turn = (lonely[:, None] + torch.arange(3, device=soup.device)) % 3
        a, b, c = torch.gather(soup[cut], 1, turn[..., None].expand(-1, -1, 3)).unbind(1)
        corner_a, corner_b, corner_c = identity[turn].unbind(1)
        ab, corner_ab = _cut_edge(a, b, corner_a, corner_b, z_clip, perspective_correct)
        ac, corner_ac = _cut_edge(a, c, corner_a, corner_c, z_clip, perspective_correct)
        if kept == 1:
            pieces.append((cut, torch.stack((a, ab, ac), 1), torch.stack((corner_a, corner_ab, corner_ac), 1)))
        else:
            pieces.append((cut, torch.stack((ab, b, c), 1), torch.stack((corner_ab, corner_b, corner_c), 1)))
            pieces.append((cut, torch.stack((ab, c, ac), 1), torch.stack((corner_ab, corner_c, corner_ac), 1)))
    soup_face = torch.cat([piece[0] for piece in pieces])
    order = torch.argsort(soup_face, stable=True)
    return (
        torch.cat([piece[1] for piece in pieces])[order],
        soup_face[order],
        torch.cat([piece[2] for piece in pieces])[order],
    )


def _cut_edge(
    a: Float[Tensor, "N 3"],
    b: Float[Tensor, "N 3"],
    corner_a: Float[Tensor, "N 3"],
    corner_b: Float[Tensor, "N 3"],
    z_clip: float,
    perspective_correct: bool,
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"]]:
    """Point where the edge a-b meets the plane z = z_clip, and its barycentric coordinates."""
    t = ((a[:, 2] - z_clip) / (a[:, 2] - b[:, 2]))[:, None]
    corner = corner_a + t * (corner_b - corner_a)
    if perspective_correct:
        # NDC x, y are divided by z; a straight line in space is x z, y z, z.
        a_space, b_space = a[:, :2] * a[:, 2:], b[:, :2] * b[:, 2:]
        xy = (a_space + t * (b_space - a_space)) / z_clip
    else:
        xy = a[:, :2] + t * (b[:, :2] - a[:, :2])
    return torch.cat((xy, torch.full_like(t, z_clip)), -1), corner
