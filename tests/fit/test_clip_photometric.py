"""Colours of several frames of one person: what is missed alike in all of them, and the gradient with it left out."""

from dataclasses import replace

import numpy as np
import pytest

from face3d.fit import plain_response
from face3d.fit.clip_photometric import OWN_COLOUR_SHARE, ClipPhotometricProblem
from face3d.fit.clip_problem import ClipProblem
from face3d.fit.landmark_fit import FitOptions, solve_landmarks
from face3d.fit.photometric_fit import _first_colours, skin_of
from face3d.fit.photometric_image import FaceImage
from face3d.fit.photometric_problem import PhotometricNoise
from face3d.fit.photometric_views import seen_samples
from face3d.fit.solver import minimize
from face3d.head import load_head
from tests.fit.photographed_heads import photograph


@pytest.fixture(scope="module")
def near():
    """Three pictures in one problem, and a state that is not at rest."""
    head, rng = load_head("open"), np.random.default_rng(8)
    seen = [photograph(head, np.random.default_rng(seed)) for seed in (3, 3, 3)]
    camera = seen[0].observation.intrinsics
    observations = [replace(one.observation, intrinsics=camera) for one in seen]
    response = plain_response(head, "mediapipe_478", sigma=0.0006, measured=False)
    solved = solve_landmarks(
        head, observations, FitOptions(max_iterations=3), response=response, problem_of=ClipProblem
    )
    start, views = solved.solution.state, solved.problem.views
    skin, albedo = skin_of(head, solved.problem.identity_size)
    images = [
        FaceImage.of(one.photo, view.project(skin.points, start.identity, evidence), size=300)
        for one, view, evidence in zip(seen, start.views, views, strict=True)
    ]
    state, scale = _first_colours(skin, albedo, solved, images)
    pictures = tuple(
        seen_samples(head, skin, start, evidence, index, image, 0.004)
        for index, (evidence, image) in enumerate(zip(views, images, strict=True))
    )
    given = (solved.problem, skin, albedo, pictures, PhotometricNoise(), scale)
    state = minimize(ClipPhotometricProblem(*given, moves=False), state, max_iterations=8, tolerance=1e-3).state
    state = replace(state, lights=state.lights * (1 + 0.02 * rng.normal(size=state.lights.shape)))
    return ClipPhotometricProblem(*given), state


def test_gradient(near):
    """Along random directions, own colours at their best on the way; robust weights follow, hence the tolerance."""
    problem, state = near
    gradient = problem.linearize(state).gradient
    landmarks, geometric = problem.landmarks, problem.landmarks.size
    kinds = {
        "identity": slice(0, landmarks.identity_size),
        "focal length": slice(landmarks.identity_size, landmarks.identity_size + 1),
        "light": slice(geometric, geometric + 27),
        "albedo": slice(problem.size - state.albedo.size, problem.size),
    }
    rng = np.random.default_rng(0)
    for name, part in kinds.items():
        direction = np.zeros(problem.size)
        direction[part] = rng.normal(size=direction[part].shape)
        direction *= 1e-3 / np.linalg.norm(direction)
        ahead, behind = problem.move(state, direction), problem.move(state, -direction)
        change, slope = (problem.cost(ahead) - problem.cost(behind)) / 2, float(gradient @ direction)
        assert change == pytest.approx(slope, rel=0.05, abs=2e-4 * np.linalg.norm(gradient[part])), name


def test_hessian_stays_positive(near):
    problem, state = near
    hessian = problem.linearize(state).hessian
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-3 * np.abs(hessian).max())
    assert np.linalg.eigvalsh(hessian)[0] > -1e-6 * np.abs(hessian).max()


def test_what_all_frames_miss_alike_costs_less_than_what_one_does(near):
    """A mark on the skin is seen in every frame; a shade in one of them is noise."""
    problem, state = near
    layers = [view.image.layers for view in problem.views]
    plain = problem.photometric_cost(state)

    def cost_with(shades):
        views = []
        for view, layer, shade in zip(problem.views, layers, shades, strict=True):
            changed = layer.copy()
            changed[:, : layer.shape[1] // 2, :3] += shade
            views.append(replace(view, image=replace(view.image, layers=changed)))
        problem.views, kept = tuple(views), problem.views
        cost = problem.photometric_cost(state)
        problem.views = kept
        return cost - plain

    alike, one = cost_with([0.1, 0.1, 0.1]), cost_with([0.1, 0.0, 0.0])
    assert alike < one


def test_own_colours_take_up_most_of_what_stays(near):
    """Where all frames show a sample alike, all but the share that varies goes to its own colour."""
    problem, state = near
    own = problem.own_colours(state)
    shaded = [problem.shade(state, index) for index in range(3)]
    fully = np.min([one.trust for one in shaded], axis=0) > 0.5 * problem.share
    mean = np.mean([one.residual for one in shaded], axis=0)
    small = fully & (np.abs(mean).max(axis=1) < 1)
    known = 3 / (1 - OWN_COLOUR_SHARE)
    expected = mean[small] * known / (known + 1 / OWN_COLOUR_SHARE)
    assert small.sum() > 50
    np.testing.assert_allclose(own[small], expected, atol=0.15)
