"""Weights for golden vectors of networks, drawn by name, so that none need to be stored."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

FAN4_DAMPING = ((r"\.conv[123]\.weight$", 0.3), (r"^([ab]l|l|conv_last)\d\.weight$", 0.5))
"""Keeps a deep residual network's features from growing so far that small errors vanish in them."""

ARCFACE_DAMPING = ((r"^layer\d\.\d+\.bn3\.weight$", 0.2),)
ARCFACE_PRELU = r"prelu\.weight$"
"""Names of the slopes, which are one-dimensional too but drawn about 0.25."""

RESNET50_DAMPING = ((r"^(encoder|backbone)\.layer\d\.\d\.bn3\.weight$", 0.2),)
FRONT_END_DAMPING = ((r"^trunk\.layer\d\.\d\.bn2\.weight$", 0.5),)
FRONT_END_PRELU = r"(^frontend3D\.2|\.relu[12])\.weight$"


def recipe_weights(
    state: Mapping[str, Tensor], *, seed: int = 1, damping: Sequence[tuple[str, float]] = (), prelu: str | None = None
) -> dict[str, Tensor]:
    """One draw per entry of a state dict, from a generator seeded with the entry's name; counters are left out.

    `prelu` matches the names of PReLU's slopes.
    """
    weights = {}
    for name, entry in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        generator = torch.Generator().manual_seed(zlib.crc32(f"face3d:{seed}:{name}".encode()))
        if name.endswith("running_var"):
            values = 1 + 0.1 * torch.rand(entry.shape, generator=generator)
        else:
            values = torch.randn(entry.shape, generator=generator)
            if entry.ndim >= 2:
                values = values * math.sqrt(2 / math.prod(entry.shape[1:]))
            elif prelu and re.search(prelu, name):
                values = 0.25 + 0.02 * values
            else:
                values = 0.1 * values + (1 if name.endswith("weight") else 0)
        for pattern, factor in damping:
            if re.search(pattern, name):
                values = values * factor
        weights[name] = values
    return weights
