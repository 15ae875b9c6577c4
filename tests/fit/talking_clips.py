"""Clips of talking heads with known parameters, and what MediaPipe makes of them by its measured errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from face3d.camera import Intrinsics
from face3d.fit.evidence import DetectorResponse
from face3d.fit.incisors import Incisors, toothed_lip
from face3d.fit.landmark_fit import held_joints
from face3d.fit.landmark_problem import view_angles
from face3d.fit.lip_surface import lip_surface
from face3d.fit.motion_points import MotionPoints
from face3d.fit.point_model import PointModel
from face3d.head import HeadModel
from face3d.landmarks import FaceLandmarks

TALK = Path(__file__).parent / "data" / "talk_motion.npz"
"""MediaPipe's 52 curves and head rotation over the 190 frames of shared/media/talk.mp4, 25 a second."""

SIZE = (1280, 720)

CONSTANT, SLOW, QUICK = 0.75, 0.45, 0.08
"""Standard deviations of the amounts of the detector's correlated errors in one clip, as seen on rendered clips of
known heads: what stays, what follows pose and expression within some 0.7 s, and what trembles. In all 0.88 of those
between photos of different people."""

SLOWNESS = 0.7
"""Seconds."""


@dataclass(frozen=True)
class TalkingClip:
    """A head and what it does; T frames."""

    identity: np.ndarray
    expression: np.ndarray
    turns: np.ndarray
    pose: np.ndarray
    intrinsics: Intrinsics
    times: np.ndarray

    @property
    def eyes(self) -> np.ndarray:
        """(T, 6) axis-angle."""
        return Rotation.from_matrix(self.turns[:, 1:].reshape(-1, 3, 3)).as_rotvec().reshape(-1, 6)


def talking_clip(model: HeadModel, seed: int, *, still: slice | None = None, frames: int = 190) -> TalkingClip:
    """The recorded talk on a head drawn from the population, which nods and turns besides and looks about.

    Args:
        still: frames in which nothing moves at all.
        frames: how many of the 190.
    """
    rng = np.random.default_rng(seed)
    with np.load(TALK) as file:
        curves, turning = file["curves"].astype(np.float64), file["rotation"].astype(np.float64)
        names = [str(name) for name in file["curve_names"]]
    curves = curves[:, [names.index(name) for name in model.expression_names]]
    times = np.arange(len(curves)) / 25
    gaze = look(curves, list(model.expression_names))
    # What the detector says of the head's rotation trembles; heads do not.
    turning = gaussian_filter1d(turning - turning.mean(axis=0), 2, axis=0)
    phase = rng.uniform(0, 2 * np.pi, 3)
    turning += np.array([0.12, 0.3, 0.06]) * np.sin(2 * np.pi * times[:, None] / [4.0, 6.0, 5.0] + phase)
    focal = float(rng.uniform(0.9, 1.8)) * SIZE[0]
    distance = focal * 0.145 / (0.45 * SIZE[1])
    place = np.array([0.03, 0.015, 0.03]) * np.sin(2 * np.pi * times[:, None] / [5.0, 3.5, 7.0] + phase)
    pose = np.tile(np.eye(4), (len(times), 1, 1))
    pose[:, :3, :3] = np.diag([1.0, -1.0, -1.0]) @ Rotation.from_rotvec(turning).as_matrix()
    pose[:, :3, 3] = place
    pose[:, 2, 3] += distance
    if still is not None:
        for values in (curves, gaze, pose):
            values[still] = values[still.start]
    turns = np.tile(np.eye(3), (len(times), 3, 1, 1))
    turns[:, 1:] = Rotation.from_rotvec(gaze).as_matrix()[:, None]
    matrix = np.array([[focal, 0, SIZE[0] / 2], [0, focal, SIZE[1] / 2], [0, 0, 1.0]])
    part = slice(frames)
    return TalkingClip(
        rng.normal(size=model.identity_size),
        curves[part],
        turns[part],
        pose[part],
        Intrinsics(matrix, SIZE, 0.0, "given"),
        times[part],
    )


