"""What a photo is believed to show, against rays traced one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from face3d.head import load_head
from face3d.render.rasterize_numba import rasterize_camera
from face3d.render.texture_chart import interpolated, texture_chart
from face3d.render.texture_views import pixels_per_metre, view_texels
from tests.render.textured_heads import photograph, skin_like_texture

SIZE = 256


@pytest.fixture(scope="module")
def model():
    return load_head()


@pytest.fixture(scope="module")
def chart(model):
    return texture_chart(model, SIZE)


@pytest.fixture(scope="module")
def three_quarter(model):
    return photograph(model, skin_like_texture(SIZE), 50.0)


def crossings(points, vertices, triangles):
    """Smallest share of the way from the camera to each point at which a triangle is met, by Moeller and Trumbore."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    u_edge, v_edge = b - a, c - a
    q = np.cross(-a, u_edge)
    met = np.full(len(points), np.inf)
    for index, ray in enumerate(points):
        p = np.cross(ray, v_edge)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / (p * u_edge).sum(-1)
            u, v, t = (p * -a).sum(-1) * inverse, (q @ ray) * inverse, (q * v_edge).sum(-1) * inverse
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        met[index] = t[hit].min() if hit.any() else np.inf
    return met


def test_only_what_no_surface_hides_is_taken(chart, three_quarter):
    """A texel behind another surface (3 mm or more) gets no trust; one in plain view gets much."""
    view = view_texels(chart, three_quarter)
    skin = chart.surface.region("skin", "nose", "face")[chart.surface.triangles].all(1)[chart.faces]
    sample = np.random.default_rng(0).permutation(np.flatnonzero(skin))[:500]
    points = interpolated(chart, three_quarter.vertices_camera)[sample].astype(float)
    met = crossings(points, three_quarter.vertices_camera, chart.surface.triangles)
    hidden = (1 - met) * np.linalg.norm(points, axis=1) > 0.003
    assert 50 < hidden.sum() < 450
    assert view.trust[sample][hidden].max() == 0.0
    assert np.median(view.trust[sample][~hidden]) > 0.5
    assert (view.colour[sample][hidden] == 0).all()


def test_the_colour_is_the_photos_at_the_projected_point(chart, three_quarter):
    """A photo that is a ramp in x and y: each trusted texel reads its own pixel's place off it."""
    height, width = three_quarter.pixels.shape[:2]
    row, column = np.mgrid[:height, :width] + 0.5
    ramp = np.stack((column * 255 / width, row * 255 / height, np.full(row.shape, 128.0)), -1)
    view = view_texels(chart, replace(three_quarter, pixels=np.rint(ramp).astype(np.uint8)))
    # Such colours are no skin's: only the middle of the face is believed.
    seen = view.trust > 0.9
    assert seen.sum() > 1000
    places = interpolated(chart, three_quarter.vertices_camera)[seen] @ three_quarter.intrinsics.T
    expected = places[:, :2] / places[:, 2:] / [width, height]
    assert np.abs(view.colour[seen, :2] - expected).max() < 0.006


def test_trust_falls_towards_the_outline_and_grazing_angles(model, chart):
    view = view_texels(chart, photograph(model, skin_like_texture(SIZE), 0.0))
    x = np.abs(interpolated(chart, model.template.double().numpy())[:, 0])
    z = interpolated(chart, model.template.double().numpy())[:, 2]
    middle = (z > 0) & (x < 0.02) & chart.surface.region("face")[chart.surface.triangles].all(1)[chart.faces]
    assert np.median(view.trust[middle]) > 0.95
    assert view.trust[x > 0.073].mean() < 0.1


def test_clothes_on_the_neck_are_not_believed(model, chart):
    """The same picture of neck and all, once in skin and once in a blue collar."""
    plain = photograph(model, skin_like_texture(SIZE), 65.0)
    neck = chart.surface.region("neck")[chart.surface.triangles].all(1)[chart.faces]
    faces = chart.surface.region("neck")[chart.surface.triangles].all(1)
    seen = rasterize_camera(plain.vertices_camera, chart.surface.triangles, plain.intrinsics, plain.pixels.shape[:2])
    dressed = plain.pixels.copy()
    dressed[(seen.face_id >= 0) & faces[seen.face_id]] = [40, 60, 160]
    before = view_texels(chart, plain).trust[neck]
    after = view_texels(chart, replace(plain, pixels=dressed)).trust[neck]
    assert (before > 0.3).sum() > 50
    assert after.mean() < 0.05 * before.mean()


def test_resolution_is_pixels_per_metre(model):
    photo = photograph(model, skin_like_texture(SIZE), 0.0)
    assert pixels_per_metre(photo) == pytest.approx(photo.intrinsics[0, 0] / 0.9, rel=0.1)
    assert pixels_per_metre(replace(photo, vertices_camera=-photo.vertices_camera)) == 0.0
