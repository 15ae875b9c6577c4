from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import CorruptAssetError
from face3d.identity.regressor import (
    ShapeBelief,
    ShapeRegressor,
    ShapeSize,
    negative_log_likelihood,
    read_regressor,
    regressor_file,
)

SIZE = ShapeSize(features=12, components=5, width=16, directions=4)


@pytest.fixture(scope="module")
def faces():
    """Features that tell the identity up to correlated errors."""
    rng = np.random.default_rng(0)
    identity = rng.normal(size=(4000, 5))
    mix = rng.normal(size=(5, 12))
    features = identity @ mix + rng.normal(size=(4000, 12)) @ rng.normal(size=(12, 12)) * 0.4 + 3.0
    return features.astype(np.float32), identity.astype(np.float32)


@pytest.fixture(scope="module")
def network(faces):
    torch.manual_seed(0)
    network = ShapeRegressor(SIZE)
    network.look(*faces)
    return network.eval().requires_grad_(False)


def test_the_likelihood_is_that_of_independent_gaussians():
    rng = torch.Generator().manual_seed(0)
    mean, log_variance, truth = (torch.randn(7, 5, generator=rng, dtype=torch.float64) for _ in range(3))
    normal = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    torch.testing.assert_close(
        negative_log_likelihood(mean, log_variance, truth), -normal.log_prob(truth).mean(dim=1), rtol=1e-12, atol=1e-12
    )


def test_errors_of_a_linear_regression_are_uncorrelated_along_the_axes(faces, network):
    features, identity = (np.asarray(part, np.float64) for part in faces)
    axes = network.axes.double().numpy()
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-5)
    known = np.column_stack([features, np.ones(len(features))])
    left = identity - known @ np.linalg.lstsq(known, identity, rcond=None)[0]
    covariance = np.cov((left @ axes.T).T)
    off_diagonal = np.abs(covariance - np.diag(np.diag(covariance))).max()
    assert off_diagonal < 0.02 * np.diag(covariance).max()


def test_what_training_showed_is_not_new_and_what_lies_far_off_is(faces, network):
    features = torch.from_numpy(faces[0])
    assert float(network.novelty(features).mean()) == pytest.approx(1.0, abs=0.02)
    centre = features.mean(dim=0, keepdim=True)
    assert float(network.novelty(centre)) < 0.01
    assert float(network.novelty(centre + 3 * (features[:1] - centre))) == pytest.approx(
        9 * float(network.novelty(features[:1])), rel=1e-2
    )


def test_a_photo_gives_the_posterior_that_the_network_states(faces, network):
    belief = ShapeBelief(network, 1, 1.0, {})
    near = _calmest(faces, network)
    told = belief.foretell(near[None])
    mean, log_variance = (part[0].double().numpy() for part in network(torch.from_numpy(near[None])))
    axes = network.axes.double().numpy()
    np.testing.assert_allclose(told.mean, axes.T @ mean, atol=1e-5)
    np.testing.assert_allclose(np.linalg.inv(told.precision), axes.T @ np.diag(np.exp(log_variance)) @ axes, atol=1e-5)


def test_without_trust_or_far_from_training_only_the_population_is_left(faces, network):
    near = _calmest(faces, network)
    silent = ShapeBelief(network, 1, 0.0, {}).foretell(near[None])
    np.testing.assert_allclose(silent.mean, 0, atol=1e-12)
    np.testing.assert_allclose(silent.precision, np.eye(5), atol=1e-12)
    belief = ShapeBelief(network, 1, 1.0, {})
    for far in (10.0, 100.0, 1000.0):
        there = (faces[0].mean(axis=0) + far * (faces[0][0] - faces[0].mean(axis=0)))[None]
        told = belief.foretell(there)
        novelty = float(network.novelty(torch.from_numpy(there)))
        most = 1 + (math.exp(5) - 1) / novelty
        assert np.linalg.eigvalsh(told.precision).max() <= most * (1 + 1e-4)
    assert np.trace(np.linalg.inv(told.precision)) > 4.99


@settings(max_examples=20, deadline=None)
@given(copies=st.integers(1, 6), row=st.integers(0, 3999))
def test_the_same_photo_again_says_nothing_new(faces, network, copies, row):
    belief = ShapeBelief(network, 1, 1.0, {})
    once, often = belief.foretell(faces[0][row][None]), belief.foretell(np.tile(faces[0][row], (copies, 1)))
    np.testing.assert_allclose(often.mean, once.mean, atol=1e-5)
    np.testing.assert_allclose(often.precision, once.precision, rtol=1e-5, atol=1e-5)


def test_noise_and_dropout_are_for_training_alone(faces):
    network = ShapeRegressor(SIZE, dropout=0.5, noise=0.5)
    rows = torch.from_numpy(faces[0][:8])
    assert not torch.equal(network(rows)[0], network(rows)[0])
    network.eval()
    assert torch.equal(network(rows)[0], network(rows)[0])


def test_a_file_gives_the_regressor_back(network, faces, tmp_path):
    path = tmp_path / "regressor.npz"
    path.write_bytes(regressor_file(ShapeBelief(network, 1234567890, 0.25, {"licence": "CC0-1.0", "faces": 3})))
    back = read_regressor(path)
    assert (back.fingerprint, back.trust, back.card) == (1234567890, 0.25, {"licence": "CC0-1.0", "faces": 3})
    rows = torch.from_numpy(faces[0][:16])
    for here, there in zip(back.network(rows), network(rows), strict=True):
        # Weights are stored in half precision.
        torch.testing.assert_close(here, there, rtol=5e-3, atol=5e-3)
    assert not any(parameter.requires_grad for parameter in back.network.parameters())


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "other"])
def test_another_file_is_one_line_that_names_it(network, tmp_path, damage):
    path = tmp_path / "regressor.npz"
    content = regressor_file(ShapeBelief(network, 1, 1.0, {}))
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_text("not a network")
    elif damage == "other":
        np.savez(path, features=np.zeros(3))
    with pytest.raises(CorruptAssetError, match="regressor.npz") as error:
        read_regressor(path)
    assert "\n" not in str(error.value)


def test_variances_are_never_beyond_the_population(network, faces):
    _, log_variance = network(torch.from_numpy(faces[0] * 100))
    assert float(log_variance.max()) <= 0.0
    assert math.isfinite(float(log_variance.min()))


def _calmest(faces, network):
    """Features that are not new at all, so that nothing is taken off what the network states."""
    novelty = network.novelty(torch.from_numpy(faces[0]))
    return faces[0][int(novelty.argmin())]
