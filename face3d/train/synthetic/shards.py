"""Data sets of labelled heads as WebDataset shards: written by several processes, resumed after a kill, read back.

    DIR/dataset.json           count, seed, options, licence
    DIR/shard-000000.tar       KEY.jpg, KEY.json, KEY.npz, KEY.seg.png for each sample, KEY its index in eight digits

A shard takes its name once it is complete. Samples depend on seed and index alone, so that a data set has the same
bytes however many processes made it and however often they were killed.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import tarfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from face3d.errors import ArgumentError, InputError, OutputError
from face3d.media.whole_file import write_whole
from face3d.train.synthetic.develop import decode_jpeg
from face3d.train.synthetic.kinds import CLASSES
from face3d.train.synthetic.labels import label_arrays, label_from, label_properties
from face3d.train.synthetic.samples import REVISION, Sample, SyntheticOptions, render_encoded

__all__ = ["DEFAULT_SHARD_SIZE", "SCHEMA_VERSION", "read_shards", "write_dataset"]

SCHEMA_VERSION = 1
DEFAULT_SHARD_SIZE = 1000
INDEX_FILE = "dataset.json"
LICENCE = "CC0-1.0"
CHUNK = 8
"""Samples that a process makes at a time."""
_ENDINGS = ("jpg", "json", "npz", "seg.png")
_SHARD_NAME = re.compile(r"shard-(\d{6})\.tar")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def write_dataset(
    out: str | os.PathLike[str],
    count: int,
    options: SyntheticOptions | None = None,
    *,
    shard_size: int = DEFAULT_SHARD_SIZE,
    workers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Write a data set, or what is still missing of it.

    Args:
        out: its folder; made if absent.
        count: number of samples.
        options: what they are made with.
        shard_size: samples per file.
        workers: processes; by default one per core.
        on_progress: called with the number of samples that have become ready.

    Returns:
        The index, as in dataset.json.

    Raises:
        ArgumentError: unusable numbers, or the folder holds a data set with other options.
        OutputError: the folder cannot be written.
    """
    options = options or SyntheticOptions()
    for name, value in (("count", count), ("shard_size", shard_size), ("workers", 1 if workers is None else workers)):
        if value < 1:
            raise ArgumentError(f"{name.replace('_', '-')} is 1 or more, got {value}")
    folder = Path(out)
    index = _index(count, options, shard_size)
    _claim(folder, index)
    missing = []
    for shard in range(-(-count // shard_size)):
        range_of_shard = range(shard * shard_size, min(count, (shard + 1) * shard_size))
        if (folder / _shard_name(shard)).is_file():
            if on_progress:
                on_progress(len(range_of_shard))
        else:
            missing.append((shard, range_of_shard))
    if missing:
        _write_shards(folder, missing, options, _processes(workers, count), on_progress)
    return index


def read_shards(folder: str | os.PathLike[str], *, segmentation: bool = True) -> Iterator[Sample]:
    """The samples of a data set in their order; those of shards that are not there yet are left out.

    Args:
        folder: that `write_dataset` wrote.
        segmentation: whether to decode the class maps; without they are empty, which saves a fifth of the time.

    Raises:
        InputError: no data set, or a shard or sample is damaged; what came before has been yielded.
    """
    place = Path(folder)
    read_index(place)
    names = sorted(path.name for path in place.iterdir() if _SHARD_NAME.fullmatch(path.name))
    for name in names:
        for key, members in _samples_of(place / name):
            where = f"{place / name}: sample {key}"
            missing = [ending for ending in _ENDINGS if ending not in members]
            if missing:
                raise InputError(
                    f"{where} lacks {', '.join(missing)}: the shard is cut off; delete it and write it anew"
                )
            label = label_from(members["json"], members["npz"], where)
            try:
                image = decode_jpeg(members["jpg"])
            except ValueError as error:
                raise InputError(f"{where}: the picture cannot be read; delete the shard and write it anew") from error
            classes = np.zeros((0, 0), dtype=np.uint8)
            if segmentation:
                decoded = cv2.imdecode(np.frombuffer(members["seg.png"], dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
                if decoded is None:
                    raise InputError(f"{where}: the class map cannot be read; delete the shard and write it anew")
                classes = np.asarray(decoded, dtype=np.uint8)
            yield Sample(image, classes, label)


def read_index(folder: Path) -> dict[str, Any]:
    """dataset.json.

    Raises:
        InputError: absent or damaged.
    """
    try:
        document = json.loads((folder / INDEX_FILE).read_text())
    except FileNotFoundError as error:
        raise InputError(
            f"{folder}: no data set, {INDEX_FILE} is missing; make one with `face3d train synthetic`"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / INDEX_FILE}: cannot be read ({error})") from error
    if not isinstance(document, dict) or document.get("format") != "face3d-synthetic":
        raise InputError(f"{folder / INDEX_FILE}: is no index of synthetic heads")
    return document


def _index(count: int, options: SyntheticOptions, shard_size: int) -> dict[str, Any]:
    from face3d import __version__

    return {
        "format": "face3d-synthetic",
        "schema_version": SCHEMA_VERSION,
        "face3d_version": __version__,
        "revision": REVISION,
        "count": count,
        "shard_size": shard_size,
        "shards": -(-count // shard_size),
        "options": asdict(options),
        "seed": options.seed,
        "classes": list(CLASSES),
        "head": "open",
        "licence": LICENCE,
        "made_from": "the open head (CC0-1.0) and procedures alone: no photo and no licensed file was used",
    }


def _claim(folder: Path, index: dict[str, Any]) -> None:
    """Write the index into an empty folder, or find the same one there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror}; choose another --out") from error
    if (folder / INDEX_FILE).is_file():
        there = read_index(folder)
        for key, value in index.items():
            if there.get(key) != value:
                raise ArgumentError(
                    f"{folder} holds a data set with {key} {json.dumps(there.get(key))}, not {json.dumps(value)}; "
                    "choose another --out"
                )
        return
    if occupied:
        raise ArgumentError(f"{folder} holds other files and no data set; choose an empty --out")
    text = json.dumps(index, indent=2) + "\n"
    write_whole(folder / INDEX_FILE, lambda file: file.write(text.encode()))


def _write_shards(
    folder: Path,
    missing: list[tuple[int, range]],
    options: SyntheticOptions,
    workers: int,
    on_progress: Callable[[int], None] | None,
) -> None:
    chunks = [part[start : start + CHUNK] for _, part in missing for start in range(0, len(part), CHUNK)]
    made = _made(chunks, options, workers)
    try:
        for shard, part in missing:
            final = folder / _shard_name(shard)
            partial = final.with_name(final.name + ".partial")
            with (
                partial.open("wb") as file,
                tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive,
            ):
                for _ in range(0, len(part), CHUNK):
                    members = next(made)
                    for name, content in members:
                        entry = tarfile.TarInfo(name)
                        entry.size, entry.mode = len(content), 0o644
                        archive.addfile(entry, io.BytesIO(content))
                    if on_progress:
                        on_progress(len(members) // len(_ENDINGS))
            os.replace(partial, final)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror or error}; free some space and run it again"
        ) from error
    finally:
        made.close()


def _made(
    chunks: list[range], options: SyntheticOptions, workers: int
) -> Generator[list[tuple[str, bytes]], None, None]:
    """The files of each chunk, in order."""
    if workers == 1:
        yield from (_make_chunk(chunk, options) for chunk in chunks)
        return
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)  # the processes that start now inherit it
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        # A few chunks ahead of what is written, so that memory stays flat.
        pending = []
        for chunk in chunks:
            pending.append(pool.submit(_make_chunk, chunk, options))
            if len(pending) > 3 * workers:
                yield pending.pop(0).result()
        while pending:
            yield pending.pop(0).result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _make_chunk(chunk: range, options: SyntheticOptions) -> list[tuple[str, bytes]]:
    cv2.setNumThreads(1)
    return [member for number in chunk for member in encoded_members(number, options)]


def encoded_members(index: int, options: SyntheticOptions) -> list[tuple[str, bytes]]:
    """Names and bytes of the files of one sample, as they stand in a shard."""
    jpeg, segmentation, label = render_encoded(index, options)
    _, png = cv2.imencode(".png", segmentation, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    contents = (jpeg, label_properties(label), label_arrays(label), bytes(png))
    return [(f"{index:08d}.{ending}", content) for ending, content in zip(_ENDINGS, contents, strict=True)]


def _samples_of(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and files of each sample of a shard; the last may be incomplete."""
    key, members = None, {}
    try:
        with tarfile.open(path, mode="r:") as archive:
            for entry in archive:
                stem, _, ending = Path(entry.name).name.partition(".")
                if key is not None and stem != key:
                    yield key, members
                    members = {}
                key = stem
                file = archive.extractfile(entry)
                content = b"" if file is None else file.read()
                if len(content) == entry.size:
                    members[ending] = content
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{path}: the shard is damaged ({error}); delete it and write it anew") from error
    if key is not None:
        yield key, members


def _shard_name(shard: int) -> str:
    return f"shard-{shard:06d}.tar"


def _processes(workers: int | None, count: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(workers or cores, -(-count // CHUNK)))
