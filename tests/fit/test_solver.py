"""The solver on problems whose minimum is known."""

from dataclasses import dataclass

import numpy as np
import pytest

from face3d.fit.solver import Linearization, minimize


@dataclass(frozen=True)
class Rosenbrock:
    """Residuals (10 (y - x^2), 1 - x): the minimum is (1, 1), or on the bound of x when that is lower."""

    upper: float = np.inf

    def _residual(self, state):
        return np.array([10 * (state[1] - state[0] ** 2), 1 - state[0]])

    def cost(self, state):
        return 0.5 * float(np.sum(self._residual(state) ** 2))

    def linearize(self, state):
        jacobian = np.array([[-20 * state[0], 10.0], [-1.0, 0.0]])
        residual = self._residual(state)
        return Linearization(self.cost(state), jacobian.T @ residual, jacobian.T @ jacobian)

    def move(self, state, step):
        moved = state + step
        return np.array([min(moved[0], self.upper), moved[1]])

    def limits(self, state, gradient):
        return np.full(2, -np.inf), np.array([self.upper - state[0], np.inf])


def test_finds_the_minimum():
    solution = minimize(Rosenbrock(), np.array([-1.2, 1.0]), max_iterations=100, tolerance=1e-14)
    assert solution.converged
    np.testing.assert_allclose(solution.state, [1, 1], atol=1e-6)


@pytest.mark.parametrize("upper", [0.5, 0.9])
def test_stops_at_a_bound(upper):
    solution = minimize(Rosenbrock(upper), np.array([-1.2, 1.0]), max_iterations=100, tolerance=1e-14)
    np.testing.assert_allclose(solution.state, [upper, upper**2], atol=1e-6)


def test_says_when_it_ran_out_of_iterations():
    assert not minimize(Rosenbrock(), np.array([-1.2, 1.0]), max_iterations=2).converged


def test_never_accepts_a_worse_state():
    class Cliff(Rosenbrock):
        def cost(self, state):
            return float("inf") if state[0] > 0 else super().cost(state)

    problem = Cliff()
    start = np.array([-1.2, 1.0])
    solution = minimize(problem, start, max_iterations=50)
    assert problem.cost(solution.state) <= problem.cost(start)
