"""Procedural appearance for heads that have none: skin, brows, lips, eyes, hair, drawn per pixel.

Everything is painted in the rest coordinates of the mean head, which serve as a chart of the face shared by all
identities, so that brows and lips stay where the surface carries them. Varied on purpose: a landmark detector must be
measured over skin tones, brows, stubble, hair and light, not on one look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from surface import vertex_normals

from face3d.render.rasterize_numba import rasterize_camera

EYE_REGIONS = ("left_eyeball", "right_eyeball")

_LIGHT_SKIN, _DARK_SKIN = np.array([0.80, 0.58, 0.47]), np.array([0.10, 0.055, 0.035])
_HAIR_COLOURS = np.array(
    [[0.02, 0.015, 0.012], [0.08, 0.045, 0.025], [0.3, 0.19, 0.09], [0.4, 0.4, 0.4], [0.2, 0.06, 0.02]]
)
"""Black, brown, blond, grey, red; linear RGB."""
_HAIR_SHARES_LIGHT, _HAIR_SHARES_DARK = [0.45, 0.27, 0.13, 0.1, 0.05], [0.85, 0.07, 0, 0.08, 0]
_IRIS_COLOURS = np.array(
    [[0.05, 0.025, 0.012], [0.13, 0.07, 0.03], [0.1, 0.14, 0.08], [0.13, 0.2, 0.3], [0.2, 0.22, 0.22]]
)
"""Dark brown, brown, green, blue, grey; linear RGB."""
_IRIS_SHARES_LIGHT, _IRIS_SHARES_DARK = [0.45, 0.25, 0.1, 0.13, 0.07], [0.8, 0.2, 0, 0, 0]
_DARK_FROM = 0.6
"""Depth of skin (0 lightest, 1 darkest) from which hair and eyes are drawn by the shares of dark skin."""
_SCLERA = np.array([0.62, 0.57, 0.54])


@dataclass(frozen=True, slots=True)
class FaceChart:
    """Per-vertex facts of the mean head that painting needs; metres, head frame.

    Attributes:
        rest: (V, 3) vertices of the mean head.
        lips: (V,) 1 on the lips.
        ambient: (V,) cosine-weighted share of the sky that a vertex sees.
        lashes: (V,) 1 on the lid margins, falling off over 1.6 mm.
        eyeball: (V,) 0 skin, 1 left eyeball, 2 right eyeball.
        eye_centres: (2, 3) left, right.
        scalp: (V,) 1 on the scalp.
        brow: (K, 2) centre line of the left brow, x and y from the nose outwards, x rising.
    """

    rest: Float[ndarray, "V 3"]
    lips: Float[ndarray, " V"]
    ambient: Float[ndarray, " V"]
    lashes: Float[ndarray, " V"]
    eyeball: Int[ndarray, " V"]
    eye_centres: Float[ndarray, "2 3"]
    scalp: Float[ndarray, " V"]
    brow: Float[ndarray, "K 2"]

    @staticmethod
    def of(
        rest: Float[ndarray, "V 3"],
        triangles: Int[ndarray, "F 3"],
        regions: dict[str, Int[ndarray, " R"]],
        eye_centres: Float[ndarray, "2 3"],
        brow: Float[ndarray, "K 2"],
    ) -> FaceChart:
        """Build the chart of a mean head.

        Args:
            rest: metres, head frame.
            triangles: vertex ids, counter-clockwise from outside.
            regions: vertex ids of "lips", "scalp" and `EYE_REGIONS`.
            eye_centres: of rotation, left then right; metres, head frame.
            brow: centre line of the left brow (x, y) from the nose outwards; metres, head frame.
        """
        eyeball = np.zeros(len(rest), int)
        for number, name in enumerate(EYE_REGIONS, start=1):
            eyeball[regions[name]] = number
        lips = np.zeros(len(rest))
        lips[regions["lips"]] = 1
        scalp = np.zeros(len(rest))
        scalp[regions["scalp"]] = 1
        front = rest[(eyeball > 0) & (rest[:, 2] > eye_centres[:, 2].mean() + 0.006)]
        gap = np.sqrt(((rest[:, None] - front[None]) ** 2).sum(axis=2).min(axis=1))
        lid = (eyeball == 0) & (rest[:, 1] > eye_centres[:, 1].mean() - 0.004)
        lashes = np.where(lid, np.exp(-((gap / 0.0016) ** 2)), 0)
        return FaceChart(rest, lips, _sky_share(rest, triangles), lashes, eyeball, eye_centres, scalp, brow)


@dataclass(frozen=True, slots=True)
class Look:
    """One random appearance and light.

    Attributes:
        skin, lip, hair, iris: linear RGB.
        iris_radius, pupil_radius: metres.
        brow_strength: 0 to 1, how much of the hair's colour the brows take.
        brow_thickness, brow_shift: half thickness and upward shift of the brows, metres.
        stubble, lash_strength, redness: 0 to 1.
        waves: (W, 5) the skin's grain as plane waves: wave vector (radians per metre), phase, strength.
        freckles: contrast of the grain.
        hair_length: how far the hair stands off the scalp, metres; 0 for none.
        lights: (L, 6) direction towards the lamp (camera frame, unit length) and its linear RGB.
        ambient: light of the sky, linear RGB.
        gloss: strength of the skin's highlights.
    """

    skin: Float[ndarray, " 3"]
    lip: Float[ndarray, " 3"]
    hair: Float[ndarray, " 3"]
    iris: Float[ndarray, " 3"]
    iris_radius: float
    pupil_radius: float
    brow_strength: float
    brow_thickness: float
    brow_shift: float
    stubble: float
    lash_strength: float
    redness: float
    waves: Float[ndarray, "W 5"]
    freckles: float
    hair_length: float
    lights: Float[ndarray, "L 6"]
    ambient: Float[ndarray, " 3"]
    gloss: float


def random_look(rng: np.random.Generator) -> Look:
    """Draw an appearance: skin from very light to very dark, any hair and eye colour, soft to hard light.

    The order of the draws is part of the data made with them: a new property draws after the others.
    """
    depth = rng.uniform(0, 1)
    skin = np.exp((1 - depth) * np.log(_LIGHT_SKIN) + depth * np.log(_DARK_SKIN)) * rng.uniform(0.9, 1.1, 3)
    hair = _HAIR_COLOURS[rng.choice(5, p=_HAIR_SHARES_LIGHT if depth < _DARK_FROM else _HAIR_SHARES_DARK)]
    waves = _random_waves(rng)
    lights = _random_lights(rng)
    return Look(
        skin=skin,
        lip=skin * np.array([0.95, 0.62, 0.62]) * rng.uniform(0.75, 1.05),
        hair=hair * rng.uniform(0.7, 1.3),
        iris=_IRIS_COLOURS[rng.choice(5, p=_IRIS_SHARES_LIGHT if depth < _DARK_FROM else _IRIS_SHARES_DARK)],
        iris_radius=0.00585 * rng.normal(1, 0.04),
        pupil_radius=rng.uniform(0.0012, 0.0026),
        brow_strength=rng.uniform(0.35, 0.95),
        brow_thickness=rng.uniform(0.0028, 0.0058),
        brow_shift=rng.normal(0, 0.0012),
        stubble=rng.choice([0, 0, rng.uniform(0.05, 0.5)]),
        lash_strength=rng.uniform(0.3, 0.9),
        redness=rng.uniform(0, 0.25),
        waves=waves,
        freckles=rng.uniform(0.01, 0.06),
        hair_length=rng.choice([0.0, 0.003, rng.uniform(0.005, 0.025)]),
        lights=lights,
        ambient=rng.uniform(0.25, 0.7) * rng.uniform(0.85, 1.0, 3),
        gloss=rng.uniform(0.0, 0.25),
    )


def _random_waves(rng: np.random.Generator, count: int = 10) -> Float[ndarray, "W 5"]:
    """Waves of 4 to 50 mm, see `Look.waves`."""
    vectors = rng.normal(size=(count, 3)) * (2 * np.pi / rng.uniform(0.004, 0.05, (count, 1)))
    return np.column_stack([vectors, rng.uniform(0, 6.28, count), rng.uniform(0, 1, count)])


def _random_lights(rng: np.random.Generator) -> Float[ndarray, "L 6"]:
    """One to three lamps, mostly above and on the camera's side, see `Look.lights`."""
    count = rng.integers(1, 4)
    directions = rng.normal(size=(count, 3)) * [1, 0.7, 0.4] + [0, -0.4, -1.0]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    colours = rng.uniform(0.3, 1.0, (count, 1)) * rng.uniform(0.85, 1.0, (count, 3))
    return np.concatenate([directions, colours], axis=1)


