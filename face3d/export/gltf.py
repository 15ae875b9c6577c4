"""glTF 2.0 as one binary file (GLB). Its frame and unit are the head frame's: +y up, +z out of the face, metres.

Written here and not by trimesh, whose exporter has no morph targets and wraps the mesh in nodes of its own.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image

from face3d.export.gltf_buffer import (
    ARRAY_BUFFER,
    ELEMENT_ARRAY_BUFFER,
    FLOAT,
    TRIANGLES_MODE,
    UNSIGNED_INT,
    UNSIGNED_SHORT,
    GltfBuffer,
    glb,
)
from face3d.export.mesh import GENERATOR, Mesh
from face3d.media.colour import linear_from_srgb
from face3d.render.shading import vertex_normals

__all__ = ["GltfSurface", "export_gltf", "gltf_surface", "split_at_seams"]

LARGEST_SHORT_INDEX = 65534

LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071

SKIN_ROUGHNESS = 0.6
JPEG_QUALITY = 95
"""Of textures, with full colour resolution: a quarter of the size that PNG takes, and no visible loss."""
CLAY = (0.60, 0.57, 0.54, 1.0)
"""Linear base colour of a head without texture and vertex colours."""


def export_gltf(mesh: Mesh) -> bytes:
    """Write a mesh as GLB: one node and one mesh with the mesh's name, with smooth normals.

    glTF has one set of indices, so a vertex on a texture seam is written once per texture coordinate. The first V
    vertices are the mesh's own, in order; the copies follow (`split_at_seams` says of which). A texture is embedded as
    JPEG.

    Args:
        mesh: what to write; lengths are metres in glTF, whatever other formats are written in.
    """
    buffer = GltfBuffer()
    surface = gltf_surface(mesh, buffer)
    document = {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": mesh.name, "mesh": 0}],
        "meshes": [{"name": mesh.name, "primitives": [surface.primitive]}],
        **surface.materials,
    }
    return glb(document, buffer)


@dataclass(frozen=True, slots=True, eq=False)
class GltfSurface:
    """A mesh's surface in a glTF file under construction.

    Attributes:
        primitive: attributes, indices and material.
        materials: the document's entries for the material and its texture.
        source: (W,) the vertex of the mesh that each of the file's is a copy of.
    """

    primitive: dict[str, Any]
    materials: dict[str, Any]
    source: Int[np.ndarray, " W"]


def gltf_surface(mesh: Mesh, buffer: GltfBuffer) -> GltfSurface:
    """Write the surface of a mesh into a buffer, as `export_gltf` describes it."""
    triangles = mesh.triangles.astype(np.int64)
    source = np.arange(len(mesh.vertices))
    uv: Float[np.ndarray, "W 2"] | None = None
    if mesh.uv is not None and mesh.corner_uv is not None:
        triangles, source, uv_of = split_at_seams(triangles, mesh.corner_uv.astype(np.int64), len(mesh.vertices))
        # glTF counts v downwards.
        uv = (mesh.uv[uv_of] * [1.0, -1.0] + [0.0, 1.0]).astype("<f4")

    attributes = {
        "POSITION": buffer.add(mesh.vertices.astype("<f4")[source], "VEC3", FLOAT, ARRAY_BUFFER, bounds=True),
        "NORMAL": buffer.add(_unit_normals(mesh)[source], "VEC3", FLOAT, ARRAY_BUFFER),
    }
    if uv is not None:
        attributes["TEXCOORD_0"] = buffer.add(uv, "VEC2", FLOAT, ARRAY_BUFFER)
    if mesh.vertex_colours is not None and mesh.texture is None:
        colours = np.rint(linear_from_srgb(mesh.vertex_colours / 255.0) * 65535).astype("<u2")[source]
        opaque = np.concatenate((colours, np.full((len(colours), 1), 65535, dtype="<u2")), 1)
        attributes["COLOR_0"] = buffer.add(opaque, "VEC4", UNSIGNED_SHORT, ARRAY_BUFFER, normalized=True)
    short = len(source) - 1 <= LARGEST_SHORT_INDEX
    indices = triangles.astype("<u2" if short else "<u4").reshape(-1)
    index_accessor = buffer.add(indices, "SCALAR", UNSIGNED_SHORT if short else UNSIGNED_INT, ELEMENT_ARRAY_BUFFER)

    plain = mesh.vertex_colours is None and mesh.texture is None
    surface: dict[str, Any] = {
        "baseColorFactor": CLAY if plain else (1.0, 1.0, 1.0, 1.0),
        "metallicFactor": 0.0,
        "roughnessFactor": SKIN_ROUGHNESS,
    }
    textures: dict[str, Any] = {}
    if mesh.texture is not None:
        surface["baseColorTexture"] = {"index": 0}
        textures = {
            "images": [{"bufferView": buffer.add_file(_jpeg(mesh.texture)), "mimeType": "image/jpeg"}],
            "samplers": [
                {
                    "magFilter": LINEAR,
                    "minFilter": LINEAR_MIPMAP_LINEAR,
                    "wrapS": CLAMP_TO_EDGE,
                    "wrapT": CLAMP_TO_EDGE,
                }
            ],
            "textures": [{"sampler": 0, "source": 0}],
        }
    return GltfSurface(
        primitive={"attributes": attributes, "indices": index_accessor, "mode": TRIANGLES_MODE, "material": 0},
        materials={
            "materials": [{"name": "skin", "doubleSided": True, "pbrMetallicRoughness": surface}],
            **textures,
        },
        source=source,
    )


def split_at_seams(
    triangles: Int[np.ndarray, "F 3"], uv_triangles: Int[np.ndarray, "F 3"], vertex_count: int
) -> tuple[Int[np.ndarray, "F 3"], Int[np.ndarray, " W"], Int[np.ndarray, " W"]]:
    """Give each pair of vertex and texture coordinate an index of its own.

    Returns:
        The triangles over W >= V split vertices; the vertex that each is a copy of (the first V are the vertices
        themselves); the texture coordinate of each (0 for a vertex of no triangle).
    """
    pairs, corner_pair = np.unique(
        np.stack((triangles.reshape(-1), uv_triangles.reshape(-1)), -1), axis=0, return_inverse=True
    )
    # Sorted by vertex: the first pair of each vertex keeps its index, the others go to the end.
    first = np.ones(len(pairs), dtype=bool)
    first[1:] = pairs[1:, 0] != pairs[:-1, 0]
    index = pairs[:, 0].copy()
    index[~first] = vertex_count + np.arange((~first).sum())
    source = np.concatenate((np.arange(vertex_count), pairs[~first, 0]))
    uv_of = np.zeros(len(source), dtype=np.int64)
    uv_of[index] = pairs[:, 1]
    return index[corner_pair.reshape(-1)].reshape(-1, 3), source, uv_of


def _jpeg(picture: UInt8[np.ndarray, "H W 3"]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()


def _unit_normals(mesh: Mesh) -> Float[np.ndarray, "V 3"]:
    normals = vertex_normals(
        torch.from_numpy(mesh.vertices.astype(np.float64)), torch.from_numpy(mesh.triangles.astype(np.int64))
    ).numpy()
    # glTF asks for unit vectors everywhere, also where there is no area to take one from.
    normals[(normals == 0).all(axis=1)] = [0.0, 0.0, 1.0]
    return normals.astype("<f4")
