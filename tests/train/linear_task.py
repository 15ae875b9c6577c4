"""A small problem whose answer is known, and one that goes wrong; importable by the processes that tests start."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from face3d.errors import InputError

WEIGHTS = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]], dtype=np.float32)
BIAS = np.array([0.25, -0.75], dtype=np.float32)


class LinearSamples:
    def __init__(self, count, seed):
        self.inputs = np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32)

    def __len__(self):
        return len(self.inputs)

    def batch(self, draws):
        inputs = self.inputs[[draw.index for draw in draws]]
        return {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(inputs @ WEIGHTS.T + BIAS)}


@dataclass(frozen=True, slots=True)
class LinearTask:
    """Find WEIGHTS and BIAS.

    Attributes:
        rate: of plain gradient descent.
        drawn_errors: if not empty, what the held-out metric is, one after the other.
        held_out: whether anything is.
        broken_from: step from which the loss is no number.
        spoilt_at: step after which a weight is no number while the loss still is one.
        failing_process: one that raises an error while it opens the task.
    """

    rate: float = 0.1
    drawn_errors: tuple[float, ...] = ()
    held_out: bool = True
    broken_from: int | None = None
    spoilt_at: int | None = None
    failing_process: int | None = None

    def open(self):
        if self.failing_process is not None and os.environ.get("LOCAL_RANK") == str(self.failing_process):
            raise InputError("crops/7.npy cannot be read as a crop")
        return LinearTraining(self)


class LinearTraining:
    metric = "distance"
    file_name = "linear.pt"
    warnings = ()

    def __init__(self, task):
        self.task = task
        self.network = nn.Linear(3, 2)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=task.rate)
        self.samples = LinearSamples(40, 0)
        self.held_out = LinearSamples(10, 1) if task.held_out else None
        self.settings = {"rate": task.rate}
        self.steps = 0
        self.errors_left = list(task.drawn_errors)

    def schedule(self, steps):
        return None

    def losses(self, network, batch):
        self.steps += 1
        loss = (network(batch["inputs"]) - batch["targets"]).square().mean()
        if self.task.broken_from is not None and self.steps >= self.task.broken_from:
            loss = loss * torch.nan
        if self.steps == self.task.spoilt_at:
            # The derivative of the root at nought is none.
            loss = loss + torch.sqrt(0 * self.network.bias.sum()) * 0
        return {"loss": loss, "twice": 2 * loss.detach()}

    def errors(self, network, batch):
        distances = (network(batch["inputs"]) - batch["targets"]).norm(dim=1)
        return torch.full_like(distances, self.errors_left.pop(0)) if self.errors_left else distances

    def export(self, path, state):
        torch.save(
            {"weights": self.network.state_dict(), "step": state.step, "epoch": state.epoch, "error": state.error}, path
        )
