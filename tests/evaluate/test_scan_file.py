"""Meshes and landmarks from files, good and bad."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from face3d.errors import ArgumentError, InputError
from face3d.evaluate.scan_file import guess_unit, read_landmarks3d, read_scan
from face3d.export.mesh import Mesh
from face3d.export.obj import export_obj
from face3d.export.ply import export_ply
from face3d.export.stl import export_stl
from tests.evaluate.now.benchmark_folder import write_pp

BOX = trimesh.creation.box((0.2, 0.3, 0.25))


def box_mesh(**extra):
    return Mesh(np.asarray(BOX.vertices, float), np.asarray(BOX.faces), **extra)


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize(("suffix", "export"), [(".obj", export_obj), (".ply", export_ply), (".STL", export_stl)])
def test_what_face3d_writes(tmp_path, suffix, export, colours):
    mesh = box_mesh(vertex_colours=np.full((8, 3), 9, np.uint8) if colours else None)
    path = tmp_path / f"box{suffix}"
    path.write_bytes(export(mesh))
    scan = read_scan(path)
    assert scan.vertices.shape == (8, 3)
    corners = np.sort(scan.vertices[scan.triangles].reshape(-1, 9), axis=0)
    np.testing.assert_allclose(corners, np.sort(mesh.vertices[mesh.triangles].reshape(-1, 9), axis=0), atol=1e-6)
    if suffix != ".STL":
        np.testing.assert_allclose(scan.vertices, mesh.vertices, atol=1e-6)
        np.testing.assert_array_equal(scan.triangles, mesh.triangles)


def test_texture_seams_do_not_double_vertices(tmp_path):
    path = tmp_path / "seams.obj"
    uv = np.random.default_rng(0).random((36, 2))
    path.write_bytes(export_obj(box_mesh(uv=uv, uv_triangles=np.arange(36).reshape(12, 3))))
    assert read_scan(path).vertices.shape == (8, 3)


def test_obj_of_the_wild(tmp_path):
    path = tmp_path / "wild.obj"
    path.write_text(
        "mtllib ../../etc/passwd\r\n# a quad, a negative index, colours, a continued line\r\n"
        "v 0 0 0 1 0 0\r\nv 1 0 0 1 0 0\r\nvn 0 0 1\nv\t1 1 0\nv 0 1 0 0.5 0.5 0.5 1\n"
        "vt 0 0\nf 1/1/1 2/1 3//1 \\\n4\nf -4 -3 -2\nl 1 2\ng part\n"
    )
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.vertices, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(scan.triangles, [[0, 1, 2], [0, 2, 3], [0, 1, 2]])


def test_a_cloud_of_points(tmp_path):
    path = tmp_path / "cloud.ply"
    trimesh.PointCloud(BOX.vertices).export(path)
    scan = read_scan(path)
    assert scan.vertices.shape == (8, 3)
    assert scan.triangles.shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.obj", b""),
        ("a.obj", b"v 0 0\n"),
        ("a.obj", b"v 0 0 zero\n"),
        ("a.obj", b"v 0 0 nan\n"),
        ("a.obj", b"v 0 0 0\nf 1 2 3\n"),
        ("a.obj", b"v 0 0 0\nf 1 1 0\n"),
        ("a.obj", b"v 0 0 0\nf 1 1 -7\n"),
        ("a.obj", b"v 0 0 0\nf 1/x 1 a\n"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 9"),
        ("a.ply", b"\x00" * 100),
        ("a.stl", b"solid\x00"),
        ("a.off", b"OFF 3"),
        ("a.png", b"x"),
        ("a", b"x"),
    ],
)
def test_broken_files_are_named_in_one_line(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_scan(path)
    assert str(path) in str(caught.value)


def test_missing_files(tmp_path):
    for read in (read_scan, read_landmarks3d):
        with pytest.raises(InputError, match=r"nothing\.obj"):
            read(tmp_path / "nothing.obj")


def test_landmarks_of_every_kind(tmp_path):
    points = np.random.default_rng(0).normal(size=(9, 3))
    np.save(tmp_path / "a.npy", points[:7])
    np.save(tmp_path / "b.npy", points[None, :7].astype(np.float32))
    np.savetxt(tmp_path / "c.txt", points[:7])
    write_pp(tmp_path / "d.pp", points)  # the attributes in another order, and two points too many
    for name in ("a.npy", "b.npy", "c.txt", "d.pp"):
        np.testing.assert_allclose(read_landmarks3d(tmp_path / name, 7), points[:7], atol=1e-6)
    assert read_landmarks3d(tmp_path / "d.pp").shape == (9, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pp", b"<PickedPoints><point x='1' y='2'/></PickedPoints>"),
        ("a.pp", b"<PickedPoints>"),
        ("a.pp", b"<!DOCTYPE a [<!ENTITY b 'c'>]><PickedPoints><point x='1' y='2' z='&b;'/></PickedPoints>"),
        ("a.npy", b"not numpy"),
        ("a.npy", b"PK\x03\x04"),
        ("a.npy", b"\x93NUMPY\x01\x00"),
        ("a.txt", b"1 2\n3 4 5\n"),
        ("a.txt", b"1 2 3\n" * 6),
        ("a.txt", b"1 2 inf\n" * 7),
        ("a.txt", b"\xff\xfe"),
    ],
)
def test_broken_landmarks(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_landmarks3d(path, 7)


def test_a_pickle_is_not_opened(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy"):
        read_landmarks3d(path, 7)


@pytest.mark.parametrize(("unit", "per_metre"), [("m", 1), ("cm", 100), ("mm", 1000)])
@pytest.mark.parametrize("size", [0.12, 0.25, 0.9])
def test_the_unit_of_a_head(unit, per_metre, size):
    assert guess_unit(np.array([[0.0, 0, 0], [0, size * per_metre, 0]]), "a") == unit


def test_no_unit_makes_it_a_head():
    with pytest.raises(ArgumentError, match="unit"):
        guess_unit(np.array([[0.0, 0, 0], [0, 5000, 0]]), "a")
