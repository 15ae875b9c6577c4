"""Irises in drawn eyes of known gaze are found, and nothing else is taken for one."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.iris_contours import UNREAD, read_irises
from face3d.landmarks.mediapipe_topology import GROUPS
from tests.landmarks.drawn_faces import drawn_landmarks

SKINS = ((214, 170, 148), (168, 122, 98), (84, 56, 42))
IRISES = ((46, 30, 24), (92, 70, 50), (70, 90, 110))
PEOPLE = [(skin, iris) for skin in SKINS for iris in IRISES if not (skin == SKINS[2] and iris == IRISES[2])]
"""Pale irises are hardly ever in a face that is darker than they are."""

FINER = 3
"""Pixels of the drawing along one of the picture."""


def drawn_eyes(
    radius: float,
    look: tuple[float, float],
    *,
    roll: float = 0.0,
    opening: float = 0.75,
    skin: tuple[int, int, int] = SKINS[0],
    iris: tuple[int, int, int] = IRISES[0],
    glasses: bool = False,
    narrow: float = 1.0,
    lamp: tuple[float, float] = (0.3, -0.3),
    believed: tuple[float, float] | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, FaceLandmarks, np.ndarray]:
    """Two almond eyes, their landmarks, and the (2, 2) irises' centres, left eye first; `look` in radii.

    Args:
        narrow: width of an iris against its height, of eyes that are turned aside.
        lamp: where an iris mirrors one, radii from its centre.
        believed: where the detector believes the irises, radii; by chance near the eye's middle when not given.
    """
    rng = np.random.default_rng(seed)
    width, height = int(20 * radius), int(14 * radius)
    y, x = (np.mgrid[: height * FINER, : width * FINER] + 0.5) / FINER
    turned = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    middle = np.array([width, height]) / 2 + rng.uniform(-1, 1, 2)
    picture = np.empty((*x.shape, 3))
    picture[:] = skin
    points = np.zeros((478, 3))
    # A face seen from the front: no depth.
    for landmark, place in ((10, (0, -8)), (152, (0, 12))):
        points[landmark, :2] = middle + turned @ np.array(place) * radius
    centres = []
    for side, name in ((1.0, "left"), (-1.0, "right")):
        eye = middle + turned @ [side * 5.4 * radius, 0.0]
        across, down = np.moveaxis(np.stack([x - eye[0], y - eye[1]], axis=-1) @ turned, -1, 0)
        lid = opening * radius * np.clip(1 - (across / (2.4 * radius)) ** 2, 0, None)
        within = np.abs(down) < lid
        white = 215 - 25 * np.clip(-down / (0.8 * radius), 0, 1) - 6 * (across / radius) ** 2
        picture[within] = white[within, None] * [1.0, 0.97, 0.95]
        off = np.hypot((across - look[0] * radius) / narrow, down - look[1] * radius)
        picture[within & (off < radius)] = iris
        picture[within & (off < 0.4 * radius)] = 12
        mirrored = np.hypot(across - (look[0] + lamp[0]) * radius, down - (look[1] + lamp[1]) * radius)
        picture[within & (mirrored < 0.2 * radius)] = 250
        if glasses:
            picture[np.abs(across) + 2 * np.abs(down) < 7 * radius] = (26, 25, 28)
            picture[np.abs(across - down - radius) < 0.3 * radius] += 30
        turns = np.linspace(0, 2 * np.pi, 17)[:16]
        ring = np.stack([side * 2.4 * np.cos(turns), opening * np.sin(turns) ** 3], axis=1) * radius
        # The inner corner's landmark lies beyond the tear duct.
        ring[8, 0] -= side * 0.7 * radius
        points[list(GROUPS[f"{name}_eye"]), :2] = eye + (ring + rng.normal(0, 0.05 * radius, (16, 2))) @ turned.T
        own = rng.normal(0, 0.3 * radius, 2) if believed is None else turned @ np.array(believed) * radius
        rim = np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]]) * radius * rng.uniform(0.95, 1.05)
        points[list(GROUPS[f"{name}_iris"]), :2] = eye + own + rim
        centres.append(eye + turned @ np.array(look) * radius)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), 0.7) + rng.normal(0, 2.0, small.shape)
    return np.clip(blurred, 0, 255).astype(np.uint8), _face(points, (width, height)), np.array(centres)


def _face(points: np.ndarray, size: tuple[int, int]) -> FaceLandmarks:
    return FaceLandmarks(
        points=points,
        confidence=np.ones(478),
        box=np.array([0.0, 0.0, *size]),
        score=1.0,
        topology="mediapipe_478",
        detector="mediapipe",
        licence="none",
        image_size=size,
    )


@settings(max_examples=15, deadline=None)
@given(
    st.floats(6.0, 14.0),
    st.floats(-0.9, 0.9),
    st.floats(-0.3, 0.3),
    st.floats(-0.4, 0.4),
    st.sampled_from(PEOPLE),
    st.integers(0, 1000),
)
def test_irises_are_found_to_a_fraction_of_their_size(radius, across, down, roll, person, seed) -> None:
    skin, iris = person
    image, face, centres = drawn_eyes(radius, (across, down), roll=roll, skin=skin, iris=iris, seed=seed)
    reading = read_irises(image, face)
    assert reading is not None
    assert (reading[:, 2:] > 0).all()
    turned = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    error = (reading[:, :2] - centres) @ turned
    assert np.abs(error[:, 0]).max() < 0.1 * radius
    assert np.abs(error[:, 1]).max() < 0.3 * radius
    # And no further off than it says.
    assert np.abs(error * reading[:, 2:]).max() < 5
    # Lids cover the rim above and below.
    assert (reading[:, 2] > reading[:, 3]).all()


def test_irises_of_eyes_that_look_far_aside_are_narrower() -> None:
    for sine in (-0.6, -0.5, 0.5, 0.6):
        # 5.85 mm of radius, 10.6 mm in front of the eye's centre.
        look, narrow = (sine * 10.6 / 5.85, 0.0), float(np.sqrt(1 - sine**2))
        image, face, centres = drawn_eyes(10.0, look, opening=0.9, narrow=narrow, believed=(0.8 * look[0], 0.0))
        reading = read_irises(image, face)
        assert reading is not None
        assert (reading[:, 2] > 0).all()
        assert np.abs(reading[:, :2] - centres)[:, 0].max() < 0.05 * 10.0


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_lamp_mirrored_beside_the_rim_is_not_taken_for_the_white(side: float) -> None:
    for seed in range(4):
        image, face, centres = drawn_eyes(10.0, (0.1 * side, 0.0), lamp=(0.9 * side, 0.0), opening=0.45, seed=seed)
        reading = read_irises(image, face)
        assert reading is not None
        assert (reading[:, 2] > 0).all()
        assert np.abs(reading[:, :2] - centres)[:, 0].max() < 0.05 * 10.0


def test_a_disc_far_from_where_the_detector_believes_the_iris_is_something_else() -> None:
    image, face, _ = drawn_eyes(9.0, (0.5, 0.0), believed=(-1.3, 0.0))
    np.testing.assert_array_equal(read_irises(image, face), UNREAD)
    image, face, _ = drawn_eyes(9.0, (0.5, 0.0), believed=(-0.5, 0.0))
    reading = read_irises(image, face)
    assert reading is not None
    assert (reading[:, 2] > 0).all()


def test_a_reading_moves_as_the_iris_does() -> None:
    steps = np.linspace(-0.5, 0.5, 21)
    found = []
    for step in steps:
        image, face, _ = drawn_eyes(9.0, (float(step), 0.0), seed=3)
        reading = read_irises(image, face)
        assert reading is not None
        found.append(reading[:, 0])
    assert np.abs(np.diff(found, axis=0) - 9.0 * 0.05).max() < 0.3


@pytest.mark.parametrize("seed", range(4))
def test_closed_lids_and_dark_glasses_show_no_iris(seed: int) -> None:
    for hidden in ({"opening": 0.0}, {"opening": 0.15}, {"glasses": True}):
        image, face, _ = drawn_eyes(9.0, (0.1, 0.0), seed=seed, **hidden)
        np.testing.assert_array_equal(read_irises(image, face), UNREAD)


def test_an_eye_that_the_detector_calls_closed_is_not_read() -> None:
    image, face, _ = drawn_eyes(9.0, (0.0, 0.0))
    reading = read_irises(image, replace(face, blendshapes={"eyeBlinkLeft": 0.8, "eyeBlinkRight": 0.1}))
    assert reading is not None
    np.testing.assert_array_equal(reading[0], UNREAD[0])
    assert (reading[1] > 0).all()


def test_small_or_hidden_eyes_are_not_read() -> None:
    image, face, _ = drawn_eyes(2.0, (0.0, 0.0))
    np.testing.assert_array_equal(read_irises(image, face), UNREAD)
    image, face, _ = drawn_eyes(9.0, (0.0, 0.0))
    np.testing.assert_array_equal(read_irises(image[: len(image) // 2], face), UNREAD)
    unknown = _face(np.full((478, 3), np.nan), face.image_size)
    np.testing.assert_array_equal(read_irises(image, unknown), UNREAD)


def test_other_landmarks_have_no_irises() -> None:
    assert read_irises(np.zeros((180, 320, 3), np.uint8), drawn_landmarks((100.0, 100.0))) is None


def test_a_reading_depends_on_frame_and_landmarks_alone() -> None:
    image, face, _ = drawn_eyes(8.0, (0.3, 0.1))
    first = read_irises(image, face)
    read_irises(*drawn_eyes(12.0, (-0.3, 0.1))[:2])
    wide = np.zeros((*image.shape[:2], 4), np.uint8)
    wide[..., :3] = image
    np.testing.assert_array_equal(first, read_irises(wide[..., :3], face))
