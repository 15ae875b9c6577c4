"""SPECTRE over a clip beside its backbones called plainly from torchvision: `python -m tests.benchmarks.spectre`

Options: `--threads N`, `--frames N` of the timed clip (100), `--long N` frames of the clip whose memory is watched
(10000; 0 leaves that out), `--stage`, which watches the whole stage of `face3d track` instead: a video file of so many
frames is read again, faces are cut out, chunks are stored. `--light` puts networks in the place of the backbones that
cost nothing: what is left is all that could pile up. Weights are the recipe's. Prints frames per second of both and
their ratio, and the resident memory of this process after a tenth of the long clip (1000 frames of 10000) and at its
end.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torchvision

from face3d.expression import Spectre, estimate_clip, read_spectre
from face3d.expression import spectre as networks
from face3d.tracking.clip_part import ClipPart
from face3d.tracking.clip_spectre import foretell_expressions
from face3d.tracking.person_clip import PersonClip
from face3d.tracking.work_folder import WorkFolder
from tests.benchmarks.timing import fastest
from tests.expression.checkpoints import spectre_content
from tests.media.clips import write_clip
from tests.tracking.given_faces import GivenFaces, timeline_of
from tests.train.small_spectre import ConstantCoarse, SmallBackbone


def resident() -> float:
    """Memory of this process now, GB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e9


def many_crops(frames: int, seen: list[float]) -> Iterator[np.ndarray]:
    """A long clip, made as it is drawn; notes the memory after a tenth of it and at its end."""
    crop = np.random.default_rng(0).random((224, 224, 3), dtype=np.float32)
    for frame in range(frames):
        if frame in (frames // 10, frames - 1):
            seen.append(resident())
        yield np.roll(crop, frame, axis=1)


def watched_stage(spectre: Spectre, frames: int, seen: list[float]) -> None:
    """The stage over a video of a face that moves, whose landmarks are known."""
    small = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    face = np.random.default_rng(1).uniform([30, 20, 0], [90, 70, 0], (68, 3))
    shift = np.column_stack([10 * np.sin(np.arange(frames) / 9), np.zeros((frames, 2))])
    stored = GivenFaces(face + shift[:, None], np.arange(frames), "ibug_68")
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        for mark in (frames // 10, frames):
            if done < mark <= done + count:
                seen.append(resident())
        done += count

    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(Path(folder) / "long.mp4", (np.roll(small, n, axis=1) for n in range(frames)))
        work, timeline = WorkFolder(Path(folder)), timeline_of(frames)
        foretell_expressions(PersonClip(work, ClipPart(path), stored, timeline, 1), spectre, advance=advance)  # type: ignore[arg-type]


def light_networks() -> Spectre:
    """Stand-ins for both backbones."""
    with patch.object(networks, "mobilenet_v2", SmallBackbone):
        encoder = networks.ExpressionEncoder().eval().requires_grad_(False)
    coarse: Any = ConstantCoarse(torch.zeros(236))
    return Spectre(coarse, encoder)


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
    options.add_argument("--stage", action="store_true")
    options.add_argument("--light", action="store_true")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spectre_model.tar"
        torch.save(spectre_content(), path)
        spectre = read_spectre(path)
    if given.long:
        seen: list[float] = []
        start = time.perf_counter()
        watched = light_networks() if given.light else spectre
        if given.stage:
            watched_stage(watched, given.long, seen)
        else:
            estimate_clip(watched, many_crops(given.long, seen), given.long)
        print(
            f"{given.long} frames in {time.perf_counter() - start:.0f} s: {seen[0]:.3f} GB after {given.long // 10} "
            f"frames, {seen[-1]:.3f} GB at the end"
        )
    if given.frames:
        timed(spectre, given.frames)


if __name__ == "__main__":
    main()
