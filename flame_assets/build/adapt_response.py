"""Measure MediaPipe's response anew on drawn people, from the response that is there.

    python flame_assets/build/adapt_response.py draw OUT.npz --people 400 [--first 2000]
    python flame_assets/build/adapt_response.py measure OUT.npz...
    python flame_assets/build/adapt_response.py film OUT.npz --people 200 --first 4000
    python flame_assets/build/adapt_response.py changes OUT.npz...

`draw` draws people of the population with `face3d.train.synthetic` (four pictures of each, faces that speak and feel)
and detects them; the file is as `sample_detections.py` writes it. `measure` corrects gain and bias in
`../mediapipe_response.npz` by what the detections miss. The noise is that of people who had no part in the correction.

`film` draws ten pictures of each person as the frames of one clip are: one camera, light and look, other expressions
and small turns. `changes` measures on them how one person's expression follows the detector's curves, and puts that
into the same file.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from embed_landmarks import (
    DEPTH_DOUBT,
    MODES,
    NOISE_DOUBT,
    YAW_BINS,
    Detections,
    _expression_map,
    _windowed_rms,
    residuals,
)
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from sample_detections import ROWS
from scipy.spatial.transform import Rotation

from face3d.fit.evidence import DetectorResponse, curve_features, load_response, save_response
from face3d.fit.point_model import PointModel
from face3d.head import HeadModel, load_open_head
from face3d.landmarks import MediaPipeDetector
from face3d.train.synthetic import (
    HeadState,
    Person,
    Scene,
    open_head,
    paint_look,
    render_head_image,
    sample_look,
    sample_person,
    sample_state,
)
from face3d.train.synthetic.light import sample_light
from face3d.train.synthetic.paint import PaintedLook
from face3d.train.synthetic.scene import Development
from tests.tracking.rendered_clips import plain_light

RESPONSE = Path(__file__).parents[1] / "mediapipe_response.npz"
SIDE, VIEWS, FOLDS = 512, 4, 3
FILMED = 10
FILMED_TURNS = (2.5, 6.0, 4.0)
"""Standard deviations of roll, yaw and pitch within a clip, degrees."""
UPPER_FACE = ("browDown", "browInnerUp", "browOuterUp", "eyeSquint", "cheekSquint", "eyeWide")
OWN_PENALTY, OTHER_PENALTY = 0.03, 0.1
"""Ridge, as a share of a feature's variance, on a shape's own curves and on all others; best on people left out."""
LEAST_SPREAD = np.repeat([0.02, 0.3], 52)
"""Of the features of the curves, so that one which hardly ever moves is not blown up."""
SHRINKAGE = 0.2
"""Of the correlations of what the map of changes misses."""
COMPONENTS = 60
GAIN_SHARE = 0.4
"""How far the gain may be off, as a share of what a component moves a point by."""
BIAS_SIGMA = np.array([0.002, 0.004, 0.004, 0.004, 0.004, 0.004])
NOISE = np.array([0.0015, 0.0015, 0.004])


def draw(first: int, people: int) -> dict[str, list[ndarray]]:
    """Pictures of people, each drawn from its number alone, and what the detector says."""
    rows: dict[str, list[ndarray]] = {name: [] for name in ROWS}
    with MediaPipeDetector(max_faces=1) as detector:
        for number in range(first, first + people):
            rng = np.random.default_rng([number, 7])
            person = sample_person(rng)
            look = paint_look(sample_look(person, rng, occluders=False))
            # Used by nothing; without it the pictures would not be those that the file was measured on.
            rng.normal()
            for _ in range(VIEWS):
                state = _face(person, rng)
                scene = _scene(rng)
                _add_row(rows, detector, state, look, scene, rng, number)
    return rows


def film(first: int, people: int) -> dict[str, list[ndarray]]:
    """People as in a clip, each drawn from its number alone, and what the detector says."""
    rows: dict[str, list[ndarray]] = {name: [] for name in ROWS}
    with MediaPipeDetector(max_faces=1) as detector:
        for number in range(first, first + people):
            rng = np.random.default_rng([number, 8])
            person = sample_person(rng)
            look, scene = paint_look(sample_look(person, rng, occluders=False)), _scene(rng)
            for _ in range(FILMED):
                pose = scene.camera_from_head.copy()
                turn = Rotation.from_euler("ZYX", np.radians(rng.normal(0, FILMED_TURNS)))
                pose[:3, :3] = pose[:3, :3] @ turn.as_matrix()
                pose[:3, 3] += rng.normal(0, 0.01, 3)
                _add_row(
                    rows, detector, _moving_face(person, rng), look, replace(scene, camera_from_head=pose), rng, number
                )
    return rows


def _add_row(
    rows: dict[str, list[ndarray]],
    detector: MediaPipeDetector,
    state: HeadState,
    look: PaintedLook,
    scene: Scene,
    rng: np.random.Generator,
    number: int,
) -> None:
    """Draw one picture and keep what was found in it, if it is one face."""
    names, pose = open_head().arrays.expression_names, scene.camera_from_head
    faces = detector.detect(render_head_image(open_head().vertices(state), look, scene, rng).image)
    if len(faces) == 1:
        (face,) = faces
        curves = np.array([(face.blendshapes or {}).get(name, 0.0) for name in names])
        drawn = (state.identity, state.expression, state.eyes, pose[:3, :3], pose[:3, 3], scene.intrinsics)
        for name, value in zip(ROWS, (*drawn, face.points, curves, np.array(number)), strict=True):
            rows[name].append(value)


def _moving_face(person: Person, rng: np.random.Generator) -> HeadState:
    """An expression with two others on top, and often brows and lids that move besides."""
    state, _ = sample_state(person.identity, rng)
    names = open_head().arrays.expression_names
    expression, gaze = state.expression.copy(), np.array([name.startswith("eyeLook") for name in names])
    for _ in range(2):
        other, _ = sample_state(person.identity, rng)
        expression += rng.uniform(0, 0.7) * np.where(gaze, 0, other.expression)
    if rng.uniform() < 0.6:
        for stem in rng.choice(UPPER_FACE, 2, replace=False):
            strength = rng.uniform(0, 0.8)
            for side in ("", "Left", "Right"):
                if f"{stem}{side}" in names:
                    uneven = 1 + (rng.normal(0, 0.12) if side else 0)
                    expression[names.index(f"{stem}{side}")] += strength * uneven
    return replace(state, expression=np.clip(expression, 0, 1))


def _face(person: Person, rng: np.random.Generator) -> HeadState:
    """An expression; half of them with another on top, so that brows move while a mouth speaks."""
    state, _ = sample_state(person.identity, rng)
    if rng.uniform() < 0.5:
        other, _ = sample_state(person.identity, rng)
        share = rng.uniform(0.2, 0.7)
        gaze = [name.startswith("eyeLook") for name in open_head().arrays.expression_names]
        mixed = state.expression + share * np.where(gaze, 0, other.expression)
        state = replace(state, expression=np.clip(mixed, 0, 1))
    return state


def _scene(rng: np.random.Generator) -> Scene:
    """A sharp picture of a head that mostly looks towards the camera, as people who talk are filmed."""
    yaw, pitch, roll = rng.normal(0, 14), rng.normal(0, 8), rng.normal(0, 5)
    focal = float(np.exp(rng.uniform(np.log(1.2), np.log(3.5)))) * SIDE
    distance = focal * 0.145 / (0.45 * SIDE) * rng.uniform(0.8, 1.3)
    pose = np.eye(4)
    turn = Rotation.from_euler("ZYX", np.radians([roll, yaw, pitch])).as_matrix()
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ turn
    pose[:3, 3] = [rng.normal(0, 0.02), rng.normal(0, 0.02), distance]
    intrinsics = np.array([[focal, 0, SIDE / 2], [0, focal, SIDE / 2], [0, 0, 1.0]])
    white = (1.0, 1.0, 1.0)
    development = Development(rng.uniform(0.6, 0.9), white, 1.05, 1.0, 1.0, 0.3, (0.0, 0.0), (0.010, 0.005), 1.0, 95)
    light = plain_light(rng) if rng.uniform() < 0.5 else sample_light(rng)
    turned = float(np.radians(0.5 * yaw))
    return Scene(pose, intrinsics, (SIDE, SIDE), light, turned, int(rng.integers(2**63)), development)


def measure(model: HeadModel, detections: Detections, old: DetectorResponse) -> DetectorResponse:
    """The response corrected by what the detections miss of it."""
    points = PointModel.of(model, old.triangles, old.barycentric)
    detections = replace(detections, landmarks=detections.landmarks[:, old.indices])
    errors, slopes = residuals(detections, points)
    yaw, pitch = np.clip(detections.angles(), -0.87, 0.87).T
    view = np.stack([np.ones_like(yaw), yaw, pitch, yaw * yaw, yaw * pitch, pitch * pitch], axis=1)
    missed = errors - _said(old.gain, old.view_bias, slopes, detections.identity, view)
    identity = detections.identity[:, :COMPONENTS]
    left, people = np.empty_like(missed), np.unique(detections.head)
    for fold in range(FOLDS):
        out = np.isin(detections.head, people[fold::FOLDS])
        gain, bias = _correction(points, missed, slopes, identity, view, ~out)
        left[out] = missed[out] - _said(gain, bias, slopes[out], identity[out], view[out])
    correction, bias = _correction(points, missed, slopes, identity, view, np.ones(len(view), bool))
    gain = old.gain.copy()
    gain[:, :, :COMPONENTS] += correction
    left[:, :, 2] -= left[:, :, 2].mean(axis=1, keepdims=True)
    spread = np.sqrt(np.mean(left**2, axis=0))
    flat = (left / spread).reshape(len(left), -1).clip(-5, 5)
    _, singular, axes = np.linalg.svd(flat, full_matrices=False)
    doubt = np.array([1.0, 1.0, DEPTH_DOUBT])
    modes = (axes[:MODES] * (singular[:MODES, None] / np.sqrt(len(left)))).reshape(MODES, -1, 3)
    unexplained = left - (flat @ axes[:MODES].T @ axes[:MODES]).reshape(left.shape) * spread
    sigma = np.stack([_windowed_rms(unexplained, yaw, centre) for centre in YAW_BINS])
    expression_map, expression_sigma = _expression_map(detections)
    return replace(
        old,
        gain=gain,
        view_bias=old.view_bias + bias,
        modes=doubt * modes * spread,
        sigma=np.maximum(NOISE_DOUBT * doubt * sigma, 4e-4),
        expression_map=expression_map,
        expression_sigma=expression_sigma,
    )


def _said(
    gain: Float[ndarray, "N 3 C"],
    bias: Float[ndarray, "N 3 6"],
    slopes: Float[ndarray, "S N 3 3"],
    identity: Float[ndarray, "S C"],
    view: Float[ndarray, "S 6"],
) -> Float[ndarray, "S N 3"]:
    moved = np.einsum("nxc,sc->snx", gain, identity, optimize=True)
    return np.einsum("snxy,sny->snx", slopes, moved, optimize=True) + np.einsum("nxk,sk->snx", bias, view)


def _correction(
    points: PointModel,
    missed: Float[ndarray, "S N 3"],
    slopes: Float[ndarray, "S N 3 3"],
    identity: Float[ndarray, "S C"],
    view: Float[ndarray, "S 6"],
    used: Bool[ndarray, " S"],
) -> tuple[Float[ndarray, "N 3 C"], Float[ndarray, "N 3 6"]]:
    """Ridge regression of what is missed on identity and view, landmark by landmark."""
    size, rows = identity.shape[1], int(used.sum())
    gains, biases = [], []
    for n in range(missed.shape[1]):
        design = np.zeros((rows, 3, 3 * size + 18))
        design[:, :, : 3 * size] = (slopes[used, n][..., None] * identity[used, None, None]).reshape(rows, 3, -1)
        for axis in range(3):
            design[:, axis, 3 * size + 6 * axis :][:, :6] = view[used]
        scale = GAIN_SHARE * np.linalg.norm(points.rest_basis[n, :, :size], axis=0) + 1e-5
        precision = np.concatenate([np.tile(scale, 3), np.tile(BIAS_SIGMA, 3)]) ** -2.0
        weight = (1 / NOISE) / (1 + np.abs(missed[used, n]) / (3 * NOISE))
        flat = (design * weight[:, :, None]).reshape(3 * rows, -1)
        right = flat.T @ (missed[used, n] * weight).reshape(-1)
        solution = np.linalg.solve(flat.T @ flat + np.diag(precision), right)
        gains.append(solution[: 3 * size].reshape(3, size))
        biases.append(solution[3 * size :].reshape(3, 6))
    return np.array(gains), np.array(biases)


def measure_changes(detections: Detections, old: DetectorResponse) -> DetectorResponse:
    """The response with how one person's expression follows the curves; the error is that on people left out."""
    features = _within_people(curve_features(detections.curves), detections.head)
    expression = _within_people(detections.expression, detections.head)
    people = np.unique(detections.head)
    missed = np.empty_like(expression)
    for fold in range(FOLDS):
        out = np.isin(detections.head, people[fold::FOLDS])
        missed[out] = expression[out] - features[out] @ _change_map(features[~out], expression[~out]).T
    missed = np.concatenate([missed, missed[:, _mirror()]])
    # A person's mean, which was taken off, has taken some of the error with it.
    covariance = missed.T @ missed / len(missed) / (1 - len(people) / len(expression))
    variance = np.maximum(np.diag(covariance), 0.03**2)
    covariance = (1 - SHRINKAGE) * covariance
    np.fill_diagonal(covariance, variance)
    return replace(old, change_map=_change_map(features, expression), change_covariance=covariance)


