"""People known again by features: MobileFaceNet on real faces that are moved about, and the memory on made-up ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import UInt8

from face3d.landmarks.detector import FaceLandmarks
from face3d.landmarks.recognition import KEPT, FaceMemory, Recognition
from face3d.landmarks.tracking import PersonTracker, sights_of
from face3d.landmarks.video import track_landmarks
from face3d.media import read_image
from face3d.media.video import VideoFrame, open_video
from face3d.recognition import recognition_at_hand

WIDTH, HEIGHT, SIDE = 640, 360, 220

Places = Mapping[str, tuple[int, int]]
"""The left upper corner of each photo of a face, in the order in which they are drawn."""

ALIKE = {"ann": "15-f13-anc-ph.jpg", "bea": "0-f15-hao-ph.jpg"}
"""Two women whose looks, in light and pose, are near enough (0.73) that place alone decides."""

MAN = {"man": "obama.jpg", "later": "obama2.jpg", "near": "obama3.jpg"}
"""One man in three photos whose looks are as far apart as two people's (1.4 to 2.2)."""


@dataclass(frozen=True)
class Face:
    """A square photo of a face, and the face's landmarks in it."""

    pixels: UInt8[np.ndarray, "S S 3"]
    landmarks: FaceLandmarks

    def at(self, left: int, top: int) -> FaceLandmarks:
        shift = np.array([left, top], dtype=np.float64)
        points = self.landmarks.points + np.append(shift, 0)
        return replace(self.landmarks, points=points, box=self.landmarks.box + np.tile(shift, 2))


@pytest.fixture(scope="module")
def cast(package_photos, detector) -> dict[str, Face]:
    def cut_out(name: str) -> Face:
        photo = read_image(package_photos[name]).pixels
        (face,) = detector.detect(photo)
        centre, reach = (face.box[:2] + face.box[2:]) / 2, float(face.box[3] - face.box[1]) * 0.8
        shift = np.rint(centre - reach)
        matrix = np.column_stack([np.eye(2), -shift]) * (SIDE / (2 * reach))
        pixels = cv2.warpAffine(photo, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        points = face.points.copy()
        points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        box = np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])
        return Face(pixels, replace(face, points=points, box=box, image_size=(WIDTH, HEIGHT)))

    return {who: cut_out(name) for who, name in (ALIKE | MAN | {"other": "biden.jpg"}).items()}


@pytest.fixture
def encoder(stored_mobilefacenet) -> Counting:
    found = recognition_at_hand()
    assert found is not None
    return Counting(found.open)


class Counting:
    """A recognition that counts the crops which it is given."""

    def __init__(self, open_recognition: Callable[[], Recognition]) -> None:
        self.crops = 0
        self._open = open_recognition

    def __call__(self) -> Recognition:
        opened = self._open()

        def encode(crops):
            self.crops += len(crops)
            return opened.encode(crops)

        return replace(opened, encode=encode)


def drawn(cast: dict[str, Face], places: Places, seed: int) -> UInt8[np.ndarray, "H W 3"]:
    """The faces on grey, with a sensor's noise."""
    frame = np.full((HEIGHT, WIDTH, 3), 110, dtype=np.uint8)
    for who, (left, top) in places.items():
        x, y = np.maximum((left, top), 0)
        patch = cast[who].pixels[y - top : HEIGHT - top, x - left : WIDTH - left]
        frame[y : y + patch.shape[0], x : x + patch.shape[1]] = patch
    noise = np.random.default_rng(seed).normal(0, 3, frame.shape)
    return (frame + noise).clip(0, 255).astype(np.uint8)


def numbers_over(
    cast: dict[str, Face], frames: Sequence[Places], recognition: Callable[[], Recognition] | None, cut: int = -1
) -> list[dict[str, int]]:
    """The number of each face in each frame, 25 a second, with who turned out to be whom taken into account."""
    tracker = PersonTracker(recognition)
    given = []
    for step, places in enumerate(frames):
        if step == cut:
            tracker.start_shot()
        faces = [cast[who].at(*place) for who, place in places.items()]
        sights = sights_of(drawn(cast, places, step), faces, crops=True)
        given.append(dict(zip(places, tracker.number(sights, step / 25), strict=True)))
    return [{who: tracker.same.get(number, number) for who, number in frame.items()} for frame in given]


def stays(who: str, frames: int, left: int = 200) -> list[Places]:
    return [{who: (left + round(4 * np.sin(n / 3)), 60)} for n in range(frames)]


