"""Which clips a folder holds, and which of them are learned from: videos, or folders of frames, and LRS3's lists.

    <root>/[<folders>/]<clip>.mp4        a video, or
    <root>/[<folders>/]<clip>/*.jpg      its frames, 25 per second, as SPECTRE's scripts extract them: quicker to read

A clip is named by its place under the root, without the video's suffix, as LRS3's lists name theirs. The folder that it
lies in is taken for its speaker, so that nobody is learned from and measured on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from face3d.errors import ArgumentError, CorruptAssetError, InputError
from face3d.head.whitelist_pickle import read_pickle
from face3d.media.listing import images_in, is_video_name

__all__ = ["HELD_OUT_SHARE", "SHOWN", "find_clips", "named", "split_clips"]

HELD_OUT_SHARE = 0.2
"""Of the speakers (of the clips, where all lie in one folder), in a random split; LRS3's lists hold back as many."""

SHOWN = 5
"""Names that a message gives before it only counts."""


def find_clips(root: Path) -> dict[str, Path]:
    """The clips under a folder by name, in the order of their names; of a video and a folder of one name the folder.

    Raises:
        InputError: there is no such folder, or no clip in it.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder; give the one that holds the clips")
    found: dict[str, Path] = {}
    for path in _clips_in(root):
        place = path.relative_to(root)
        name = (place if path.is_dir() else place.with_suffix("")).as_posix()
        if name not in found or path.is_dir():
            found[name] = path
    if not found:
        raise InputError(f"{root} holds no clip: neither videos nor folders of frames lie in it or in its folders")
    return dict(sorted(found.items()))


def split_clips(clips: Mapping[str, Path], split: str) -> tuple[list[str], list[str]]:
    """Names of clips to learn from, and of those to measure on.

    Args:
        clips: as `find_clips` gives them.
        split: "random", the same for the same speakers; or a file of lists, to learn from, to measure on, and others
            that are passed over: SPECTRE's LRS3_lists.pkl, or JSON of the same form. An entry is a name or begins with
            one; SPECTRE's own begin with one, and those that its script makes are one.

    Raises:
        ArgumentError: `split` is neither "random" nor a file.
        InputError: the file cannot be opened, or lists clips that are not there; the message names some.
        CorruptAssetError: it is none of these.
    """
    if split == "random":
        return _random_split(list(clips))
    path = Path(split)
    if not path.is_file():
        raise ArgumentError(f"--split {split} is neither `random` nor a file, such as LRS3_lists.pkl")
    learned, held_out = _read_lists(path)
    missing = [name for name in (*learned, *held_out) if name not in clips]
    if missing:
        raise InputError(
            f"{path} lists {len(missing)} clips that are not in the data: {named(missing)}; get them, or take them off "
            "the list"
        )
    return learned, held_out


def named(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _clips_in(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.suffix == ".partial":
            continue
        if entry.is_dir():
            if _holds_frames(entry):
                yield entry
            else:
                yield from _clips_in(entry)
        elif is_video_name(entry):
            yield entry


def _holds_frames(folder: Path) -> bool:
    """Whether a folder is a clip; one with images beside videos or folders is none, those are."""
    inner = any(is_video_name(path) or (not path.suffix and path.is_dir()) for path in folder.iterdir())
    return not inner and bool(images_in(folder))


def _random_split(names: Sequence[str]) -> tuple[list[str], list[str]]:
    speakers = sorted({_speaker(name) for name in names})
    units = speakers if len(speakers) > 1 else sorted(names)
    if len(units) < 2:
        return list(names), []
    order = np.random.default_rng(len(units)).permutation(len(units))
    chosen = {units[place] for place in order[: max(1, round(HELD_OUT_SHARE * len(units)))]}
    measured = [name for name in names if (name if len(speakers) == 1 else _speaker(name)) in chosen]
    return [name for name in names if name not in set(measured)], measured


def _speaker(name: str) -> str:
    return name.rpartition("/")[0]


def _read_lists(path: Path) -> tuple[list[str], list[str]]:
    """The first two lists of a file."""
    if path.suffix.lower() == ".json":
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read as JSON ({error})") from error
    else:
        content = read_pickle(path)
    try:
        learned, held_out, *_ = content
        lists = [[_listed_name(entry) for entry in part] for part in (learned, held_out)]
    except (TypeError, ValueError, IndexError, InputError) as error:
        raise CorruptAssetError(
            f"{path} is no list of clips: expected are two or three lists, of names to learn from and to measure on"
        ) from error
    if not lists[0]:
        raise CorruptAssetError(f"{path} lists no clip to learn from")
    return lists[0], lists[1]


def _listed_name(entry: Any) -> str:
    name = entry if isinstance(entry, str) else entry[0]
    if not isinstance(name, str):
        raise TypeError(name)
    path = Path(name)
    return (path.with_suffix("") if is_video_name(path) else path).as_posix()