def paint_albedo(
    chart: FaceChart,
    look: Look,
    points: Float[ndarray, "P 3"],
    masks: Float[ndarray, "P 3"],
    eyeball: Int[ndarray, " P"],
    turns: Float[ndarray, "2 3 3"],
) -> Float[ndarray, "P 3"]:
    """Albedo of visible pixels, linear RGB.

    Args:
        chart: of the mean head.
        look: to paint.
        points: rest coordinates that the pixels show; metres, head frame of the mean head.
        masks: lips, lashes, scalp; each 0 to 1.
        eyeball: 0 skin, 1 left, 2 right.
        turns: rotation of the left and of the right eye.
    """
    albedo = _skin(chart, look, points, masks)
    for number in (1, 2):
        on_eye = eyeball == number
        albedo[on_eye] = _eye(look, (points[on_eye] - chart.eye_centres[number - 1]) @ turns[number - 1])
    return np.clip(albedo, 0.002, 1)


def _skin(
    chart: FaceChart, look: Look, points: Float[ndarray, "P 3"], masks: Float[ndarray, "P 3"]
) -> Float[ndarray, "P 3"]:
    """Albedo of skin, stubble, lips, brows, lashes and scalp; arguments as of `paint_albedo`."""
    lips, lashes, scalp = masks.T
    grain = np.zeros(len(points))
    for x, y, z, phase, strength in look.waves:
        grain += strength * np.sin(points[:, 0] * x + points[:, 1] * y + points[:, 2] * z + phase)
    grain /= max(np.abs(look.waves[:, 4]).sum(), 1e-9)
    albedo = look.skin * (1 + look.freckles * 2 * grain)[:, None]
    mirrored = np.column_stack([np.abs(points[:, 0]), points[:, 1:]])
    cheeks = np.exp(-(((mirrored[:, :2] - [0.038, -0.035]) / 0.018) ** 2).sum(axis=1))
    nose = np.exp(-(((mirrored[:, :2] - [0.0, -0.038]) / 0.012) ** 2).sum(axis=1))
    albedo *= 1 - look.redness * np.maximum(cheeks, nose)[:, None] * [0.0, 0.6, 0.5]
    lower = _step(-points[:, 1], 0.05, 0.075) * _step(points[:, 2], -0.05, -0.02)
    albedo = _mix(albedo, 0.6 * look.skin * 0.5 + look.hair * 0.5, look.stubble * lower * (1 - lips))
    albedo = _mix(albedo, look.lip, _step(lips, 0.25, 0.7))
    albedo = _mix(albedo, look.hair, look.brow_strength * _brow(chart, look, mirrored, grain))
    albedo = _mix(albedo, look.hair * 0.3, look.lash_strength * lashes)
    return _mix(albedo, look.hair * (1 + 0.5 * grain)[:, None], _step(scalp + 0.15 * grain, 0.3, 0.6))


