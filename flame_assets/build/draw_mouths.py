"""Draw mouths of many people for `train_lip_reader.py`: pictures, what MediaPipe finds in them, and where the lips are.

    PYTHONPATH=.. python draw_mouths.py FILE.npz --first 0 --pictures 2000

Each person is drawn several times, with another expression, view, light and camera each time, from its number alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from face3d.fit.lip_surface import lip_surface
from face3d.head import load_open_head
from face3d.landmarks import MediaPipeDetector
from face3d.train.synthetic import (
    HeadState,
    Person,
    open_head,
    paint_look,
    render_head_image,
    sample_look,
    sample_person,
    sample_state,
)
from face3d.train.synthetic.develop import decode_jpeg, encode_jpeg
from face3d.train.synthetic.occluders import sample_occluder
from face3d.train.synthetic.scene import sample_scene

SIDE, CROP, VIEWS = 320, 128, 6
HIDDEN_SHARE = 0.3
"""Of the people, who may wear a mask or hold something before the face."""

MOUTH = ("jaw", "mouth")
TALKING_SHARE = 0.7


def draw(first: int, pictures: int, closed: tuple[float, float]) -> dict[str, ndarray]:
    """Pictures `first` to `first + pictures`, those without a face left out."""
    rows: dict[str, list[ndarray]] = {name: [] for name in ("crop", "origin", "points", "lips", "person")}
    surface = lip_surface(load_open_head())
    assert surface is not None
    corners = open_head().triangles[surface.triangles]
    with MediaPipeDetector(max_faces=1) as detector:
        for number in range(first, first + pictures):
            person_number, view = divmod(number, VIEWS)
            if view == 0 or number == first:
                rng = np.random.default_rng([person_number, 11])
                person = sample_person(rng)
                hidden = rng.uniform() < HIDDEN_SHARE
                look = sample_look(person, rng, occluders=hidden)
                painted = paint_look(look)
            rng = np.random.default_rng([number, 12])
            scene = sample_scene(rng, SIDE)
            vertices = open_head().vertices(HeadState(person.identity, *_face(person, rng, closed)))
            occluder = sample_occluder(rng, look) if hidden else None
            drawing = render_head_image(vertices, painted, scene, rng, occluder=occluder)
            image = decode_jpeg(encode_jpeg(drawing.image, scene.development.quality))
            faces = detector.detect(image)
            if len(faces) != 1:
                continue
            places = np.einsum("nk,nkx->nx", surface.barycentric, vertices[corners])
            camera = places @ scene.camera_from_head[:3, :3].T + scene.camera_from_head[:3, 3]
            pixels = camera[:, :2] / camera[:, 2:] * scene.intrinsics[[0, 1], [0, 1]] + scene.intrinsics[:2, 2]
            points = faces[0].points[:, :2]
            middle = 0.5 * (points[61] + points[291])
            origin = np.clip(np.round(middle) - CROP // 2, 0, SIDE - CROP).astype(int)
            rows["crop"].append(image[origin[1] : origin[1] + CROP, origin[0] : origin[0] + CROP])
            rows["origin"].append(origin)
            rows["points"].append(points.astype(np.float32))
            rows["lips"].append(pixels.astype(np.float32))
            rows["person"].append(np.array(person_number))
    return {name: np.stack(values) for name, values in rows.items()}


def _face(
    person: Person, rng: np.random.Generator, closed: tuple[float, float]
) -> tuple[Float[ndarray, " E"], Float[ndarray, " 3"], Float[ndarray, " 6"]]:
    """An expression with, mostly, a mouth that talks: a few shapes at once, lips that often meet."""
    state, _ = sample_state(person.identity, rng)
    names = open_head().arrays.expression_names
    expression = state.expression.copy()
    if rng.uniform() < TALKING_SHARE:
        mouth = np.array([name.startswith(MOUTH) for name in names])
        expression[mouth] *= rng.uniform(0, 0.6)
        shapes = sorted(
            {name.removesuffix("Left").removesuffix("Right") for name, one in zip(names, mouth, strict=True) if one}
        )
        for shape in rng.choice(shapes, size=rng.integers(2, 7), replace=False):
            value = rng.beta(1.0, 2.5)
            for k, name in enumerate(names):
                if name in (shape, f"{shape}Left", f"{shape}Right"):
                    expression[k] += value * rng.uniform(0.8, 1.2)
        jaw, close = names.index("jawOpen"), names.index("mouthClose")
        if rng.uniform() < 0.5:
            expression[jaw] = rng.beta(1.0, 5.0)
        expression[close] = 0.0
        if rng.uniform() < closed[0]:
            expression[close] = expression[jaw] * rng.uniform(closed[1], 1.1)
    return np.clip(expression, 0, 1), state.jaw, state.eyes


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument(
        "--closed",
        type=float,
        nargs=2,
        default=(0.3, 0.5),
        help="of the mouths that talk, the share whose lips are brought together, and by what part of the way at least",
    )
    arguments = parser.parse_args()
    np.savez(arguments.file, allow_pickle=False, **draw(arguments.first, arguments.pictures, arguments.closed))


if __name__ == "__main__":
    main()
