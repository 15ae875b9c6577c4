"""Rendering labelled heads: images per second and processor time, against the renderer that calibrated the landmarks.

    python -m tests.benchmarks.synthetic [--count 60] [--size 256]

One image of `face3d train synthetic` holds everything: the person, the head, two samples per pixel and axis, hair and
glasses, labels, JPEG and PNG. `flame_assets/build/render_heads.py` draws one sample per pixel, no labels, no files.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

BUILD = Path(__file__).parents[2] / "flame_assets" / "build"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    """Time both in turns, on one thread each, and print the ratio."""
    os.environ.update(ONE_THREAD)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    new, old = _new(arguments.size), _old(arguments.size)
    for draw in (new, old):
        for index in range(1000, 1016):  # compiles every loop, and computes what is shared
            draw(index)
    spent = {"synthetic": [0.0, 0.0], "render_heads": [0.0, 0.0]}
    for index in range(1, arguments.count + 1):
        for name, draw in (("synthetic", new), ("render_heads", old)):
            wall, cpu = time.perf_counter(), time.process_time()
            draw(index)
            spent[name][0] += time.perf_counter() - wall
            spent[name][1] += time.process_time() - cpu
    for name, (wall, cpu) in spent.items():
        each = 1000 * cpu / arguments.count
        print(f"{name:13s} {arguments.count / wall:6.1f} images/s in one process, {each:5.1f} ms of processor each")
    ratio = spent["render_heads"][1] / spent["synthetic"][1]
    two_cores = 2 * arguments.count / spent["synthetic"][1]
    print(f"{ratio:.2f} times as fast as render_heads; two idle cores would make {two_cores:.0f} images/s")


def _new(size: int) -> Callable[[int], object]:
    import cv2

    from face3d.train.synthetic import SyntheticOptions
    from face3d.train.synthetic.shards import encoded_members

    cv2.setNumThreads(1)
    options = SyntheticOptions(size=size)
    return lambda index: encoded_members(index, options)


def _old(size: int) -> Callable[[int], object]:
    import numpy as np
    import torch

    sys.path.insert(0, str(BUILD))
    from paint import random_look
    from render_heads import random_scene, render_head
    from sample_detections import chart_of

    from face3d import load_head

    model = load_head()
    chart, triangles = chart_of(model), model.triangles.numpy()

    def draw(index: int) -> object:
        rng = np.random.default_rng(index)
        identity = torch.from_numpy(rng.standard_normal(model.identity_size)).float()
        vertices = model(identity=identity).vertices[0].double().numpy()
        return render_head(vertices, triangles, chart, random_look(rng), random_scene(rng, image_size=size), rng)

    return draw


if __name__ == "__main__":
    main()
