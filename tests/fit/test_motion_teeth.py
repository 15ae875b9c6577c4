"""Lower lips that are laid on the teeth for f and v, as readings of the lips tell."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.evaluate.lips import closures
from face3d.fit.lip_contacts import CLOSED_LIPS, lip_contacts
from face3d.fit.motion import MotionFitter
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_teeth import AT_TEETH, TeethEvidence
from face3d.fit.responses import response_of
from face3d.head import load_head
from tests.fit.known_lips import gap, read_perfectly
from tests.fit.talking_clips import detect, talking_clip, teeth_distance, with_labiodentals

FRAMES = 64

HEARD = 0.05
"""Share of a rolled lip that MediaPipe's curves tell: 0.02 to 0.03 in frames drawn with 0.5 to 0.7."""


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def spoken(head):
    """A clip, landmarks with a detector's errors, readings half a pixel off, and curves that miss rolled lips."""
    clip = with_labiodentals(talking_clip(head, 11, frames=FRAMES), head, 11)
    landmarks = detect(head, clip, response_of(head, "mediapipe_478"), 11)
    lips = read_perfectly(head, clip, landmarks, sigma=0.7)
    lips[..., 0] += np.random.default_rng(11).normal(0, 0.5, lips.shape[:2])
    curves = clip.expression.copy()
    curves[:, [name.startswith("mouthRoll") for name in head.expression_names]] *= HEARD
    return clip, landmarks, lips, curves


@pytest.fixture(scope="module")
def fitter(head, spoken):
    return MotionFitter(head, spoken[0].identity, spoken[0].intrinsics, curve_names=tuple(head.expression_names))


@pytest.fixture(scope="module")
def motion(fitter, spoken):
    clip, landmarks, lips, curves = spoken
    return fitter.fit(clip.times, landmarks, lips=lips, curves=curves)


@pytest.fixture(scope="module")
def said(head, spoken):
    """In which frames f or v is said."""
    clip = spoken[0]
    at_teeth = teeth_distance(head, clip.identity, clip.expression) < AT_TEETH
    return at_teeth & (gap(head, clip.identity, clip.expression) > CLOSED_LIPS)


def test_labiodentals_are_found_and_nothing_else(motion, said):
    assert 8 <= said.sum() < FRAMES / 2
    found = closures(motion.labiodental, said)
    assert found.precision >= 0.9
    assert found.recall >= 0.9
    assert not (motion.labiodental & motion.lips_closed).any()


def test_the_lip_meets_the_teeth_and_does_not_pass_into_them(head, fitter, spoken, motion, said):
    clip, landmarks, _lips, curves = spoken
    true = teeth_distance(head, clip.identity, clip.expression)
    found = teeth_distance(head, clip.identity, motion.expression)
    unread = fitter.fit(clip.times, landmarks, curves=curves)
    without = teeth_distance(head, clip.identity, unread.expression)
    there = said & motion.labiodental
    assert np.abs(found[there]).max() < AT_TEETH
    assert np.abs(found - true)[there].mean() < 0.3 * np.abs(without - true)[there].mean()


def test_lips_that_are_not_at_the_teeth_stay_as_they_were(fitter, spoken, motion, monkeypatch):
    clip, landmarks, lips, curves = spoken
    monkeypatch.setattr("face3d.fit.motion_teeth.ROLLED", 2.0)
    free = fitter.fit(clip.times, landmarks, lips=lips, curves=curves)
    assert not free.labiodental.any()
    apart = ~np.convolve(motion.labiodental, np.ones(9), mode="same").astype(bool)
    assert apart.sum() > 8
    assert np.abs(free.expression - motion.expression)[apart].max() < 0.05


def test_chunks_go_on_where_the_one_before_ended(fitter, spoken, motion):
    clip, landmarks, lips, curves = spoken
    seen = clip.times < clip.times[29] + fitter.lookahead
    first = fitter.fit(clip.times[seen], landmarks[seen], lips=lips[seen], curves=curves[seen], keep=30)
    second = fitter.fit(clip.times[30:], landmarks[30:], lips=lips[30:], curves=curves[30:], start=first.state)
    joined = np.concatenate([first.labiodental, second.labiodental])
    assert (joined != motion.labiodental).mean() < 0.05


def test_frames_as_they_come_in_are_told_too(fitter, spoken, said):
    clip, landmarks, lips, curves = spoken
    told, state = [], None
    for t in range(24):
        frame = fitter.fit_next(clip.times[t], landmarks[t], lips=lips[t], curves=curves[t], start=state)
        told.append(bool(frame.labiodental[0]))
        state = frame.state
    assert closures(np.array(told), said[:24]).recall >= 0.8


def test_what_is_told_is_what_the_expression_says(head, spoken, motion):
    contacts = lip_contacts(head, spoken[0].identity, motion.expression, motion.jaw)
    assert contacts is not None
    np.testing.assert_array_equal(contacts[0], motion.lips_closed)
    np.testing.assert_array_equal(contacts[1], motion.labiodental)


@pytest.mark.parametrize("turning", [(0, 1, 2), ()])
def test_slopes_are_those_of_the_distance(head, spoken, turning):
    clip = spoken[0]
    evidence = TeethEvidence.of(head, clip.identity, turning, () if turning else ("jaw", "left_eye", "right_eye"))
    assert evidence is not None
    frames = Frames(clip.expression[:4], clip.turns[:4], clip.pose[:4, :3, :3], clip.pose[:4, :3, 3])
    hessian, gradient = evidence.linearize(frames, np.array([True, True, True, False]))
    size = 52 + 3 * len(turning) + 6
    assert hessian.shape == (4, size, size)
    assert not gradient[3].any()
    assert not gradient[:, -6:].any()
    way, step = np.random.default_rng(0).normal(0, 0.1, (4, 52)), 1e-4

    def distance(sign):
        return evidence.distance(
            Frames(frames.expression + sign * step * way, frames.turns, frames.rotation, frames.translation)
        )

    slope = (distance(1) - distance(-1)) / (2 * step)
    lengths = np.einsum("td,tde,te->t", way, hessian[:, :52, :52], way)
    # The mean's square is at most the mean of squares.
    from face3d.fit.motion_teeth import CONTACT

    assert (slope[:3] ** 2 <= 1.001 * lengths[:3] * CONTACT**2).all()
    assert (lengths[:3] > 0).all()
