"""Landmarks of clips that are learned from: read from what `face3d align` wrote, else found once and kept.

What is found of a clip is an npz named as the clip is: `points` (T, 68, 2) in pixels and `frame` (T,) of the person
seen in most frames (of several the largest), in the longest shot; no rows where nobody is. `source` and `detector` say
of what, so that a clip which has changed is done again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from jaxtyping import Float64, Int

from face3d.alignment import MARKER
from face3d.detector_pool import DetectorPool, worker_count
from face3d.errors import Face3DError, InputError, NoFaceError, OutputError
from face3d.evaluate.lip_files import read_landmark_clips
from face3d.expression.mouth_crops import fill_missing
from face3d.landmarks import Detector, DetectorName, FaceTrack, open_detector, track_landmarks
from face3d.landmarks.topologies import convert_points
from face3d.media import write_whole
from face3d.media.video import open_video

__all__ = ["landmark_files", "seen_track"]

LONGEST_GAP = 12
"""Frames without landmarks that are bridged, half a second; at a longer gap the clip is taken for two."""


def landmark_files(
    clips: Mapping[str, Path],
    store: Path,
    *,
    given: Path | None = None,
    detector: DetectorName = "mediapipe",
    device: str = "cpu",
    progress: bool = False,
) -> tuple[dict[str, Path], dict[str, Face3DError]]:
    """A file with the landmarks of each clip, as `seen_track` reads it. Those that are missing are found and stored.

    A run that is stopped goes on with the clips that are left; of several processes the first one does the work while
    the others wait.

    Args:
        clips: where they lie, by name.
        store: folder of the files that face3d makes itself.
        given: results of `face3d align --formats npz`, or a folder with <clip>/landmarks.npz or <clip>.npz.
        detector: finds what is missing.
        device: for detectors that use one.
        progress: draw a bar on stderr.

    Returns:
        The files, and for each clip that has none why.

    Raises:
        InputError: `given` has nothing of any clip.
        OutputError: nothing can be written in `store`.
        AssetError: the detector's model file is missing or damaged.
    """
    files = {} if given is None else _given_files(clips, given)
    if given is not None and not files:
        raise InputError(
            f"{given} has landmarks of none of the {len(clips)} clips; give what `face3d align CLIPS --formats npz "
            "--out` wrote, or a folder with <clip>.npz"
        )
    wanted = {name: path for name, path in clips.items() if name not in files}
    failed: dict[str, Face3DError] = {}
    if wanted:
        try:
            store.mkdir(parents=True, exist_ok=True)
            with FileLock(store / ".lock"):
                failed = _found_and_stored(wanted, store, detector, device, progress)
        except OSError as error:
            raise OutputError(f"{store}: cannot be written ({error.strerror}); choose another folder") from error
    files |= {name: _stored_file(store, name) for name in wanted if name not in failed}
    return files, failed


def seen_track(path: Path) -> tuple[int, Float64[np.ndarray, "T 68 2"]]:
    """The first frame, and the points in that and all later ones, of the longest stretch in which a person is seen.

    Short gaps are filled as SPECTRE fills them, linear in time. Of several people the one that is seen longest is
    taken, and of those the largest.

    Args:
        path: written by `face3d align` or by `landmark_files`.

    Raises:
        InputError: the file cannot be read.
        NoFaceError: nobody is seen.
    """
    if _is_empty(path):
        raise NoFaceError(f"{path}: nobody is seen")
    stretches = [
        stretch
        for person in read_landmark_clips(path)
        for stretch in _stretches(person.frames, person.points[..., :2].astype(np.float64))
    ]
    if not stretches:
        raise NoFaceError(f"{path}: nobody is seen")
    frames, points = max(stretches, key=lambda stretch: (np.ptp(stretch[0]), _size(stretch[1])))
    filled = np.full((int(np.ptp(frames)) + 1, 68, 2), np.nan)
    filled[frames - frames[0]] = points
    return int(frames[0]), fill_missing(filled)


def _stretches(
    frames: Int[np.ndarray, " T"], points: Float64[np.ndarray, "T 68 2"]
) -> Iterator[tuple[Int[np.ndarray, " t"], Float64[np.ndarray, "t 68 2"]]]:
    order = np.argsort(frames, kind="stable")
    breaks = np.flatnonzero(np.diff(frames[order]) > LONGEST_GAP + 1) + 1
    for rows in np.split(order, breaks):
        yield frames[rows], points[rows]


def _size(points: Float64[np.ndarray, "T 68 2"]) -> float:
    """Mean side of the points' box, pixels."""
    return float(np.ptp(points, axis=1).mean())


