"""SPECTRE's landmark losses: golden values and gradients."""

from __future__ import annotations

import pytest
import torch

from face3d.errors import ArgumentError
from face3d.expression import landmark_loss, lip_landmark_loss, relative_landmark_loss
from face3d.expression.landmark_losses import RELATIVE_PAIRS, landmark_weights
from tests.head.golden import golden, largest_error

GOLDEN = {name: torch.from_numpy(value) for name, value in golden("spectre/landmark_losses").items()}


def test_values_are_the_golden_ones():
    predicted, target = GOLDEN["pred"], GOLDEN["gt"]
    some = GOLDEN["gt_visibility_some"]
    values = {
        "weighted_landmark_loss": landmark_loss(predicted, target, GOLDEN["gt_visibility_all"]),
        "weighted_landmark_loss_some_invisible": landmark_loss(predicted, target, some),
        "unweighted_landmark_loss": landmark_loss(predicted, target, weights=torch.ones(68)),
        "relative_landmark_loss": relative_landmark_loss(predicted, target),
        "lip_landmarks_mse": lip_landmark_loss(predicted, target),
        "loss_frames_2_to_Tm3_weighted": landmark_loss(predicted[2:-2], target[2:-2]),
        "loss_frames_2_to_Tm3_relative": relative_landmark_loss(predicted[2:-2], target[2:-2]),
    }
    for name, value in values.items():
        assert abs(float(value - GOLDEN[name])) < 1e-12, name
    single = landmark_loss(predicted.float(), target.float())
    assert abs(float(single - GOLDEN["weighted_landmark_loss"])) < 1e-6


def test_gradients_are_the_golden_ones():
    for loss, name in ((landmark_loss, "grad_pred_weighted"), (relative_landmark_loss, "grad_pred_relative")):
        predicted = GOLDEN["pred"].clone().requires_grad_()
        loss(predicted, GOLDEN["gt"]).backward()
        assert largest_error(predicted.grad, GOLDEN[name].numpy()) < 1e-12


def test_constants_are_spectres():
    assert torch.equal(landmark_weights(), GOLDEN["point_weights"])
    assert torch.equal(torch.tensor(RELATIVE_PAIRS), GOLDEN["relative_pairs"])


def test_points_that_lie_on_each_other_have_finite_gradients():
    predicted = torch.zeros(2, 68, 2, requires_grad=True)
    relative_landmark_loss(predicted, torch.rand(2, 68, 2)).backward()
    assert torch.isfinite(predicted.grad).all()


def test_nothing_visible_costs_nothing():
    assert landmark_loss(torch.ones(2, 68, 2), torch.zeros(2, 68, 2), torch.zeros(2, 68)) == 0


@pytest.mark.parametrize("loss", [landmark_loss, relative_landmark_loss, lip_landmark_loss])
def test_shapes_that_merely_broadcast_are_refused(loss):
    with pytest.raises(ArgumentError, match=r"two of \(..., 68, 2\)"):
        loss(torch.zeros(4, 68, 2), torch.zeros(68, 2))
