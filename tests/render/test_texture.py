"""The whole way from photos to a texture, on heads whose texture is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from face3d.errors import ArgumentError
from face3d.fit.harmonics import harmonics
from face3d.head import HeadModel, load_head
from face3d.media.colour import linear_from_srgb, srgb_from_linear
from face3d.render.rasterize_numba import interpolate_attributes, rasterize_camera
from face3d.render.shading import vertex_normals
from face3d.render.texture import PosedPhoto, bake_texture, texture_size
from face3d.render.texture_chart import texture_chart, texture_surface
from tests.render.textured_heads import photograph, skin_like_texture, symmetric_texture

SIZE = 512


@pytest.fixture(scope="module")
def model():
    return load_head()


@pytest.fixture(scope="module")
def truth():
    return skin_like_texture(SIZE)


@pytest.fixture(scope="module")
def front(model, truth):
    return photograph(model, truth, 0.0)


def texels_of(model, *regions, size=SIZE):
    """Texels of a texture whose triangle's corners are in any of the regions."""
    chart = texture_chart(model, size)
    inside = texture_surface(model).region(*regions)[chart.surface.triangles].all(1)
    mask = np.zeros(size * size, dtype=bool)
    mask[chart.texels[inside[chart.faces]]] = True
    return mask.reshape(size, size)


def test_views_all_round_bring_a_known_texture_back(model, truth):
    photos = [
        photograph(model, truth, yaw, pitch=pitch) for yaw, pitch in [(0, 0), (50, 0), (-50, 0), (180, 0), (0, 70)]
    ]
    photos += [photograph(model, truth, yaw) for yaw in (110, -110)]
    texture = bake_texture(model, photos, size=SIZE)
    error = np.abs(texture.astype(float) - truth).mean(-1)
    assert error[texels_of(model, "face", "scalp")].mean() < 2.0
    assert np.quantile(error[texels_of(model, "face")], 0.95) < 6.0


def test_colours_of_photos_are_matched_and_leave_no_seam(model, truth):
    """The second photo is half as bright and warmer: the result is the truth under one common gain."""
    photos = [photograph(model, truth, yaw) for yaw in (-35, 35)]
    light = linear_from_srgb(photos[1].pixels / 255.0) * [0.55, 0.5, 0.42]
    photos[1] = replace(photos[1], pixels=np.rint(255 * srgb_from_linear(light)).astype(np.uint8))
    texture = bake_texture(model, photos, size=SIZE)
    face = texels_of(model, "face")
    ratio = np.log(linear_from_srgb(texture[face] / 255.0) / linear_from_srgb(truth[face] / 255.0))
    assert np.ptp(ratio.mean(0)) > 0.05  # the common gain is between the two photos' and has a hue
    assert np.abs(ratio - np.median(ratio, axis=0)).mean() < 0.04


