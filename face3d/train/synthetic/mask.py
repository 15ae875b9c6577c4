"""Masks over nose and mouth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from face3d.train.synthetic.heads import open_head

__all__ = ["Mask", "mask_mesh", "sample_mask"]

_STEPS = 4
"""How often the skin below is smoothed, so that cloth spans its hollows."""


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A mask: its colour (linear RGB) and its upper edge on the mean head (height, metres)."""

    colour: Float[np.ndarray, " 3"]
    upper: float


def sample_mask(rng: np.random.Generator) -> Mask:
    """Draw a mask: surgical blue and white mostly."""
    colours = np.array([[0.35, 0.55, 0.72], [0.72, 0.72, 0.70], [0.02, 0.02, 0.02], [0.5, 0.25, 0.25]])
    return Mask(
        colours[rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])] * rng.uniform(0.7, 1.1), float(rng.uniform(-0.028, -0.008))
    )


def mask_mesh(
    vertices: Float[np.ndarray, "V 3"], mask: Mask
) -> tuple[Float[np.ndarray, "M 3"], Int[np.ndarray, "G 3"], Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Cloth over nose and mouth: the skin there, smoothed and lifted, the mouth closed over.

    Args:
        vertices: of a posed head, head frame.
        mask: to put on.

    Returns:
        Vertices (head frame), triangles, how far each vertex lies inside the mask's outline (metres, negative outside),
        and its height on the mean head.
    """
    used, triangles, mouth, smoothing = _mask_faces()
    rest = np.concatenate([open_head().template[used], open_head().template[used[mouth]].mean(axis=0, keepdims=True)])
    place = np.concatenate([vertices[used], vertices[used[mouth]].mean(axis=0, keepdims=True)])
    for _ in range(_STEPS):
        place = smoothing @ place
    outward = place - np.array([0.0, -0.05, -0.06])
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    tent = 0.007 + 0.009 * np.exp(-(((rest[:, 1] + 0.055) / 0.022) ** 2)) * np.exp(-((rest[:, 0] / 0.035) ** 2))
    edge = mask.upper - 0.25 * np.abs(rest[:, 0])
    inside = np.minimum(edge - rest[:, 1], rest[:, 1] + 0.122)
    return place + outward * tent[:, None], triangles, inside, rest[:, 1]


@lru_cache(maxsize=1)
def _mask_faces() -> tuple[np.ndarray, np.ndarray, np.ndarray, csr_array]:
    """Vertices that a mask may cover, triangles over those and a last one in the mouth, the mouth's rim, smoothing."""
    head = open_head()
    rest = head.template
    within = head.region("skin") & (rest[:, 2] > -0.045) & (rest[:, 1] < 0.012) & ~head.region("left_ear", "right_ear")
    triangles = head.triangles[within[head.triangles].all(axis=1)]
    used = np.unique(triangles)
    place = np.full(len(rest), -1)
    place[used] = np.arange(len(used))
    triangles = place[triangles]
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both_ways = set(map(tuple, edges.tolist()))
    rim = np.array([edge for edge in edges.tolist() if (edge[1], edge[0]) not in both_ways])
    spot = rest[used]
    at_mouth = (np.abs(spot[:, 0]) < 0.032) & (spot[:, 1] < -0.055) & (spot[:, 1] > -0.095)
    rim = rim[at_mouth[rim].all(axis=1)]
    lid = np.stack([rim[:, 1], rim[:, 0], np.full(len(rim), len(used))], axis=1)
    triangles = np.concatenate([triangles, lid])
    count = len(used) + 1
    rows = np.concatenate([triangles[:, k] for k in (0, 0, 1, 1, 2, 2)])
    columns = np.concatenate([triangles[:, k] for k in (1, 2, 0, 2, 0, 1)])
    near = csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    near = near + csr_array((np.full(count, 2.0), (np.arange(count), np.arange(count))), shape=(count, count))
    return used, triangles, np.unique(rim), csr_array(near / near.sum(axis=1)[:, None])
