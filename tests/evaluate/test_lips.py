"""Numbers of moving lips: what moves them and what does not, and counts against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from face3d.errors import InputError
from face3d.evaluate.lips import (
    CLOSED,
    agreement,
    closures,
    interocular,
    lip_series,
    lip_vertex_errors,
    upper_face,
)
from face3d.head import load_head


@pytest.fixture(scope="module")
def head():
    return load_head()


def points_with(head, **values):
    expression = np.zeros((1, len(head.expression_names)))
    for name, value in values.items():
        expression[0, head.expression_names.index(name)] = value
    return head.points("ibug_68_fixed", head(expression=expression)).double().numpy()


def test_each_number_follows_its_movement(head):
    rest = lip_series(points_with(head))
    opened = lip_series(points_with(head, jawOpen=0.6))
    assert opened.aperture[0] > rest.aperture[0] + 0.005
    smiling = lip_series(points_with(head, mouthSmileLeft=0.8, mouthSmileRight=0.8))
    assert smiling.width[0] > rest.width[0] + 0.003
    pouting = lip_series(points_with(head, mouthPucker=1.0))
    assert pouting.width[0] < rest.width[0] - 0.003
    assert pouting.protrusion[0] > rest.protrusion[0] + 0.001
    assert lip_series(points_with(head)[..., :2]).protrusion is None


def test_lips_at_rest_are_closed_and_a_small_opening_is_not(head):
    def opening(points):
        return float(lip_series(points).aperture[0] / interocular(points)[0])

    rest = opening(points_with(head))
    assert opening(points_with(head, mouthPucker=1.0)) - rest < CLOSED
    assert opening(points_with(head, jawOpen=0.25)) - rest > CLOSED


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_pose_of_the_head_plays_no_part(seed):
    random = np.random.default_rng(seed)
    points = random.normal(size=(4, 68, 3))
    rotation = roma.rotvec_to_rotmat(torch.from_numpy(random.normal(size=3))).numpy()
    before, after = lip_series(points), lip_series(2 * points @ rotation.T + random.normal(size=3))
    for name in ("aperture", "width", "protrusion"):
        np.testing.assert_allclose(getattr(after, name), 2 * getattr(before, name), atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_agreement_is_numpys(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 30))
    found = agreement(a, b)
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found.rms == pytest.approx(np.sqrt(((a - b) ** 2).mean()))


def test_a_still_series_has_no_correlation():
    assert np.isnan(agreement(np.full(9, 0.3), np.arange(9.0)).correlation)
    assert agreement(np.full(9, 0.3), np.full(9, 0.1)).rms == pytest.approx(0.2)


@settings(max_examples=100, deadline=None)
@given(
    both=arrays.arrays(bool, st.tuples(st.just(2), st.integers(1, 25))),
    tolerance=st.integers(0, 3),
)
def test_closures_are_counted_as_a_loop_counts_them(both, tolerance):
    predicted, true = both
    met = found = 0
    for frame in range(len(true)):
        around = slice(max(frame - tolerance, 0), frame + tolerance + 1)
        met += bool(predicted[frame] and true[around].any())
        found += bool(true[frame] and predicted[around].any())
    counted = closures(predicted, true, tolerance=tolerance)
    assert (counted.predicted, counted.met) == (predicted.sum(), met)
    assert (counted.true, counted.found) == (true.sum(), found)
    if counted.predicted:
        assert counted.precision == met / predicted.sum()
    else:
        assert np.isnan(counted.precision)


def test_lip_errors_are_those_of_the_lips_and_not_of_the_pose():
    random = np.random.default_rng(0)
    true, face = random.normal(size=(3, 40, 3)), random.normal(size=(3, 68, 3))
    moved = true.copy()
    moved[..., 1] -= 0.02
    moved[:, 7, 2] += 0.05
    rotation = roma.random_rotmat(3).double().numpy()
    mean, worst = lip_vertex_errors(
        moved @ rotation.mT + 4.0, true, upper_face(face @ rotation.mT + 4.0), upper_face(face)
    )
    largest = np.hypot(0.02, 0.05)
    np.testing.assert_allclose(worst, largest, atol=1e-6)
    np.testing.assert_allclose(mean, (39 * 0.02 + largest) / 40, atol=1e-6)
    with pytest.raises(InputError, match="no vertices in common"):
        lip_vertex_errors(true[:, :9], true, upper_face(face), upper_face(face))
