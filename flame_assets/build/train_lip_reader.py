"""Train the network of `face3d.landmarks.lip_contours` on what `draw_mouths.py` has drawn.

    PYTHONPATH=.. python train_lip_reader.py ../lip_reader.npz DRAWN.npz ...

Each picture is laid upright several times, a little shifted, turned and stretched, as landmarks err. The network learns
the edges and how far it is off (the likelihood of a Laplace distribution); of every tenth person it learns nothing, and
the error on those is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from face3d.fit.lip_matching import match_lips
from face3d.fit.lip_surface import LipSurface, lip_surface
from face3d.head import load_open_head
from face3d.landmarks.lip_contours import (
    COLUMNS,
    PATCH,
    READINGS,
    MouthFrames,
    laid_upright,
    mouth_clues,
    mouth_frames,
)

COPIES, EPOCHS, BATCH, RATE = 4, 16, 256, 2e-3
SHIFT, TURN, STRETCH = 0.05, 0.035, 0.05
CHANNELS, HIDDEN = (16, 24, 32), 128


class LipReader(nn.Module):
    """As `lip_contours` computes it."""

    def __init__(self, clues: int) -> None:
        super().__init__()
        one, two, three = CHANNELS
        self.first = nn.Conv2d(3, one, 5, stride=2, padding=2)
        self.second = nn.Conv2d(one, two, 3, stride=2, padding=1)
        self.third = nn.Conv2d(two, three, 3, padding=1)
        self.hidden = nn.Linear(three * (PATCH[0] // 4) * (PATCH[1] // 4) + clues, HIDDEN)
        self.answer = nn.Linear(HIDDEN, 2 * READINGS)
        self.drop = nn.Dropout(0.1)

    def forward(self, patch: Tensor, clues: Tensor) -> Tensor:
        """(B, 3, h, w) pictures in [0, 255] and (B, C) standardised clues to (B, 2R)."""
        centred = patch - patch.mean(dim=(2, 3), keepdim=True)
        spread = patch.flatten(1).std(dim=1, unbiased=False).clamp(min=4.0)
        values = centred / spread[:, None, None, None]
        for layer in (self.first, self.second, self.third):
            values = torch.relu(layer(values))
        told = torch.cat([self.drop(values.permute(0, 2, 3, 1).flatten(1)), clues], dim=1)
        answer: Tensor = self.answer(torch.relu(self.hidden(told)))
        return answer


def prepare(files: list[Path], seed: int) -> dict[str, ndarray]:
    """Upright pictures, clues and truth, several of each picture."""
    surface = lip_surface(load_open_head())
    assert surface is not None
    rng = np.random.default_rng(seed)
    found: dict[str, list[ndarray]] = {name: [] for name in ("patch", "clues", "truth", "person", "copy")}
    for path in files:
        with np.load(path) as file:
            drawn = {name: file[name] for name in file.files}
        for copy in range(COPIES):
            points = _misplaced(drawn["points"].astype(np.float64), rng) if copy else drawn["points"]
            points = points.astype(np.float32)
            mouth = mouth_frames(points)
            found["truth"].append(_truth(surface, drawn["lips"].astype(np.float64), mouth))
            found["clues"].append(mouth_clues(points, mouth))
            shifted = MouthFrames(
                mouth.centre - drawn["origin"], mouth.along, mouth.up, mouth.half_width, mouth.half_height
            )
            pictures = [laid_upright(image, shifted[t : t + 1])[0] for t, image in enumerate(drawn["crop"])]
            found["patch"].append(np.clip(np.round(pictures), 0, 255).astype(np.uint8))
            found["person"].append(drawn["person"])
            found["copy"].append(np.full(len(points), copy))
    return {name: np.concatenate(values) for name, values in found.items()}


def _misplaced(points: Float[ndarray, "T N 2"], rng: np.random.Generator) -> Float[ndarray, "T N 2"]:
    """Landmarks of the whole face moved about the mouth: shifted, turned, stretched."""
    count = len(points)
    mouth = mouth_frames(points)
    away = points - mouth.centre[:, None]
    turn = rng.normal(0, TURN, count)
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], 1)
    size = np.exp(rng.normal(0, STRETCH, (count, 1, 2)))
    shift = rng.normal(0, SHIFT, (count, 2)) * mouth.half_width[:, None]
    moved: Float[ndarray, "T N 2"] = (away * size) @ turned.transpose(0, 2, 1) + (mouth.centre + shift)[:, None]
    return moved


def _truth(surface: LipSurface, lips: Float[ndarray, "T P 2"], mouth: MouthFrames) -> Float[ndarray, "T R"]:
    """What is to be read, in the network's units; NaN where a line misses the mouth."""
    place = match_lips(surface, lips, mouth).place
    edges = place[:, :-2].reshape(len(place), 4, len(COLUMNS))
    # Lips pressed into each other show one line.
    middle = 0.5 * (edges[:, 1] + edges[:, 2])
    pressed = edges[:, 1] < edges[:, 2]
    edges[:, 1][pressed] = middle[pressed]
    edges[:, 2][pressed] = middle[pressed]
    unit = np.repeat(np.stack([mouth.half_height, mouth.half_width], 1), [READINGS - 2, 2], axis=1)
    truth: Float[ndarray, "T R"] = np.concatenate([edges.reshape(len(place), -1), place[:, -2:]], axis=1) / unit
    truth[np.abs(truth) > 2] = np.nan
    return truth.astype(np.float32)


