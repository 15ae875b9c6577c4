"""Levenberg-Marquardt on problems that bring their own normal equations.

The problem decides what its state is and how a step moves it (rotations are moved on the manifold), so the solver only
sees a cost, a gradient and a Gauss-Newton Hessian. Bounds are honoured by an active set: what a step would carry over
its bound stops there, and the others are solved for anew, with that known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float
from numpy import ndarray

from face3d.fit.blas_threads import one_blas_thread

State = TypeVar("State")

BOUND_ROUNDS = 6
"""Times that a step is looked for at most, with more parameters at their bounds each time."""


@dataclass(frozen=True, slots=True)
class Linearization:
    """A problem near one state: half sum of squares `cost`, its gradient and Gauss-Newton Hessian."""

    cost: float
    gradient: Float[ndarray, " P"]
    hessian: Float[ndarray, "P P"]


class Problem(Protocol[State]):
    """What `minimize` needs to know of a problem."""

    def linearize(self, state: State) -> Linearization:
        """Cost, gradient and Gauss-Newton Hessian."""
        ...

    def cost(self, state: State) -> float:
        """The cost alone; infinite where the state is impossible."""
        ...

    def move(self, state: State, step: Float[ndarray, " P"]) -> State:
        """The state after a step."""
        ...

    def limits(self, state: State, gradient: Float[ndarray, " P"]) -> tuple[Float[ndarray, " P"], Float[ndarray, " P"]]:
        """How far each parameter may step down, 0 or less, and up, 0 or more; both 0 where it is held."""
        ...


@dataclass(frozen=True, slots=True)
class Solution(Generic[State]):
    """Where the solver stopped: `state`, its linearization, iterations used and whether it converged."""

    state: State
    linearization: Linearization
    iterations: int
    converged: bool


@one_blas_thread()
def minimize(
    problem: Problem[State], state: State, *, max_iterations: int = 20, tolerance: float = 1e-4, damping: float = 1e-3
) -> Solution[State]:
    """Minimise a problem's cost with damped Gauss-Newton steps.

    Args:
        tolerance: stop when an accepted step lowers the cost by less than this fraction.
        damping: first Levenberg-Marquardt factor on the Hessian's diagonal (Marquardt 1963); it then follows how much
            of the promised gain a step brings (Nielsen 1999).

    Returns:
        The best state found; `converged` is False when `max_iterations` ran out first.
    """
    here = problem.linearize(state)
    raise_by = 2.0
    for iteration in range(1, max_iterations + 1):
        limits = problem.limits(state, here.gradient)
        accepted = False
        while damping < 1e8:
            step = damped_step(here, limits, damping)
            candidate = problem.move(state, step)
            cost = problem.cost(candidate)
            if np.isfinite(cost) and cost <= here.cost:
                accepted = True
                break
            damping *= raise_by
            raise_by *= 2
        if not accepted:
            return Solution(state, here, iteration, True)
        gain = here.cost - cost
        promised = -float(here.gradient @ step) - 0.5 * float(step @ here.hessian @ step)
        trust = gain / promised if promised > 0 else 0.0
        damping = max(damping * max(1 / 10, 1 - (2 * min(trust, 1.0) - 1) ** 3), 1e-9)
        raise_by = 2.0
        previous, state, here = here.cost, candidate, problem.linearize(candidate)
        if gain <= tolerance * max(previous, 1e-12):
            return Solution(state, here, iteration, True)
    return Solution(state, here, max_iterations, False)


def blocked(
    gradient: Float[ndarray, " P"], limits: tuple[Float[ndarray, " P"], Float[ndarray, " P"]]
) -> Bool[ndarray, " P"]:
    """Parameters that are held, or at a bound that the negative gradient pushes them over."""
    low, high = limits
    return (low >= high) | (low >= 0) & (gradient > 0) | (high <= 0) & (gradient < 0)


def damped_step(
    here: Linearization, limits: tuple[Float[ndarray, " P"], Float[ndarray, " P"]], damping: float
) -> Float[ndarray, " P"]:
    """The Levenberg-Marquardt step within limits; damping 0 gives the Gauss-Newton step."""
    low, high = limits
    step = np.zeros_like(here.gradient)
    free = ~blocked(here.gradient, limits)
    for _ in range(BOUND_ROUNDS):
        hessian = here.hessian[np.ix_(free, free)]
        diagonal = np.einsum("ii->i", hessian)
        diagonal += damping * diagonal + 1e-12
        slope = (here.gradient + here.hessian @ np.where(free, 0.0, step))[free]
        factor = scipy.linalg.cho_factor(hessian, lower=True, overwrite_a=True, check_finite=False)
        step[free] = -scipy.linalg.cho_solve(factor, slope, check_finite=False)
        beyond = free & ((step < low) | (step > high))
        if not beyond.any():
            break
        np.clip(step, low, high, out=step, where=beyond)
        free &= ~beyond
    return np.clip(step, low, high)