def _is_empty(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return "points" in archive and not len(archive["points"])
    except Exception as error:  # zipfile, zlib and NumPy each raise something else at a broken file
        raise InputError(f"{path} cannot be read as NumPy arrays ({error})") from error


def _given_files(clips: Mapping[str, Path], given: Path) -> dict[str, Path]:
    """Files of the clips in a folder: by the clips' names, or by what `face3d align` says that they are of."""
    aligned: dict[str, Path] = {}
    for marker in sorted(given.glob(f"*/{MARKER}")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            source = json.loads(marker.read_text(encoding="utf-8"))["file"]["path"]
            aligned[str(source)] = marker.with_name("landmarks.npz")
    files = {}
    for name, path in clips.items():
        places = (given / name / "landmarks.npz", given / f"{name}.npz", aligned.get(str(path.resolve())))
        file = next((place for place in places if place is not None and place.is_file()), None)
        if file is not None:
            files[name] = file
    return files


def _found_and_stored(
    clips: Mapping[str, Path], store: Path, detector: DetectorName, device: str, progress: bool
) -> dict[str, Face3DError]:
    left = [(name, path) for name, path in clips.items() if not _is_stored(_stored_file(store, name), path, detector)]
    failed: dict[str, Face3DError] = {}
    if not left:
        return failed
    from rich.console import Console
    from rich.progress import track

    opening = partial(open_detector, detector, device=device)
    with DetectorPool(opening, worker_count(None, len(left))) as pool:

        def work(item: tuple[str, Path]) -> None:
            name, path = item
            _store(_stored_file(store, name), path, detector, _detect(path, pool.detector(), pool.check))

        for (name, _), result in track(
            pool.in_order(left, work, lambda item: str(item[1])),
            "landmarks",
            len(left),
            console=Console(stderr=True),
            transient=True,
            disable=not progress,
        ):
            if isinstance(result, OutputError):
                raise result
            if isinstance(result, Face3DError):
                failed[name] = result
    return failed


def _detect(path: Path, detector: Detector, check: Callable[[], None]) -> FaceTrack | None:
    with open_video(path) as video:
        tracks = track_landmarks(video, detector, on_frame=lambda _: check())
    if not tracks:
        return None
    return max(tracks, key=lambda track: (int((~track.interpolated).sum()), _size(track.points[..., :2])))


def _store(file: Path, path: Path, detector: str, track: FaceTrack | None) -> None:
    points, frames = np.zeros((0, 68, 2), np.float32), np.zeros(0, np.int64)
    if track is not None:
        seen = ~track.interpolated
        shots, counts = np.unique(track.shots[seen], return_counts=True)
        rows = np.flatnonzero(seen & (track.shots == shots[counts.argmax()]))
        topology = track.example.topology
        found = (convert_points(track.points[row].astype(np.float64), topology, "ibug_68") for row in rows)
        points = np.stack([face[:, :2] for face in found]).astype(np.float32)
        frames = track.frames[rows]
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"points": points, "frame": frames, "topology": np.array("ibug_68"), "detector": np.array(detector)}
    content["source"] = np.array(_identity(path))
    write_whole(file, lambda binary: np.savez(binary, **content))  # type: ignore[arg-type]


def _is_stored(file: Path, path: Path, detector: str) -> bool:
    try:
        with np.load(file, allow_pickle=False) as archive:
            return str(archive["source"]) == _identity(path) and str(archive["detector"]) == detector
    except Exception:  # whatever is wrong with the file, it is made anew
        return False


def _stored_file(store: Path, name: str) -> Path:
    return store / f"{name}.npz"


def _identity(path: Path) -> str:
    """What tells a clip from another, or from itself after a change."""
    status = path.stat()
    return json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns])
