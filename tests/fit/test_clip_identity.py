"""The identity of a clip: frames are chosen well, and one head and one camera come out of them."""

from dataclasses import replace

import numpy as np
import pytest

from face3d.camera import intrinsics_prior
from face3d.errors import ArgumentError
from face3d.fit import FitOptions, Observation
from face3d.fit.clip_identity import FrameChooser, fit_clip, informative_frames
from face3d.fit.responses import response_of
from face3d.head import HeadModel, load_head
from tests.fit.synthetic_views import face_error
from tests.fit.talking_clips import SIZE, TalkingClip, detect, face_landmarks, talking_clip


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def clip(head: HeadModel) -> TalkingClip:
    return talking_clip(head, 3)


@pytest.fixture(scope="module")
def faces(head: HeadModel, clip: TalkingClip) -> list:
    names = list(head.expression_names)
    points = detect(head, clip, response_of(head, "mediapipe_478"), 4)
    return [
        face_landmarks(frame, curves=dict(zip(names, expression.tolist(), strict=True)))
        for frame, expression in zip(points, clip.expression, strict=True)
    ]


def yaws(clip: TalkingClip, frames: np.ndarray) -> np.ndarray:
    return np.arctan2(clip.pose[frames, 0, 2], -clip.pose[frames, 2, 2])


def test_frames_are_spread_over_the_views_and_few(head, clip, faces) -> None:
    chosen = informative_frames(head, faces, count=10)
    assert len(chosen) == 10
    assert (np.diff(chosen) > 0).all()
    assert np.ptp(yaws(clip, chosen)) > 0.8 * np.ptp(yaws(clip, np.arange(len(faces))))


def test_large_faces_are_preferred(head, faces) -> None:
    small = [replace(face, points=face.points * 0.2) for face in faces[:30]]
    chosen = informative_frames(head, [*small, *faces[:30]], count=8)
    assert np.mean(chosen >= 30) > 0.7


def test_the_choice_is_bounded_and_the_same_each_time(head, faces) -> None:
    one, other = FrameChooser(head, count=5), FrameChooser(head, count=5)
    for number, face in enumerate(faces[:60]):
        one.add(number, face)
        other.add(number, face)
        assert len(one.chosen) <= 5
    assert [frame.number for frame in one.chosen] == [frame.number for frame in other.chosen]


def test_a_face_without_place_is_not_kept(head, faces) -> None:
    lost = replace(faces[0], points=np.full_like(faces[0].points, np.nan))
    assert not FrameChooser(head).add(0, lost)


def test_one_camera_and_a_better_head_than_the_mean(head, clip, faces) -> None:
    intrinsics = intrinsics_prior(SIZE)
    fit = fit_clip(head, [Observation(faces[i], intrinsics) for i in informative_frames(head, faces, count=6)])
    focals = [camera.focal for camera in fit.frames.intrinsics]
    assert np.ptp(focals) == 0
    assert fit.intrinsics.focal == focals[0]
    assert len(fit.errors) == len(response_of(head, "mediapipe_478").modes)
    assert face_error(head, fit.identity, clip.identity) < face_error(head, 0 * clip.identity, clip.identity)


def test_a_known_camera_is_kept_and_a_typed_distance_held(head, clip, faces) -> None:
    fit = fit_clip(
        head, [Observation(face, clip.intrinsics) for face in faces[:40:10]], FitOptions(pupillary_distance=0.065)
    )
    assert fit.intrinsics.focal == pytest.approx(clip.intrinsics.focal)
    joints = head(identity=fit.identity).joints[0, -2:].double().numpy()
    assert np.linalg.norm(joints[0] - joints[1]) == pytest.approx(0.065, abs=1e-5)


def test_frames_of_different_cameras_are_refused(head, clip, faces) -> None:
    with pytest.raises(ArgumentError, match="one camera"):
        fit_clip(head, [Observation(faces[0], clip.intrinsics), Observation(faces[1], intrinsics_prior(SIZE))])
    with pytest.raises(ArgumentError, match="at least one"):
        fit_clip(head, [])
