"""Reading PyTorch files that nobody vouches for: tensors and plain numbers, never code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from face3d.errors import CorruptAssetError

__all__ = ["read_torch_file"]


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
