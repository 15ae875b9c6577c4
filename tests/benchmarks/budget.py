"""What fits into 100, 500 and 1000 ms per face: `python -m tests.benchmarks.budget [THREADS] [PHOTO...]`

Face-recognition benchmarks set such limits for everything from the photo to the template. Here the stages are timed on
photos of one face each (without any, the astronaut and some of the packages that the tests use, from the pytest cache
that PYTEST_CACHE names):

    detect   MediaPipe's own single pass; face3d's detector with one and with four tight crops of the face; the latter
             where the face is small, a quarter of what it was, so that the image is searched in tiles
    crop     ArcFace's
    encode   MobileFaceNet; ArcFace's IResNet-100
    regress  MICA's mapping network; face3d's own regressor, where it is there

ArcFace and MICA have recipe weights, which take as long as the published ones. Printed are each stage's median and 95th
percentile over all photos and rounds, and for each combination the sums of both and the limits that the latter keeps.
On a machine that others use the times are upper bounds; CPU time, of all threads together, stands beside them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from skimage.data import astronaut

from face3d import assets
from face3d.identity import MappingNetwork, arcface_features, fold_arcface
from face3d.identity.arcface import fill_arcface
from face3d.identity.mobilefacenet import MobileFaceNetEncoder
from face3d.identity.person import shipped_regressor
from face3d.landmarks import MediaPipeDetector, face_crop
from face3d.landmarks.mediapipe_tasks import MeshTracker
from face3d.media import Photo, read_image
from tests.golden.recipe import recipe_weights
from tests.identity.checkpoints import arcface_weights

BUDGETS = (100, 500, 1000)
"""Milliseconds."""

ROUNDS = 8
CACHED_PHOTOS = ("obama.jpg", "biden.jpg", "single_face.jpg", "45-m7-di-ph.jpg", "0-f1-su-ph.jpg")

Crop = UInt8[np.ndarray, "112 112 3"]


@dataclass
class Stage:
    """Times of one way to do one step, milliseconds."""

    step: str
    name: str
    wall: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)

    def run(self, call: Callable[[], Any]) -> Any:
        """Call and note what it takes."""
        started = time.perf_counter(), time.process_time()
        result = call()
        self.wall.append((time.perf_counter() - started[0]) * 1000)
        self.work.append((time.process_time() - started[1]) * 1000)
        return result

    @property
    def usual(self) -> float:
        return float(np.median(self.wall))

    @property
    def slow(self) -> float:
        return float(np.percentile(self.wall, 95))


def photos_at_hand(names: list[str]) -> list[Photo]:
    """Those that are named, or the astronaut and what the tests' cache holds."""
    if names:
        return [read_image(Path(name)) for name in names]
    cache = os.environ.get("PYTEST_CACHE", ".pytest_cache")
    cached = [Path(cache) / "d" / "package-photos" / name for name in CACHED_PHOTOS]
    return [Photo.from_array(astronaut()), *(read_image(path) for path in cached if path.is_file())]


def encoders() -> dict[str, Callable[[Crop], np.ndarray]]:
    """Features of one crop, by encoder."""
    arcface = fold_arcface(fill_arcface(arcface_weights(), Path("the recipe")))
    mobile = MobileFaceNetEncoder(assets.asset_path("mobilefacenet"))
    return {
        "mobilefacenet": lambda crop: mobile.describe(crop[None]),
        "arcface": lambda crop: arcface_features(arcface, [crop]).numpy(),
    }


def regressors() -> dict[tuple[str, str], Callable[[np.ndarray], object]]:
    """From features to a head's identity, by encoder and regressor."""
    mapping = MappingNetwork()
    mapping.load_state_dict(recipe_weights(mapping.state_dict()))
    mapping.eval()
    return {
        ("arcface", "mica"): lambda features: mapping(torch.from_numpy(features)),
        ("mobilefacenet", "face3d"): shipped_regressor().foretell,
    }


