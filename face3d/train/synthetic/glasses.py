"""Glasses of real size, placed by the head's own anatomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

__all__ = ["Glasses", "GlassesMesh", "glasses_mesh", "sample_glasses"]

SEGMENTS = 28
"""Corners of a rim."""


@dataclass(frozen=True, slots=True, eq=False)
class Glasses:
    """A pair of glasses; lengths in metres, colours linear RGB.

    Attributes:
        lens_width, lens_height, bridge: as opticians measure them (boxing system).
        squareness: exponent of the rim's superellipse, 2 an ellipse; `drop`: how much narrower the lens is below.
        rim: width of the rim seen from the front, 0 for rimless; `colour`: of the frame; `shine`: of its highlights.
        vertex_distance: from the eyeball's front to the lens; `slip`: how far they have slid down the nose.
        pantoscopic: tilt of the front, radians.
        tint: share of the light that a lens keeps away; `tint_colour`: of what passes; `reflection`: strength.
    """

    lens_width: float
    lens_height: float
    bridge: float
    squareness: float
    drop: float
    rim: float
    colour: Float[np.ndarray, " 3"]
    shine: float
    vertex_distance: float
    slip: float
    pantoscopic: float
    tint: float
    tint_colour: Float[np.ndarray, " 3"]
    reflection: float


@dataclass(frozen=True, slots=True, eq=False)
class GlassesMesh:
    """Frame and lenses in the head frame; triangles index each one's own vertices."""

    frame: Float[np.ndarray, "R 3"]
    frame_triangles: Int[np.ndarray, "G 3"]
    lenses: Float[np.ndarray, "L 3"]
    lens_triangles: Int[np.ndarray, "H 3"]


def sample_glasses(rng: np.random.Generator) -> Glasses:
    """Draw glasses: adult sizes (lens 46 to 58, bridge 15 to 22 mm), one pair in six for the sun."""
    sun = rng.uniform() < 0.16
    dark = np.array(
        [
            [0.008, 0.008, 0.009],
            [0.06, 0.025, 0.012],
            [0.30, 0.24, 0.12],
            [0.35, 0.36, 0.38],
            [0.02, 0.03, 0.08],
            [0.25, 0.02, 0.03],
        ]
    )
    return Glasses(
        lens_width=float(rng.uniform(0.046, 0.058)),
        lens_height=float(rng.uniform(0.028, 0.050) + (0.004 if sun else 0.0)),
        bridge=float(rng.uniform(0.015, 0.021)),
        squareness=float(rng.uniform(2.0, 5.0)),
        drop=float(rng.uniform(0.0, 0.22)),
        rim=float(rng.choice([0.0008, rng.uniform(0.001, 0.002), rng.uniform(0.0022, 0.0050)])),
        colour=dark[rng.choice(6, p=[0.48, 0.18, 0.10, 0.12, 0.06, 0.06])] * rng.uniform(0.7, 1.4),
        shine=float(rng.uniform(0.1, 0.7)),
        vertex_distance=float(rng.uniform(0.0075, 0.013)),
        slip=float(max(0.0, rng.normal(0.001, 0.002))),
        pantoscopic=float(rng.uniform(0.05, 0.21)),
        tint=float(rng.uniform(0.65, 0.97))
        if sun
        else float(rng.choice([0.02, rng.uniform(0.03, 0.30)], p=[0.85, 0.15])),
        tint_colour=np.array([0.5, 0.42, 0.33]) * rng.uniform(0.3, 1.5) if sun else rng.uniform(0.7, 1.0, 3),
        reflection=float(rng.uniform(0.0, 0.35) if not sun else rng.uniform(0.05, 0.25)),
    )


