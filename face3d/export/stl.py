"""STL, binary. The format has neither shared vertices nor a unit; the header, which programs skip, names the unit."""

from __future__ import annotations

import numpy as np

from face3d.export.mesh import GENERATOR, Mesh, Unit, in_unit

__all__ = ["export_stl"]

TRIANGLE = np.dtype([("normal", "<f4", (3,)), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
HEADER_BYTES = 80


def export_stl(mesh: Mesh, *, unit: Unit = "m") -> bytes:
    """Write a mesh as binary STL: triangles in order, each with its own three corners. Colours and UV are not kept.

    Args:
        mesh: what to write.
        unit: "m" or "mm". Slicers and CAD programs take the numbers for millimetres.
    """
    corners = in_unit(mesh.vertices, unit)[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    soup = np.zeros(len(corners), dtype=TRIANGLE)
    soup["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    soup["corners"] = corners
    # A binary STL must not begin with "solid": readers take that for the text form.
    header = f"{GENERATOR}; unit: {unit}".encode("ascii").ljust(HEADER_BYTES, b" ")
    return header + np.uint32(len(soup)).astype("<u4").tobytes() + soup.tobytes()
