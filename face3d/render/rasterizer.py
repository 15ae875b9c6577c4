"""Differentiable rasterisation: which triangles each pixel sees, and where on them, with PyTorch3D's conventions.

Signs, order, thresholds and what counts as inside are those of `pytorch3d.renderer.mesh.rasterize_meshes`, so that
shaders written for PyTorch3D accept the result. Two backends compute the same fragments: PyTorch3D itself, and compiled
loops for the CPU, where PyTorch3D tests every pixel against every triangle.

PyTorch3D's normalised device coordinates (NDC): +x to the left of the image, +y up, z grows away from the camera and is
the camera-frame depth. The shorter image side spans [-1, 1]; the longer side spans more, in proportion.

Dimension letters: B batch, V vertices, F faces, H, W image height and width, K faces kept per pixel, N and S vertices
and faces of all meshes together.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float, Int
from torch import Tensor

from face3d.errors import ArgumentError, DependencyError
from face3d.render.packed_meshes import PackedMeshes, pack_meshes

__all__ = ["Fragments", "RasterSettings", "Rasterizer", "rasterize"]


@dataclass(frozen=True, slots=True)
class Fragments:
    """What each pixel sees, nearest first; the fields are those of PyTorch3D's Fragments. All are -1 where nothing is.

    Attributes:
        pix_to_face: (B, H, W, K) int64 index into the batch's packed faces: with F faces in each item, b * F + f.
        zbuf: (B, H, W, K) depth, in the unit of the vertices' z (metres).
        bary_coords: (B, H, W, K, 3) weights of the triangle's corners; they sum to one.
        dists: (B, H, W, K) squared distance in NDC to the nearest edge of the triangle, negative inside.
    """

    pix_to_face: Int[Tensor, "B H W K"]
    zbuf: Float[Tensor, "B H W K"]
    bary_coords: Float[Tensor, "B H W K 3"]
    dists: Float[Tensor, "B H W K"]


@dataclass(frozen=True, slots=True)
class RasterSettings:
    """What a backend needs to know besides the meshes; each is explained in `rasterize`."""

    image_size: tuple[int, int]
    cull_backfaces: bool
    perspective_correct: bool
    z_clip_value: float | None
    blur_radius: float
    faces_per_pixel: int
    clip_barycentric_coords: bool


class Rasterizer(Protocol):
    """Whatever rasterises: `rasterize`, or `functools.partial(rasterize, backend=...)`, or one's own."""

    def __call__(
        self,
        vertices_ndc: Float[Tensor, "B V 3"],
        triangles: Int[Tensor, "F 3"],
        image_size: tuple[int, int] | int,
        *,
        cull_backfaces: bool = False,
        perspective_correct: bool = True,
        z_clip_value: float | None = None,
        blur_radius: float = 0.0,
        faces_per_pixel: int = 1,
        clip_barycentric_coords: bool | None = None,
    ) -> Fragments:
        """Rasterise a batch of meshes; arguments and result are those of `rasterize`."""
        ...


