"""MICA's data: aligned crops of persons whose heads were scanned, with the FLAME identity registered to each scan.

    <root>/<NAME>/arcface_input/<actor>/<image>.npy        a crop as ArcFace takes it, (3, 112, 112) in [-1, 1]
    <root>/<NAME>/FLAME_parameters/<actor>/<file>.npz      `betas` (400,): 300 of the identity, 100 of the expression
    <lists>/<NAME>.npy                                     optional: actor -> (images, npz file), relative to the above

NAME is a data set: LYHM, FRGC, ... As MICA does, FLORENCE is held out where it is there.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32

from face3d.errors import ArgumentError, CorruptAssetError, InputError
from face3d.head.whitelist_pickle import read_npy
from face3d.identity.mica import IDENTITY
from face3d.train.task import Batch, Draw

__all__ = ["HELD_OUT", "HeldOutImages", "Subject", "Subjects", "read_subjects", "split_subjects"]

IMAGES, PARAMETERS = "arcface_input", "FLAME_parameters"
HELD_OUT = "FLORENCE"
HELD_OUT_IMAGES = 200
"""At most this many of each held-out person, as in MICA."""

HELD_OUT_SHARE = 10
"""Where no data set is held out, one person of this many is."""

CROP_SHAPE = (3, 112, 112)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A person.

    Attributes:
        dataset, name: which one.
        images: files of crops.
        identity: of the registered FLAME head.
    """

    dataset: str
    name: str
    images: tuple[Path, ...]
    identity: Float32[np.ndarray, " 300"]


def read_subjects(root: Path, lists: Path | None = None) -> list[Subject]:
    """The persons of all data sets under a folder, those of one after those of another, in the order of their names.

    Args:
        root: holds a folder per data set.
        lists: a folder of MICA's file lists, which say what is used of each data set; a set without a list is left out.
            None uses all files that are there.

    Raises:
        InputError: the folder is laid out otherwise, or a file is missing or unusable; the message names it.
        CorruptAssetError: a list is damaged.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder; give the one that holds MICA's data sets, such as LYHM and FRGC")
    subjects: list[Subject] = []
    for folder in sorted(path for path in root.iterdir() if (path / IMAGES).is_dir()):
        if lists is None:
            subjects += _found_subjects(folder)
        elif (lists / f"{folder.name}.npy").is_file():
            subjects += _listed_subjects(folder, lists / f"{folder.name}.npy")
    if not subjects:
        listed = "" if lists is None else f" that {lists} lists"
        raise InputError(
            f"{root} holds no data set of MICA's layout{listed}: <NAME>/{IMAGES}/<actor>/<image>.npy beside "
            f"<NAME>/{PARAMETERS}/<actor>/<file>.npz"
        )
    return subjects


def split_subjects(subjects: Sequence[Subject], held_out: str | None) -> tuple[list[Subject], list[Subject]]:
    """Persons to learn from, and persons to measure on.

    Args:
        subjects: all of them.
        held_out: the data set to measure on; None takes FLORENCE where it is there, else one person in ten.

    Raises:
        ArgumentError: there is no such data set, or nothing is left to learn from.
    """
    names = sorted({subject.dataset for subject in subjects})
    if held_out is None and HELD_OUT not in names:
        order = np.random.default_rng(len(subjects)).permutation(len(subjects))
        measured = set(order[: len(subjects) // HELD_OUT_SHARE].tolist())
    else:
        chosen = held_out or HELD_OUT
        if chosen not in names:
            raise ArgumentError(f"no data set is named {chosen!r}; there are {', '.join(names)}")
        measured = {index for index, subject in enumerate(subjects) if subject.dataset == chosen}
    learned = [subject for index, subject in enumerate(subjects) if index not in measured]
    if not learned:
        raise ArgumentError(f"{held_out or HELD_OUT} is held out, and no other data set is there to learn from")
    return learned, [subject for index, subject in enumerate(subjects) if index in measured]


class Subjects:
    """Persons to learn from, each with some images that are drawn anew every time (`face3d.train.task.Samples`).

    Args:
        subjects: the persons, each with at least so many images.
        images: of one person in a sample, K.
    """

    def __init__(self, subjects: Sequence[Subject], images: int) -> None:
        self._subjects = tuple(subjects)
        self._images = images

    def __len__(self) -> int:
        return len(self._subjects)

    def batch(self, draws: Sequence[Draw]) -> Batch:
        """`crops` (B, K, 3, 112, 112) and `identity` (B, 300)."""
        crops, identities = [], []
        for draw in draws:
            subject = self._subjects[draw.index]
            chosen = draw.random().choice(len(subject.images), self._images, replace=False)
            crops.append(np.stack([_read_crop(subject.images[number]) for number in chosen]))
            identities.append(subject.identity)
        return {"crops": torch.from_numpy(np.stack(crops)), "identity": torch.from_numpy(np.stack(identities))}


class HeldOutImages:
    """The first images of each held-out person, of each as many, each image a sample."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        count = min(HELD_OUT_IMAGES, *(len(subject.images) for subject in subjects))
        self._pairs = [(image, subject.identity) for subject in subjects for image in subject.images[:count]]

    def __len__(self) -> int:
        return len(self._pairs)

    def batch(self, draws: Sequence[Draw]) -> Batch:
        """`crops` (B, 1, 3, 112, 112) and `identity` (B, 300)."""
        pairs = [self._pairs[draw.index] for draw in draws]
        return {
            "crops": torch.from_numpy(np.stack([_read_crop(image)[None] for image, _ in pairs])),
            "identity": torch.from_numpy(np.stack([identity for _, identity in pairs])),
        }


