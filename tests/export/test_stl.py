from __future__ import annotations

import numpy as np
import pytest

from face3d.export import Mesh, export_stl
from tests.export.meshes import random_mesh, read_with_trimesh


@pytest.mark.parametrize(("unit", "factor"), [("m", 1.0), ("mm", 1000.0)])
def test_trimesh_reads_the_same_triangles(unit, factor):
    mesh = random_mesh()
    data = export_stl(mesh, unit=unit)
    read = read_with_trimesh(data, "stl")
    np.testing.assert_allclose(read.triangles / factor, mesh.vertices[mesh.triangles], atol=2e-8)
    assert len(data) == 84 + 50 * len(mesh.triangles)
    stored = np.frombuffer(data[84:], dtype=[("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")])
    corners = mesh.vertices[mesh.triangles]
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    np.testing.assert_allclose(stored["n"], outward / np.linalg.norm(outward, axis=1, keepdims=True), atol=1e-5)


def test_the_header_names_generator_and_unit_and_does_not_look_like_text_stl():
    header = export_stl(random_mesh(), unit="mm")[:80]
    assert header.startswith(b"face3d ")
    assert b"unit: mm" in header


def test_degenerate_triangles_have_no_normal():
    data = export_stl(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])))
    np.testing.assert_array_equal(np.frombuffer(data[84:96], dtype="<f4"), 0.0)
