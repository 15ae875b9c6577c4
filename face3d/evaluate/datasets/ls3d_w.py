"""LS3D-W in its original form: one .t7 file of 68 points beside each image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from face3d.errors import InputError
from face3d.evaluate.datasets.annotation import ONE_BASED, Annotation, Source, check_points
from face3d.evaluate.datasets.files import beside, files_of, name_in
from face3d.evaluate.datasets.torch7 import read_t7

__all__ = ["ls3d_w_sources", "read_ls3d_w"]


def read_ls3d_w(path: Path, name: str, images: Path | None = None) -> Annotation:
    """Read a tensor (68, 2 or 3), or a table that holds one.

    Torch7 counts from 1 as MATLAB does, and so do the pixels: the first one's centre is (1, 1), and 0.5 is taken off.

    Raises:
        InputError: the file cannot be read or holds no such tensor.
    """
    value = read_t7(path)
    entries = list(value.values()) if isinstance(value, dict) else [value]
    tensor = next((entry for entry in entries if isinstance(entry, np.ndarray) and entry.ndim == 2), None)
    if tensor is None:
        raise InputError(f"{path} holds no tensor of landmarks (68, 2)")
    return Annotation(name, name, check_points(tensor, path) + ONE_BASED, beside(path, name, images))


def ls3d_w_sources(path: Path, images: Path | None) -> list[Source]:
    """Every .t7 file of a folder (and the folders in it), or one file."""

    def source(file: Path) -> Source:
        name = name_in(path, file)
        return Source(name, lambda: read_ls3d_w(file, name, images))

    return [source(file) for file in files_of(path, ".t7")]
