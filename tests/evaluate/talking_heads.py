"""Heads that talk: tracks of the open head with known lips, as files."""

from __future__ import annotations

import numpy as np
import torch

from face3d.camera import project
from face3d.head import load_head

FRAMES = 60


def talk(head, *, seed=0, opening=1.0, frames=FRAMES):
    """Arrays of a track in which the lips open five times and close between, rounding now and then."""
    random = np.random.default_rng(seed)
    phase = np.linspace(0, 10 * np.pi, frames) + random.uniform(0, 0.1)
    expression = np.zeros((frames, len(head.expression_names)))
    expression[:, head.expression_names.index("jawOpen")] = opening * 0.5 * np.clip(np.sin(phase), 0, None)
    expression[:, head.expression_names.index("mouthPucker")] = 0.4 * (1 + np.sin(phase / 5)) / 2
    # A camera half a metre in front of the face.
    camera = np.eye(4)
    camera[1, 1] = camera[2, 2] = -1
    camera[:3, 3] = 0.0, 0.0, 0.5
    return {
        "identity": 0.3 * random.normal(size=head.identity_size),
        "expression": expression,
        "jaw": np.zeros((frames, 3)),
        "camera_from_head": np.repeat(camera[None], frames, axis=0),
        "K": np.array([[900.0, 0, 320], [0, 900, 240], [0, 0, 1]]),
        "frames": np.arange(frames) + 100,
        "valid": np.arange(frames) % 17 != 3,
    }


def landmarks_of(head, arrays):
    """What a perfect detector finds: iBUG's points in the image, depth in pixels behind them."""
    geometry = head(identity=arrays["identity"], expression=arrays["expression"])
    points = head.points("ibug_68_fixed", geometry).double()
    camera = torch.from_numpy(arrays["camera_from_head"])
    intrinsics = torch.from_numpy(arrays["K"]).expand(len(points), 3, 3)
    pixels = project(points, camera, intrinsics).numpy()
    depth = (points @ camera[:, :3, :3].mT + camera[:, None, :3, 3])[..., 2:].numpy() * 900 / 0.5
    return np.concatenate([pixels, depth], axis=-1)


def open_head():
    """The head of these tracks."""
    return load_head()
