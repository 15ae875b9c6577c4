"""Every error that face3d raises on purpose.

Messages are one line that names the file or value at fault and what to do about it. The command line prints that line
and turns the class into the exit code: `ArgumentError` 2, everything else 1.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "AssetError",
    "CorruptAssetError",
    "DependencyError",
    "Face3DError",
    "InputError",
    "LicenceError",
    "MissingAssetError",
    "NoFaceError",
    "OutputError",
    "TrainingError",
]


class Face3DError(Exception):
    """Base of all errors that face3d raises on purpose."""


class InputError(Face3DError):
    """An input file or value cannot be used; other inputs are not affected."""


class NoFaceError(InputError):
    """An image was read but holds no face that the detector finds."""


class ArgumentError(Face3DError):
    """The arguments are unusable whatever the inputs are (exit code 2)."""


class OutputError(Face3DError):
    """A result cannot be written: no permission, no space, or something in the way."""


class TrainingError(Face3DError):
    """Training came to numbers that are not finite; its last checkpoint is from before."""


class AssetError(Face3DError):
    """A weight or model file cannot be provided."""


class MissingAssetError(AssetError):
    """An asset is not stored here and could not be fetched."""


class CorruptAssetError(AssetError):
    """A stored or offered asset is not the file that it should be."""


class DependencyError(Face3DError):
    """An optional Python package or a system library is missing."""


class LicenceError(Face3DError):
    """A result would need an asset whose licence the caller has ruled out."""
