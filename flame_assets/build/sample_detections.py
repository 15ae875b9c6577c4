"""Detections on renders of known heads: the data that the landmark embedding and the detector's response come from.

    python flame_assets/build/sample_detections.py OUT.npz --count 3000 [--seed 0]

Some six heads a second; several processes with different `--seed` can run side by side. The landmarks come through
face3d's own detector, with its crops, since that is what the fit will see.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from paint import FaceChart, random_look
from render_heads import random_scene, render_head
from scipy.spatial.transform import Rotation

from face3d.head import HeadModel, load_open_head
from face3d.landmarks import MediaPipeDetector

BROW = np.array([[0.012, 0.0200], [0.022, 0.0245], [0.035, 0.0265], [0.046, 0.0240], [0.056, 0.0165]])
"""Centre line of the left brow on the mean head, (x, y) metres from the eyes' midpoint outwards."""


ROWS = (
    "identity",
    "expression",
    "eyes",
    "rotation",
    "translation",
    "intrinsics",
    "landmarks",
    "curves",
    "head",
)
"""What the file holds of each picture: what was drawn, what the detector said, and the number of the head."""


def chart_of(model: HeadModel) -> FaceChart:
    """The painting chart of a head model's mean head."""
    rest = model.template.double().numpy()
    regions = {name: ids.numpy() for name, ids in model.regions.items()}
    joints = (model.joint_regressor.double() @ model.template.double()).numpy()
    eyes = [list(model.joint_names).index(eye) for eye in ("left_eye", "right_eye")]
    return FaceChart.of(rest, model.triangles.numpy(), regions, joints[eyes], BROW)


def random_expression(rng: np.random.Generator, names: tuple[str, ...]) -> Float[ndarray, " E"]:
    """Faces as in photos: a third nearly neutral, the rest a few units strong, left and right mostly together."""
    values = np.zeros(len(names))
    index = {name: k for k, name in enumerate(names)}
    active = 0 if rng.uniform() < 0.35 else rng.integers(1, 6)
    stems = sorted({name.removesuffix("Left").removesuffix("Right") for name in names} - {"eyeLookIn", "eyeLookOut"})
    for stem in rng.choice(stems, active, replace=False):
        strength = rng.beta(1.2, 1.8)
        for side in ("", "Left", "Right"):
            if stem + side in index:
                values[index[stem + side]] = strength * (rng.uniform(0.7, 1.0) if side else 1.0)
    if rng.uniform() < 0.3:
        for side in ("Left", "Right"):
            values[index[f"mouthSmile{side}"]] = rng.beta(2, 2)
    for name in rng.choice(names, 4, replace=False):
        values[index[name]] = max(values[index[name]], rng.uniform(0, 0.15))
    return values


def lid_expression(values: Float[ndarray, " E"], names: tuple[str, ...], yaw: float, pitch: float) -> None:
    """Let the lids follow the gaze: set in `values` the eyeLook curves of eyes turned by yaw and pitch.

    Args:
        values: coefficients of the expression, changed in place.
        names: of the coefficients.
        yaw: radians, to the subject's left.
        pitch: radians, downwards.
    """
    index = {name: k for k, name in enumerate(names)}
    across, down = yaw / 0.6, pitch / 0.5
    for side, sign in (("Left", 1), ("Right", -1)):
        values[index[f"eyeLookOut{side}"]] = np.clip(sign * across, 0, 1)
        values[index[f"eyeLookIn{side}"]] = np.clip(-sign * across, 0, 1)
        values[index[f"eyeLookDown{side}"]] = np.clip(down, 0, 1)
        values[index[f"eyeLookUp{side}"]] = np.clip(-down, 0, 1)


def main() -> None:
    """Draw, detect and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--views", type=int, default=2, help="pictures of each head")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--heads", type=Path, help="npz with vertices (n, V, 3) to draw in place of the model's")
    parser.add_argument("--neutral", action="store_true", help="draw --heads without expression")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    model = load_open_head()
    chart = chart_of(model)
    triangles = model.triangles.numpy()
    given = np.load(arguments.heads)["vertices"] if arguments.heads else None
    rows: dict[str, list[ndarray]] = {name: [] for name in ROWS}
    names = tuple(model.expression_names)
    with MediaPipeDetector() as detector:
        for number in range(arguments.count // arguments.views):
            identity = rng.normal(size=model.identity_size)
            for _ in range(arguments.views):
                scene, look = random_scene(rng), random_look(rng)
                expression = np.zeros(len(names)) if arguments.neutral else random_expression(rng, names)
                gaze = Rotation.from_matrix(scene.eye_turns[0])
                pitch, yaw, _ = gaze.as_rotvec()
                lid_expression(expression, names, yaw, pitch)
                eyes = np.tile(gaze.as_rotvec(), 2)
                vertices = _vertices(model, identity, expression, eyes)
                if given is not None:
                    neutral = _vertices(model, identity * 0, expression * 0, eyes * 0)
                    vertices = given[number % len(given)] + (_vertices(model, identity * 0, expression, eyes) - neutral)
                photo = render_head(vertices, triangles, chart, look, scene, rng)
                faces = detector.detect(photo)
                if len(faces) != 1:
                    continue
                curves = np.array([(faces[0].blendshapes or {}).get(name, 0.0) for name in names])
                drawn = (identity, expression, eyes, scene.rotation, scene.translation, scene.intrinsics)
                for name, value in zip(ROWS, (*drawn, faces[0].points, curves, np.array(number)), strict=True):
                    rows[name].append(value)
    arrays: dict[str, Any] = {name: np.stack(values).astype(np.float32) for name, values in rows.items()}
    np.savez(arguments.out, **arrays)


def _vertices(
    model: HeadModel, identity: Float[ndarray, " I"], expression: Float[ndarray, " E"], eyes: Float[ndarray, " 6"]
) -> Float[ndarray, "V 3"]:
    """Vertices of one head, metres, head frame; `eyes` are two rotation vectors, radians."""
    given = {"identity": identity, "expression": expression, "eyes": eyes}
    tensors = {name: torch.as_tensor(value, dtype=model.template.dtype)[None] for name, value in given.items()}
    return model(**tensors).vertices[0].double().numpy()


if __name__ == "__main__":
    main()
