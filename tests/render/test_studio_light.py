"""Textured surfaces under studio light, and colours for viewers that bring their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.head import load_open_head
from face3d.media.colour import linear_from_srgb
from face3d.render.portrait import HeadAppearance, model_appearance, portrait, shaded_layer
from face3d.render.studio_light import IRIS_RADIUS, PUPIL_RADIUS, SurfaceTexture, vertex_colours
from tests.render.shapes import ball, plane

INTRINSICS = np.array([[100.0, 0.0, 30.0], [0.0, 100.0, 20.0], [0.0, 0.0, 1.0]])
UV_OF_PLANE = np.array([[0.0, 1.0], [1, 1], [1, 0], [0, 0]])


def look_of(vertices, colour):
    nothing = np.full((len(vertices), 2), np.nan)
    return HeadAppearance(np.tile(colour, (len(vertices), 1)), nothing, np.ones(len(vertices)))


@settings(max_examples=10, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.integers(1, 5))
def test_a_texture_of_one_colour_is_an_albedo_of_that_colour(colour, side):
    vertices, triangles = ball(0.1, (0.0, 0.0, 1.0))
    image = np.tile(np.array(colour, dtype=np.uint8), (side, side + 1, 1))
    texture = SurfaceTexture(image, np.random.default_rng(side).random((len(vertices), 2)), triangles)
    plain = look_of(vertices, linear_from_srgb(np.array(colour) / 255))
    textured = replace(look_of(vertices, (0.1, 0.9, 0.3)), texture=texture)
    pictures = [shaded_layer(vertices, triangles, INTRINSICS, (40, 60), look)[0] for look in (plain, textured)]
    np.testing.assert_allclose(pictures[0], pictures[1], atol=0.05)


def test_the_texture_lies_the_right_way_up():
    vertices, triangles = plane((-0.2, -0.2, 1), (0.4, 0, 0), (0, 0.4, 0))
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[:32, :32] = [255, 0, 0]
    image[:32, 32:] = [0, 255, 0]
    image[32:, :32] = [0, 0, 255]
    look = replace(look_of(vertices, (0, 0, 0)), texture=SurfaceTexture(image, UV_OF_PLANE, triangles))
    colour, coverage = shaded_layer(vertices, triangles, INTRINSICS, (40, 60), look)
    # v = 1 is the first row; the camera sees the plane's first corner at the upper left, x 10 to 50, y 0 to 40.
    assert coverage[:, 11:49].min() == 1
    assert colour[10, 18].argmax() == 0
    assert colour[10, 42].argmax() == 1
    assert colour[30, 18].argmax() == 2
    assert colour[30, 42].max() < 60


def test_a_texture_replaces_the_drawn_irises():
    model = load_open_head()
    white = np.full((4, 4, 3), 255, dtype=np.uint8)
    vertices, triangles = model.template.double().numpy(), model.triangles.numpy()
    drawn = portrait(vertices, triangles, model_appearance(model), (200, 200))[0].astype(int)
    textured = portrait(vertices, triangles, model_appearance(model, texture=white), (200, 200))[0].astype(int)

    def dark(picture):
        return (picture[60:130, 50:150].max(-1) < 60).sum()

    assert dark(drawn) > dark(textured) + 5


@pytest.mark.parametrize(
    ("image", "uv", "message"),
    [
        (np.zeros((4, 4), np.uint8), UV_OF_PLANE, "uint8"),
        (np.zeros((4, 4, 3)), UV_OF_PLANE, "uint8"),
        (np.zeros((0, 4, 3), np.uint8), UV_OF_PLANE, "uint8"),
        (np.zeros((4, 4, 3), np.uint8), UV_OF_PLANE[:, :1], "uv"),
        (np.zeros((4, 4, 3), np.uint8), UV_OF_PLANE[:2], "vertices"),
    ],
)
def test_textures_that_do_not_fit_are_refused(image, uv, message):
    with pytest.raises(ArgumentError, match=message):
        SurfaceTexture(image, uv, np.array([[0, 2, 1], [0, 3, 2]]))


def test_a_texture_of_another_mesh_is_refused():
    vertices, triangles = ball(0.1, (0.0, 0.0, 1.0))
    texture = SurfaceTexture(np.zeros((4, 4, 3), np.uint8), UV_OF_PLANE, np.array([[0, 2, 1], [0, 3, 2]]))
    with pytest.raises(ArgumentError, match="2 triangles"):
        shaded_layer(vertices, triangles, INTRINSICS, (40, 60), replace(look_of(vertices, (1, 1, 1)), texture=texture))


def test_colours_of_vertices_paint_irises_where_the_eyes_look():
    off_axis = np.array([0.0, (PUPIL_RADIUS + IRIS_RADIUS) / 2, 2 * IRIS_RADIUS])
    eye_position = np.concatenate((np.stack((off_axis, 0 * off_axis), -1), [[np.nan, np.nan]]))
    pupil, iris, white, skin = vertex_colours(np.full((4, 3), 0.5), eye_position).astype(int)
    assert pupil.max() < 40
    assert 60 < iris.max() < 140
    np.testing.assert_array_equal(white, skin)
    np.testing.assert_allclose(linear_from_srgb(skin / 255), 0.5, atol=0.005)
