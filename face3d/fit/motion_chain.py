"""Frames in a row as one least-squares problem: block-tridiagonal normal equations, solved exactly.

Each frame has D unknowns and a Hessian of its own; neighbours are tied by a diagonal precision on their difference. The
block elimination below is the information form of a Kalman filter forwards and of a Rauch-Tung-Striebel smoother
backwards (Rauch, Tung, Striebel 1965), so that a chain may be cut anywhere and continued from what the forward pass
knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.linalg import lapack

__all__ = ["ChainSolution", "solve_chain"]


@dataclass(frozen=True, slots=True, eq=False)
class ChainSolution:
    """The step of every frame, (T, D), and what the forward pass knew of one frame by those up to it.

    Attributes:
        information: (D, D) inverse covariance of the frame asked for, given the frames up to it.
        gradient: (D,) slope of their cost at a step of zero, others at their best.
    """

    step: Float[ndarray, "T D"]
    information: Float[ndarray, "D D"]
    gradient: Float[ndarray, " D"]


def solve_chain(
    hessian: Float[ndarray, "T D D"],
    gradient: Float[ndarray, "T D"],
    ties: Float[ndarray, "S D"],
    apart: Float[ndarray, "S D"],
    held: Bool[ndarray, "T D"],
    known: int = -1,
) -> ChainSolution:
    """Minimise sum_t (x_t H_t x_t / 2 + g_t x_t) + sum_t ties_t (x_t+1 - x_t + apart_t)^2 / 2.

    Args:
        hessian: of each frame alone, positive semidefinite.
        gradient: of each frame alone.
        ties: (T - 1, D) precisions between each frame and the next, 0 where they are not tied.
        apart: (T - 1, D) how far each frame is from the next before the step.
        held: unknowns that do not step.
        known: of which frame the forward pass' knowledge is wanted.
    """
    count, size = gradient.shape
    known %= count
    inverses = np.empty((count, size, size))
    forward = np.empty((count, size))
    step = np.empty((count, size))
    information = np.empty((size, size))
    knowledge = np.empty(size)
    free = ties * ~held[:-1]
    pull = ties * apart
    holds = np.any(held, axis=1).tolist()
    for t in range(count):
        here = hessian[t].copy()
        diagonal = here.reshape(-1)[:: size + 1]
        slope = gradient[t].copy()
        if t:
            between = inverses[t - 1] * free[t - 1]
            between *= free[t - 1][:, None]
            here -= between
            diagonal += ties[t - 1]
            slope += pull[t - 1] + free[t - 1] * forward[t - 1]
        if t == known:
            information[:], knowledge[:] = here, slope
        if t < count - 1:
            diagonal += ties[t]
            slope -= pull[t]
        if holds[t]:
            fixed = held[t]
            here[fixed] = 0
            here[:, fixed] = 0
            diagonal[fixed] = 1
            slope[fixed] = 0
        inverses[t] = _inverse(here)
        forward[t] = inverses[t] @ slope
    step[-1] = -forward[-1]
    for t in range(count - 2, -1, -1):
        step[t] = inverses[t] @ (free[t] * step[t + 1]) - forward[t]
    return ChainSolution(step, information, knowledge)


def _inverse(matrix: Float[ndarray, "D D"]) -> Float[ndarray, "D D"]:
    """Of a positive definite matrix; nudged where rounding has made it less."""
    size = len(matrix)
    nudge = 0.0
    # LAPACK reads columns first: of a symmetric matrix the lower triangle here is its upper.
    while True:
        factor, failed = lapack.dpotrf((matrix + nudge * np.eye(size)).T if nudge else matrix.T, lower=1)
        if not failed:
            break
        nudge = max(10 * nudge, 1e-9 * float(np.abs(matrix.diagonal()).max()))
    # The factor's other triangle is zero, and stays so.
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    full: Float[ndarray, "D D"] = inverse + inverse.T
    full.reshape(-1)[:: size + 1] *= 0.5
    return full
