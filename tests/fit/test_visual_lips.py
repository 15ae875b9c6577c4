"""A mouth that is moved until a network sees the film in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from face3d.expression import VisualFrontEnd
from face3d.expression.mouth_crops import DEVIATION, LUMA, MEAN
from face3d.fit import visual_lips
from face3d.fit.visual_lips import MouthClip, VisualLips
from face3d.head import HeadModel, load_head
from tests.expression.checkpoints import front_end_weights
from tests.expression.glance import Glance
from tests.fit.flame_heads import flame_like
from tests.tracking.given_faces import INTRINSICS, POSE, landmarks_of, skin_of

FRAMES = 4
WINDOW = np.array([[0.8, 0.0, -20.0], [0.0, 0.8, -38.0], [0.0, 0.0, 1.0]])
"""From the picture to 88 pixels around the mouth."""


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """Enough to see where it goes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visual_lips, "STEPS", 5)
        yield


@pytest.fixture(scope="module")
def front_end() -> VisualFrontEnd:
    """The network, with the recipe's weights."""
    network = VisualFrontEnd("swish")
    network.load_state_dict(front_end_weights("swish"), strict=False)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def lips_of(model: HeadModel, front_end: nn.Module) -> VisualLips:
    greys = (skin_of(model) @ torch.tensor(LUMA)).sqrt().numpy()
    return VisualLips(
        model,
        np.zeros(model.identity_size),
        INTRINSICS,
        front_end,
        greys=greys,
        hollow=0.05,
        topology="mediapipe_478",
    )


def talking(model: HeadModel, phase: float = 0.0) -> np.ndarray:
    expression = np.zeros((FRAMES, model.expression_size))
    names = list(load_head().expression_names)
    expression[:, names.index("jawOpen")] = 0.25 + 0.2 * np.sin(phase + np.arange(FRAMES))
    expression[:, names.index("mouthPucker")] = 0.2
    return expression


def mouth_clip(lips: VisualLips, model: HeadModel, film: np.ndarray, fitted: np.ndarray) -> MouthClip:
    """The film is what the same renderer shows of one expression; what was fitted is another."""
    count = len(film)
    clip = MouthClip(
        filmed=torch.zeros(count, 88, 88),
        window_from_image=np.tile(WINDOW, (count, 1, 1)),
        points=landmarks_of(model, fitted)[..., :2] + np.random.default_rng(0).normal(0, 1.5, (count, 478, 2)),
        confidence=np.ones((count, 478)),
        seen=np.ones(count, dtype=bool),
        settled=np.zeros(count, dtype=bool),
        expression=film,
        jaw=np.zeros((count, 3)),
        neck=np.zeros((count, 3)),
        eyes=np.zeros((count, 6)),
        camera_from_head=np.tile(POSE, (count, 1, 1)),
    )
    with torch.no_grad():
        problem = visual_lips._ChunkProblem(lips, clip)
        filmed = problem._picture(problem.vertices(problem.start))
    assert (filmed.std(dim=(1, 2)) * DEVIATION > 0.02).all()
    assert filmed.min() * DEVIATION + MEAN > 0
    return replace(clip, filmed=filmed, expression=fitted)


@pytest.fixture(scope="module")
def lips(head) -> VisualLips:
    return lips_of(head, Glance())


@pytest.fixture(scope="module")
def clip(lips, head) -> MouthClip:
    return mouth_clip(lips, head, talking(head), talking(head) * 0.4)


@pytest.fixture(scope="module")
def refined(lips, clip):
    return lips.refine(clip)


def test_the_loss_falls_and_the_reprojection_holds(lips, clip, refined):
    np.testing.assert_allclose(refined.before, lips.losses(clip), atol=1e-6)
    assert refined.after.sum() < 0.8 * refined.before.sum()
    moved = replace(clip, expression=refined.expression, jaw=refined.jaw)
    np.testing.assert_allclose(refined.after, lips.losses(moved), atol=1e-5)
    as_it_was = visual_lips._ChunkProblem(lips, clip).reprojection(
        visual_lips._ChunkProblem(lips, clip).vertices(torch.zeros(FRAMES, len(lips._units)))
    )
    assert refined.residual.sum() <= (1 + visual_lips.MOST_WORSENING) * float(as_it_was.sum()) + 1e-6


