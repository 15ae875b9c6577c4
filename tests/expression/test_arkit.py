from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from face3d.export.live_link import CURVES
from face3d.expression.arkit import FULL_LOOK, arkit_curves
from tests.talking import talking_track

FACING = np.diag([1.0, -1.0, -1.0])


def curve(curves, name):
    return curves[:, CURVES.index(name)]


def one(names=("jawOpen",), expression=(0.0,), turn=None, eyes=(0.0,) * 6, neck=(0.0,) * 3):
    pose = np.eye(4)
    pose[:3, :3] = FACING @ (Rotation.identity() if turn is None else turn).as_matrix()
    curves = arkit_curves(
        names, np.array([expression]), camera_from_head=pose[None], neck=np.array([neck]), eyes=np.array([eyes])
    )
    return {name: float(value) for name, value in zip(CURVES, curves[0], strict=True)}


def test_expressions_are_the_curves_of_their_names():
    track = talking_track(20)
    curves = arkit_curves(
        track.model.expression_names,
        track.expression,
        camera_from_head=track.camera_from_head,
        neck=track.neck,
        eyes=track.eyes,
    )
    for e, name in enumerate(track.model.expression_names):
        if not name.startswith("eyeLook"):
            np.testing.assert_array_equal(curve(curves, name[0].upper() + name[1:]), track.expression[:, e])
    assert curves[:, :52].min() >= 0
    assert curves[:, :52].max() <= 1
    assert one(expression=(1.7,))["JawOpen"] == 1.0
    assert one(expression=(-0.2,))["JawOpen"] == 0.0


def test_a_head_without_such_names_has_none():
    pose = np.eye(4)[None]
    names = ("expression_0", "expression_1")
    nothing = np.zeros((1, 3))
    assert arkit_curves(names, np.zeros((1, 2)), camera_from_head=pose, neck=nothing, eyes=np.zeros((1, 6))) is None


@pytest.mark.parametrize(
    ("axis", "name", "nose"),
    [
        # Where the tip of the nose goes in the head frame of a face that looked into the camera.
        ([0.0, 0.3, 0.0], "HeadYaw", [np.sin(0.3), 0.0, np.cos(0.3)]),
        ([0.3, 0.0, 0.0], "HeadPitch", [0.0, -np.sin(0.3), np.cos(0.3)]),
        ([0.0, 0.0, 0.3], "HeadRoll", [0.0, 0.0, 1.0]),
    ],
)
def test_angles_are_turns_about_arkits_axes(axis, name, nose):
    turn = Rotation.from_rotvec(axis)
    np.testing.assert_allclose(turn.apply([0.0, 0.0, 1.0]), nose, atol=1e-12)
    for values in (one(turn=turn), one(neck=axis)):
        assert values[name] == pytest.approx(0.3)
        assert sum(abs(values[other]) for other in ("HeadYaw", "HeadPitch", "HeadRoll")) == pytest.approx(0.3)
    np.testing.assert_allclose(one()["HeadYaw"], 0.0, atol=1e-12)


def test_three_angles_make_the_turn_again():
    turn = Rotation.from_rotvec([0.2, -0.5, 0.1])
    values = one(turn=turn)
    made = Rotation.from_euler("YXZ", [values["HeadYaw"], values["HeadPitch"], values["HeadRoll"]])
    assert (made.inv() * turn).magnitude() < 1e-9


def test_eyes_that_look_to_the_left_look_out_of_the_left_and_into_the_right():
    values = one(eyes=(0.0, FULL_LOOK / 2, 0.0, 0.0, FULL_LOOK / 2, 0.0))
    assert values["EyeLookOutLeft"] == pytest.approx(0.5)
    assert values["EyeLookInRight"] == pytest.approx(0.5)
    assert values["LeftEyeYaw"] == values["RightEyeYaw"] == pytest.approx(FULL_LOOK / 2)
    others = ("EyeLookInLeft", "EyeLookOutRight", "EyeLookUpLeft", "EyeLookDownLeft", "EyeLookUpRight")
    assert max(abs(values[name]) for name in others) < 1e-12
    down = one(eyes=(2 * FULL_LOOK, 0.0, 0.0, -0.1, 0.0, 0.0))
    assert down["EyeLookDownLeft"] == 1.0
    assert down["EyeLookUpRight"] == pytest.approx(0.1 / FULL_LOOK)
    assert one(names=("eyeLookUpLeft",), expression=(0.8,))["EyeLookUpLeft"] == 0.8
