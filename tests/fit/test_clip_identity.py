"""The identity of a clip: frames are chosen well, and one head and one camera come out of them."""

from dataclasses import replace

import numpy as np
import pytest

from face3d.camera import intrinsics_prior
from face3d.errors import ArgumentError
from face3d.fit import FitOptions, Observation, expression_errors
from face3d.fit.clip_identity import FrameChooser, fit_clip, informative_frames
from face3d.fit.known_identity import ForetoldIdentity
from face3d.fit.landmark_fit import fit_landmarks
from face3d.fit.point_model import PointModel
from face3d.fit.responses import response_of
from face3d.fit.scale import head_size, size_of
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


def population_sigma(head: HeadModel) -> float:
    return float(np.linalg.norm(head_size(head, 80).log_ratio(np.zeros(80))[1]))


@pytest.mark.parametrize("seed", [3, 7])
def test_landmarks_have_no_say_in_the_size_of_a_clips_head(head, seed) -> None:
    """A face's proportions would change it by some percent, as they do that of a photo."""
    clip = talking_clip(head, seed)
    points = detect(head, clip, response_of(head, "mediapipe_478"), seed)
    observations = [Observation(face_landmarks(points[place]), clip.intrinsics) for place in range(0, 60, 10)]
    options = FitOptions(use_iris=False)
    fit = fit_clip(head, observations, options)
    assert size_of(head, fit.identity) == pytest.approx(1.0, abs=0.004)
    assert fit.scale.sigma == pytest.approx(population_sigma(head))
    photo = fit_landmarks(head, observations[:1], options)
    assert abs(np.log(size_of(head, photo.identity))) > 0.01
    assert face_error(head, fit.identity, clip.identity) < face_error(head, 0 * clip.identity, clip.identity)


def test_a_foretold_size_stays_beside_landmarks_and_meets_the_irises(head, clip, faces) -> None:
    rng = np.random.default_rng(0)
    mean = 0.3 * rng.normal(size=80)
    known = ForetoldIdentity("regressor", mean, 1.5 * np.eye(80))
    observations = [Observation(face, clip.intrinsics) for face in faces[:40:8]]
    alone = fit_clip(head, observations, FitOptions(known_identity=known, use_iris=False))
    assert [source.name for source in alone.scale.sources] == ["regressor"]
    assert size_of(head, alone.identity) == pytest.approx(size_of(head, mean), rel=0.004)
    assert alone.scale.sigma == pytest.approx(population_sigma(head) / np.sqrt(1.5), rel=0.05)


def test_a_smile_of_ones_own_is_not_told_as_shape(head, monkeypatch) -> None:
    """A person smiles half as much again as the model, and upwards, all through the second of two parts of a clip."""
    response = response_of(head, "mediapipe_478")
    talk = talking_clip(head, 3, frames=12)
    smiling = {name: 0.9 if name.startswith("mouthSmile") else 0.0 for name in head.expression_names}
    resting = dict.fromkeys(head.expression_names, 0.0)
    points = PointModel.of(head, response.triangles, response.barycentric, identity_components=1)

    def part(curves: dict[str, float]) -> list[Observation]:
        expression = np.clip(response.expression_prior(head, curves)[0], 0, 1)
        clip = replace(talk, expression=np.tile(expression, (len(talk.times), 1)))
        pixels = detect(head, clip, response, 0, noise=0.0)
        moved = np.linalg.norm(points.rest_basis[:, :, 1:] @ expression, axis=1)
        own = 0.5 * moved * clip.intrinsics.focal / clip.pose[:, 2, 3].mean()
        pixels[:, response.indices, 1] -= own
        return [Observation(face_landmarks(frame, curves=curves), clip.intrinsics) for frame in pixels[::3]]

    def apart() -> float:
        one, other = (fit_clip(head, part(curves), FitOptions(use_iris=False)) for curves in (resting, smiling))
        return face_error(head, one.identity, other.identity)

    with_own = apart()
    monkeypatch.setattr(expression_errors, "SPECIAL", 0.0)
    assert with_own < 0.8 * apart()
