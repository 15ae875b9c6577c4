"""The backend "pytorch3d": the library's own rasteriser, fed what it can digest.

PyTorch3D is imported in here and nowhere else, after torch, whose libraries its extension needs.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from face3d.errors import DependencyError
from face3d.render.packed_meshes import PackedMeshes
from face3d.render.rasterizer import Fragments, RasterSettings

__all__ = ["is_installed", "load_pytorch3d", "rasterize_with_pytorch3d"]

PAIR = 'pip install "torch>=2.11,<2.13" "easypytorch3d==0.7.9.post1"'
"""The builds on the package index that fit each other: Python 3.10 to 3.12 on Linux x86-64."""


def is_installed() -> bool:
    """Whether Python finds a package of this name; `load_pytorch3d` says whether it works."""
    try:
        return importlib.util.find_spec("pytorch3d") is not None
    except ValueError:
        return False


@functools.cache
def load_pytorch3d() -> ModuleType:
    """Import PyTorch3D's mesh rasteriser.

    Raises:
        DependencyError: it is not installed, lacks a package, or its extension does not fit this PyTorch.
    """
    either = f"{PAIR}, or a build of your own against this PyTorch"
    try:
        importlib.import_module("pytorch3d._C")
        return importlib.import_module("pytorch3d.renderer.mesh.rasterize_meshes")
    except ModuleNotFoundError as error:
        if not is_installed():
            raise DependencyError(f"PyTorch3D is not installed: {either}") from error
        raise DependencyError(f"PyTorch3D is installed but lacks the module {error.name}: {either}") from error
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DependencyError(
            f"PyTorch3D is installed but does not load with torch {torch.__version__} ({reason}): {either}"
        ) from error


def rasterize_with_pytorch3d(meshes: PackedMeshes, settings: RasterSettings) -> Fragments:
    """Rasterise meshes on their device, in float32; see `face3d.render.rasterize`."""
    library = load_pytorch3d()
    structures = importlib.import_module("pytorch3d.structures")
    vertices, first_face = meshes.vertices, meshes.first_face
    # A mesh without faces trips PyTorch3D's clipping, and a batch of none its Meshes.
    occupied = np.flatnonzero(np.diff(first_face))
    empty = _nothing(len(first_face) - 1, settings, vertices)
    if len(occupied) == 0:
        return empty

    soup = _without_broken(vertices.float()[meshes.triangles])
    parts = [soup[first_face[item] : first_face[item + 1]].reshape(-1, 3) for item in occupied]
    corners = [torch.arange(len(part), device=part.device).reshape(-1, 3) for part in parts]
    largest = max(len(part) for part in corners)
    pix_to_face, zbuf, bary, dists = library.rasterize_meshes(
        structures.Meshes(parts, corners),
        settings.image_size,
        blur_radius=settings.blur_radius,
        faces_per_pixel=settings.faces_per_pixel,
        perspective_correct=settings.perspective_correct,
        clip_barycentric_coords=settings.clip_barycentric_coords,
        cull_backfaces=settings.cull_backfaces,
        z_clip_value=settings.z_clip_value,
        # On CUDA faces are binned by image tile, and what a full bin cannot hold is lost: a head of 10 724 faces that
        # is small in the image overflows the default. Clipping may split every face in two.
        max_faces_per_bin=largest * (1 if settings.z_clip_value is None else 2),
    )
    found = Fragments(pix_to_face, zbuf.to(vertices.dtype), bary.to(vertices.dtype), dists.to(vertices.dtype))
    if len(occupied) == len(first_face) - 1:
        return found
    at = torch.from_numpy(occupied).to(vertices.device)
    return Fragments(
        pix_to_face=empty.pix_to_face.index_copy(0, at, found.pix_to_face),
        zbuf=empty.zbuf.index_copy(0, at, found.zbuf),
        bary_coords=empty.bary_coords.index_copy(0, at, found.bary_coords),
        dists=empty.dists.index_copy(0, at, found.dists),
    )


def _without_broken(soup: Float[Tensor, "S 3 3"]) -> Float[Tensor, "S 3 3"]:
    """Shrink triangles that are not finite to a point at the camera, which PyTorch3D leaves out.

    As they are it would draw them over the whole image, and sort depths that are NaN.
    """
    (ax, ay), (bx, by), (cx, cy) = (corner.unbind(-1) for corner in soup.detach()[..., :2].unbind(1))
    area = (ax - bx) * (cy - by) - (ay - by) * (cx - bx)
    usable = torch.isfinite(soup).all(-1).all(-1) & torch.isfinite(area)
    return torch.where(usable[:, None, None], soup, torch.zeros_like(soup))


def _nothing(batch: int, settings: RasterSettings, vertices: Float[Tensor, "N 3"]) -> Fragments:
    """Return empty images that still have a gradient, of zero."""
    shape = (batch, *settings.image_size, settings.faces_per_pixel)
    zbuf = vertices.new_full(shape, -1.0) + vertices[:0].sum()
    return Fragments(
        pix_to_face=torch.full(shape, -1, dtype=torch.int64, device=vertices.device),
        zbuf=zbuf,
        bary_coords=zbuf[..., None].expand(*shape, 3),
        dists=zbuf.clone(),
    )
