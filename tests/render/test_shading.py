"""Normals and light: DECA's golden numbers where they exist, geometry elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.render import directional_shading, spherical_harmonics_shading, vertex_normals
from face3d.render.shading import SPHERICAL_HARMONICS_CONSTANTS
from tests.render.meshes import sphere

GOLDEN = Path(__file__).parents[1] / "golden" / "deca" / "camera_shading.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def test_vertex_normals_are_decas(golden):
    found = vertex_normals(golden["mesh_vertices"], golden["mesh_faces"])
    torch.testing.assert_close(found, golden["mesh_normals"], atol=1e-12, rtol=0)


def test_spherical_harmonics_are_decas(golden):
    np.testing.assert_allclose(SPHERICAL_HARMONICS_CONSTANTS, golden["sh_constants"], atol=1e-7)
    found = spherical_harmonics_shading(golden["normal_images"], golden["light_9x3"])
    torch.testing.assert_close(found, golden["sh_shading"], atol=1e-6, rtol=1e-6)
    points = golden["normal_images"].flatten(2).mT
    as_points = spherical_harmonics_shading(points, golden["light_9x3"])
    torch.testing.assert_close(as_points, found.flatten(2).mT)


def test_directional_light_is_decas(golden):
    found = directional_shading(golden["dir_normals"], golden["dir_lights"])
    torch.testing.assert_close(found, golden["dir_shading"], atol=1e-12, rtol=0)


def test_normals_of_a_sphere_point_outwards():
    vertices, triangles = sphere()
    inner = (vertices[:, 2].abs() < 0.9).nonzero()[:, 0]
    cosine = (vertex_normals(vertices, triangles) * vertices).sum(-1)
    assert (cosine[inner] > 0.999).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_normals_turn_with_the_mesh_and_ignore_its_size(seed, scale):
    random = np.random.default_rng(seed)
    vertices = torch.from_numpy(random.normal(size=(2, 10, 3)))
    triangles = (torch.arange(10)[:, None] + torch.arange(3)) % 10
    rotation = torch.from_numpy(np.linalg.qr(random.normal(size=(3, 3)))[0])
    rotation = rotation * torch.linalg.det(rotation)
    turned = vertex_normals(scale * vertices @ rotation.T, triangles)
    torch.testing.assert_close(turned, vertex_normals(vertices, triangles) @ rotation.T, atol=1e-7, rtol=0)


def test_vertices_without_area_have_no_normal_and_no_gradient():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5], [6, 6, 6]], requires_grad=True)
    normals = vertex_normals(vertices, torch.tensor([[0, 1, 2], [3, 3, 4]]))
    torch.testing.assert_close(normals[:3], torch.tensor([[0.0, 0, 1]] * 3))
    assert (normals[3:] == 0).all()
    normals.sum().backward()
    assert vertices.grad is not None
    assert torch.isfinite(vertices.grad).all()


def test_gradients_of_normals_and_light():
    random = np.random.default_rng(3)
    vertices = torch.from_numpy(random.normal(size=(1, 6, 3))).requires_grad_()
    triangles = torch.from_numpy(np.array([[0, 1, 2], [2, 1, 3], [3, 4, 5], [0, 4, 5]]))
    light = torch.from_numpy(random.normal(size=(1, 9, 3))).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v, c: spherical_harmonics_shading(vertex_normals(v, triangles), c), (vertices, light)
    )


def test_a_lamp_lights_what_faces_it():
    normals = torch.tensor([[[0.0, 0, 1], [0, 0, -1], [0, 0.6, 0.8]]])
    lamps = torch.tensor([[[0.0, 0, 5, 1, 0.5, 2]]])
    expected = torch.tensor([[[1.0, 0.5, 2], [0, 0, 0], [0.8, 0.4, 1.6]]])
    torch.testing.assert_close(directional_shading(normals, lamps), expected)


def test_wrong_shapes_are_named():
    with pytest.raises(ArgumentError, match="coefficients"):
        spherical_harmonics_shading(torch.zeros(1, 4, 3), torch.zeros(1, 27))
    with pytest.raises(ArgumentError, match="normals"):
        spherical_harmonics_shading(torch.zeros(4, 3), torch.zeros(1, 9, 3))
