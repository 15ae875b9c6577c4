"""Readers of the landmark data sets that the field evaluates on.

Every reader converts to face3d's pixels (first centre at (0.5, 0.5)) and says in its docstring what it converts from.
Files are taken from strangers: no reader executes anything that a file brings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from face3d.errors import ArgumentError
from face3d.evaluate.datasets.annotation import Annotation, Source
from face3d.evaluate.datasets.cofw import cofw_sources, is_cofw
from face3d.evaluate.datasets.ls3d_w import ls3d_w_sources
from face3d.evaluate.datasets.mat_68 import mat_sources
from face3d.evaluate.datasets.pts import pts_sources
from face3d.evaluate.datasets.wflw import wflw_sources

__all__ = ["Annotation", "DatasetFormat", "Source", "dataset_format", "dataset_sources"]

DatasetFormat: TypeAlias = Literal["pts", "mat", "wflw", "cofw", "t7"]

_READERS: Mapping[DatasetFormat, Callable[[Path, Path | None], list[Source]]] = MappingProxyType(
    {"pts": pts_sources, "mat": mat_sources, "wflw": wflw_sources, "cofw": cofw_sources, "t7": ls3d_w_sources}
)


def dataset_format(path: Path) -> DatasetFormat:
    """Which reader a file or folder is for: `pts` (300-W, Menpo), `mat` (AFLW2000-3D, 300W-LP), `wflw`, `cofw`, `t7`.

    Raises:
        ArgumentError: nothing there is of a known kind.
    """
    if path.is_dir():
        for suffix, kind in ((".pts", "pts"), (".t7", "t7"), (".mat", "mat")):
            if next(path.rglob(f"*{suffix}"), None) is not None:
                return kind  # type: ignore[return-value]
    elif path.is_file():
        suffix = path.suffix.lower()
        if suffix == ".mat":
            return "cofw" if is_cofw(path) else "mat"
        if suffix in (".pts", ".t7"):
            return suffix[1:]  # type: ignore[return-value]
        if suffix == ".txt":
            return "wflw"
    kinds = ", ".join(get_args(DatasetFormat))
    raise ArgumentError(f"{path} holds no landmark annotations that are known ({kinds}); check the path or --format")


def dataset_sources(path: Path, kind: DatasetFormat | None = None, images: Path | None = None) -> list[Source]:
    """The annotated faces of a data set, each still to be read.

    Args:
        path: the folder or file of the annotations.
        kind: how they are written; None looks.
        images: the folder of the images, where they do not lie beside the annotations.

    Raises:
        ArgumentError: the kind is unknown or cannot be told.
        InputError: there are no annotations.
    """
    if not path.exists():
        raise ArgumentError(f"{path} does not exist; name the folder or file of the annotations")
    return _READERS[kind or dataset_format(path)](path, images)
