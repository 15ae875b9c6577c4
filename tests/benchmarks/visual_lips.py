"""What `--lip-loss visual` does to its loss and to the reprojection: `python -m tests.benchmarks.visual_lips CLIP...`

Options: `--end S` seconds of each clip (1.6), `--threads N`, `--weights model.pth` of the published network with its
model.json beside it; without it the weights are the recipe's, which say nothing of speech: the loss is then any smooth
measure of how alike two mouths are.

Each clip is tracked as `face3d track` does it. Printed are, per person: the loss (1 less the cosine, mean over the
frames) before and after, the reprojection (relative to the interocular distance) before and after, how far whole
expressions moved (root mean square over frames and shapes) and by how much their steps from frame to frame grew, the
frames that were told, and seconds per frame. Drawn clips with known truth are made by `tests.benchmarks.track_truth`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

import face3d
from face3d.expression import read_visual_front_end
from face3d.tracking import clip_expression
from face3d.tracking.clip_expression import ExpressionNetworks
from face3d.tracking.clip_lips import LipLosses, refine_lips
from face3d.tracking.clip_motion import ClipMotion
from tests.expression.checkpoints import lipread_content


def recipe_network(folder: Path) -> Path:
    """A model.pth of recipe weights, its model.json beside it."""
    torch.save(lipread_content(), folder / "model.pth")
    (folder / "model.json").write_text('{"relu_type": "swish"}')
    return folder / "model.pth"


def line(name: str, before: ClipMotion, after: ClipMotion, losses: LipLosses, seconds: float) -> str:
    """A row of the table."""
    told = np.isfinite(losses.before)
    loss, lost = losses.before[told].mean(), losses.after[told].mean()
    miss, missed = np.nanmean(before.residual), np.nanmean(after.residual)
    moved = after.expression - before.expression
    steps = [np.sqrt(np.mean(np.diff(motion.expression, axis=0) ** 2)) for motion in (before, after)]
    return (
        f"{name:>20}  {loss:.4f} -> {lost:.4f} ({lost / loss:.3f})  {100 * miss:.2f} -> {100 * missed:.2f} % "
        f"({missed / miss:.3f})  {np.sqrt(np.mean(moved**2)):.3f}  {steps[1] / steps[0]:.2f}  "
        f"{told.sum()}/{len(told)}  {seconds / len(told):.2f} s"
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clips", nargs="+", type=Path)
    options.add_argument("--end", type=float, default=1.6)
    options.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options.add_argument("--weights", type=Path)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        front_end = read_visual_front_end(given.weights or recipe_network(Path(folder)))
    name = ""

    def measured(*stage, **named):
        started = time.perf_counter()
        after, losses = refine_lips(*stage, **named)
        print(line(name, stage[1], after, losses, time.perf_counter() - started), flush=True)
        return after, losses

    def networks(*_given: object, **_named: object) -> ExpressionNetworks:
        return ExpressionNetworks(lips=front_end)

    print(f"{'clip':>20}  loss, reprojection, moved, steps, told, per frame")
    with (
        patch.object(clip_expression, "refine_lips", measured),
        patch("face3d.track.open_expression_networks", networks),
    ):
        for clip in given.clips:
            name = clip.stem
            face3d.track(clip, end=given.end, lip_loss="visual")


if __name__ == "__main__":
    main()
