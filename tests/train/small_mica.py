"""A small data set of MICA's layout, and what a run on it takes; importable by the processes that tests start."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from face3d.train.mica import MicaTask, MicaTraining
from tests.head.golden import FLAME

PERSONS, HELD_OUT_PERSONS, IMAGES = 11, 3, 3


class SmallArcFace(nn.Module):
    """Layers by ArcFace's names, frozen ones and others with batch normalisation, and dropout if wanted."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 5, stride=4, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.prelu = nn.PReLU(4)
        for number in (1, 2, 3):
            self.add_module(f"layer{number}", nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4)))
        self.layer4 = nn.Sequential(nn.Conv2d(4, 8, 3, stride=4, bias=False), nn.BatchNorm2d(8))
        self.bn2 = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * 7 * 7, 512)
        self.features = nn.BatchNorm1d(512)

    def forward(self, crops):
        values = self.prelu(self.bn1(self.conv1(crops)))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4, self.bn2):
            values = layer(values)
        return self.features(self.fc(self.dropout(values.flatten(1))))


def small_arcface(_path):
    """A stand-in whose weights are always the same."""
    return seeded(SmallArcFace)


def dropping_arcface(_path):
    """The same with a layer that draws random numbers in every step."""
    return seeded(lambda: SmallArcFace(dropout=0.3))


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return make()


@dataclass(frozen=True, slots=True)
class StoppingTask:
    """Another task whose loss is no number from some step on."""

    task: MicaTask
    after: int

    def open(self):
        training = self.task.open()
        training.losses = BrokenLosses(training, self.after)
        return training


class BrokenLosses:
    def __init__(self, training: MicaTraining, after: int):
        self.losses, self.left = training.losses, after

    def __call__(self, network, batch):
        self.left -= 1
        terms = self.losses(network, batch)
        return terms if self.left >= 0 else {"loss": terms["loss"] * torch.nan}


def write_masks(path: Path) -> Path:
    """Regions of the synthetic FLAME of 400 vertices."""
    regions = {"face": range(150), "left_ear": range(150, 180), "right_ear": range(180, 210)}
    regions |= {"left_eyeball": range(210, 240), "right_eyeball": range(240, 270)}
    path.write_bytes(pickle.dumps({name: np.array(ids) for name, ids in regions.items()}, protocol=2))
    return path


def write_person(root: Path, dataset: str, name: str, images: int, random: np.random.Generator) -> None:
    """Crops and parameters of one person, whose crops show their identity's first coefficients."""
    betas = np.concatenate([random.standard_normal(300), random.standard_normal(100)])
    crops = root / dataset / "arcface_input" / name
    parameters = root / dataset / "FLAME_parameters" / name
    for folder in (crops, parameters):
        folder.mkdir(parents=True)
    shade = np.tanh(betas[:3])[:, None, None]
    for number in range(images):
        noise = 0.2 * random.standard_normal((3, 112, 112))
        np.save(crops / f"{number}.npy", np.clip(shade + noise, -1, 1).astype(np.float32))
    np.savez(parameters / "fit.npz", betas=betas.astype(np.float32), pose=np.zeros(15, np.float32))


def write_small_mica(root: Path) -> Path:
    """Two data sets to learn from, and FLORENCE."""
    random = np.random.default_rng(0)
    for number in range(PERSONS):
        write_person(root, ("LYHM", "FRGC")[number % 2], f"m{number:03d}", IMAGES, random)
    for number in range(HELD_OUT_PERSONS):
        write_person(root, "FLORENCE", f"subject_{number:02d}", IMAGES + number, random)
    return root


def small_task(root: Path, **options) -> MicaTask:
    """MICA's training on that data set with a small encoder, at rates at which a few steps change something."""
    options = {"encoder": small_arcface, "learning_rate": 1e-3, "arcface_learning_rate": 1e-3, **options}
    arcface = options.pop("arcface", Path("unused.pth"))
    return MicaTask(data=root / "data", flame=str(FLAME), masks=root / "masks.pkl", arcface=arcface, **options)
