"""Training face3d's own regressor: features of a face to a Gaussian over the identity of the open head."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from face3d.errors import ArgumentError
from face3d.identity.regressor import ShapeRegressor, ShapeSize, negative_log_likelihood
from face3d.train.checkpoints import save_torch
from face3d.train.feature_data import FeatureRows, FeatureTable, read_features
from face3d.train.task import Batch, RunState, Samples

__all__ = ["BATCH_SIZE", "EPOCHS", "RegressorTask", "RegressorTraining"]

EPOCHS, BATCH_SIZE = 40, 512
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 0.05
WARM_UP = 0.05
"""Share of the steps in which the learning rate rises."""
SIZE = ShapeSize(features=0)


@dataclass(frozen=True, slots=True)
class RegressorTask:
    """Train the regressor (`face3d.train.task.TrainingTask`). A sample is a face.

    Attributes:
        features: file or folder, see `face3d.train.feature_data`.
        components: how many of the identity's coefficients are foretold; at most as many as there are.
        width: of the hidden layers.
        dropout: share of their values that a step leaves out.
        noise: standard deviation of what a step adds to the standardised features.
        learning_rate: the highest; it rises at first and falls to nothing along a cosine.
        weight_decay: AdamW's.
    """

    features: Path
    components: int = SIZE.components
    width: int = SIZE.width
    dropout: float = 0.4
    noise: float = 0.4
    learning_rate: float = LEARNING_RATE
    weight_decay: float = WEIGHT_DECAY

    def open(self) -> RegressorTraining:
        """Read the features.

        Raises:
            InputError: they cannot be read or do not fit each other.
            ArgumentError: an option is out of range.
        """
        positive = min(self.width, self.components, self.learning_rate) > 0
        if not positive or not 0 <= self.dropout < 1 or self.noise < 0:
            raise ArgumentError(
                "--components, --width and --learning-rate are above 0, --noise is 0 or more, --dropout is from 0 to "
                "below 1"
            )
        return RegressorTraining(self, read_features(self.features))


class RegressorTraining:
    """The regressor in one process (`face3d.train.task.Training`)."""

    metric = "negative_log_likelihood"
    file_name = "regressor.pt"
    warnings: tuple[str, ...] = ()

    def __init__(self, task: RegressorTask, table: FeatureTable) -> None:
        size = ShapeSize(
            features=table.features.shape[1],
            components=min(task.components, table.identity.shape[1]),
            width=task.width,
            directions=min(SIZE.directions, table.features.shape[1]),
        )
        self._network = ShapeRegressor(size, dropout=task.dropout, noise=task.noise)
        self._network.look(*(np.asarray(part[table.learned]) for part in (table.features, table.identity)))
        self.network: nn.Module = self._network
        self.samples: Samples = FeatureRows(table, table.learned)
        self.held_out: Samples | None = FeatureRows(table, table.held_out) if len(table.held_out) else None
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=task.learning_rate, weight_decay=task.weight_decay
        )
        self._size = asdict(size)
        self.settings: Mapping[str, Any] = {
            "task": "regressor",
            "dropout": task.dropout,
            "noise": task.noise,
            "learning_rate": task.learning_rate,
            "weight_decay": task.weight_decay,
            **self._size,
        }

    def schedule(self, steps: int) -> LRScheduler | None:
        """A rise and a cosine that ends with the run, which therefore cannot be made longer."""
        self.settings = {**self.settings, "steps": steps}
        return LambdaLR(self.optimizer, partial(_share_of_rate, steps=steps))

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """`loss`: the negative log-likelihood of a coefficient; `squared_error` of the mean."""
        mean, log_variance = network(batch["features"])
        return {
            "loss": negative_log_likelihood(mean, log_variance, self._along_axes(batch)).mean(),
            "squared_error": (mean.detach() - self._along_axes(batch)).square().mean(),
        }

    def errors(self, network: nn.Module, batch: Batch) -> Float[Tensor, " B"]:
        """The negative log-likelihood of each face's coefficients, their mean."""
        mean, log_variance = network(batch["features"])
        return negative_log_likelihood(mean, log_variance, self._along_axes(batch))

    def _along_axes(self, batch: Batch) -> Float[Tensor, "B I"]:
        axes = self._network.axes
        return batch["identity"][:, : len(axes)] @ axes.T

    def export(self, path: Path, state: RunState) -> None:
        """Write the network's weights and what it is made with."""
        weights = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
        save_torch(path, {"network": weights, "size": self._size, "step": state.step, "error": state.error})


def _share_of_rate(step: int, steps: int) -> float:
    """Of the highest learning rate, at a step from 0."""
    warm_up = WARM_UP * steps
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))
