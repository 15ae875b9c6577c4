"""A batch of meshes laid end to end, PyTorch3D's packed form, and the near plane that cuts them.

Dimension letters: B batch, N vertices of all meshes, S triangles of all meshes, V and F those of one mesh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from face3d.errors import ArgumentError

__all__ = ["NearCut", "PackedMeshes", "cut_at_near_plane", "pack_meshes"]


@dataclass(frozen=True, slots=True)
class PackedMeshes:
    """Meshes laid end to end.

    Attributes:
        vertices: (N, 3) vertices of all meshes.
        triangles: (S, 3) int64 rows of `vertices`, those of the first mesh first.
        first_face: (B + 1) int64 where the triangles of each mesh begin; its last entry is S.
    """

    vertices: Float[Tensor, "N 3"]
    triangles: Int[Tensor, "S 3"]
    first_face: Int[np.ndarray, " B_plus_1"]


@dataclass(frozen=True, slots=True)
class NearCut:
    """What is left of packed meshes beyond a near plane.

    Attributes:
        meshes: the triangles that are left, each with corners of its own.
        second_half: (S) whether a triangle and the one before it are the two parts of one quadrilateral.
        face_of: (S) the face of the uncut meshes that each triangle is part of, ascending.
        is_cut: (S) whether a triangle is only part of its face.
        corners_on_face: (S, 3, 3) column k is the barycentric coordinates, on its face, of a triangle's corner k.
    """

    meshes: PackedMeshes
    second_half: Bool[Tensor, " S"]
    face_of: Int[Tensor, " S"]
    is_cut: Bool[Tensor, " S"]
    corners_on_face: Float[Tensor, "S 3 3"]


def pack_meshes(
    vertices: Float[Tensor, "B V 3"] | Float[Tensor, "N 3"] | Sequence[Float[Tensor, "V 3"]],
    triangles: Int[Tensor, "F 3"] | Int[Tensor, "B F 3"] | Sequence[Int[Tensor, "F 3"]],
    faces_per_mesh: Sequence[int] | None,
) -> PackedMeshes:
    """Check the meshes, given in any of the forms that `rasterize` takes, and lay them end to end.

    Raises:
        ArgumentError: a wrong shape or dtype, an index without a vertex, counts that do not add up.
    """
    if faces_per_mesh is not None:
        return _already_packed(vertices, triangles, faces_per_mesh)
    if not isinstance(vertices, Tensor):
        return _concatenate(vertices, triangles)
    if vertices.ndim != 3 or vertices.shape[2] != 3:
        raise ArgumentError(
            f"vertices_ndc must have the shape (B, V, 3), or be a list of (V, 3), not {tuple(vertices.shape)}; "
            "packed (N, 3) vertices need faces_per_mesh"
        )
    _check_dtype(vertices)
    batch, count = vertices.shape[:2]
    if isinstance(triangles, Tensor) and triangles.ndim == 3 and len(triangles) != batch:
        raise ArgumentError(f"triangles are for {len(triangles)} meshes, vertices_ndc for {batch}")
    if not isinstance(triangles, Tensor):
        return _concatenate(list(vertices), triangles)
    shared = _check_triangles(triangles, count, ndim=3 if triangles.ndim == 3 else 2).to(vertices.device, torch.int64)
    offsets = torch.arange(batch, device=vertices.device)[:, None, None] * count
    faces = shared.shape[-2]
    return PackedMeshes(
        vertices.reshape(-1, 3), (shared + offsets).reshape(-1, 3), np.arange(batch + 1, dtype=np.int64) * faces
    )


def _already_packed(vertices: object, triangles: object, faces_per_mesh: Sequence[int]) -> PackedMeshes:
    if not isinstance(vertices, Tensor) or vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ArgumentError("with faces_per_mesh, vertices_ndc must be one tensor of the shape (N, 3)")
    if not isinstance(triangles, Tensor):
        raise ArgumentError("with faces_per_mesh, triangles must be one tensor of the shape (S, 3)")
    _check_dtype(vertices)
    packed = _check_triangles(triangles, len(vertices), ndim=2).to(vertices.device, torch.int64)
    counts = [int(count) for count in faces_per_mesh]
    if min(counts, default=0) < 0 or sum(counts) != len(packed):
        raise ArgumentError(f"faces_per_mesh {counts} must be counts that add up to the {len(packed)} triangles")
    return PackedMeshes(vertices, packed, np.concatenate(([0], np.cumsum(counts, dtype=np.int64))).astype(np.int64))


def _concatenate(vertices: Sequence[Tensor], triangles: Tensor | Sequence[Tensor]) -> PackedMeshes:
    parts = list(triangles) if not isinstance(triangles, Tensor) or triangles.ndim == 3 else [triangles]
    if len(parts) != len(vertices):
        raise ArgumentError(f"triangles are for {len(parts)} meshes, vertices_ndc for {len(vertices)}")
    if not vertices:
        raise ArgumentError("vertices_ndc is an empty list; an empty batch is a tensor of the shape (0, V, 3)")
    for part in vertices:
        if not isinstance(part, Tensor) or part.ndim != 2 or part.shape[1] != 3:
            raise ArgumentError(f"each of vertices_ndc must have the shape (V, 3), not {tuple(part.shape)}")
        _check_dtype(part)
        if part.dtype != vertices[0].dtype or part.device != vertices[0].device:
            raise ArgumentError("vertices_ndc must all be of one dtype and on one device")
    first_vertex = np.concatenate(([0], np.cumsum([len(part) for part in vertices])))
    shifted = [
        _check_triangles(part, len(own), ndim=2).to(own.device, torch.int64) + int(first)
        for part, own, first in zip(parts, vertices, first_vertex[:-1], strict=True)
    ]
    first_face = np.concatenate(([0], np.cumsum([len(part) for part in shifted]))).astype(np.int64)
    return PackedMeshes(torch.cat(list(vertices)), torch.cat(shifted), first_face)


def _check_dtype(vertices: Tensor) -> None:
    if vertices.dtype not in (torch.float32, torch.float64):
        raise ArgumentError(f"vertices_ndc must be float32 or float64, not {vertices.dtype}")


def _check_triangles(triangles: Tensor, count: int, *, ndim: int) -> Tensor:
    integers = not (triangles.is_floating_point() or triangles.is_complex() or triangles.dtype == torch.bool)
    if triangles.ndim != ndim or triangles.shape[-1] != 3 or not integers:
        raise ArgumentError(
            f"triangles must be integers of the shape (F, 3), not {triangles.dtype} {tuple(triangles.shape)}"
        )
    if triangles.numel():
        lowest, highest = (int(bound) for bound in torch.aminmax(triangles))
        if lowest < 0 or highest >= count:
            raise ArgumentError(f"triangles name vertices {lowest} to {highest}, but the mesh has {count} vertices")
    return triangles


def cut_at_near_plane(meshes: PackedMeshes, z_clip: float, perspective_correct: bool) -> NearCut | None:
    """Cut the triangles at the plane z = z_clip, as `pytorch3d.renderer.mesh.clip` does; None if all lie beyond it.

    A triangle with one corner before the plane leaves two. Corners, their order and the arithmetic are PyTorch3D's,
    and so is the gradient: it counts where the plane cuts one of the two edges as a fixed fraction of that edge. That
    fraction depends on z alone, so that the gradient in x and y is exact, and that in z, of a cut triangle, is not.
    """
    if not bool((meshes.vertices[:, 2] < z_clip).any()):
        return None
    soup = meshes.vertices[meshes.triangles]
    in_front = soup[..., 2] >= z_clip
    finite = torch.isfinite(soup).all(-1).all(-1)
    count = in_front.sum(-1) * finite
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
        on_a, on_b, on_c = identity[turn].unbind(1)
        # Autograd adds up gradients from the last operation to the first: the order of these lines is PyTorch3D's.
        t_ab = (a[:, 2] - z_clip) / (a[:, 2] - b[:, 2])
        ab = _between(a, b, t_ab, z_clip, perspective_correct)
        t_ac = ((a[:, 2] - z_clip) / (a[:, 2] - c[:, 2])).detach()
        ac = _between(a, c, t_ac, z_clip, perspective_correct)
        on_ab, on_ac = _blend(on_a, on_b, t_ab), _blend(on_a, on_c, t_ac)
        if kept == 1:
            pieces.append((cut, torch.stack((ab, ac, a), 1), torch.stack((on_ab, on_ac, on_a), 2)))
        else:
            pieces.append((cut, torch.stack((ab, b, ac), 1), torch.stack((on_ab, on_b, on_ac), 2)))
            pieces.append((cut, torch.stack((ac, b, c), 1), torch.stack((on_ac, on_b, on_c), 2)))
    face_of = torch.cat([piece[0] for piece in pieces])
    face_of, order = torch.sort(face_of, stable=True)
    corners = torch.cat([piece[1] for piece in pieces])[order]
    repeats = torch.zeros(len(face_of), dtype=torch.bool, device=soup.device)
    repeats[1:] = face_of[1:] == face_of[:-1]
    return NearCut(
        PackedMeshes(
            corners.reshape(-1, 3),
            torch.arange(3 * len(corners), device=soup.device).reshape(-1, 3),
            np.searchsorted(face_of.cpu().numpy(), meshes.first_face).astype(np.int64),
        ),
        repeats,
        face_of,
        (count < 3)[face_of],
        torch.cat([piece[2] for piece in pieces])[order],
    )


def _blend(a: Float[Tensor, "M D"], b: Float[Tensor, "M D"], t: Float[Tensor, " M"]) -> Float[Tensor, "M D"]:
    return a * (1.0 - t[:, None]) + b * t[:, None]


def _between(
    a: Float[Tensor, "M 3"], b: Float[Tensor, "M 3"], t: Float[Tensor, " M"], z_clip: float, perspective_correct: bool
) -> Float[Tensor, "M 3"]:
    """Point of the edge a-b where z = z_clip, at the fraction t of the way from a."""
    point = _blend(a, b, t)
    if not perspective_correct:
        return point
    # NDC x, y are divided by z; a straight line in space is x z, y z, z.
    in_space = _blend(a[:, :2] * a[:, 2:], b[:, :2] * b[:, 2:], t)
    return torch.cat((in_space / z_clip, point[:, 2:]), -1)
