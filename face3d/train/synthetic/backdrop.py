"""What is behind a person: plain walls, gradients, out-of-focus blobs and shapes. Linear RGB."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from face3d.train.synthetic.chart import noise_fields

__all__ = ["draw_backdrop"]


def draw_backdrop(rng: np.random.Generator, height: int, width: int) -> Float[np.ndarray, "H W 3"]:
    """Draw at a quarter of the size, where all but the finest texture lives, then enlarge."""
    rows, columns = max(height // 4, 8), max(width // 4, 8)
    kind = rng.choice(["wall", "gradient", "patches", "shapes", "bokeh"], p=[0.22, 0.2, 0.23, 0.23, 0.12])
    bright = float(np.exp(rng.uniform(np.log(0.03), np.log(0.6))))
    vivid = rng.uniform(0.03, 0.35)
    base = bright * np.exp(rng.normal(0, 0.12, 3))
    small = np.tile(base.astype(np.float32), (rows, columns, 1))
    if kind in ("wall", "gradient"):
        other = base * np.exp(
            rng.normal(0, 0.5 if kind == "gradient" else 0.15, (2, 2, 1)) + rng.normal(0, 0.3 * vivid, (2, 2, 3))
        )
        small = np.asarray(
            cv2.resize(other.astype(np.float32), (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32
        )
    elif kind == "patches":
        tall, wide = rng.integers(2, 8, 2)
        tiles = base * np.exp(rng.normal(0, 0.6, (tall, wide, 1)) + rng.normal(0, vivid, (tall, wide, 3)))
        small = np.asarray(
            cv2.resize(tiles.astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC), np.float32
        )
    else:
        for _ in range(int(rng.integers(3, 14))):
            colour = base * np.exp(rng.normal(0.1, 0.7) + rng.normal(0, 1.5 * vivid, 3))
            x, y = int(rng.integers(0, columns)), int(rng.integers(0, rows))
            if kind == "bokeh" or rng.uniform() < 0.3:
                cv2.circle(small, (x, y), int(rng.integers(2, max(3, rows // 6))), colour.tolist(), -1, cv2.LINE_AA)
            else:
                wide, high = rng.integers(3, columns), rng.integers(3, rows)
                cv2.rectangle(small, (x, y), (x + int(wide), y + int(high)), colour.tolist(), -1)
        small = np.asarray(cv2.GaussianBlur(small, (0, 0), float(rng.uniform(0.6, 3.0))), np.float32)
    image = cv2.resize(np.maximum(small, 0.003), (width, height), interpolation=cv2.INTER_LINEAR)
    grain = rng.uniform(0.0, 0.05)
    field = noise_fields()[int(rng.integers(1, 3))]
    top, left = rng.integers(0, field.shape[0], 2)
    rows_of, columns_of = (top + np.arange(height)) % field.shape[0], (left + np.arange(width)) % field.shape[1]
    image *= np.maximum(1 + grain * field[np.ix_(rows_of, columns_of)], 0.1)[..., None].astype(np.float32)
    return np.ascontiguousarray(image, dtype=np.float32)
