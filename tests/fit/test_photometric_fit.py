"""A fit to colours as well: known heads under unknown light come back better, real photos are explained better."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from face3d.camera import choose_intrinsics
from face3d.errors import ArgumentError
from face3d.fit import FitOptions, Observation, fit_landmarks, fit_photometric, plain_response
from face3d.head import HeadModel, load_head
from face3d.media import Photo, read_image
from tests.fit.photographed_heads import photograph
from tests.fit.synthetic_views import face_error

REAL = ("biden.jpg", "obama.jpg", "single_face.jpg", "0-f1-su-ph.jpg", "45-m7-di-ph.jpg")


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head("open")


@pytest.fixture(scope="module")
def response(head):
    return plain_response(head, "mediapipe_478", sigma=0.01 * 0.063, measured=False)


def both_errors(head, response, seeds, change=lambda photo, rng: photo):
    """Face error by landmarks alone and with colours, metres, of heads whose photos were changed."""
    errors = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        seen = photograph(head, rng)
        photo = change(seen.photo.copy(), rng)
        plain = fit_landmarks(head, [seen.observation], response=response)
        refined = fit_photometric(head, [seen.observation], [photo], response=response)
        assert refined.residual_after <= refined.residual_before
        errors.append([face_error(head, fit.identity, seen.identity) for fit in (plain, refined.fit)])
    return np.array(errors).T


def test_colours_lower_the_error_of_unseen_heads_by_a_tenth(head, response):
    plain, refined = both_errors(head, response, range(8))
    assert refined.mean() < 0.9 * plain.mean(), (plain, refined)
    assert np.mean(refined < plain) >= 0.75


def test_a_hand_before_the_face_does_no_harm(head, response):
    def covered(photo, rng):
        height, width = photo.shape[:2]
        rows, columns = np.ogrid[:height, :width]
        centre = np.array([width, height]) * rng.uniform(0.42, 0.58, 2)
        disc = ((columns - centre[0]) / 55) ** 2 + ((rows - centre[1]) / 30) ** 2 < 1
        photo[disc] = rng.integers(20, 230, 3)
        return photo

    plain, refined = both_errors(head, response, range(20, 26), covered)
    assert refined.mean() < plain.mean(), (plain, refined)


def test_real_photos_are_explained_better(head, detector, package_photos):
    photos = [Photo.from_array(np.ascontiguousarray(astronaut()))]
    photos += [read_image(package_photos[name]) for name in REAL]
    for photo in photos:
        face = max(detector.detect(photo.pixels), key=lambda found: found.box[2] - found.box[0])
        fit = fit_photometric(head, [Observation(face, choose_intrinsics(photo))], [photo.pixels])
        assert fit.refined, photo.name
        assert fit.residual_after < fit.residual_before, photo.name
        assert fit.residual_after < 0.08, photo.name
        assert (fit.log_albedo < np.log(1.5)).all(), photo.name


def test_typed_distances_stay_exact(head, response):
    seen = photograph(head, np.random.default_rng(40))
    fit = fit_photometric(
        head, [seen.observation], [seen.photo], FitOptions(pupillary_distance=0.0655), response=response
    ).fit
    joints = head(identity=torch.as_tensor(fit.identity)[None]).joints[0].double().numpy()
    left, right = (joints[head.joint_names.index(name)] for name in ("left_eye", "right_eye"))
    assert np.linalg.norm(left - right) == pytest.approx(0.0655, abs=1e-6)


def test_the_light_comes_back(head, response):
    """Up to the skin's own brightness: where light comes from, by the ratio of its first order to its mean."""
    seen = photograph(head, np.random.default_rng(41), angle=5)
    light = fit_photometric(head, [seen.observation], [seen.photo], response=response).lights[0].mean(axis=1)
    true = seen.light.mean(axis=1)
    found, expected = light[1:4] / light[0], true[1:4] / true[0]
    assert found @ expected / np.linalg.norm(found) / np.linalg.norm(expected) > 0.9


@pytest.mark.parametrize("level", [0, 255])
def test_photos_without_any_colour_keep_the_landmark_fit_usable(head, response, level):
    seen = photograph(head, np.random.default_rng(42))
    blank = np.full_like(seen.photo, level)
    fit = fit_photometric(head, [seen.observation], [blank], response=response).fit
    plain = fit_landmarks(head, [seen.observation], response=response)
    assert np.isfinite(fit.identity).all()
    assert face_error(head, fit.identity, seen.identity) < 1.5 * face_error(head, plain.identity, seen.identity)


def test_two_photos_share_one_head(head, response):
    rng = np.random.default_rng(43)
    one = photograph(head, rng)
    fit = fit_photometric(head, [one.observation] * 2, [one.photo] * 2, response=response)
    assert fit.lights.shape == (2, 9, 3)
    assert fit.fit.expression.shape[0] == 2
    np.testing.assert_allclose(fit.lights[0], fit.lights[1], rtol=1e-3, atol=1e-3)


def test_unusable_photos_are_named(head, response):
    seen = photograph(head, np.random.default_rng(44))
    with pytest.raises(ArgumentError, match="as many photos"):
        fit_photometric(head, [seen.observation], [], response=response)
    with pytest.raises(ArgumentError, match="uint8"):
        fit_photometric(head, [seen.observation], [seen.photo.astype(float)], response=response)
    with pytest.raises(ArgumentError, match="uint8"):
        fit_photometric(head, [seen.observation], [seen.photo[:-1]], response=response)
