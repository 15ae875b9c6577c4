"""Where the NoW benchmark's files lie, and those of a submission to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from face3d.errors import ArgumentError, InputError

__all__ = ["CHALLENGES", "NowImage", "find_prediction", "find_scan", "read_image_list"]

CHALLENGES = ("multiview_neutral", "multiview_expressions", "multiview_occlusions", "selfie")

IMAGE_LISTS = ("imagepathsvalidation.txt", "imagepathstest.txt")
"""Names that the benchmark gives to its lists; the ground truth is public for the first."""


@dataclass(frozen=True, slots=True)
class NowImage:
    """One line of an image list.

    Attributes:
        subject: who is seen.
        challenge: one of `CHALLENGES`, or whatever the list says.
        stem: the file's name without suffix.
    """

    subject: str
    challenge: str
    stem: str

    @property
    def name(self) -> str:
        """subject/challenge/stem."""
        return f"{self.subject}/{self.challenge}/{self.stem}"


def read_image_list(path: Path) -> list[NowImage]:
    """Read lines of `<subject>/<challenge>/<file>.jpg`; for a folder, the benchmark's list in it (validation first).

    Raises:
        InputError: there is no list, or a line of it is something else.
    """
    if path.is_dir():
        found = next((path / name for name in IMAGE_LISTS if (path / name).is_file()), None)
        if found is None:
            raise InputError(f"{path} has no {' or '.join(IMAGE_LISTS)}; name the list of images by --images")
        path = found
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a list of images ({error})") from error
    images = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        parts = PurePosixPath(line).parts
        if len(parts) != 3 or ".." in parts or parts[0] == "/":
            raise InputError(f"{path}, line {number}: {line!r} is not <subject>/<challenge>/<image>")
        images.append(NowImage(parts[0], parts[1], PurePosixPath(parts[2]).stem))
    if not images:
        raise InputError(f"{path} lists no images")
    return images


def find_scan(dataset: Path, subject: str) -> tuple[Path, Path]:
    """The scan and the picked landmarks of a subject, the first by name where there are several.

    Raises:
        InputError: one of them is not there.
    """
    found = []
    for folder, pattern in (("scans", "*.obj"), ("scans_lmks_onlypp", "*.pp")):
        files = sorted((dataset / folder / subject).glob(pattern))
        if not files:
            raise InputError(f"{dataset / folder / subject} holds no {pattern} file; it comes with the NoW scans")
        found.append(files[0])
    return found[0], found[1]


def find_prediction(predictions: Path, image: NowImage) -> tuple[Path, Path] | None:
    """The mesh and the landmarks that a submission has for an image, or None: OBJ before PLY, .npy before .txt.

    Raises:
        InputError: the mesh is there but its landmarks are not.
    """
    folder = predictions / image.subject / image.challenge
    mesh = next((path for suffix in (".obj", ".ply") if (path := folder / f"{image.stem}{suffix}").is_file()), None)
    if mesh is None:
        return None
    marks = next((path for suffix in (".npy", ".txt") if (path := folder / f"{image.stem}{suffix}").is_file()), None)
    if marks is None:
        raise InputError(f"{mesh} has no landmarks beside it; the seven points belong into {image.stem}.npy or .txt")
    return mesh, marks


def check_folders(dataset: Path, predictions: Path) -> None:
    """Raise ArgumentError unless both folders are there and the first one has scans."""
    for path in (dataset, predictions):
        if not path.is_dir():
            raise ArgumentError(f"{path} is no folder; name the NoW data first, then the folder of predictions")
    if not (dataset / "scans").is_dir():
        raise ArgumentError(f"{dataset} has no folder `scans`; it is where the NoW data set's archive was unpacked")
