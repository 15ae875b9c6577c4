"""What the head model lacks and a photograph shows: shoulders in a garment, and teeth. Nobody measures them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

__all__ = ["shoulders", "teeth"]

_RINGS = np.array(
    # below the neck's base, half width, half depth, forward shift; metres
    [
        [-0.030, 0.050, 0.048, -0.004],
        [-0.005, 0.056, 0.055, -0.003],
        [0.020, 0.070, 0.066, -0.004],
        [0.040, 0.105, 0.072, -0.008],
        [0.058, 0.150, 0.080, -0.012],
        [0.080, 0.185, 0.090, -0.012],
        [0.115, 0.203, 0.104, -0.006],
        [0.180, 0.210, 0.118, 0.006],
        [0.450, 0.215, 0.130, 0.010],
    ]
)
_AROUND = 28


def shoulders(
    neck: Float[np.ndarray, "K 3"], camera_from_head: Float[np.ndarray, "4 4"], body_yaw: float, broad: float
) -> tuple[Float[np.ndarray, "S 3"], Int[np.ndarray, "G 3"], Float[np.ndarray, "S 2"]]:
    """A torso under the neck, upright whatever the head does.

    Args:
        neck: the rim of the head's neck, head frame.
        camera_from_head: of the head.
        body_yaw: turn of the body against the camera, radians.
        broad: relative breadth of the shoulders.

    Returns:
        Vertices in the CAMERA frame, triangles, and (S, 2) around (metres) and below the neck (metres).
    """
    middle = neck.mean(axis=0)
    radius = 0.5 * float(np.ptp(neck[:, 0]))
    centre = (camera_from_head[:3, :3] * middle).sum(axis=1) + camera_from_head[:3, 3]
    cosine, sine = np.cos(body_yaw), np.sin(body_yaw)
    angle = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    vertices, marks = [], []
    for below, wide, deep, forward in _RINGS:
        stretch = radius / 0.056 if below < 0.03 else broad
        x = wide * stretch * np.sin(angle)
        z = deep * (radius / 0.056 if below < 0.03 else 1.0) * np.cos(angle) + forward
        # Body axes: x to the subject's left is +x in the picture, forward is towards the camera (-z).
        vertices.append(
            np.stack([x * cosine + z * sine, np.full(_AROUND, below), x * sine - z * cosine], axis=1) + centre
        )
        front = np.cos(angle) * 0.03
        marks.append(np.stack([angle * 0.2, below - np.maximum(front, 0.0)], axis=1))
    grid = np.arange(len(_RINGS) * _AROUND).reshape(len(_RINGS), _AROUND)
    a, b = grid[:-1], np.roll(grid, -1, axis=1)[:-1]
    c, d = grid[1:], np.roll(grid, -1, axis=1)[1:]
    triangles = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    return np.concatenate(vertices), triangles, np.concatenate(marks)


def teeth(
    anatomy: dict[str, Float[np.ndarray, " 3"]],
) -> tuple[Float[np.ndarray, "T 3"], Int[np.ndarray, "G 3"], Float[np.ndarray, "T 2"]]:
    """Two arches of teeth: the upper hangs from the nose's base, the lower goes with the chin.

    Returns:
        Vertices (head frame), triangles, and (T, 2) along the arch (metres) and from gum (0) to edge (1).
    """
    columns = 25
    along = np.linspace(-0.027, 0.027, columns)
    back = 26.0 * along**2
    upper_root = anatomy["subnasale"] + np.array([0.0, -0.0125, -0.0125])
    lower_root = anatomy["pogonion"] + np.array([0.0, 0.0175, -0.0115])
    vertices: list[np.ndarray] = []
    marks, triangles = [], []
    for root, direction in ((upper_root, -1.0), (lower_root, 1.0)):
        start = sum(len(part) for part in vertices)
        for row, share in enumerate((0.0, 0.5, 1.0)):
            height = direction * 0.0105 * share * (1 - 0.12 * (np.abs(along) / 0.027))
            bulge = 0.0006 * (row == 1)
            vertices.append(np.stack([along + root[0], root[1] + height, root[2] - back + bulge], axis=1))
            marks.append(np.stack([along, np.full(columns, share)], axis=1))
        grid = start + np.arange(3 * columns).reshape(3, columns)
        a, b, c, d = grid[:-1, :-1].ravel(), grid[:-1, 1:].ravel(), grid[1:, :-1].ravel(), grid[1:, 1:].ravel()
        faces = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
        triangles.append(faces if direction < 0 else faces[:, ::-1])
    return np.concatenate(vertices), np.concatenate(triangles), np.concatenate(marks)
