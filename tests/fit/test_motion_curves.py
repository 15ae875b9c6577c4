"""What expression curves tell of a frame, of a stranger and of a person whose level is known."""

from dataclasses import replace

import numpy as np
import pytest

from face3d.fit.evidence import DetectorResponse, curve_features, plain_response
from face3d.fit.motion_curves import CurvePrior
from face3d.head import load_open_head

NAMES = ("browDownLeft", "eyeBlinkLeft", "jawOpen")
CURVES = ("jawOpen", "eyeBlinkLeft", "browDownLeft")
"""The detector's, in an order of its own."""


@pytest.fixture(scope="module")
def response() -> DetectorResponse:
    """Strangers' brows follow their curve by a tenth; one person's go by its logit."""
    change_map = np.zeros((3, 6))
    change_map[0, 3], change_map[1, 1], change_map[2, 2] = 0.1, 1.0, 5.0
    return replace(
        plain_response(load_open_head(), "ibug_68"),
        expression_map=np.array([[0.1, 0, 0, 0.05], [0, 0.8, 0, 0], [0, 0, 0.9, -0.02]]),
        expression_sigma=np.array([0.2, 0.1, 0.1]),
        change_map=change_map,
        change_covariance=np.array([[0.04, 0.01, 0], [0.01, 0.02, 0], [0, 0, 1.0]]),
    )


def curves_of(count: int, brow: float) -> np.ndarray:
    """A brow whose curve moves at some level, lids and a jaw that move as well."""
    time = np.linspace(0, 3, count)
    logit = np.log(brow / (1 - brow)) + 2 * np.sin(3 * time)
    return np.stack([0.3 + 0.2 * np.cos(time), 0.2 + 0.1 * np.sin(5 * time), 1 / (1 + np.exp(-logit))], axis=1)


def test_curves_that_nearly_vanish_still_tell_of_changes(response):
    small, large = curves_of(40, 1e-3), curves_of(40, 0.3)
    stranger = CurvePrior.of(response, NAMES, CURVES, bounded=True)
    expected = [stranger.of_person(curves, np.full((40, 3), 0.3)).mean(curves, 40)[:, 0] for curves in (small, large)]
    # The brow moves alike, whatever the detector's scale for this person is.
    np.testing.assert_allclose(expected[0], expected[1], atol=1e-9)
    assert np.ptp(expected[0]) > 0.35
    assert np.ptp(stranger.mean(small, 40)[:, 0]) < 0.01


def test_the_level_is_that_of_the_frames_which_were_fitted(response):
    curves, fitted = curves_of(30, 0.1), np.random.default_rng(0).uniform(size=(30, 3))
    person = CurvePrior.of(response, NAMES, CURVES, bounded=True).of_person(curves, fitted)
    np.testing.assert_allclose(person.mean(curves, 30)[:, :2].mean(axis=0), fitted[:, :2].mean(axis=0))


def test_a_mouth_is_told_as_a_strangers(response):
    curves = curves_of(30, 0.1)
    stranger = CurvePrior.of(response, NAMES, CURVES, bounded=True)
    person = stranger.of_person(curves, np.zeros((30, 3)))
    np.testing.assert_allclose(person.mean(curves, 30)[:, 2], stranger.mean(curves, 30)[:, 2])
    np.testing.assert_allclose(stranger.mean(curves, 30)[:, 2], 0.9 * curves[:, 0] - 0.02)
    assert person.precision[2, 2] == stranger.precision[2, 2] == pytest.approx(100)
    np.testing.assert_allclose(np.linalg.inv(person.precision[:2, :2]), [[0.04, 0.01], [0.01, 0.02]])
    assert not person.precision[2, :2].any()


def test_frames_without_curves_say_nothing_of_the_level(response):
    curves, fitted = curves_of(30, 0.1), np.random.default_rng(1).uniform(size=(30, 3))
    stranger = CurvePrior.of(response, NAMES, CURVES, bounded=True)
    person = stranger.of_person(curves, fitted)
    more = np.concatenate([curves, np.full((5, 3), np.nan)])
    same = stranger.of_person(more, np.concatenate([fitted, np.ones((5, 3))]))
    np.testing.assert_allclose(same.level, person.level)
    assert np.isfinite(same.mean(more, 35)).all()
    assert stranger.of_person(more[30:], np.ones((5, 3))) is stranger


def test_without_measured_changes_or_curves_a_person_is_a_stranger(response):
    curves = curves_of(10, 0.1)
    for given, names in ((replace(response, change_map=None), CURVES), (response, ())):
        stranger = CurvePrior.of(given, NAMES, names, bounded=True)
        assert stranger.of_person(curves, np.ones((10, 3))) is stranger


def test_features_are_finite_where_curves_are_0_or_1():
    features = curve_features(np.array([0.0, 0.5, 1.0]))
    np.testing.assert_array_equal(features[:3], [0, 0.5, 1])
    assert features[4] == 0
    assert features[3] == pytest.approx(-features[5])
    assert np.isfinite(features).all()
