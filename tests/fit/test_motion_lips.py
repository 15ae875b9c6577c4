from __future__ import annotations

import numpy as np
import pytest

from face3d.evaluate.lips import closures
from face3d.fit.lip_contacts import CLOSED_LIPS
from face3d.fit.lip_matching import LipsSeen
from face3d.fit.motion import MotionFitter
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_lips import LipEvidence
from face3d.fit.responses import response_of
from face3d.head import load_head
from face3d.landmarks.lip_contours import UNREAD
from tests.fit.known_lips import gap, read_perfectly
from tests.fit.talking_clips import aligned, detect, talking_clip, vertices

FRAMES = 60


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def spoken(head):
    """A clip, landmarks with a detector's errors, and readings that are half a pixel off."""
    clip = talking_clip(head, 7, frames=FRAMES)
    # Two frames of a word with lips that meet while the jaw stays open.
    jaw, close = (head.expression_names.index(name) for name in ("jawOpen", "mouthClose"))
    clip.expression[:, jaw] = np.maximum(clip.expression[:, jaw], 0.2)
    clip.expression[30:32, jaw] = 0.12
    clip.expression[30:32, close] = 0.2
    landmarks = detect(head, clip, response_of(head, "mediapipe_478"), 7)
    lips = read_perfectly(head, clip, landmarks, sigma=0.7)
    lips[..., 0] += np.random.default_rng(7).normal(0, 0.5, lips.shape[:2])
    return clip, landmarks, lips


@pytest.fixture(scope="module")
def fitter(head, spoken):
    clip = spoken[0]
    return MotionFitter(head, clip.identity, clip.intrinsics)


@pytest.fixture(scope="module")
def plain(fitter, spoken):
    return fitter.fit(spoken[0].times, spoken[1])


@pytest.fixture(scope="module")
def geometric(fitter, spoken):
    return fitter.fit(spoken[0].times, spoken[1], lips=spoken[2])


def lip_error(head, clip, motion) -> float:
    lips = head.regions["lips"].numpy()
    face, still = head.regions["face"].numpy(), np.zeros((FRAMES, 6))
    found, true = (vertices(head, clip.identity, one.expression, still) for one in (motion, clip))
    misses = aligned(found[:, face], true[:, face]) - true[:, face]
    return float(np.median(np.linalg.norm(misses[:, np.isin(face, lips)], axis=2)))


def test_lips_are_nearer_the_truth(head, spoken, plain, geometric):
    none, read = (lip_error(head, spoken[0], motion) for motion in (plain, geometric))
    assert read < min(0.75 * none, 0.001)


def test_closures_are_found_those_of_two_frames_too(head, spoken, plain, geometric):
    clip = spoken[0]
    true = gap(head, clip.identity, clip.expression) < CLOSED_LIPS
    assert true[30:32].all()
    assert 2 <= true.sum() < FRAMES / 2
    found = closures(geometric.lips_closed, true)
    assert found.precision >= 0.95
    assert found.recall >= 0.95
    assert geometric.lips_closed[30:32].all()
    assert not geometric.lips_closed[[28, 34]].any()


def test_lips_meet_and_do_not_pass_through_each_other(head, spoken, geometric):
    assert gap(head, spoken[0].identity, geometric.expression).min() > -0.0012


def test_a_mouth_that_nobody_saw_changes_nothing_much(head, fitter, spoken, plain):
    unseen = fitter.fit(spoken[0].times, spoken[1], lips=np.tile(UNREAD, (FRAMES, 1, 1)))
    np.testing.assert_allclose(unseen.expression, plain.expression, atol=0.25)
    assert abs(lip_error(head, spoken[0], unseen) - lip_error(head, spoken[0], plain)) < 0.0005


def test_a_hand_before_the_mouth_for_some_frames(head, fitter, spoken, plain):
    clip, landmarks, lips = spoken
    covered = lips.copy()
    covered[20:26] = UNREAD
    motion = fitter.fit(clip.times, landmarks, lips=covered)
    assert np.isfinite(motion.expression).all()
    assert lip_error(head, clip, motion) < lip_error(head, clip, plain)


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_clips_of_a_few_frames(head, fitter, spoken, frames):
    clip, landmarks, lips = spoken
    motion = fitter.fit(clip.times[:frames], landmarks[:frames], lips=lips[:frames])
    assert motion.lips_closed.shape == (frames,)
    assert np.isfinite(motion.expression).all()


def test_chunks_go_on_where_the_one_before_ended(fitter, spoken, geometric):
    clip, landmarks, lips = spoken
    seen = clip.times < clip.times[29] + fitter.lookahead
    first = fitter.fit(clip.times[seen], landmarks[seen], lips=lips[seen], keep=30)
    second = fitter.fit(clip.times[30:], landmarks[30:], lips=lips[30:], start=first.state)
    joined = np.concatenate([first.expression, second.expression])
    assert np.abs(joined - geometric.expression).max() < 0.05


def test_a_jaw_that_turns_carries_the_lower_lip(head, spoken):
    clip, landmarks, lips = spoken
    evidence = LipEvidence.of(head, clip.identity, clip.intrinsics, (0, 1, 2), ())
    assert evidence is not None
    frames = Frames(clip.expression[:3], clip.turns[:3], clip.pose[:3, :3, :3], clip.pose[:3, :3, 3])
    hessian, gradient = evidence.linearize(frames, LipsSeen.of(landmarks[:3], lips[:3]))
    jaw, eyes = slice(52, 55), slice(55, 61)
    assert hessian.shape == (3, 67, 67)
    assert np.abs(hessian[:, jaw, jaw]).max() > 0
    np.testing.assert_allclose(gradient[:, eyes], 0, atol=1e-9)
