"""Clips of a synthetic FLAME that talks, recipe weights of the networks that SPECTRE needs, and a run on them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from face3d.camera import WeakPerspectiveCamera
from face3d.camera.weak_perspective import project_weak
from face3d.head import load_head
from face3d.render import render_sh
from face3d.train.spectre import SpectreTask
from tests.expression.checkpoints import coarse_weights, emotion_weights, lipread_content
from tests.head.golden import FLAME

CAMERA = (7.0, 0.0, 0.0)
AMBIENT = 3.2
"""The constant term of light under which grey stays grey."""


def constant_coarse_weights():
    """DECA's encoder of recipe weights whose last layer all but forgets the image: a frontal head in the middle."""
    weights = coarse_weights()
    bias = torch.zeros(236)
    bias[200:206] = torch.tensor([0.0, 0.0, 0.0, 0.1, 0.0, 0.0])
    bias[206:209] = torch.tensor(CAMERA)
    bias[209:236:1][:3] = AMBIENT
    weights["layers.2.weight"] = weights["layers.2.weight"] * 1e-3
    weights["layers.2.bias"] = bias
    return weights


def write_weights(root: Path) -> Path:
    """deca_model.tar, model.pth with its model.json, and emotion.ckpt."""
    root.mkdir(parents=True, exist_ok=True)
    torch.save({"E_flame": constant_coarse_weights(), "E_detail": {}}, root / "deca_model.tar")
    torch.save(lipread_content("swish"), root / "model.pth")
    (root / "model.json").write_text(json.dumps({"relu_type": "swish"}))
    torch.save({"state_dict": emotion_weights()}, root / "emotion.ckpt")
    return root


def talking(frames: int, phase: float):
    """Frames of a mouth that opens and closes, and its landmarks in pixels."""
    head = load_head(str(FLAME))
    jaw = torch.zeros(frames, 3)
    jaw[:, 0] = 0.35 + 0.25 * torch.sin(phase + torch.arange(frames) * 0.9)
    geometry = head(jaw=jaw)
    camera = torch.tensor([CAMERA]).expand(frames, 3)
    light = torch.zeros(1, 9, 3)
    light[:, 0], light[:, 1:4] = AMBIENT, torch.tensor([0.3, 0.4, 0.5])[:, None]
    skin = torch.tensor([0.8, 0.6, 0.5]).expand(len(head.template), 3)
    picture, mask = render_sh(geometry.vertices, head.triangles, WeakPerspectiveCamera(camera), skin, light)
    pixels = (picture + 0.3 * (1 - mask)).clamp(0, 1).mul(255).byte().permute(0, 2, 3, 1).numpy()
    points = project_weak(head.points("ibug_68", geometry), camera)[..., :2]
    return pixels, (((points + 1) * 112) + 0.5).numpy()


def write_clip(data: Path, landmarks: Path, name: str, frames: int, phase: float = 0.0) -> None:
    """A folder of frames, and its landmarks as `face3d align` lays them out."""
    pixels, points = talking(frames, phase)
    folder = data / name
    folder.mkdir(parents=True)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number:06d}.png")
    write_points(landmarks / f"{name}.npz", points)


def write_points(path: Path, points, frames=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = np.arange(len(points)) if frames is None else np.asarray(frames)
    np.savez(path, points=points.astype(np.float32), frame=numbers, topology=np.array("ibug_68"))


def write_small_clips(root: Path) -> Path:
    """Two speakers with two clips, another with one."""
    for number, (name, frames) in enumerate((("a/1", 9), ("a/2", 7), ("b/1", 8), ("b/2", 9), ("c/1", 8))):
        write_clip(root / "data", root / "landmarks", name, frames, phase=0.7 * number)
    return root


def small_task(root: Path, **options) -> SpectreTask:
    """SPECTRE's training on those clips."""
    return SpectreTask(
        **{
            "data": root / "data",
            "store": root / "store",
            "landmarks": root / "landmarks",
            "flame": str(FLAME),
            "deca": root / "weights" / "deca_model.tar",
            "lipread": root / "weights" / "model.pth",
            "emotion": root / "weights" / "emotion.ckpt",
            "frames": 8,
            **options,
        }
    )
