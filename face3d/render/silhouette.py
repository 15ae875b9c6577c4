"""Silhouettes with gradients: soft ones from distances, and exact ones from antialiased contours.

`soft_silhouette` follows SoftRas and PyTorch3D: every face near a pixel counts by its distance, which wants fragments
with a blur radius and several faces per pixel. `antialias` needs one face per pixel: it finds where the mesh's contour
crosses between the centres of two neighbouring pixels and blends their colours by that place, so that the picture
moves continuously with the contour. It follows Laine et al., "Modular Primitives for High-Performance Differentiable
Rendering", 2020, section 3.4, with two differences: the crossings are found from the contour edges and not from the
triangle that a pixel happens to see, so that triangles smaller than a pixel (a head's, near its contour) work too, and
an edge near 45 degrees counts partly along rows and partly along columns instead of all one way or the other.

Dimension letters: B batch, V vertices, E edges, N crossings, H, W image height and width, K faces per pixel, C
channels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from face3d.camera import pixels_from_pytorch3d_ndc
from face3d.errors import ArgumentError
from face3d.render.rasterizer import Fragments
from face3d.render.topology import MeshTopology

__all__ = ["antialias", "antialiased_silhouette", "blur_radius", "soft_silhouette"]

LEAST_RISE = 0.1
"""Edges that rise less than this per pixel across the line of centres are left to the lines that they cross steeply."""


def blur_radius(sigma: float, *, smallest: float = 1e-4) -> float:
    """Return the blur radius that `soft_silhouette` wants: beyond it a face counts for less than `smallest`.

    It is a squared NDC distance, as PyTorch3D's setting of this name.
    """
    return math.log(1 / smallest - 1) * sigma


def soft_silhouette(fragments: Fragments, *, sigma: float = 1e-4) -> Float[Tensor, "B 1 H W"]:
    """Return the coverage 1 - prod_k (1 - sigmoid(-dists_k / sigma)), as in SoftRas and PyTorch3D.

    With fragments without blur, pixels outside the mesh are 0 and those inside rise from 0.5 at the edge of their
    triangle: only pixels inside then have a gradient, and inner edges show. Use a blur radius, or `antialias`.

    Args:
        fragments: best with `blur_radius(sigma)` and several faces per pixel.
        sigma: squared NDC distance over which a face fades.

    Raises:
        ArgumentError: a sigma that is not positive.
    """
    if not sigma > 0:
        raise ArgumentError(f"sigma must be a positive squared distance, got {sigma}")
    # log(1 - sigmoid(-x)) = log sigmoid(x) keeps digits where a pixel is deep inside.
    log_miss = torch.where(
        fragments.pix_to_face >= 0, torch.nn.functional.logsigmoid(fragments.dists / sigma), 0.0
    ).sum(-1)
    return -torch.expm1(log_miss)[:, None]


def antialiased_silhouette(
    fragments: Fragments, vertices_ndc: Float[Tensor, "B V 3"], topology: MeshTopology
) -> Float[Tensor, "B 1 H W"]:
    """Return how much of each pixel the mesh covers, with the gradient of its contour; see `antialias`."""
    covered = (fragments.pix_to_face[..., 0] >= 0).to(vertices_ndc.dtype)[:, None]
    return antialias(covered, fragments, vertices_ndc, topology)


def antialias(
    image: Float[Tensor, "B C H W"],
    fragments: Fragments,
    vertices_ndc: Float[Tensor, "B V 3"],
    topology: MeshTopology,
) -> Float[Tensor, "B C H W"]:
    """Blend pixels across the visible contours of a mesh, differentiable in the colours and in the vertices.

    Of two neighbouring pixels between whose centres a contour edge passes, the one whose area it cuts takes the share
    of the other's colour that the edge leaves to it, as if the edge ran straight across. Over a straight edge the sum
    of the picture is the covered area, and so is its gradient, up to a pixel at the edge's ends. Contours are edges
    all of whose faces lie on one side in the image; those hidden behind what the outer pixel sees do not count.
    Neighbouring surfaces that merely intersect keep a hard border.

    Args:
        image: what each pixel sees, at its centre; linear colours, or 1 for covered.
        fragments: without blur; only the nearest face of each pixel counts.
        vertices_ndc: as rasterised.
        topology: of the triangles that were rasterised.

    Raises:
        ArgumentError: shapes that do not fit each other.
    """
    batch, height, width = fragments.pix_to_face.shape[:3]
    if image.ndim != 4 or image.shape[0] != batch or image.shape[2:] != (height, width):
        raise ArgumentError(f"image must be ({batch}, C, {height}, {width}) as the fragments, not {tuple(image.shape)}")
    if vertices_ndc.ndim != 3 or vertices_ndc.shape[0] != batch or vertices_ndc.shape[2] != 3:
        raise ArgumentError(f"vertices_ndc must have the shape ({batch}, V, 3), not {tuple(vertices_ndc.shape)}")
    if topology.highest_vertex >= vertices_ndc.shape[1]:
        raise ArgumentError(
            f"triangles name vertex {topology.highest_vertex}, but the mesh has {vertices_ndc.shape[1]}"
        )
    places = pixels_from_pytorch3d_ndc(vertices_ndc[..., :2], (width, height))
    seen, depth = fragments.pix_to_face[..., 0], fragments.zbuf[..., 0].detach()
    depth = torch.where(seen >= 0, depth, torch.inf)
    with torch.no_grad():
        sides = _contours(places, vertices_ndc[..., 2], topology)
        rows = _crossings(places, vertices_ndc[..., 2], topology.edges, sides, seen, depth)
        columns = _crossings(places.flip(-1), vertices_ndc[..., 2], topology.edges, -sides, seen.mT, depth.mT)
    inner, outer, reach, portion = [], [], [], []
    for crossings, axes, steps in ((rows, places, (width, 1)), (columns, places.flip(-1), (1, width))):
        start = axes[crossings.item, topology.edges[crossings.edge, 0]]
        end = axes[crossings.item, topology.edges[crossings.edge, 1]]
        slope = (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
        # Rows and columns both measure the area that an edge sweeps; these portions of the two add up to one.
        portion.append(1 / (1 + slope**4))
        along = start[:, 0] + (crossings.line + 0.5 - start[:, 1]) * slope
        reach.append((along - crossings.inner - 0.5) * (crossings.outer - crossings.inner))
        base = crossings.item * (height * width) + crossings.line * steps[0]
        inner.append(base + crossings.inner * steps[1])
        outer.append(base + crossings.outer * steps[1])
    return _blend(image, torch.cat(inner), torch.cat(outer), torch.cat(reach), torch.cat(portion))


class _Crossings(NamedTuple):
    """Where contour edges pass between two pixel centres of a line (a row, or a column with the axes exchanged)."""

    item: Int[Tensor, " N"]
    edge: Int[Tensor, " N"]
    line: Int[Tensor, " N"]
    inner: Int[Tensor, " N"]
    """The pixel of the line on the surface's side."""
    outer: Int[Tensor, " N"]


