"""What no format could write is refused before any format tries."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.errors import ArgumentError
from face3d.export import Mesh, export_obj, export_ply, export_stl

VERTICES = np.eye(3)
TRIANGLES = np.array([[0, 1, 2]])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vertices": np.full((3, 3), np.nan)}, "not finite, the first is 0"),
        ({"vertices": np.zeros((3, 2))}, "vertices"),
        ({"vertices": np.zeros((3, 3), dtype=int)}, "floats"),
        ({"triangles": np.zeros((0, 3), dtype=int)}, "empty"),
        ({"triangles": np.array([[0, 1, 3]])}, "0 to 3"),
        ({"triangles": np.array([[0, -1, 2]])}, "-1"),
        ({"triangles": TRIANGLES.astype(float)}, "integers"),
        ({"uv": np.zeros((4, 2))}, "uv_triangles"),
        ({"uv_triangles": TRIANGLES}, "needs uv"),
        ({"uv": np.zeros((2, 2)), "uv_triangles": TRIANGLES}, "uv_triangles names"),
        ({"uv": np.zeros((3, 2)), "uv_triangles": np.repeat(TRIANGLES, 2, 0)}, "2 rows"),
        ({"vertex_colours": np.zeros((3, 3))}, "uint8"),
        ({"texture": np.zeros((8, 8, 3), np.uint8)}, "needs uv"),
        ({"texture": np.zeros((8, 8, 3)), "uv": np.zeros((3, 2))}, "texture must be uint8"),
        ({"texture": np.zeros((8, 8, 4), np.uint8), "uv": np.zeros((3, 2))}, "texture must be uint8"),
        ({"texture": np.zeros((0, 8, 3), np.uint8), "uv": np.zeros((3, 2))}, "pixels"),
        ({"name": "two\nlines"}, "name"),
    ],
)
def test_unusable_meshes_are_refused(fields, message):
    with pytest.raises(ArgumentError, match=message):
        Mesh(**{"vertices": VERTICES, "triangles": TRIANGLES, **fields})


@pytest.mark.parametrize("export", [export_obj, export_ply, export_stl])
def test_unknown_units_are_refused(export):
    with pytest.raises(ArgumentError, match="'inch'"):
        export(Mesh(VERTICES, TRIANGLES), unit="inch")
