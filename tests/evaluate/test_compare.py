from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from face3d.errors import ArgumentError, InputError
from face3d.evaluate.compare import compare_meshes, comparison_document, write_error_mesh
from face3d.evaluate.scan_file import Scan, read_scan
from face3d.evaluate.similarity import Similarity
from tests.evaluate.shapes import now_landmarks, open_head


def subdivided():
    vertices, triangles = open_head()
    mesh = trimesh.Trimesh(vertices, triangles, process=False).subdivide()
    return Scan(np.asarray(mesh.vertices), np.asarray(mesh.faces))


@pytest.mark.parametrize("scale", [1.0, 1.07])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_head_is_found_from_anywhere(seed, scale):
    """The scan has other vertices, another unit and stands anywhere: recovered to 1e-4 mm."""
    dense = subdivided()
    true = Similarity(scale, Rotation.random(random_state=seed).as_matrix(), np.array([0.3, -1.0, 2.0]))
    scan = Scan(1000 * true.apply(dense.vertices), dense.triangles)
    head = Scan(*open_head())
    found = compare_meshes(scan, head, unit_a="mm", scaled=scale != 1)
    assert found.registration is not None
    assert found.registration.transform.scale == pytest.approx(scale)
    np.testing.assert_allclose(found.b_vertices, true.apply(head.vertices), rtol=0, atol=1e-7)
    assert found.a_to_b is not None
    assert found.a_to_b.distances.max() < 1e-7
    assert list(found.a_to_b.recall.values()) == [1, 1, 1]


def test_landmarks_and_crop_as_now_does():
    dense, marks = subdivided(), now_landmarks()
    true = Similarity(1.0, Rotation.from_euler("y", 170, degrees=True).as_matrix(), np.array([0.1, 0.2, 0.3]))
    scan = Scan(true.apply(dense.vertices), dense.triangles)
    rough = marks + np.random.default_rng(0).normal(size=(7, 3)) * 0.002
    found = compare_meshes(scan, Scan(*open_head()), landmarks=(true.apply(marks), rough), crop=True)
    assert 0.1 * len(scan.vertices) < len(found.a_vertices) < 0.9 * len(scan.vertices)
    assert found.a_to_b is not None
    assert found.a_to_b.distances.max() < 1e-7
    # The back of the head is far from a cropped face.
    assert found.b_to_a is not None
    assert found.b_to_a.summary.maximum > 0.05


def test_known_distances_without_alignment():
    """Two squares 2 mm apart, one twice as wide: each corner's distance is known."""
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]) * 0.01
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    wide = square * [2, 1, 1] + [0, 0, 0.002]
    found = compare_meshes(Scan(square, faces), Scan(100 * wide, faces), unit_b="cm", align="none")
    assert found.registration is None
    document = comparison_document(found)
    assert document["alignment"] is None
    assert document["a_to_b"]["mean"] == pytest.approx(0.002)
    assert document["a_to_b"]["recall"] == {0.001: 0, 0.002: 1, 0.003: 1}
    beyond = np.hypot(0.01, 0.002)
    assert document["b_to_a"]["mean"] == pytest.approx((0.002 + beyond) / 2)
    assert document["b_to_a"]["recall"][0.003] == 0.5
    assert document["two_sided"]["f_score"][0.003] == pytest.approx(2 / 3)
    assert document["two_sided"]["chamfer"] == pytest.approx((0.002 + (0.002 + beyond) / 2) / 2)


def test_a_cloud_has_one_side():
    head = Scan(*open_head())
    cloud = Scan(head.vertices[::3], np.zeros((0, 3), int))
    found = compare_meshes(cloud, head, align="nearby")
    assert found.b_to_a is None
    assert comparison_document(found)["two_sided"] is None
    assert found.a_to_b is not None
    assert found.a_to_b.summary.maximum < 1e-9
    with pytest.raises(InputError, match="cloud"):
        compare_meshes(head, cloud)


def test_options_that_contradict():
    head = Scan(*open_head())
    with pytest.raises(ArgumentError):
        compare_meshes(head, head, crop=True)
    with pytest.raises(ArgumentError):
        compare_meshes(head, head, align="none", scaled=True)


def test_flat_and_empty_meshes_are_errors():
    head = Scan(*open_head())
    point = Scan(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="area"):
        compare_meshes(head, point)


def test_error_mesh(tmp_path):
    vertices, triangles = open_head()
    path = tmp_path / "error.ply"
    distances = np.where(np.arange(len(vertices)) % 2, 0.0, 0.01)
    write_error_mesh(path, vertices, triangles, distances, limit=0.003)
    np.testing.assert_allclose(read_scan(path).vertices, vertices, atol=1e-7)
    colours = np.asarray(trimesh.load(path, process=False).visual.vertex_colors)[:, :3]
    assert (colours[1::2] == colours[1]).all()
    assert (colours[::2] == colours[0]).all()
    assert colours[0, 0] > colours[0, 2]  # far is red
    assert colours[1, 2] > colours[1, 0]  # near is blue
