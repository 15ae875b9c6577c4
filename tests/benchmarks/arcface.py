"""ArcFace's network in PyTorch beside onnxruntime, same weights: `python -m tests.benchmarks.arcface [THREADS]`

Needs onnxruntime and onnxscript. Prints faces per second of both and their ratio, for one face and for a batch.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from face3d.identity import arcface_input
from face3d.identity.arcface import fill_arcface
from tests.benchmarks.timing import fastest
from tests.identity.checkpoints import arcface_weights

BATCHES = (1, 16)


def main() -> None:
    """Measure and print."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1
    torch.set_num_threads(threads)
    network = fill_arcface(arcface_weights(), Path("the recipe"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arcface.onnx"
        example = (torch.zeros(2, 3, 112, 112),)
        shapes = {"crops": {0: torch.export.Dim("faces")}}
        torch.onnx.export(network, example, path, dynamic_shapes=shapes, external_data=False, verbose=False)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    crops = np.random.default_rng(0).integers(0, 256, (max(BATCHES), 112, 112, 3), dtype=np.uint8)
    for size in BATCHES:
        pixels = arcface_input(list(crops[:size]))
        plain = pixels.contiguous().numpy()
        with torch.inference_mode():
            ours = fastest(lambda: network(pixels))  # noqa: B023 (called at once)
        theirs = fastest(lambda: session.run(None, {session.get_inputs()[0].name: plain}))  # noqa: B023
        print(
            f"{threads} threads, {size:>2} faces: face3d {size / ours:6.2f} faces/s, onnxruntime {size / theirs:6.2f} "
            f"faces/s, ratio {theirs / ours:.2f}"
        )


if __name__ == "__main__":
    main()
