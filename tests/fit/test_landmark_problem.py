"""The gradient of the whole problem against finite differences, with bias, gain, correlated errors and depth."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from face3d.fit.landmark_problem import (
    FitState,
    IdentityPrior,
    LandmarkProblem,
    LinearTerm,
    ViewEvidence,
    ViewState,
    view_angles,
)
from face3d.fit.point_model import PointModel
from face3d.fit.responses import response_of
from face3d.head import load_head


@pytest.fixture(scope="module")
def problem_and_state():
    rng = np.random.default_rng(0)
    head = load_head("open")
    response = response_of(head, "mediapipe_478")
    response = dataclasses.replace(response, modes=response.modes[:4])
    points = PointModel.of(head, response.triangles, response.barycentric, identity_components=6)
    matrix = np.array([[1400.0, 0, 600], [0, 1380.0, 800], [0, 0, 1]])
    rotation = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_euler("yxz", [0.3, -0.15, 0.1]).as_matrix()
    view = ViewState(
        expression=rng.uniform(0.1, 0.2, 52),
        turns=Rotation.from_rotvec(0.05 * rng.normal(size=(3, 3))).as_matrix(),
        rotation=rotation,
        translation=np.array([0.01, -0.02, 0.55]),
        log_focal=0.02,
        errors=rng.normal(size=4),
    )
    identity = rng.normal(size=6)
    head_points = points.evaluate(np.concatenate([identity, view.expression]), view.turns).points
    camera = head_points @ rotation.T + view.translation
    pixels = np.column_stack([camera[:, :2] / camera[:, 2:] * 1400 + [600, 800], camera[:, 2] * 1400 / 0.55])
    evidence = ViewEvidence(
        pixels=pixels + rng.normal(size=pixels.shape),
        confidence=np.ones(len(pixels)),
        intrinsics=matrix,
        focal_sigma=0.2,
        expression_mean=np.full(52, 0.1),
        expression_sigma=np.full(52, 0.2),
        metres_per_pixel=0.55 / 1400,
    )
    root = rng.normal(size=(6, 6))
    problem = LandmarkProblem(
        points,
        response,
        (evidence, evidence),
        turn_sigma=np.full(9, 0.3),
        bounds=None,
        linear_terms=(LinearTerm(rng.normal(size=6), 0.3, 0.5),),
        prior=IdentityPrior(rng.normal(size=6), root @ root.T + np.eye(6)),
    )
    return problem, FitState(identity, (view, dataclasses.replace(view, log_focal=-0.03)))


def test_gradient_equals_finite_differences(problem_and_state):
    problem, state = problem_and_state
    gradient = problem.linearize(state).gradient
    numeric = np.zeros(problem.size)
    for k in range(problem.size):
        step = np.zeros(problem.size)
        step[k] = 1e-6
        numeric[k] = (problem.cost(problem.move(state, step)) - problem.cost(problem.move(state, -step))) / 2e-6
    # The noise level's change with the view is left out of the derivative on purpose: it only weighs.
    turning = np.zeros(problem.size, bool)
    for index in range(2):
        start = problem.identity_size + index * problem.view_size + problem.expression_size + 9
        turning[start : start + 6] = True
    scale = np.abs(numeric).max()
    np.testing.assert_allclose(gradient[~turning], numeric[~turning], atol=2e-4 * scale)
    np.testing.assert_allclose(gradient[turning], numeric[turning], atol=0.05 * scale)


def test_hessian_is_positive_definite(problem_and_state):
    problem, state = problem_and_state
    assert np.linalg.eigvalsh(problem.linearize(state).hessian).min() > 0


def test_a_head_behind_the_camera_costs_everything(problem_and_state):
    problem, state = problem_and_state
    behind = dataclasses.replace(state.views[0], translation=np.array([0, 0, -0.5]))
    assert problem.cost(FitState(state.identity, (behind, state.views[1]))) == np.inf


def test_scaling_head_and_distance_together_changes_no_residual(problem_and_state):
    """What one photo cannot tell must not be told: only priors may prefer a size."""
    problem, state = problem_and_state
    view = state.views[0]
    errors = problem.surface_errors(state, 0)
    doubled = dataclasses.replace(
        problem.points, rest_points=2 * problem.points.rest_points, rest_basis=2 * problem.points.rest_basis,
        template=2 * problem.points.template, basis=2 * problem.points.basis,
        joints=2 * problem.points.joints, joints_basis=2 * problem.points.joints_basis,
    )  # fmt: skip
    large = LandmarkProblem(doubled, problem.response, problem.views, turn_sigma=problem.turn_sigma, bounds=None)
    far = dataclasses.replace(view, translation=2 * view.translation)
    np.testing.assert_allclose(large.surface_errors(FitState(state.identity, (far, far)), 0), errors, atol=1e-9)


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.5, 0.0), (0.0, -0.3), (-0.4, 0.2)])
def test_view_angles_say_where_the_camera_is(yaw, pitch):
    towards = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    rotation = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_euler("y", -yaw).as_matrix()
    assert view_angles(rotation, -rotation @ towards) == pytest.approx((yaw, pitch), abs=1e-9)
