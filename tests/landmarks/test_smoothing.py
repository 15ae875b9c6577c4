"""The One-Euro filter: what its parameters mean, in hertz and interocular distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.landmarks.smoothing import OneEuro, OneEuroFilter, smooth_track

UNIT = 100.0


def causal(points, times, options, unit=UNIT):
    smooth = OneEuroFilter(options)
    return np.stack([smooth(frame, time, unit) for frame, time in zip(points, times, strict=True)])


def offline(points, times, options, unit=UNIT):
    return smooth_track(points, times, np.full(len(times), unit), options)


def as_points(values):
    """(T, 1, 3) points that move along x."""
    points = np.zeros((len(values), 1, 3))
    points[:, 0, 0] = values
    return points


@pytest.mark.parametrize("cutoff", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("rate", [240.0, 1000.0])
def test_the_cutoff_is_where_a_sine_loses_three_decibels(cutoff, rate):
    """Without speed term, a first-order low-pass: gain 1 / sqrt(2) and a phase of 45 degrees at the cut-off."""
    times = np.arange(int(6 * rate)) / rate
    wave = as_points(np.sin(2 * np.pi * cutoff * times))
    smoothed = causal(wave, times, OneEuro(cutoff, 0.0))[:, 0, 0]
    late = times > 3
    basis = np.exp(2j * np.pi * cutoff * times[late])
    response = 2 * np.mean(smoothed[late] * np.conj(basis)) * 1j
    assert abs(response) == pytest.approx(np.sqrt(0.5), rel=0.05)
    assert np.rad2deg(np.angle(response)) == pytest.approx(-45, abs=4)


def test_the_published_recurrence():
    """Casiez et al. 2012, algorithm 1, written out for one coordinate."""
    rng = np.random.default_rng(0)
    values, rate = np.cumsum(rng.normal(size=60)), 30.0
    options = OneEuro(1.2, 7.0, 1.0)

    def alpha(cutoff):
        tau = 1 / (2 * np.pi * cutoff)
        return 1 / (1 + tau * rate)

    expected, last, speed = [values[0]], values[0], 0.0
    for value in values[1:]:
        speed += alpha(options.speed_cutoff) * ((value - last) * rate - speed)
        last = value
        weight = alpha(options.still_cutoff + options.speed_coefficient * abs(speed) / UNIT)
        expected.append(expected[-1] + weight * (value - expected[-1]))
    smoothed = causal(as_points(values), np.arange(60) / rate, options)[:, 0, 0]
    np.testing.assert_allclose(smoothed, expected, rtol=1e-12)


@given(scale=st.floats(0.01, 100), turn=st.floats(-3, 3), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("smooth", [causal, offline])
def test_smoothing_goes_with_scale_rotation_and_shift(smooth, scale, turn, shift, seed):
    """One setting for faces of any size, wherever they are and however they are turned."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.1, 20))
    points = np.cumsum(rng.normal(size=(20, 4, 3)), axis=0)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    moved = smooth(points @ matrix.T + shift, times, OneEuro(), unit=UNIT * scale)
    np.testing.assert_allclose(moved, smooth(points, times, OneEuro()) @ matrix.T + shift, atol=1e-7 * max(1, scale))


@pytest.mark.parametrize("smooth", [causal, offline])
def test_what_stands_still_stays(smooth):
    points = np.full((30, 5, 3), 7.5)
    np.testing.assert_allclose(smooth(points, np.arange(30) / 25, OneEuro()), points)


@pytest.mark.parametrize("smooth", [causal, offline])
def test_noise_at_rest_goes_down(smooth):
    points = np.random.default_rng(0).normal(scale=0.2, size=(400, 20, 3))
    smoothed = smooth(points, np.arange(400) / 25, OneEuro())
    assert smoothed[50:].std() < 0.45 * points.std()


def delay(smoothed, raw):
    """Frames by which one signal follows another: where their correlation peaks, between frames by a parabola."""
    steps = np.arange(-6, 7)
    inner = raw[6:-6]
    values = [np.corrcoef(inner, smoothed[6 + step : len(raw) - 6 + step])[0, 1] for step in steps]
    peak = int(np.argmax(values))
    left, middle, right = values[peak - 1 : peak + 2]
    return steps[peak] + (left - right) / (2 * (left - 2 * middle + right))


def test_a_moving_head_lags_by_less_than_a_frame():
    """A nod of half an interocular distance, twice a second, at 25 frames per second."""
    times = np.arange(300) / 25
    nod = as_points(0.25 * UNIT * np.sin(2 * np.pi * 2 * times))
    lag = delay(causal(nod, times, OneEuro())[:, 0, 0], nod[:, 0, 0])
    assert 0 < lag < 1
    assert abs(delay(offline(nod, times, OneEuro())[:, 0, 0], nod[:, 0, 0])) < 0.01
    slow = delay(causal(nod, times, OneEuro(speed_coefficient=0))[:, 0, 0], nod[:, 0, 0])
    assert slow > 2 * lag


def test_backwards_in_time_is_the_same():
    rng = np.random.default_rng(1)
    points, times = np.cumsum(rng.normal(size=(40, 3, 3)), axis=0), np.cumsum(rng.uniform(0.02, 0.06, 40))
    forwards = offline(points, times, OneEuro())
    backwards = offline(points[::-1], times[-1] - times[::-1], OneEuro())[::-1]
    np.testing.assert_allclose(forwards, backwards, atol=1e-9)


def test_a_long_track_is_smoothed_in_blocks_as_a_whole(monkeypatch):
    rng = np.random.default_rng(2)
    points, times = rng.normal(size=(50, 30, 3)), np.arange(50) / 25
    whole = offline(points, times, OneEuro())
    monkeypatch.setattr("face3d.landmarks.smoothing._VALUES_AT_ONCE", 350)
    np.testing.assert_array_equal(offline(points, times, OneEuro()), whole)


def test_one_frame():
    points = np.ones((1, 4, 3))
    np.testing.assert_array_equal(offline(points, np.zeros(1), OneEuro()), points)


def test_unusable_parameters_and_times():
    for options in ((0, 1, 1), (1, -1, 1), (1, 1, 0), (float("nan"), 1, 1)):
        with pytest.raises(ArgumentError):
            OneEuro(*options)
    with pytest.raises(ArgumentError, match="increase"):
        causal(np.zeros((2, 1, 3)), [0.0, 0.0], OneEuro())
    with pytest.raises(ArgumentError, match="increase"):
        offline(np.zeros((2, 1, 3)), np.zeros(2), OneEuro())
