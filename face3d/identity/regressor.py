"""Our own shape regressor: what a face encoder's features say about the identity of the open head, and how surely.

The counterpart of MICA's mapping network, with two differences. It foretells a Gaussian and not a point, so that a fit
can weigh it against landmarks; and it was trained on drawn heads alone (`face3d train synthetic`), so that anyone may
use it. Features unlike those of drawn heads, as photos' may be, are believed less.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from face3d.errors import CorruptAssetError
from face3d.fit import ForetoldIdentity

__all__ = ["ShapeBelief", "ShapeRegressor", "negative_log_likelihood", "read_regressor", "regressor_file"]

LEAST_LOG_VARIANCE = -5.0
"""Surer than any landmark fit. The largest is 0, where the features say nothing, as people vary by as much."""


@dataclass(frozen=True, slots=True)
class ShapeSize:
    """Sizes of a regressor.

    Attributes:
        features: how many numbers the encoder gives, D.
        components: how many of the identity's coefficients are foretold, I.
        width: of the hidden layers.
        directions: of the features' spread that tell whether they are like those of the training, K.
    """

    features: int
    components: int = 80
    width: int = 512
    directions: int = 64


class ShapeRegressor(nn.Module):
    """Features to an independent Gaussian along each of I axes of the identity.

    Dimensions: B batch, D features, I identity coefficients, K directions of the features' spread.

    Attributes:
        centre, spread: (D,) mean and standard deviation of the features in training.
        axes: (I, I) rotation whose row i is the direction in the identity that output i is about: errors along them
            are nearly uncorrelated.
        directions: (K, D) principal directions of the standardised features in training, each divided by its spread.
    """

    centre: Tensor
    spread: Tensor
    axes: Tensor
    directions: Tensor

    def __init__(self, size: ShapeSize, *, dropout: float = 0.0, noise: float = 0.0) -> None:
        """Make an untrained regressor.

        Args:
            dropout: share of the values that training leaves out.
            noise: standard deviation of what training adds to the standardised features.
        """
        super().__init__()
        self.size, self.noise = size, noise
        self.register_buffer("centre", torch.zeros(size.features))
        self.register_buffer("spread", torch.ones(size.features))
        self.register_buffer("axes", torch.eye(size.components))
        self.register_buffer("directions", torch.zeros(size.directions, size.features))
        self.straight = nn.Linear(size.features, 2 * size.components)
        self.bent = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(size.features, size.width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(size.width, size.width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(size.width, 2 * size.components),
        )
        nn.init.zeros_(self.straight.weight)
        nn.init.zeros_(self.straight.bias)

    def look(
        self, features: Float[np.ndarray, "N D"], identity: Float[np.ndarray, "N I"], *, ridge: float = 1e-3
    ) -> None:
        """Take over from training data what is not learnt by descent: the features' spread and the identity's axes.

        The axes are the principal ones of what a linear regression leaves unexplained.

        Args:
            features: N faces.
            identity: their coefficients, I or more of them.
            ridge: of the regression, relative to the features' variance.
        """
        features = np.asarray(features, dtype=np.float64)
        identity = np.asarray(identity, dtype=np.float64)[:, : self.size.components]
        centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
        standard = (features - centre) / spread
        spectrum, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
        slope = vectors @ ((vectors.T @ (standard.T @ identity) / len(standard)) / (spectrum + ridge)[:, None])
        left = identity - standard @ slope
        axes = np.linalg.eigh(left.T @ left)[1].T
        chosen = slice(len(spectrum) - self.size.directions, None)
        directions = (vectors[:, chosen] / np.sqrt(np.maximum(spectrum[chosen], 1e-12))).T
        for buffer, value in (
            (self.centre, centre),
            (self.spread, spread),
            (self.axes, axes),
            (self.directions, directions),
        ):
            buffer.copy_(torch.from_numpy(np.ascontiguousarray(value)).to(buffer))

    def forward(self, features: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B I"], Float[Tensor, "B I"]]:
        """Mean and log-variance along each axis."""
        standard = (features - self.centre) / self.spread
        if self.training and self.noise:
            standard = standard + self.noise * torch.randn_like(standard)
        mean, certainty = (self.straight(standard) + self.bent(standard)).chunk(2, dim=1)
        # A smooth bound: at a hard one, a variance that begins beyond it would never be learnt. It begins at e^-0.6.
        return mean, LEAST_LOG_VARIANCE * torch.sigmoid(certainty - 2)

    def novelty(self, features: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """How unlike those of the training the features are: mean squared deviation in their units of spread.

        One on average for training data, more for what it does not hold.
        """
        deviation = ((features - self.centre) / self.spread) @ self.directions.T
        return deviation.square().mean(dim=1)


def negative_log_likelihood(
    mean: Float[Tensor, "B I"], log_variance: Float[Tensor, "B I"], along_axes: Float[Tensor, "B I"]
) -> Float[Tensor, " B"]:
    """Of the true identity, given along the regressor's axes; per coefficient, in nats."""
    squared = (along_axes - mean).square() * torch.exp(-log_variance)
    return 0.5 * (squared + log_variance + math.log(2 * math.pi)).mean(dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class ShapeBelief:
    """A trained regressor as the fit uses it.

    Attributes:
        network: in evaluation mode.
        fingerprint: of the identity basis that it was trained with (`face3d.fit.responses.identity_fingerprint`).
        trust: factor on the certainty that the network states, found on photos.
        card: what it was trained on, its errors and limits.
    """

    network: ShapeRegressor
    fingerprint: int
    trust: float
    card: Mapping[str, Any]

    def foretell(self, features: Sequence[Float[np.ndarray, " D"]] | Float[np.ndarray, "B D"]) -> ForetoldIdentity:
        """The identity of the person whose face has these features, one row for each photo.

        What a photo says beyond the population's spread is divided by how unlike the training's its features are. Of
        several photos the mean is taken: their errors are mostly the same ones, so more photos do not make it surer.
        """
        rows = torch.as_tensor(np.asarray(features, dtype=np.float32))
        with torch.inference_mode():
            mean, log_variance = (part.double().numpy() for part in self.network(rows))
            novelty = self.network.novelty(rows).double().numpy()
        axes = self.network.axes.double().numpy()
        variance = np.exp(log_variance)
        # The network states the posterior; what it adds to the population's unit variance is the likelihood.
        precision = np.maximum(1 / variance - 1, 0.0)
        towards = mean / variance
        believed = (self.trust / np.maximum(novelty, 1.0))[:, None]
        precision, towards = (believed * precision).mean(axis=0), (believed * towards).mean(axis=0)
        return ForetoldIdentity(
            "regressor",
            axes.T @ (towards / (1 + precision)),
            np.eye(len(axes)) + (axes.T * precision) @ axes,
        )


def regressor_file(belief: ShapeBelief) -> bytes:
    """The file of a trained regressor: an npz of half-precision weights and its card as JSON text."""
    arrays: dict[str, np.ndarray] = {
        f"network.{name}": value.detach().cpu().numpy().astype(np.float16 if "." in name else np.float32)
        for name, value in belief.network.state_dict().items()
    }
    size = belief.network.size
    arrays["size"] = np.array([size.features, size.components, size.width, size.directions])
    arrays["fingerprint"], arrays["trust"] = np.array(belief.fingerprint), np.array(belief.trust)
    arrays["card"] = np.array(json.dumps(belief.card, sort_keys=True))
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_regressor(path: Path) -> ShapeBelief:
    """Read what `regressor_file` made.

    Raises:
        CorruptAssetError: the file is missing, damaged, or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        network = ShapeRegressor(ShapeSize(*(int(number) for number in arrays["size"])))
        network.load_state_dict(
            {
                name.removeprefix("network."): torch.from_numpy(value.astype(np.float32))
                for name, value in arrays.items()
                if name.startswith("network.")
            }
        )
        card = json.loads(str(arrays["card"]))
        belief = ShapeBelief(network.eval(), int(arrays["fingerprint"]), float(arrays["trust"]), card)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise CorruptAssetError(
            f"{path} does not hold the shape regressor ({error.__class__.__name__}); reinstall face3d"
        ) from error
    belief.network.requires_grad_(False)
    return belief
