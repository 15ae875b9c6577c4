"""face3d's own regressor: it finds a known relation, and is as sure as it may be."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from face3d.errors import ArgumentError
from face3d.identity.regressor import ShapeRegressor, ShapeSize
from face3d.train.loop import train
from face3d.train.options import RunOptions
from face3d.train.regressor_task import RegressorTask

NOISE = np.array([0.1, 0.5, 1.0])
"""Standard deviations of the identity about what features tell, one per coefficient."""


def write_features(path, count=600):
    """Identities that are linear in features but for noise; every fifth face is held out."""
    random = np.random.default_rng(0)
    features = random.standard_normal((count, 6)).astype(np.float32)
    identity = features @ random.standard_normal((6, 3)) + NOISE * random.standard_normal((count, 3))
    split = (np.arange(count) % 5 == 0).astype(np.uint8)
    np.savez(path, features=features, identity=identity.astype(np.float32), split=split)
    return path


def test_a_known_relation_is_found_with_its_uncertainty(tmp_path):
    task = RegressorTask(
        write_features(tmp_path / "features.npz", 4000), width=8, noise=0.0, dropout=0.0, learning_rate=0.02
    )
    result = train(task, RunOptions(out=tmp_path / "run", batch_size=64, epochs=25))
    truth = np.mean(0.5 * np.log(2 * math.pi * math.e * NOISE**2))
    assert result.best == pytest.approx(truth, abs=0.05)
    weights = torch.load(result.file, weights_only=True)
    assert (weights["size"]["features"], weights["size"]["components"], weights["step"]) == (6, 3, result.steps)
    network = ShapeRegressor(ShapeSize(**weights["size"]))
    network.load_state_dict(weights["network"])
    _, log_variance = network.eval()(torch.zeros(1, 6))
    # The axes of what features leave unexplained are those of the noise, smallest first.
    np.testing.assert_allclose(torch.exp(0.5 * log_variance[0]).detach(), NOISE, rtol=0.1)


def test_the_learning_rate_falls_to_nothing_and_the_length_is_part_of_the_run(tmp_path):
    task = RegressorTask(write_features(tmp_path / "features.npz"), width=8)
    training = task.open()
    schedule = training.schedule(10)
    rates = []
    for _ in range(10):
        rates.append(training.optimizer.param_groups[0]["lr"])
        training.optimizer.step()
        schedule.step()
    assert max(rates) <= 2e-3
    assert rates[-1] < 0.05 * max(rates)
    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)
    assert training.settings["steps"] == 10
    assert training.settings["width"] == 8
    assert (len(training.samples), len(training.held_out)) == (480, 120)


@pytest.mark.parametrize(
    "option", [{"width": 0}, {"components": 0}, {"noise": -1.0}, {"dropout": 1.0}, {"learning_rate": 0.0}]
)
def test_options_out_of_range(tmp_path, option):
    with pytest.raises(ArgumentError, match="--width"):
        RegressorTask(tmp_path, **option).open()
