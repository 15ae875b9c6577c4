"""Simple hair: a shell lifted off the scalp, with a hairline, and for long hair a curtain behind and beside the face.

Angles go around the head's vertical axis, 0 in front, 180 at the back, both sides alike; lengths are metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from face3d.train.synthetic.chart import noise_fields
from face3d.train.synthetic.heads import open_head

__all__ = ["AZIMUTHS", "Hair", "curtain", "hair_shadow", "sample_hair", "shell_faces", "shell_vertices"]

AZIMUTHS = np.linspace(0.0, 180.0, 37)
"""Degrees at which hairlines are given."""
_AXIS_Z = -0.075
_CENTRE = np.array([0.0, 0.0, -0.075])
_USUAL_LINE = np.interp(
    AZIMUTHS,
    [0, 20, 38, 52, 62, 70, 78, 95, 130, 180],
    [0.072, 0.071, 0.058, 0.030, 0.012, -0.020, 0.004, 0.006, -0.055, -0.075],
)
"""Height of the hairline on the mean head: forehead, temple, sideburn, around the ear, nape."""

STYLES = ("bald", "shaved", "short", "medium", "long", "fringe", "curly", "tied", "covered", "hat")


@dataclass(frozen=True, slots=True, eq=False)
class Hair:
    """A haircut, or what covers it.

    Attributes:
        style: one of `STYLES`.
        colour: linear RGB; of the cloth for "covered" and "hat".
        line: (37,) height of the hairline by `AZIMUTHS`; `upper`: (37,) above this height the head is bald.
        edge: softness of the hairline, metres.
        cover: 0 to 1, how much of the scalp's colour the hair takes.
        top, side, back: how far it stands off.
        curl: unevenness of that; `strands`: contrast of strands; `parting`: of the hair, metres from the middle.
        fringe: lower edge of hair that falls over the forehead, height on the mean head; NaN for none.
        curtain: lowest height that long hair reaches; NaN for none. `curtain_from`: angle of its front edge.
        shine: strength of its highlights.
    """

    style: str
    colour: Float[np.ndarray, " 3"]
    line: Float[np.ndarray, " 37"]
    upper: Float[np.ndarray, " 37"]
    edge: float
    cover: float
    top: float
    side: float
    back: float
    curl: float
    strands: float
    parting: float
    fringe: float
    curtain: float
    curtain_from: float
    shine: float

    @property
    def is_cloth(self) -> bool:
        """Whether it is a scarf or a hat."""
        return self.style in ("covered", "hat")

    @property
    def has_shell(self) -> bool:
        """Whether anything stands off the scalp."""
        return self.top > 0.0


def sample_hair(sex: str, origin: str, age: float, colour: Float[np.ndarray, " 3"], rng: np.random.Generator) -> Hair:
    """Draw a haircut."""
    male = sex == "male"
    shares = (
        [0.11, 0.17, 0.42, 0.08, 0.03, 0.05, 0.06, 0.01, 0.0, 0.07]
        if male
        else [0.01, 0.03, 0.13, 0.16, 0.24, 0.13, 0.09, 0.13, 0.05, 0.03]
    )
    style = str(rng.choice(STYLES, p=shares))
    if origin == "black" and style in ("medium", "long", "short") and rng.uniform() < 0.6:
        style = "curly"
    line = _USUAL_LINE + rng.normal(0, 0.006) * (AZIMUTHS < 60) + rng.normal(0, 0.004)
    recession = max(0.0, rng.normal(0.004, 0.006) + (0.0004 * (age - 35) if male else 0.0))
    line = line + recession * np.exp(-(((AZIMUTHS - 38) / 16) ** 2)) + 0.5 * recession * (AZIMUTHS < 25)
    line = line - max(0.0, rng.normal(0, 0.004)) * np.exp(-((AZIMUTHS / 9) ** 2))
    line[(AZIMUTHS > 60) & (AZIMUTHS < 78)] += rng.uniform(-0.025, 0.02)
    upper = np.full(len(AZIMUTHS), 1.0)
    if style == "bald" and rng.uniform() < 0.65:
        crown = rng.uniform(0.02, 0.06)
        upper = np.where(AZIMUTHS < 110, crown, crown + 0.02)
        line = np.maximum(line, np.where(AZIMUTHS < 58, 0.2, line))
    top, side, back = _lengths(style, rng)
    fringe = float("nan")
    if style == "fringe" or (style in ("medium", "curly", "long") and rng.uniform() < 0.12):
        fringe = float(rng.uniform(0.026, 0.052))
    falls = style in ("long", "covered") or (style in ("medium", "fringe", "curly") and rng.uniform() < 0.55)
    low = {"long": (-0.34, -0.14), "covered": (-0.20, -0.15)}.get(style, (-0.14, -0.06))
    if style == "covered":
        line = np.interp(AZIMUTHS, [0, 40, 62, 75, 180], [rng.uniform(0.045, 0.07), 0.045, -0.02, -0.10, -0.13])
    if style == "hat":
        rim = rng.uniform(0.035, 0.055)
        line = np.interp(AZIMUTHS, [0, 60, 100, 180], [rim, rim - 0.01, 0.012, -0.02])
    if style in ("covered", "hat"):
        colour = np.exp(rng.uniform(np.log(0.01), np.log(0.7))) * rng.uniform(0.4, 1.0, 3)
    return Hair(
        style=style,
        colour=np.asarray(colour, dtype=np.float64),
        line=line,
        upper=upper,
        edge=float(rng.uniform(0.002, 0.006)) * (0.4 if style in ("covered", "hat") else 1.0),
        cover={"bald": rng.uniform(0.0, 0.35), "shaved": rng.uniform(0.35, 0.85)}.get(style, 0.97),
        top=top,
        side=side,
        back=back,
        curl=float(rng.uniform(0.22, 0.35) if style == "curly" else rng.uniform(0.03, 0.18)),
        strands=float(rng.uniform(0.04, 0.1) if style in ("covered", "hat") else rng.uniform(0.10, 0.28)),
        parting=float(rng.choice([0.0, rng.uniform(-0.045, 0.045)])),
        fringe=fringe,
        curtain=float(rng.uniform(*low)) if falls else float("nan"),
        curtain_from=float(rng.uniform(58, 88)),
        shine=0.03 if style in ("covered", "hat") else float(rng.uniform(0.05, 0.5)),
    )


def _lengths(style: str, rng: np.random.Generator) -> tuple[float, float, float]:
    ranges = {
        "bald": ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
        "shaved": ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
        "short": ((0.006, 0.035), (0.002, 0.012), (0.003, 0.014)),
        "medium": ((0.010, 0.030), (0.010, 0.024), (0.010, 0.025)),
        "long": ((0.006, 0.025), (0.007, 0.022), (0.010, 0.025)),
        "fringe": ((0.008, 0.028), (0.006, 0.020), (0.008, 0.022)),
        "curly": ((0.012, 0.065), (0.008, 0.050), (0.010, 0.060)),
        "tied": ((0.003, 0.012), (0.003, 0.007), (0.003, 0.010)),
        "covered": ((0.008, 0.018), (0.008, 0.016), (0.010, 0.030)),
        "hat": ((0.010, 0.040), (0.007, 0.012), (0.008, 0.020)),
    }[style]
    top, side, back = (float(rng.uniform(*span)) for span in ranges)
    return top, side, back


@lru_cache(maxsize=1)
def shell_faces() -> tuple[Int[np.ndarray, " S"], Int[np.ndarray, "G 3"]]:
    """Vertices of the head that hair, scarf or hat may lie on, and triangles over them (indices into the former)."""
    head = open_head()
    rest = head.template
    azimuth = np.degrees(np.abs(np.arctan2(rest[:, 0], rest[:, 2] - _AXIS_Z)))
    lowest = np.interp(azimuth, [0, 40, 55, 62, 180], [0.018, 0.016, 0.0, -0.112, -0.14])
    within = head.region("skin") & (rest[:, 1] > lowest) & ~head.region("left_ear", "right_ear", "eye_region")
    triangles = head.triangles[within[head.triangles].all(axis=1)]
    used = np.unique(triangles)
    place = np.full(len(rest), -1)
    place[used] = np.arange(len(used))
    return used, place[triangles]


def shell_vertices(
    vertices: Float[np.ndarray, "V 3"], hair: Hair, seed: int
) -> tuple[Float[np.ndarray, "S 3"], Float[np.ndarray, "S 2"], Float[np.ndarray, " S"]]:
    """The lifted scalp of a posed head.

    Args:
        vertices: of the head, head frame.
        hair: the cut.
        seed: of its unevenness.

    Returns:
        Places (head frame); (S, 2) strand coordinates across and along the hair, metres; and the (S,) signed height
        above the shell's own lower edge (the fringe's, where there is one).
    """
    used, _ = shell_faces()
    rest = open_head().template[used]
    azimuth, edge = _lower_edge(rest, hair)
    above = rest[:, 1] - edge
    upwards = np.clip((rest[:, 1] - 0.02) / 0.08, 0, 1)
    behind = np.clip((azimuth - 60) / 80, 0, 1)
    lift = hair.top * upwards + (1 - upwards) * (hair.side + (hair.back - hair.side) * behind)
    rng = np.random.default_rng(seed)
    bumps = _smooth_noise(rest, rng, 0.045 if hair.style == "curly" else 0.06)
    lift *= 1 + (0.5 * hair.curl if hair.style == "curly" else hair.curl) * bumps
    ramp = np.clip(above / (0.010 + 0.8 * lift), 0.0, 1.0)
    floor = 0.35 if np.isfinite(hair.fringe) or hair.is_cloth else 0.03
    lift *= np.where(above > -0.004, floor + (1 - floor) * ramp**0.75, 0.0)
    outward = vertices[used] - _CENTRE
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    place = vertices[used] + outward * (lift[:, None] + 0.0008)
    x = rest[:, 0] - hair.parting
    across = np.stack([rest[:, 2] * 1.0, x], axis=1)
    # Hair falls away from the parting: strands are told apart by where they start along it.
    strand = np.where(azimuth > 100, rest[:, 0], across[:, 0] + 0.3 * np.abs(x))
    return place, np.stack([strand, np.hypot(x, rest[:, 1] - 0.1)], axis=1), above


def hair_shadow(hair: Hair) -> Float[np.ndarray, " V"]:
    """Share of the light that hair leaves to each vertex of the head: less just below its edge."""
    rest = open_head().template
    azimuth, edge = _lower_edge(rest, hair)
    gap = (edge - rest[:, 1]) / (0.007 + 0.3 * max(hair.top, hair.side))
    near = (azimuth < 62) & (rest[:, 1] > 0.005)
    return np.where(near, 1.0 - 0.38 * np.exp(-(np.maximum(gap, 0.0) ** 2)), 1.0).astype(np.float32)


def _lower_edge(rest: Float[np.ndarray, "N 3"], hair: Hair) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Azimuths of places on the mean head, and the height at which the hair ends there."""
    azimuth = np.degrees(np.abs(np.arctan2(rest[:, 0], rest[:, 2] - _AXIS_Z)))
    edge = np.interp(azimuth, AZIMUTHS, hair.line)
    if np.isfinite(hair.fringe):
        sweep = 0.25 * np.sign(hair.parting + 1e-9) * rest[:, 0]
        lowered = hair.fringe + sweep + np.clip(azimuth - 40, 0, None) * 2e-4
        edge = np.where(azimuth < 58, np.minimum(edge, lowered), edge)
    return azimuth, edge


