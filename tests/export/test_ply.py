from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.export import Mesh, export_ply
from face3d.export.mesh import TEXTURE_FILE
from face3d.media import write_image
from tests.export.meshes import random_mesh, read_with_trimesh, square_with_a_seam, textured_square


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    vertices=st.integers(3, 60),
    faces=st.integers(1, 40),
    colours=st.booleans(),
    unit=st.sampled_from(["m", "mm"]),
)
def test_trimesh_reads_the_same_mesh(seed, vertices, faces, colours, unit):
    mesh = random_mesh(seed, vertices=vertices, faces=faces, colours=colours)
    read = read_with_trimesh(export_ply(mesh, unit=unit), "ply")
    np.testing.assert_allclose(read.vertices / {"m": 1.0, "mm": 1000.0}[unit], mesh.vertices, atol=2e-8)
    np.testing.assert_array_equal(read.faces, mesh.triangles)
    if mesh.vertex_colours is not None:
        np.testing.assert_array_equal(read.visual.vertex_colors[:, :3], mesh.vertex_colours)


def test_the_layout_is_the_one_in_the_header():
    mesh = random_mesh(colours=True)
    header, body = export_ply(mesh, unit="mm").split(b"end_header\n", 1)
    lines = header.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert lines[2].startswith("comment face3d ")
    assert "unit: mm" in lines[3]
    assert len(body) == 30 * (3 * 4 + 3) + 50 * (1 + 3 * 4)
    first = np.frombuffer(body[:12], dtype="<f4")
    np.testing.assert_allclose(first, mesh.vertices[0] * 1000, rtol=1e-7)
    last = np.frombuffer(body[-12:], dtype="<i4")
    np.testing.assert_array_equal(last, mesh.triangles[-1])


def test_texture_coordinates_of_faces():
    mesh = square_with_a_seam()
    assert mesh.uv is not None
    assert mesh.uv_triangles is not None
    data = export_ply(mesh)
    body = data.split(b"end_header\n", 1)[1]
    faces = np.frombuffer(body[4 * 12 :], dtype=[("n", "u1"), ("f", "<i4", 3), ("m", "u1"), ("uv", "<f4", 6)])
    np.testing.assert_array_equal(faces["n"], 3)
    np.testing.assert_array_equal(faces["m"], 6)
    np.testing.assert_array_equal(faces["f"], mesh.triangles)
    np.testing.assert_allclose(faces["uv"].reshape(2, 3, 2), mesh.uv[mesh.uv_triangles], rtol=1e-6)
    read = read_with_trimesh(data, "ply")
    np.testing.assert_allclose(read.vertices[read.faces], mesh.vertices[mesh.triangles], atol=1e-8)


def test_texture_coordinates_of_vertices():
    mesh = random_mesh(3)
    uv = np.random.default_rng(3).random((30, 2))
    data = export_ply(Mesh(mesh.vertices, mesh.triangles, uv=uv))
    read = read_with_trimesh(data, "ply")
    np.testing.assert_allclose(read.metadata["_ply_raw"]["vertex"]["data"]["s"].ravel(), uv[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(read.faces, mesh.triangles)


@pytest.mark.parametrize("unit", ["m", "mm"])
def test_nothing_in_the_file_varies(unit):
    assert export_ply(random_mesh(), unit=unit) == export_ply(random_mesh(), unit=unit)


def vertex_colours(data: bytes) -> np.ndarray:
    """As they stand in the file; trimesh shows only the texture where there are both."""
    rows = read_with_trimesh(data, "ply").metadata["_ply_raw"]["vertex"]["data"]
    return np.stack([rows[channel] for channel in ("red", "green", "blue")], -1).astype(int)


def test_vertices_take_their_colours_from_the_texture():
    """Corner 1 has one place, in the lower left quarter; corner 0 has two, in the lower left and lower right."""
    mesh = textured_square()
    colours = vertex_colours(export_ply(mesh))
    lower_left, lower_right = mesh.texture[-1, 0].astype(int), mesh.texture[-1, -1].astype(int)
    np.testing.assert_array_equal(colours[1], lower_left)
    assert np.abs(colours[0] - (lower_left + lower_right) / 2).max() <= 1
    own = replace(mesh, vertex_colours=np.full((4, 3), 7, np.uint8))
    assert (vertex_colours(export_ply(own)) == 7).all()


def test_the_texture_beside_the_file_is_found(tmp_path):
    mesh = textured_square()
    (tmp_path / "head.ply").write_bytes(export_ply(mesh))
    write_image(tmp_path / TEXTURE_FILE, mesh.texture)
    read = trimesh.load(tmp_path / "head.ply", process=False)
    np.testing.assert_array_equal(np.asarray(read.visual.material.image.convert("RGB")), mesh.texture)
    np.testing.assert_allclose(read.visual.uv[read.faces], mesh.uv[mesh.uv_triangles], atol=1e-6)
    assert b"TextureFile" not in export_ply(square_with_a_seam())
