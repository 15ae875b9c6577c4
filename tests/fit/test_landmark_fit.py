"""Known heads, seen by a perfect detector, must come back."""

import numpy as np
import pytest

from face3d.errors import ArgumentError, InputError
from face3d.fit import FitOptions, fit_landmarks, plain_response
from face3d.head import HeadModel, load_head
from tests.fit.synthetic_views import draw_identity, face_error, observe

EXACT_SIGMA = 5e-5
"""Metres; what a detector's noise amounts to when there is none."""

THOROUGH = FitOptions(use_iris=False, identity_components=1000, max_iterations=60, tolerance=1e-6)
"""Nothing is left out for speed."""


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head("open")


@pytest.fixture(scope="module")
def exact(head):
    return plain_response(head, "mediapipe_478", sigma=EXACT_SIGMA, measured=False, independent=478)


def test_exact_landmarks_give_the_face_back(head, exact):
    """Unseen draws, pose within 40 degrees, 24 to 85 mm: face vertices within 0.8 mm RMS up to scale."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(12):
        identity = draw_identity(head, rng)
        fit = fit_landmarks(head, [observe(head, identity, rng)], THOROUGH, response=exact)
        errors.append(face_error(head, fit.identity, identity))
    assert np.median(errors) < 0.8e-3, errors
    assert max(errors) < 1.3e-3, errors


def test_noisy_landmarks_beat_the_mean_head(head):
    """Noise of 1 % of the interocular distance on every landmark: at most 1.8 mm, clearly better than the mean head."""
    rng = np.random.default_rng(1)
    response = plain_response(head, "mediapipe_478", sigma=0.01 * 0.063, measured=False, independent=478)
    errors, mean_head = [], []
    for _ in range(12):
        identity = draw_identity(head, rng)
        observation = observe(head, identity, rng, noise=0.01)
        fit = fit_landmarks(head, [observation], THOROUGH, response=response)
        errors.append(face_error(head, fit.identity, identity))
        mean_head.append(face_error(head, 0 * identity, identity))
    assert np.median(errors) < 1.8e-3
    assert np.median(errors) < 0.7 * np.median(mean_head)


def test_three_photos_are_better_than_one(head):
    rng = np.random.default_rng(2)
    response = plain_response(head, "mediapipe_478", sigma=0.01 * 0.063, measured=False, independent=478)
    one, three = [], []
    for _ in range(6):
        identity = draw_identity(head, rng)
        photos = [observe(head, identity, rng, noise=0.01) for _ in range(3)]
        one.append(face_error(head, fit_landmarks(head, photos[:1], response=response).identity, identity))
        three.append(face_error(head, fit_landmarks(head, photos, response=response).identity, identity))
    assert np.median(three) < np.median(one)


def test_pose_and_expression_come_back(head, exact):
    rng = np.random.default_rng(3)
    identity = draw_identity(head, rng)
    expression = np.zeros(len(head.expression_names))
    names = list(head.expression_names)
    expression[names.index("jawOpen")] = 0.6
    expression[names.index("mouthSmileLeft")] = 0.5
    eyes = np.tile([0.1, 0.25, 0.0], 2)
    observation = observe(head, identity, rng, expression=expression, eyes=eyes, angle=15)
    fit = fit_landmarks(head, [observation], THOROUGH, response=exact)
    assert fit.expression.min() >= 0
    assert fit.expression.max() <= 1
    assert fit.expression[0, names.index("jawOpen")] == pytest.approx(0.6, abs=0.1)
    assert fit.expression[0, names.index("mouthSmileLeft")] == pytest.approx(0.5, abs=0.15)
    np.testing.assert_allclose(fit.eyes[0], eyes, atol=0.03)


def test_an_unknown_focal_length_costs_little(head, exact):
    """Distance and lens nearly cancel: the face must still come out far better than the mean head."""
    rng = np.random.default_rng(4)
    errors, mean_head = [], []
    for _ in range(6):
        identity = draw_identity(head, rng)
        observation = observe(head, identity, rng, known_focal=False)
        fit = fit_landmarks(head, [observation], THOROUGH, response=exact)
        errors.append(face_error(head, fit.identity, identity))
        mean_head.append(face_error(head, 0 * identity, identity))
    assert np.median(errors) < 1.8e-3
    assert np.median(errors) < 0.6 * np.median(mean_head)


@pytest.mark.parametrize("distance", [0.055, 0.0625, 0.071])
def test_a_typed_pupillary_distance_comes_back_exactly(head, exact, distance):
    rng = np.random.default_rng(5)
    observation = observe(head, draw_identity(head, rng), rng)
    fit = fit_landmarks(head, [observation], FitOptions(pupillary_distance=distance), response=exact)
    vertices = head.template.double().numpy() + np.tensordot(fit.identity, head.identity_basis.double().numpy(), axes=1)
    joints = head.joint_regressor.double().numpy() @ vertices
    eyes = [joints[list(head.joint_names).index(name)] for name in ("left_eye", "right_eye")]
    assert np.linalg.norm(eyes[0] - eyes[1]) == pytest.approx(distance, abs=1e-6)
    assert [source.name for source in fit.scale.sources] == ["identity", "pupillary_distance"]
    assert fit.scale.sigma < 1e-4


def test_the_iris_takes_part_in_the_scale_and_says_so(head, exact):
    rng = np.random.default_rng(6)
    observation = observe(head, draw_identity(head, rng), rng, angle=5)
    scale = fit_landmarks(head, [observation], response=exact).scale
    assert [source.name for source in scale.sources] == ["identity", "iris"]
    assert scale.sigma < min(source.sigma for source in scale.sources)


def test_the_posterior_knows_its_own_error(head, exact):
    """Errors of the identity, in units of their own standard deviation, must be of order one."""
    rng = np.random.default_rng(7)
    response = plain_response(head, "mediapipe_478", sigma=0.01 * 0.063, measured=False, independent=478)
    ratios = []
    for _ in range(6):
        identity = draw_identity(head, rng)
        observation = observe(head, identity, rng, noise=0.01)
        fit = fit_landmarks(head, [observation], FitOptions(use_iris=False), response=response)
        ratios.append((fit.identity - identity) / np.sqrt(np.diag(fit.identity_covariance)))
    assert 0.7 < np.std(ratios) < 1.3


def test_landmarks_of_no_face_are_refused(head, exact):
    observation = observe(head, np.zeros(head.identity_size), np.random.default_rng(8))
    points = observation.landmarks.points
    for broken in (np.full_like(points, np.nan), np.full_like(points, 7.0)):
        points[:] = broken
        with pytest.raises(InputError):
            fit_landmarks(head, [observation], response=exact)


def test_no_photo_is_no_fit(head):
    with pytest.raises(ArgumentError):
        fit_landmarks(head, [])
