"""A run on the small data set, as a program that a test can kill: `python -m tests.train.run_small_mica ROOT OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from face3d.train.loop import train
from face3d.train.options import RunOptions
from tests.train.small_mica import dropping_arcface, small_task

STEPS, CHECKPOINT_EVERY = 120, 7


def run(root: Path, out: Path):
    """Train with dropout, so that the generators' states matter; one thread, so that sums are always made alike."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    options = RunOptions(
        out=out, batch_size=4, steps=STEPS, checkpoint_every=CHECKPOINT_EVERY, validate_every=10, log_every=1
    )
    try:
        return train(small_task(root, encoder=dropping_arcface), options)
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
