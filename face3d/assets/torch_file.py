"""Reading PyTorch files that nobody vouches for: tensors and plain numbers, never code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from face3d.errors import CorruptAssetError

if TYPE_CHECKING:
    from torch import nn

    Network = TypeVar("Network", bound=nn.Module)

__all__ = ["fill", "read_torch_file"]


def read_torch_file(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU, read with `weights_only=True`.

    NumPy's scalars are let in, as older training scripts saved their best scores with the weights.

    Raises:
        CorruptAssetError: the file is missing, damaged, names anything else, or is no dictionary.
    """
    import numpy as np
    import torch

    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    numbers = [
        (scalar, "numpy.core.multiarray.scalar"),
        scalar,
        np.dtype,
        *(type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32")),
    ]
    try:
        with torch.serialization.safe_globals(numbers):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except Exception as error:  # torch raises nearly every class there is for a file that is not one of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CorruptAssetError(f"{path} cannot be read safely as PyTorch weights: {reason[:160]}") from error
    if not isinstance(content, dict):
        raise CorruptAssetError(f"{path} holds a {type(content).__name__}, not named weights")
    return content


def fill(network: Network, content: Mapping[str, Any], path: Path, name: str) -> Network:
    """Load weights strictly, whether they lie bare, under `state_dict`, or with a `module.` before each name.

    Args:
        network: what takes them; it comes back in evaluation mode, its weights frozen.
        content: of the file.
        path, name: of the file and of the network, for messages.

    Raises:
        CorruptAssetError: names or shapes differ from the network's.
    """
    import torch

    inner = content.get("state_dict")
    weights = inner if isinstance(inner, dict) else content
    found = {str(key).removeprefix("module."): value for key, value in weights.items()}
    expected = network.state_dict()
    # Files older than this counter lack it; it plays no part in evaluation.
    counters = (key for key in expected if key.endswith("num_batches_tracked") and key not in found)
    found |= {key: torch.zeros_like(expected[key]) for key in counters}
    if found.keys() != expected.keys():
        shown = ", ".join(list(map(str, weights))[:3]) or "nothing"
        raise CorruptAssetError(
            f"{path} does not hold {name} but {shown}, ...: {len(expected.keys() - found.keys())} weights are missing "
            f"and {len(found.keys() - expected.keys())} unknown"
        )
    for key, value in expected.items():
        if not isinstance(found[key], torch.Tensor) or found[key].shape != value.shape:
            given = tuple(found[key].shape) if isinstance(found[key], torch.Tensor) else type(found[key]).__name__
            raise CorruptAssetError(f"{path} does not hold {name}: {key} is {given}, not {tuple(value.shape)}")
    network.load_state_dict(found, strict=True)
    return network.eval().requires_grad_(False)
