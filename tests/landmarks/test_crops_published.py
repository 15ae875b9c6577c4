"""Crops of published networks: their squares and pixels, and points that map back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError, InputError
from face3d.landmarks import CropKind, FaceLandmarks, face_crop
from face3d.landmarks.crops_published import CROP_SIZES, Square, ffhq_frame, nearest_to_centre, square_crop

GOLDEN_FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = np.load(GOLDEN_FOLDER / "deca" / "crop.npz")
CHOICE = np.load(GOLDEN_FOLDER / "norm_crop" / "mica_face_choice.npz")
KINDS = get_args(CropKind)


def frontal_points(centre: tuple[float, float] = (160.0, 120.0), eyes: float = 60.0, angle: float = 0.0) -> np.ndarray:
    """68 points of a rough face: what crops look at has its place, the rest lies on a circle around it."""
    turns = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.stack([np.cos(turns), np.sin(turns)], axis=1) * 1.3
    lids = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    lids = 0.1 * np.stack([np.cos(lids), np.sin(lids)], axis=1)
    points[36:42], points[42:48] = lids - np.array([0.5, 0.0]), lids + np.array([0.5, 0.0])
    points[[30, 48, 54]] = [[0.0, 0.5], [-0.4, 1.0], [0.4, 1.0]]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T * eyes + centre


def landmarks_at(points: np.ndarray) -> FaceLandmarks:
    return FaceLandmarks(
        points=np.column_stack([points, np.full(68, np.nan)]),
        confidence=np.ones(68),
        box=np.array([*points.min(axis=0), *points.max(axis=0)]),
        score=1.0,
        topology="ibug_68",
        detector="test",
        licence="none",
        image_size=(320, 240),
    )


@pytest.mark.parametrize(
    ("name", "rule", "given_name"),
    [
        ("deca_kpt", "deca_points", "landmarks68"),
        ("deca_bbox", "deca_box", "boxes_ltrb"),
        ("spectre", "spectre", "landmarks68"),
        ("mica_now", "now", "boxes_ltrb"),
        ("deca_now", "now", "boxes_ltrb"),
    ],
)
def test_squares_are_the_published_ones(name: str, rule: str, given_name: str) -> None:
    for number, around in enumerate(GOLDEN[given_name]):
        square = Square.around(around, rule)  # type: ignore[arg-type]
        assert square.side == GOLDEN[f"{name}_size"][number]
        np.testing.assert_allclose(square.centre, GOLDEN[f"{name}_centre"][number], atol=1e-9)
        np.testing.assert_allclose(square.matrix(224), GOLDEN[f"{name}_tform"][number, :2], rtol=0, atol=1e-9)


def test_the_way_back_is_the_published_one() -> None:
    """DECA maps its normalised points by 224 through a transform that ends at 223."""
    for number, points in enumerate(GOLDEN["crop_points"]):
        matrix = Square.around(GOLDEN["landmarks68"][number], "deca_points").matrix()
        inverse = np.linalg.inv(matrix[:, :2])
        back = ((points[:, :2] * 0.5 + 0.5) * 224 - matrix[:, 2]) @ inverse.T
        np.testing.assert_allclose(back, GOLDEN["crop_points_in_image"][number, :, :2], atol=1e-8)


def test_a_square_crop_is_exact_bilinear() -> None:
    """The golden square counts from the first pixel's centre; face3d's points are half a pixel on."""
    square = Square.around(GOLDEN["spectre_image_landmarks"] + 0.5, "spectre")
    crop = square_crop(GOLDEN["spectre_image_uint8"], square)
    np.testing.assert_allclose(crop.pixels[::4, ::4], GOLDEN["spectre_image_crop_every_4th"], rtol=0, atol=1e-5)


def test_mica_takes_the_face_nearest_to_the_middle() -> None:
    chosen = [
        nearest_to_centre(boxes, tuple(size))
        for boxes, size in zip(CHOICE["boxes_nan_padded"], CHOICE["image_wh"], strict=True)
    ]
    assert chosen == CHOICE["chosen_index"].tolist()
    with pytest.raises(InputError):
        nearest_to_centre(np.full((3, 4), np.nan), (10, 10))


@given(
    kind=st.sampled_from(KINDS),
    x=st.floats(-20, 340),
    y=st.floats(-20, 260),
    eyes=st.floats(5, 200),
    angle=st.floats(-3, 3),
)
@settings(deadline=None, max_examples=40)
def test_points_map_back_exactly(kind: CropKind, x: float, y: float, eyes: float, angle: float) -> None:
    landmarks = landmarks_at(frontal_points((x, y), eyes, angle))
    crop = face_crop(np.zeros((240, 320, 3), np.uint8), landmarks, kind, size=None if kind != "ffhq" else 64)
    points = np.random.default_rng(0).uniform(-100, 500, (9, 3))
    np.testing.assert_allclose(crop.to_image(crop.to_crop(points)), points, atol=1e-8)
    np.testing.assert_allclose(crop.to_crop(crop.to_image(points)), points, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_crop_shows_is_where_its_matrix_says(kind: CropKind) -> None:
    """The centre of mass of a spot at the nose, to a quarter of the crop's pixel per pixel of the image."""
    y, x = np.mgrid[:240, :320] + 0.5
    spot = 255 * np.exp(-((x - 161.3) ** 2 + (y - 130.8) ** 2) / 2 / 4.0**2)
    image = np.repeat(np.rint(spot).astype(np.uint8)[..., None], 3, axis=2)
    crop = face_crop(image, landmarks_at(frontal_points(angle=0.2)), kind)
    assert crop.pixels.shape == (CROP_SIZES[kind], CROP_SIZES[kind], 3)
    weights = crop.pixels[..., 0].astype(float)
    rows, columns = np.indices(weights.shape) + 0.5
    seen = np.array([[(columns * weights).sum(), (rows * weights).sum()]]) / weights.sum()
    np.testing.assert_allclose(crop.to_image(seen), [[161.3, 130.8]], atol=0.25)


