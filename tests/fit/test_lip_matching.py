from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from face3d.fit.lip_matching import LipsSeen, lip_misses, match_lips
from face3d.head import load_head
from face3d.landmarks.lip_contours import COLUMNS, READINGS, UNREAD, mouth_frames
from tests.fit.known_lips import lip_pixels, read_perfectly, surface_of
from tests.fit.talking_clips import detect, talking_clip

METRES_PER_PIXEL = 4e-4


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def clip(head):
    return talking_clip(head, 3, frames=12)


@pytest.fixture(scope="module")
def landmarks(head, clip):
    from face3d.fit.responses import response_of

    return detect(head, clip, response_of(head, "mediapipe_478"), 3)


def test_what_is_read_of_a_head_is_where_it_lies(head, clip, landmarks):
    seen = LipsSeen.of(landmarks, read_perfectly(head, clip, landmarks))
    matched = match_lips(surface_of(head), lip_pixels(head, clip), seen.mouth)
    misses = lip_misses(matched, seen, np.full(12, METRES_PER_PIXEL), None)
    edges = misses.residual[:, : READINGS - 2].reshape(12, 4, -1)
    # All but lips that are pressed into each other, which show one line.
    np.testing.assert_allclose(edges[:, [0, 3]], 0, atol=1e-3)
    np.testing.assert_allclose(misses.residual[:, READINGS - 2 : READINGS], 0, atol=1e-3)
    assert misses.residual.shape == (12, READINGS + len(COLUMNS))


def test_places_lie_on_the_lines_between_their_two_points(head, clip, landmarks):
    pixels, mouth = lip_pixels(head, clip), mouth_frames(landmarks)
    matched = match_lips(surface_of(head), pixels, mouth)
    frame = np.arange(len(pixels))[:, None]
    first, second = pixels[frame, matched.first], pixels[frame, matched.second]
    points = (1 - matched.share[..., None]) * first + matched.share[..., None] * second - mouth.centre[:, None]
    along = np.einsum("trc,tc->tr", points, mouth.along)[:, :-2]
    lines = np.tile(COLUMNS, 4) * mouth.half_width[:, None]
    known = np.isfinite(matched.place[:, :-2])
    assert known.mean() > 0.95
    np.testing.assert_allclose(along[known], lines[known], atol=1e-6)
    upwards = np.einsum("trc,tc->tr", points, mouth.up)[:, :-2]
    np.testing.assert_allclose(matched.place[:, :-2][known], upwards[known], atol=1e-6)


def test_slopes_are_those_of_the_misses(head, clip, landmarks):
    surface, pixels = surface_of(head), lip_pixels(head, clip)
    rng = np.random.default_rng(0)
    lips = read_perfectly(head, clip, landmarks)
    lips[..., 0] += rng.normal(0, 0.3, lips.shape[:2])
    seen = LipsSeen.of(landmarks, lips)
    scale = np.full(len(pixels), METRES_PER_PIXEL)
    way = rng.normal(size=pixels.shape)

    def moved(points, weights):
        frame = np.arange(len(pixels))[:, None]
        return np.einsum("trc,trc->tr", weights, way[frame, points])[..., None]

    def costs(step):
        return lip_misses(match_lips(surface, pixels + step * way, seen.mouth), seen, scale, None).cost

    here = lip_misses(match_lips(surface, pixels, seen.mouth), seen, scale, moved)
    slope = np.einsum("tqd,tq->t", here.jacobian, here.residual)
    step = 1e-4
    differences = (costs(step) - costs(-step)) / (2 * step)
    np.testing.assert_allclose(slope, differences, rtol=0.02, atol=0.02 * np.abs(differences).max())


def test_a_mouth_that_was_not_seen_says_only_that_lips_are_solid(head, clip, landmarks):
    surface, pixels = surface_of(head), lip_pixels(head, clip)
    seen = LipsSeen.of(landmarks, np.tile(UNREAD, (len(pixels), 1, 1)))
    assert not seen.usable(METRES_PER_PIXEL).any()
    matched = match_lips(surface, pixels, seen.mouth)
    misses = lip_misses(matched, seen, np.full(len(pixels), METRES_PER_PIXEL), None)
    assert (misses.residual[:, :READINGS] == 0).all()
    assert (misses.residual[:, READINGS:] <= 0).all()
    # Lower lips moved above the upper ones are pushed back, parted ones are not.
    swapped = match_lips(surface, pixels, seen.mouth)
    upper, lower = slice(len(COLUMNS), 2 * len(COLUMNS)), slice(2 * len(COLUMNS), 3 * len(COLUMNS))
    place = swapped.place.copy()
    place[:, lower] = place[:, upper] + 3.0
    crossed = lip_misses(replace(swapped, place=place), seen, np.full(len(pixels), METRES_PER_PIXEL), None)
    assert (crossed.residual[:, READINGS:] < 0).all()
    place[:, lower] = place[:, upper] - 3.0
    parted = lip_misses(replace(swapped, place=place), seen, np.full(len(pixels), METRES_PER_PIXEL), None)
    assert (parted.residual == 0).all()
