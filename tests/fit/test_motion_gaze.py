"""Eyes of a motion look where the irises were read, the skin around follows, and one false reading does not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.fit.motion import Motion, MotionFitter
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_gaze import CLOSING_LOOKS_DOWN, FULL_LOOK, LIMBUS_DEPTH, GazeEvidence
from face3d.fit.responses import response_of
from face3d.head import HeadModel, load_flame, load_head
from tests.fit.talking_clips import TalkingClip, detect, talking_clip
from tests.head.golden import FLAME, GOLDEN
from tests.tracking.rendered_clips import gaze_angles, gaze_directions

SHOT = 20
"""Frame of the saccade."""

STILL = slice(35, 60)

CERTAINTY = 4.0
"""One over pixels."""


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def clip(head: HeadModel) -> TalkingClip:
    """A talk in which for one frame the eyes jump aside by 12 degrees, and later rest."""
    clip = talking_clip(head, 5, still=STILL, frames=60)
    turns = clip.turns.copy()
    turns[SHOT, 1:] = Rotation.from_rotvec([0.0, np.deg2rad(12), 0.0]).as_matrix() @ turns[SHOT, 1:]
    return replace(clip, turns=turns)


@pytest.fixture(scope="module")
def points(head: HeadModel, clip: TalkingClip) -> np.ndarray:
    return detect(head, clip, response_of(head, "mediapipe_478"), 6)


@pytest.fixture(scope="module")
def irises(head: HeadModel, clip: TalkingClip) -> np.ndarray:
    """(T, 2, 4) as they are read, with a sixth of a pixel of noise."""
    return projected_irises(head, clip, np.random.default_rng(1))


@pytest.fixture(scope="module")
def motion(head: HeadModel, clip: TalkingClip, points: np.ndarray, irises: np.ndarray) -> Motion:
    return MotionFitter(head, clip.identity, clip.intrinsics).fit(clip.times, points, irises=irises)


def projected_irises(
    head: HeadModel, clip: TalkingClip, rng: np.random.Generator, off: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Of eyes that are off the head's by so many metres sideways, left and right."""
    with torch.no_grad():
        geometry = head(
            identity=torch.as_tensor(np.tile(clip.identity, (len(clip.times), 1))).float(),
            expression=torch.as_tensor(clip.expression).float(),
        )
    eyes = [list(head.joint_names).index(name) for name in ("left_eye", "right_eye")]
    places = geometry.joints[:, eyes].double().numpy() + LIMBUS_DEPTH * gaze_directions(clip.eyes)
    places[:, :, 0] += off
    camera = np.einsum("txy,tky->tkx", clip.pose[:, :3, :3], places) + clip.pose[:, None, :3, 3]
    pixels = camera[..., :2] / camera[..., 2:] * np.diag(clip.intrinsics.matrix)[:2] + clip.intrinsics.matrix[:2, 2]
    pixels += rng.normal(0, 1 / 6, pixels.shape)
    return np.concatenate([pixels, np.full(pixels.shape, CERTAINTY)], axis=2)


def degrees(eyes: np.ndarray) -> np.ndarray:
    """(T, 4) left yaw, left pitch, right yaw, right pitch."""
    return np.rad2deg(gaze_angles(gaze_directions(eyes)))


def test_eyes_look_where_the_irises_are(clip, motion) -> None:
    found, true = degrees(motion.eyes), degrees(clip.eyes)
    # What a head's pose is off by, the eyes are too.
    assert np.median(np.abs(found - true)) < 3
    for k in range(4):
        assert np.corrcoef(found[:, k], true[:, k])[0, 1] > 0.8


def test_most_of_a_saccade_of_one_frame_survives(clip, motion) -> None:
    around = [SHOT - 1, SHOT + 1]
    found, true = (values[SHOT] - values[around].mean(axis=0) for values in (degrees(motion.eyes), degrees(clip.eyes)))
    # A little of it may be the head's.
    assert (found[[0, 2]] > 0.5 * true[[0, 2]]).all()


def test_a_gaze_at_rest_does_not_tremble(motion) -> None:
    rest = degrees(motion.eyes)[STILL.start + 3 : STILL.stop]
    assert rest.std(axis=0).max() < 0.5