def test_larger_arcface_crops_are_the_same_view() -> None:
    landmarks = landmarks_at(frontal_points())
    image = np.zeros((240, 320, 3), np.uint8)
    small, large = (face_crop(image, landmarks, "arcface", size=size) for size in (112, 224))
    np.testing.assert_allclose(large.to_crop(landmarks.points[:, :2]) + 0.5, 2 * small.to_crop(landmarks.points[:, :2]))


def test_an_ffhq_crop_stands_upright_on_the_eyes() -> None:
    """However the face is turned, its eyes come out level, about the middle, a quarter of the side apart."""
    for angle in (-1.0, 0.0, 0.6):
        points = frontal_points(angle=angle)
        matrix = ffhq_frame(points, 1024)
        right, left = (
            matrix[:, :2] @ points[part].mean(axis=0) + matrix[:, 2] for part in (slice(36, 42), slice(42, 48))
        )
        np.testing.assert_allclose(right[1], left[1], atol=1e-6)
        np.testing.assert_allclose((right[0] + left[0]) / 2, 512, atol=1e-6)
        assert left[0] - right[0] == pytest.approx(1024 / 4)


@pytest.mark.parametrize("image", [np.zeros((241, 317), np.uint8), np.zeros((241, 317, 4), np.uint8)])
@pytest.mark.parametrize("kind", KINDS)
def test_gray_and_alpha_images(image: np.ndarray, kind: CropKind) -> None:
    assert face_crop(image, landmarks_at(frontal_points()), kind).pixels.shape[2] == 3


def test_crops_that_cannot_be_made() -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    landmarks = landmarks_at(frontal_points())
    with pytest.raises(ArgumentError, match="no crop 'faces'"):
        face_crop(image, landmarks, "faces")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="cannot be made"):
        face_crop(image, landmarks, "fan", size=128)
    with pytest.raises(ArgumentError, match="multiple of 112"):
        face_crop(image, landmarks, "arcface", size=100)
    with pytest.raises(ArgumentError, match="no rule"):
        Square.around(landmarks.points, "deca")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="within 0 pixels"):
        Square.around(np.ones((68, 2)), "spectre")
    nowhere = replace(landmarks, points=np.full((68, 3), np.nan), box=np.full(4, np.nan))
    for kind in KINDS:
        with pytest.raises(InputError):
            face_crop(image, nowhere, kind)
