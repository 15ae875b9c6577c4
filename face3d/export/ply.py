"""Stanford PLY, binary little-endian. Written here so that the header can name unit, frame and generator."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from face3d.export.mesh import GENERATOR, TEXTURE_FILE, Mesh, Unit, in_unit
from face3d.render.texture_sampling import sample_uv

__all__ = ["export_ply"]


def export_ply(mesh: Mesh, *, unit: Unit = "m", texture_file: str = TEXTURE_FILE) -> bytes:
    """Write a mesh as PLY with float32 coordinates (exact to 0.02 micrometres for a head).

    Vertices and faces keep their order and number. Texture coordinates are `s`, `t` of the vertices, or, where faces
    index them separately, a `texcoord` list of the faces, as MeshLab reads and writes it. A texture is
    named in a comment, as MeshLab writes it, and gives the vertices their colours unless the mesh has its own.

    Args:
        mesh: what to write.
        unit: "m" or "mm"; a comment in the header says which.
        texture_file: name of the picture beside the file, used if the mesh has a texture.
    """
    vertex_fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    columns = list(in_unit(mesh.vertices, unit).T)
    if mesh.uv is not None and mesh.uv_triangles is None:
        vertex_fields += [("s", "<f4"), ("t", "<f4")]
        columns += list(mesh.uv.T)
    colours = mesh.vertex_colours
    if colours is None and mesh.texture is not None:
        colours = _colours_from_texture(mesh.texture, mesh)
    if colours is not None:
        vertex_fields += [("red", "u1"), ("green", "u1"), ("blue", "u1")]
        columns += list(colours.T)
    vertices = np.empty(len(mesh.vertices), dtype=vertex_fields)
    for (field, _), column in zip(vertex_fields, columns, strict=True):
        vertices[field] = column

    face_fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = [("count", "u1"), ("corners", "<i4", (3,))]
    per_corner = mesh.uv is not None and mesh.uv_triangles is not None
    if per_corner:
        face_fields += [("uv_count", "u1"), ("uv", "<f4", (6,))]
    faces = np.empty(len(mesh.triangles), dtype=face_fields)
    faces["count"], faces["corners"] = 3, mesh.triangles
    if mesh.uv is not None and mesh.uv_triangles is not None:
        faces["uv_count"], faces["uv"] = 6, mesh.uv[mesh.uv_triangles].reshape(-1, 6)

    type_names = {"<f4": "float", "u1": "uchar"}
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {GENERATOR}",
        f"comment unit: {unit}; +x the subject's left, +y up, +z out of the face",
        *([] if mesh.texture is None else [f"comment TextureFile {texture_file}"]),
        f"element vertex {len(vertices)}",
        *[f"property {type_names[kind]} {field}" for field, kind in vertex_fields],
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        *(["property list uchar float texcoord"] if per_corner else []),
        "end_header",
    ]
    return ("\n".join(header) + "\n").encode("ascii") + vertices.tobytes() + faces.tobytes()


def _colours_from_texture(texture: UInt8[np.ndarray, "H W 3"], mesh: Mesh) -> UInt8[np.ndarray, "V 3"]:
    """What the texture shows at each vertex: on a seam the mean of its places, grey for a vertex of no triangle."""
    corner_uv = mesh.corner_uv
    if mesh.uv is None or corner_uv is None:
        raise AssertionError("Mesh has checked that a texture comes with uv")
    vertices, places = mesh.triangles.reshape(-1), corner_uv.reshape(-1)
    shown = sample_uv(texture, mesh.uv)[places]
    count = np.bincount(vertices, minlength=len(mesh.vertices))
    total = np.stack([np.bincount(vertices, shown[:, k], minlength=len(mesh.vertices)) for k in range(3)], -1)
    means = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], 128.0)
    return np.rint(means).astype(np.uint8)
