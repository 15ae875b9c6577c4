"""The backend "numba": PyTorch3D's fragments from compiled loops on the CPU, forward and backward.

The first derivative is compiled too. Where a graph of it is asked for (`create_graph=True`: second derivatives,
`gradgradcheck`), it is taken through torch operations on the pixels that were hit, which are slower by far and have all
derivatives.

Dimension letters as in `face3d.render.rasterizer`; M hits: pixels with something in one of their K places.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from face3d.render import ndc_kernels as kernels
from face3d.render.compiled import run_interleaved
from face3d.render.packed_meshes import NearCut, PackedMeshes, cut_at_near_plane
from face3d.render.rasterizer import Fragments, RasterSettings

__all__ = ["ndc_pixel_centres", "rasterize_with_numba"]


def rasterize_with_numba(meshes: PackedMeshes, settings: RasterSettings) -> Fragments:
    """Rasterise meshes that lie on the CPU; see `face3d.render.rasterize`."""
    cut = None
    if settings.z_clip_value is not None:
        cut = cut_at_near_plane(meshes, settings.z_clip_value, settings.perspective_correct)
    if cut is not None:
        meshes = cut.meshes
    second_half = np.zeros(len(meshes.triangles), dtype=np.bool_) if cut is None else cut.second_half.numpy()
    pix_to_face, zbuf, bary, dists = _Rasterization.apply(
        meshes.vertices.contiguous(), meshes.triangles, meshes.first_face, second_half, settings
    )
    if cut is not None:
        pix_to_face, bary = _on_uncut_faces(cut, pix_to_face, bary)
    return Fragments(pix_to_face=pix_to_face, zbuf=zbuf, bary_coords=bary, dists=dists)


def ndc_pixel_centres(
    image_size: tuple[int, int], dtype: type[np.floating]
) -> tuple[Float[np.ndarray, " W"], Float[np.ndarray, " H"]]:
    """Return the NDC x of each column's centres and the NDC y of each row's, rounded as PyTorch3D rounds them."""
    height, width = image_size

    def along(length: int, other: int) -> Float[np.ndarray, " L"]:
        span = dtype(2.0) if length <= other else dtype(length) * dtype(2.0) / dtype(other)
        half = span / dtype(2.0)
        towards_origin = np.arange(length - 1, -1, -1).astype(dtype)
        return -half + (span * towards_origin + half) / dtype(length)

    return along(width, height), along(height, width)


def _on_uncut_faces(
    cut: NearCut, pix_to_piece: Int[Tensor, "B H W K"], bary: Float[Tensor, "B H W K 3"]
) -> tuple[Int[Tensor, "B H W K"], Float[Tensor, "B H W K 3"]]:
    """Turn indices of, and weights on, what a near plane left over into those of the faces that were cut."""
    hit = pix_to_piece >= 0
    pix_to_face = torch.full_like(pix_to_piece, -1)
    pix_to_face[hit] = cut.face_of[pix_to_piece[hit]]
    partial = hit.clone()
    partial[hit] = cut.is_cut[pix_to_piece[hit]]
    on_face = cut.corners_on_face[pix_to_piece[partial]].bmm(bary[partial][..., None])[..., 0]
    return pix_to_face, bary.masked_scatter(partial[..., None], on_face)


class _Scene(NamedTuple):
    """What forward and backward both need besides tensors."""

    triangles: Int[np.ndarray, "S 3"]
    areas: Float[np.ndarray, " S"]
    x: Float[np.ndarray, " W"]
    y: Float[np.ndarray, " H"]
    perspective: bool
    clip: bool


class _Upstream(NamedTuple):
    """Gradients on the outputs, None on those that nothing depends on."""

    on_zbuf: Float[Tensor, "B H W K"] | None
    on_bary: Float[Tensor, "B H W K 3"] | None
    on_dists: Float[Tensor, "B H W K"] | None


class _Rasterization(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        vertices: Float[Tensor, "N 3"],
        triangles: Int[Tensor, "S 3"],
        first_face: Int[np.ndarray, " B_plus_1"],
        second_half: Bool[np.ndarray, " S"],
        settings: RasterSettings,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        points = vertices.detach().numpy()
        corners = np.ascontiguousarray(triangles.numpy())
        dtype = points.dtype.type
        height, width = settings.image_size
        x, y = ndc_pixel_centres(settings.image_size, dtype)
        perspective, clip = settings.perspective_correct, settings.clip_barycentric_coords
        blur = dtype(settings.blur_radius)

        boxes = np.empty((len(corners), 4), dtype=np.int32)
        areas = np.empty(len(corners), dtype=dtype)
        kernels.set_up(points, corners, x, y, np.sqrt(blur), settings.cull_backfaces, boxes, areas)
        shape = (len(first_face) - 1, height, width, settings.faces_per_pixel)
        index = np.full(shape, -1, dtype=np.int64)
        zbuf = np.full(shape, np.inf, dtype=dtype)
        dists = np.empty(shape, dtype=dtype)
        bary = np.empty((*shape, 3), dtype=dtype)

        def draw(first: int, step: int) -> None:
            kernels.fill(
                points, corners, first_face, second_half, boxes, areas, x, y, blur, perspective, clip, first, step,
                index, zbuf,
            )  # fmt: skip
            kernels.resolve(points, corners, areas, x, y, perspective, clip, first, step, index, zbuf, bary, dists)

        run_interleaved(draw, height, shape[0] * width, None)
        pix_to_face = torch.from_numpy(index)
        ctx.save_for_backward(vertices, pix_to_face)
        ctx.scene = _Scene(corners, areas, x, y, perspective, clip)
        ctx.mark_non_differentiable(pix_to_face)
        ctx.set_materialize_grads(False)
        return pix_to_face, torch.from_numpy(zbuf), torch.from_numpy(bary), torch.from_numpy(dists)

    @staticmethod
    def backward(
        ctx: Any, _: Tensor | None, on_zbuf: Tensor | None, on_bary: Tensor | None, on_dists: Tensor | None
    ) -> tuple[Tensor | None, None, None, None, None]:
        vertices, index = ctx.saved_tensors
        upstream = _Upstream(on_zbuf, on_bary, on_dists)
        if all(gradient is None for gradient in upstream):
            return None, None, None, None, None
        differentiate = _twice_differentiable_gradient if torch.is_grad_enabled() else _gradient
        return differentiate(vertices, index, ctx.scene, upstream), None, None, None, None


def _gradient(
    vertices: Float[Tensor, "N 3"],
    index: Int[Tensor, "B H W K"],
    scene: _Scene,
    upstream: _Upstream,
) -> Float[Tensor, "N 3"]:
    points, pix_to_face = vertices.detach().numpy(), index.numpy()
    absent = np.empty((0, 0, 0, 0), dtype=points.dtype)
    grad_zbuf, grad_bary, grad_dists = (
        without if gradient is None else gradient.detach().contiguous().numpy()
        for gradient, without in zip(upstream, (absent, absent[..., None], absent), strict=True)
    )
    has_zbuf, has_bary, has_dists = (gradient is not None for gradient in upstream)
    on_corners = np.zeros((len(scene.triangles), 3, 3), dtype=points.dtype)
    items, height, width, _ = pix_to_face.shape

    def add(first: int, step: int) -> None:
        kernels.backward(
            points, scene.triangles, scene.areas, scene.x, scene.y, scene.perspective, scene.clip, first, step,
            pix_to_face, has_zbuf, has_bary, has_dists, grad_zbuf, grad_bary, grad_dists, on_corners,
        )  # fmt: skip

    run_interleaved(add, items, height * width, None)
    on_points = np.zeros_like(points)
    kernels.accumulate(scene.triangles, on_corners, on_points)
    return torch.from_numpy(on_points)


def _twice_differentiable_gradient(
    vertices: Float[Tensor, "N 3"],
    index: Int[Tensor, "B H W K"],
    scene: _Scene,
    upstream: _Upstream,
) -> Float[Tensor, "N 3"]:
    hit = index >= 0
    _, rows, columns, _ = torch.nonzero(hit, as_tuple=True)
    points = torch.stack((torch.from_numpy(scene.x)[columns], torch.from_numpy(scene.y)[rows]), -1)
    triangles = torch.from_numpy(scene.triangles)[index[hit]]
    found = _fragments_of_hits(points, vertices[triangles], scene.perspective, scene.clip)
    wanted = [(value, grad[hit]) for value, grad in zip(found, upstream, strict=True) if grad is not None]
    (on_vertices,) = torch.autograd.grad(
        [value for value, _ in wanted], vertices, [grad for _, grad in wanted], create_graph=True
    )
    return on_vertices


def _fragments_of_hits(
    points: Float[Tensor, "M 2"], corners: Float[Tensor, "M 3 3"], perspective: bool, clip: bool
) -> tuple[Float[Tensor, " M"], Float[Tensor, "M 3"], Float[Tensor, " M"]]:
    """Depth, weights and signed squared distance of each point on its triangle, in torch operations."""
    a, b, c = corners[..., :2].unbind(1)
    z = corners[..., 2]
    edges = (_edge_function(points, b, c), _edge_function(points, c, a), _edge_function(points, a, b))
    weights = torch.stack(edges, -1) / (_edge_function(c, a, b) + kernels.EPSILON)[:, None]
    if perspective:
        za, zb, zc = z.unbind(1)
        weights = weights * torch.stack((zb * zc, za * zc, za * zb), -1)
        total = weights.sum(-1, keepdim=True)
        least = float(kernels.SMALLEST_SUM)
        # As in PyTorch3D, the gradient passes the lower bound as if it were not there.
        weights = weights / torch.where(total > least, total, total - total.detach() + least)
    inside = (weights > 0.0).all(-1)
    if clip:
        weights = weights.clamp_min(0.0)
        weights = weights / weights.sum(-1, keepdim=True).clamp_min(float(kernels.SMALLEST_CLIPPED_SUM))
    distance = _squared_edge_distance(points, corners)
    return (weights * z).sum(-1), weights, torch.where(inside, -distance, distance)


def _edge_function(p: Float[Tensor, "M 2"], a: Float[Tensor, "M 2"], b: Float[Tensor, "M 2"]) -> Float[Tensor, " M"]:
    """Twice the area of the triangle p, a, b; positive if they run counter-clockwise in the image (x is mirrored)."""
    return (p[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1]) - (p[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])


def _squared_edge_distance(points: Float[Tensor, "M 2"], corners: Float[Tensor, "M 3 3"]) -> Float[Tensor, " M"]:
    """Squared distance from each point to the nearest of its triangle's edges."""
    start = corners[:, :, :2]
    along = start.roll(-1, dims=1) - start
    offset = points[:, None] - start
    length_squared = (along * along).sum(-1)
    t = ((offset * along).sum(-1) / length_squared.clamp_min(kernels.EPSILON)).clamp(0.0, 1.0)
    gap = offset - t[..., None] * along
    return (gap * gap).sum(-1).amin(-1)
