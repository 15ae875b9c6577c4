from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from face3d.head import load_head
from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.lip_contours import (
    COLUMNS,
    INNER,
    OUTER,
    READINGS,
    UNREAD,
    laid_upright,
    mouth_frames,
    read_lips,
)
from face3d.landmarks.lip_kernels import convolve, dense, sample_mouth
from face3d.train.synthetic import HeadState, open_head, paint_look, render_head_image, sample_look, sample_person
from face3d.train.synthetic.labels import landmarks_of
from face3d.train.synthetic.scene import Development, Scene
from tests.fit.known_lips import read_perfectly
from tests.fit.talking_clips import TalkingClip
from tests.tracking.rendered_clips import plain_light, rendered_clip

SIDE = 480
MOUTHS: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.12},
    {"jawOpen": 0.45},
    {"mouthPucker": 0.6, "jawOpen": 0.1},
    {"mouthSmileLeft": 0.5},
)
"""Expressions of the heads that are drawn."""


@pytest.fixture(scope="module")
def drawn():
    """Pictures of two people, their landmarks as they are, and what a perfect reader would read."""
    model, head, found = load_head(), open_head(), []
    for seed in (1, 4):
        person = sample_person(np.random.default_rng([seed, 5]))
        rng = np.random.default_rng([seed, 6])
        look = paint_look(sample_look(person, rng, occluders=False))
        clip = rendered_clip(model, seed, frames=len(MOUTHS))
        intrinsics = clip.intrinsics.matrix * [[SIDE / 720], [SIDE / 720], [1.0]]

        sharp = Development(0.75, (1.0, 1.0, 1.0), 1.0, 1.0, 1.0, 0.3, (0.0, 0.0), (0.01, 0.005), 1.0, 95)
        expression = np.zeros((len(MOUTHS), 52))
        for t, mouth in enumerate(MOUTHS):
            for name, value in mouth.items():
                expression[t, model.expression_names.index(name)] = value
        pictures, points = [], []
        for t in range(len(MOUTHS)):
            scene = Scene(clip.pose[t], intrinsics, (SIDE, SIDE), plain_light(rng), 0.0, 7, sharp)
            vertices = head.vertices(HeadState(person.identity, expression[t], np.zeros(3), np.zeros(6)))
            drawing = render_head_image(vertices, look, scene, rng)
            pictures.append(drawing.image)
            points.append(landmarks_of(vertices, clip.pose[t], intrinsics, drawing)["mediapipe_478"].pixels)
        camera = replace(clip.intrinsics, matrix=intrinsics, image_size=(SIDE, SIDE))
        true = TalkingClip(person.identity, expression, clip.turns, clip.pose, camera, clip.times)
        found.append((pictures, np.stack(points), read_perfectly(model, true, np.stack(points))))
    return found


def face_of(points: np.ndarray, size: tuple[int, int] = (SIDE, SIDE)) -> FaceLandmarks:
    points = np.column_stack([points, np.zeros(len(points))])
    box = np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])
    return FaceLandmarks(points, np.ones(478), box, 1.0, "mediapipe_478", "drawn", "none", size)


def test_edges_are_read_where_they_are(drawn):
    misses, openings = [], []
    for pictures, points, true in drawn:
        read = np.stack([read_lips(*pair) for pair in zip(pictures, map(face_of, points), strict=True)])
        misses.append(np.abs(read[..., 0] - true[..., 0]))
        count = len(COLUMNS)
        for one in (read, true):
            openings.append((one[:, count : 2 * count, 0] - one[:, 2 * count : 3 * count, 0])[:, 2:7].mean(axis=1))
    # Mouths are some 80 pixels wide, where a pixel is 0.6 mm.
    assert np.median(np.concatenate(misses)) < 1.5
    read, true = np.concatenate(openings[::2]), np.concatenate(openings[1::2])
    assert np.corrcoef(read, true)[0, 1] > 0.97


def test_a_reading_is_of_the_frame_and_its_landmarks_alone(drawn):
    pictures, points, _ = drawn[0]
    pairs = [(image, face_of(place)) for image, place in zip(pictures, points, strict=True)]
    alone = [read_lips(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda pair: read_lips(*pair), pairs[::-1] * 3))
    for n, read in enumerate(together):
        np.testing.assert_array_equal(read, alone[::-1][n % len(alone)])
    image, face = pairs[0]
    other = replace(face, blendshapes={"jawOpen": 0.5}, score=0.2)
    np.testing.assert_array_equal(read_lips(image[:, ::1].copy(), other), alone[0])
    # Stored points are of single precision.
    stored = replace(face, points=face.points.astype(np.float32).astype(np.float64))
    np.testing.assert_array_equal(read_lips(image, stored), alone[0])


