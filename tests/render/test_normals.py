"""Normals of one mesh."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from face3d import load_head
from face3d.errors import ArgumentError
from face3d.render.normals import mesh_normals
from face3d.render.shading import vertex_normals


def test_normals_are_those_of_the_layer_with_gradients():
    head = load_head()
    rng = np.random.default_rng(0)
    vertices = head.template.double().numpy() + rng.normal(scale=1e-4, size=head.template.shape)
    expected = vertex_normals(torch.from_numpy(vertices), head.triangles.long())
    np.testing.assert_allclose(mesh_normals(vertices, head.triangles.numpy()), expected.numpy(), atol=1e-9)


def test_a_vertex_without_area_has_no_normal():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]])
    normals = mesh_normals(vertices, np.array([[0, 1, 2], [3, 3, 3]]))
    np.testing.assert_array_equal(normals, [[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0]])


def test_a_triangle_that_names_no_vertex_is_told():
    with pytest.raises(ArgumentError, match="vertices"):
        mesh_normals(np.zeros((3, 3)), np.array([[0, 1, 3]]))
