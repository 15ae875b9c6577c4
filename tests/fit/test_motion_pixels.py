"""Frames laid on their pictures: the skin of a head that is known pulls it back to where it was drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from face3d.camera import PinholeCamera
from face3d.camera.intrinsics import intrinsics_from_values
from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_pixels import GAIN_SIGMA, ClipColours, SkinEvidence
from face3d.fit.photometric_fit import skin_of
from face3d.head import load_head
from face3d.media.colour import srgb_from_linear
from face3d.render import render_sh

SIDE = 400
INTRINSICS = intrinsics_from_values(700.0, 700.0, SIDE / 2, SIDE / 2, (SIDE, SIDE))
BRIGHTER = 1.1
"""How much brighter the picture is than those before it."""
POSE = np.diag([1.0, -1.0, -1.0, 1.0])
POSE[:3, 3] = [0.0, 0.0, 0.5]


@pytest.fixture(scope="module")
def world():
    """A head with marks on its skin, its picture, and what is known of both."""
    model, rng = load_head(), np.random.default_rng(2)
    skin, albedo = skin_of(model, 80)
    light = np.zeros((9, 3))
    light[0], light[1], light[3] = 1.6, 0.2, -0.4
    marks = albedo.mean + np.tensordot(rng.normal(size=len(albedo.basis)), albedo.basis, 1)
    expression = np.zeros(model.expression_size)
    for name, value in (("jawOpen", 0.3), ("mouthSmileLeft", 0.5), ("browInnerUp", 0.4)):
        expression[model.expression_names.index(name)] = value
    frames = Frames(expression[None], np.tile(np.eye(3), (1, 3, 1, 1)), POSE[None, :3, :3], POSE[None, :3, 3])
    colour = np.full((len(model.template), 3), np.exp(marks.mean(axis=0)))
    colour[albedo.vertices] = np.exp(marks)
    camera = PinholeCamera(
        torch.tensor(POSE[None]).float(), torch.tensor(INTRINSICS.matrix[None]).float(), (SIDE, SIDE)
    )
    with torch.no_grad():
        vertices = model(expression=torch.as_tensor(expression).float()).vertices
        # Drawn with normals of the head's frame, whose y and z run against the camera's here.
        shone = torch.as_tensor(light * np.array([1, 1, -1, -1, -1, -1, 1, 1, 1])[:, None]).float()
        drawn, _ = render_sh(vertices, model.triangles, camera, torch.as_tensor(colour).float(), shone[None])
    linear = drawn[0].permute(1, 2, 0).double().numpy()
    exposure = 0.6 / np.quantile(linear, 0.98)
    linear *= BRIGHTER * exposure
    photo = (srgb_from_linear(linear.clip(0, 1)) * 255).round().astype(np.uint8)
    colours = ClipColours(
        log_albedo=marks,
        own=np.zeros_like(marks),
        light=exposure * light,
        light_scale=exposure * light[0],
        tone=1.0,
        whiten=np.eye(3) / 0.05,
        independent=150.0,
        robust_scale=2.5,
    )
    return SkinEvidence(model, skin, np.zeros(80), INTRINSICS, colours, (1, 2)), frames, photo


def moved(frames: Frames, step: np.ndarray) -> Frames:
    count = frames.expression.shape[1]
    turn = Rotation.from_rotvec(step[-6:-3]).as_matrix()
    return replace(
        frames,
        expression=frames.expression + step[:count],
        rotation=turn @ frames.rotation,
        translation=frames.translation + step[-3:],
    )


def looked_at(evidence: SkinEvidence, frames: Frames, photo: np.ndarray, blur: float):
    images = [evidence.cut_out(photo, frames)]
    return evidence.pictures(images, evidence.trust(images, frames), frames, blur)


def test_a_head_is_pulled_back_onto_its_picture(world):
    """A few steps undo a wrong pose and expression, though the picture is brighter than the frames before it."""
    evidence, truth, photo = world
    size = evidence.size
    wrong = np.zeros(size)
    wrong[-6:] = [0.02, -0.02, 0.01, 0.001, -0.001, 0.004]
    wrong[[0, 5]] = 0.1
    start = moved(truth, wrong)
    frames = start
    for blur in (0.002, 0.002, 0.001, 0.001, 0.001):
        equations = evidence.linearize(frames, looked_at(evidence, frames, photo, blur))
        # Shapes are known to some tenths.
        precision = np.concatenate([np.full(size - 12, 0.3**-2), np.full(6, 1e6), np.zeros(6)])
        away = np.concatenate([frames.expression[0] - truth.expression[0], np.zeros(size - len(truth.expression[0]))])
        step = -np.linalg.solve(
            equations.hessian[0] + np.diag(precision), equations.gradient[0] + 0.1 * precision * away
        )
        frames = moved(frames, step)

    def off(frames):
        return np.abs(evidence._samples(frames) - evidence._samples(truth))[..., :2].mean()

    assert off(start) > 0.0008
    assert off(frames) < 0.35 * off(start)


def test_the_gradient_points_along_the_slope_of_the_cost(world):
    """Against finite differences of the robust cost, for the head's pose, brightness at its best on the way."""
    evidence, truth, photo = world
    rng = np.random.default_rng(1)
    start = np.zeros(evidence.size)
    start[-6:] = [0.01, -0.01, 0.01, 0.001, -0.001, 0.002]
    frames = moved(truth, start)
    seen = looked_at(evidence, frames, photo, 0.003)

    def cost(at: Frames) -> float:
        points = evidence._points.evaluate(at.expression, at.turns, slopes=False).points[0]
        found, _ = evidence._compare(points, at, seen.images[0], seen.trust[0])
        trust = evidence._share * seen.trust[0]
        scale = evidence._colours.robust_scale**2
        gain = found.gain / GAIN_SIGMA
        return 0.5 * float(trust @ (scale * np.log1p(np.sum(found.residual**2, axis=1) / scale)) + gain @ gain)

    gradient = evidence.linearize(frames, seen).gradient[0]
    for unit in (np.r_[np.ones(3), np.zeros(3)] * 1e-3, np.r_[np.zeros(3), np.ones(3)] * 1e-4):
        step = np.zeros(evidence.size)
        step[-6:] = unit * rng.normal(size=6)
        change = (cost(moved(frames, step)) - cost(moved(frames, -step))) / 2
        assert change == pytest.approx(float(gradient @ step), rel=0.1, abs=0.02 * np.linalg.norm(gradient[-6:] * unit))


def test_what_the_picture_hides_says_nothing(world):
    """Samples turned away, and a frame of which all is covered."""
    evidence, truth, photo = world
    images = [evidence.cut_out(photo, truth)]
    trust = evidence.trust(images, truth)
    assert trust.shape[0] == 1
    assert 0.3 < (trust > 0.5).mean() < 1
    nothing = evidence.linearize(truth, evidence.pictures(images, np.zeros_like(trust), truth, 0.002))
    assert not nothing.hessian.any()
    assert not nothing.gradient.any()