def test_the_skin_follows_the_eyes(head, motion) -> None:
    column = {name: number for number, name in enumerate(head.expression_names)}
    yaw, pitch = np.deg2rad(degrees(motion.eyes)[:, :2]).T
    for name, angle in (("Out", yaw), ("In", -yaw), ("Down", pitch), ("Up", -pitch)):
        shape = motion.expression[:, column[f"eyeLook{name}Left"]]
        assert np.abs(shape - np.clip(angle / FULL_LOOK, 0, 1)).max() < 0.15


def test_a_false_reading_of_one_eye_is_outvoted(head, clip, points, irises, motion) -> None:
    wrong = irises.copy()
    wrong[10:13, 0, 0] -= 40.0
    found = MotionFitter(head, clip.identity, clip.intrinsics).fit(clip.times, points, irises=wrong)
    assert np.abs(degrees(found.eyes) - degrees(motion.eyes))[10:13].max() < 5


def test_frames_without_a_reading_are_bridged(head, clip, points, irises, motion) -> None:
    hidden = irises.copy()
    hidden[10:13] = 0.0
    found = MotionFitter(head, clip.identity, clip.intrinsics).fit(clip.times, points, irises=hidden)
    assert np.isfinite(found.eyes).all()
    assert np.abs(degrees(found.eyes) - degrees(motion.eyes))[10:13].max() < 10


def test_lids_that_close_hide_how_high_an_iris_is(head, clip, irises) -> None:
    gaze = MotionFitter(head, clip.identity, clip.intrinsics)._problem.gaze
    lids = [number for number, name in enumerate(head.expression_names) if name.startswith("eyeBlink")]
    surprise = {}
    for way in (0, 1):
        off = irises.copy()
        off[..., way] += 5.0
        for blink in (0.0, 0.6):
            expression = clip.expression.copy()
            expression[:, lids] = blink
            frames = Frames(expression, clip.turns, clip.pose[:, :3, :3], clip.pose[:, :3, 3])
            surprise[way, blink] = np.median(gaze.linearize(frames, off, expression, robust=False).surprise)
    assert surprise[0, 0.6] > 0.5 * surprise[0, 0.0]
    assert surprise[1, 0.6] < 0.1 * surprise[1, 0.0]


def test_eyes_that_sit_elsewhere_in_the_head_are_found(head, clip, points) -> None:
    shifted = projected_irises(head, clip, np.random.default_rng(2), off=(0.002, -0.002))
    plain = MotionFitter(head, clip.identity, clip.intrinsics)
    squint = []
    for fitter in (plain, plain.of_person(points, irises=shifted)):
        yaw = degrees(fitter.fit(clip.times, points, irises=shifted).eyes)[:, [0, 2]]
        squint.append(abs(np.median(yaw[:, 0] - yaw[:, 1])))
    assert squint[0] > 5
    assert squint[1] < 0.3 * squint[0]


def with_curves(head: HeadModel, clip: TalkingClip) -> tuple[GazeEvidence, Frames]:
    """What compares eyes with irises and curves, and the frames as they are."""
    fitter = MotionFitter(head, clip.identity, clip.intrinsics)
    evidence = GazeEvidence(fitter._surface, clip.intrinsics, fitter.turning, tuple(head.expression_names), True)
    return evidence, Frames(clip.expression, clip.turns, clip.pose[:, :3, :3], clip.pose[:, :3, 3])


def curves_of_gaze(head: HeadModel, angles: np.ndarray) -> np.ndarray:
    """(T, E) of (T, 2) radians to the left and down of both eyes."""
    column = {name: number for number, name in enumerate(head.expression_names)}
    curves = np.zeros((len(angles), len(column)))
    for name, value in zip(("OutLeft", "InRight", "DownLeft", "DownRight"), angles[:, [0, 0, 1, 1]].T, strict=True):
        curves[:, column[f"eyeLook{name}"]] = np.maximum(value, 0) / FULL_LOOK
    opposite = zip(("InLeft", "OutRight", "UpLeft", "UpRight"), -angles[:, [0, 0, 1, 1]].T, strict=True)
    for name, value in opposite:
        curves[:, column[f"eyeLook{name}"]] = np.maximum(value, 0) / FULL_LOOK
    return curves


