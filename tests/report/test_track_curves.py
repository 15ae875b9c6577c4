from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from face3d.head import HeadModel
from face3d.report.track_curves import curve_panels, curves_picture, thinned
from tests.head.random_heads import random_arrays
from tests.talking import talking_track


def test_panels_show_mouth_eyes_brows_pose_and_quality():
    track = talking_track(40)
    panels = {panel.title: panel for panel in curve_panels(track)}
    assert list(panels) == ["Mouth", "Eyes", "Brows", "Head", "Quality"]
    jaw = track.expression[:, track.model.expression_names.index("jawOpen")]
    np.testing.assert_allclose(panels["Mouth"].series[0].values, jaw)
    smile = track.expression[:, track.model.expression_names.index("mouthSmileLeft")]
    np.testing.assert_allclose(panels["Mouth"].series[1].values, smile / 2, err_msg="the mean of both sides")
    yaw = panels["Head"].series[0].values
    assert np.abs(yaw).max() > 10, "degrees"
    for panel in panels.values():
        for one in panel.series:
            assert panel.low <= one.values.min()
            assert one.values.max() <= panel.high


def test_a_head_without_arkits_names_shows_jaw_and_strongest_expressions():
    track = talking_track(20, model=HeadModel(random_arrays(expression=9)))
    panels = {panel.title: panel for panel in curve_panels(track)}
    assert list(panels) == ["Jaw", "Expressions", "Head", "Quality"]
    assert len(panels["Expressions"].series) == 5


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 400), points=st.integers(4, 60), seed=st.integers(0, 1000))
def test_thinned_curves_keep_their_peaks(count, points, seed):
    rng = np.random.default_rng(seed)
    times, values = np.arange(count) / 25, rng.normal(size=count)
    x, y = thinned(times, values, points, longest_step=0.05)
    assert len(x) == len(y) <= max(count, points) if count <= points else len(x) <= points + 2
    assert (np.diff(x) >= 0).all()
    assert np.nanmax(y) == values.max()
    assert np.nanmin(y) == values.min()
    assert not np.isnan(y).any()


def test_missing_frames_leave_a_hole():
    times = np.array([0.0, 0.04, 0.08, 1.0, 1.04])
    _, y = thinned(times, np.arange(5.0), 100, longest_step=0.076)
    np.testing.assert_array_equal(y, [0, 1, 2, np.nan, 3, 4])


@pytest.mark.parametrize("frames", [1, 40])
def test_the_picture_shades_the_gaps(frames):
    track = talking_track(frames)
    picture = np.asarray(Image.open(io.BytesIO(curves_picture(track))).convert("L"))
    assert picture.shape[0] > 400
    seen = replace(track, valid=np.ones(frames, dtype=bool))
    without = np.asarray(Image.open(io.BytesIO(curves_picture(seen))).convert("L"))
    shaded = ((picture < 235) & (without > 250)).mean()
    assert shaded > 0.02 if frames > 1 else shaded == 0
