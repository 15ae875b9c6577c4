"""The whole of `face3d.track` over a clip drawn from known parameters."""

from __future__ import annotations

import numpy as np
import pytest

import face3d
from face3d.head import load_head
from face3d.landmarks import MediaPipeDetector
from tests.tracking.rendered_clips import draw_clip, figures, lag_of, rendered_clip

FRAMES = 24


def test_a_drawn_talk_is_followed(tmp_path, detector: MediaPipeDetector) -> None:
    model = load_head()
    clip = rendered_clip(model, 105, frames=FRAMES)
    draw_clip(clip, 105, tmp_path / "talk.mp4")
    (track,) = face3d.track(tmp_path / "talk.mp4")
    found = figures(model, track, clip)
    # A second of one person's talk tells less of the head than the whole clips of tests/benchmarks/track_truth.py.
    assert found.surface < 2.0
    assert found.turn_about_mean < 2.0
    assert found.lips_match > 0.8


@pytest.mark.parametrize("late", [-2, 0, 1])
def test_lag_is_what_a_curve_comes_late_by(late: int) -> None:
    curve = np.sin(np.linspace(0, 20, 200)) + np.linspace(0, 1, 200)
    assert lag_of(np.roll(curve, late)[10:-10], curve[10:-10]) == pytest.approx(late, abs=0.1)