def look(curves: np.ndarray, names: list[str]) -> np.ndarray:
    """Rotation vectors of a gaze as the lids' curves tell it; both eyes look alike, and the lids then follow."""
    index = {name: k for k, name in enumerate(names)}
    across = curves[:, index["eyeLookOutLeft"]] - curves[:, index["eyeLookInLeft"]]
    down = curves[:, index["eyeLookDownLeft"]] - curves[:, index["eyeLookUpLeft"]]
    for side, sign in (("Left", 1), ("Right", -1)):
        for name, value in (("Out", sign * across), ("In", -sign * across), ("Down", down), ("Up", -down)):
            curves[:, index[f"eyeLook{name}{side}"]] = np.clip(value, 0, 1)
    return np.stack([0.5 * down, 0.6 * across, np.zeros(len(curves))], axis=1)


def detect(
    model: HeadModel, clip: TalkingClip, response: DetectorResponse, seed: int, noise: float = 1.0
) -> np.ndarray:
    """(T, 478, 3) landmarks: projected as the detector sees the head, with errors as it makes them times `noise`."""
    rng = np.random.default_rng(seed)
    points = PointModel.of(model, response.triangles, response.barycentric, held=held_joints(model))
    seen = MotionPoints.of(points.displaced(response.gain), clip.identity)
    head = seen.evaluate(clip.expression, clip.turns, slopes=False).points
    rotation, translation = clip.pose[:, :3, :3], clip.pose[:, :3, 3]
    camera = head @ rotation.transpose(0, 2, 1) + translation[:, None]
    focal, centre = clip.intrinsics.matrix[0, 0], clip.intrinsics.matrix[:2, 2]
    pixels = camera[..., :2] / camera[..., 2:] * focal + centre
    still = np.concatenate([[False], (np.abs(np.diff(pixels, axis=0)) < 1e-6).all(axis=(1, 2))])
    amounts = noise * _errors(rng, clip.times, still, len(response.modes))
    others = noise * _errors(rng, clip.times, still, 2 * len(response.indices)).reshape(len(pixels), -1, 2)
    for t in range(len(pixels)):
        yaw, pitch = view_angles(rotation[t], translation[t])
        error = np.tensordot(amounts[t], response.modes[:, :, :2], 1)
        error += others[t] * 0.5 * response.sigma_at(yaw)[:, :2]
        error += response.bias_at(yaw, pitch)[:, :2]
        roll = np.arctan2(rotation[t, 1, 0], rotation[t, 0, 0])
        upright = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        pixels[t] += error @ upright * (focal / translation[t, 2])
    landmarks = np.full((len(pixels), 478, 3), np.nan)
    # Landmarks that are not used get some place on the face.
    landmarks[:, :, :2] = pixels[:, :1]
    landmarks[:, response.indices, :2] = pixels
    return landmarks


def _errors(rng: np.random.Generator, times: np.ndarray, still: np.ndarray, count: int) -> np.ndarray:
    """(T, count) standardised; what is slow follows the picture and rests with it."""
    step = float(np.median(np.diff(times)))
    keep = np.exp(-step / SLOWNESS)
    slow = rng.normal(size=(len(times), count))
    for t in range(1, len(times)):
        slow[t] = slow[t - 1] if still[t] else keep * slow[t - 1] + np.sqrt(1 - keep**2) * slow[t]
    return CONSTANT * rng.normal(size=count) + SLOW * slow + QUICK * rng.normal(size=(len(times), count))


def face_landmarks(
    points: np.ndarray, size: tuple[int, int] = SIZE, curves: dict[str, float] | None = None
) -> FaceLandmarks:
    """One frame's landmarks as a detector returns them."""
    return FaceLandmarks(
        points=points,
        confidence=np.ones(len(points)),
        box=np.array([*points[:, :2].min(axis=0), *points[:, :2].max(axis=0)]),
        score=1.0,
        topology="mediapipe_478",
        detector="mediapipe",
        licence="Apache-2.0",
        image_size=size,
        blendshapes=curves,
    )


