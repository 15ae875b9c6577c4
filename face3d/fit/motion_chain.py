"""Frames in a row as one least-squares problem: block-tridiagonal normal equations, solved exactly.

Each frame has D unknowns and a Hessian of its own; neighbours are tied by a diagonal precision on their difference. The
frames are eliminated from both ends towards the middle one, which two threads do side by side, and the steps found from
there outwards. One way alone this is the information form of a Kalman filter and of a Rauch-Tung-Striebel smoother
(Rauch, Tung, Striebel 1965), so that a chain may be cut anywhere and continued from what the forward pass knows.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from face3d.fit.chain_kernels import eliminate, gather, solve, substitute
from face3d.threads import in_parts

__all__ = ["chain_knowledge", "chain_slopes", "solve_chain"]

FRAMES_FOR_THREADS = 32
"""Below so many, a second thread costs more than it saves."""


def chain_slopes(
    gradient: Float[ndarray, "T D"], ties: Float[ndarray, "S D"], apart: Float[ndarray, "S D"]
) -> Float[ndarray, "T D"]:
    """The slope of the whole cost of `solve_chain` where no frame has stepped."""
    slopes, pull = gradient.copy(), ties * apart
    slopes[1:] += pull
    slopes[:-1] -= pull
    return slopes


def solve_chain(
    hessian: Float[ndarray, "T D D"],
    gradient: Float[ndarray, "T D"],
    ties: Float[ndarray, "S D"],
    apart: Float[ndarray, "S D"],
    held: Bool[ndarray, "T D"],
) -> Float[ndarray, "T D"]:
    """The steps that minimise sum_t (x_t H_t x_t / 2 + g_t x_t) + sum_t ties_t (x_t+1 - x_t + apart_t)^2 / 2.

    Args:
        hessian: of each frame alone, positive semidefinite.
        gradient: of each frame alone.
        ties: (T - 1, D) precisions between each frame and the next, 0 where they are not tied.
        apart: (T - 1, D) how far each frame is from the next before the step.
        held: unknowns that do not step.
    """
    count, size = gradient.shape
    slopes = chain_slopes(gradient, ties, apart)
    order, counts = _free(held)
    inverses, forward, step = np.empty((count, size, size)), np.empty((count, size)), np.empty((count, size))
    middle = count // 2
    ways = [(0, 1), (count - 1, -1)]

    def towards(part: slice) -> None:
        for end, way in ways[part]:
            eliminate(hessian, slopes, ties, order, counts, end, middle, way, inverses, forward)

    in_parts(towards, 2, 1 if count >= FRAMES_FOR_THREADS else 2)
    here, known = np.empty((size, size)), np.empty(size)
    gather(hessian, slopes, ties, order, counts, middle, middle - 1, middle + 1, inverses, forward, here, known)
    solve(here, -known, order[middle], counts[middle], inverses[middle], step[middle])
    for end, way in ways:
        substitute(inverses, forward, ties, order, counts, middle - way, end - way, -way, step)
    return step


def chain_knowledge(
    hessian: Float[ndarray, "T D D"],
    gradient: Float[ndarray, "T D"],
    ties: Float[ndarray, "S D"],
    apart: Float[ndarray, "S D"],
    held: Bool[ndarray, "T D"],
) -> tuple[Float[ndarray, "D D"], Float[ndarray, " D"]]:
    """What frames know of the last of them: its inverse covariance, and the slope of their cost where it is.

    The others are at their best, but for what they hold; what the last one holds does not count. Arguments are as for
    `solve_chain`.
    """
    count, size = gradient.shape
    slopes, (order, counts) = chain_slopes(gradient, ties, apart), _free(held)
    inverses, forward = np.empty((count, size, size)), np.empty((count, size))
    information, slope = np.zeros((size, size)), np.empty(size)
    last = count - 1
    eliminate(hessian, slopes, ties, order, counts, 0, last, 1, inverses, forward)
    gather(hessian, slopes, ties, order, counts, last, last - 1, -1, inverses, forward, information, slope)
    return information + np.triu(information, 1).T, slope


def _free(held: Bool[ndarray, "T D"]) -> tuple[Int[ndarray, "T D"], Int[ndarray, " T"]]:
    """What is not held of each frame, before what is, and how many those are."""
    return np.argsort(held, axis=1, kind="stable"), np.sum(~held, axis=1)
