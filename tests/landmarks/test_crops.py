"""Similarity transforms, ArcFace crops against golden vectors, and resampling in face3d's pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError, InputError
from face3d.landmarks import arcface_crop, similarity_crop
from face3d.landmarks.crops import crop_frame, cut_out, map_points, similarity, unmap_points

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "norm_crop" / "norm_crop.npz")

angles = st.floats(-np.pi, np.pi)
scales = st.floats(0.01, 100)


@pytest.mark.parametrize("size", [112, 224, 128, 256])
def test_crop_matrices_are_those_of_norm_crop(size: int) -> None:
    for points, expected in zip(GOLDEN["points5"], GOLDEN[f"matrix{size}"], strict=True):
        matrix = similarity_crop(points, size)
        assert matrix.dtype == np.float64
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=1e-9)


def test_arcface_crop_is_norm_crops_within_a_grey_level() -> None:
    """The golden crop starts from points that count from the first pixel's centre; face3d's are half a pixel on."""
    image = np.ascontiguousarray(GOLDEN["image_bgr_uint8"][..., ::-1])
    crop = arcface_crop(image, GOLDEN["image_points5"].astype(np.float64) + 0.5, 112)
    assert np.abs(crop[..., ::-1].astype(int) - GOLDEN["crop112_opencv"]).max() <= 1


@given(angle=angles, scale=scales, seed=st.integers(0, 100))
@settings(deadline=None)
def test_similarity_is_found_again(angle: float, scale: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    source, shift = random.normal(size=(5, 2)), random.normal(size=2) * 100
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = similarity(source, source @ linear.T + shift)
    np.testing.assert_allclose(matrix, np.column_stack([linear, shift]), atol=1e-9 * max(scale, 100))


@given(seed=st.integers(0, 200))
@settings(deadline=None)
def test_no_other_similarity_fits_better(seed: int) -> None:
    random = np.random.default_rng(seed)
    source, target = random.normal(size=(2, 5, 2))
    best = similarity(source, target)
    assert np.linalg.det(best[:, :2]) > 0
    error = np.sum((map_points(best, source) - target) ** 2)
    for step in 1e-3 * np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]):
        for sign in (-1, 1):
            a, b, x, y = step * sign
            other = best + np.array([[a, -b, x], [b, a, y]])
            assert np.sum((map_points(other, source) - target) ** 2) >= error


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_points_that_make_no_face_are_refused(points: np.ndarray) -> None:
    with pytest.raises(InputError):
        similarity_crop(points, 112)


@pytest.mark.parametrize(("shape", "size"), [((5, 2), 100), ((5, 2), 0), ((5, 2), -112), ((5, 3), 112), ((68, 2), 112)])
def test_other_sizes_and_shapes_are_refused(shape: tuple[int, int], size: int) -> None:
    with pytest.raises(ArgumentError):
        similarity_crop(np.random.default_rng(0).normal(size=shape), size)


@given(angle=angles, scale=scales, mirrored=st.booleans())
@settings(deadline=None)
def test_points_come_back_from_a_crop(angle: float, scale: float, mirrored: bool) -> None:
    matrix = crop_frame(np.array([40.0, 30.0]), 50 * scale, angle, 64, mirrored=mirrored)
    points = np.random.default_rng(0).normal(size=(7, 3)) * 100
    np.testing.assert_allclose(unmap_points(matrix, map_points(matrix, points)), points, atol=1e-8)
    np.testing.assert_allclose(map_points(matrix, np.array([[40.0, 30.0]])), [[32.0, 32.0]])


def blob(centre: tuple[float, float], spread: float, width: int = 120, height: int = 100) -> np.ndarray:
    """A Gaussian spot on grey; its centre is in face3d's pixels."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    spot = 200 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 2 / spread**2)
    return np.repeat(np.rint(spot + 20)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("side", [15.0, 40.0, 64.0, 90.0, 200.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_what_is_seen_in_a_crop_is_where_its_matrix_says(side: float, mirrored: bool) -> None:
    """The centre of mass of a spot, through enlarging and shrinking, to a twentieth of a pixel of the crop."""
    centre = (60.3, 47.6)
    matrix = crop_frame(np.array([61.0, 47.0]), side, 0.3, 64, mirrored=mirrored)
    crop = cut_out(blob(centre, side / 15), matrix, 64)[..., 0].astype(float) - 20
    x, y = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    seen = np.array([(x * crop).sum(), (y * crop).sum()]) / crop.sum()
    np.testing.assert_allclose(seen, map_points(matrix, np.array([centre]))[0], atol=0.05)


def test_shrinking_averages_instead_of_picking() -> None:
    """A checkerboard of single pixels becomes grey, not moire."""
    checkerboard = np.repeat((np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    crop = cut_out(checkerboard, crop_frame(np.array([200.0, 200.0]), 390, 0.1, 50), 50)
    assert np.abs(crop.astype(int) - 127).max() <= 20


def test_beyond_the_image_its_border_is_repeated() -> None:
    white = np.full((20, 20, 3), 255, np.uint8)
    assert cut_out(white, crop_frame(np.array([0.0, 0.0]), 100, 0.2, 32), 32).min() == 255
    assert cut_out(white, crop_frame(np.array([-500.0, 300.0]), 100, 0.2, 32), 32).min() == 255
