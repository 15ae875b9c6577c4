"""What a face encoder sees in the faces of a synthetic data set: the data that the shape regressor learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from face3d import assets
from face3d.errors import ArgumentError
from face3d.identity.mobilefacenet import MobileFaceNetEncoder
from face3d.landmarks import convert_points
from face3d.landmarks.crops import arcface_crop
from face3d.media.whole_file import write_whole
from face3d.train.synthetic import Sample, read_shards
from face3d.train.synthetic.shards import read_index

__all__ = ["encode_dataset", "seen_crops"]

BATCH = 64

POINT_NOISE = 0.025
"""Standard deviation of each of the five points a crop is cut by, and of all together, relative to the distance between
the eyes: about what MediaPipe misses them by on the renders."""

TRUE_POINTS = "mediapipe_478"


def seen_crops(sample: Sample, views: int, rng: np.random.Generator) -> Iterator[UInt8[np.ndarray, "112 112 3"]]:
    """ArcFace crops of a sample's face, by points that miss the true ones as a detector's do."""
    points = sample.label.landmarks[TRUE_POINTS].pixels
    five = convert_points(points, TRUE_POINTS, "arcface_5")
    size = float(np.linalg.norm(five[1] - five[0]))
    # A face in profile has its eyes close together; its points are not found better for that.
    size = max(size, 0.5 * float(np.linalg.norm(five[:2].mean(axis=0) - five[3:].mean(axis=0))))
    for _ in range(views):
        noise = rng.normal(0, POINT_NOISE * size, (5, 2)) + rng.normal(0, POINT_NOISE * size, 2)
        yield arcface_crop(sample.image, five + noise)


def encode_dataset(
    folder: Path,
    out: Path,
    *,
    views: int = 1,
    held_out: float = 0.1,
    seed: int = 0,
    device: str = "cpu",
    encoder: MobileFaceNetEncoder | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Encode the faces of a data set and write them as `face3d.train.feature_data` reads them.

    Besides `features`, `identity` and `split`, the file names the `sample`, `sex`, `ancestry` and `skin` of each row.

    Args:
        folder: that `face3d train synthetic` wrote.
        out: the npz file.
        views: rows for each picture, whose crops differ a little.
        held_out: share of the pictures, the last ones, that are not learned from.
        seed: of the crops.
        device: of the encoder.
        encoder: MobileFaceNet by default.
        on_progress: told how many more pictures are done.

    Returns:
        Number of rows.

    Raises:
        ArgumentError: `views` or `held_out` is out of range.
        InputError: the data set cannot be read.
        AssetError: the encoder's file is missing or damaged.
        OutputError: the file cannot be written.
    """
    if views < 1 or not 0 <= held_out < 1:
        raise ArgumentError(f"views is 1 or more and held_out from 0 to below 1, not {views} and {held_out:g}")
    count = int(read_index(folder)["count"])
    encoder = encoder or MobileFaceNetEncoder(assets.asset_path("mobilefacenet"), device=device)
    crops: list[UInt8[np.ndarray, "112 112 3"]] = []
    features: list[Float[np.ndarray, "B D"]] = []
    identity, samples, groups = [], [], []
    for sample in read_shards(folder, segmentation=False):
        label = sample.label
        # By the sample's own number, so that the features do not depend on which others are there.
        crops += seen_crops(sample, views, np.random.default_rng([seed, label.seed, label.index]))
        identity += [label.state.identity.astype(np.float32)] * views
        samples += [label.index] * views
        told = label.properties
        groups += [(told["sex"], told["ancestry"], told["skin"]["tone"])] * views
        if len(crops) >= BATCH:
            features.append(encoder.describe(np.stack(crops)))
            crops = []
        if on_progress is not None:
            on_progress(1)
    if crops:
        features.append(encoder.describe(np.stack(crops)))
    sex, ancestry, skin = (np.array(values) for values in zip(*groups, strict=True))
    arrays = {
        "features": np.concatenate(features),
        "identity": np.stack(identity),
        "split": (np.array(samples) >= round(count * (1 - held_out))).astype(np.uint8),
        "sample": np.array(samples),
        "sex": sex,
        "ancestry": ancestry,
        "skin": skin,
    }
    write_whole(out, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
    return len(samples)