def _eye(look: Look, points: Float[ndarray, "Q 3"]) -> Float[ndarray, "Q 3"]:
    """Albedo of an eyeball at points from its centre, metres, the gaze along +z."""
    radius = np.hypot(points[:, 0], points[:, 1])
    radius = np.where(points[:, 2] > 0, radius, 1.0)
    fibres = 1 + 0.25 * np.sin(np.arctan2(points[:, 1], points[:, 0]) * 37 + look.waves[0, 3])
    colour = _SCLERA * np.ones((len(points), 1))
    inside = _disc(radius, look.iris_radius)
    limbus = np.exp(-(((radius - look.iris_radius) / 0.0006) ** 2))
    colour = _mix(colour, look.iris * fibres[:, None], inside)
    colour *= 1 - 0.6 * (limbus * inside)[:, None]
    return _mix(colour, np.full(3, 0.005), _disc(radius, look.pupil_radius))


def shade(
    look: Look,
    albedo: Float[ndarray, "P 3"],
    normals: Float[ndarray, "P 3"],
    sight: Float[ndarray, "P 3"],
    ambient: Float[ndarray, " P"],
    glossy: Float[ndarray, " P"],
) -> Float[ndarray, "P 3"]:
    """Light painted pixels: sky light by what each sees of the sky, wrapped lamps, a soft highlight.

    Args:
        look: whose lamps, sky and gloss to use.
        albedo: linear RGB.
        normals: unit length, OpenCV camera frame.
        sight: unit vectors from the surface towards the camera, same frame.
        ambient: share of the sky that each pixel sees.
        glossy: 1 on the eyeballs, which shine more than skin.

    Returns:
        Linear RGB, not yet exposed.
    """
    sky = 0.65 - 0.35 * normals[:, 1]
    total = look.ambient * (sky * ambient)[:, None]
    shine = np.zeros(len(albedo))
    for lamp in look.lights:
        towards = lamp[:3]
        cosine = normals @ towards
        total += np.clip((cosine + 0.15) / 1.15, 0, None)[:, None] * lamp[3:] * (0.35 + 0.65 * ambient)[:, None]
        half = towards + sight
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        shine += np.clip(np.sum(normals * half, axis=1), 0, 1) ** 24 * lamp[3:].mean()
    return albedo * total + ((look.gloss * 0.35 + 0.6 * glossy) * shine * ambient)[:, None]


