"""Clips of a synthetic FLAME that talks, recipe weights of the networks that SPECTRE needs, and a run on them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from face3d.camera import WeakPerspectiveCamera
from face3d.camera.weak_perspective import project_weak
from face3d.expression import spectre as expression
from face3d.head import HeadModel, load_head, save_head
from face3d.render import render_sh
from face3d.render.shaded_view import SHAPE_VIEW_ALBEDO
from face3d.train import spectre
from face3d.train.spectre import SpectreTask
from tests.expression.checkpoints import coarse_weights, emotion_weights, lipread_content
from tests.head.golden import FLAME

LIGHT = torch.tensor([2.4, *[0.0] * 8])[:, None].repeat(1, 3)
CLIPS = (("a/1", 9), ("a/2", 7), ("b/1", 8), ("c/1", 8))
"""Names and frames of clips, of three speakers."""

JAW_OF_DECA = 0.02

LIGHT[1:4] = torch.tensor([0.15, 0.2, 0.25])[:, None]
"""Of the clips, and what the encoder says of all images."""


def lips_of_flame(root: Path) -> Path:
    """The open head in the form of FLAME: lips that open, where the golden model has an egg."""
    open_head = load_head().arrays()
    identity = np.zeros((300, *open_head.template.shape), open_head.template.dtype)
    identity[: len(open_head.identity_basis)] = open_head.identity_basis[:300]
    path = root / "flame.npz"
    save_head(replace(open_head, name="flame", identity_basis=identity), path)
    return path


def frontal_camera(head: HeadModel) -> Tensor:
    """The weak-perspective camera that sees the 68 points in the middle, 1 / 1.6 of the image high and wide."""
    points = head.points("ibug_68", head())[0]
    low, high = points.min(dim=0).values, points.max(dim=0).values
    return torch.stack([2 / 1.6 / (high - low)[:2].mean(), *(-(low + high)[:2] / 2)])


def frontal_code(head: HeadModel) -> Tensor:
    """What the encoder says of all images: a frontal head, the mouth nearly shut."""
    code = torch.zeros(236)
    code[203] = JAW_OF_DECA
    code[206:209] = frontal_camera(head)
    code[209:] = LIGHT.flatten()
    return code


def coarse_weights_of(head: HeadModel):
    """DECA's encoder of recipe weights whose last layer all but forgets the image."""
    weights = coarse_weights()
    weights["layers.2.weight"] = weights["layers.2.weight"] * 1e-3
    weights["layers.2.bias"] = frontal_code(head)
    return weights


def write_weights(root: Path, head: HeadModel) -> Path:
    """deca_model.tar, model.pth with its model.json, and emotion.ckpt."""
    root.mkdir(parents=True, exist_ok=True)
    torch.save({"E_flame": coarse_weights_of(head), "E_detail": {}}, root / "deca_model.tar")
    torch.save(lipread_content("swish"), root / "model.pth")
    (root / "model.json").write_text(json.dumps({"relu_type": "swish"}))
    torch.save({"state_dict": emotion_weights()}, root / "emotion.ckpt")
    return root


def talking(head: HeadModel, frames: int, phase: float):
    """Frames of a mouth that opens and closes, and its landmarks in pixels."""
    jaw = torch.zeros(frames, 3)
    jaw[:, 0] = 0.2 + 0.1 * torch.sin(phase + torch.arange(frames) * 0.9)
    geometry = head(jaw=jaw)
    camera = frontal_camera(head).expand(frames, 3)
    skin = torch.full((len(head.template), 3), SHAPE_VIEW_ALBEDO)
    picture, _ = render_sh(
        geometry.vertices, head.triangles, WeakPerspectiveCamera(camera), skin, LIGHT.reshape(1, 9, 3)
    )
    pixels = picture.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    points = project_weak(head.points("ibug_68", geometry), camera)[..., :2]
    return pixels, ((points + 1) * 112 + 0.5).numpy()


def write_clip(root: Path, head: HeadModel, name: str, frames: int, phase: float = 0.0) -> None:
    """A folder of frames, and its landmarks."""
    pixels, points = talking(head, frames, phase)
    folder = root / "data" / name
    folder.mkdir(parents=True)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number:06d}.png")
    write_points(root / "landmarks" / f"{name}.npz", points)


def write_points(path: Path, points, frames=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = np.arange(len(points)) if frames is None else np.asarray(frames)
    np.savez(path, points=points.astype(np.float32), frame=numbers, topology=np.array("ibug_68"))


def write_small_clips(root: Path, flame: Path = FLAME, clips=CLIPS) -> Path:
    """Clips and weights."""
    head = load_head(flame)
    for number, (name, frames) in enumerate(clips):
        write_clip(root, head, name, frames, phase=0.7 * number)
    write_weights(root / "weights", head)
    return root


def small_task(root: Path, **options) -> SpectreTask:
    """SPECTRE's training on those clips."""
    weights = root / "weights"
    given = {"data": root / "data", "store": root / "store", "landmarks": root / "landmarks", "flame": str(FLAME)}
    given |= {"deca": weights / "deca_model.tar", "lipread": weights / "model.pth", "emotion": weights / "emotion.ckpt"}
    return SpectreTask(**{**given, "frames": 7, **options})


class SmallBackbone(nn.Module):
    """Stands in for MobileNetV2, with a batch normalisation as it has them."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 9, stride=8, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1280, 3, stride=8)
        )
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(1280, 1000))


class ConstantCoarse(nn.Module):
    """Stands in for DECA's encoder: a frontal head, whatever the image."""

    def __init__(self, code: Tensor):
        super().__init__()
        self.code = nn.Parameter(code, requires_grad=False)

    def forward(self, crops):
        return self.code.expand(len(crops), -1) + 1e-3 * crops.mean(dim=(1, 2, 3))[:, None]


@dataclass(frozen=True, slots=True)
class CheapTask:
    """Another task with stand-ins for the backbone and for DECA's encoder, in whichever process it is opened."""

    task: SpectreTask

    def open(self):
        code = frontal_code(load_head(FLAME))
        with (
            patch.object(expression, "mobilenet_v2", SmallBackbone),
            patch.object(spectre, "read_deca", lambda path: ConstantCoarse(code)),
        ):
            return self.task.open()
