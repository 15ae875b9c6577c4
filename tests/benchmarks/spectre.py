"""SPECTRE over a clip beside its backbones called plainly from torchvision: `python -m tests.benchmarks.spectre`

Options: `--threads N`, `--frames N` of the timed clip (100), `--long N` frames of the clip whose memory is watched
(10000; 0 leaves that out). Weights are the recipe's. Prints frames per second of both and their ratio, and the resident
memory of this process after the first 500 frames of the long clip and at its end.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torchvision

from face3d.expression import Spectre, estimate_clip, read_spectre
from tests.benchmarks.timing import fastest
from tests.expression.checkpoints import spectre_content


def resident() -> float:
    """Memory of this process now, GB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e9


def many_crops(frames: int, seen: list[float]) -> Iterator[np.ndarray]:
    """A long clip, made as it is drawn; notes the memory after 500 frames and at its end."""
    crop = np.random.default_rng(0).random((224, 224, 3), dtype=np.float32)
    for frame in range(frames):
        if frame in (min(500, frames // 2), frames - 1):
            seen.append(resident())
        yield np.roll(crop, frame, axis=1)


def timed(spectre: Spectre, frames: int) -> None:
    """Print the two rates and their ratio."""
    crops = list(np.random.default_rng(0).random((frames, 224, 224, 3), dtype=np.float32))
    coarse, fine = torchvision.models.resnet50().eval(), torchvision.models.mobilenet_v2().eval()
    batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()

    @torch.no_grad()
    def plain() -> None:
        coarse(batch)
        fine.features(batch)

    theirs = fastest(plain, rounds=3)
    ours = fastest(lambda: estimate_clip(spectre, crops, frames), rounds=3)
    print(
        f"{torch.get_num_threads()} threads, {frames} frames: face3d {frames / ours:.1f} frames/s (crops to tensors "
        f"and the temporal head included), plain torchvision {frames / theirs:.1f} frames/s, ratio {theirs / ours:.2f}"
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options.add_argument("--frames", type=int, default=100)
    options.add_argument("--long", type=int, default=10_000)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spectre_model.tar"
        torch.save(spectre_content(), path)
        spectre = read_spectre(path)
    if given.long:
        seen: list[float] = []
        start = time.perf_counter()
        estimate_clip(spectre, many_crops(given.long, seen), given.long)
        print(
            f"{given.long} frames in {time.perf_counter() - start:.0f} s: {seen[0]:.3f} GB after the start, "
            f"{seen[-1]:.3f} GB at the end"
        )
    timed(spectre, given.frames)


if __name__ == "__main__":
    main()
