"""The gradient of the whole photometric problem against finite differences, and what its parts promise."""

from dataclasses import replace

import numpy as np
import pytest

from face3d.fit import plain_response
from face3d.fit.landmark_fit import FitOptions, solve_landmarks
from face3d.fit.photometric_fit import _first_colours, skin_of
from face3d.fit.photometric_image import FaceImage
from face3d.fit.photometric_problem import PhotometricNoise, PhotometricProblem
from face3d.fit.photometric_views import seen_samples
from face3d.fit.solver import blocked
from face3d.head import HeadModel, load_head
from tests.fit.photographed_heads import photograph


def plain_head():
    """A head as anybody's file may hold it: no regions, no albedo of its own, the jaw a joint and no expression."""
    arrays = load_head("open").arrays()
    names = tuple(f"expression_{number}" for number in range(len(arrays.expression_names)))
    return HeadModel(replace(arrays, name="plain", regions={}, expression_names=names))


@pytest.fixture(scope="module", params=["open", "plain"])
def near(request):
    """A problem and a state that is not at rest."""
    head, rng = load_head("open") if request.param == "open" else plain_head(), np.random.default_rng(5)
    seen = photograph(head, rng)
    response = plain_response(head, "mediapipe_478", sigma=0.0006, measured=False)
    solved = solve_landmarks(head, [seen.observation], FitOptions(max_iterations=4), response=response)
    start, evidence = solved.solution.state, solved.problem.views[0]
    skin, albedo = skin_of(head, solved.problem.identity_size)
    image = FaceImage.of(seen.photo, start.views[0].project(skin.points, start.identity, evidence), size=300)
    state, scale = _first_colours(skin, albedo, solved, [image])
    view = seen_samples(head, skin, start, evidence, 0, image, 0.004)
    problem = PhotometricProblem(solved.problem, skin, albedo, (view,), PhotometricNoise(), scale)
    state = replace(
        state,
        lights=state.lights * (1 + 0.1 * rng.normal(size=state.lights.shape)) + 0.2 * rng.normal(size=(1, 9, 1)),
        tones=np.array([1.1]),
        albedo=0.3 * rng.normal(size=state.albedo.shape),
    )
    return problem, state


def test_gradient(near):
    """Along random directions of each kind of unknown; the image is piecewise smooth, hence the tolerance."""
    problem, state = near
    gradient = problem.linearize(state).gradient
    landmarks = problem.landmarks
    first, geometric = landmarks.identity_size, landmarks.size
    kinds = {
        "identity": slice(0, first),
        "expression": slice(first, first + landmarks.expression_size),
        "turns": slice(first + landmarks.expression_size, first + landmarks.expression_size + 9),
        "pose": slice(first + landmarks.expression_size + 9, first + landmarks.expression_size + 15),
        "light": slice(geometric, geometric + 27),
        "tone": slice(geometric + 27, geometric + 28),
        "albedo": slice(geometric + 28, problem.size),
    }
    rng = np.random.default_rng(0)
    for name, part in kinds.items():
        direction = np.zeros(problem.size)
        direction[part] = rng.normal(size=direction[part].shape)
        direction *= (1e-4 if name in ("pose", "turns") else 1e-3) / np.linalg.norm(direction)
        if name == "expression":
            # Inside their bounds, on the side that a step can take.
            direction = np.abs(direction)
        ahead, behind = problem.move(state, direction), problem.move(state, -direction)
        if name == "expression":
            change, slope = problem.cost(ahead) - problem.cost(state), float(gradient @ direction)
            curvature = 0.5 * float(direction @ problem.linearize(state).hessian @ direction)
            assert change == pytest.approx(slope, abs=0.1 * abs(slope) + 3 * curvature), name
        else:
            change, slope = (problem.cost(ahead) - problem.cost(behind)) / 2, float(gradient @ direction)
            assert change == pytest.approx(slope, rel=0.03, abs=1e-4 * np.linalg.norm(gradient[part])), name


def test_cost_of_the_linearization_is_the_cost(near):
    problem, state = near
    assert problem.linearize(state).cost == pytest.approx(problem.cost(state), rel=1e-12)


def test_a_fit_of_colours_alone_moves_no_head(near):
    problem, state = near
    colours = PhotometricProblem(
        problem.landmarks,
        problem.skin,
        problem.albedo,
        problem.views,
        PhotometricNoise(),
        problem.light_scale,
        moves=False,
    )
    here = colours.linearize(state)
    held = blocked(here.gradient, colours.limits(state, here.gradient))
    assert held[: colours.landmarks.size].all()
    assert not held[colours.landmarks.size :].any()
    np.testing.assert_allclose(
        here.gradient[colours.landmarks.size :], problem.linearize(state).gradient[colours.landmarks.size :], rtol=1e-9
    )


def test_noise_is_measured_by_the_usual_residual(near):
    """Twice the contrast of what cannot be explained is twice the noise."""
    problem, state = near
    once = problem.noise_factor(state, 0)
    assert once > 1
    problem.views = (replace(problem.views[0], noise_factor=once),)
    assert problem.noise_factor(state, 0) == pytest.approx(once, rel=1e-9)
    problem.views = (replace(problem.views[0], noise_factor=1.0),)
