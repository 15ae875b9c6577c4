"""The problem of a clip's frames: slopes are slopes, bounds are kept, and nothing counts twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from face3d.camera import intrinsics_prior
from face3d.fit import FitOptions, Observation
from face3d.fit.clip_identity import solve_clip
from face3d.fit.clip_problem import ClipProblem
from face3d.fit.landmark_problem import LinearTerm
from face3d.fit.lip_clip_problem import LipClipProblem
from face3d.fit.responses import response_of
from face3d.fit.solver import damped_step
from face3d.head import HeadModel, load_head
from tests.fit.known_lips import read_perfectly
from tests.fit.talking_clips import SIZE, detect, face_landmarks, talking_clip


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def solved(head):
    """A clip's head after two steps, with lips that were read and without."""
    clip = talking_clip(head, 5)
    points = detect(head, clip, response_of(head, "mediapipe_478"), 6)
    places, camera = np.arange(0, 50, 10), intrinsics_prior(SIZE)
    lips = read_perfectly(head, clip, points)
    options = FitOptions(max_iterations=2)

    def fitted(read: bool):
        faces = [face_landmarks(points[place]) for place in places]
        if read:
            faces = [replace(face, lips=lips[place]) for face, place in zip(faces, places, strict=True)]
        return solve_clip(head, [Observation(face, camera) for face in faces], options)[0]

    return {read: fitted(read) for read in (False, True)}


@pytest.mark.parametrize("read", [False, True])
def test_gradient_is_the_slope_of_the_cost(solved, read):
    problem, state = solved[read].problem, solved[read].solution.state
    assert type(problem) is (LipClipProblem if read else ClipProblem)
    gradient = problem.linearize(state).gradient
    rng = np.random.default_rng(0)
    low, high = problem.limits(state, gradient)
    free = (low < -1e-3) & (high > 1e-3)
    ident, errors = problem.identity_size, problem.identity_size + 1
    own = np.arange(errors + problem.error_count, problem.size).reshape(len(problem.views), -1)
    # Of the pose the slope leaves out that a landmark's standard deviation changes with it.
    for part in (np.arange(ident), [ident] if free[ident] else [], np.arange(errors, own[0, 0]), own[:, :-6].ravel()):
        way = np.zeros(problem.size)
        way[part] = rng.normal(size=len(part))
        way[~free] = 0
        if not way.any():
            continue
        way *= 1e-5 / np.abs(way).max()
        slope = (problem.cost(problem.move(state, way)) - problem.cost(problem.move(state, -way))) / 2
        # The view's own errors are found by a few rounds, not to the end.
        scale = np.linalg.norm(gradient[way != 0]) * np.linalg.norm(way)
        assert slope == pytest.approx(float(gradient @ way), abs=0.03 * scale)


def test_a_cost_that_is_known_serves_the_linearization(solved):
    problem, state = solved[True].problem, solved[True].solution.state
    other = problem.move(state, np.full(problem.size, 1e-3))
    anew = problem.linearize(other)
    assert problem.cost(other) == pytest.approx(anew.cost, rel=1e-12)
    reused = problem.linearize(other)
    np.testing.assert_allclose(reused.gradient, anew.gradient, rtol=1e-9, atol=1e-9 * np.abs(anew.gradient).max())
    np.testing.assert_allclose(reused.hessian, anew.hessian, rtol=1e-9, atol=1e-9 * np.abs(anew.hessian).max())


def test_a_step_ends_at_the_bounds_of_expressions(solved):
    problem, state = solved[False].problem, solved[False].solution.state
    here = problem.linearize(state)
    pulled = replace(here, gradient=here.gradient + 40 * np.sign(np.random.default_rng(1).normal(size=problem.size)))
    low, high = problem.limits(state, pulled.gradient)
    step = damped_step(pulled, (low, high), 1e-3)
    at_bound = (step == low) | (step == high)
    assert at_bound.sum() > 20
    assert ((low <= step) & (step <= high)).all()
    # With those there, nothing is gained by moving any other.
    slope = pulled.gradient + pulled.hessian @ step + 1e-3 * np.diag(pulled.hessian) * step
    np.testing.assert_allclose(slope[~at_bound], 0, atol=1e-6 * np.abs(pulled.gradient).max())
    moved = problem.move(state, step)
    for view, before in zip(moved.views, state.views, strict=True):
        assert (view.expression >= problem.bounds[:, 0] - 1e-12).all()
        assert (view.expression <= problem.bounds[:, 1] + 1e-12).all()
        assert view.translation[2] > 0 < before.translation[2]


@pytest.mark.parametrize("step", [-5.0, -0.3, 1e-7, 0.3, 0.7, 5.0])
def test_a_camera_steps_along_the_valley(solved, step):
    """Distance and focal length together: what is seen keeps its size, however long the step."""
    problem, view = solved[False].problem, solved[False].solution.state.views[0]
    translation, log_focal = problem._camera_after(view, np.append(step * view.translation, step))
    size = np.exp(log_focal - view.log_focal) * view.translation[2] / translation[2]
    assert size == pytest.approx(1)
    np.testing.assert_allclose(translation[:2] / translation[2], view.translation[:2] / view.translation[2], atol=1e-12)
    if abs(step) < 1e-6:
        np.testing.assert_allclose(translation - view.translation, step * view.translation, rtol=1e-5)
        assert log_focal - view.log_focal == pytest.approx(step, rel=1e-5)


def test_a_word_on_size_is_added_to_what_is_known_once(solved):
    """As if the term had been there from the beginning: lips do not count again."""
    problem, state = solved[True].problem, solved[True].solution.state
    terms, problem.linear_terms = problem.linear_terms, ()
    try:
        before = problem.linearize(state)
        problem.linear_terms = (LinearTerm(np.eye(problem.identity_size)[3], 0.7, 0.1),)
        extended, whole = problem.extend(before, state), problem.linearize(state)
    finally:
        problem.linear_terms = terms
    assert extended.cost == pytest.approx(whole.cost, rel=1e-12)
    np.testing.assert_allclose(extended.gradient, whole.gradient, atol=1e-9 * np.abs(whole.gradient).max())
    np.testing.assert_allclose(extended.hessian, whole.hessian, atol=1e-9 * np.abs(whole.hessian).max())