def _found_subjects(folder: Path) -> Iterator[Subject]:
    for actor in sorted(path for path in (folder / IMAGES).iterdir() if path.is_dir()):
        images = sorted(actor.glob("*.npy"))
        if not images:
            raise InputError(f"{actor} holds no crops: MICA's data has a .npy beside each image")
        parameters = sorted((folder / PARAMETERS / actor.name).glob("*.npz"))
        if not parameters:
            raise InputError(f"{folder / PARAMETERS / actor.name} holds no .npz of the person's registered FLAME head")
        yield Subject(folder.name, actor.name, tuple(images), _read_identity(parameters[0]))


def _listed_subjects(folder: Path, path: Path) -> Iterator[Subject]:
    content = read_npy(path)
    if not isinstance(content, Mapping):
        raise CorruptAssetError(f"{path} is none of MICA's file lists: it holds a {type(content).__name__}")
    for actor, entry in content.items():
        names, parameters = _list_entry(entry, path, str(actor))
        images = [(folder / IMAGES / name).with_suffix(".npy") for name in names]
        missing = next((image for image in images if not image.is_file()), None)
        if missing is not None:
            raise InputError(f"{missing} is missing, which {path} lists")
        yield Subject(folder.name, str(actor), tuple(images), _read_identity(folder / PARAMETERS / parameters))


def _list_entry(entry: Any, path: Path, actor: str) -> tuple[list[str], str]:
    try:
        names, parameters = entry
        # A NumPy array of names comes back as a stand-in that only gives numbers.
        names = list(names)
    except (TypeError, ValueError, InputError) as error:
        raise CorruptAssetError(f"{path}: the entry of {actor} is not (list of images, npz file)") from error
    if not names or not all(isinstance(name, str) for name in (*names, parameters)):
        raise CorruptAssetError(f"{path}: the entry of {actor} is not (list of images, npz file)")
    return [str(name) for name in names], str(parameters)


def _read_identity(path: Path) -> Float32[np.ndarray, " 300"]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            betas: Float[np.ndarray, " b"] = np.asarray(archive["betas"], dtype=np.float32).reshape(-1)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing, the person's registered FLAME head") from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{path} cannot be read as FLAME parameters with `betas` ({error})") from error
    if len(betas) < IDENTITY:
        raise InputError(
            f"{path} has {len(betas)} betas, and MICA learns {IDENTITY} identity coefficients: it was registered with "
            "fewer, or with another model than FLAME"
        )
    if not np.isfinite(betas).all():
        raise InputError(f"{path} has betas that are not finite")
    return betas[:IDENTITY].copy()


def _read_crop(path: Path) -> Float32[np.ndarray, "3 112 112"]:
    try:
        crop = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as a crop ({error})") from error
    if crop.shape != CROP_SHAPE or crop.dtype.kind != "f":
        raise InputError(
            f"{path} is {crop.dtype} of {crop.shape}, not a crop as ArcFace takes it: floats of {CROP_SHAPE}, RGB "
            "from -1 to 1"
        )
    return crop.astype(np.float32, copy=False)
