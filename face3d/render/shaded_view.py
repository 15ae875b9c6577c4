"""Differentiable pictures of lit meshes, for losses: `render_sh`; and SPECTRE's grey shape view.

Dimension letters: B batch, V vertices, F faces, H, W image height and width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from face3d.camera import PinholeCamera, WeakPerspectiveCamera
from face3d.errors import ArgumentError
from face3d.render.attributes import UvTexture, interpolate_vertices, sample_texture
from face3d.render.rasterizer import Fragments, rasterize
from face3d.render.shading import directional_shading, spherical_harmonics_shading, vertex_normals
from face3d.render.silhouette import antialias
from face3d.render.topology import MeshTopology

__all__ = ["SHAPE_VIEW_ALBEDO", "SHAPE_VIEW_LAMPS", "render_sh", "shape_view"]

SHAPE_VIEW_ALBEDO = 180.0 / 255.0
"""Grey of SPECTRE's and DECA's shape view, sRGB."""

SHAPE_VIEW_LAMPS: tuple[tuple[float, ...], ...] = tuple(
    (*direction, 1.7, 1.7, 1.7) for direction in ((-1, 1, 1), (1, 1, 1), (-1, -1, 1), (1, -1, 1), (0, 0, 1))
)
"""Direction in the viewer's frame (+x right, +y up, +z towards the viewer) and RGB intensity, as in DECA."""

SHAPE_VIEW_NORMAL_LIMIT = 0.15
"""DECA shows what has a normal with z below this in its camera frame, whose z points away from the viewer."""


def render_sh(
    vertices: Float[Tensor, "B V 3"],
    triangles: Int[Tensor, "F 3"],
    camera: PinholeCamera | WeakPerspectiveCamera,
    albedo: Float[Tensor, "V 3"] | Float[Tensor, "B V 3"] | UvTexture,
    light: Float[Tensor, "B 9 3"],
    *,
    topology: MeshTopology | None = None,
    rasterizer: Callable[..., Fragments] = rasterize,
    cull_backfaces: bool = False,
) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, "B 1 H W"]]:
    """Render meshes under spherical-harmonics light, differentiable in vertices, camera, albedo, light.

    Colours are linear RGB: the picture is albedo times light, the light is DECA's (`spherical_harmonics_shading` at
    each pixel's interpolated unit normal) in the viewer's frame: +x right, +y up, +z towards the viewer. It stays when
    the head turns. Nothing is clamped. Encode with `srgb_from_linear` before comparing with a photo. (Fed with DECA's
    codes, which are made for sRGB without conversion, it gives sRGB.)

    Args:
        vertices: metres; the head frame of a pinhole camera, or posed for a weak-perspective one.
        triangles: corner indices, counter-clockwise seen from outside.
        camera: the view of each mesh; a batch of one serves all.
        albedo: linear RGB per vertex, or a texture.
        light: SH coefficients per basis function and channel; a batch of one serves all.
        topology: of `triangles`. With it contours are antialiased (`antialias`), which gives them gradients and blends
            mask and picture; without it pixels are all or nothing and only their insides have gradients.
        rasterizer: `rasterize`, or that with a backend of choice: `functools.partial(rasterize, backend=...)`.
        cull_backfaces: leave out triangles seen from behind.

    Returns:
        The picture over black (multiplied by the mask; see `composite_over`), and the mask in [0, 1].

    Raises:
        ArgumentError: shapes that do not fit each other, or vertices that are not finite.
    """
    _check_vertices(vertices)
    if light.ndim != 3 or light.shape[1:] != (9, 3) or light.shape[0] not in (1, len(vertices)):
        raise ArgumentError(f"light must have the shape (1 or {len(vertices)}, 9, 3), not {tuple(light.shape)}")
    vertices_ndc, fragments = _rasterize(vertices, triangles, camera, rasterizer, cull_backfaces)
    normals = interpolate_vertices(
        fragments, triangles, camera.view_directions(vertex_normals(vertices, triangles)).expand_as(vertices)
    )
    normals = _unit(normals[..., 0, :])
    if isinstance(albedo, UvTexture):
        colour = sample_texture(fragments, albedo)[..., 0, :]
    else:
        colour = interpolate_vertices(fragments, triangles, albedo)[..., 0, :]
    lit = spherical_harmonics_shading(normals.flatten(1, 2), light.expand(len(normals), 9, 3).to(normals))
    colour = colour * lit.reshape(normals.shape)
    mask = (fragments.pix_to_face[..., :1] >= 0).to(colour.dtype)
    picture = torch.cat((colour, mask), -1).permute(0, 3, 1, 2)
    if topology is not None:
        picture = antialias(picture, fragments, vertices_ndc, topology)
    return picture[:, :3], picture[:, 3:]


