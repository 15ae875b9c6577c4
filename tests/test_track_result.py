from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.talking import GAP, talking_track


def test_posed_heads_are_those_of_their_frames():
    track = talking_track(12)
    heads = track.posed(3, 6).vertices
    alone = track.model(
        identity=track.identity,
        expression=track.expression[4],
        jaw=track.jaw[4],
        neck=track.neck[4],
        eyes=track.eyes[4],
    ).vertices[0]
    np.testing.assert_allclose(heads[1], alone, atol=1e-7)
    assert len(track.posed().vertices) == 12
    camera = track.posed_in_camera(4)
    np.testing.assert_allclose(
        camera, alone.double().numpy() @ track.camera_from_head[4, :3, :3].T + track.camera_from_head[4, :3, 3]
    )
    assert camera[:, 2].min() > 0.3


def test_gaps_cover_the_frames_that_do_not_show_the_face():
    track = talking_track(20)
    assert track.gaps() == [pytest.approx(((GAP.start - 0.5) / 25, (GAP.stop - 0.5) / 25))]
    valid = np.ones(20, dtype=bool)
    valid[[0, 5, 7]] = False
    assert len(replace(track, valid=valid).gaps()) == 3
    assert replace(track, valid=np.ones(20, dtype=bool)).gaps() == []


def test_curves_are_given_or_made():
    track = talking_track(5)
    made = track.live_link()
    assert made is not None
    assert made.shape == (5, 61)
    given = made + 1
    assert replace(track, arkit=given).live_link() is given


def test_the_record_is_plain_json():
    track = talking_track(20)
    record = json.loads(json.dumps(track.summary(people=3), allow_nan=False))
    assert record["people"] == 3
    assert record["frames"]["valid"] == pytest.approx(0.8)
    assert record["frames"]["count"] == 20
    assert record["timings"]["frames_per_second"] == 31.5
    assert record["residuals"]["landmarks_over_interocular"] == pytest.approx(0.02)
    assert record["assets"][0]["licence"] == "CC0-1.0"
    hidden = replace(track, valid=np.zeros(20, dtype=bool), residual=np.full(20, np.nan))
    assert json.loads(json.dumps(hidden.summary(), allow_nan=False))["residuals"]["median"] is None
