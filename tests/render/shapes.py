"""Meshes whose pictures can be computed by hand."""

from __future__ import annotations

import numpy as np


def ball(radius=0.1, centre=(0.0, 0.0, 0.0), count=20):
    """A closed sphere, counter-clockwise from outside, poles on y."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, count), np.arange(2 * count) * np.pi / count, indexing="ij")
    xyz = np.stack((np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)), -1).reshape(-1, 3)
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(count - 1), np.arange(2 * count), indexing="ij"))
    a, b = i * 2 * count + j, i * 2 * count + (j + 1) % (2 * count)
    c, d = a + 2 * count, b + 2 * count
    return xyz * radius + centre, np.concatenate((np.stack((a, c, d), 1), np.stack((a, d, b), 1)))


def plane(origin, across, down):
    """A parallelogram of two triangles, seen from the side where `across` x `down` points away."""
    origin, across, down = (np.asarray(vector, dtype=np.float64) for vector in (origin, across, down))
    vertices = np.stack((origin, origin + across, origin + across + down, origin + down))
    return vertices, np.array([[0, 2, 1], [0, 3, 2]])
