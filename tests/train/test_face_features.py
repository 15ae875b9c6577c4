"""From synthetic heads to the features that the regressor learns from."""

from __future__ import annotations

import numpy as np
import pytest

from face3d.cli import main
from face3d.errors import ArgumentError, InputError, OutputError
from face3d.identity.mobilefacenet import DESCRIPTION, MobileFaceNetEncoder
from face3d.landmarks import convert_points
from face3d.landmarks.crops import arcface_crop
from face3d.train.face_features import encode_dataset, seen_crops
from face3d.train.feature_data import read_features
from face3d.train.synthetic import SyntheticOptions, read_shards, write_dataset

COUNT = 5


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    write_dataset(folder, COUNT, SyntheticOptions(size=128), shard_size=3, workers=1)
    return folder


def test_crops_differ_a_little_from_the_true_one(heads):
    sample = next(read_shards(heads))
    five = convert_points(sample.label.landmarks["mediapipe_478"].pixels, "mediapipe_478", "arcface_5")
    true = arcface_crop(sample.image, five).astype(float)
    crops = [crop.astype(float) for crop in seen_crops(sample, 6, np.random.default_rng(0))]
    from_true = [np.abs(crop - true).mean() for crop in crops]
    assert min(from_true) > 0.5
    assert np.median(from_true) < 0.5 * np.abs(true - true.mean(axis=(0, 1))).mean()
    assert np.abs(crops[0] - crops[1]).mean() > 0.5


def test_a_row_for_every_view_and_the_last_people_held_out(heads, stored_mobilefacenet, tmp_path):
    done = []
    rows = encode_dataset(heads, tmp_path / "f.npz", views=2, held_out=0.2, on_progress=done.append)
    assert (rows, sum(done)) == (2 * COUNT, COUNT)
    table = read_features(tmp_path / "f.npz")
    assert table.features.shape == (2 * COUNT, DESCRIPTION)
    np.testing.assert_array_equal(table.held_out, [8, 9])
    with np.load(tmp_path / "f.npz") as file:
        np.testing.assert_array_equal(file["sample"], np.repeat(np.arange(COUNT), 2))
        assert set(file["sex"]) <= {"female", "male"}
    truth = [sample.label.state.identity for sample in read_shards(heads)]
    np.testing.assert_allclose(table.identity, np.repeat(truth, 2, axis=0), rtol=1e-6)
    assert not np.allclose(table.features[0], table.features[1])
    encoder = MobileFaceNetEncoder(stored_mobilefacenet)
    sample = next(read_shards(heads))
    crops = np.stack(list(seen_crops(sample, 2, np.random.default_rng([0, 0, 0]))))
    np.testing.assert_allclose(encoder.describe(crops), table.features[:2], rtol=1e-4, atol=1e-4)


def test_the_same_seed_gives_the_same_features(heads, stored_mobilefacenet, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        encode_dataset(heads, tmp_path / f"{name}.npz", seed=seed)
    a, b, c = (read_features(tmp_path / f"{name}.npz").features for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)


def test_arguments_and_folders_are_checked(heads, stored_mobilefacenet, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        encode_dataset(heads, tmp_path / "missing" / "f.npz")
    with pytest.raises(ArgumentError, match="views is 1 or more"):
        encode_dataset(heads, tmp_path / "f.npz", views=0)
    with pytest.raises(InputError, match="train synthetic"):
        encode_dataset(tmp_path, tmp_path / "f.npz")


def test_from_heads_to_a_regressor_by_commands(heads, stored_mobilefacenet, tmp_path, capsys):
    features, run = tmp_path / "f.npz", tmp_path / "run"
    assert main(["train", "features", str(heads), "--views", "4", "--out", str(features), "--quiet"]) == 0
    command = ["train", "regressor", "--features", str(features), "--out", str(run), "--steps", "2"]
    assert main([*command, "--batch-size", "8", "--quiet"]) == 0
    assert (run / "last" / "regressor.pt").is_file()
    assert main(["train", "features", str(heads), "--quiet"]) == 2
    assert "--out FEATURES.npz" in capsys.readouterr().err
