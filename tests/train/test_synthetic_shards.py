"""Data sets on disk: complete, the same whoever made them, and read back."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from face3d.errors import ArgumentError, InputError
from face3d.train.synthetic import SyntheticOptions, read_shards, render_sample, vertices_of, write_dataset

OPTIONS = SyntheticOptions(size=64, seed=2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "set"
    write_dataset(folder, 20, OPTIONS, shard_size=9, workers=1)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_samples_come_back_as_they_were_drawn(dataset):
    read = list(read_shards(dataset))
    assert [sample.label.index for sample in read] == list(range(20))
    for index in (0, 11, 19):
        drawn = render_sample(index, OPTIONS)
        assert np.array_equal(read[index].image, drawn.image)
        assert np.array_equal(read[index].segmentation, drawn.segmentation)
        assert np.array_equal(vertices_of(read[index].label), vertices_of(drawn.label))
        assert read[index].label.measurements == drawn.label.measurements
        assert read[index].label.properties == json.loads(json.dumps(drawn.label.properties))
        for name, truth in drawn.label.landmarks.items():
            assert np.abs(read[index].label.landmarks[name].pixels - truth.pixels).max() < 1e-4


def test_the_index_says_what_it_is(dataset):
    index = json.loads((dataset / "dataset.json").read_text())
    assert index["count"] == 20
    assert index["shards"] == 3
    assert index["licence"] == "CC0-1.0"
    assert index["options"] == {"size": 64, "seed": 2, "occluders": True}


def test_several_processes_and_a_resumed_run_write_the_same_bytes(dataset, tmp_path):
    folder = tmp_path / "set"
    write_dataset(folder, 20, OPTIONS, shard_size=9, workers=2)
    assert digests(folder) == digests(dataset)
    (folder / "shard-000001.tar").rename(folder / "shard-000001.tar.partial")
    told = []
    write_dataset(folder, 20, OPTIONS, shard_size=9, workers=1, on_progress=told.append)
    assert sum(told) == 20
    assert digests(folder) == digests(dataset)


def test_a_killed_run_goes_on_where_it_stopped(dataset, tmp_path):
    folder = tmp_path / "set"
    command = [sys.executable, "-m", "face3d", "train", "synthetic", "--count", "20", "--size", "64", "--seed", "2"]
    command += ["--shard-size", "9", "--workers", "1", "--out", str(folder), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (folder / "shard-000000.tar").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "shard-000002.tar").exists()
    write_dataset(folder, 20, OPTIONS, shard_size=9, workers=1)
    assert digests(folder) == digests(dataset)


def test_other_options_are_refused_in_a_folder_that_has_a_set(dataset):
    with pytest.raises(ArgumentError, match=r"holds a data set with seed 2, not 5|holds a data set with options"):
        write_dataset(dataset, 20, SyntheticOptions(size=64, seed=5), shard_size=9)
    with pytest.raises(ArgumentError, match="holds a data set with count 20, not 30"):
        write_dataset(dataset, 30, OPTIONS, shard_size=9)


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("do not touch")
    with pytest.raises(ArgumentError, match="holds other files"):
        write_dataset(tmp_path, 4, OPTIONS)


@pytest.mark.parametrize("cut", [0.35, 0.6, 0.8])
def test_a_cut_shard_gives_what_is_whole_and_then_says_so(dataset, tmp_path, cut):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "dataset.json").write_bytes((dataset / "dataset.json").read_bytes())
    whole = (dataset / "shard-000000.tar").read_bytes()
    (folder / "shard-000000.tar").write_bytes(whole[: int(cut * len(whole))])
    read: list[int] = []

    def read_all() -> None:
        for sample in read_shards(folder):
            read.append(sample.label.index)

    with pytest.raises(InputError, match=r"shard-000000\.tar"):
        read_all()
    assert read == list(range(len(read)))
    assert len(read) >= 1


def test_what_is_no_data_set_is_named(tmp_path):
    with pytest.raises(InputError, match=r"dataset\.json is missing"):
        next(read_shards(tmp_path))


def test_webdataset_reads_the_shards(dataset):
    webdataset = pytest.importorskip("webdataset")
    shards = [str(path) for path in sorted(dataset.glob("shard-*.tar"))]
    read = list(webdataset.WebDataset(shards, shardshuffle=False))
    assert [sample["__key__"] for sample in read] == [f"{index:08d}" for index in range(20)]
    assert {"jpg", "json", "npz", "seg.png"} <= set(read[0])
    assert json.loads(read[3]["json"])["index"] == 3
