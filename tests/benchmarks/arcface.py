"""ArcFace's network in PyTorch beside onnxruntime, same weights: `python -m tests.benchmarks.arcface [THREADS]`

Needs onnxruntime and onnxscript. Turn by turn, for one face and for batches: milliseconds a face of wall time (fastest
and median) and of CPU time (median), each with onnxruntime's as a multiple of it. "folded" is what features are made
by, "network" what is trained. On a machine that others use, CPU time on one thread says most: on two threads it counts
their waiting for each other.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from face3d.identity import arcface_input, fold_arcface
from face3d.identity.arcface import fill_arcface
from tests.identity.checkpoints import arcface_weights

ROUNDS = {1: 21, 4: 7, 16: 5}
"""By the number of faces."""

THEIRS = "onnxruntime"

Run = Callable[[], object]


def onnx_session(network: nn.Module, threads: int) -> onnxruntime.InferenceSession:
    """The same network and weights in onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that wait actively would take the cores from whoever has the next turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arcface.onnx"
        example = (torch.zeros(2, 3, 112, 112),)
        shapes = {"crops": {0: torch.export.Dim("faces")}}
        torch.onnx.export(network, example, path, dynamic_shapes=shapes, external_data=False, verbose=False)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def compare(runs: dict[str, Run], faces: int) -> None:
    """Print what each takes."""
    wall: dict[str, list[float]] = {name: [] for name in runs}
    work: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS[faces]):
        for name, run in runs.items():
            run()  # once untimed: into the caches
            started = time.perf_counter(), time.process_time()
            run()
            wall[name].append((time.perf_counter() - started[0]) / faces * 1000)
            work[name].append((time.process_time() - started[1]) / faces * 1000)
    for name in runs:
        told = [
            f"{what} {number(taken[name]):6.1f} ms (x {number(taken[THEIRS]) / number(taken[name]):4.2f})"
            for what, number, taken in (
                ("fastest", min, wall),
                ("median", statistics.median, wall),
                ("CPU", statistics.median, work),
            )
        ]
        print(f"{torch.get_num_threads()} threads, {faces:>2} faces, {name:11}: {', '.join(told)}")


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1)
    network = fill_arcface(arcface_weights(), Path("the recipe"))
    started = time.process_time()
    folded = fold_arcface(network)
    print(f"folding: {time.process_time() - started:.2f} s of CPU time, once")
    session = onnx_session(network, torch.get_num_threads())
    name = session.get_inputs()[0].name
    crops = np.random.default_rng(0).integers(0, 256, (max(ROUNDS), 112, 112, 3), dtype=np.uint8)
    with torch.inference_mode():
        for faces in ROUNDS:
            pixels = arcface_input(list(crops[:faces]))
            plain = {name: pixels.contiguous().numpy()}
            runs: dict[str, Run] = {
                "folded": partial(folded, pixels),
                "network": partial(network, pixels),
                THEIRS: partial(session.run, None, plain),
            }
            compare(runs, faces)


if __name__ == "__main__":
    main()
