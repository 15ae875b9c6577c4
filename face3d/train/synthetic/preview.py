"""A look into a data set: pictures with their landmarks beside what every pixel is."""

from __future__ import annotations

import itertools
import os

import numpy as np
from jaxtyping import UInt8

from face3d.errors import ArgumentError, InputError
from face3d.render.contact_sheet import contact_sheet
from face3d.render.marks import draw_points
from face3d.train.synthetic.samples import Sample
from face3d.train.synthetic.shards import read_shards

__all__ = ["CLASS_COLOURS", "preview"]

CLASS_COLOURS = np.array(
    [
        [40, 40, 44], [222, 180, 150], [208, 74, 84], [120, 26, 36], [250, 250, 250], [112, 74, 40], [66, 44, 30],
        [60, 190, 230], [70, 90, 190], [220, 90, 220],
    ],
    dtype=np.uint8,
)  # fmt: skip
"""sRGB of each of `CLASSES` in pictures."""
_HIDDEN = (235, 80, 60)


def preview(folder: str | os.PathLike[str], count: int = 12) -> UInt8[np.ndarray, "H W 3"]:
    """Lay out the first samples of a data set: visible landmarks green, hidden ones red.

    Raises:
        ArgumentError: fewer than one.
        InputError: no data set, or an empty one.
    """
    if count < 1:
        raise ArgumentError(f"count is 1 or more, got {count}")
    samples = list(itertools.islice(read_shards(folder), count))
    if not samples:
        raise InputError(f"{folder}: no shard is complete yet; wait, or run `face3d train synthetic` again")
    return contact_sheet([_pair(sample) for sample in samples], [_caption(sample) for sample in samples], tile=512)


def _pair(sample: Sample) -> UInt8[np.ndarray, "H W 3"]:
    truth = sample.label.landmarks["mediapipe_478"]
    marked = draw_points(sample.image, truth.pixels[~truth.visible], colour=_HIDDEN, radius=0.6)
    marked = draw_points(marked, truth.pixels[truth.visible], radius=0.6)
    return np.concatenate([marked, CLASS_COLOURS[sample.segmentation]], axis=1)


def _caption(sample: Sample) -> str:
    facts = sample.label.properties
    words = (facts["sex"], facts["ancestry"], facts["skin"]["tone"], facts["expression_kind"])
    return f"{sample.label.index}: {', '.join(words)}"
