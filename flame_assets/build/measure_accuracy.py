"""How accurate the fits are, on renders of heads that the model does not span.

    python flame_assets/build/measure_accuracy.py [--heads 24] [--views 3] [--cache HEADS.npz]

Draws neutral heads under lamps and sky, detects their landmarks with MediaPipe, and fits each photo alone and all
photos of a head together, with the focal length known: to the landmarks, and to the photos' colours as well. Needs the
`build` extra unless the cache holds the heads.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from paint import random_look
from render_heads import random_scene, render_head
from sample_detections import chart_of, lid_expression
from scipy.spatial.transform import Rotation
from surface_distance import FaceDistance

from face3d.camera import intrinsics_from_values
from face3d.fit import Fit, Observation, fit_landmarks, fit_photometric
from face3d.head import HeadModel, load_open_head
from face3d.landmarks import MediaPipeDetector
from face3d.measure import measure_head


def photograph(
    model: HeadModel, heads: Float[ndarray, "H V 3"], views: int, rng: np.random.Generator
) -> list[list[tuple[Observation, UInt8[ndarray, "S S 3"]]]]:
    """Return each head's renders with their detections; one without exactly one face is left out."""
    chart, triangles = chart_of(model), model.triangles.numpy()
    names = tuple(model.expression_names)
    neutral = model.template.double().numpy()
    taken: list[list[tuple[Observation, UInt8[ndarray, "S S 3"]]]] = []
    with MediaPipeDetector() as detector:
        for head in heads:
            taken.append([])
            for _ in range(views):
                scene, look = random_scene(rng), random_look(rng)
                gaze = Rotation.from_matrix(scene.eye_turns[0]).as_rotvec()
                expression = np.zeros(len(names))
                lid_expression(expression, names, gaze[1], gaze[0])
                given = {"expression": expression, "eyes": np.tile(gaze, 2)}
                posed = model(**{k: torch.as_tensor(v, dtype=model.template.dtype)[None] for k, v in given.items()})
                vertices = head + posed.vertices[0].double().numpy() - neutral
                photo = render_head(vertices, triangles, chart, look, scene, rng)
                faces = detector.detect(photo)
                K = scene.intrinsics
                camera = intrinsics_from_values(K[0, 0], K[1, 1], K[0, 2], K[1, 2], scene.image_size)
                if len(faces) == 1:
                    taken[-1].append((Observation(faces[0], camera), photo))
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=int, default=24)
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="npz of the heads: read if it is there, else written")
    arguments = parser.parse_args()
    if arguments.cache and arguments.cache.exists():
        heads = np.load(arguments.cache)["vertices"].astype(float)[: arguments.heads]
    else:
        from outside_heads import outside_heads

        heads = outside_heads(arguments.heads)
        if arguments.cache:
            np.savez(arguments.cache, vertices=heads.astype(np.float32))
    model = load_open_head()
    taken = photograph(model, heads, arguments.views, np.random.default_rng(20))
    template, basis = model.template.double().numpy(), model.identity_basis.double().numpy()
    regressor = model.joint_regressor.double().numpy()
    eyes = [list(model.joint_names).index(name) for name in ("left_eye", "right_eye")]
    distance = FaceDistance(model)

    def pupillary(vertices: ndarray) -> float:
        left, right = regressor[eyes] @ vertices
        return float(np.linalg.norm(left - right))

    def fitted(group: list[tuple[Observation, ndarray]], photometric: bool) -> Fit:
        observations, photos = [list(part) for part in zip(*group, strict=True)]
        return fit_photometric(model, observations, photos).fit if photometric else fit_landmarks(model, observations)

    several = f"{arguments.views} photos"
    print(f"{'':24}{'non-metrical':>13}{'metrical':>10}{'PD error':>10}{'PD z':>9}{'fit':>9}")
    for title in ("mean head", "one photo", "one photo, colours", several, f"{several}, colours"):
        shape, size, pd, z, seconds = [], [], [], [], []
        for head, photos in zip(heads, taken, strict=True):
            groups = [photos] if not title.startswith("one photo") else [[photo] for photo in photos]
            for group in groups:
                predicted = template
                if title != "mean head" and group:
                    start = time.perf_counter()
                    fit = fitted(group, title.endswith("colours"))
                    seconds.append(time.perf_counter() - start)
                    predicted = template + np.tensordot(fit.identity, basis, 1)
                    identity, covariance = (
                        torch.as_tensor(values, dtype=model.template.dtype)
                        for values in (fit.identity, fit.identity_covariance)
                    )
                    measured = measure_head(model, identity, covariance=covariance)["pupillary_distance"]
                    assert measured.sigma is not None
                    z.append((pupillary(predicted) - pupillary(head)) / measured.sigma)
                shape.append(distance(predicted, head, scaled=True))
                size.append(distance(predicted, head, scaled=False))
                pd.append(abs(pupillary(predicted) - pupillary(head)))
        row = f"{title:24}{np.median(np.concatenate(shape)) * 1e3:10.2f} mm"
        row += f"{np.median(np.concatenate(size)) * 1e3:7.2f} mm{np.median(pd) * 1e3:7.2f} mm"
        if z:
            row += f"{np.sqrt(np.mean(np.square(z))):9.2f}{np.median(seconds) * 1e3:6.0f} ms"
        print(row)


if __name__ == "__main__":
    main()
