"""Small meshes for the tests of this room, and PyTorch3D where it can be loaded."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch


def sphere(count: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertices on the unit sphere, open at the poles, and triangles counter-clockwise from outside."""
    polar, around = np.meshgrid(
        np.linspace(0.1, np.pi - 0.1, count), np.arange(2 * count) * np.pi / count, indexing="ij"
    )
    xyz = np.stack((np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)), -1).reshape(-1, 3)
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(count - 1), np.arange(2 * count), indexing="ij"))
    a, b = i * 2 * count + j, i * 2 * count + (j + 1) % (2 * count)
    c, d = a + 2 * count, b + 2 * count
    return torch.from_numpy(xyz), torch.from_numpy(np.concatenate((np.stack((a, c, d), 1), np.stack((a, d, b), 1))))


def octahedron() -> tuple[torch.Tensor, torch.Tensor]:
    """The closed unit octahedron, counter-clockwise from outside."""
    vertices = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    triangles = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    return vertices.double(), torch.tensor(triangles)


def random_mesh(seed: int, vertex_count: int = 12, face_count: int = 14) -> tuple[torch.Tensor, torch.Tensor]:
    """A tangle in PyTorch3D's NDC: (2, V, 3) vertices before the camera and triangles, no two of the same vertices."""
    random = np.random.default_rng(seed)
    vertices = random.normal((0, 0, 2), (0.7, 0.7, 0.3), (2, vertex_count, 3))
    all_triangles = np.array(list(itertools.combinations(range(vertex_count), 3)))
    triangles = random.permuted(random.choice(all_triangles, face_count, replace=False), axis=1)
    return torch.from_numpy(vertices), torch.from_numpy(triangles)


def pytorch3d_or_skip() -> None:
    pytest.importorskip("pytorch3d._C", reason="PyTorch3D is not installed or does not load", exc_type=ImportError)


def rasterize_by_pytorch3d(vertices_ndc, triangles, image_size, **settings):
    """PyTorch3D's own fragments (float32), in PyTorch3D's own class."""
    pytorch3d_or_skip()
    from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
    from pytorch3d.renderer.mesh.rasterizer import Fragments
    from pytorch3d.structures import Meshes

    settings.setdefault("faces_per_pixel", 1)
    vertices = vertices_ndc.float()
    meshes = Meshes(list(vertices), [triangles] * len(vertices))
    return Fragments(*rasterize_meshes(meshes, image_size, bin_size=0, perspective_correct=True, **settings))
