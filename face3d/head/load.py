"""Find and load a head model by name or path."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from face3d import assets
from face3d.errors import ArgumentError
from face3d.head.flame import FilePath, load_flame
from face3d.head.flame_checkpoint import read_flame_of_mica
from face3d.head.head_file import read_head
from face3d.head.model import HeadModel

__all__ = ["load_head", "load_open_head"]

# What the publishers call the model, most useful first.
_FLAME_FILES = ("flame.pkl", "flame.npz", "generic_model.pkl", "flame2023_Open.pkl", "flame2023.pkl")
_PACKAGE = Path(__file__).resolve().parent.parent


def load_head(
    name_or_path: str | os.PathLike[str] = "open",
    *,
    landmarks: FilePath | tuple[FilePath, ...] | list[FilePath] | None = None,
    contour: str = "deca",
    dtype: torch.dtype = torch.float32,
) -> HeadModel:
    """Load a head model.

    Args:
        name_or_path: "open" (ships with face3d), "flame" (added with `face3d assets add flame PATH`, or lying in
            `flame_assets/`), "mica" (the FLAME 2020 inside of your `mica.tar`, under FLAME's licence), or the path of a
            FLAME pickle or npz, of a `mica.tar`, or of a face3d-head npz.
        landmarks: landmark embeddings for a FLAME model, see `load_flame`; None takes those beside it.
        contour: which sign of the yaw selects a yaw-dependent contour: "deca" (+yaw) or "smplx" (-yaw).
        dtype: of the model.

    Raises:
        ArgumentError: there is no such model or contour, or landmarks are given for a model that has its own.
        MissingAssetError: FLAME is wanted and has not been added; the message says how.
        InputError: a file cannot be opened.
        CorruptAssetError: a file is damaged or of another kind.
    """
    if name_or_path == "flame":
        return load_flame(_flame_path(), landmarks, contour=contour, dtype=dtype)
    if name_or_path == "open":
        path = assets.open_head_path()
    elif name_or_path == "mica":
        path = assets.asset_path("mica")
    else:
        path = Path(name_or_path)
        if not path.exists():
            raise ArgumentError(f"head {str(name_or_path)!r} is neither 'open', 'flame', 'mica' nor a file")
        if path.suffix.lower() != ".tar" and not _is_head_file(path):
            return load_flame(path, landmarks, contour=contour, dtype=dtype)
    if landmarks is not None:
        raise ArgumentError(f"{path}: has its own landmarks; landmark embeddings belong to FLAME models")
    if path.suffix.lower() == ".tar":
        return HeadModel(read_flame_of_mica(path), contour=contour, dtype=dtype)
    return load_open_head(path, contour=contour, dtype=dtype)


def load_open_head(
    path: FilePath | None = None, *, contour: str = "deca", dtype: torch.dtype = torch.float32
) -> HeadModel:
    """Load a face3d-head file; None takes the open head that ships with face3d.

    Raises:
        MissingAssetError: there is no such file.
        CorruptAssetError: the file is damaged or of another kind.
        ArgumentError: `contour` is unknown.
    """
    return HeadModel(read_head(assets.open_head_path() if path is None else path), contour=contour, dtype=dtype)


def _flame_path() -> Path:
    if assets.stored("flame") is None:
        for folder in (_PACKAGE.parent / "flame_assets", _PACKAGE / "flame_assets"):
            for name in _FLAME_FILES:
                if (folder / name).is_file():
                    return folder / name
    return assets.asset_path("flame")


def _is_head_file(path: Path) -> bool:
    if path.suffix.lower() != ".npz":
        return False
    try:
        with np.load(path, allow_pickle=False) as archive:
            return "format" in archive
    except Exception:  # a damaged file: the reader of FLAME files says so
        return False