def mirrored(patch: Tensor, clues: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures seen in a mirror."""
    partner = torch.tensor([*range(10, -1, -1), *range(19, 10, -1)])
    places = torch.cat([partner, 20 + partner])
    x, y, rest = clues[:, :40], clues[:, 40:80], clues[:, 80:]
    edges = truth[:, :-2].reshape(len(truth), 4, -1).flip(2).reshape(len(truth), -1)
    return (
        patch.flip(3),
        torch.cat([-x[:, places], y[:, places], rest], 1),
        torch.cat([edges, -truth[:, -2:].flip(1)], 1),
    )


def loss_of(answer: Tensor, truth: Tensor) -> Tensor:
    """Negative log-likelihood of Laplace distributions of those standard deviations."""
    known = torch.isfinite(truth)
    miss = (answer[:, :READINGS] - torch.where(known, truth, answer[:, :READINGS].detach())).abs()
    log_sigma = answer[:, READINGS:].clamp(-6, 1)
    return (
        torch.where(known, 2**0.5 * miss * torch.exp(-log_sigma) + log_sigma, torch.zeros_like(miss)).sum()
        / known.sum()
    )


def main() -> None:
    """Train, print the error, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("drawn", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    data = prepare(arguments.drawn, arguments.seed)
    held = data["person"] % 10 == 9
    raw = torch.from_numpy(data["clues"])
    mean, spread = raw[~held].mean(0), raw[~held].std(0).clamp(min=1e-2)
    patches, truth = torch.from_numpy(data["patch"]), torch.from_numpy(data["truth"])
    learnt = torch.from_numpy(np.flatnonzero(~held))
    model = LipReader(raw.shape[1])
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-3)
    steps = arguments.epochs * (len(learnt) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1)
    test = torch.from_numpy(np.flatnonzero(held & (data["copy"] == 0)))
    for epoch in range(arguments.epochs):
        model.train()
        total = 0.0
        for chosen in learnt[torch.randperm(len(learnt))].split(BATCH):
            if len(chosen) < BATCH:
                continue
            patch, clues, target = patches[chosen].permute(0, 3, 1, 2).float(), raw[chosen], truth[chosen]
            if torch.rand(()) < 0.5:
                patch, clues, target = mirrored(patch, clues, target)
            gamma = torch.exp(0.15 * torch.randn(len(patch), 1, 1, 1))
            patch = 255 * (patch / 255) ** gamma
            loss = loss_of(model(patch, (clues - mean) / spread), target)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        model.eval()
        with torch.no_grad():
            answer = model(patches[test].permute(0, 3, 1, 2).float(), (raw[test] - mean) / spread)
            miss = (answer[:, :READINGS] - truth[test]).numpy()
            heights = np.nanmedian(np.abs(miss[:, :-2]).reshape(len(miss), 4, -1), axis=(0, 2)).round(4)
            print(
                f"{epoch:3d}  learnt {total * BATCH / len(learnt):.3f}  held {float(loss_of(answer, truth[test])):.3f}"
                f"  median miss, half heights {heights}, half widths {np.nanmedian(np.abs(miss[:, -2:])):.4f}",
                flush=True,
            )
    arrays: dict[str, ndarray] = {"clues_mean": mean.numpy(), "clues_spread": spread.numpy()}
    for name in ("first", "second", "third"):
        layer = getattr(model, name)
        arrays[f"{name}_weights"] = layer.weight.detach().permute(2, 3, 1, 0).numpy()
        arrays[f"{name}_bias"] = layer.bias.detach().numpy()
    for name in ("hidden", "answer"):
        layer = getattr(model, name)
        arrays[f"{name}_weights"], arrays[f"{name}_bias"] = layer.weight.detach().T.numpy(), layer.bias.detach().numpy()
    halves = {
        name: value.astype(np.float16 if name.endswith("_weights") else np.float32) for name, value in arrays.items()
    }
    np.savez_compressed(arguments.out, allow_pickle=False, **halves)


if __name__ == "__main__":
    main()