def test_what_is_covered_or_without_form_is_read_less_surely(drawn):
    pictures, points, _ = drawn[0]
    face = face_of(points[2])
    sure = np.median(read_lips(pictures[2], face)[:, 1])
    covered = pictures[2].copy()
    x, y = points[2][OUTER + INNER, :].mean(axis=0).astype(int)
    covered[y - 60 : y + 60, x - 70 : x + 70] = 128
    assert np.median(read_lips(covered, face)[:, 1]) > 2 * sure
    noise = np.random.default_rng(0).integers(0, 255, pictures[2].shape, dtype=np.uint8)
    assert np.median(read_lips(noise, face)[:, 1]) > 2 * sure


def test_a_mouth_outside_of_the_frame_or_too_small_is_not_read(drawn):
    pictures, points, _ = drawn[0]
    x = points[0][OUTER + INNER, 0].mean()
    np.testing.assert_array_equal(read_lips(pictures[0], face_of(points[0] - [x, 0])), UNREAD)
    small = 0.2 * (points[0] - points[0].mean(axis=0)) + points[0].mean(axis=0)
    np.testing.assert_array_equal(read_lips(pictures[0], face_of(small)), UNREAD)
    lost = points[0].copy()
    lost[13] = np.nan
    np.testing.assert_array_equal(read_lips(pictures[0], face_of(lost)), UNREAD)
    assert UNREAD.shape == (READINGS, 2)


def test_other_landmarks_are_not_enough(drawn):
    pictures, points, _ = drawn[0]
    face = replace(face_of(points[0]), topology="ibug_68", points=np.zeros((68, 3)))
    assert read_lips(pictures[0], face) is None


def test_axes_follow_the_head_s_roll():
    rng = np.random.default_rng(0)
    points = rng.uniform(100, 300, (1, 478, 3))
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = points.copy()
    turned[..., :2] = points[..., :2] @ turn.T + 20
    one, other = mouth_frames(points), mouth_frames(turned)
    np.testing.assert_allclose(other.along, one.along @ turn.T, atol=1e-9)
    np.testing.assert_allclose(other.up, one.up @ turn.T, atol=1e-9)
    np.testing.assert_allclose(other.centre, one.centre @ turn.T + 20, atol=1e-6)
    np.testing.assert_allclose(other.half_height, one.half_height)


def test_an_upright_picture_is_the_picture_itself():
    image = np.random.default_rng(0).integers(0, 255, (60, 50, 3), dtype=np.uint8)
    out = np.empty((40, 28, 3), np.float32)
    centre, along, up = np.array([24.0, 30.0]), np.array([1.0, 0.0]), np.array([0.0, -1.0])
    inside = sample_mouth(image, centre, along, up, 14.0, 20.0, out)
    assert inside == 1
    np.testing.assert_allclose(out, image[10:50, 10:38], atol=1e-4)
    halved = np.empty((20, 14, 3), np.float32)
    sample_mouth(image, centre, along, up, 14.0, 20.0, halved)
    np.testing.assert_allclose(halved, out.reshape(20, 2, 14, 2, 3).mean(axis=(1, 3)), atol=1e-3)
    assert sample_mouth(image, np.array([0.0, 30.0]), along, up, 14.0, 20.0, out) == pytest.approx(0.5)


@pytest.mark.parametrize(("size", "stride", "shape"), [(5, 2, (20, 14)), (3, 1, (7, 5)), (3, 2, (9, 7))])
def test_the_network_s_loops_are_pytorch_s(size, stride, shape):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(*shape, 3)).astype(np.float32)
    weights, bias = rng.normal(size=(size, size, 3, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    out = np.empty((-(-shape[0] // stride), -(-shape[1] // stride), 6), np.float32)
    convolve(values, weights, bias, stride, out)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(values).permute(2, 0, 1)[None],
        torch.from_numpy(weights).permute(3, 2, 0, 1),
        torch.from_numpy(bias),
        stride=stride,
        padding=size // 2,
    ).relu()
    np.testing.assert_allclose(out, expected[0].permute(1, 2, 0).numpy(), rtol=1e-4, atol=1e-4)
    flat, told = rng.normal(size=(12, 4)).astype(np.float32), values.reshape(-1)[:12].copy()
    found = np.empty(4, np.float32)
    dense(told, flat, bias[:4], True, found)
    np.testing.assert_allclose(found, np.maximum(told @ flat + bias[:4], 0), atol=1e-5)


def test_the_upright_picture_says_how_much_of_it_is_there(drawn):
    pictures, points, _ = drawn[0]
    _, inside = laid_upright(pictures[0], mouth_frames(points[:1]))
    assert inside == 1
