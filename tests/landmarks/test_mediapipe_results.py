"""Taking results out of MediaPipe: the short way gives what the public one does, and is left where it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import mediapipe
import numpy as np
import pytest
from mediapipe.tasks.python import BaseOptions, vision
from skimage import data

from face3d.assets import asset_path
from face3d.landmarks.mediapipe_results import _direct_call, _public_call, call_of


@pytest.fixture(scope="module")
def task(detector) -> Iterator[Any]:
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(asset_path("mediapipe"))),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    with vision.FaceLandmarker.create_from_options(options) as opened:
        yield opened


def image_of(pixels: np.ndarray) -> Any:
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))


def test_both_ways_give_the_same_numbers(task):
    direct, public = _direct_call(task), _public_call(task)
    assert direct is not None
    (one,), (other,) = direct(image_of(data.astronaut()), None), public(image_of(data.astronaut()), None)
    assert one[0].shape == (478, 3)
    assert one[0].dtype == other[0].dtype == np.float64
    np.testing.assert_array_equal(one[0], other[0])
    assert list(one[1].items()) == list(other[1].items())
    np.testing.assert_array_equal(one[2], other[2])
    assert direct(image_of(data.coffee()), None) == public(image_of(data.coffee()), None) == []


def test_results_outlive_mediapipes_own_memory(task):
    direct = _direct_call(task)
    assert direct is not None
    (first,) = direct(image_of(data.astronaut()), None)
    kept = first[0].copy()
    for _ in range(3):
        direct(image_of(data.astronaut()[:, ::-1]), None)
    np.testing.assert_array_equal(first[0], kept)


def test_a_version_made_otherwise_is_asked_in_public():
    mark = SimpleNamespace(x=0.25, y=0.5, z=-0.125)
    curve = SimpleNamespace(category_name="jawOpen", score=0.5)
    result = SimpleNamespace(
        face_landmarks=[[mark]], face_blendshapes=[[curve]], facial_transformation_matrixes=[np.eye(4)]
    )
    stranger = SimpleNamespace(detect=lambda image: result, detect_for_video=lambda image, time: result)
    assert _direct_call(stranger) is None
    for time in (None, 40):
        ((points, curves, transform),) = call_of(stranger)(None, time)
        np.testing.assert_array_equal(points, [[0.25, 0.5, -0.125]])
        assert curves == {"jawOpen": 0.5}
        np.testing.assert_array_equal(transform, np.eye(4))