@pytest.mark.parametrize("bias", [0.0, 0.1, -0.1])
def test_curves_that_are_always_off_sideways_do_not_move_the_eyes(head, clip, irises, bias: float) -> None:
    evidence, frames = with_curves(head, clip)
    true = gaze_angles(gaze_directions(clip.eyes))[:, :2]
    person = evidence.person_eyes(frames, irises, curves_of_gaze(head, true + np.array([bias, 0.0])))
    assert np.abs(person.offset[:, 0]).max() < 0.35 * abs(bias) * LIMBUS_DEPTH + 0.0002
    assert person.aside[0] == pytest.approx(-bias, abs=0.35 * abs(bias) + 0.01)


def test_eyes_behind_closed_lids_look_down_with_them(head, clip) -> None:
    evidence, frames = with_curves(head, clip)
    blink, expression = 0.6, np.zeros_like(clip.expression)
    expression[:, [number for number, name in enumerate(head.expression_names) if name.startswith("eyeBlink")]] = blink
    nothing, hidden = np.zeros_like(expression), np.zeros((len(expression), 2, 4))
    pulls = {}
    for share in (0.9, 1.0, 1.1):
        turns = np.tile(np.eye(3), (len(expression), 3, 1, 1))
        down = share * CLOSING_LOOKS_DOWN * blink * FULL_LOOK
        turns[:, 1:] = Rotation.from_rotvec([down, 0.0, 0.0]).as_matrix()
        closed = replace(frames, expression=expression, turns=turns)
        told = evidence.linearize(closed, hidden, nothing, robust=False)
        eyes = evidence._columns[0]
        pulls[share] = told.gradient[:, eyes].mean(axis=0)[0] / told.hessian[:, eyes, eyes].mean(axis=0)[0, 0]
        certainty = told.hessian[:, eyes, eyes].mean(axis=0)[0, 0]
    assert pulls[0.9] < 0 < pulls[1.1]
    assert abs(pulls[1.0]) < np.deg2rad(0.2)
    # Open eyes that were not read may look anywhere near where the curves say.
    unread = evidence.linearize(replace(frames, expression=nothing, turns=turns), hidden, nothing, robust=False)
    assert certainty > 1.5 * unread.hessian[:, eyes, eyes].mean(axis=0)[0, 0]


def test_the_eyes_of_a_head_without_look_shapes_turn() -> None:
    model = load_flame(FLAME, landmarks=GOLDEN / "flame" / "landmark_embedding.npy")
    count = 12
    time = np.arange(count) / 25
    eyes = np.zeros((count, 6))
    eyes[:, [1, 4]] = (0.25 * np.sin(2 * np.pi * 2 * time))[:, None]
    geometry = model(identity=torch.zeros(count, model.identity_size), eyes=torch.as_tensor(eyes).float())
    skin = model.points("ibug_68_fixed", geometry).double().numpy()
    joints = [list(model.joint_names).index(name) for name in ("left_eye", "right_eye")]
    centres = geometry.joints[:, joints].double().numpy() + LIMBUS_DEPTH * gaze_directions(eyes)
    focal = 1500.0

    def projected(places: np.ndarray) -> np.ndarray:
        camera = places @ np.diag([1.0, -1.0, -1.0]) + [0, 0, 0.6]
        return camera[..., :2] / camera[..., 2:] * focal + 500

    intrinsics = Intrinsics(np.array([[focal, 0, 500], [0, focal, 500], [0, 0, 1.0]]), (1000, 1000), 0.0, "given")
    fitter = MotionFitter(model, np.zeros(model.identity_size), intrinsics, topology="ibug_68_fixed")
    points = np.concatenate([projected(skin), np.full((count, 68, 1), np.nan)], axis=2)
    irises = np.concatenate([projected(centres), np.full((count, 2, 2), CERTAINTY)], axis=2)
    found = fitter.fit(time, points, irises=irises)
    assert np.abs(degrees(found.eyes) - degrees(eyes)).max() < 4
