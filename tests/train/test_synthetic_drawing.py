"""Drawing one given head: the level that clips use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from face3d.errors import ArgumentError
from face3d.train.synthetic import (
    CLASSES,
    HeadState,
    open_head,
    paint_look,
    render_head_image,
    sample_look,
    sample_person,
    sample_scene,
)
from face3d.train.synthetic.glasses import Glasses, glasses_mesh


@pytest.fixture(scope="module")
def somebody():
    rng = np.random.default_rng(8)
    person = sample_person(rng)
    look = replace(sample_look(person, rng, occluders=False), glasses=None)
    scene = sample_scene(np.random.default_rng(4), 128)
    return person, look, scene


def test_a_painted_look_is_the_look(somebody):
    person, look, scene = somebody
    vertices = open_head().vertices(HeadState.neutral(person.identity))
    one = render_head_image(vertices, look, scene, np.random.default_rng(0))
    other = render_head_image(vertices, paint_look(look), scene, np.random.default_rng(0))
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.segmentation, other.segmentation)


def test_opening_the_mouth_changes_the_mouth_alone(somebody):
    person, look, scene = somebody
    head, painted = open_head(), paint_look(look)
    closed = HeadState.neutral(person.identity)
    opened = HeadState.neutral(person.identity)
    opened.expression[head.arrays.expression_names.index("jawOpen")] = 0.8
    shut, open_ = (
        render_head_image(head.vertices(state), painted, scene, np.random.default_rng(0)) for state in (closed, opened)
    )
    mouth = CLASSES.index("mouth_interior")
    assert (open_.segmentation == mouth).sum() > 20 + (shut.segmentation == mouth).sum()
    eyes = (shut.segmentation == CLASSES.index("eye")) & (open_.segmentation == CLASSES.index("eye"))
    difference = np.abs(open_.image.astype(int) - shut.image.astype(int)).max(axis=2)
    assert np.median(difference[eyes]) <= 12


def test_vertices_outside_the_models_span_are_drawn(somebody):
    person, look, scene = somebody
    vertices = open_head().vertices(HeadState.neutral(person.identity))
    bent = vertices + 0.004 * np.sin(vertices[:, ::-1] * 90)
    drawing = render_head_image(bent, look, scene, np.random.default_rng(0))
    assert (drawing.segmentation == CLASSES.index("skin")).mean() > 0.03
    with pytest.raises(ArgumentError, match="expected \\(5390, 3\\)"):
        render_head_image(bent[:-1], look, scene, np.random.default_rng(0))


def test_irises_have_their_metric_size(somebody):
    """The iris as drawn, counted in pixels of a close frontal view with a light iris, is 11.7 mm wide."""
    person, look, _ = somebody
    head = open_head()
    state = HeadState.neutral(np.zeros_like(person.identity))
    names = head.arrays.expression_names
    for name in ("eyeWideLeft", "eyeWideRight"):
        state.expression[names.index(name)] = 1.0
    vertices = head.vertices(state)
    eyes = replace(
        look.eyes, iris=np.array([0.0, 0.6, 0.0]), centre=np.array([0.0, 0.6, 0.0]), ring=0.0, iris_radius=0.00585
    )
    scene = sample_scene(np.random.default_rng(1), 512)
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, 3] = [-0.0317, 0.0, 0.5]
    focal = 4000.0
    camera = np.array([[focal, 0, 256], [0, focal, 256], [0, 0, 1.0]])
    clear = replace(scene.development, defocus=0.1, motion=(0.0, 0.0), noise=(0.0, 0.0), shrink=1.0, saturation=1.0)
    near = replace(scene, camera_from_head=pose, intrinsics=camera, development=clear)
    image = render_head_image(vertices, replace(look, eyes=eyes), near, np.random.default_rng(0)).image.astype(int)
    green = image[..., 1] - image[..., 0] > 40
    columns = np.flatnonzero(green.any(axis=0))
    distance = 0.5 - 0.0102
    assert np.ptp(columns) / focal * distance == pytest.approx(0.0117, abs=0.0006)


def test_glasses_sit_on_the_nose_and_have_the_opticians_measures():
    head = open_head()
    anatomy = head.anatomy(head.template)
    glasses = Glasses(
        lens_width=0.050, lens_height=0.036, bridge=0.018, squareness=3.0, drop=0.0, rim=0.002, colour=np.zeros(3),
        shine=0.1, vertex_distance=0.010, slip=0.0, pantoscopic=0.1, tint=0.0, tint_colour=np.ones(3), reflection=0.1,
    )  # fmt: skip
    mesh = glasses_mesh(anatomy, head.eye_centres, glasses)
    left, right = (mesh.lenses[mesh.lenses[:, 0] * side > 0] for side in (1, -1))
    assert np.ptp(left[:, 0]) == pytest.approx(0.050, abs=1e-3)
    assert left[:, 0].min() - right[:, 0].max() == pytest.approx(0.018, abs=1e-3)
    # Before the eyes and never in them; the arms reach the ears.
    assert mesh.lenses[:, 2].min() > head.eye_centres[:, 2].max() + 0.012
    gap = np.linalg.norm(mesh.frame - anatomy["otobasion_superius_left"], axis=1).min()
    assert gap < 0.012
