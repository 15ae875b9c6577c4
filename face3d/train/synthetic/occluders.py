"""Things between camera and face that belong to nobody's look: hands, cups, plain shapes; drawn flat in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from face3d.train.synthetic.look import Look
from face3d.train.synthetic.skin import skin_colour

__all__ = ["Occluder", "draw_occluder", "sample_occluder"]

SHARE = 0.07
"""Of pictures with one."""


@dataclass(frozen=True, slots=True, eq=False)
class Occluder:
    """A thing in front of the face.

    Attributes:
        kind: "hand", "ellipse" or "bar".
        place: of its middle from the nose's, right and down, metres.
        size: metres, of a hand its breadth over three knuckles; `angle`: radians.
        colour: linear RGB.
        seed: of its details.
    """

    kind: str
    place: tuple[float, float]
    size: float
    angle: float
    colour: Float[np.ndarray, " 3"]
    seed: int


def sample_occluder(rng: np.random.Generator, look: Look) -> Occluder | None:
    """Draw one, or none mostly."""
    present = rng.uniform() < SHARE
    kind = str(rng.choice(["hand", "ellipse", "bar"], p=[0.6, 0.25, 0.15]))
    angle = rng.uniform(0, 2 * np.pi)
    far = rng.uniform(0.04, 0.12)
    own = skin_colour(np.array(look.skin.melanin), np.array(look.skin.blood))
    return (
        Occluder(
            kind=kind,
            place=(float(far * np.cos(angle)), float(0.03 + far * np.sin(angle))),
            size=float(rng.uniform(0.036, 0.052) if kind == "hand" else rng.uniform(0.02, 0.06)),
            angle=float(rng.uniform(-0.7, 0.7)),
            colour=own if kind == "hand" else np.exp(rng.uniform(np.log(0.01), np.log(0.7))) * rng.uniform(0.4, 1, 3),
            seed=int(rng.integers(2**63)),
        )
        if present
        else None
    )


def draw_occluder(
    occluder: Occluder,
    middle: Float[np.ndarray, " 2"],
    pixels_per_metre: float,
    brightness: Float[np.ndarray, " 3"],
    image: Float[np.ndarray, "H W 3"],
) -> Bool[np.ndarray, "H W"]:
    """Draw it into a picture of linear light.

    Args:
        occluder: what.
        middle: of the nose, pixels.
        pixels_per_metre: there.
        brightness: light that reaches it, linear RGB.
        image: drawn into.

    Returns:
        The pixels that it takes.
    """
    height, width = image.shape[:2]
    rng = np.random.default_rng(occluder.seed)
    scale = 4
    cover = np.zeros((height, width), dtype=np.uint8)
    shade = np.zeros((height, width), dtype=np.float32)
    centre = middle + np.array(occluder.place) * pixels_per_metre
    size = occluder.size * pixels_per_metre
    axis = np.array([np.sin(occluder.angle), -np.cos(occluder.angle)])
    side = np.array([axis[1], -axis[0]])

    def capsule(start: np.ndarray, end: np.ndarray, radius: float) -> None:
        """A rounded stroke, lit from the side: drawn as ever thinner and brighter strokes."""
        for step, level in ((1.0, 0.62), (0.85, 0.76), (0.7, 0.87), (0.5, 0.95), (0.3, 1.0)):
            thickness = max(1, round(2 * radius * step))
            ends = [tuple(int(v * (1 << scale)) for v in point) for point in (start, end)]
            layer = np.zeros((height, width), dtype=np.uint8)
            cv2.line(layer, ends[0], ends[1], 255, thickness, cv2.LINE_AA, scale)
            np.maximum(cover, layer, out=cover)
            blend = layer.astype(np.float32) / 255
            np.copyto(shade, shade + (level - shade) * blend)

    if occluder.kind == "hand":
        for finger in range(4):
            base = centre + side * size * (0.42 * (finger - 1.5))
            length = size * rng.uniform(1.0, 1.5) * (0.85 if finger in (0, 3) else 1.0)
            capsule(base, base + axis * length + side * rng.normal(0, 0.08) * size, 0.19 * size)
        capsule(
            centre - axis * 0.35 * size - side * 0.25 * size,
            centre - axis * 0.35 * size + side * 0.25 * size,
            0.6 * size,
        )
        capsule(centre - side * 0.7 * size, centre - side * 1.15 * size + axis * 0.6 * size, 0.2 * size)
        capsule(centre - axis * 0.6 * size, centre - axis * 6 * size, 0.5 * size)
    elif occluder.kind == "ellipse":
        capsule(
            centre - axis * size * rng.uniform(0, 1),
            centre + axis * size * rng.uniform(0, 1),
            size * rng.uniform(0.5, 1.1),
        )
    else:
        capsule(centre - side * 3 * size, centre + side * 3 * size, 0.35 * size)
    alpha = cover.astype(np.float32)[..., None] / 255
    light = (occluder.colour * brightness).astype(np.float32) * shade[..., None]
    image += (light - image) * alpha
    return cover > 127
