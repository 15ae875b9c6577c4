"""Where each texel lies on the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from face3d.errors import ArgumentError
from face3d.head import HeadModel, load_head
from face3d.render.texture_chart import interpolated, texture_chart, texture_surface, vertex_means
from face3d.render.texture_diffusion import diffused, extended
from face3d.render.texture_sampling import sample_pixels, sample_uv


@pytest.fixture(scope="module")
def model():
    return load_head()


@pytest.fixture(scope="module")
def chart(model):
    return texture_chart(model, 256)


def test_each_texel_is_where_its_coordinates_say(model, chart):
    corners = chart.surface.uv[chart.surface.uv_triangles[chart.faces]]
    uv = np.einsum("nk,nkc->nc", chart.barycentric, corners)
    row, column = np.divmod(chart.texels, chart.size)
    np.testing.assert_allclose(uv[:, 0] * chart.size, column + 0.5, atol=1e-3)
    np.testing.assert_allclose((1 - uv[:, 1]) * chart.size, row + 0.5, atol=1e-3)


def test_it_is_made_once(model, chart):
    assert texture_chart(model, 256) is chart
    assert texture_chart(model, 64).surface is chart.surface


def test_every_texel_has_a_nearest_covered_one(chart):
    assert chart.nearest.shape == (chart.size**2,)
    np.testing.assert_array_equal(chart.nearest[chart.texels], np.arange(len(chart.texels)))
    # Independent of the distance transform: no covered texel is much closer than the one that was chosen.
    place = np.stack(np.divmod(chart.texels, chart.size), -1)
    for texel in np.random.default_rng(0).integers(0, chart.size**2, 40):
        offset = place - np.array(divmod(int(texel), chart.size))
        distance = np.linalg.norm(offset, axis=1)
        assert distance[chart.nearest[texel]] <= 1.1 * distance.min() + 1e-9


def test_the_mirror_image_of_a_texel_shows_the_mirrored_point(model, chart):
    """Reading positions at the mirrored place gives the position with x turned round, ears and seams included."""
    places = interpolated(chart, model.template.double().numpy())
    picture = np.full((chart.size * chart.size, 3), np.nan)
    picture[:] = places[chart.nearest]
    mirrored = sample_pixels(picture.reshape(chart.size, chart.size, 3).astype(np.float32), chart.mirror)
    miss = np.linalg.norm(mirrored - places * [-1, 1, 1], axis=1)
    assert np.median(miss) < 1e-4
    assert np.quantile(miss, 0.95) < 0.003


def test_interpolation_and_means_keep_linear_functions(model, chart):
    positions = model.template.double().numpy()
    at_texels = interpolated(chart, positions)
    assert np.abs(at_texels).max() < 0.3
    mean, trust = vertex_means(chart, at_texels, np.ones(len(at_texels), dtype=np.float32))
    seen = trust > 0
    np.testing.assert_allclose(trust[seen], 1.0, rtol=1e-9)
    # A vertex's texels lie within its triangles, a few millimetres around it; on the cranium triangles are larger.
    assert np.median(np.linalg.norm((mean - positions)[seen], axis=1)) < 0.003


def test_a_head_without_texture_coordinates_is_refused(model):
    bare = HeadModel(replace(model.arrays(), uv=None, uv_triangles=None))
    with pytest.raises(ArgumentError, match="no texture coordinates"):
        texture_surface(bare)
    with pytest.raises(ArgumentError, match="one texel"):
        texture_chart(model, 0)


def test_diffusion_keeps_what_it_is_given_and_crosses_seams(chart):
    """With the slopes of a function and one weak spring the function comes back, whatever it is."""
    surface = chart.surface
    values = np.random.default_rng(0).normal(size=(surface.vertex_count, 2))
    first, second = surface.edges.T
    solution = diffused(surface, values[second] - values[first], values, np.full(len(values), 1e-3))
    np.testing.assert_allclose(solution, values, atol=1e-8)
    flat = diffused(surface, np.zeros((len(first), 2)), values, np.full(len(values), 1e-6))
    head = np.flatnonzero(surface.region("skin"))
    assert np.ptp(flat[head], axis=0).max() < 0.01
    assert values.min() <= flat.min() <= flat.max() <= values.max()


def test_extension_leaves_what_is_known_and_reaches_the_next_vertices(chart):
    surface = chart.surface
    known = np.zeros(surface.vertex_count)
    known[surface.region("nose")] = 1.0
    values = np.where(known[:, None] > 0, [[5.0, 7.0]], 0.0)
    wider = extended(surface, values, known)
    first, second = surface.edges.T
    ring = np.union1d(second[known[first] > 0], first[known[second] > 0])
    np.testing.assert_allclose(wider[ring], np.broadcast_to([5.0, 7.0], (len(ring), 2)))
    np.testing.assert_array_equal(wider[known > 0], values[known > 0])


def test_sampling_between_pixels():
    picture = np.array([[[0.0], [10.0]], [[20.0], [30.0]]], dtype=np.float32)
    places = np.array([[0.5, 0.5], [1.0, 0.5], [1.0, 1.0], [1.5, 1.5], [-9.0, 99.0], [np.nan, 1.0]])
    np.testing.assert_allclose(sample_pixels(picture, places)[:, 0], [0, 5, 15, 30, 20, 0])
    texture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    np.testing.assert_allclose(sample_uv(texture, np.array([[0.25, 0.75], [0.75, 0.25]])), [[0, 1, 2], [9, 10, 11]])
    assert sample_uv(texture, np.zeros((4, 5, 2))).shape == (4, 5, 3)
