"""Face curves as CSV in the form of Epic's Live Link Face app, which Unreal, Blender, Maya and MotionBuilder import.

The form is the one that recordings of the app have, read from public ones and from the importers of several programs:
a row per frame with a timecode `HH:MM:SS:FF.mmm` (frames of the app's 60 per second and thousandths of a frame), the
number of values, 61, then the 52 curves of Apple's ARKit, each 0 to 1, and nine angles in radians. The app does not say
how its angles are signed; here they are rotations about ARKit's own axes, see `face3d.expression.arkit`.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

import numpy as np
from jaxtyping import Float

from face3d.errors import ArgumentError, InputError

__all__ = ["ANGLES", "CURVES", "SHAPES", "TIMECODE_RATE", "read_live_link", "timecode", "write_live_link"]

SHAPES = (
    *("EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft", "EyeSquintLeft"),
    *("EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight", "EyeLookOutRight", "EyeLookUpRight"),
    *("EyeSquintRight", "EyeWideRight", "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel"),
    *("MouthPucker", "MouthRight", "MouthLeft", "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft"),
    *("MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight", "MouthStretchLeft", "MouthStretchRight"),
    *("MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft", "MouthPressRight"),
    *("MouthLowerDownLeft", "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft"),
    *("BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft"),
    *("CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut"),
)
"""The 52 curves of ARKit in the order of the app."""

ANGLES = (
    *("HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll"),
    *("RightEyeYaw", "RightEyePitch", "RightEyeRoll"),
)
"""Radians."""

CURVES = (*SHAPES, *ANGLES)
"""Columns after timecode and count."""

TIMECODE_RATE = 60
"""Frames per second that the app's timecodes count, and that importers take for granted."""

_COUNT = "BlendShapeCount"


def write_live_link(file: TextIO, times: Float[np.ndarray, " T"], curves: Float[np.ndarray, "T 61"]) -> None:
    """Write curves row by row.

    Args:
        file: open for writing, with newline="".
        times: seconds, under a day.
        curves: in the order of CURVES.

    Raises:
        ArgumentError: shapes that do not fit, values that are not finite.
    """
    if curves.shape != (len(times), len(CURVES)):
        raise ArgumentError(f"curves must have the shape {(len(times), len(CURVES))}, not {curves.shape}")
    if not (np.isfinite(curves).all() and np.isfinite(times).all()):
        raise ArgumentError("curves and times hold values that are not finite; Live Link has no way to write them")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["Timecode", _COUNT, *CURVES])
    for time, row in zip(times.tolist(), curves, strict=True):
        # Adding zero turns -0.0 into 0.0.
        values = [f"{value:.8f}" for value in (row.round(8) + 0.0).tolist()]
        writer.writerow([timecode(time), len(CURVES), *values])


def timecode(time: float) -> str:
    """Seconds as `HH:MM:SS:FF.mmm`, exact to a thousandth of a frame."""
    thousandths = round(time * TIMECODE_RATE * 1000)
    if thousandths < 0:
        raise ArgumentError(f"a timecode counts from 0, not from {time:g} s")
    frames, thousandth = divmod(thousandths, 1000)
    seconds, frame = divmod(frames, TIMECODE_RATE)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame:02d}.{thousandth:03d}"


def read_live_link(
    path: Path, *, frame_rate: float = TIMECODE_RATE
) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, "T 61"]]:
    """Read a recording of the app, or what `write_live_link` wrote.

    Columns are found by name, without regard to case, in any order. Rows without values, which the app writes for
    frames without a face, become zero. The times of day that the app writes count on past midnight.

    Args:
        path: the file.
        frame_rate: frames per second that its timecodes count.

    Returns:
        Seconds as the timecodes tell them, and curves in the order of CURVES.

    Raises:
        InputError: not a file of that form.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from error
    columns = {name.strip().casefold(): number for number, name in enumerate(rows[0])} if rows else {}
    if missing := [name for name in ("Timecode", *CURVES) if name.casefold() not in columns]:
        raise InputError(f"{path}: has no column {missing[0]}; give a CSV of Live Link Face")
    order = [columns[name.casefold()] for name in CURVES]
    times, curves = np.zeros(len(rows) - 1), np.zeros((len(rows) - 1, len(CURVES)))
    for number, row in enumerate(rows[1:]):
        try:
            times[number] = _seconds(row[columns["timecode"]], frame_rate)
            if len(row) > max(order):
                curves[number] = [float(row[column]) for column in order]
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}: line {number + 2} is no row of Live Link Face ({error})") from error
    days = np.concatenate(([0.0], np.cumsum(np.diff(times) < -43_200)))[: len(times)]
    return times + 86_400 * days, curves


def _seconds(text: str, frame_rate: float) -> float:
    hours, minutes, seconds, frame = text.replace(";", ":").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(frame) / frame_rate
