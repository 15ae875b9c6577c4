"""SPECTRE's losses over a clip: none on a perfect rendering, ends do not count, gradients lead downhill."""

from __future__ import annotations

import pytest
import torch

from face3d.expression import VisualFrontEnd, split_codes
from face3d.expression.spectre import ClipEstimate
from face3d.head import load_head
from face3d.render.topology import mesh_topology
from face3d.train.spectre_losses import Judges, LossWeights, clip_losses, posed_head, render_faces, seen_points
from tests.expression.checkpoints import front_end_weights
from tests.head.golden import FLAME
from tests.train.small_spectre import LIGHT, frontal_camera

TERMS = LossWeights(lip_landmark=1.0, emotion=0.0)
FRAMES = 7


@pytest.fixture(scope="module")
def judges():
    lips = VisualFrontEnd("swish")
    lips.load_state_dict(front_end_weights("swish"), strict=False)
    head = load_head(FLAME)
    return Judges(head, lips.eval().requires_grad_(False), None, mesh_topology(head.triangles))


def estimate_of(head, residual=None) -> ClipEstimate:
    code = torch.zeros(FRAMES, 236)
    code[:, 150:200] = torch.randn(FRAMES, 50, generator=torch.Generator().manual_seed(0))
    code[:, 203] = torch.linspace(0.0, 0.3, FRAMES)
    code[:, 206:209] = frontal_camera(head)
    code[:, 209:] = LIGHT.flatten()
    return ClipEstimate(split_codes(code), torch.zeros(FRAMES, 53) if residual is None else residual)


@pytest.fixture(scope="module")
def truth(judges):
    """Images and landmarks that the estimate without residuals explains."""
    estimate = estimate_of(judges.head)
    geometry = posed_head(judges.head, estimate)
    points = seen_points(judges.head, geometry, estimate.coarse)
    return render_faces(judges, geometry, estimate.coarse), points


def test_a_perfect_rendering_has_no_loss(judges, truth):
    terms = clip_losses(judges, TERMS, estimate_of(judges.head), *truth)
    assert set(terms) == {"loss", "landmark", "relative_landmark", "lip_landmark", "lipread", "expression", "jaw"}
    assert all(abs(float(value)) < 1e-5 for value in terms.values())


def test_the_first_and_last_two_frames_count_nowhere_but_in_the_networks_view(judges, truth):
    images, points = truth
    moved = points.clone()
    moved[[0, 1, -2, -1]] += 0.1
    residual = torch.zeros(FRAMES, 53)
    residual[[0, 1, -2, -1]] = 0.5
    terms = clip_losses(judges, TERMS, estimate_of(judges.head, residual), images, moved)
    for name in ("landmark", "relative_landmark", "lip_landmark", "expression", "jaw"):
        assert abs(float(terms[name])) < 1e-6, name


def test_every_term_counts_by_its_weight(judges, truth):
    residual = 0.2 * torch.randn(FRAMES, 53, generator=torch.Generator().manual_seed(1))
    estimate = estimate_of(judges.head, residual)
    terms = clip_losses(judges, TERMS, estimate, *truth)
    inner = slice(2, -2)
    assert terms["jaw"].item() == pytest.approx(residual[inner, 50:].square().mean().item() / 2, rel=1e-5)
    expected = 1e-3 * residual[inner, :50].square().sum(dim=-1).mean().item() / 2
    assert terms["expression"].item() == pytest.approx(expected, rel=1e-4)
    alone = clip_losses(judges, LossWeights(0, 0, 0, 3.0, 0, 0, 0), estimate, *truth)
    assert set(alone) == {"loss", "lipread"}
    assert alone["loss"].item() == pytest.approx(3 * terms["lipread"].item(), rel=1e-5)


@pytest.mark.parametrize("contours", [True, False])
def test_the_lip_reading_loss_has_the_derivative_of_its_differences(judges, truth, contours):
    """Along the gradient, pixels that change hands apart: it says which way the loss falls."""
    seen_by = Judges(judges.head, judges.lips, None, judges.topology if contours else None)
    weights = LossWeights(0, 0, 0, 1.0, 0, 0, 0)
    residual = torch.zeros(FRAMES, 53)
    residual[:, 50] = 0.15
    residual.requires_grad_()
    loss = clip_losses(seen_by, weights, estimate_of(judges.head, residual), *truth)["loss"]
    loss.backward()
    direction = residual.grad / residual.grad.norm()
    assert torch.isfinite(direction).all()
    with torch.no_grad():
        down = clip_losses(seen_by, weights, estimate_of(judges.head, residual - 0.05 * direction), *truth)["loss"]
    assert down < loss


def test_heads_that_are_no_numbers_give_a_loss_that_is_none(judges, truth):
    residual = torch.full((FRAMES, 53), torch.nan)
    terms = clip_losses(judges, TERMS, estimate_of(judges.head, residual), *truth)
    assert set(terms) == set(clip_losses(judges, TERMS, estimate_of(judges.head), *truth))
    assert all(bool(value.isnan()) for value in terms.values())


def test_a_mouth_beyond_the_crop_is_no_error(judges, truth):
    estimate = estimate_of(judges.head)
    estimate.coarse.camera[:, 1] += 1.0
    terms = clip_losses(judges, TERMS, estimate, *truth)
    assert all(bool(value.isfinite()) for value in terms.values())
