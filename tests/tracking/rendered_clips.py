"""Talking clips drawn from known parameters, and how far a track of one is from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.evaluate.surface import surface_distance
from face3d.head import HeadModel
from face3d.media.video_writer import VideoWriter
from face3d.track_result import Track
from face3d.train.synthetic import (
    HeadState,
    Scene,
    open_head,
    paint_look,
    render_head_image,
    sample_look,
    sample_person,
)
from face3d.train.synthetic.light import Light, light_of_lamps
from face3d.train.synthetic.scene import Development
from tests.fit.talking_clips import TalkingClip, aligned, talking_clip, vertices

SIDE, RATE = 720, 25.0

STILL = slice(150, 190)
"""Frames of a whole clip in which nothing moves."""

SETTLED = 4
"""Frames after which a still face is expected to be still."""

LIPS = (13, 14)
"""MediaPipe's inner lips in the middle, above and below."""

USED = 20
"""Curves that a clip moves most."""

SURFACE_EVERY = 10
"""Frames between those whose distance from the surface is measured."""


@dataclass(frozen=True)
class Figures:
    """How far a track is from the truth; millimetres and degrees.

    Attributes:
        vertex, surface: median over face vertices and frames, each frame rigidly aligned, of the distance from the
            vertex itself and from the nearest place on the true surface; `free_vertex`, `free_surface`: the scale is
            aligned as well, once for the clip.
        neutral: median vertex error of the neutral head.
        size: of the head against the truth's, 1 if alike.
        turn, turn_about_mean: median angle from the true rotation, and after each clip's mean rotation is taken off.
        turn_offset: (3,) mean rotation vector from true to found, head axes.
        face_turn: median angle by which the posed face's vertices are turned from the true ones in the camera's frame;
            `turn` compares the heads' own axes, which lie in every head as its shape has them.
        curves: correlation of each of the 20 most used curves, largest first.
        lips: root mean square of lip opening found less true; `lips_match`: their correlation.
        jitter: root mean square of the face's vertices about their mean in the still segment; NaN without one.
        lag: frames by which the found lip opening comes late.
        gaze: median angle between the found and the true gaze of an eye in its head; `gaze_match`: (4,) correlations of
            left yaw, left pitch, right yaw and right pitch.
        looks: correlation of each of the eight eyeLook curves, largest first; `others`: of those of the 20 most used
            curves that are not among them.
    """

    vertex: float
    surface: float
    free_vertex: float
    free_surface: float
    neutral: float
    size: float
    turn: float
    turn_about_mean: float
    turn_offset: np.ndarray
    face_turn: float
    curves: np.ndarray
    lips: float
    lips_match: float
    jitter: float
    lag: float
    gaze: float
    gaze_match: np.ndarray
    looks: np.ndarray
    others: np.ndarray


def rendered_clip(model: HeadModel, seed: int, *, frames: int = 190) -> TalkingClip:
    """The recorded talk on somebody of the population, in a square picture as people who talk are filmed."""
    clip = talking_clip(model, seed, still=STILL if frames > STILL.start else None, frames=frames)
    matrix = clip.intrinsics.matrix.copy()
    matrix[:2, 2] = SIDE / 2
    person = sample_person(np.random.default_rng([seed, 0]))
    return replace(
        clip, identity=person.identity, intrinsics=Intrinsics(matrix, (SIDE, SIDE), 0.0, clip.intrinsics.source)
    )


def draw_clip(clip: TalkingClip, seed: int, path: Path) -> None:
    """Film it: plain light, a sharp picture with a little noise, H.264."""
    person = sample_person(np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 1])
    look = paint_look(sample_look(person, rng, occluders=False))
    head, light = open_head(), plain_light(rng)
    development = Development(
        exposure=float(rng.uniform(0.65, 0.85)),
        white_balance=(1.0, 1.0, 1.0),
        contrast=1.05,
        saturation=1.0,
        gamma=1.0,
        defocus=0.3,
        motion=(0.0, 0.0),
        noise=(0.010, 0.005),
        shrink=1.0,
        quality=95,
    )
    backdrop = int(rng.integers(2**63))
    with VideoWriter(path, clip.intrinsics.image_size, frame_rate=RATE) as writer:
        for time, expression, eyes, pose in zip(clip.times, clip.expression, clip.eyes, clip.pose, strict=True):
            scene = Scene(pose, clip.intrinsics.matrix, (SIDE, SIDE), light, 0.0, backdrop, development)
            state = HeadState(clip.identity, expression, np.zeros(3), eyes)
            writer.write(render_head_image(head.vertices(state), look, scene, rng).image, float(time))


def plain_light(rng: np.random.Generator) -> Light:
    """A key light, a weaker one from the other side, and a bright room."""
    side = rng.choice([-1.0, 1.0])
    lamps = np.array([[0.5 * side, -0.5, -0.8, 0.5, 0.5, 0.5], [-0.7 * side, -0.2, -0.7, 0.25, 0.25, 0.25]])
    lamps[:, :3] /= np.linalg.norm(lamps[:, :3], axis=1, keepdims=True)
    return light_of_lamps(lamps, np.array([[0.45] * 3, [0.3] * 3]), np.array([0.0, -1.0, 0.0]))


