"""Pictures for people: geometry and coverage must be right, whatever the light looks like."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.errors import ArgumentError
from face3d.head import load_open_head
from face3d.render.overlay import overlay, panel
from face3d.render.portrait import (
    HeadAppearance,
    ambient_visibility,
    head_appearance,
    model_appearance,
    portrait,
    shaded_layer,
)
from tests.render.shapes import ball

INTRINSICS = np.array([[100.0, 0.0, 30.0], [0.0, 100.0, 20.0], [0.0, 0.0, 1.0]])


def plain(vertices):
    return HeadAppearance(np.full((len(vertices), 3), 0.5), np.full((len(vertices), 2), np.nan), np.ones(len(vertices)))


def test_coverage_is_the_area_of_the_silhouette():
    vertices, triangles = ball(0.1, (0.0, 0.0, 1.0), count=40)
    colour, coverage = shaded_layer(vertices, triangles, INTRINSICS, (40, 60), plain(vertices))
    # Under perspective a ball of radius r at distance d fills a disc of radius f r / sqrt(d^2 - r^2).
    assert coverage.sum() == pytest.approx(np.pi * (100 * 0.1 / np.sqrt(1 - 0.01)) ** 2, rel=0.01)
    rows, columns = np.nonzero(coverage)
    assert (columns + 0.5).mean() == pytest.approx(30, abs=0.05)
    assert (rows + 0.5).mean() == pytest.approx(20, abs=0.05)
    assert (colour[coverage > 0] > 20).all()
    edge = (coverage > 0) & (coverage < 1)
    assert edge.sum() > 20, "edges are smooth"


def test_a_mesh_partly_outside_the_photo_is_drawn_where_it_is():
    vertices, triangles = ball(0.1, (-0.28, 0.0, 1.0))
    whole = shaded_layer(vertices + np.array([0.28, 0, 0]), triangles, INTRINSICS, (40, 60), plain(vertices))[1]
    cut = shaded_layer(vertices, triangles, INTRINSICS, (40, 60), plain(vertices))[1]
    assert 0 < cut.sum() < whole.sum()
    assert cut[:, 15:].sum() == 0


@pytest.mark.parametrize("shift", [(0, 0, -2.0), (5.0, 0, 0)], ids=["behind", "beside"])
def test_a_mesh_out_of_sight_leaves_the_photo_as_it_was(shift):
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    vertices, triangles = ball(0.1, np.array([0.0, 0.0, 1.0]) + shift)
    np.testing.assert_array_equal(overlay(photo, vertices, triangles, INTRINSICS), photo)


def test_overlay_changes_only_the_mesh_and_mixes_by_opacity():
    photo = np.full((40, 60, 3), 255, dtype=np.uint8)
    vertices, triangles = ball(0.1, (0.0, 0.0, 1.0))
    look = plain(vertices)
    colour, coverage = shaded_layer(vertices, triangles, INTRINSICS, (40, 60), look)
    for opacity in (0.0, 0.25, 1.0):
        drawn = overlay(photo, vertices, triangles, INTRINSICS, appearance=look, opacity=opacity).astype(float)
        np.testing.assert_array_equal(drawn[coverage == 0], 255)
        full = coverage == 1
        np.testing.assert_allclose(drawn[full], (1 - opacity) * 255 + opacity * colour[full], atol=0.51)


def test_a_mesh_with_broken_vertices_is_still_drawn():
    vertices, triangles = ball(0.1, (0.0, 0.0, 1.0))
    vertices[137] = np.nan
    drawn = overlay(np.zeros((40, 60, 3), dtype=np.uint8), vertices, triangles, INTRINSICS)
    assert (drawn > 0).any()


def test_light_comes_from_above_the_viewer():
    vertices, triangles = ball(0.1, (0.0, 0.0, 1.0))
    colour, coverage = shaded_layer(vertices, triangles, INTRINSICS, (40, 60), plain(vertices))
    covered = coverage[:, 30] == 1
    brightness = colour[covered, 30].mean(-1)
    assert brightness[2] > brightness[-3] + 20


def test_open_surfaces_see_all_the_sky_and_cavities_little():
    vertices, triangles = ball(0.1)
    assert ambient_visibility(vertices, triangles).min() > 0.9
    assert ambient_visibility(vertices, triangles[:, ::-1]).max() < 0.1, "the inside of a closed ball is dark"


def test_eyes_get_an_iris_of_human_size():
    vertices, triangles = ball(0.012, (0.03, 0.0, 0.0), count=60)
    skin_vertices, skin_triangles = ball(0.001, (-0.03, 0.0, 0.0))
    vertices, triangles = (
        np.concatenate((vertices, skin_vertices)),
        np.concatenate((triangles, skin_triangles + len(vertices))),
    )
    eye = np.arange(len(vertices) - len(skin_vertices))
    look = head_appearance(vertices, triangles, regions={"left_eyeball": eye})
    assert np.isnan(look.eye_position[len(eye) :]).all()
    camera = vertices * [1, -1, -1] + [0, 0, 1.0]
    intrinsics = np.array([[10000.0, 0, 100 - 300], [0, 10000.0, 100], [0, 0, 1]])
    colour, _ = shaded_layer(camera, triangles, intrinsics, (200, 200), look)
    # 10 pixels per mm at the eye's front; the white is bright on both sides of the dark iris along the middle row.
    dark = colour[100, :, 0] < 130
    dark_width = np.ptp(np.nonzero(dark[20:180])[0]) + 1
    assert dark_width == pytest.approx(117, rel=0.05)


def test_the_open_heads_eyes_look_straight_ahead():
    model = load_open_head()
    template = model.template.double().numpy()
    look = model_appearance(model)
    for side in ("left", "right"):
        eye = model.regions[f"{side}_eyeball"].numpy()
        assert np.isfinite(look.eye_position[eye]).all()
        pupil = eye[np.linalg.norm(look.eye_position[eye], axis=-1).argmin()]
        centre = (template[eye].min(0) + template[eye].max(0)) / 2
        assert template[pupil, 2] > centre[2] + 0.008, "the iris is on the front of the eyeball"
        np.testing.assert_allclose(template[pupil, :2], centre[:2], atol=0.002)
    assert np.isnan(look.eye_position[model.regions["nose"].numpy()]).all()


def test_portrait_fills_the_frame_and_tells_its_scale():
    vertices, triangles = ball(0.1, (1.0, 2.0, 3.0))
    picture, scale = portrait(vertices, triangles, plain(vertices), (200, 300), background=(255, 255, 255))
    rows, columns = np.nonzero((picture < 250).any(-1))
    assert picture.shape == (200, 300, 3)
    assert np.ptp(rows) == pytest.approx(0.86 * 200, abs=3)
    assert np.ptp(rows) == pytest.approx(0.2 * scale, rel=0.02)
    assert columns.mean() == pytest.approx(149.5, abs=1)


def test_a_turned_portrait_shows_the_subjects_left_side():
    vertices, triangles = ball()
    marker = np.argmin(np.linalg.norm(vertices - [0.1, 0, 0], axis=-1))
    look = plain(vertices)
    look.albedo[:] = 0.0
    look.albedo[np.linalg.norm(vertices - vertices[marker], axis=-1) < 0.03] = [1.0, 0, 0]

    def red(yaw):
        picture = portrait(vertices, triangles, look, (100, 100), yaw=yaw, background=(0, 0, 0))[0].astype(int)
        return (picture[..., 0] - picture[..., 1] > 60).sum()

    assert red(60) > 5 * max(red(0), 1)
    assert red(-60) == 0


@pytest.mark.parametrize("size", [(40, 60), (300, 200), (30, 400), (12, 10)])
def test_panel_puts_the_mesh_over_the_same_place_of_the_photo(size):
    # The photo is a picture of the ball itself, red, so the overlay must cover the red and nothing else.
    height, width = size
    focal = 0.8 * min(size)
    intrinsics = np.array([[focal, 0, width * 0.4], [0, focal, height * 0.5], [0, 0, 1.0]])
    vertices, triangles = ball(0.2, (0.0, 0.0, 1.0), count=30)
    look = plain(vertices)
    coverage = shaded_layer(vertices, triangles, intrinsics, size, look)[1]
    photo = np.rint(255 * coverage[..., None] * [1, 0, 0]).astype(np.uint8)
    tiles = panel(photo, vertices, triangles, intrinsics, vertices - [0, 0, 1], appearance=look, tile=96)
    assert tiles.shape == (96, 4 * 96, 3)
    plain_tile, fitted = tiles[:, :96].astype(int), tiles[:, 96:192].astype(int)
    red = plain_tile[..., 0] - plain_tile[..., 1] > 128
    changed = (fitted != plain_tile).any(-1)
    assert red.sum() > 300
    assert (changed ^ red).sum() / red.sum() < (0.3 if min(size) < 20 else 0.15)
    assert (tiles[:, 192:288] != tiles[0, 192]).any()


def test_photos_of_another_kind_are_refused():
    vertices, triangles = ball(0.1, (0.0, 0.0, 1.0))
    with pytest.raises(ArgumentError, match="uint8"):
        overlay(np.zeros((40, 60)), vertices, triangles, INTRINSICS)