def _contours(
    places: Float[Tensor, "B V 2"], depth: Float[Tensor, "B V"], topology: MeshTopology
) -> Float[Tensor, "B E"]:
    """+1 or -1 for an edge all of whose drawn faces lie on one side, 0 for others.

    The sign is that of the cross product of the edge with the way from its start to the face's third corner.
    """
    batch, edge_count = places.shape[0], len(topology.edges)
    drawn = torch.isfinite(places).all(-1) & torch.isfinite(depth) & (depth > 0)
    corners = places[:, topology.triangles]
    edge = topology.opposite_edge
    start = places[:, topology.edges[edge.clamp_min(0), 0]] if edge_count else corners
    end = places[:, topology.edges[edge.clamp_min(0), 1]] if edge_count else corners
    along, across = end - start, corners - start
    side = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
    usable = drawn[:, topology.triangles].all(-1, keepdim=True) & (edge >= 0)
    target = edge.clamp_min(0) + edge_count * torch.arange(batch, device=edge.device)[:, None, None]
    has = [torch.zeros(batch * edge_count, dtype=torch.bool, device=places.device) for _ in range(2)]
    for flag, on_side in zip(has, (side > 0, side < 0), strict=True):
        flag[target[usable & on_side]] = True
    positive, negative = (flag.reshape(batch, edge_count) for flag in has)
    return (positive & ~negative).to(places.dtype) - (negative & ~positive).to(places.dtype)


