"""A person of a video as NumPy arrays in one .npz file, without pickled objects.

The arrays are those of a photo's `parameters.npz` with the frames first. Dimension letters: T frames, I identity, E
expression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from face3d.errors import InputError
from face3d.media.whole_file import write_whole

__all__ = ["LABIODENTAL", "LIPS_CLOSED", "TRACK_ARRAYS", "read_track_npz", "write_track_npz"]

TRACK_ARRAYS = (
    *("identity", "expression", "jaw", "neck", "eyes", "camera_from_head", "K", "image_size"),
    *("timestamps", "frames", "valid", "quality", "residual", "shots", "expression_names"),
)
"""identity (I,), expression (T, E), jaw and neck (T, 3), eyes (T, 6) axis-angle, camera_from_head (T, 4, 4), K (3, 3),
image_size (2,), timestamps (T,) seconds, frames (T,) numbers in the video, valid (T,) bool, quality and residual (T,),
shots (T,), expression_names (E,)."""

LIPS_CLOSED = "lips_closed"
"""(T,) bool, whether the lips touch; not in every file."""

LABIODENTAL = "labiodental"
"""(T,) bool, whether the lower lip is at the upper teeth and the upper lip clear of it, as for f and v; not in every
file."""

_OPTIONAL = (LIPS_CLOSED, LABIODENTAL)


def write_track_npz(path: Path, arrays: Mapping[str, np.ndarray], expression_names: Sequence[str]) -> None:
    """Write a track's arrays.

    Args:
        path: of the file; it appears whole or not at all.
        arrays: by the names of TRACK_ARRAYS, but for the last; LIPS_CLOSED and LABIODENTAL where they are
            known.
        expression_names: of the model.

    Raises:
        OutputError: the folder cannot be written.
    """
    named = {name: np.asarray(arrays[name]) for name in TRACK_ARRAYS[:-1]}
    named |= {name: np.asarray(arrays[name]) for name in _OPTIONAL if name in arrays}
    named["expression_names"] = np.array(list(expression_names), dtype=np.str_)
    write_whole(path, lambda file: np.savez(file, **named))  # type: ignore[arg-type]


def read_track_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a track by the names of TRACK_ARRAYS, and LIPS_CLOSED and LABIODENTAL where the file has them.

    Raises:
        InputError: not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in (*TRACK_ARRAYS, *(one for one in _OPTIONAL if one in file.files))}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path}: is no track of face3d ({error})") from error
