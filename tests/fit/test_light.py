"""Light from colours and normals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.fit.harmonics import harmonics
from face3d.fit.light import SKIN_ALBEDO, estimate_light, photo_light
from face3d.head import load_head
from face3d.media.colour import srgb_from_linear
from face3d.render.rasterize_numba import interpolate_attributes, rasterize_camera
from face3d.render.shading import vertex_normals
from face3d.render.texture_views import PosedPhoto
from tests.render.textured_heads import turned


def normals_towards_the_camera(count: int, seed: int = 0) -> np.ndarray:
    normals = np.random.default_rng(seed).normal(size=(count, 3))
    normals[:, 2] = -np.abs(normals[:, 2])
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def positive_light(seed: int) -> np.ndarray:
    """Ambient light and lamps, which no direction can make negative by much."""
    random = np.random.default_rng(seed)
    light = random.normal(scale=0.18, size=(9, 3))
    light[0] = random.uniform(2.5, 3.5, 3)
    light[4:] *= 0.3
    return light


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_shading_is_found_under_outliers(seed):
    """A fifth of the points are hair or highlights; the rest has its shading within 3 % of its mean."""
    random = np.random.default_rng(seed)
    normals, light = normals_towards_the_camera(800, seed), positive_light(seed)
    albedo = np.broadcast_to(SKIN_ALBEDO, (800, 3)) * random.uniform(0.95, 1.05, (800, 1))
    colours = albedo * (harmonics(normals) @ light)
    colours[random.permutation(800)[:160]] = random.uniform(0, 1, (160, 3)) ** 3
    found = estimate_light(colours, normals)
    shading = harmonics(normals) @ light
    error = np.abs(harmonics(normals) @ found - shading).mean(0) / shading.mean(0)
    assert error.max() < 0.03


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_no_direction_is_dark_however_the_face_is_lit(seed):
    """A flash from the front tells nothing of the back, and least squares alone would make that negative."""
    random = np.random.default_rng(seed)
    normals = normals_towards_the_camera(300, seed)
    lamp = random.normal(size=3)
    shading = np.maximum(normals @ (lamp / np.linalg.norm(lamp)), 0.0)
    light = estimate_light(shading[:, None] * SKIN_ALBEDO + 1e-3, normals)
    everywhere = random.normal(size=(2000, 3))
    everywhere /= np.linalg.norm(everywhere, axis=1, keepdims=True)
    assert (harmonics(everywhere) @ light).min() > 0.0


def test_weights_say_which_points_count():
    normals, light = normals_towards_the_camera(400), positive_light(3)
    colours = SKIN_ALBEDO * (harmonics(normals) @ light)
    wrong = np.arange(400) < 250
    colours[wrong] *= [0.2, 1.5, 3.0]
    found = estimate_light(colours, normals, weights=(~wrong).astype(float))
    shading = harmonics(normals) @ light
    assert np.abs(harmonics(normals) @ found - shading).mean() < 0.03 * shading.mean()


def test_unusable_arguments():
    normals = normals_towards_the_camera(100)
    with pytest.raises(ArgumentError, match="30 points"):
        estimate_light(normals[:10] * 0, normals[:10])
    with pytest.raises(ArgumentError, match=r"\(N, 3\)"):
        estimate_light(np.ones((99, 3)), normals)
    with pytest.raises(ArgumentError, match="30 points"):
        estimate_light(np.full((100, 3), np.nan), normals)


def test_a_photo_tells_its_light_up_to_the_colour_of_skin():
    """One albedo all over, lit from the side: the shading found has the same form, and on average no effect."""
    model = load_head()
    camera = turned(model.template.double().numpy(), 10.0)
    triangles = model.triangles.numpy()
    intrinsics = np.array([[900.0, 0, 200], [0, 900.0, 200], [0, 0, 1]])
    light = np.zeros((9, 3))
    light[0], light[1], light[3] = [3.2, 3.0, 2.8], 0.5, -0.4
    normals = vertex_normals(torch.tensor(camera), model.triangles).numpy()
    shading = harmonics(normals) @ light
    fragments = rasterize_camera(camera, triangles, intrinsics, (400, 400))
    lit = interpolate_attributes(fragments, triangles, shading * [0.35, 0.22, 0.16])
    pixels = np.rint(255 * srgb_from_linear(lit.clip(0, 1))).astype(np.uint8)
    found = photo_light(model, PosedPhoto(pixels, camera, intrinsics))
    assert found is not None
    facing = normals[:, 2] < -0.5
    ratio = (harmonics(normals[facing]) @ found) / shading[facing]
    assert np.abs(ratio / np.median(ratio, axis=0) - 1).mean() < 0.03


def test_a_photo_without_the_face_tells_nothing():
    model = load_head()
    camera = turned(model.template.double().numpy(), 180.0)
    photo = PosedPhoto(np.zeros((80, 80, 3), np.uint8), camera, np.array([[180.0, 0, 40], [0, 180.0, 40], [0, 0, 1]]))
    assert photo_light(model, photo) is None
