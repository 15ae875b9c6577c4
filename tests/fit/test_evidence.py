"""The detector's measured response: its file, its interpolation, and which head gets which."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from face3d import assets
from face3d.errors import ArgumentError, AssetError
from face3d.fit.evidence import load_response, plain_response, save_response
from face3d.fit.responses import identity_fingerprint, response_of
from face3d.head import load_head


@pytest.fixture(scope="module")
def head():
    return load_head("open")


@pytest.fixture(scope="module")
def shipped():
    return load_response(assets.open_head_path().with_name("mediapipe_response.npz"))


def test_the_shipped_response_belongs_to_the_shipped_head(head, shipped):
    assert response_of(head, "mediapipe_478").fingerprint == identity_fingerprint(head)
    surface = head.point_sets["mediapipe_478"].triangles.numpy()
    np.testing.assert_array_equal(surface[shipped.indices], shipped.triangles)


def test_a_response_survives_its_file(shipped, tmp_path):
    (tmp_path / "r.npz").write_bytes(save_response(shipped))
    again = load_response(tmp_path / "r.npz")
    for field in dataclasses.fields(shipped):
        np.testing.assert_allclose(getattr(again, field.name), getattr(shipped, field.name), atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_a_broken_response_is_named(content, tmp_path):
    path = tmp_path / "broken.npz"
    if content is None:
        np.savez(path, something=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(AssetError, match=r"broken\.npz"):
        load_response(path)


def test_noise_is_linear_between_the_measured_views(shipped):
    low, high = shipped.yaw_bins[1:3]
    between = shipped.sigma_at((low + high) / 2)
    np.testing.assert_allclose(between, (shipped.sigma[1] + shipped.sigma[2]) / 2)
    np.testing.assert_allclose(shipped.sigma_at(-3.0), shipped.sigma[0])
    np.testing.assert_allclose(shipped.sigma_at(3.0), shipped.sigma[-1])


def test_another_identity_basis_does_not_get_the_measured_response(head):
    other = dataclasses.replace(head.arrays(), identity_basis=head.arrays().identity_basis[:20])
    model = type(head)(other)
    response = response_of(model, "mediapipe_478")
    assert response.fingerprint == 0
    assert len(response.indices) == 478


def test_a_flame_like_head_is_fitted_by_the_51_inner_points(head):
    arrays = head.arrays()
    sets = {name: points for name, points in arrays.point_sets.items() if name in ("ibug_68", "now_7")}
    model = type(head)(dataclasses.replace(arrays, name="flame", point_sets=sets))
    response = response_of(model, "mediapipe_478")
    assert len(response.indices) == 51
    assert response.indices[30 - 17] == 4
    np.testing.assert_array_equal(response.triangles, sets["ibug_68"].triangles[17:])


def test_a_head_without_landmarks_says_what_to_do(head):
    model = type(head)(dataclasses.replace(head.arrays(), point_sets={}))
    with pytest.raises(ArgumentError, match="landmark embedding"):
        response_of(model, "mediapipe_478")


def test_dense_sets_count_as_few_independent_landmarks(head):
    plain = plain_response(head, "mediapipe_478", sigma=0.001, measured=False)
    assert plain.sigma[0, 0, 0] == pytest.approx(0.001 * (478 / 60) ** 0.5)
    assert np.isinf(plain.sigma[0, :, 2]).all()


def test_curves_without_a_map_leave_the_prior_alone(head):
    model = SimpleNamespace(expression_names=head.expression_names)
    plain = plain_response(head, "mediapipe_478")
    mean, sigma = plain.expression_prior(model, {"jawOpen": 1.0})
    assert not mean.any()
    assert torch.as_tensor(sigma).shape == (52,)


def test_the_map_follows_the_detectors_curves(head, shipped):
    names = list(head.expression_names)
    still = dict.fromkeys(names, 0.0)
    mean, _ = shipped.expression_prior(head, still)
    opened, _ = shipped.expression_prior(head, {**still, "jawOpen": 0.6})
    assert opened[names.index("jawOpen")] > mean[names.index("jawOpen")] + 0.3


@pytest.mark.parametrize("shape", ["browDownLeft", "browInnerUp", "eyeBlinkRight", "jawOpen"])
def test_one_persons_expression_follows_the_detectors_curves(head, shipped, shape):
    column = list(head.expression_names).index(shape)
    own = shipped.change_map[column].reshape(2, 52)
    assert own[0, column] > 0.3
    assert own[0].argmax() == column
    spread = np.sqrt(np.diag(shipped.change_covariance))
    assert (spread >= 0.03 - 1e-6).all()
    assert (spread < 0.3).all()
    np.testing.assert_allclose(shipped.change_covariance, shipped.change_covariance.T, atol=1e-7)
    assert np.linalg.eigvalsh(shipped.change_covariance).min() > 0
