from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError, InputError
from face3d.export.live_link import CURVES, SHAPES, read_live_link, timecode, write_live_link

HEADER = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,EyeSquintLeft,"
    "EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,EyeSquintRight,"
    "EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,"
    "MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,MouthStretchLeft,"
    "MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,MouthShrugUpper,MouthPressLeft,MouthPressRight,"
    "MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,"
    "BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,"
    "TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
)
"""Of recordings of the app."""


def written(times, curves) -> str:
    file = io.StringIO(newline="")
    write_live_link(file, np.asarray(times, dtype=float), curves)
    return file.getvalue()


def test_the_header_is_the_apps():
    lines = written([0.0, 0.04], np.zeros((2, 61))).split("\n")
    assert lines[0] == HEADER
    assert lines[1].startswith("00:00:00:00.000,61,0.00000000,")
    assert len(lines[1].split(",")) == 63
    assert lines[3:] == [""]


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0.5, "00:00:00:30.000"),
        (3661.0, "01:01:01:00.000"),
        (1 / 24, "00:00:00:02.500"),
        (59.99999999, "00:01:00:00.000"),
        (7200 - 1 / 60, "01:59:59:59.000"),
    ],
)
def test_timecodes_count_sixty_frames_a_second(time, text):
    assert timecode(time) == text


def test_a_time_before_the_beginning_has_no_timecode():
    with pytest.raises(ArgumentError, match="-1"):
        timecode(-1.0)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), frames=st.integers(1, 5), rate=st.sampled_from([23.976, 25, 29.97, 30, 59.94, 120])
)
def test_what_is_written_is_read_again(tmp_path_factory, seed, frames, rate):
    rng = np.random.default_rng(seed)
    times = rng.uniform(0, 7200) + np.arange(frames) / rate
    curves = rng.uniform(-1.5, 1.5, (frames, 61))
    path = tmp_path_factory.mktemp("csv") / "arkit.csv"
    path.write_text(written(times, curves))
    read_times, read_curves = read_live_link(path)
    np.testing.assert_allclose(read_times, times, atol=0.5e-3 / 60 + 1e-9)
    np.testing.assert_allclose(read_curves, curves, atol=1e-8)


def test_other_orders_cases_and_frames_without_a_face_are_read(tmp_path):
    names = [name[:1].lower() + name[1:] for name in reversed(CURVES)]
    rows = [
        ",".join(["Timecode", "BlendshapeCount", *names]),
        ",".join(["23:59:59:30.000", "61", *(f"{n / 100:.2f}" for n in range(61))]),
        "23:59:59:45.000,0",
        ",".join(["00:00:00:00.000", "61", *["0.5"] * 61]),
    ]
    (tmp_path / "take.csv").write_text("\ufeff" + "\r\n".join(rows) + "\r\n", encoding="utf-8")
    times, curves = read_live_link(tmp_path / "take.csv")
    np.testing.assert_allclose(np.diff(times), 0.25)
    np.testing.assert_allclose(curves[0], np.arange(61)[::-1] / 100)
    assert not curves[1].any()


@pytest.mark.parametrize(
    "content", ["", "a,b\n1,2\n", HEADER + "\nnonsense,61\n", HEADER + "\n00:00:00:00,61" + ",x" * 61]
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "other.csv").write_text(content)
    with pytest.raises(InputError, match=r"other\.csv"):
        read_live_link(tmp_path / "other.csv")


def test_what_the_form_cannot_hold_is_refused():
    with pytest.raises(ArgumentError, match="shape"):
        written([0.0], np.zeros((1, len(SHAPES))))
    with pytest.raises(ArgumentError, match="finite"):
        written([0.0], np.full((1, 61), np.nan))
