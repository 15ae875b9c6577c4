"""Heads drawn over frames look as `overlay` draws them."""

from __future__ import annotations

import numpy as np
import pytest

from face3d import load_head
from face3d.render.overlay import overlay
from face3d.render.portrait import head_appearance, model_appearance
from face3d.render.video_overlay import HeadPainter

INTRINSICS = np.array([[420.0, 0, 160], [0, 420, 120], [0, 0, 1]])


@pytest.fixture(scope="module")
def head():
    model = load_head("open")
    vertices = model(eyes=model.template.new_tensor([[0, 0.2, 0, 0, 0.2, 0]])).vertices[0].double().numpy()
    return model, vertices * [1, -1, -1] + [0.02, 0.01, 0.62]


@pytest.fixture(scope="module")
def painter(head):
    model, _ = head
    return HeadPainter(model.triangles.numpy(), model_appearance(model))


def photo(height=240, width=320):
    return np.random.default_rng(0).integers(60, 120, (height, width, 3), dtype=np.uint8)


def test_it_looks_as_the_slow_picture(head, painter):
    model, vertices = head
    frame = photo()
    painter.draw(frame, vertices, INTRINSICS)
    wanted = overlay(photo(), vertices, model.triangles.numpy(), INTRINSICS, appearance=model_appearance(model))
    drawn = np.abs(wanted.astype(int) - photo()).max(-1) > 0
    difference = np.abs(frame.astype(int) - wanted).max(-1)
    assert drawn.mean() > 0.15
    assert difference[drawn].mean() < 2.5
    assert (difference > 25).mean() < 0.004, "along edges only"
    assert difference[~drawn].max(initial=0) < 40
    assert (difference[~drawn] > 0).mean() < 0.02


def test_opacity_is_the_share_of_the_head(head, painter):
    _, vertices = head
    solid, half, none = photo(), photo(), photo()
    painter.draw(solid, vertices, INTRINSICS, opacity=1.0)
    painter.draw(half, vertices, INTRINSICS, opacity=0.5)
    painter.draw(none, vertices, INTRINSICS, opacity=0.0)
    np.testing.assert_array_equal(none, photo())
    np.testing.assert_allclose(half, (solid.astype(float) + photo()) / 2, atol=1.0)


def test_edges_are_smooth():
    """A square without shading over black: its border pixels take less than a whole share."""
    vertices = np.array([[-0.1, -0.1, 1.0], [0.1, -0.1, 1], [0.1, 0.1, 1], [-0.1, 0.1, 1]])
    triangles = np.array([[0, 2, 1], [0, 3, 2]])
    frame = np.zeros((60, 60, 3), np.uint8)
    camera = np.array([[100.0, 0, 30], [0, 100, 30], [0, 0, 1]])
    HeadPainter(triangles, head_appearance(vertices, triangles)).draw(frame, vertices, camera, opacity=1.0)
    row = frame[30, :, 1].astype(int)
    assert row[25:35].min() == row[25:35].max() > 0
    assert len({*row[18:23].tolist()}) >= 2
    assert (row[:18] == 0).all()


@pytest.mark.parametrize("shift", [[3.0, 0, 0], [0, 0, -2.0], [0.2, 0, 0], [0, 0, -0.55]])
def test_heads_at_and_beyond_the_border_are_no_trouble(head, painter, shift):
    _, vertices = head
    frame = photo()
    painter.draw(frame, vertices + shift, INTRINSICS)
    outside = shift[0] > 1 or shift[2] < -1
    assert np.array_equal(frame, photo()) == outside
    frame = photo()
    painter.draw(frame, np.full_like(vertices, np.nan), INTRINSICS)
    np.testing.assert_array_equal(frame, photo())