def _brow(
    chart: FaceChart, look: Look, mirrored: Float[ndarray, "P 3"], grain: Float[ndarray, " P"]
) -> Float[ndarray, " P"]:
    """Share of brow, 0 to 1, at rest coordinates mirrored to the left half."""
    line = chart.brow
    centre = np.interp(mirrored[:, 0], line[:, 0], line[:, 1]) + look.brow_shift
    along = (mirrored[:, 0] - line[0, 0]) / (line[-1, 0] - line[0, 0])
    thickness = look.brow_thickness * np.interp(along, [0, 0.15, 0.6, 1], [0.8, 1.1, 0.9, 0.35])
    across = np.abs(mirrored[:, 1] - centre) / thickness
    ends = _step(along, -0.05, 0.05) * _step(-along, -1.05, -0.9)
    front = mirrored[:, 2] > -0.03
    return _step(-across - 0.3 * grain, -1.25, -0.65) * ends * front


def _sky_share(rest: Float[ndarray, "V 3"], triangles: Int[ndarray, "F 3"], count: int = 160) -> Float[ndarray, " V"]:
    """Cosine-weighted share of directions from which each vertex is seen, by depth maps from `count` far cameras."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    normals = vertex_normals(rest, triangles)
    seen, total = np.zeros(len(rest)), np.full(len(rest), 1e-9)
    for direction in directions:
        side = np.cross(direction, [0.3, 1, 0.2])
        side /= np.linalg.norm(side)
        rotation = np.stack([side, np.cross(direction, side) * -1, -direction])
        camera = (rest - rest.mean(axis=0)) @ rotation.T + [0, 0, 10.0]
        matrix = np.array([[12000, 0, 200], [0, 12000, 200], [0, 0, 1.0]])
        fragments = rasterize_camera(camera, triangles, matrix, (400, 400))
        x, y = (camera[:, :2] / camera[:, 2:] * 12000 + 200).astype(int).clip(0, 399).T
        visible = camera[:, 2] < fragments.depth[y, x] + 0.003
        weight = np.clip(normals @ direction, 0, None)
        seen += weight * visible
        total += weight
    return seen / total


def _step(value: Float[ndarray, " P"], low: float, high: float) -> Float[ndarray, " P"]:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _disc(radius: Float[ndarray, " P"], edge: float) -> Float[ndarray, " P"]:
    """1 inside a disc, 0 outside, its edge 0.6 mm soft; metres."""
    return _step(-radius, -edge - 0.0003, -edge + 0.0003)


def _mix(
    first: Float[ndarray, "P 3"], second: Float[ndarray, "*P 3"], share: Float[ndarray, " P"]
) -> Float[ndarray, "P 3"]:
    return first + (second - first) * share[:, None]