def rasterize(
    vertices_ndc: Float[Tensor, "B V 3"] | Float[Tensor, "N 3"] | Sequence[Float[Tensor, "V 3"]],
    triangles: Int[Tensor, "F 3"] | Int[Tensor, "B F 3"] | Sequence[Int[Tensor, "F 3"]],
    image_size: tuple[int, int] | int,
    *,
    backend: str = "auto",
    faces_per_mesh: Sequence[int] | None = None,
    cull_backfaces: bool = False,
    perspective_correct: bool = True,
    z_clip_value: float | None = None,
    blur_radius: float = 0.0,
    faces_per_pixel: int = 1,
    clip_barycentric_coords: bool | None = None,
) -> Fragments:
    """Rasterise a batch of meshes, each into an image of its own.

    The meshes are (B, V, 3) vertices with triangles that all share, (F, 3), or of their own, (B, F, 3); or a list of
    (V, 3) vertices and a list of (F, 3) triangles; or, with `faces_per_mesh`, PyTorch3D's packed form: (N, 3) vertices,
    and (S, 3) triangles that index them.

    Triangles that are degenerate (twice their area at most 1e-8 NDC squared), that have a corner that is not finite, or
    that have a corner with z < 1e-8 are left out. Of triangles at the same depth the first one counts as nearer. With
    `z_clip_value` triangles are first cut at that depth, and what lies beyond stays; the gradient in z of a triangle
    that is cut is PyTorch3D's, which counts one of the two cuts as fixed, and so not exact.

    Args:
        vertices_ndc: PyTorch3D's NDC (+x left, +y up, z the depth in metres), float32 or float64, any device.
        triangles: corner indices. The front side is the one from which the corners run counter-clockwise.
        image_size: (height, width), or the side of a square.
        backend: "numba", compiled loops on the CPU (vertices elsewhere are copied there and the result back), in the
            precision of the vertices; "pytorch3d", PyTorch3D's own on the vertices' device, in float32 whatever the
            vertices are; "auto", PyTorch3D on CUDA where it loads, else numba.
        faces_per_mesh: how many of the packed triangles belong to each mesh, in order.
        cull_backfaces: leave out triangles seen from behind.
        perspective_correct: barycentric coordinates on the triangle in space, not on its image.
        z_clip_value: depth of the near plane, metres; None for none.
        blur_radius: a triangle also covers pixels whose squared distance (NDC) to it is less than this.
        faces_per_pixel: K, how many triangles to keep for each pixel, nearest first.
        clip_barycentric_coords: weights of a pixel outside a triangle are cut at zero and scaled to sum to one, before
            depth is interpolated; None means where `blur_radius` is positive, as in PyTorch3D's MeshRasterizer.

    Returns:
        Fragments, differentiable in `vertices_ndc` (except `pix_to_face`), with "numba" any number of times. Where
        fewer than K triangles are hit the rest is -1.

    Raises:
        ArgumentError: an image without pixels, an index without a vertex, wrong shapes or dtype, an unknown backend.
        DependencyError: backend "pytorch3d" where PyTorch3D is not installed or does not load.
    """
    if backend not in ("auto", "numba", "pytorch3d"):
        raise ArgumentError(f"backend must be 'auto', 'numba' or 'pytorch3d', not {backend!r}")
    settings = RasterSettings(
        image_size=_check_image_size(image_size),
        cull_backfaces=bool(cull_backfaces),
        perspective_correct=bool(perspective_correct),
        z_clip_value=None if z_clip_value is None else float(z_clip_value),
        blur_radius=float(blur_radius),
        faces_per_pixel=int(faces_per_pixel),
        clip_barycentric_coords=bool(blur_radius > 0.0 if clip_barycentric_coords is None else clip_barycentric_coords),
    )
    if settings.z_clip_value is not None and not 0.0 < settings.z_clip_value < math.inf:
        raise ArgumentError(f"z_clip_value must be a depth in front of the camera, above 0, not {z_clip_value}")
    if not 0.0 <= settings.blur_radius < math.inf:
        raise ArgumentError(f"blur_radius must be a squared distance in NDC, 0 or more, not {blur_radius}")
    if settings.faces_per_pixel < 1:
        raise ArgumentError(f"faces_per_pixel must be at least 1, not {faces_per_pixel}")
    meshes = pack_meshes(vertices_ndc, triangles, faces_per_mesh)
    if backend == "pytorch3d" or (backend == "auto" and meshes.vertices.is_cuda and _pytorch3d_serves()):
        from face3d.render.rasterize_pytorch3d import rasterize_with_pytorch3d

        return rasterize_with_pytorch3d(meshes, settings)
    return _rasterize_on_cpu(meshes, settings)


def _check_image_size(image_size: tuple[int, int] | int) -> tuple[int, int]:
    height, width = image_size if isinstance(image_size, Sequence) else (image_size, image_size)
    if height < 1 or width < 1:
        raise ArgumentError(f"image_size must be at least one pixel each way, not {height} x {width} (height x width)")
    return int(height), int(width)


def _pytorch3d_serves() -> bool:
    """Whether PyTorch3D loads; a build that is there and does not is worth a word, as the other backend is slower."""
    from face3d.render.rasterize_pytorch3d import is_installed, load_pytorch3d

    if not is_installed():
        return False
    try:
        load_pytorch3d()
    except DependencyError as error:
        warnings.warn(f"rasterising on the CPU: {error}", RuntimeWarning, stacklevel=3)
        return False
    return True


def _rasterize_on_cpu(meshes: PackedMeshes, settings: RasterSettings) -> Fragments:
    from face3d.render.rasterize_ndc import rasterize_with_numba

    device = meshes.vertices.device
    if device.type == "cpu":
        return rasterize_with_numba(meshes, settings)
    found = rasterize_with_numba(
        PackedMeshes(meshes.vertices.cpu(), meshes.triangles.cpu(), meshes.first_face), settings
    )
    return Fragments(
        pix_to_face=found.pix_to_face.to(device),
        zbuf=found.zbuf.to(device),
        bary_coords=found.bary_coords.to(device),
        dists=found.dists.to(device),
    )
