"""The face3d-head file: a morphable head in one npz, readable without pickle and identical to the byte when rebuilt.

Bases are stored as int16 with one power-of-two scale per component, so that quantising what was read gives the same
file again. Arrays are stored uncompressed, because the bytes that zlib makes differ from release to release.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int16

from face3d.errors import CorruptAssetError, Face3DError, InputError, MissingAssetError, OutputError
from face3d.head.arrays import HeadArrays, PointArrays

__all__ = ["FORMAT", "FORMAT_VERSION", "HeadArrays", "PointArrays", "read_head", "save_head"]

FORMAT = "face3d-head"
FORMAT_VERSION = 1

# The first moment that a zip entry can carry: a file made twice must be the same twice.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_INT16_MAX = 32767


def save_head(arrays: HeadArrays, path: str | os.PathLike[str]) -> None:
    """Write a head model; the same arrays always give the same bytes. The file appears whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key, value in sorted(_entries(arrays).items()):
            entry = zipfile.ZipInfo(f"{key}.npy", _ZIP_EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            content = io.BytesIO()
            np.lib.format.write_array(content, _little_endian(value), version=(1, 0), allow_pickle=False)
            archive.writestr(entry, content.getvalue())
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(buffer.getvalue())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def read_head(path: str | os.PathLike[str]) -> HeadArrays:
    """Read a head model that `save_head` wrote.

    Raises:
        MissingAssetError: there is no such file.
        CorruptAssetError: the file is damaged, or is no face3d-head file of a version that this face3d reads.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise CorruptAssetError(f"{path}: is not a {FORMAT} file")
            entries = {key: archive[key] for key in archive.files}
        return _arrays(entries)
    except FileNotFoundError as error:
        raise MissingAssetError(f"{path}: there is no such head file") from error
    except KeyError as error:
        raise CorruptAssetError(f"{path}: the head file lacks the entry {error}") from error
    except InputError as error:
        raise CorruptAssetError(f"{path}: {error}") from error
    except Face3DError:
        raise
    except (OSError, ValueError, TypeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise CorruptAssetError(f"{path}: is damaged or is not a {FORMAT} file; install or build it again") from error


def _entries(arrays: HeadArrays) -> dict[str, np.ndarray]:
    identity, identity_scale = _quantise(arrays.identity_basis)
    expression, expression_scale = _quantise(arrays.expression_basis)
    rows, columns = np.nonzero(arrays.joint_regressor)
    entries = {
        "format": np.array(FORMAT),
        "format_version": np.array(FORMAT_VERSION, np.int32),
        "name": np.array(arrays.name),
        "licence": np.array(arrays.licence),
        "unit": np.array("m"),
        "template": arrays.template.astype(np.float32),
        "triangles": arrays.triangles.astype(np.int32),
        "identity_basis": identity,
        "identity_scale": identity_scale,
        "expression_basis": expression,
        "expression_scale": expression_scale,
        "expression_names": np.array(arrays.expression_names, np.str_),
        "joint_regressor_rows": rows.astype(np.int32),
        "joint_regressor_cols": columns.astype(np.int32),
        "joint_regressor_values": arrays.joint_regressor[rows, columns].astype(np.float32),
        "skinning_weights": arrays.skinning_weights.astype(np.float32),
        "joint_names": np.array(arrays.joint_names, np.str_),
        "parents": np.array(arrays.parents, np.int32),
        "provenance": np.array(json.dumps(dict(arrays.provenance), sort_keys=True)),
    }
    if arrays.pose_basis is not None:
        entries["pose_basis"], entries["pose_scale"] = _quantise(arrays.pose_basis)
    if arrays.expression_bounds is not None:
        entries["expression_bounds"] = arrays.expression_bounds.astype(np.float32)
    if arrays.uv is not None and arrays.uv_triangles is not None:
        entries["uv"] = arrays.uv.astype(np.float32)
        entries["uv_triangles"] = arrays.uv_triangles.astype(np.int32)
    for name, ids in arrays.regions.items():
        entries[f"region/{name}"] = ids.astype(np.int32)
    for name, points in arrays.point_sets.items():
        entries |= _point_entries(name, points)
    return entries


def _point_entries(name: str, points: PointArrays) -> dict[str, np.ndarray]:
    entries = {
        f"points/{name}/triangles": points.triangles.astype(np.int32),
        f"points/{name}/barycentric": points.barycentric.astype(np.float32),
    }
    if points.labels is not None:
        entries[f"points/{name}/labels"] = np.array(points.labels, np.str_)
    if points.sigma is not None:
        entries[f"points/{name}/sigma"] = points.sigma.astype(np.float32)
    if points.contour_triangles is not None and points.contour_barycentric is not None:
        entries[f"contour/{name}/triangles"] = points.contour_triangles.astype(np.int32)
        entries[f"contour/{name}/barycentric"] = points.contour_barycentric.astype(np.float32)
    return entries


def _arrays(entries: Mapping[str, np.ndarray]) -> HeadArrays:
    if str(entries.get("format", "")) != FORMAT:
        raise InputError(f"is not a {FORMAT} file")
    version = int(entries["format_version"])
    if version != FORMAT_VERSION:
        raise InputError(f"has {FORMAT} version {version}, this face3d reads {FORMAT_VERSION}; update face3d")
    if str(entries["unit"]) != "m":
        raise InputError(f"has unit {str(entries['unit'])!r}, expected 'm'")
    template = entries["template"]
    joint_names = _names(entries["joint_names"])
    return HeadArrays(
        name=str(entries["name"]),
        licence=str(entries["licence"]),
        template=template,
        triangles=entries["triangles"].astype(np.int64),
        identity_basis=_dequantise("identity", entries["identity_basis"], entries["identity_scale"]),
        expression_basis=_dequantise("expression", entries["expression_basis"], entries["expression_scale"]),
        joint_regressor=_dense_regressor(entries, (len(joint_names), len(template))),
        skinning_weights=entries["skinning_weights"],
        joint_names=joint_names,
        parents=tuple(int(parent) for parent in entries["parents"]),
        pose_basis=_dequantise("pose", entries["pose_basis"], entries["pose_scale"])
        if "pose_basis" in entries
        else None,
        expression_names=_names(entries["expression_names"]),
        expression_bounds=entries.get("expression_bounds"),
        point_sets=_point_sets(entries),
        regions={
            key.removeprefix("region/"): ids.astype(np.int64)
            for key, ids in entries.items()
            if key.startswith("region/")
        },
        uv=entries.get("uv"),
        uv_triangles=entries["uv_triangles"].astype(np.int64) if "uv_triangles" in entries else None,
        provenance=json.loads(str(entries["provenance"])),
    )


def _point_sets(entries: Mapping[str, np.ndarray]) -> dict[str, PointArrays]:
    names = [
        key.removeprefix("points/").removesuffix("/triangles")
        for key in entries
        if key.startswith("points/") and key.endswith("/triangles")
    ]
    sets = {}
    for name in names:
        contour = entries.get(f"contour/{name}/triangles")
        labels = entries.get(f"points/{name}/labels")
        sets[name] = PointArrays(
            triangles=entries[f"points/{name}/triangles"].astype(np.int64),
            barycentric=entries[f"points/{name}/barycentric"],
            labels=None if labels is None else _names(labels),
            sigma=entries.get(f"points/{name}/sigma"),
            contour_triangles=None if contour is None else contour.astype(np.int64),
            contour_barycentric=None if contour is None else entries[f"contour/{name}/barycentric"],
        )
    return sets


def _dense_regressor(entries: Mapping[str, np.ndarray], shape: tuple[int, int]) -> Float[np.ndarray, "J V"]:
    rows, columns, values = (entries[f"joint_regressor_{part}"] for part in ("rows", "cols", "values"))
    if not rows.shape == columns.shape == values.shape or rows.ndim != 1:
        raise InputError("joint_regressor_rows, _cols and _values differ in shape")
    for ids, size in ((rows, shape[0]), (columns, shape[1])):
        if ids.size and not (int(ids.min()) >= 0 and int(ids.max()) < size):
            raise InputError(f"the joint regressor refers to entries outside {shape}")
    dense = np.zeros(shape, np.float32)
    dense[rows, columns] = values
    return dense


def _quantise(basis: Float[np.ndarray, "K V 3"]) -> tuple[Int16[np.ndarray, "K V 3"], Float[np.ndarray, " K"]]:
    """Return the basis as int16 and, per component, the smallest power of two that makes it fit."""
    largest = np.abs(basis).max(axis=(1, 2), initial=0.0).astype(np.float64)
    scale = np.exp2(np.ceil(np.log2(np.where(largest > 0, largest, 1.0) / _INT16_MAX)))
    return np.rint(basis / scale[:, None, None]).astype(np.int16), scale.astype(np.float32)


def _dequantise(name: str, basis: np.ndarray, scale: np.ndarray) -> Float[np.ndarray, "K V 3"]:
    if basis.dtype != np.int16 or basis.ndim != 3 or scale.shape != basis.shape[:1]:
        raise InputError(
            f"{name}_basis is {basis.dtype}{basis.shape} with scales {scale.shape}, expected int16 (K, V, 3)"
        )
    return basis * scale.astype(np.float32)[:, None, None]


def _names(array: np.ndarray) -> tuple[str, ...]:
    return tuple(str(name) for name in array)


def _little_endian(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).reshape(array.shape)
