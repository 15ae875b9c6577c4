"""Motion in chunks: each kept, with the frames that it needs to know of those before."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from face3d.fit.motion import Motion, MotionState
from face3d.tracking.clip_motion import ClipMotion, fit_motion
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.stored_faces import FaceRows, PersonTimeline
from face3d.tracking.work_folder import WorkFolder

FRAMES, CHUNK, LOOKAHEAD = 53, 10, 0.13


class Stored:
    """Faces whose every coordinate is the place in the timeline."""

    def part(self, timeline: PersonTimeline, first: int, last: int) -> FaceRows:
        last = min(last, FRAMES)
        points = np.broadcast_to(np.arange(first, last, dtype=float)[:, None, None], (last - first, 68, 3))
        return FaceRows(points, np.ones((last - first, 68)), np.zeros((last - first, 0)))


class SummingFitter:
    """Every frame's expression is the sum of all places up to it, and of those that it may look ahead to."""

    lookahead = LOOKAHEAD

    def __init__(self):
        self.calls = []

    def fit(self, times, points, *, curves, valid, shots, confidence, known, filmed, lips, irises, start, keep):
        assert curves is None
        assert known is None
        assert filmed is None
        assert lips is None
        assert irises is None
        assert len(times) == len(points) == len(valid) == len(shots) == len(confidence)
        self.calls.append((round(times[0] * 25), len(times), keep))
        before = 0.0 if start is None else float(start.expression[0])
        sums = before + np.cumsum(points[:, 0, 0])
        ahead = [points[(times > time) & (times <= time + LOOKAHEAD), 0, 0].sum() for time in times[:keep]]
        assert times[-1] <= times[keep - 1] + LOOKAHEAD
        state = MotionState(
            **{field.name: np.full((3, 3), 0.1) for field in fields(MotionState)}
            | {"time": float(times[keep - 1]), "shot": int(shots[keep - 1]), "expression": sums[keep - 1 : keep]}
        )
        zeros = {name: np.zeros((keep, size)) for name, size in (("jaw", 3), ("neck", 3), ("eyes", 6))}
        return Motion(
            expression=np.column_stack([sums[:keep], ahead]),
            camera_from_head=np.zeros((keep, 4, 4)),
            residual=np.zeros(keep),
            quality=np.ones(keep),
            valid=valid[:keep],
            lips_closed=valid[:keep],
            labiodental=valid[:keep],
            state=state,
            **zeros,
        )


@pytest.fixture
def timeline():
    return PersonTimeline(np.arange(FRAMES), np.arange(FRAMES), np.arange(FRAMES) / 25, np.ones(FRAMES, dtype=int))


def fit(work, timeline, fitter, advance=lambda count: None):
    return fit_motion(
        PersonClip(work, ClipPart("clip.mp4"), Stored(), timeline, 1), fitter, advance=advance, chunk=CHUNK
    )


def test_chunks_are_what_one_piece_would_be(timeline, tmp_path):
    fitter = SummingFitter()
    motion = fit(WorkFolder(tmp_path), timeline, fitter)
    np.testing.assert_allclose(motion.expression[:, 0], np.cumsum(np.arange(FRAMES)))
    ahead = [sum(n for n in range(place + 1, place + 4) if n < FRAMES) for place in range(FRAMES)]
    np.testing.assert_allclose(motion.expression[:, 1], ahead)
    assert fitter.calls == [(0, 13, 10), (10, 13, 10), (20, 13, 10), (30, 13, 10), (40, 13, 10), (50, 3, 3)]


def test_going_on_does_only_what_is_left_and_comes_to_the_same(timeline, tmp_path):
    whole = fit(WorkFolder(tmp_path), timeline, SummingFitter())
    for number in (3, 4):
        WorkFolder(tmp_path).forget(f"motion_000001_{number:06d}")
    fitter, done = SummingFitter(), []
    again = fit(WorkFolder(tmp_path), timeline, fitter, done.append)
    assert [first for first, _, _ in fitter.calls] == [30, 40]
    assert sum(done) == FRAMES
    for field in fields(ClipMotion):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(whole, field.name))
