"""Compiled loops of `face3d.fit.motion_chain`: block elimination of a chain of frames, and the way back.

What all of them share: `hessian` (T, D, D) and `slope` (T, D) are of each frame, slopes by its ties to both neighbours
included; `ties` (T - 1, D) are between each frame and the next. The first `counts[t]` of `order[t]`, (T,) and (T, D),
are the unknowns of frame t that step. `inverses` (T, D, D) and `forward` (T, D) tell of an eliminated frame: its step
is its inverse, of what steps, times the pull of the frame that it was eliminated into, minus forward.
"""

from __future__ import annotations

import numpy as np

from face3d.compiled import compiled

__all__ = ["eliminate", "gather", "solve", "substitute"]

NUDGE = 1e-9
"""Share of the largest diagonal element that is added to it where rounding has made a matrix less than positive."""


@compiled
def eliminate(hessian, slope, ties, order, counts, first, last, way, inverses, forward):  # type: ignore[no-untyped-def]
    """Eliminate frames `first` to before `last`, stepping by `way` (1 or -1), each into the next on that way."""
    here, known = np.empty(hessian.shape[1:]), np.empty(slope.shape[1])
    for t in range(first, last, way):
        gather(hessian, slope, ties, order, counts, t, t - way, -1, inverses, forward, here, known)
        for i in range(len(known)):
            here[i, i] += ties[min(t, t + way), i]
        solve(here, known, order[t], counts[t], inverses[t], forward[t])


@compiled
def gather(hessian, slope, ties, order, counts, t, one, other, inverses, forward, here, known):  # type: ignore[no-untyped-def]
    """The Hessian of frame t, its upper triangle, and its slope with neighbours `one` and `other` at their best.

    Neighbours that are not in the chain are none.
    """
    for i in range(len(known)):
        known[i] = slope[t, i]
        for j in range(i, len(known)):
            here[i, j] = hessian[t, i, j]
    for neighbour in (one, other):
        if neighbour < 0 or neighbour >= len(hessian):
            continue
        tie, inverse, free = ties[min(t, neighbour)], inverses[neighbour], order[neighbour]
        for i in range(len(known)):
            known[i] += tie[i] * forward[neighbour, i]
            here[i, i] += tie[i]
        for a in range(counts[neighbour]):
            i = free[a]
            for b in range(a, counts[neighbour]):
                here[i, free[b]] -= tie[i] * tie[free[b]] * inverse[a, b]


@compiled
def solve(matrix, vector, free, count, inverse, out):  # type: ignore[no-untyped-def]
    """Invert the first `count` of the `free` rows and columns of a positive definite matrix, and multiply.

    The matrix is given by its upper triangle, `free` in order. The inverse comes into the first rows and columns of
    `inverse`, and times `vector` into `out`, which is zero where not free.
    """
    most, nudge = 0.0, 0.0
    for i in range(count):
        most = max(most, abs(matrix[free[i], free[i]]))
    while True:
        for i in range(count):
            for j in range(i, count):
                inverse[i, j] = matrix[free[i], free[j]]
            inverse[i, i] += nudge
        if _sweep(inverse, count) or not most > 0.0:
            break
        nudge = max(10 * nudge, NUDGE * most)
    for i in range(count):
        for j in range(i, count):
            inverse[i, j] = -inverse[i, j]
            inverse[j, i] = inverse[i, j]
    _times(inverse, vector, free, count, out)


@compiled
def substitute(inverses, forward, ties, order, counts, first, last, way, step):  # type: ignore[no-untyped-def]
    """The steps of frames `first` to before `last`, stepping by `way`, from the step of the one before each."""
    pulled = np.empty(forward.shape[1])
    for t in range(first, last, way):
        for i in range(len(pulled)):
            pulled[i] = ties[min(t, t - way), i] * step[t - way, i]
        _times(inverses[t], pulled, order[t], counts[t], step[t])
        for i in range(len(pulled)):
            step[t, i] -= forward[t, i]


@compiled
def _times(inverse, vector, free, count, out):  # type: ignore[no-untyped-def]
    """An inverse as `solve` gives it times a vector; zero where not free."""
    product = np.zeros(count)
    # By rows that are added up, which vectorises.
    for i in range(count):
        factor, row = vector[free[i]], inverse[i]
        for j in range(count):
            product[j] += factor * row[j]
    out[:] = 0.0
    for i in range(count):
        out[free[i]] = product[i]


@compiled
def _sweep(matrix, size):  # type: ignore[no-untyped-def]
    """Sweep `size` pivots of an upper triangle, four at a time: it becomes minus its inverse (Goodnight 1979).

    Returns:
        Whether the matrix is positive definite; else nothing can be said of what is left of it.
    """
    rows, scaled, pivot = np.zeros((4, size)), np.zeros((4, size)), np.empty((4, 4))
    for k in range(0, size, 4):
        width = min(4, size - k)
        for a in range(width):
            for j in range(k + a):
                rows[a, j] = matrix[j, k + a]
            for j in range(k + a, size):
                rows[a, j] = matrix[k + a, j]
        for a in range(width, 4):
            for j in range(size):
                rows[a, j] = 0.0
        for a in range(4):
            for b in range(4):
                pivot[a, b] = 1.0 if a == b else 0.0
                if a < width and b < width:
                    pivot[a, b] = rows[a, k + b]
        if not _invert_pivot(pivot):
            return False
        for a in range(4):
            p, q, r, s = pivot[a, 0], pivot[a, 1], pivot[a, 2], pivot[a, 3]
            for j in range(size):
                scaled[a, j] = p * rows[0, j] + q * rows[1, j] + r * rows[2, j] + s * rows[3, j]
        for i in range(size):
            p, q, r, s = scaled[0, i], scaled[1, i], scaled[2, i], scaled[3, i]
            # Slices that begin at 0, which the compiler then knows to be safe to go through several at a time.
            row, first, second, third, fourth = matrix[i][i:size], rows[0][i:], rows[1][i:], rows[2][i:], rows[3][i:]
            for j in range(len(row)):
                row[j] -= (p * first[j] + q * second[j]) + (r * third[j] + s * fourth[j])
        for a in range(width):
            for j in range(k):
                matrix[j, k + a] = scaled[a, j]
            for j in range(k + width, size):
                matrix[k + a, j] = scaled[a, j]
            for b in range(a, width):
                matrix[k + a, k + b] = -pivot[a, b]
    return True


@compiled
def _invert_pivot(pivot):  # type: ignore[no-untyped-def]
    """Invert a small positive definite matrix in place; gives whether it is that."""
    size = len(pivot)
    for c in range(size):
        if not pivot[c, c] > 0.0:
            return False
        inverse = 1.0 / pivot[c, c]
        pivot[c, c] = 1.0
        for b in range(size):
            pivot[c, b] *= inverse
        for a in range(size):
            if a != c:
                factor = pivot[a, c]
                pivot[a, c] = 0.0
                for b in range(size):
                    pivot[a, b] -= factor * pivot[c, b]
    return True
