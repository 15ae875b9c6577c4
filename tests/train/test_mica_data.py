"""MICA's data layout, found or listed, and what is wrong with one that is not it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from face3d.errors import ArgumentError, CorruptAssetError, InputError
from face3d.train.mica_data import HeldOutImages, Subjects, read_subjects, split_subjects
from face3d.train.task import Draw
from tests.train.small_mica import HELD_OUT_PERSONS, IMAGES, PERSONS, write_person


@pytest.fixture
def data(small_mica, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(small_mica / "data", tmp_path / "data")


def write_list(lists, dataset, entries):
    lists.mkdir(exist_ok=True)
    np.save(lists / f"{dataset}.npy", entries, allow_pickle=True)
    return lists


def test_every_person_is_found_with_images_and_identity(small_mica):
    subjects = read_subjects(small_mica / "data")
    assert len(subjects) == PERSONS + HELD_OUT_PERSONS
    assert [subject.dataset for subject in subjects] == sorted(subject.dataset for subject in subjects)
    last = subjects[-1]
    with np.load(small_mica / "data" / "LYHM" / "FLAME_parameters" / last.name / "fit.npz") as archive:
        np.testing.assert_array_equal(last.identity, archive["betas"][:300])
    assert [image.name for image in last.images] == ["0.npy", "1.npy", "2.npy"]


def test_florence_is_held_out_or_whom_one_names(small_mica):
    subjects = read_subjects(small_mica / "data")
    learned, measured = split_subjects(subjects, None)
    assert {subject.dataset for subject in measured} == {"FLORENCE"}
    assert {subject.dataset for subject in learned} == {"FRGC", "LYHM"}
    learned, measured = split_subjects(subjects, "LYHM")
    assert {subject.dataset for subject in measured} == {"LYHM"}
    with pytest.raises(ArgumentError, match="'STIRLING'; there are FLORENCE, FRGC, LYHM"):
        split_subjects(subjects, "STIRLING")
    with pytest.raises(ArgumentError, match="no other data set is there"):
        split_subjects(measured, "LYHM")


def test_without_florence_one_in_ten_is_held_out_always_the_same(small_mica):
    subjects = [subject for subject in read_subjects(small_mica / "data") if subject.dataset != "FLORENCE"]
    learned, measured = split_subjects(subjects, None)
    assert (len(learned), len(measured)) == (PERSONS - 1, 1)
    assert split_subjects(subjects, None)[1] == measured


def test_a_sample_is_different_images_of_one_person(small_mica):
    subjects = read_subjects(small_mica / "data")
    samples = Subjects(subjects, 2)
    seen = set()
    for entropy in range(12):
        batch = samples.batch([Draw(4, (entropy,)), Draw(0, (entropy,))])
        assert batch["crops"].shape == (2, 2, 3, 112, 112)
        np.testing.assert_array_equal(batch["identity"][0], subjects[4].identity)
        assert not torch.equal(batch["crops"][0, 0], batch["crops"][0, 1])
        seen.add(float(batch["crops"][0, 0].sum()))
    expected = {float(torch.from_numpy(np.load(image)).sum()) for image in subjects[4].images}
    assert seen == expected


def test_held_out_are_as_many_first_images_of_each_person(small_mica):
    _, measured = split_subjects(read_subjects(small_mica / "data"), None)
    images = HeldOutImages(measured)
    assert len(images) == HELD_OUT_PERSONS * IMAGES
    batch = images.batch([Draw(IMAGES, ()), Draw(0, ())])
    np.testing.assert_array_equal(batch["crops"][0, 0], np.load(measured[1].images[0]))
    np.testing.assert_array_equal(batch["identity"][1], measured[0].identity)


def test_micas_lists_say_what_is_used(data, tmp_path):
    lists = write_list(
        tmp_path / "lists",
        "LYHM",
        {"m002": (["m002/2.jpg", "m002/0.png"], "m002/fit.npz"), "m000": (["m000/1.jpg"], "m000/fit.npz")},
    )
    subjects = read_subjects(data, lists)
    assert [(subject.dataset, subject.name) for subject in subjects] == [("LYHM", "m002"), ("LYHM", "m000")]
    assert [image.name for image in subjects[0].images] == ["2.npy", "0.npy"]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ({"m000": (["m000/9.jpg"], "m000/fit.npz")}, InputError, "9.npy is missing, which .*LYHM.npy lists"),
        ({"m000": (["m000/0.jpg"], "m000/other.npz")}, InputError, "other.npz is missing, the person's registered"),
        ({"m000": ["m000/0.jpg"]}, CorruptAssetError, "the entry of m000 is not"),
        ({"m000": ([], "m000/fit.npz")}, CorruptAssetError, "the entry of m000 is not"),
        ({"m000": ([1, 2], "m000/fit.npz")}, CorruptAssetError, "the entry of m000 is not"),
        (np.arange(3), CorruptAssetError, "none of MICA's file lists: it holds a ndarray"),
    ],
)
def test_lists_that_do_not_fit(data, tmp_path, content, error, message):
    with pytest.raises(error, match=message):
        read_subjects(data, write_list(tmp_path / "lists", "LYHM", content))


def test_wrong_layouts_get_one_line_that_names_the_place(data, tmp_path):
    with pytest.raises(InputError, match="nowhere is no folder; give the one"):
        read_subjects(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no data set of MICA's layout: <NAME>/arcface_input"):
        read_subjects(tmp_path / "empty")
    with pytest.raises(InputError, match=r"layout that .*empty lists"):
        read_subjects(data, tmp_path / "empty")
    # One level too deep.
    with pytest.raises(InputError, match="holds no data set of MICA's layout"):
        read_subjects(data / "LYHM")
    for image in (data / "FRGC" / "arcface_input" / "m001").iterdir():
        image.rename(image.with_suffix(".jpg"))
    with pytest.raises(InputError, match="m001 holds no crops: MICA's data has a .npy beside each image"):
        read_subjects(data)
    shutil.rmtree(data / "FRGC")
    shutil.rmtree(data / "LYHM" / "FLAME_parameters" / "m004")
    with pytest.raises(InputError, match="m004 holds no .npz"):
        read_subjects(data)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"shape": np.zeros(300)}, "cannot be read as FLAME parameters with `betas`"),
        ({"betas": np.zeros(110, np.float32)}, "has 110 betas, and MICA learns 300"),
        ({"betas": np.full(400, np.nan)}, "betas that are not finite"),
        ({"betas": np.array([{"a": 1}])}, "cannot be read as FLAME parameters"),
    ],
)
def test_parameters_that_are_not_flames(data, arrays, message):
    np.savez(data / "LYHM" / "FLAME_parameters" / "m000" / "fit.npz", **arrays)
    with pytest.raises(InputError, match=f"m000/fit.npz .*{message}"):
        read_subjects(data)


def test_truncated_parameters(data):
    path = data / "LYHM" / "FLAME_parameters" / "m000" / "fit.npz"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError, match="cannot be read as FLAME parameters"):
        read_subjects(data)


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        (np.zeros((112, 112, 3), np.float32), r"float32 of \(112, 112, 3\), not a crop as ArcFace takes it"),
        (np.zeros((3, 112, 112), np.uint8), r"uint8 of \(3, 112, 112\), not a crop"),
        (None, "cannot be read as a crop"),
    ],
)
def test_crops_that_arcface_does_not_take(tmp_path, crop, message):
    write_person(tmp_path, "LYHM", "a", 2, np.random.default_rng(0))
    path = tmp_path / "LYHM" / "arcface_input" / "a" / "0.npy"
    if crop is None:
        path.write_bytes(path.read_bytes()[:500])
    else:
        np.save(path, crop)
    with pytest.raises(InputError, match=f"0.npy .*{message}"):
        Subjects(read_subjects(tmp_path), 2).batch([Draw(0, (1,))])
