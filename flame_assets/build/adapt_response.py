"""Measure MediaPipe's response anew on drawn people, from the response that is there.

    python flame_assets/build/adapt_response.py draw OUT.npz --people 400 [--first 2000]
    python flame_assets/build/adapt_response.py measure OUT.npz...

`draw` draws people of the population with `face3d.train.synthetic` (four pictures of each, faces that speak and feel)
and detects them; the file is as `sample_detections.py` writes it. `measure` corrects gain and bias in
`../mediapipe_response.npz` by what the detections miss. The noise is that of people who had no part in the correction.
"""

from __future__ import annotations

import argparse
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
from jaxtyping import Bool, Float
from numpy import ndarray
from sample_detections import ROWS
from scipy.spatial.transform import Rotation

from face3d.fit.evidence import DetectorResponse, load_response, save_response
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
from face3d.train.synthetic.scene import Development
from tests.tracking.rendered_clips import plain_light

RESPONSE = Path(__file__).parents[1] / "mediapipe_response.npz"
SIDE, VIEWS, FOLDS = 512, 4, 3
COMPONENTS = 60
GAIN_SHARE = 0.4
"""How far the gain may be off, as a share of what a component moves a point by."""
BIAS_SIGMA = np.array([0.002, 0.004, 0.004, 0.004, 0.004, 0.004])
NOISE = np.array([0.0015, 0.0015, 0.004])


def draw(first: int, people: int) -> dict[str, list[ndarray]]:
    """Pictures of people, each drawn from its number alone, and what the detector says."""
    rows: dict[str, list[ndarray]] = {name: [] for name in ROWS}
    names = open_head().arrays.expression_names
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
                image = render_head_image(open_head().vertices(state), look, scene, rng).image
                if len(faces := detector.detect(image)) == 1:
                    (face,) = faces
                    curves = np.array([(face.blendshapes or {}).get(name, 0.0) for name in names])
                    pose = scene.camera_from_head
                    drawn = (state.identity, state.expression, state.eyes, pose[:3, :3], pose[:3, 3], scene.intrinsics)
                    for name, value in zip(ROWS, (*drawn, face.points, curves, np.array(number)), strict=True):
                        rows[name].append(value)
    return rows


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


def main() -> None:
    """Draw, or measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["draw", "measure"])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--first", type=int, default=2000)
    arguments = parser.parse_args()
    if arguments.verb == "draw":
        rows: dict[str, Any] = {
            name: np.stack(values).astype(np.float32)
            for name, values in draw(arguments.first, arguments.people).items()
        }
        np.savez(arguments.files[0], **rows)
    else:
        response = measure(load_open_head(), Detections.load(arguments.files), load_response(RESPONSE))
        RESPONSE.write_bytes(save_response(response))


if __name__ == "__main__":
    main()
