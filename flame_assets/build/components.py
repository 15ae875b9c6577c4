"""Principal components of a population, the eyeballs carried along rigidly."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["principal_components"]

VARIANCE = 0.995
"""Share of the variance that the components cover at least; their number is the next multiple of ten."""


def principal_components(
    vertices: Float[np.ndarray, "B V 3"], eyes: Float[np.ndarray, "B 2 3"], ball: Float[np.ndarray, "E 3"]
) -> tuple[Float[np.ndarray, "W 3"], Float[np.ndarray, "I W 3"], dict[str, float]]:
    """Mean head and components scaled to one standard deviation, over a population and its mirror image.

    Args:
        vertices: skin and tongue, metres, aligned; people and, in the second half, their mirror images.
        eyes: centres of the left and right eyeball.
        ball: an eyeball about the origin; the same in all heads, only moved.

    Returns:
        The mean head and the basis, W = V + 2 E vertices, and what share of the variance the basis covers.
    """
    count = len(vertices)
    data = np.concatenate([vertices.reshape(count, -1), eyes.reshape(count, -1)], axis=1)
    mean = data.mean(axis=0)
    centred = data - mean
    values, directions = np.linalg.eigh(centred @ centred.T / count)
    values, directions = values[::-1], directions[:, ::-1]
    covered = np.cumsum(values) / values.sum()
    kept = 10 * int(np.ceil((np.searchsorted(covered, VARIANCE) + 1) / 10))
    basis = (directions[:, :kept].T @ centred) / np.sqrt(count)
    # The sign of an eigenvector is arbitrary: let the largest entry be positive.
    largest = basis[np.arange(len(basis)), np.abs(basis).argmax(axis=1)]
    basis *= np.sign(largest)[:, None]
    width = vertices.shape[1] * 3
    report = {"count": kept, "variance": round(float(covered[kept - 1]), 5)}
    head = np.concatenate([mean[:width].reshape(-1, 3), *(ball + eye for eye in mean[width:].reshape(2, 3))])
    moves = np.repeat(basis[:, width:].reshape(-1, 2, 3), len(ball), axis=1)
    return head, np.concatenate([basis[:, :width].reshape(len(basis), -1, 3), moves], axis=1), report