def _crossings(
    places: Float[Tensor, "B V 2"],
    vertex_depth: Float[Tensor, "B V"],
    edges: Int[Tensor, "E 2"],
    sides: Float[Tensor, "B E"],
    seen: Int[Tensor, "B H W"],
    depth: Float[Tensor, "B H W"],
) -> _Crossings:
    """Find where visible contour edges cross lines of pixel centres: rows, or columns with all axes exchanged."""
    length, breadth = seen.shape[1:]
    start, end = places[:, edges[:, 0]], places[:, edges[:, 1]]
    run, rise = (end - start).abs().unbind(-1)
    chosen = (sides != 0) & (rise > LEAST_RISE * run)
    item, edge = torch.nonzero(chosen, as_tuple=True)
    start, end = start[item, edge], end[item, edge]
    # The lines whose centres lie in [lowest, highest): neighbouring edges of a contour then share none and miss none.
    first = torch.ceil(torch.minimum(start[:, 1], end[:, 1]) - 0.5).clamp(0, length).to(torch.int64)
    beyond = torch.ceil(torch.maximum(start[:, 1], end[:, 1]) - 0.5).clamp(0, length).to(torch.int64)
    count = (beyond - first).clamp_min(0)
    source = torch.repeat_interleave(torch.arange(len(edge), device=edge.device), count)
    line = torch.arange(len(source), device=edge.device) - (count.cumsum(0) - count - first)[source]
    item, edge, start, end = item[source], edge[source], start[source], end[source]
    t = (line + 0.5 - start[:, 1]) / (end[:, 1] - start[:, 1])
    along = start[:, 0] + t * (end[:, 0] - start[:, 0]) - 0.5
    left = torch.floor(along)
    within = (left >= 0) & (left < breadth - 1)
    item, edge, line, t, along, rise = (
        values[within] for values in (item, edge, line, t, along, end[:, 1] - start[:, 1])
    )
    left = left[within].to(torch.int64)
    surface_right = sides[item, edge] * rise < 0
    inner, outer = left + surface_right, left + ~surface_right
    inverse_depth = (1 - t) / vertex_depth[item, edges[edge, 0]] + t / vertex_depth[item, edges[edge, 1]]
    inner_depth, outer_depth = depth[item, line, inner], depth[item, line, outer]
    shows = (seen[item, line, inner] != seen[item, line, outer]) & (inner_depth < outer_depth)
    shows &= inverse_depth * outer_depth > 1
    pair = (item * length + line) * breadth + left
    kept = _outermost(pair[shows], (along - inner).abs()[shows])
    return _Crossings(*(values[shows][kept] for values in (item, edge, line, inner, outer)))


def _outermost(pair: Int[Tensor, " N"], reach: Float[Tensor, " N"]) -> Int[Tensor, " M"]:
    """Of the crossings between the same two pixels, where to find the one nearest to the outer pixel.

    What lies behind an inner contour shows between the two, so that only the last one borders on the outer surface.
    """
    order = torch.argsort(reach, descending=True, stable=True)
    order = order[torch.argsort(pair[order], stable=True)]
    first = torch.ones_like(order, dtype=torch.bool)
    first[1:] = pair[order][1:] != pair[order][:-1]
    return order[first]


def _blend(
    image: Float[Tensor, "B C H W"],
    inner: Int[Tensor, " N"],
    outer: Int[Tensor, " N"],
    reach: Float[Tensor, " N"],
    portion: Float[Tensor, " N"],
) -> Float[Tensor, "B C H W"]:
    """Blend a portion of pixel pairs, the contour lying `reach` of the way from the inner centre to the outer one."""
    batch, channels, height, width = image.shape
    pixels = image.permute(0, 2, 3, 1).reshape(-1, channels)
    spills = reach.detach() > 0.5
    target, source = torch.where(spills, outer, inner), torch.where(spills, inner, outer)
    share = (portion * (reach - 0.5).abs()).to(image.dtype)
    # Several contours through one pixel may together leave it less than nothing.
    total = torch.zeros(len(pixels), dtype=share.dtype, device=share.device).index_add(0, target, share)
    share = share / total.clamp_min(1.0)[target]
    change = share[:, None] * (pixels[source] - pixels[target])
    return pixels.index_add(0, target, change).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