def _change_map(features: Float[ndarray, "S F"], expression: Float[ndarray, "S E"]) -> Float[ndarray, "E F"]:
    """Ridge regression of each shape on the curves; faces in a mirror count too."""
    mirror = _mirror()
    size = len(mirror)
    features = np.concatenate([features, features[:, np.concatenate([mirror, size + mirror])]])
    expression = np.concatenate([expression, expression[:, mirror]])
    scale = features.std(axis=0) + LEAST_SPREAD
    normal = (features / scale).T @ (features / scale)
    right = (features / scale).T @ expression
    rows = []
    for shape, other in enumerate(mirror):
        penalty = np.full(2 * size, OTHER_PENALTY)
        penalty[[shape, other, size + shape, size + other]] = OWN_PENALTY
        rows.append(np.linalg.solve(normal + len(features) * np.diag(penalty), right[:, shape]) / scale)
    return np.array(rows)


def _within_people(values: Float[ndarray, "S N"], head: Float[ndarray, " S"]) -> Float[ndarray, "S N"]:
    """What is left of values when each person's mean is taken off."""
    left = values.copy()
    for person in np.unique(head):
        left[head == person] -= values[head == person].mean(axis=0)
    return left


def _mirror() -> Int[ndarray, " E"]:
    """Which shape each one is in a mirror."""
    names = list(open_head().arrays.expression_names)
    swap = {"Left": "Right", "Right": "Left"}
    return np.array([names.index(re.sub("Left|Right", lambda side: swap[side[0]], name)) for name in names])


def main() -> None:
    """Draw and detect, or measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["draw", "measure", "film", "changes"])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--first", type=int, default=2000)
    arguments = parser.parse_args()
    if arguments.verb in ("draw", "film"):
        drawn = (draw if arguments.verb == "draw" else film)(arguments.first, arguments.people)
        rows: dict[str, Any] = {name: np.stack(values).astype(np.float32) for name, values in drawn.items()}
        np.savez(arguments.files[0], **rows)
        return
    detections, response = Detections.load(arguments.files), load_response(RESPONSE)
    if arguments.verb == "measure":
        response = measure(load_open_head(), detections, response)
    else:
        response = measure_changes(detections, response)
    RESPONSE.write_bytes(save_response(response))


if __name__ == "__main__":
    main()