def glasses_mesh(
    anatomy: dict[str, Float[np.ndarray, " 3"]], eye_centres: Float[np.ndarray, "2 3"], glasses: Glasses
) -> GlassesMesh:
    """Put glasses on a head.

    Args:
        anatomy: points of the posed head, head frame.
        eye_centres: of rotation, left then right.
        glasses: to put on.
    """
    middle = eye_centres.mean(axis=0)
    front = float(max(eye_centres[:, 2].max() + 0.0122 + glasses.vertex_distance, anatomy["sellion"][2] + 0.0005))
    height = 0.45 * middle[1] + 0.55 * float(anatomy["sellion"][1]) - 0.003 - glasses.slip
    centre = np.array([float(anatomy["sellion"][0]), height, front + 0.4 * glasses.slip])
    tilt = glasses.pantoscopic
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    offset = 0.5 * (glasses.bridge + glasses.lens_width)
    angle = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    power = 2.0 / glasses.squareness
    cosine, sine = np.cos(angle), np.sin(angle)
    outline = np.stack([np.sign(cosine) * np.abs(cosine) ** power, np.sign(sine) * np.abs(sine) ** power], axis=1)
    narrowing = 1 - glasses.drop * np.clip(-outline[:, 1], 0, 1)
    frame, frame_triangles = _Parts(), []
    lenses, lens_triangles = _Parts(), []
    for side in (1.0, -1.0):
        half = 0.5 * np.array([glasses.lens_width, glasses.lens_height])
        edge = outline * half
        edge[:, 0] *= narrowing
        inner = _curved(edge + np.array([side * offset, 0.0]))
        first = lenses.add(_placed(np.concatenate([inner, _curved(np.array([[side * offset, 0.0]]))]), turn, centre))
        ring = np.arange(SEGMENTS)
        fan = np.stack([ring, np.roll(ring, -1), np.full(SEGMENTS, SEGMENTS)], axis=1)
        lens_triangles.append(first + fan)
        outer = _curved(edge * (1 + glasses.rim / half) + [side * offset, 0.0])
        thick = np.array([0.0, 0.0, max(0.0012, 0.6 * glasses.rim)])
        loops = [frame.add(_placed(loop, turn, centre)) for loop in (inner, inner + thick, outer + thick, outer)]
        for one, two in zip(loops, [*loops[1:], loops[0]], strict=True):
            frame_triangles.append(_band(one + ring, two + ring, closed=True))
    bar = max(glasses.rim, 0.0012)
    bridge = _bridge(glasses)
    start = frame.add(_placed(_curved(bridge) + np.array([0.0, 0.0, 0.0008]), turn, centre))
    upper = start + np.arange(len(bridge) // 2)
    frame_triangles.append(_band(upper, upper + len(upper), closed=False))
    hinge_x = offset + 0.5 * glasses.lens_width + glasses.rim
    for side, name in ((1.0, "left"), (-1.0, "right")):
        hinge = _placed(_curved(np.array([[side * hinge_x, 0.25 * glasses.lens_height]])), turn, centre)[0]
        ear = anatomy[f"otobasion_superius_{name}"] + np.array([side * 0.004, 0.004, 0.0])
        # The arm leaves outwards, so that it clears the temple.
        path = np.stack(
            [hinge, 0.65 * hinge + 0.35 * ear + [side * 0.008, 0.001, 0.0], ear, ear + np.array([0.0, -0.012, -0.02])]
        )
        high = np.array([0.0, max(bar, 0.0018), 0.0])
        wide = np.array([side * 0.0012, 0.0, 0.0])
        corners = [frame.add(path + shift) for shift in (high, high + wide, wide - high, -high)]
        steps = np.arange(len(path))
        for one, two in zip(corners, [*corners[1:], corners[0]], strict=True):
            frame_triangles.append(_band(one + steps, two + steps, closed=False))
    flat = np.concatenate(frame_triangles)
    glass = np.concatenate(lens_triangles)
    return GlassesMesh(
        frame.all(), np.concatenate([flat, flat[:, ::-1]]), lenses.all(), np.concatenate([glass, glass[:, ::-1]])
    )


class _Parts:
    """Vertices collected part by part."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._count = 0

    def add(self, vertices: Float[np.ndarray, "N 3"]) -> int:
        """Append, and return the index of the first."""
        self._parts.append(vertices)
        self._count += len(vertices)
        return self._count - len(vertices)

    def all(self) -> Float[np.ndarray, "N 3"]:
        return np.concatenate(self._parts)


def _bridge(glasses: Glasses) -> Float[np.ndarray, "N 2"]:
    """Outline of the bridge in the plane of the front: upper edge, then lower."""
    x = np.linspace(-0.5, 0.5, 7) * (glasses.bridge + 0.004)
    rise = 0.10 * glasses.lens_height + 0.004 * (1 - (2 * x / glasses.bridge) ** 2).clip(0)
    thick = max(glasses.rim, 0.0012) * 0.9
    return np.concatenate([np.stack([x, rise + thick], 1), np.stack([x, rise - thick], 1)])


def _curved(flat: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 3"]:
    """The front's wrap: a sphere of base curve 4 (radius 0.13 m)."""
    return np.concatenate([flat, -(flat[:, :1] ** 2) / 0.26], axis=1)


def _placed(points: np.ndarray, turn: np.ndarray, centre: np.ndarray) -> Float[np.ndarray, "N 3"]:
    return (points[:, None, :] * turn[None]).sum(axis=2) + centre


def _band(one: np.ndarray, two: np.ndarray, *, closed: bool) -> Int[np.ndarray, "G 3"]:
    """Triangles between two rows of vertices."""
    count = len(one) if closed else len(one) - 1
    k = np.arange(count)
    n = (k + 1) % len(one)
    return np.concatenate([np.stack([one[k], two[k], one[n]], 1), np.stack([two[k], two[n], one[n]], 1)])
