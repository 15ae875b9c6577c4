"""Meshes that the format tests share."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import trimesh

from face3d.export import Mesh


def read_with_trimesh(data: bytes, file_type: str) -> Any:
    """What an independent reader makes of the file, without merging or reordering."""
    return trimesh.load(io.BytesIO(data), file_type=file_type, process=False, maintain_order=True)


def random_mesh(seed: int = 0, *, vertices: int = 30, faces: int = 50, colours: bool = False) -> Mesh:
    """Vertices of a head's size in no order that a program could restore; some are used by no triangle."""
    random = np.random.default_rng(seed)
    return Mesh(
        random.uniform(-0.15, 0.15, (vertices, 3)),
        np.stack([random.permutation(vertices)[:3] for _ in range(faces)]),
        vertex_colours=random.integers(0, 256, (vertices, 3), dtype=np.uint8) if colours else None,
    )


def square_with_a_seam() -> Mesh:
    """Two triangles that share an edge in space but not in the texture: vertices 0 and 2 have two coordinates each."""
    return Mesh(
        np.array([[0.0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0, 0.1, 0]]),
        np.array([[0, 1, 2], [0, 2, 3]]),
        uv=np.array([[0.1, 0.1], [0.4, 0.1], [0.4, 0.4], [0.6, 0.1], [0.9, 0.4], [0.6, 0.4]]),
        uv_triangles=np.array([[0, 1, 2], [3, 4, 5]]),
    )


def textured_square() -> Mesh:
    """The square, with a picture whose quarters have four colours; u and v are told apart by it."""
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    picture[:32, :32], picture[:32, 32:] = (250, 20, 30), (20, 240, 40)
    picture[32:, :32], picture[32:, 32:] = (30, 40, 230), (240, 230, 30)
    return replace(square_with_a_seam(), texture=picture)
