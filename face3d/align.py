"""The job "photos, folders and videos -> landmarks": found, followed through videos, written in many formats.

    file -> frames -> landmarks of each person -> smoothing -> files

Each file is done by one of several threads, so that the reading, detection and writing of different files overlap.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from jaxtyping import UInt8

from face3d import assets
from face3d.alignment import MARKER, OWN_FILES, AlignedFile, Results, check_formats
from face3d.assets import LicencePolicy
from face3d.detector_pool import DetectorPool, worker_count
from face3d.errors import ArgumentError, Face3DError, InputError, OutputError
from face3d.export.result_folder import ResultFolders, ResultNames, remove_left_over
from face3d.failures import Failure, Failures
from face3d.landmarks import Detector, DetectorName, FaceLandmarks, detector_assets, open_detector
from face3d.landmarks.crop_choice import crops_named
from face3d.landmarks.detector import Sighting
from face3d.landmarks.recognition import OpenRecognition
from face3d.landmarks.smoothing import OneEuro
from face3d.landmarks.video import FaceTrack, track_landmarks
from face3d.media import Photo, read_image
from face3d.media.given_image import Image, as_photo, name_of
from face3d.media.listing import is_video_name, media_in
from face3d.media.video import VideoFrame, open_video
from face3d.progress import bar
from face3d.recognition import recognition_at_hand

__all__ = ["VideoPart", "align", "align_to_folder"]


@dataclass(frozen=True, slots=True)
class VideoPart:
    """Which frames of each video are read, and how its landmarks are smoothed.

    Attributes:
        start: seconds.
        end: seconds; None for the whole video.
        every: every n-th frame.
        smoothing: how strongly, in hertz and interocular distances.
    """

    start: float = 0.0
    end: float | None = None
    every: int = 1
    smoothing: OneEuro = field(default_factory=OneEuro)

    def __post_init__(self) -> None:
        if not self.start >= 0 or (self.end is not None and not self.end > self.start) or self.every < 1:
            raise ArgumentError(
                f"a video is read from start 0 or later to a later end, every 1st frame or fewer; got {self.start} to "
                f"{self.end}, every {self.every}"
            )


def align(
    images: Sequence[Image],
    *,
    detector: DetectorName = "mediapipe",
    video: VideoPart | None = None,
    licence: LicencePolicy = "any",
    device: str = "cpu",
    workers: int | None = None,
    on_failure: Callable[[Failure], None] | None = None,
    progress: bool = False,
) -> list[FaceLandmarks]:
    """Find the landmarks of every face in photos, folders of them, and videos.

    Where MobileFaceNet's file is stored and `licence` allows it, people in videos are known again by it.

    Args:
        images: paths of photos, videos or folders, RGB arrays, or `Photo`s.
        detector: what finds the landmarks.
        video: which part of videos, and how to smooth.
        licence: "open" refuses model files that are not known to allow commercial use.
        device: PyTorch device, for detectors that use one.
        workers: files at once; by default as many as there are cores.
        on_failure: called for each input that gives no result while the others go on; without it the first one raises.
        progress: draw a progress bar on stderr.

    Returns:
        Photo by photo the faces from left to right, none for a photo without; video by video person after person, and
        of each one entry per frame. `sighting` tells which is which, and holds the smoothed points of videos.

    Raises:
        ArgumentError: an argument is unusable whatever the images are.
        InputError: an input cannot be used and there is no `on_failure`.
        AssetError: a model file is missing or damaged.
        LicenceError: `licence` rules out a model file that is needed.
    """
    if isinstance(images, (str, Path)) or not len(images):
        raise ArgumentError("give a list of one or more photos, folders or videos")
    part = video or VideoPart()
    assets.require_licence(detector_assets(detector, progress=progress), licence)
    opening = partial(open_detector, detector, device=device)
    recognition = recognition_at_hand(licence, device=device)
    failures = Failures(on_failure)
    items = list(_expanded(images, failures))
    found: list[FaceLandmarks] = []
    with (
        DetectorPool(opening, worker_count(workers, len(items))) as pool,
        bar(progress, "aligning", len(items)) as advance,
    ):

        def work(item: Image) -> list[FaceLandmarks]:
            if isinstance(item, (str, Path)) and is_video_name(Path(item)):
                follow = None if recognition is None else recognition.open
                tracks, _, _ = _read_video(Path(item), pool.detector(), part, pool.check, follow)
                return [face for track in tracks for face in track.faces(str(item))]
            return _read_photo(as_photo(item), pool.detector())

        for item, faces in pool.in_order(items, work, name_of):
            advance(1)
            with failures.of(name_of(item)):
                found += _or_raise(faces)
    return found


def align_to_folder(
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    formats: Sequence[str] = ("json",),
    crops: Sequence[str] = (),
    detector: DetectorName = "mediapipe",
    video: VideoPart | None = None,
    licence: LicencePolicy = "any",
    device: str = "cpu",
    workers: int | None = None,
    on_failure: Callable[[Failure], None],
    progress: bool = False,
) -> Iterator[AlignedFile]:
    """Align files into one folder each under `out`, as `align` finds their landmarks.

    A folder appears complete or not at all. What an earlier run with the same settings has completed is left as it is,
    also when that run was killed; a file that has changed since is done again.

    Args:
        inputs: photos, videos, and folders, of which all photos and videos are taken.
        out: made if it is absent.
        formats: of the landmarks, of json, csv, npz and pts.
        crops: to write of each face, as `face3d.landmarks.crop_choice.crops_named` takes them.
        on_failure: called for each file that gives no result; the others go on.

    Yields:
        What was done, in the order of the inputs. Memory does not grow with their number.

    Raises:
        ArgumentError, AssetError, LicenceError: as `align`.
        OutputError: nothing can be written in `out`, or another run is writing there.
    """
    if isinstance(inputs, (str, Path)) or not len(inputs):
        raise ArgumentError("give one or more photos, folders or videos")
    check_formats(formats)
    part, cutters = video or VideoPart(), crops_named(crops)
    uses = detector_assets(detector, progress=progress)
    assets.require_licence(uses, licence)
    settings = {
        "detector": detector,
        "formats": sorted(set(formats)),
        "crops": sorted({name for name, _ in cutters}),
        "video": asdict(part),
    }
    recognition = recognition_at_hand(licence, device=device)
    results = Results(
        ResultFolders(Path(out), marker=MARKER),
        tuple(formats),
        tuple(cutters),
        settings,
        [asdict(use) for use in uses],
        None if recognition is None else asdict(recognition.use),
    )
    follow = None if recognition is None else recognition.open
    opening = partial(open_detector, detector, device=device)
    failures, names = Failures(on_failure), ResultNames()
    with _only_run(Path(out)):
        remove_left_over(Path(out), OWN_FILES)
        files = list(_files_of(inputs, failures, Path(out)))
        named = ((file, results.claim_name(file, names)) for file in files)
        with (
            DetectorPool(opening, worker_count(workers, len(files))) as pool,
            bar(progress, "aligning", len(files)) as advance,
        ):

            def work(item: tuple[Path, str]) -> AlignedFile:
                return results.earlier(*item) or _align_file(*item, results, pool, part, follow)

            for (file, _), result in pool.in_order(named, work, lambda item: str(item[0])):
                advance(1)
                with failures.of(str(file)):
                    if isinstance(result, Face3DError):
                        raise result
                if isinstance(result, AlignedFile):
                    yield result


def _align_file(
    file: Path, name: str, results: Results, pool: DetectorPool, part: VideoPart, recognition: OpenRecognition | None
) -> AlignedFile:
    """Find the landmarks of one file and write its folder."""
    if is_video_name(file):
        tracks, frames, warnings = _read_video(file, pool.detector(), part, pool.check, recognition)

        def faces() -> Iterator[FaceLandmarks]:
            return (face for track in tracks for face in track.faces(str(file)))

        def images() -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"]]]:
            with open_video(file, start=part.start, end=part.end, every=part.every) as video:
                for frame in video:
                    pool.check()
                    yield frame.index, frame.pixels

        return results.write_video(name, file, faces, images, people=len(tracks), frames=frames, warnings=warnings)
    photo = read_image(file)
    return results.write_photo(name, file, _read_photo(photo, pool.detector()), photo.pixels)


def _read_photo(photo: Photo, detector: Detector) -> list[FaceLandmarks]:
    return [
        replace(face, sighting=Sighting(source=photo.name, person=number))
        for number, face in enumerate(detector.detect(photo.pixels), start=1)
    ]


def _read_video(
    file: Path,
    detector: Detector,
    part: VideoPart,
    check: Callable[[], None],
    recognition: OpenRecognition | None,
) -> tuple[list[FaceTrack], int, list[str]]:
    """The tracks of a video, how many frames were read, and what was wrong with it."""
    read = 0

    def count(frame: VideoFrame) -> None:
        nonlocal read
        read += 1
        check()

    with open_video(file, start=part.start, end=part.end, every=part.every) as video:
        tracks = track_landmarks(video, detector, smoothing=part.smoothing, on_frame=count, recognition=recognition)
    if not read:
        raise InputError(f"{file}: ends before {part.start:g} s; choose an earlier start")
    return tracks, read, video.warnings


def _or_raise(faces: list[FaceLandmarks] | Face3DError) -> list[FaceLandmarks]:
    if isinstance(faces, Face3DError):
        raise faces
    return faces


def _expanded(images: Sequence[Image], failures: Failures) -> Iterator[Image]:
    """The items themselves, and for folders what lies in them."""
    for image in images:
        if isinstance(image, (str, Path)) and Path(image).is_dir():
            yield from _files_of([image], failures, None)
        else:
            yield image


def _files_of(inputs: Sequence[str | Path], failures: Failures, out: Path | None) -> Iterator[Path]:
    """The files, and of folders the photos and videos in them; results of this job that lie within are no photos."""
    results = None if out is None else out.resolve()
    for given in inputs:
        path = Path(given)
        if not path.is_dir():
            yield path
            continue
        with failures.of(str(path)):
            found = [file for file in media_in(path) if results is None or results not in file.resolve().parents]
            if not found:
                raise InputError(f"{path}: holds no photo or video; name another folder")
            yield from found


@contextlib.contextmanager
def _only_run(out: Path) -> Iterator[None]:
    """Lock the results, so that two runs do not take each other's half-written folders for left over.

    Raises:
        OutputError: another run holds the lock.
    """
    lock = FileLock(out / ".align.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(f"{out}: another `face3d align` is writing there; choose another --out") from error
    try:
        yield
    finally:
        lock.release()
