from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from face3d.export import Mesh, export_mtl, export_obj
from face3d.export.mesh import TEXTURE_FILE
from face3d.export.obj import MATERIAL_FILE
from face3d.media import write_image
from tests.export.meshes import random_mesh, read_with_trimesh, square_with_a_seam, textured_square


def parse(data: bytes) -> dict[str, np.ndarray]:
    """Read back with nothing but str.split."""
    rows: dict[str, list[list[str]]] = {"v": [], "vt": [], "f": []}
    for line in data.decode().splitlines():
        key, *values = line.split()
        if key in rows:
            rows[key].append(values)
    faces = np.array([[[int(i) - 1 for i in corner.split("/")] for corner in face] for face in rows["f"]])
    return {"v": np.array(rows["v"], dtype=float), "vt": np.array(rows["vt"], dtype=float), "f": faces}


@pytest.mark.parametrize(("unit", "factor"), [("m", 1.0), ("mm", 1000.0)])
@pytest.mark.parametrize("colours", [False, True])
def test_round_trip_keeps_order_and_a_micrometre(unit, factor, colours):
    mesh = random_mesh(colours=colours)
    read = parse(export_obj(mesh, unit=unit))
    np.testing.assert_allclose(read["v"][:, :3] / factor, mesh.vertices, atol=1e-8)
    np.testing.assert_array_equal(read["f"][..., 0], mesh.triangles)
    if mesh.vertex_colours is not None:
        np.testing.assert_array_equal(np.rint(read["v"][:, 3:] * 255), mesh.vertex_colours)


@pytest.mark.parametrize(("unit", "factor"), [("m", 1.0), ("mm", 1000.0)])
def test_trimesh_reads_the_same_mesh(unit, factor):
    mesh = random_mesh(1, colours=True)
    data = export_obj(mesh, unit=unit)
    read = read_with_trimesh(data, "obj")
    np.testing.assert_allclose(read.vertices / factor, mesh.vertices, atol=1e-8)
    np.testing.assert_array_equal(read.faces, mesh.triangles)
    np.testing.assert_array_equal(read.visual.vertex_colors[:, :3], mesh.vertex_colours)


def test_texture_coordinates_have_their_own_indices():
    mesh = square_with_a_seam()
    read = parse(export_obj(mesh))
    assert mesh.uv is not None
    np.testing.assert_allclose(read["vt"], mesh.uv, atol=1e-7)
    np.testing.assert_array_equal(read["f"][..., 0], mesh.triangles)
    np.testing.assert_array_equal(read["f"][..., 1], mesh.uv_triangles)
    loaded = read_with_trimesh(export_obj(mesh), "obj")
    np.testing.assert_allclose(loaded.vertices[loaded.faces], mesh.vertices[mesh.triangles])


def test_one_texture_coordinate_per_vertex_needs_no_own_indices():
    mesh = random_mesh(2)
    with_uv = Mesh(mesh.vertices, mesh.triangles, uv=np.random.default_rng(0).random((30, 2)))
    np.testing.assert_array_equal(parse(export_obj(with_uv))["f"][..., 1], mesh.triangles)


def test_the_file_says_who_wrote_it_and_in_which_unit_and_nothing_that_varies():
    data = export_obj(random_mesh(), unit="mm")
    assert data == export_obj(random_mesh(), unit="mm")
    head = data.decode().splitlines()[:3]
    assert head[0].startswith("# face3d ")
    assert "unit: mm" in head[1]
    assert head[2] == "o head"
    assert b"-0.000000 " not in export_obj(
        Mesh(np.array([[-1e-12, 0, 0], [1, 0, 0], [0, 1.0, 0]]), np.array([[0, 1, 2]]))
    )


def test_a_texture_comes_through_material_and_picture(tmp_path):
    mesh = textured_square()
    (tmp_path / "head.obj").write_bytes(export_obj(mesh))
    (tmp_path / MATERIAL_FILE).write_bytes(export_mtl())
    write_image(tmp_path / TEXTURE_FILE, mesh.texture)
    read = trimesh.load(tmp_path / "head.obj", process=False)
    np.testing.assert_array_equal(np.asarray(read.visual.material.image.convert("RGB")), mesh.texture)
    np.testing.assert_allclose(read.visual.uv[read.faces], mesh.uv[mesh.uv_triangles], atol=1e-7)
    np.testing.assert_allclose(read.vertices[read.faces], mesh.vertices[mesh.triangles])


def test_a_mesh_without_texture_names_no_material():
    assert b"mtllib" not in export_obj(square_with_a_seam())
    assert b"mtllib own.mtl\n" in export_obj(textured_square(), material_file="own.mtl")
    assert b"map_Kd skin.png\n" in export_mtl("skin.png")


def test_colours_of_vertices_do_not_tint_a_texture():
    both = replace(textured_square(), vertex_colours=np.zeros((4, 3), np.uint8))
    assert export_obj(both) == export_obj(textured_square())
