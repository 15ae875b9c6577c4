"""The open head as tests of the evaluation use it: its surface, points on its face, and its seven landmarks."""

from __future__ import annotations

import functools

import numpy as np

from face3d.head import load_head


@functools.lru_cache
def _head():
    return load_head()


def open_head():
    """Vertices in metres and triangles."""
    return _head().template.double().numpy(), _head().triangles.numpy()


def now_landmarks():
    """The seven landmarks of the NoW evaluation, metres."""
    vertices, triangles = open_head()
    points = _head().point_sets["now_7"]
    corners = vertices[triangles[points.triangles.numpy()]]
    return np.einsum("nk,nkx->nx", points.barycentric.numpy().astype(float), corners)


def face_points(count, random):
    """Points spread over the triangles of the front of the head, metres."""
    vertices, triangles = open_head()
    middle = vertices[triangles].mean(axis=1)
    front = triangles[middle[:, 2] > np.quantile(middle[:, 2], 0.5)]
    weights = random.dirichlet(np.ones(3), count)
    return np.einsum("nk,nkx->nx", weights, vertices[front[random.integers(0, len(front), count)]])
