"""Stanford PLY, binary little-endian. Written here so that the header can name unit, frame and generator."""

from __future__ import annotations

import numpy as np

from face3d.export.mesh import GENERATOR, Mesh, Unit, in_unit

__all__ = ["export_ply"]


def export_ply(mesh: Mesh, *, unit: Unit = "m") -> bytes:
    """Write a mesh as PLY with float32 coordinates (exact to 0.02 micrometres for a head).

    Vertices and faces keep their order and number. Texture coordinates are `s`, `t` of the vertices, or, where faces
    index them separately, a `texcoord` list of the faces, as MeshLab reads and writes it.

    Args:
        mesh: what to write.
        unit: "m" or "mm"; a comment in the header says which.
    """
    vertex_fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    columns = list(in_unit(mesh.vertices, unit).T)
    if mesh.uv is not None and mesh.uv_triangles is None:
        vertex_fields += [("s", "<f4"), ("t", "<f4")]
        columns += list(mesh.uv.T)
    if mesh.vertex_colours is not None:
        vertex_fields += [("red", "u1"), ("green", "u1"), ("blue", "u1")]
        columns += list(mesh.vertex_colours.T)
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
        f"element vertex {len(vertices)}",
        *[f"property {type_names[kind]} {field}" for field, kind in vertex_fields],
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        *(["property list uchar float texcoord"] if per_corner else []),
        "end_header",
    ]
    return ("\n".join(header) + "\n").encode("ascii") + vertices.tobytes() + faces.tobytes()
