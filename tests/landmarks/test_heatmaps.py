"""Peaks of heatmaps: face-alignment's numbers, and places between the cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.landmarks.heatmaps import draw_gaussians, heatmap_peaks, reference_peaks

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "fan" / "fan_utils.npz")
SIZE = 64


def peak_maps(centres: np.ndarray, width: float = 1.0, height: float = 1.0) -> np.ndarray:
    """One map per centre, values at the cells' centres."""
    cells = np.arange(SIZE) + 0.5
    from_x = (cells - centres[:, :1])[:, None, :]
    from_y = (cells - centres[:, 1:])[:, :, None]
    return height * np.exp(-(from_x**2 + from_y**2) / 2 / width**2)


def test_reference_peaks_are_face_alignments() -> None:
    """Borders, ties, flat and all-negative maps included."""
    peaks, heights = reference_peaks(GOLDEN["heatmaps"])
    np.testing.assert_array_equal(peaks, GOLDEN["peaks_1based_minus_half"])
    np.testing.assert_array_equal(heights, GOLDEN["peak_scores"])


def test_fitted_peaks_stay_near_the_reference() -> None:
    fitted, heights = heatmap_peaks(GOLDEN["heatmaps"])
    reference, _ = reference_peaks(GOLDEN["heatmaps"])
    assert np.isfinite(fitted).all()
    assert np.abs(fitted - reference).max() <= 0.5
    np.testing.assert_array_equal(heights, GOLDEN["peak_scores"])


@given(x=st.floats(0, SIZE), y=st.floats(0, SIZE), width=st.floats(0.9, 2.0), height=st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=60)
def test_a_clean_peak_is_found_anywhere(x: float, y: float, width: float, height: float) -> None:
    """Up to the very border of the map, to a twentieth of a cell; the reference is off by up to half a cell."""
    peaks, _ = heatmap_peaks(peak_maps(np.array([[x, y]]), width, height)[None])
    np.testing.assert_allclose(peaks[0, 0], [x, y], atol=0.05)


@pytest.mark.parametrize("width", [0.9, 1.0, 1.3])
def test_noise_moves_a_peak_little(width: float) -> None:
    """Noise of 2 % of the peak: nearly all within a tenth of a cell, and none as far off as the reference goes."""
    random = np.random.default_rng(0)
    centres = random.uniform(1, SIZE - 1, (400, 2))
    maps = (peak_maps(centres, width) + 0.02 * random.normal(size=(400, SIZE, SIZE)))[None]
    errors = np.abs(heatmap_peaks(maps)[0][0] - centres)
    assert np.quantile(errors, 0.995) < 0.1
    assert np.median(errors) < 0.02
    assert np.abs(reference_peaks(maps)[0][0] - centres).max() > 2 * errors.max()


def test_two_displaced_peaks_meet_in_their_middle() -> None:
    """A flip test's sum is two peaks that do not lie exactly on each other."""
    maps = peak_maps(np.array([[20.1, 30.4]])) + peak_maps(np.array([[20.6, 30.0]]))
    np.testing.assert_allclose(heatmap_peaks(maps[None])[0][0, 0], [20.35, 30.2], atol=0.02)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_maps_without_a_peak_give_the_reference(value: float) -> None:
    maps = np.full((1, 2, SIZE, SIZE), value)
    np.testing.assert_array_equal(heatmap_peaks(maps)[0], reference_peaks(maps)[0])


def test_gaussians_are_face_alignments() -> None:
    """Cut at the borders as there, where the kernel is shifted."""
    maps = draw_gaussians(GOLDEN["gaussian_points"], 256)
    np.testing.assert_array_equal(maps, GOLDEN["gaussian_maps"])


def test_gaussians_far_outside_draw_nothing() -> None:
    assert not draw_gaussians(np.array([[-50.0, 20.0], [20.0, 400.0], [np.nan, 3.0]]), 64).any()