@pytest.mark.parametrize("gap", [0, 10])
def test_another_person_in_the_same_place_gets_a_number(cast, encoder, gap):
    """Within the time for which a face is expected where it was; by looks alone it is taken for the same."""
    frames = [*stays("ann", 15), *[{}] * gap, *stays("bea", 15), *[{}] * 25, *stays("ann", 5)]
    assert {number for frame in numbers_over(cast, frames, None)[: 30 + gap] for number in frame.values()} == {1}
    given = numbers_over(cast, frames, encoder)
    assert {frame["ann"] for frame in given if "ann" in frame} == {1}
    assert {frame["bea"] for frame in given if "bea" in frame} == {2}
    assert encoder.crops <= 10


@pytest.mark.parametrize("cut", [-1, 45])
def test_who_returns_in_another_light_gets_the_old_number(cast, encoder, cut):
    frames = [*stays("man", 15), *[{}] * 20, *stays("other", 10), *stays("later", 15, left=330)]
    assert {frame["later"] for frame in numbers_over(cast, frames, None, cut) if "later" in frame} == {3}
    given = numbers_over(cast, frames, encoder, cut)
    assert given[0]["man"] == 1
    assert {frame["other"] for frame in given if "other" in frame} == {2}
    assert {frame["later"] for frame in given if "later" in frame} == {1}
    assert encoder.crops <= 8


def test_out_of_a_crowd_everyone_comes_with_their_own_number(cast, encoder):
    """They meet, and while one hides the other they change sides faster than anybody is expected to."""
    frames: list[Places] = [{"ann": (40 + 10 * n, 60), "bea": (400 - 10 * n, 70)} for n in range(13)]
    frames += [{"ann": (170, 60), "bea": (270, 70)}] * 5
    frames += [{"ann": (270 + 10 * n, 60), "bea": (170 - 10 * n, 70)} for n in range(12)]
    wrong, right = (numbers_over(cast, frames, way)[-1] for way in (None, encoder))
    assert wrong == {"ann": 2, "bea": 1}
    assert right == {"ann": 1, "bea": 2}


def test_one_person_in_one_shot_never_raises_the_question(talk_clip, detector):
    """So that neither the network is loaded nor a feature made."""

    def unwanted() -> Recognition:
        raise AssertionError

    with open_video(talk_clip) as video:
        (track,) = track_landmarks(video, detector, recognition=unwanted)
    assert len(track.frames) == 190


def test_across_a_cut_to_a_close_up(cast, encoder, detector):
    """Two people side by side, one of them from near and in another photo, and the two again; found by MediaPipe."""
    two = [{"man": (40 + n % 3, 60), "other": (360, 60 + n % 2)} for n in range(10)]

    def frames() -> Iterator[VideoFrame]:
        for n in range(30):
            if 10 <= n < 20:
                close = np.full((HEIGHT, WIDTH, 3), (60, 80, 120), np.uint8)
                close[:, 150 + n : 510 + n] = cv2.resize(cast["near"].pixels, (360, 360))
            yield VideoFrame(close if 10 <= n < 20 else drawn(cast, two[n % 10], n), n, n / 25)

    assert len(track_landmarks(frames(), detector)) == 3
    man, other = track_landmarks(frames(), detector, recognition=encoder)
    np.testing.assert_array_equal(man.frames, np.arange(30))
    assert set(man.shots) == {1, 2, 3}
    np.testing.assert_array_equal(other.frames, [*range(10), *range(20, 30)])


@settings(max_examples=30, deadline=None)
@given(times=st.lists(st.floats(0.001, 3.0), min_size=1, max_size=60))
def test_a_memory_spans_all_that_was_seen_and_stays_small(times):
    """Crops are plain images whose grey says when they were seen; their feature is that time."""
    seen = np.cumsum(times)
    asked = []

    def encode(crops):
        asked.append(len(crops))
        return np.stack([crop[0, 0, :1].astype(np.float64) for crop in crops])

    recognition = Recognition(encode, same=0.5, different=0.3)
    memory = FaceMemory()
    assert memory.similarity(np.ones(1), recognition) is None
    kept = []
    for time in seen:
        if memory.wants_crop(time):
            kept.append(time)
            memory.add(np.full((112, 112, 3), len(kept), dtype=np.uint8), time)
    assert memory.similarity(np.ones(1), recognition) >= len(kept) - 1
    assert memory.similarity(-np.ones(1), recognition) == -1
    assert memory.newest(recognition)[0] == len(kept) == memory.count
    assert sum(asked) <= KEPT
