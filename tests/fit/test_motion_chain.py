"""A chain of frames solved frame by frame is the whole problem solved at once."""

import numpy as np
import pytest

from face3d.fit.motion_chain import chain_knowledge, chain_slopes, solve_chain

SIZE = 11


def chain(count: int, seed: int, held: float = 0.25):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(count, SIZE, SIZE + 2))
    return (
        roots @ roots.transpose(0, 2, 1),
        rng.normal(size=(count, SIZE)),
        rng.uniform(0, 50, (count - 1, SIZE)),
        rng.normal(size=(count - 1, SIZE)),
        rng.random((count, SIZE)) < held,
    )


def whole(hessian, gradient, ties, apart):
    """Hessian and slope of all frames in one matrix."""
    count = len(hessian)
    matrix, slope = np.zeros((count, SIZE, count, SIZE)), gradient.copy()
    each = np.arange(SIZE)
    for t in range(count):
        matrix[t, :, t] += hessian[t]
    for t in range(count - 1):
        for one, other, sign in ((t, t, 1), (t + 1, t + 1, 1), (t, t + 1, -1), (t + 1, t, -1)):
            matrix[one, each, other, each] += sign * ties[t]
        slope[t] -= ties[t] * apart[t]
        slope[t + 1] += ties[t] * apart[t]
    return matrix.reshape(count * SIZE, -1), slope.reshape(-1)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 41])
def test_steps_are_those_of_the_whole_problem(count):
    problem = chain(count, count)
    matrix, slope = whole(*problem[:4])
    np.testing.assert_allclose(chain_slopes(problem[1], *problem[2:4]).reshape(-1), slope)
    free = ~problem[4].reshape(-1)
    expected = np.zeros(len(slope))
    expected[free] = -np.linalg.solve(matrix[np.ix_(free, free)], slope[free])
    np.testing.assert_allclose(solve_chain(*problem).reshape(-1), expected, atol=1e-10)


@pytest.mark.parametrize("processors", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bits(processors, monkeypatch):
    problem = chain(60, 1)
    monkeypatch.setattr("face3d.threads.processors", lambda: 1)
    alone = solve_chain(*problem)
    monkeypatch.setattr("face3d.threads.processors", lambda: processors)
    np.testing.assert_array_equal(solve_chain(*problem), alone)


def test_frames_that_are_held_stay_and_the_others_know():
    problem = chain(20, 3, held=0.0)
    held = np.ones_like(problem[4])
    held[5:9] = False
    step = solve_chain(*problem[:4], held)
    assert not step[held].any()
    matrix, slope = whole(*problem[:4])
    free = ~held.reshape(-1)
    np.testing.assert_allclose(
        step[5:9].reshape(-1), -np.linalg.solve(matrix[np.ix_(free, free)], slope[free]), atol=1e-10
    )


@pytest.mark.parametrize("count", [1, 2, 9])
def test_what_frames_know_of_the_last_is_their_cost_at_its_lowest(count):
    hessian, gradient, ties, apart, held = chain(count, 10 + count)
    matrix, slope = whole(hessian, gradient, ties, apart)
    last = np.arange(len(slope)) >= (count - 1) * SIZE
    free = ~held.reshape(-1) & ~last
    inner = np.linalg.solve(matrix[np.ix_(free, free)], np.column_stack([matrix[np.ix_(free, last)], slope[free]]))
    information, known = chain_knowledge(hessian, gradient, ties, apart, held)
    np.testing.assert_allclose(information, matrix[np.ix_(last, last)] - matrix[np.ix_(last, free)] @ inner[:, :-1])
    np.testing.assert_allclose(known, slope[last] - matrix[np.ix_(last, free)] @ inner[:, -1], atol=1e-10)


def test_a_matrix_that_rounding_made_less_than_positive_is_nudged():
    hessian, gradient, ties, apart, held = chain(3, 4, held=0.0)
    direction = np.linalg.eigh(hessian[1])
    values = direction.eigenvalues.copy()
    values[0] = -1e-13
    hessian[1] = direction.eigenvectors * values @ direction.eigenvectors.T
    step = solve_chain(hessian, gradient, 0 * ties, apart, held)
    assert np.isfinite(step).all()
    np.testing.assert_allclose(hessian[0] @ step[0], -gradient[0], atol=1e-9)
