"""Draw one head: given its vertices, a look and a scene, the picture and what every pixel of it is.

This is the level for clips: paint a look once, then draw it for every frame's vertices and scene.

    painted = paint_look(sample_look(person, rng))
    for vertices, scene in frames:
        drawing = render_head_image(vertices, painted, scene, np.random.default_rng(frame))
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from face3d.errors import ArgumentError
from face3d.render.rasterize_numba import CameraFragments, rasterize_camera
from face3d.train.synthetic.backdrop import draw_backdrop
from face3d.train.synthetic.chart import noise_fields
from face3d.train.synthetic.develop import develop
from face3d.train.synthetic.figure import Layer, build_figure
from face3d.train.synthetic.frames import face_frames
from face3d.train.synthetic.heads import open_head
from face3d.train.synthetic.kinds import (
    CLASSES,
    GLASSES_CLASS,
    RGB,
    ClothValues,
    EyeValues,
    HairValues,
    LensValues,
    SkinValues,
)
from face3d.train.synthetic.light import shading_basis
from face3d.train.synthetic.look import Look
from face3d.train.synthetic.occluders import Occluder, draw_occluder
from face3d.train.synthetic.paint import PaintedLook, paint_look
from face3d.train.synthetic.scene import Scene
from face3d.train.synthetic.shade import majority, shade_lenses, shade_shell, shade_solid

__all__ = ["Drawing", "render_head_image"]

SAMPLES = 2
"""Per pixel and axis."""
_BUMP = 7.0
"""Slope per unit of the detail map's relief between neighbouring texels: a deep wrinkle tilts by about 35 degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A drawn head.

    Attributes:
        image: sRGB.
        segmentation: index into `CLASSES` per pixel.
        depth: (2H, 2W) z of the nearest opaque surface at the samples, metres, infinite where there is none.
        hidden: (H, W) whether hair, a hat, a mask, a dark lens or an occluder hides the pixel's surface.
    """

    image: UInt8[np.ndarray, "H W 3"]
    segmentation: UInt8[np.ndarray, "H W"]
    depth: Float[np.ndarray, "2H 2W"]
    hidden: Bool[np.ndarray, "H W"]


def render_head_image(
    vertices: Float[np.ndarray, "V 3"],
    look: Look | PaintedLook,
    scene: Scene,
    rng: np.random.Generator,
    *,
    occluder: Occluder | None = None,
) -> Drawing:
    """Draw a head of the open head's topology.

    Args:
        vertices: posed, eyes turned, head frame, metres. They need not lie in the model's span.
        look: the person's appearance; `paint_look` it once where it is drawn often.
        scene: camera, light, backdrop and development.
        rng: of the sensor's noise, the only thing here that chance decides.
        occluder: a thing before the face.

    Returns:
        The picture before JPEG compression, and what is seen where.

    Raises:
        ArgumentError: vertices of another topology.
    """
    head = open_head()
    if np.shape(vertices) != head.template.shape:
        raise ArgumentError(
            f"vertices have shape {np.shape(vertices)}, expected {head.template.shape}: the open head's"
        )
    painted = look if isinstance(look, PaintedLook) else paint_look(look)
    person = painted.look
    figure = build_figure(np.asarray(vertices, dtype=np.float64), painted, scene)
    height, width = scene.image_size
    image = draw_backdrop(np.random.default_rng(scene.backdrop), height, width)
    light = (
        np.ascontiguousarray(scene.light.coefficients, dtype=np.float64),
        np.ascontiguousarray(scene.light.lamps, dtype=np.float64),
    )
    focal = np.array([scene.intrinsics[0, 0], scene.intrinsics[0, 2], scene.intrinsics[1, 2]])
    noise = noise_fields()
    hair = _hair_values(person)
    classes = np.zeros((height, width, 4), dtype=np.uint8)
    solid = _fragments(figure.solid, scene)
    frames = face_frames(figure.solid.vertices, head.triangles, figure.solid.attributes)
    shade_solid(
        tuple(solid), figure.solid.mesh, frames, focal, (painted.coarse, painted.detail), _skin_values(person),
        _eye_values(person), figure.eye_turns, _cloth_values(person, painted), hair, noise, light, image, classes,
    )  # fmt: skip
    covered = np.zeros((height, width))
    if figure.shell is not None:
        shell = tuple(_fragments(figure.shell, scene))
        shade_shell(shell, solid.depth, figure.shell.mesh, focal, hair, noise, light, image, classes, covered)
    dark = False
    if figure.lenses is not None and person.glasses is not None:
        lens = LensValues(person.glasses.tint, _rgb(person.glasses.tint_colour), person.glasses.reflection)
        dark = lens.tint > 0.5
        lenses = tuple(_fragments(figure.lenses, scene))
        shade_lenses(lenses, solid.depth, figure.lenses.mesh, focal, lens, light, image, classes)
    segmentation = np.empty((height, width), dtype=np.uint8)
    majority(classes, segmentation)
    on_person = (segmentation > 0) & (segmentation < 6)
    hidden = covered > 0.5
    if dark:
        hidden |= segmentation == GLASSES_CLASS
    if occluder is not None:
        nose = figure.solid.vertices[head.arrays.regions["nose"]].mean(axis=0)
        middle = nose[:2] / nose[2] * focal[0] + focal[1:]
        front = shading_basis(np.array([0.0, -0.3, -0.95])) @ scene.light.coefficients
        taken = draw_occluder(occluder, middle, focal[0] / nose[2], np.maximum(front, 0.02), image)
        segmentation[taken] = CLASSES.index("other")
        hidden |= taken
    falling = float(scene.light.coefficients[0].mean() * shading_basis(np.array([0.0, 0.0, -1.0]))[0] * 1.5)
    return Drawing(develop(image, on_person, falling, scene.development, rng), segmentation, solid.depth, hidden)


def _fragments(layer: Layer, scene: Scene) -> CameraFragments:
    height, width = scene.image_size
    matrix = scene.intrinsics * [[SAMPLES], [SAMPLES], [1.0]]
    size = (height * SAMPLES, width * SAMPLES)
    return rasterize_camera(layer.vertices, layer.triangles, matrix, size, cull_backfaces=True, threads=1)


def _skin_values(look: Look) -> SkinValues:
    lashes = look.eyes.lashes + 0.8 * look.eyes.liner
    skin = look.skin
    return SkinValues(_BUMP, skin.gloss, skin.roughness, lashes, _rgb(look.brows.colour), _rgb(look.beard.colour))


def _eye_values(look: Look) -> EyeValues:
    eyes = look.eyes
    colours = _rgb(eyes.sclera), _rgb(eyes.iris), _rgb(eyes.centre)
    return EyeValues(eyes.iris_radius, eyes.pupil_radius, eyes.ring, eyes.veins, *eyes.fibres, *colours)


def _cloth_values(look: Look, painted: PaintedLook) -> ClothValues:
    main, second = look.cloth
    collar = -0.02 + 0.08 * look.collar
    return ClothValues(_rgb(main), _rgb(second), collar, look.pattern, _rgb(painted.throat), look.skin.gloss)


def _hair_values(look: Look) -> HairValues:
    hair = look.hair
    ragged = 0.0005 if hair.is_cloth else 0.004
    return HairValues(_rgb(hair.colour), hair.strands, hair.curl, ragged, 0.6 * hair.edge, float(hair.is_cloth))


def _rgb(colour: Float[np.ndarray, " 3"]) -> RGB:
    return float(colour[0]), float(colour[1]), float(colour[2])
