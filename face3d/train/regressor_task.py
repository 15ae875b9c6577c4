"""Training face3d's own regressor: features of a face to a Gaussian over the identity of the open head."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from face3d.errors import ArgumentError
from face3d.train.checkpoints import save_torch
from face3d.train.feature_data import FeatureRows, FeatureTable, read_features
from face3d.train.task import Batch, RunState, Samples

__all__ = ["BATCH_SIZE", "EPOCHS", "GaussianRegressor", "RegressorTask", "RegressorTraining"]

EPOCHS, BATCH_SIZE = 20, 256
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-4
WIDTH, LAYERS, DROPOUT = 512, 2, 0.1

LOG_VARIANCE = (-10.0, 4.0)
"""Bounds, so that a coefficient which the training data happen to fix does not drive the loss without end."""


@dataclass(frozen=True, slots=True)
class RegressorTask:
    """Train the regressor (`face3d.train.task.TrainingTask`). A sample is a face.

    Attributes:
        features: file or folder, see `face3d.train.feature_data`.
        width, layers: of the network between features and coefficients.
        dropout: share of its values that a step leaves out.
        learning_rate: at the beginning; it falls to nothing along a cosine.
        weight_decay: AdamW's.
    """

    features: Path
    width: int = WIDTH
    layers: int = LAYERS
    dropout: float = DROPOUT
    learning_rate: float = LEARNING_RATE
    weight_decay: float = WEIGHT_DECAY

    def open(self) -> RegressorTraining:
        """Read the features.

        Raises:
            InputError: they cannot be read or do not fit each other.
            ArgumentError: an option is out of range.
        """
        if self.width < 1 or self.layers < 0 or not 0 <= self.dropout < 1 or not self.learning_rate > 0:
            raise ArgumentError(
                "--width and --learning-rate are above 0, --layers is 0 or more, --dropout is from 0 to below 1"
            )
        return RegressorTraining(self, read_features(self.features))


class GaussianRegressor(nn.Module):
    """Features to the mean and the logarithm of the variance of each identity coefficient."""

    def __init__(self, features: int, identity: int, *, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        widths = [features, *[width] * layers]
        hidden = [nn.Sequential(nn.Linear(a, b), nn.SiLU(), nn.Dropout(dropout)) for a, b in pairwise(widths)]
        self.hidden = nn.Sequential(*hidden)
        self.output = nn.Linear(widths[-1], 2 * identity)

    def forward(self, features: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B I"], Float[Tensor, "B I"]]:
        """Mean and log-variance."""
        mean, log_variance = self.output(self.hidden(features)).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE)


class RegressorTraining:
    """The regressor in one process (`face3d.train.task.Training`)."""

    metric = "negative_log_likelihood"
    file_name = "regressor.pt"
    warnings: tuple[str, ...] = ()

    def __init__(self, task: RegressorTask, table: FeatureTable) -> None:
        self._shape: dict[str, Any] = {
            "features": table.features.shape[1],
            "identity": table.identity.shape[1],
            "width": task.width,
            "layers": task.layers,
            "dropout": task.dropout,
        }
        self.network: nn.Module = GaussianRegressor(**self._shape)
        self.samples: Samples = FeatureRows(table, table.learned)
        self.held_out: Samples | None = FeatureRows(table, table.held_out) if len(table.held_out) else None
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=task.learning_rate, weight_decay=task.weight_decay
        )
        self._settings = {"task": "regressor", "learning_rate": task.learning_rate, "weight_decay": task.weight_decay}
        self.settings: Mapping[str, Any] = self._settings | self._shape

    def schedule(self, steps: int) -> LRScheduler | None:
        """A cosine that ends with the run, which therefore cannot be made longer."""
        self.settings = {**self.settings, "steps": steps}
        return CosineAnnealingLR(self.optimizer, steps)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """`loss`: the negative log-likelihood of a coefficient; `squared_error` of the mean."""
        mean, log_variance = network(batch["features"])
        return {
            "loss": _negative_log_likelihood(mean, log_variance, batch["identity"]).mean(),
            "squared_error": (mean.detach() - batch["identity"]).square().mean(),
        }

    def errors(self, network: nn.Module, batch: Batch) -> Float[Tensor, " B"]:
        """The negative log-likelihood of each face's coefficients, their mean."""
        mean, log_variance = network(batch["features"])
        return _negative_log_likelihood(mean, log_variance, batch["identity"])

    def export(self, path: Path, state: RunState) -> None:
        """Write the network's weights and what it is made with."""
        weights = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
        save_torch(path, {"network": weights, **self._shape, "step": state.step, "error": state.error})


def _negative_log_likelihood(
    mean: Float[Tensor, "B I"], log_variance: Float[Tensor, "B I"], identity: Float[Tensor, "B I"]
) -> Float[Tensor, " B"]:
    squared = (identity - mean).square() * torch.exp(-log_variance)
    return 0.5 * (squared + log_variance + math.log(2 * math.pi)).mean(dim=1)
