"""A motion that asks its evidence only where frames still move ends where one ends that always asks all of it."""

import numpy as np
import pytest

from face3d.fit import motion_problem
from face3d.fit.motion import Motion, MotionFitter, MotionOptions
from face3d.fit.responses import response_of
from face3d.head import HeadModel, load_head
from tests.fit.known_lips import read_perfectly
from tests.fit.talking_clips import detect, talking_clip
from tests.fit.test_motion_gaze import projected_irises

FRAMES = 100
AS_TRACKED = MotionOptions()
FOUND = ("expression", "eyes", "camera_from_head", "quality")


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def fit(head: HeadModel):
    """Fits a clip with irises read, and lips if asked for, a gap, a cut and one wild frame."""
    clip = talking_clip(head, 8, frames=FRAMES)
    points = detect(head, clip, response_of(head, "mediapipe_478"), 8)
    lips = read_perfectly(head, clip, points, sigma=0.7)
    irises = projected_irises(head, clip, np.random.default_rng(8))
    points[70] += 30 * np.random.default_rng(9).normal(size=points[70].shape)
    valid = np.ones(FRAMES, bool)
    valid[40:44] = False
    shots = np.where(np.arange(FRAMES) < 55, 1, 2)

    def fitted(options: MotionOptions = AS_TRACKED, *, read: bool = False) -> Motion:
        fitter = MotionFitter(head, clip.identity, clip.intrinsics, options=options)
        return fitter.fit(clip.times, points, valid=valid, shots=shots, lips=lips if read else None, irises=irises)

    return fitted


def test_what_has_settled_need_not_be_asked(fit, monkeypatch):
    found = fit()
    monkeypatch.setattr(motion_problem, "STALE", -1.0)
    monkeypatch.setattr(motion_problem, "CURVED", 99)
    monkeypatch.setattr(motion_problem, "REACH", np.inf)
    plain = fit()
    exact = fit(MotionOptions(tolerance=1e-3, iterations=30))
    for name in FOUND:
        value, always, true = (getattr(motion, name) for motion in (found, plain, exact))
        assert np.abs(value - always).max() < 1e-3
        # Not much further from where it all ends than the tolerance lets any iteration be.
        assert np.abs(value - true).max() < np.abs(always - true).max() + 1e-3


@pytest.mark.parametrize("processors", [2, 3])
def test_any_number_of_threads_gives_the_same_bits(fit, monkeypatch, processors):
    monkeypatch.setattr("face3d.threads.processors", lambda: 1)
    alone = fit(read=True)
    monkeypatch.setattr("face3d.threads.processors", lambda: processors)
    together = fit(read=True)
    for name in FOUND:
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))
    np.testing.assert_array_equal(together.state.information, alone.state.information)


def test_only_frames_that_move_are_asked_again(fit, monkeypatch):
    asked = []
    whole = motion_problem.LandmarkEvidence.linearize

    def counted(self, frames, pixels, weights, hessian=None):
        asked.append((len(pixels), hessian is None))
        return whole(self, frames, pixels, weights, hessian)

    monkeypatch.setattr(motion_problem.LandmarkEvidence, "linearize", counted)
    monkeypatch.setattr("face3d.threads.processors", lambda: 1)
    # Without lips: those that just touch go to and fro in some frames until the iterations end.
    fit()
    seen = FRAMES - 4
    assert sum(count for count, curved in asked if curved) == motion_problem.CURVED * seen
    after = AS_TRACKED.iterations - motion_problem.CURVED
    assert sum(count for count, curved in asked if not curved) < 0.8 * after * seen
