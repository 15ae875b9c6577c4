"""MICA's files: the golden points and vertices in millimetres, as the demo's readers expect them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from face3d.errors import ArgumentError
from face3d.export import export_mica
from face3d.head import load_flame, load_head
from tests.export.meshes import read_with_trimesh
from tests.head.golden import FLAME, golden

GOLDEN = golden("flame/flame_mica")


@pytest.fixture(scope="module")
def head():
    return load_flame(FLAME, dtype=torch.float64)


@pytest.mark.parametrize("number", [0, 5])
def test_the_files_hold_the_golden_numbers(head, number):
    files = export_mica(head, GOLDEN["shape"][number])
    arrays = {name: np.load(io.BytesIO(data)) for name, data in files.items() if name.endswith(".npy")}
    assert {name: (array.shape, str(array.dtype)) for name, array in arrays.items()} == {
        "identity.npy": ((300,), "float32"),
        "kpt7.npy": ((7, 3), "float32"),
        "kpt68.npy": ((1, 68, 3), "float32"),
    }
    np.testing.assert_array_equal(arrays["identity.npy"], GOLDEN["shape"][number].astype(np.float32))
    np.testing.assert_allclose(arrays["kpt7.npy"], GOLDEN["kpt7_from_full68_mm"][number], atol=1e-3)
    np.testing.assert_allclose(arrays["kpt68.npy"][0], GOLDEN["kpt68_mm"][number], atol=1e-3)
    for kind in ("ply", "obj"):
        mesh = read_with_trimesh(files[f"mesh.{kind}"], kind)
        np.testing.assert_allclose(mesh.vertices, GOLDEN["identity_vertices_mm"][number], atol=1e-3)
        np.testing.assert_array_equal(mesh.faces, head.triangles)


def test_heads_that_are_not_flame_are_refused():
    head = load_head("open")
    with pytest.raises(
        ArgumentError, match=r"MICA's files hold the 300 .* the head 'open' has \d+ of its own; choose --head"
    ):
        export_mica(head, np.zeros(head.identity_size))


def test_flame_without_its_landmarks_is_refused():
    with pytest.raises(ArgumentError, match=r"ibug_68_fixed, now_7; put landmark_embedding.npy beside"):
        export_mica(load_flame(FLAME, landmarks=()), np.zeros(300))