def curtain(
    anatomy: dict[str, Float[np.ndarray, " 3"]], hair: Hair, seed: int
) -> tuple[Float[np.ndarray, "C 3"], Int[np.ndarray, "G 3"], Float[np.ndarray, "C 2"]]:
    """Long hair (or a scarf's fall): a surface around the back and sides of the head down to `hair.curtain`.

    Returns:
        Vertices (head frame), triangles (both sides), and strand coordinates, metres.
    """
    rng = np.random.default_rng(seed + 1)
    columns, rows = 41, 13
    angle = np.radians(np.linspace(hair.curtain_from, 360 - hair.curtain_from, columns))
    half_width = 0.5 * float(np.linalg.norm(anatomy["eurion_left"] - anatomy["eurion_right"]))
    middle = 0.5 * (anatomy["eurion_left"] + anatomy["eurion_right"])
    depth = float(middle[2] - anatomy["opisthocranion"][2])
    start = middle[1] + 0.012
    height = np.linspace(start, hair.curtain, rows)
    down = np.linspace(0, 1, rows)
    waves = _grid_noise(rng, rows, columns)
    flare = rng.uniform(-0.012, 0.03)
    vertices, strands = [], []
    for row in range(rows):
        # Around the ears first wider, then hanging down.
        wide = half_width + hair.side * 0.9 + 0.006 + 0.006 * np.sin(np.pi * min(down[row] * 2, 1)) + flare * down[row]
        deep = depth + hair.back * 0.9 - 0.020 * down[row] + 0.3 * flare * down[row]
        radius = 1 + (0.02 + 0.12 * hair.curl) * waves[row]
        ragged = 0.02 * waves[(row + 3) % rows] * down[row] ** 3
        x = wide * np.sin(angle) * radius
        z = middle[2] + np.where(np.cos(angle) > 0, 0.6 * depth, deep) * np.cos(angle) * radius
        vertices.append(np.stack([x + middle[0], np.full(columns, height[row]) + ragged, z], axis=1))
        strands.append(np.stack([angle * 0.09, np.full(columns, start - height[row])], axis=1))
    grid = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = grid[:-1, :-1].ravel(), grid[:-1, 1:].ravel(), grid[1:, :-1].ravel(), grid[1:, 1:].ravel()
    outside = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    return np.concatenate(vertices), np.concatenate([outside, outside[:, ::-1]]), np.concatenate(strands)


def _smooth_noise(
    points: Float[np.ndarray, "N 3"], rng: np.random.Generator, wavelength: float
) -> Float[np.ndarray, " N"]:
    total = np.zeros(len(points))
    for _ in range(5):
        wave = rng.normal(size=3)
        wave *= 2 * np.pi / (wavelength * rng.uniform(0.7, 1.8) * np.linalg.norm(wave))
        total += np.sin((points * wave).sum(axis=1) + rng.uniform(0, 6.28))
    return total / np.sqrt(2.5)


def _grid_noise(rng: np.random.Generator, rows: int, columns: int) -> Float[np.ndarray, "R K"]:
    field = noise_fields()[1]
    top, left = rng.integers(0, field.shape[0] - 8 * rows), rng.integers(0, field.shape[1] - 6 * columns)
    return field[top : top + 5 * rows : 5, left : left + 3 * columns : 3].astype(np.float64)
