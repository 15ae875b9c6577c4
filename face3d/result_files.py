"""What the files of every result have in common, whether it comes from photos or from a video."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from face3d.camera import Intrinsics
from face3d.export import Mesh, export_gltf, export_obj, export_ply, export_stl
from face3d.export.mesh import Unit
from face3d.fit import Scale
from face3d.head import HeadGeometry, HeadModel
from face3d.media import write_whole

__all__ = ["MESH_FORMATS", "camera_record", "head_mesh", "scale_record", "vertices_of", "write_json"]

MESH_FORMATS: Mapping[str, Callable[[Mesh, Unit], bytes]] = {
    "obj": lambda mesh, unit: export_obj(mesh, unit=unit),
    "ply": lambda mesh, unit: export_ply(mesh, unit=unit),
    "glb": lambda mesh, unit: export_gltf(mesh),
    "stl": lambda mesh, unit: export_stl(mesh, unit=unit),
}
"""Writers by file name ending; glTF fixes its unit."""


def head_mesh(
    model: HeadModel, geometry: HeadGeometry, texture: UInt8[np.ndarray, "S S 3"] | None = None, *, index: int = 0
) -> Mesh:
    """One head of a batch with its model's texture coordinates, as the file formats take it."""
    uv, uv_triangles = model.uv, model.uv_triangles
    return Mesh(
        vertices=vertices_of(geometry, index),
        triangles=model.triangles.cpu().numpy(),
        uv=None if uv is None else uv.cpu().numpy(),
        uv_triangles=None if uv_triangles is None else uv_triangles.cpu().numpy(),
        texture=texture,
    )


def vertices_of(geometry: HeadGeometry, index: int = 0) -> Float[np.ndarray, "V 3"]:
    """Vertices of one head of a batch: metres, head frame, float64."""
    vertices: Float[np.ndarray, "V 3"] = geometry.vertices[index].detach().cpu().numpy().astype(np.float64)
    return vertices


def scale_record(scale: Scale) -> dict[str, Any]:
    """How a result's record tells its size: relative to the mean head, with what determined it."""
    return {
        "value": scale.value,
        "sigma": scale.sigma,
        "sources": [asdict(source) for source in scale.sources],
    }


def camera_record(intrinsics: Intrinsics) -> dict[str, Any]:
    """How a result's record tells its camera."""
    return {
        "source": intrinsics.source,
        "focal_pixels": float(intrinsics.matrix[0, 0]),
        "focal_sigma": intrinsics.focal_sigma,
        "image_size": list(intrinsics.image_size),
    }


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a record for people and programs, whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    content = (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()
    write_whole(path, lambda file: file.write(content))
