"""A mesh laid on points as closely as a rigid or similarity transform allows.

Levenberg-Marquardt on the exact point-to-surface distances with analytic derivatives; the closest points are found anew
in every iteration. The mesh stays in its tree and the points are seen from it, so that nothing is rebuilt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Float

from face3d.errors import InputError
from face3d.evaluate.similarity import IDENTITY, Similarity
from face3d.evaluate.surface import SurfaceTree, run_blocks
from face3d.evaluate.surface_kernels import BLOCK, normal_equations

__all__ = ["Registration", "refine"]

SMALLEST_STEP = 1e-7
"""Relative to the extent of the points: some 5 nanometres on a face, after which nothing is gained."""

COARSE_POINTS = 4000
"""About so many points go first, where there are twice as many or more."""

LARGEST_DAMPING = 1e9
"""No step however small lowers the loss: this is the minimum, on a kink of the distance function."""


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where a mesh came to lie.

    Attributes:
        transform: from the mesh's frame and unit to those of the points.
        loss: sum of the squared distances (or of Huber's loss of them), in the points' unit.
        iterations: normal equations set up.
        converged: whether it ended by itself and not at the limit of iterations.
    """

    transform: Similarity
    loss: float
    iterations: int
    converged: bool


def refine(
    points: Float[np.ndarray, "N 3"],
    surface: SurfaceTree,
    *,
    start: Similarity = IDENTITY,
    scaled: bool = False,
    huber: float = math.inf,
    max_iterations: int = 100,
    threads: int | None = None,
) -> Registration:
    """Move a mesh so that the sum of squared distances from the points to its surface is least.

    Args:
        points: of the scan; at least 3, in a unit of their own.
        surface: the mesh, in its own frame and unit.
        start: from the mesh to the points, roughly; its scale stays unless `scaled`, and so does any reflection.
        scaled: also find the scale.
        huber: distances beyond it (in the points' unit) count linearly, so that parts that the mesh lacks pull little.
        max_iterations: where to stop if it has not ended by itself.
        threads: None takes as many as pay off; the numbers do not depend on it.

    Raises:
        InputError: too few points, or points that are not finite.
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    unknowns = 7 if scaled else 6
    if points.ndim != 2 or points.shape[1] != 3 or 3 * len(points) <= unknowns or not np.isfinite(points).all():
        raise InputError(f"alignment needs at least 3 finite points (N, 3), got {tuple(points.shape)}")
    if len(points) >= 2 * COARSE_POINTS:
        # Most of the way is gone with some of the points; all of them have the last word.
        some = points[:: len(points) // COARSE_POINTS]
        start = refine(
            some, surface, start=start, scaled=scaled, huber=huber, max_iterations=max_iterations, threads=threads
        ).transform
    centre = points.mean(axis=0)
    extent = math.sqrt(((points - centre) ** 2).sum(axis=1).mean()) or 1.0
    units = np.array([1.0, 1.0, 1.0, 1 / extent, 1 / extent, 1 / extent, 1 / extent])[:unknowns]
    rows = np.full(len(points), -1, dtype=np.int64)
    sums = np.empty((-(-len(points) // BLOCK), 36))

    def linearise(at: Similarity) -> tuple[Float[np.ndarray, "K K"], Float[np.ndarray, " K"], float]:
        rotation, translation = np.ascontiguousarray(at.rotation), np.ascontiguousarray(at.translation)

        def kernel(first: int, step: int) -> None:
            normal_equations(
                *(points, surface.corners, surface.boxes, at.scale, rotation, translation, centre, huber),
                *(first, step, rows, sums),
            )

        run_blocks(kernel, len(points), threads)
        total = sums.sum(axis=0)
        square = np.zeros((7, 7))
        square[np.triu_indices(7)] = total[:28]
        square = np.triu(square, 1).T + square
        kept = slice(0, unknowns)
        return square[kept, kept] * np.outer(units, units), total[28:35][kept] * units, float(total[35])

    transform, damping, iterations = start, 1e-4, 1
    square, gradient, loss = linearise(transform)
    converged = loss == 0.0
    while not converged and iterations < max_iterations:
        diagonal = np.diagonal(square)
        if not diagonal.max() > 0:  # every closest point is a corner without a normal
            break
        damped = square + damping * np.diag(np.maximum(diagonal, 1e-9 * diagonal.max()))
        step = -np.linalg.solve(damped, gradient)
        moved = _moved(transform, step * units, centre)
        iterations += 1
        square_there, gradient_there, loss_there = linearise(moved)
        small = np.abs(step).max() <= SMALLEST_STEP * extent
        if loss_there < loss:
            transform, square, gradient, loss = moved, square_there, gradient_there, loss_there
            damping = max(damping / 10, 1e-12)
        else:
            damping *= 10
        converged = bool(small or damping > LARGEST_DAMPING or loss == 0.0)
    return Registration(transform, loss, iterations, converged)


def _moved(transform: Similarity, step: Float[np.ndarray, " K"], centre: Float[np.ndarray, " 3"]) -> Similarity:
    """The transform followed by a step: translation, rotation vector and log of the scale, about the centre."""
    turn = roma.rotvec_to_rotmat(torch.from_numpy(step[3:6].copy())).numpy()
    grow = math.exp(min(max(step[6], -1.0), 1.0)) if len(step) > 6 else 1.0
    # Back to the nearest orthogonal matrix, so that rounding does not add up.
    left, _, right = np.linalg.svd(turn @ transform.rotation)
    translation = centre + step[:3] + grow * (turn @ (transform.translation - centre))
    return Similarity(grow * transform.scale, left @ right, translation)