def shape_view(
    vertices: Float[Tensor, "B V 3"],
    triangles: Int[Tensor, "F 3"],
    camera: PinholeCamera | WeakPerspectiveCamera,
    *,
    background: Float[Tensor, "B 3 H W"] | None = None,
    rasterizer: Callable[..., Fragments] = rasterize,
) -> Float[Tensor, "B 3 H W"]:
    """Return the grey picture of a shape that SPECTRE and DECA show: five lamps, sRGB values unconverted, no gradient.

    Normals are interpolated and not normalised again, and what turns away from the viewer by more than about 99 degrees
    is left to the background, both as there.

    Args:
        vertices: as in `render_sh`.
        triangles: corner indices, counter-clockwise seen from outside.
        camera: the published systems use the weak-perspective one.
        background: sRGB in [0, 1]; black without.
        rasterizer: `rasterize`, or that with a backend of choice: `functools.partial(rasterize, backend=...)`.

    Raises:
        ArgumentError: shapes that do not fit each other, or vertices that are not finite.
    """
    _check_vertices(vertices)
    with torch.no_grad():
        _, fragments = _rasterize(vertices, triangles, camera, rasterizer, False)
        normals = camera.view_directions(vertex_normals(vertices, triangles)).expand_as(vertices)
        normals = interpolate_vertices(fragments, triangles, normals)[..., 0, :]
        lamps = torch.tensor([SHAPE_VIEW_LAMPS], dtype=normals.dtype, device=normals.device)
        lit = directional_shading(normals.flatten(1, 2), lamps.expand(len(normals), -1, -1)).reshape(normals.shape)
        shows = (fragments.pix_to_face[..., :1] >= 0) & (-normals[..., 2:] < SHAPE_VIEW_NORMAL_LIMIT)
        picture = torch.where(shows, SHAPE_VIEW_ALBEDO * lit, 0.0).permute(0, 3, 1, 2)
        if background is None:
            return picture
        if background.shape != picture.shape:
            raise ArgumentError(f"background must be {tuple(picture.shape)}, not {tuple(background.shape)}")
        return torch.where(shows.permute(0, 3, 1, 2), picture, background.to(picture))


def _check_vertices(vertices: Float[Tensor, "B V 3"]) -> None:
    if vertices.ndim != 3 or vertices.shape[2] != 3:
        raise ArgumentError(f"vertices must have the shape (B, V, 3), not {tuple(vertices.shape)}")
    if not bool(torch.isfinite(vertices).all()):
        raise ArgumentError("vertices hold NaN or infinity; nothing sensible can be drawn of them")


def _rasterize(
    vertices: Float[Tensor, "B V 3"],
    triangles: Int[Tensor, "F 3"],
    camera: PinholeCamera | WeakPerspectiveCamera,
    rasterizer: Callable[..., Fragments],
    cull_backfaces: bool,
) -> tuple[Float[Tensor, "B V 3"], Fragments]:
    vertices_ndc = camera.ndc(vertices)
    if len(vertices_ndc) != len(vertices):
        raise ArgumentError(f"{len(vertices)} meshes need one camera or as many, got {len(vertices_ndc)}")
    width, height = camera.image_size
    fragments = rasterizer(
        vertices_ndc,
        triangles,
        (height, width),
        cull_backfaces=cull_backfaces,
        perspective_correct=camera.perspective,
    )
    return vertices_ndc, fragments


def _unit(vectors: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """Unit vectors; zero, with zero gradient, of zero."""
    squared = (vectors * vectors).sum(-1, keepdim=True)
    usable = squared > 0
    return torch.where(usable, vectors * torch.rsqrt(torch.where(usable, squared, 1.0)), 0.0)