def test_the_mouth_goes_where_the_film_has_it(head, clip, refined):
    def lips_apart(expression):
        with torch.no_grad():
            vertices = head(expression=torch.tensor(expression).float()).vertices[:, head.regions["lips"]]
            true = head(expression=torch.tensor(talking(head)).float()).vertices[:, head.regions["lips"]]
        return float((vertices - true).norm(dim=-1).mean())

    assert lips_apart(refined.expression) < lips_apart(clip.expression)


def test_only_the_mouth_moves_and_within_its_bounds(head, clip, refined):
    moved = np.abs(refined.expression - clip.expression).max(axis=0) > 0
    assert moved.any()
    assert not [
        name for name, does in zip(head.expression_names, moved, strict=True) if does and name[:3] in ("eye", "bro")
    ]
    assert refined.expression.min() >= 0
    assert refined.expression.max() <= 1
    assert not refined.jaw.any()


def test_the_same_again_bit_by_bit(lips, clip, refined):
    again = lips.refine(clip)
    np.testing.assert_array_equal(again.expression, refined.expression)
    np.testing.assert_array_equal(again.residual, refined.residual)


def test_frames_that_are_done_stay(lips, clip):
    settled = np.arange(FRAMES) < 2
    refined = lips.refine(replace(clip, settled=settled))
    np.testing.assert_array_equal(refined.expression[settled], clip.expression[settled])
    assert (refined.expression[~settled] != clip.expression[~settled]).any(axis=1).all()


def test_what_is_not_seen_is_not_told(lips, clip):
    seen = np.arange(FRAMES) != 2
    refined = lips.refine(replace(clip, seen=seen))
    np.testing.assert_array_equal(np.isnan(refined.before), ~seen)
    hidden = lips.refine(replace(clip, seen=np.zeros(FRAMES, dtype=bool)))
    np.testing.assert_array_equal(hidden.expression, clip.expression)
    assert np.isnan(hidden.after).all()


def test_a_covered_mouth_is_not_told(lips, clip):
    """Noise in its place, as no mouth looks."""
    filmed = clip.filmed.clone()
    filmed[3] = 9 * nn.functional.interpolate(
        torch.randn(1, 1, 11, 11, generator=torch.Generator().manual_seed(0)), (88, 88)
    )
    refined = lips.refine(replace(clip, filmed=filmed))
    np.testing.assert_array_equal(np.isnan(refined.after), np.arange(FRAMES) == 3)
    assert np.nansum(refined.after) < np.nansum(refined.before)


def test_a_mouth_that_is_right_already_stays(lips, head):
    right = mouth_clip(lips, head, talking(head), talking(head))
    refined = lips.refine(right)
    assert np.nanmax(refined.before) < 1e-5
    assert np.abs(refined.expression - right.expression).max() < 0.02


def test_no_way_leads_beyond_what_is_allowed(lips, clip, monkeypatch):
    """Even where the landmarks have no weight on the way."""
    exact = replace(clip, points=landmarks_of(load_head(), clip.expression)[..., :2] + 0.02)
    monkeypatch.setattr(visual_lips, "WORSENING_WEIGHT", 0.0)
    refined = lips.refine(exact)
    before = lips.refine(replace(exact, seen=np.zeros(FRAMES, dtype=bool))).residual
    assert refined.residual.sum() <= 1.081 * before.sum()


def test_the_lip_reading_network_with_recipe_weights(head, front_end):
    lips = lips_of(head, front_end)
    refined = lips.refine(mouth_clip(lips, head, talking(head)[:3], 0 * talking(head)[:3]))
    assert refined.after.sum() < 0.97 * refined.before.sum()


def test_flame_moves_its_jaw_as_well():
    model = flame_like()
    lips = lips_of(model, Glance())
    film = np.zeros((FRAMES, model.expression_size))
    film[:, list(load_head().expression_names).index("jawOpen")] = 0.8
    refined = lips.refine(mouth_clip(lips, model, film, film * 0.3))
    assert np.nansum(refined.after) < 0.9 * np.nansum(refined.before)
    assert np.abs(refined.jaw).max() > 1e-4
