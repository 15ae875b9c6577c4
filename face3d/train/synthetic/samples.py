"""One labelled sample: everything drawn from its own random numbers, which its seed and index alone decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from face3d.errors import ArgumentError
from face3d.fit.blas_threads import one_blas_thread
from face3d.train.synthetic.develop import decode_jpeg, encode_jpeg
from face3d.train.synthetic.draw import Drawing, render_head_image
from face3d.train.synthetic.expressions import sample_state
from face3d.train.synthetic.heads import open_head
from face3d.train.synthetic.labels import HeadLabel, landmarks_of, measurements_of
from face3d.train.synthetic.look import Look
from face3d.train.synthetic.look_sampling import sample_look
from face3d.train.synthetic.occluders import Occluder, sample_occluder
from face3d.train.synthetic.people import Person, sample_person
from face3d.train.synthetic.scene import Scene, sample_scene

__all__ = ["Sample", "SyntheticOptions", "render_sample"]

REVISION = 3
"""Of everything that decides what a sample looks like; raised with every change, so that no data set mixes two."""
SMALLEST, LARGEST = 64, 1024
_PERSON, _LOOK, _STATE, _SCENE, _OCCLUDER, _NOISE = range(6)
"""Streams of random numbers inside a sample, so that a change of one leaves the others as they were."""


@dataclass(frozen=True, slots=True)
class SyntheticOptions:
    """What a data set is made with; two sets of the same options hold the same samples.

    Attributes:
        size: pixels of the square pictures' sides.
        seed: of everything.
        occluders: whether glasses, masks, hands and other things may hide part of a face.

    Raises:
        ArgumentError: a size that is no picture's, a negative seed.
    """

    size: int = 256
    seed: int = 0
    occluders: bool = True

    def __post_init__(self) -> None:
        if not SMALLEST <= self.size <= LARGEST:
            raise ArgumentError(f"size is {SMALLEST} to {LARGEST} pixels, got {self.size}")
        if self.seed < 0:
            raise ArgumentError(f"seed is 0 or more, got {self.seed}")


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture with its truth.

    Attributes:
        image: sRGB, as the JPEG file gives it.
        segmentation: index into `CLASSES` per pixel.
        label: see there.
    """

    image: UInt8[np.ndarray, "H W 3"]
    segmentation: UInt8[np.ndarray, "H W"]
    label: HeadLabel


def render_sample(index: int, options: SyntheticOptions | None = None) -> Sample:
    """Draw sample `index` of a data set; the same bits whoever asks, in whatever order.

    Raises:
        ArgumentError: a negative index.
    """
    jpeg, segmentation, label = render_encoded(index, options or SyntheticOptions())
    return Sample(decode_jpeg(jpeg), segmentation, label)


@one_blas_thread()
def render_encoded(index: int, options: SyntheticOptions) -> tuple[bytes, UInt8[np.ndarray, "H W"], HeadLabel]:
    """As `render_sample`, the picture as its JPEG file."""
    if index < 0:
        raise ArgumentError(f"samples are numbered from 0, got {index}")
    streams = [np.random.default_rng([options.seed, index, stream]) for stream in range(6)]
    person = sample_person(streams[_PERSON])
    look = sample_look(person, streams[_LOOK], occluders=options.occluders)
    state, expression_kind = sample_state(person.identity, streams[_STATE])
    scene = sample_scene(streams[_SCENE], options.size)
    occluder = sample_occluder(streams[_OCCLUDER], look) if options.occluders else None
    vertices = open_head().vertices(state)
    drawing = render_head_image(vertices, look, scene, streams[_NOISE], occluder=occluder)
    label = HeadLabel(
        index=index,
        seed=options.seed,
        state=state,
        camera_from_head=scene.camera_from_head,
        intrinsics=scene.intrinsics,
        image_size=scene.image_size,
        landmarks=landmarks_of(vertices, scene.camera_from_head, scene.intrinsics, drawing),
        measurements=measurements_of(person.identity),
        light=scene.light.coefficients,
        properties=_properties(person, look, scene, occluder, expression_kind, drawing),
    )
    return encode_jpeg(drawing.image, scene.development.quality), drawing.segmentation, label


def _properties(
    person: Person, look: Look, scene: Scene, occluder: Occluder | None, expression_kind: str, drawing: Drawing
) -> dict[str, Any]:
    yaw, pitch, roll = scene.yaw_pitch_roll
    glasses = look.glasses
    return {
        "sex": person.sex,
        "ancestry": person.ancestry,
        "ancestry_weights": person.ancestry_weights,
        "age": person.age,
        "skin": {
            "typology_angle": look.skin.typology_angle,
            "tone": look.skin.tone,
            "melanin": look.skin.melanin,
            "blood": look.skin.blood,
        },
        "expression_kind": expression_kind,
        "hair": look.hair.style,
        "beard": look.beard.density > 0,
        "make_up": look.make_up.cover > 0,
        "glasses": None if glasses is None else ("sunglasses" if glasses.tint > 0.5 else "glasses"),
        "mask": look.mask is not None,
        "occluder": None if occluder is None else occluder.kind,
        "camera": {
            "yaw": yaw,
            "pitch": pitch,
            "roll": roll,
            "focal_length": float(scene.intrinsics[0, 0]),
            "distance": float(np.linalg.norm(scene.camera_from_head[:3, 3])),
        },
        "lamps": len(scene.light.lamps),
        "jpeg_quality": scene.development.quality,
    }
