from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.export import Mesh, export_gltf
from face3d.export.gltf import split_at_seams
from tests.export.meshes import random_mesh, read_with_trimesh, square_with_a_seam, textured_square


def parse(data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Read the container, the document and the arrays of the only primitive, by the specification's layout."""
    magic, version, length, json_length = struct.unpack("<4sIII", data[:16])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    document = json.loads(data[20 : 20 + json_length])
    binary = data[28 + json_length :]
    assert struct.unpack("<I", data[20 + json_length : 24 + json_length])[0] == len(binary)
    assert document["buffers"][0]["byteLength"] <= len(binary)
    kinds, widths = {5126: "<f4", 5123: "<u2", 5125: "<u4"}, {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}

    def array(index: int) -> np.ndarray:
        accessor = document["accessors"][index]
        view = document["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        block = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        values = np.frombuffer(block, dtype=kinds[accessor["componentType"]]).reshape(-1, widths[accessor["type"]])
        assert len(values) == accessor["count"]
        return values

    primitive = document["meshes"][0]["primitives"][0]
    arrays = {name: array(index) for name, index in primitive["attributes"].items()}
    arrays["indices"] = array(primitive["indices"]).reshape(-1, 3)
    return document, arrays


def test_the_mesh_keeps_its_order_in_metres():
    mesh = random_mesh()
    document, arrays = parse(export_gltf(mesh))
    np.testing.assert_allclose(arrays["POSITION"], mesh.vertices, atol=2e-8)
    np.testing.assert_array_equal(arrays["indices"], mesh.triangles)
    np.testing.assert_allclose(np.linalg.norm(arrays["NORMAL"], axis=1), 1.0, atol=1e-6)
    position = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    np.testing.assert_array_equal(np.float32(position["min"]), arrays["POSITION"].min(0))
    np.testing.assert_array_equal(np.float32(position["max"]), arrays["POSITION"].max(0))
    assert document["nodes"] == [{"name": "head", "mesh": 0}]
    assert document["asset"]["generator"].startswith("face3d ")


def test_trimesh_reads_the_same_mesh():
    mesh = random_mesh(4, colours=True)
    scene = read_with_trimesh(export_gltf(mesh), "glb")
    read = scene.geometry["head"]
    np.testing.assert_allclose(read.vertices, mesh.vertices, atol=2e-8)
    np.testing.assert_array_equal(read.faces, mesh.triangles)
    np.testing.assert_array_equal(scene.graph.get("head")[0], np.eye(4))


def test_colours_are_stored_linear():
    mesh = random_mesh(5, colours=True)
    assert mesh.vertex_colours is not None
    _, arrays = parse(export_gltf(mesh))
    linear = arrays["COLOR_0"] / 65535
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal(np.rint(encoded[:, :3] * 255), mesh.vertex_colours)
    np.testing.assert_array_equal(linear[:, 3], 1.0)


def test_vertices_on_a_seam_are_copied_behind_the_others():
    mesh = square_with_a_seam()
    assert mesh.uv is not None
    assert mesh.uv_triangles is not None
    _, arrays = parse(export_gltf(mesh))
    assert len(arrays["POSITION"]) == 6
    np.testing.assert_allclose(arrays["POSITION"][:4], mesh.vertices, atol=1e-8)
    np.testing.assert_allclose(arrays["POSITION"][arrays["indices"]], mesh.vertices[mesh.triangles], atol=1e-8)
    upwards = arrays["TEXCOORD_0"][arrays["indices"]] * [1, -1] + [0, 1]
    np.testing.assert_allclose(upwards, mesh.uv[mesh.uv_triangles], atol=1e-6)
    np.testing.assert_allclose(arrays["NORMAL"], [[0, 0, 1]] * 6, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), vertices=st.integers(1, 12), uvs=st.integers(1, 12), faces=st.integers(1, 20))
def test_splitting_keeps_every_corner(seed, vertices, uvs, faces):
    random = np.random.default_rng(seed)
    triangles, uv_triangles = random.integers(0, vertices, (faces, 3)), random.integers(0, uvs, (faces, 3))
    split, source, uv_of = split_at_seams(triangles, uv_triangles, vertices)
    np.testing.assert_array_equal(source[split], triangles)
    np.testing.assert_array_equal(uv_of[split], uv_triangles)
    np.testing.assert_array_equal(source[:vertices], np.arange(vertices))
    pairs = len({*zip(triangles.ravel().tolist(), uv_triangles.ravel().tolist(), strict=True)})
    assert len(source) == pairs + len(set(range(vertices)) - set(triangles.ravel().tolist()))


@pytest.mark.parametrize(("count", "component"), [(65535, 5123), (65536, 5125)])
def test_large_meshes_get_wide_indices(count, component):
    vertices = np.random.default_rng(0).random((count, 3))
    document, arrays = parse(export_gltf(Mesh(vertices, np.array([[0, 1, count - 1]]))))
    assert document["accessors"][-1]["componentType"] == component
    np.testing.assert_array_equal(arrays["indices"], [[0, 1, count - 1]])


def test_normals_are_unit_vectors_even_without_area():
    _, arrays = parse(export_gltf(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))))
    np.testing.assert_array_equal(arrays["NORMAL"], [[0, 0, 1]] * 3)
    assert export_gltf(random_mesh()) == export_gltf(random_mesh())


def test_a_texture_is_embedded_and_lands_where_uv_says():
    mesh = textured_square()
    document, arrays = parse(export_gltf(mesh))
    assert document["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] == [1.0, 1.0, 1.0, 1.0]
    assert "COLOR_0" not in arrays
    read = read_with_trimesh(export_gltf(mesh), "glb").geometry["head"]
    picture = np.asarray(read.visual.material.baseColorTexture.convert("RGB")).astype(int)
    assert picture.shape == mesh.texture.shape
    assert np.abs(picture - mesh.texture).mean() < 2
    # trimesh turns v upwards again.
    np.testing.assert_allclose(read.visual.uv[read.faces], mesh.uv[mesh.uv_triangles], atol=1e-6)


def test_colours_of_vertices_do_not_tint_a_texture():
    both = replace(textured_square(), vertex_colours=np.zeros((4, 3), np.uint8))
    assert export_gltf(both) == export_gltf(textured_square())
