"""Reading PyTorch files that nobody vouches for: tensors and plain numbers, never code."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from face3d.errors import CorruptAssetError

if TYPE_CHECKING:
    from torch import nn

    Network = TypeVar("Network", bound=nn.Module)

__all__ = ["check_checksums", "fill", "read_torch_file"]


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
        raise CorruptAssetError(
            f"{path} cannot be read safely as PyTorch weights: {_reason(path, error)}; get the file anew"
        ) from error
    if not isinstance(content, dict):
        raise CorruptAssetError(f"{path} holds a {type(content).__name__}, not named weights")
    return content


def check_checksums(path: Path) -> None:
    """Refuse a PyTorch file some bytes of which have changed since it was written, which PyTorch itself reads.

    Files in the form of PyTorch before 1.6 have no checksums and pass.

    Raises:
        CorruptAssetError: names the part.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        raise CorruptAssetError(f"{path} is damaged ({error}); get the file anew") from error
    if broken is not None:
        raise CorruptAssetError(f"{path} is damaged: {broken} in it has a wrong checksum; get the file anew")


def _reason(path: Path, error: Exception) -> str:
    """In a few words, why PyTorch could not read a file."""
    try:
        with path.open("rb") as file:
            begins = file.read(24)
    except OSError as unreadable:
        return unreadable.strerror or type(unreadable).__name__
    if begins[:2] == b"PK" and not zipfile.is_zipfile(path):
        return "it is cut short or damaged"
    # Zip archives begin with PK, and the pickles of older files with the opcode of their version.
    if begins[:2] != b"PK" and begins[:1] != b"\x80":
        return f"it is no such file but begins with {begins.decode('latin-1')!r}"
    if named := re.search(r"GLOBAL (\S+)", str(error)):
        return f"it names {named[1]}, which is no weight"
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def fill(network: Network, content: Mapping[str, Any], path: Path, name: str) -> Network:
    """Load weights strictly, whether they lie bare, under `state_dict`, or with a `module.` before each name.

    Args:
        network: what takes them; it comes back in evaluation mode, its weights frozen.
        content: of the file.
        path, name: of the file and of the network, for messages.

    Raises:
        CorruptAssetError: names or shapes differ from the network's, or values are not finite numbers.
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
            f"{path} does not hold {name} but {shown}, ...: "
            f"{_counted(expected, found, 'weights are missing')} and {_counted(found, expected, 'unknown')}; "
            "get the file anew"
        )
    for key, value in expected.items():
        if not isinstance(found[key], torch.Tensor) or found[key].shape != value.shape:
            given = tuple(found[key].shape) if isinstance(found[key], torch.Tensor) else type(found[key]).__name__
            raise CorruptAssetError(f"{path} does not hold {name}: {key} is {given}, not {tuple(value.shape)}")
        if value.is_floating_point() and not (found[key].is_floating_point() and bool(found[key].isfinite().all())):
            raise CorruptAssetError(
                f"{path}: {key} of {name} holds values that are not finite real numbers; get the file anew"
            )
    network.load_state_dict(found, strict=True)
    return network.eval().requires_grad_(False)


def _counted(names: Mapping[str, Any], others: Mapping[str, Any], what: str) -> str:
    """How many names are not among others, with the first of them."""
    left = [name for name in names if name not in others]
    return f"{len(left)} {what}" + (f" ({left[0]}{', ...' if len(left) > 1 else ''})" if left else "")
