"""Fits whose identity comes from elsewhere: held exactly, or tied as firmly as its certainty says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage import data

from face3d.camera import intrinsics_prior
from face3d.fit import (
    FitOptions,
    KnownIdentity,
    Observation,
    fit_landmarks,
    fit_photometric,
    plain_response,
)
from face3d.fit.scale import HeadSize
from face3d.head import load_head
from tests.fit.synthetic_views import draw_identity, observe, observe_posed


@pytest.fixture(scope="module")
def head():
    return load_head("open")


@pytest.fixture(scope="module")
def response(head):
    return plain_response(head, "mediapipe_478", sigma=0.005 * 0.063, measured=False, independent=478)


def known(identity, weight=math.inf, sigma=0.03):
    return FitOptions(known_identity=KnownIdentity("network", identity, sigma, weight))


def eye_distance(head, identity):
    vertices = head.template.double().numpy() + np.tensordot(identity, head.identity_basis.double().numpy(), axes=1)
    joints = head.joint_regressor.double().numpy() @ vertices
    left, right = (joints[list(head.joint_names).index(name)] for name in ("left_eye", "right_eye"))
    return np.linalg.norm(left - right)


def test_a_held_identity_stays_and_the_pose_is_found(head, response):
    rng = np.random.default_rng(1)
    identity = draw_identity(head, rng)
    observation, pose = observe_posed(head, identity, rng)
    fit = fit_landmarks(head, [observation], known(identity), response=response)
    np.testing.assert_array_equal(fit.identity, identity)
    assert np.abs(fit.camera_from_head[0, :3, :3] - pose[:3, :3]).max() < 0.01
    # True size is known, and so the distance is, which landmarks alone leave open.
    assert fit.camera_from_head[0, 2, 3] == pytest.approx(pose[2, 3], rel=0.005)


def test_landmarks_and_irises_have_no_say_in_a_held_identity(head, response):
    rng = np.random.default_rng(2)
    observation = observe(head, draw_identity(head, rng), rng)
    other = draw_identity(head, rng)
    fit = fit_landmarks(head, [observation], known(other), response=response)
    np.testing.assert_array_equal(fit.identity, other)
    assert [source.name for source in fit.scale.sources] == ["network"]
    assert fit.scale.sigma == 0.03
    log_ratio, gradient = HeadSize(head).log_ratio(other)
    assert fit.scale.value == pytest.approx(math.exp(log_ratio))
    assert math.sqrt(gradient @ fit.identity_covariance @ gradient) == pytest.approx(0.03, rel=1e-6)


def test_a_typed_distance_changes_a_held_identity_as_little_as_it_can(head, response):
    rng = np.random.default_rng(3)
    identity = draw_identity(head, rng)
    observation = observe(head, identity, rng)
    wanted = 1.03 * eye_distance(head, identity)
    options = FitOptions(known_identity=KnownIdentity("network", identity, 0.03), pupillary_distance=wanted)
    fit = fit_landmarks(head, [observation], options, response=response)
    plain = fit_landmarks(head, [observation], known(identity), response=response)
    assert eye_distance(head, fit.identity) == pytest.approx(wanted, abs=1e-7)
    assert 0 < np.linalg.norm(fit.identity - identity) < 0.4 * np.linalg.norm(identity)
    assert [source.name for source in fit.scale.sources] == ["network", "pupillary_distance"]
    assert fit.scale.sigma < 1e-4
    # The pose follows: a head with wider eyes stands farther away for the same photo.
    assert fit.camera_from_head[0, 2, 3] > 1.005 * plain.camera_from_head[0, 2, 3]
    slope = np.zeros(head.identity_size)
    for index in range(head.identity_size):
        step = np.zeros(head.identity_size)
        step[index] = 1e-4
        slope[index] = (eye_distance(head, fit.identity + step) - eye_distance(head, fit.identity - step)) / 2e-4
    assert math.sqrt(slope @ fit.identity_covariance @ slope) < 2e-4


def test_the_weight_says_how_far_landmarks_may_move_the_identity(head, response):
    rng = np.random.default_rng(4)
    truth, foretold = draw_identity(head, rng), draw_identity(head, rng)
    observation = observe(head, truth, rng)
    gaps = []
    for weight in (0.3, 1, 30, 1e4, 1e8):
        fit = fit_landmarks(head, [observation], known(foretold, weight), response=response)
        gaps.append(np.linalg.norm(fit.identity - foretold))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-3
    assert gaps[0] > 1
    assert {source.name for source in fit.scale.sources} == {"identity", "iris"}


def test_a_good_word_on_the_identity_helps(head, response):
    """With an identity from elsewhere that errs little, the fit errs less than by landmarks alone."""
    alone, together = [], []
    for seed in range(4):
        rng = np.random.default_rng(10 + seed)
        truth = draw_identity(head, rng)
        observation = observe(head, truth, rng, noise=0.01)
        foretold = truth + 0.4 * draw_identity(head, rng)
        for errors, options in ((alone, FitOptions()), (together, known(foretold, weight=1))):
            errors.append(
                np.linalg.norm(fit_landmarks(head, [observation], options, response=response).identity - truth)
            )
    assert np.mean(together) < 0.7 * np.mean(alone)


def test_colours_do_not_change_a_held_identity_either(head, detector):
    photo = np.ascontiguousarray(data.astronaut())
    observations = [Observation(detector.detect(photo)[0], intrinsics_prior((512, 512)))]
    identity = 0.3 * draw_identity(head, np.random.default_rng(5))
    refined = fit_photometric(head, observations, [photo], known(identity)).fit
    np.testing.assert_array_equal(refined.identity, identity)
    assert [source.name for source in refined.scale.sources] == ["network"]
