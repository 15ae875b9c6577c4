"""Normals of the sampled skin against the renderer's, and their derivative against differences."""

import numpy as np
import torch

from face3d.fit.photometric_fit import skin_of
from face3d.fit.skin_surface import block_diagonal
from face3d.head import load_head
from face3d.render import vertex_normals


def test_normals_are_those_of_the_whole_mesh():
    head = load_head("open")
    skin, albedo = skin_of(head, 80)
    normals = skin.normals(skin.points.rest_points)
    whole = vertex_normals(head.template.double(), head.triangles).numpy()[albedo.vertices]
    inner = skin.weight > 0
    assert inner.mean() > 0.8
    np.testing.assert_allclose(normals[inner], whole[inner], atol=1e-9)
    np.testing.assert_allclose(skin.points.rest_points, head.template.double().numpy()[albedo.vertices], atol=1e-7)


def test_derivative_of_normals():
    skin, _ = skin_of(load_head("open"), 80)
    places = skin.points.rest_points
    change = np.random.default_rng(0).normal(size=places.shape)
    step = 1e-8
    ahead, behind = (skin.normals(places + sign * step * change) for sign in (1, -1))
    derivative = skin.normals_slope(places)
    inner = skin.weight > 0
    predicted = (derivative @ change.ravel()).reshape(-1, 3)[inner]
    np.testing.assert_allclose(predicted, ((ahead - behind) / (2 * step))[inner], rtol=1e-4, atol=1e-2)


def test_weights_are_areas_with_mean_one():
    skin, _ = skin_of(load_head("open"), 80)
    assert np.isclose(skin.weight[skin.weight > 0].mean(), 1)
    corners = skin.points.rest_points[skin.triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    assert 0.015 < area < 0.06, "square metres of a face"


def test_block_diagonal():
    blocks = np.random.default_rng(0).normal(size=(4, 3, 3))
    vector = np.arange(12.0)
    expected = np.einsum("nij,nj->ni", blocks, vector.reshape(4, 3)).ravel()
    np.testing.assert_allclose(block_diagonal(blocks) @ torch.from_numpy(vector).numpy(), expected)
