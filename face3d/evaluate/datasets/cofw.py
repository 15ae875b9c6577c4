"""COFW's MATLAB files, old (up to version 7.2) and new (7.3, which is HDF5): all images and faces in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from face3d.errors import DependencyError, Face3DError, InputError
from face3d.evaluate.datasets.annotation import ONE_BASED, Annotation, Source, check_points
from face3d.evaluate.datasets.files import load_mat, mat_array

__all__ = ["cofw_sources", "is_cofw"]

POINTS = 29
PARTS = {"phisT": "IsT", "phisTr": "IsTr"}
"""Variables of the points (test and training set) and of the images. A row is 29 x, 29 y and 29 occlusion flags."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_LARGEST_IMAGE = 64_000_000


def is_cofw(path: Path) -> bool:
    """Whether a file looks like COFW: HDF5 behind MATLAB's header, or a MATLAB file with its variables."""
    if path.suffix.lower() != ".mat" or not path.is_file():
        return False
    if _is_hdf5(path):
        return True
    try:
        import scipy.io

        return any(name in PARTS for name, _, _ in scipy.io.whosmat(path))
    except Exception:
        return False


def cofw_sources(path: Path, images: Path | None) -> list[Source]:
    """The faces of a file, called `<file>_0001` and so on, with their images, which the file holds.

    COFW's pixels are MATLAB's, whose first has its centre at (1, 1): 0.5 is taken off. Points under something count as
    well: COFW marks where they must be. Their share is the group `occlusion`.

    Raises:
        InputError: the file cannot be read or is not COFW's.
        DependencyError: it is of version 7.3 and h5py is not installed.
    """
    points, pictures = _read_hdf5(path) if _is_hdf5(path) else _read_mat(path)
    if points.ndim != 2 or points.shape[1] != 3 * POINTS:
        raise InputError(f"{path} has points {tuple(points.shape)}, where COFW has (faces, {3 * POINTS})")

    def source(row: int) -> Source:
        name = f"{path.stem}_{row + 1:04d}"

        def read() -> Annotation:
            where = f"{path}, face {row + 1}"
            places = check_points(points[row, : 2 * POINTS].reshape(2, POINTS).T, where) + ONE_BASED
            occluded = float((points[row, 2 * POINTS :] > 0).mean())
            attributes = {"occlusion": "0-20 %" if occluded < 0.2 else "20-100 %"}
            return Annotation(name, name, places, None, _as_image(pictures, row, where), attributes)

        return Source(name, read)

    return [source(row) for row in range(len(points))]


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            # MATLAB puts 512 bytes of its own in front.
            return _HDF5 in (stream.read(8), stream.read(520)[504:512])
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check the path") from error


def _part(names: Any, path: Path) -> str:
    found = next((name for name in PARTS if name in names), None)
    if found is None:
        raise InputError(f"{path} has neither {' nor '.join(PARTS)}: it is no file of COFW")
    return found


def _read_mat(path: Path) -> tuple[Float[np.ndarray, "N 87"], list[np.ndarray] | None]:
    content = load_mat(path)
    part = _part(content, path)
    cells = content.get(PARTS[part])
    points = mat_array(content, part, path).astype(np.float64)
    if not isinstance(cells, np.ndarray) or cells.dtype != object:
        return points, None
    return points, list(cells.ravel())


def _read_hdf5(path: Path) -> tuple[Float[np.ndarray, "N 87"], list[np.ndarray] | None]:
    """Arrays lie transposed in HDF5, as MATLAB counts columns first; images are behind references."""
    try:
        import h5py
    except ImportError as error:
        raise DependencyError(
            f"{path} is a MATLAB 7.3 file, which needs h5py: pip install 'face3d[evaluate]' ({error})"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            part = _part(list(file), path)
            points = np.asarray(_own_dataset(file, part, path)[()], dtype=np.float64).T
            if PARTS[part] not in file:
                return points, None
            references = _own_dataset(file, PARTS[part], path)
            if references.dtype != h5py.ref_dtype:
                return points, None
            pictures = []
            for reference in references[()].ravel()[: len(points)]:
                target = file[reference] if reference else None
                if not isinstance(target, h5py.Dataset) or target.dtype != np.uint8 or target.size > _LARGEST_IMAGE:
                    raise InputError(f"{path} has a reference to something that is no image")
                pictures.append(_own_dataset(file, target.name, path)[()].T)
            return points, pictures
    except Face3DError:
        raise
    except Exception as error:
        # h5py raises whatever a broken file makes it stumble over.
        raise InputError(f"{path} is a damaged MATLAB 7.3 file: {error or type(error).__name__}") from error


def _own_dataset(file: Any, name: str, path: Path) -> Any:
    """A data set that lies in this very file: HDF5 can make others appear in it, such as any file of the reader's."""
    import h5py

    found = None
    if not isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        found = file[name]
    if (
        not isinstance(found, h5py.Dataset)
        or found.external
        or found.is_virtual
        or found.file.filename != file.filename
    ):
        raise InputError(f"{path}: {name} is no array inside of this file; it is not opened")
    return found


def _as_image(pictures: list[np.ndarray] | None, row: int, where: str) -> UInt8[np.ndarray, "H W 3"] | None:
    if pictures is None:
        return None
    if row >= len(pictures):
        raise InputError(f"{where} has no image")
    image = pictures[row]
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise InputError(f"{where} has an image {image.dtype} {tuple(image.shape)}, not grey or RGB")
    return np.ascontiguousarray(np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image)