def test_the_unseen_side_is_the_mirror_image_of_the_seen_one(model):
    """A texture with a pattern that is symmetric: one half profile tells all of it."""
    size = 512
    truth = symmetric_texture(model, size)
    texture = bake_texture(model, [photograph(model, truth, 40.0)], size=size)
    cheek = texels_of(model, "face", size=size)
    cheek[:, size // 2 - 40 :] = False  # the half of the picture that shows the subject's right
    unseen = cheek & (np.arange(size) > size * 0.22)[None] & (np.arange(size) < size * 0.35)[None]
    detail_truth, detail = (picture[unseen].astype(float).mean(-1) for picture in (truth, texture))
    assert np.corrcoef(detail_truth, detail)[0, 1] > 0.6
    assert abs((detail - detail_truth).mean()) < 6


def test_no_texel_is_left_and_no_background_gets_in(model, front):
    texture = bake_texture(model, [front], size=SIZE)
    assert texture.shape == (SIZE, SIZE, 3)
    assert texture.dtype == np.uint8
    head = texels_of(model, "face", "scalp", "neck", "left_ear", "right_ear")
    assert (texture[..., 2] <= texture[..., 0]).mean() > 0.97  # the wall is blue, nothing of the head is
    assert (texture[head].astype(int)[:, 2] <= texture[head][:, 0]).all()
    assert texture[head].min() > 30


def test_both_sides_of_a_seam_agree(model):
    """The seam down the back of the head: vertices with two places in the texture show nearly one colour."""
    truth = symmetric_texture(model, SIZE)
    texture = bake_texture(model, [photograph(model, truth, 30.0)], size=SIZE)
    surface = texture_surface(model)
    scalp = surface.region("scalp", "neck")
    places: dict[int, set[int]] = {}
    for vertex, place in zip(surface.triangles.reshape(-1), surface.uv_triangles.reshape(-1), strict=True):
        if scalp[vertex]:
            places.setdefault(int(vertex), set()).add(int(place))
    pairs = np.array([sorted(found)[:2] for found in places.values() if len(found) > 1])
    assert len(pairs) > 10
    texel = (surface.uv[pairs] * [SIZE, -SIZE] + [0, SIZE]).astype(int).clip(0, SIZE - 1)
    steps = [np.ptp(picture[texel[..., 1], texel[..., 0]].astype(float), axis=1) for picture in (texture, truth)]
    # Texels are centimetres apart there: what the pattern itself changes from one to the next is no seam.
    assert (steps[0] - steps[1]).max() < 6
    assert steps[0].mean() < 6


def test_eyes_have_iris_and_white_where_no_photo_shows_them(model, truth):
    """Seen from behind, nothing of the face is known; its eyes are a usual person's."""
    texture = bake_texture(model, [photograph(model, truth, 180.0)], size=SIZE)
    chart = texture_chart(model, SIZE)
    surface = chart.surface
    radius = np.linalg.norm(surface.eye_position, axis=-1)
    for low, high, darkest, brightest in ((0.0, 0.0015, 0, 60), (0.003, 0.005, 40, 150), (0.008, 0.011, 120, 255)):
        vertices = np.isfinite(radius) & (radius >= low) & (radius < high)
        faces = vertices[surface.triangles].any(1)
        texels = chart.texels[faces[chart.faces]]
        assert darkest <= np.median(texture.reshape(-1, 3)[texels]) <= brightest


def test_light_is_divided_out(model, truth, front):
    """Lit from the left by known spherical harmonics; the texture comes back without them."""
    light = np.zeros((9, 3))
    light[0], light[1], light[3] = 2.6, -0.35, -0.3
    triangles = model.triangles.numpy()
    normals = vertex_normals(torch.tensor(front.vertices_camera), model.triangles).numpy()
    fragments = rasterize_camera(front.vertices_camera, triangles, front.intrinsics, front.pixels.shape[:2])
    shading = interpolate_attributes(fragments, triangles, harmonics(normals) @ light, background=1.0)
    lit = srgb_from_linear((linear_from_srgb(front.pixels / 255.0) * shading).clip(0, 1))
    photo = replace(front, pixels=np.rint(lit * 255).astype(np.uint8))
    face = texels_of(model, "nose", "forehead", "face") & ~texels_of(model, "eye_region", "lips")
    plain, delit = (
        np.abs(bake_texture(model, [p], size=SIZE)[face].astype(float) - truth[face]).mean()
        for p in (photo, replace(photo, light=light))
    )
    assert delit < 0.5 * plain
    assert delit < 7


@pytest.mark.parametrize("side", [20, 48])
def test_tiny_photos_give_a_whole_texture(model, truth, side):
    photo = photograph(model, truth, 10.0, side=side)
    texture = bake_texture(model, [photo], size=SIZE)
    face = texels_of(model, "face")
    assert np.abs(texture[face].astype(float).mean(0) - truth[face].mean(0)).max() < 12


@pytest.mark.parametrize(
    "crop", [(slice(None), slice(256, None)), (slice(0, 200), slice(None)), (slice(0, 3), slice(0, 3))]
)
def test_a_face_that_the_border_cuts(model, truth, front, crop):
    pixels = np.ascontiguousarray(front.pixels[crop])
    shift = np.eye(3)
    shift[0, 2] = -(crop[1].start or 0)
    texture = bake_texture(model, [PosedPhoto(pixels, front.vertices_camera, shift @ front.intrinsics)], size=SIZE)
    face = texels_of(model, "face")
    assert (texture[face].astype(int)[:, 2] <= texture[face][:, 0]).all()


def test_a_head_behind_the_camera_or_out_of_the_picture_is_plain(model, front):
    behind = replace(front, vertices_camera=front.vertices_camera * [1, 1, -1])
    beside = replace(front, vertices_camera=front.vertices_camera + np.array([5.0, 0, 0]))
    for photo in (behind, beside):
        texture = bake_texture(model, [photo], size=256)
        assert texture[texels_of(model, "forehead", size=256)].std(axis=0).max() < 1
        assert texture[texels_of(model, "face", size=256)].std(axis=0).max() < 12


def test_a_head_that_names_no_regions_is_painted_all_the_same(model, truth, front):
    """Somebody's own head file: the face comes back, everything is filled."""
    bare = HeadModel(replace(model.arrays(), regions={}, point_sets={}))
    texture = bake_texture(bare, [front], size=SIZE)
    error = np.abs(texture.astype(float) - truth).mean(-1)
    assert error[texels_of(model, "nose", "forehead")].mean() < 3
    assert (texture[texels_of(model, "face", "scalp")].astype(int)[:, 2] <= 160).all()


def test_size_follows_the_photo(model, front):
    assert texture_size(model, [front]) == 1024
    assert texture_size(model, [front, replace(front, intrinsics=np.diag([6, 6, 1]) @ front.intrinsics)]) == 2048


def test_unusable_arguments(model, front):
    with pytest.raises(ArgumentError, match="one or more"):
        bake_texture(model, [])
    with pytest.raises(ArgumentError, match="uint8"):
        replace(front, pixels=front.pixels.astype(float))
    with pytest.raises(ArgumentError, match="finite"):
        replace(front, vertices_camera=front.vertices_camera * np.nan)