def from_afar(image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """The same photo a quarter as large, in the middle of as many pixels."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    top, left = (height - height // 4) // 2, (width - width // 4) // 2
    far = np.full_like(image, 110)
    far[top : top + height // 4, left : left + width // 4] = small
    return far


def measure(photos: list[Photo]) -> list[Stage]:
    """Time every stage on every photo, all of them in turn within each round."""
    one_pass = MeshTracker(assets.asset_path("mediapipe"), max_faces=4, video=False)
    quick, careful = MediaPipeDetector(refine=1), MediaPipeDetector()
    detect = [Stage("detect", name) for name in ("mediapipe, one pass", "face3d, 1 crop", "face3d, 4 crops")]
    tiles, crop = Stage("detect", "face3d, 4 crops, tiles"), Stage("crop", "arcface")
    networks, heads = encoders(), regressors()
    encode = {name: Stage("encode", name) for name in networks}
    regress = {pair: Stage("regress", f"{pair[1]} after {pair[0]}") for pair in heads}
    stages = [*detect, tiles, crop, *encode.values(), *regress.values()]
    with torch.inference_mode():
        for number in range(ROUNDS + 1):
            for photo in photos:
                image, far = photo.pixels, from_afar(photo.pixels)
                ways = (one_pass.read, quick.detect, careful.detect)
                *_, faces = (stage.run(partial(way, image)) for stage, way in zip(detect, ways, strict=True))
                tiles.run(partial(careful.detect, far))
                if not faces:
                    continue
                pixels = crop.run(partial(face_crop, image, faces[0], "arcface")).pixels
                for name, network in networks.items():
                    features = encode[name].run(partial(network, pixels))
                    for pair, head in heads.items():
                        if pair[0] == name:
                            regress[pair].run(partial(head, features))
            if number == 0:  # into the caches
                for stage in stages:
                    stage.wall.clear()
                    stage.work.clear()
    quick.close()
    careful.close()
    return stages


def print_table(stages: list[Stage]) -> None:
    """One line per stage."""
    print(f"{'step':8} {'by':26} {'median ms':>10} {'95th %':>8} {'CPU ms':>8}")
    for stage in stages:
        print(f"{stage.step:8} {stage.name:26} {stage.usual:10.1f} {stage.slow:8.1f} {np.median(stage.work):8.1f}")


def print_budgets(stages: list[Stage]) -> None:
    """Every combination and the budgets that it fits."""
    of = {step: [stage for stage in stages if stage.step == step] for step in ("detect", "crop", "encode", "regress")}
    print(f"\n{'detect':23} {'encode':14} {'regress':8} {'median ms':>10} {'95th %':>8} {'CPU ms':>8}  fits")
    for detect, encode in product(of["detect"], of["encode"]):
        heads = [stage for stage in of["regress"] if stage.name.endswith(f" after {encode.name}")]
        for regress in (None, *heads):
            parts = [detect, of["crop"][0], encode, *([regress] if regress else [])]
            usual, slow = sum(stage.usual for stage in parts), sum(stage.slow for stage in parts)
            work = sum(float(np.median(stage.work)) for stage in parts)
            fits = ", ".join(f"{budget} ms" for budget in BUDGETS if slow <= budget) or "none"
            head = regress.name.split()[0] if regress else "-"
            print(f"{detect.name:23} {encode.name:14} {head:8} {usual:10.1f} {slow:8.1f} {work:8.1f}  {fits}")


def main() -> None:
    """Measure and print."""
    arguments = sys.argv[1:]
    threads = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 1
    torch.set_num_threads(threads)
    photos = photos_at_hand(arguments)
    print(f"{threads} threads of PyTorch (MediaPipe takes its own), {len(photos)} photos, {ROUNDS} rounds")
    stages = measure(photos)
    print_table(stages)
    print_budgets(stages)


if __name__ == "__main__":
    main()