def figures(model: HeadModel, track: Track, clip: TalkingClip) -> Figures:
    """Compare a track with the clip it was made of; every frame must be there."""
    if len(track.frames) != len(clip.times):
        raise ValueError(f"{len(track.frames)} of {len(clip.times)} frames are there")
    face = model.regions["face"].numpy()
    found = vertices(model, track.identity, track.expression, track.eyes)
    true = vertices(model, clip.identity, clip.expression, clip.eyes)
    moved = aligned(found[:, face], true[:, face])
    middle = true[:, face].mean(axis=1, keepdims=True)
    scale = float(np.sum((moved - middle) * (true[:, face] - middle)) / np.sum((moved - middle) ** 2))
    freed = middle + scale * (moved - middle)
    triangles = model.triangles.numpy()
    some = range(0, len(true), SURFACE_EVERY)
    turn = Rotation.from_matrix(
        clip.pose[:, :3, :3].transpose(0, 2, 1) @ track.camera_from_head[:, :3, :3]
    )  # from the found head's axes to the true one's
    placed, true_placed = (
        posed[:, face] @ pose[:, :3, :3].transpose(0, 2, 1)
        for posed, pose in ((found, track.camera_from_head), (true, clip.pose))
    )
    neutral = [
        vertices(model, one, np.zeros((1, 52)), np.zeros((1, 6)))[:, face] for one in (track.identity, clip.identity)
    ]
    used = np.argsort(-clip.expression.std(axis=0))[:USED]
    curves = np.array([np.corrcoef(track.expression[:, k], clip.expression[:, k])[0, 1] for k in range(52)])
    look = np.array([name.startswith("eyeLook") for name in model.expression_names])
    others = used[~look[used]]
    gaze, true_gaze = gaze_directions(track.eyes), gaze_directions(clip.eyes)
    found_angles, true_angles = gaze_angles(gaze), gaze_angles(true_gaze)
    lips, true_lips = lip_opening(model, found), lip_opening(model, true)
    still = slice(STILL.start + SETTLED, STILL.stop)
    rest = found[still, face]
    return Figures(
        vertex=1e3 * float(np.median(np.linalg.norm(moved - true[:, face], axis=2))),
        surface=1e3 * float(np.median([surface_distance(moved[t], true[t], triangles) for t in some])),
        free_vertex=1e3 * float(np.median(np.linalg.norm(freed - true[:, face], axis=2))),
        free_surface=1e3 * float(np.median([surface_distance(freed[t], true[t], triangles) for t in some])),
        neutral=1e3 * float(np.median(np.linalg.norm(aligned(*neutral) - neutral[1], axis=2))),
        size=1 / scale,
        turn=float(np.rad2deg(np.median(turn.magnitude()))),
        turn_about_mean=float(np.rad2deg(np.median((turn * turn.mean().inv()).magnitude()))),
        turn_offset=np.rad2deg(turn.mean().as_rotvec()),
        face_turn=float(np.rad2deg(np.median(turns_between(placed, true_placed)))),
        curves=curves[used],
        lips=1e3 * float(np.sqrt(np.mean((lips - true_lips) ** 2))),
        lips_match=float(np.corrcoef(lips, true_lips)[0, 1]),
        jitter=1e3 * float(np.sqrt(np.mean(np.sum((rest - rest.mean(axis=0)) ** 2, axis=2)))) if len(rest) else np.nan,
        lag=lag_of(lips, true_lips),
        gaze=float(np.rad2deg(np.median(np.arccos(np.clip((gaze * true_gaze).sum(axis=2), -1, 1))))),
        gaze_match=np.array([np.corrcoef(found_angles[:, k], true_angles[:, k])[0, 1] for k in range(4)]),
        looks=np.sort(curves[look])[::-1],
        others=np.pad(curves[others], (0, USED - len(others)), constant_values=np.nan),
    )


def turns_between(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(T,) radians by which (T, V, 3) points are turned, as a rigid alignment tells it."""
    from_middle, to_middle = source.mean(axis=1, keepdims=True), target.mean(axis=1, keepdims=True)
    turns = [Rotation.align_vectors(*pair)[0] for pair in zip(target - to_middle, source - from_middle, strict=True)]
    return Rotation.concatenate(turns).magnitude()


def gaze_directions(eyes: np.ndarray) -> np.ndarray:
    """(T, 2, 3) where the eyes look, head frame, of (T, 6) axis-angles."""
    return Rotation.from_rotvec(eyes.reshape(-1, 3)).apply([0.0, 0.0, 1.0]).reshape(-1, 2, 3)


def gaze_angles(gaze: np.ndarray) -> np.ndarray:
    """(T, 4) radians: left yaw, left pitch, right yaw, right pitch."""
    x, y, z = np.moveaxis(gaze, 2, 0)
    return np.stack([np.arctan2(x, z), np.arctan2(-y, np.hypot(x, z))], axis=2).reshape(-1, 4)


def lip_opening(model: HeadModel, posed: np.ndarray) -> np.ndarray:
    """(T,) metres between the inner lips' middles."""
    points = model.point_sets["mediapipe_478"]
    above, below = (
        np.einsum("k,tkx->tx", points.barycentric[n].double().numpy(), posed[:, model.triangles[points.triangles[n]]])
        for n in LIPS
    )
    return np.linalg.norm(above - below, axis=1)


def lag_of(found: np.ndarray, true: np.ndarray, most: int = 5) -> float:
    """Frames by which `found` comes after `true`: the top of their correlation over shifts, between frames too."""
    shifts = np.arange(-most, most + 1)
    inner = true[most : len(true) - most]
    match = np.array([np.corrcoef(found[most + s : len(found) - most + s], inner)[0, 1] for s in shifts])
    top = int(np.clip(match.argmax(), 1, 2 * most - 1))
    before, here, after = match[top - 1 : top + 2]
    return float(shifts[top] + 0.5 * (before - after) / (before - 2 * here + after))
