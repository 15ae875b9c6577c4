"""What is taken from a frame before it is let go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from face3d.landmarks.lip_contours import read_lips
from face3d.media.video import VideoFrame
from face3d.tracking.frame_faces import FaceFinding, face_sharpness
from tests.landmarks.drawn_faces import drawn_frame, drawn_landmarks


def test_the_largest_faces_and_what_is_known_of_them():
    places = {"ann": (80.0, 90.0), "bob": (220.0, 90.0)}
    frame = VideoFrame(drawn_frame(places), 7, 0.28)
    found = [drawn_landmarks(places["ann"], 15.0), drawn_landmarks(places["bob"], 20.0)]
    both = FaceFinding(lambda: None).faces_of(frame, found, begins_shot=True, failure=None)
    assert (both.index, both.time, both.begins_shot, both.frame) == (7, 0.28, True, frame)
    assert len(both.faces) == len(both.sights) == len(both.sharpness) == 2
    assert both.sights[0].crop is None
    one = FaceFinding(lambda: None, max_faces=1, crops=True).faces_of(frame, found, begins_shot=False, failure="dark")
    assert one.faces == [found[1]]
    assert one.sights[0].crop.shape == (112, 112, 3)
    np.testing.assert_array_equal(one.sights[0].look, both.sights[1].look)
    assert one.sharpness == both.sharpness[1:]
    assert one.without_frame().frame is None


def test_lips_are_read_if_asked_for_where_landmarks_tell_of_them():
    frame = VideoFrame(drawn_frame({"ann": (80.0, 90.0)}), 0, 0.0)
    few = drawn_landmarks((80.0, 90.0), 40.0)
    points = np.random.default_rng(0).uniform(40, 120, (478, 3))
    points[[61, 291], :2] = [50.0, 100.0], [110.0, 100.0]
    many = replace(few, points=points, confidence=np.ones(478), topology="mediapipe_478")
    asked = FaceFinding(lambda: None, lips=True).faces_of(frame, [few, many], begins_shot=False, failure=None)
    assert asked.faces[0].lips is None
    np.testing.assert_array_equal(asked.faces[1].lips, read_lips(frame.pixels, many))
    plain = FaceFinding(lambda: None).faces_of(frame, [many], begins_shot=False, failure=None)
    assert plain.faces[0].lips is None


def test_sharpness_falls_with_blur():
    import cv2
    from skimage import data

    image, face = data.astronaut(), drawn_landmarks((222.0, 120.0), 60.0)
    values = [face_sharpness(image, face)]
    values += [face_sharpness(cv2.blur(image, (width, 1)), face) for width in (5, 11, 21)]
    assert 0 < values[3] < values[2] < values[1] < values[0] <= 1
    small = drawn_landmarks((111.0, 60.0), 30.0)
    assert face_sharpness(cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA), small) > 0.6 * values[0]
    assert face_sharpness(image, drawn_landmarks((-300.0, 60.0))) == 0
