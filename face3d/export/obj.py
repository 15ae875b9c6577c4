"""Wavefront OBJ, as text. Written here and not by trimesh, which duplicates and reorders vertices at texture seams."""

from __future__ import annotations

import numpy as np

from face3d.export.mesh import GENERATOR, TEXTURE_FILE, Mesh, Unit, in_unit

__all__ = ["MATERIAL_FILE", "export_mtl", "export_obj"]

MATERIAL_FILE = "head.mtl"
"""Name of the material's file, which belongs beside a textured OBJ."""
MATERIAL = "skin"

DECIMALS = {"m": 9, "mm": 6}
"""Nanometres in either unit."""


def export_obj(mesh: Mesh, *, unit: Unit = "m", material_file: str = MATERIAL_FILE) -> bytes:
    """Write a mesh as OBJ.

    Vertices and faces keep their order and number. Texture coordinates have their own indices (`f v/vt`). Vertex
    colours follow the coordinates in [0, 1], as MeshLab and Blender read them. A mesh with a texture names a material
    instead: `export_mtl` makes that file, which names the picture; all three belong into one folder.

    Args:
        mesh: what to write.
        unit: "m" or "mm"; a comment in the file says which.
        material_file: name of the material's file, used if the mesh has a texture.
    """
    vertices = in_unit(mesh.vertices, unit)
    digits = DECIMALS[unit]
    # Adding zero turns -0.0 into 0.0.
    vertices = np.round(vertices, digits) + 0.0
    lines = [f"# {GENERATOR}", f"# unit: {unit}; +x the subject's left, +y up, +z out of the face", f"o {mesh.name}"]
    row_format = "v" + f" %.{digits}f" * 3
    if mesh.texture is not None:
        lines.insert(2, f"mtllib {material_file}")
    if mesh.vertex_colours is None or mesh.texture is not None:
        lines += [row_format % tuple(row) for row in vertices.tolist()]
    else:
        coloured = np.concatenate((vertices, mesh.vertex_colours / 255.0), 1)
        lines += [(row_format + " %.4f %.4f %.4f") % tuple(row) for row in coloured.tolist()]
    if mesh.uv is not None:
        uv = np.round(mesh.uv.astype(np.float64), 7) + 0.0
        lines += ["vt %.7f %.7f" % tuple(row) for row in uv.tolist()]  # noqa: UP031 (three times as fast)
    if mesh.texture is not None:
        lines.append(f"usemtl {MATERIAL}")
    lines.append("s 1")
    corners, corner_uv = mesh.triangles + 1, mesh.corner_uv
    if corner_uv is None:
        lines += ["f %d %d %d" % tuple(row) for row in corners.tolist()]  # noqa: UP031
    else:
        both = np.stack((corners, corner_uv + 1), -1).reshape(-1, 6)
        lines += ["f %d/%d %d/%d %d/%d" % tuple(row) for row in both.tolist()]  # noqa: UP031
    return ("\n".join(lines) + "\n").encode("utf-8")


def export_mtl(texture_file: str = TEXTURE_FILE) -> bytes:
    """Write the material of a textured head: its colours are the picture's, without gloss.

    Args:
        texture_file: name of the picture, relative to the material's file.
    """
    lines = [f"# {GENERATOR}", f"newmtl {MATERIAL}", "Ka 1 1 1", "Kd 1 1 1", "Ks 0 0 0", "d 1", "illum 1"]
    return ("\n".join([*lines, f"map_Kd {texture_file}"]) + "\n").encode("utf-8")