def vertices(model: HeadModel, identity: np.ndarray, expression: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """(T, V, 3) posed heads, metres, head frame, float64."""
    with torch.no_grad():
        geometry = model(
            identity=torch.as_tensor(np.broadcast_to(identity, (len(expression), len(identity))).copy()).float(),
            expression=torch.as_tensor(expression).float(),
            eyes=torch.as_tensor(eyes).float(),
        )
    return geometry.vertices.double().numpy()


def aligned(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(T, V, 3) source moved rigidly onto target, every frame by itself."""
    from_middle, to_middle = source.mean(axis=1, keepdims=True), target.mean(axis=1, keepdims=True)
    left, _, right = np.linalg.svd((target - to_middle).transpose(0, 2, 1) @ (source - from_middle))
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return (source - from_middle) @ (left @ right).transpose(0, 2, 1) + to_middle


def with_pulse(clip: TalkingClip, model: HeadModel, first: int, length: int, values: dict[str, float]) -> TalkingClip:
    """The clip with some shapes set for a few frames."""
    expression = clip.expression.copy()
    for name, value in values.items():
        expression[first : first + length, list(model.expression_names).index(name)] = value
    return replace(clip, expression=expression)


LABIODENTAL_EVERY = 24
"""Frames from one f or v to the next."""

SPOKEN = np.array([0.3, 0.8, 1.0, 1.0, 1.0, 0.8, 0.3])
"""How far the lips are on the way to a sound in the frames in which it is spoken."""


def with_labiodentals(clip: TalkingClip, model: HeadModel, seed: int) -> TalkingClip:
    """The clip with an f or v every second, and between them teeth that are shown and lips that are pressed.

    The lower lip of each head rolls in until it rests on its incisors; what else the mouth does is drawn by the seed.
    """
    rng = np.random.default_rng([seed, 3])
    expression = clip.expression.copy()
    for number, first in enumerate(range(8, len(expression) - len(SPOKEN), LABIODENTAL_EVERY // 2)):
        values = {"mouthUpperUp": rng.uniform(0.2, 0.5), "jawOpen": rng.uniform(0.03, 0.1)}
        if number % 2 == 0:
            values["mouthRollLower"] = _roll_onto_teeth(model, clip.identity, values)
        elif number % 4 == 1:
            values |= {"mouthStretch": rng.uniform(0, 0.3), "mouthLowerDown": rng.uniform(0, 0.2)}
        else:
            values = {"mouthRollLower": rng.uniform(0.3, 0.6), "mouthRollUpper": rng.uniform(0.2, 0.5)}
        sound = _shapes(model, values)
        part = slice(first, first + len(SPOKEN))
        mouth = np.array([name.startswith(("mouth", "jaw")) for name in model.expression_names])
        blended = expression[part] + SPOKEN[:, None] * (sound - expression[part])
        expression[part] = np.where(mouth, blended, expression[part])
    return replace(clip, expression=expression)


def _roll_onto_teeth(model: HeadModel, identity: np.ndarray, others: dict[str, float]) -> float:
    """How far the lower lip rolls in until it rests on the incisors."""
    rolls = np.linspace(0, 1, 41)
    poses = np.stack([_shapes(model, others | {"mouthRollLower": roll}) for roll in rolls])
    return float(rolls[np.abs(teeth_distance(model, identity, poses)).argmin()])


def _shapes(model: HeadModel, values: dict[str, float]) -> np.ndarray:
    """(E,) of shapes by name, those of two sides by what they have in common."""
    return np.array(
        [values.get(name.removesuffix("Left").removesuffix("Right"), 0.0) for name in model.expression_names]
    )


def teeth_distance(model: HeadModel, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """(T,) metres between the lower lip and the incisors."""
    lip, surface = toothed_lip(model), lip_surface(model)
    assert lip is not None
    assert surface is not None
    faces, upper = model.triangles.numpy(), surface.upper[len(surface.upper) // 2]
    posed = vertices(
        model, identity, np.vstack([np.zeros(expression.shape[1]), expression]), np.zeros((len(expression) + 1, 6))
    )
    points = np.einsum("nk,tnkx->tnx", lip.barycentric, posed[:, faces[lip.triangles]])
    above = np.einsum("nk,nkx->nx", surface.barycentric[upper], posed[0, faces[surface.triangles[upper]]])
    distance: np.ndarray = Incisors.behind(above, points[0], lip).clearance(points[1:]).distance.mean(axis=1)
    return distance
