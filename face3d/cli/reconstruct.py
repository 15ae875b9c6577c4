"""`face3d reconstruct`: photos become metric heads."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg

from face3d.cli.options import CommonOptions, finish, intrinsics_in, libraries_kept_quiet, names_in
from face3d.errors import ArgumentError

if TYPE_CHECKING:
    from face3d.reconstruct import Failure, Image
    from face3d.reconstruction import Reconstruction

__all__ = ["Reconstruct", "reconstruct_and_report"]

DEFAULT_OUT = Path("face3d-results")


@dataclass(frozen=True, slots=True)
class Reconstruct:
    """Turn photos into metric 3D heads: a folder per face with meshes, parameters, measurements, overlay and report."""

    photos: Positional[Annotated[tuple[Path, ...], arg(metavar="PHOTO...")]]
    """Image files."""
    head: Annotated[str, arg(metavar="open|flame|mica|PATH")] = "open"
    """The head model: the open one that ships, your FLAME, the FLAME inside of your mica.tar, or a head file."""
    identity: Literal["auto", "fit", "regressor", "mica"] = "auto"
    """How the person is found: fit fits the head to the landmarks; regressor also uses what face3d's own network
    foretells of a face that MobileFaceNet has seen (the open head); mica takes what MICA's network sees (FLAME heads,
    with your mica.tar) and only the rest from landmarks; auto is fit for now."""
    identity_weight: Annotated[float | None, arg(metavar="FACTOR")] = None
    """With mica, let landmarks change the person: 1 trusts the network as far as its published errors say."""
    detector: Literal["mediapipe", "fan", "dlib"] = "mediapipe"
    """What finds the landmarks: mediapipe's 478, or 68 by FAN or dlib with your own weights."""
    formats: Annotated[str, arg(metavar="LIST")] = "obj,ply,glb"
    """Mesh files to write, of obj, ply, glb and stl; mica for the files of MICA's demo (FLAME heads only)."""
    unit: Literal["m", "mm"] = "m"
    """Unit of mesh files whose format does not fix it (glb is always metres)."""
    pictures: Annotated[str, arg(metavar="LIST")] = ""
    """More pictures to write, of wireframe, landmarks, turntable, depth, normals and panel."""
    pupillary_distance: Annotated[float | None, arg(metavar="MM")] = None
    """The person's far pupillary distance in millimetres; the head gets exactly that size."""
    known_distance: UseAppendAction[Annotated[tuple[str, ...], arg(metavar="NAME=METRES")]] = ()
    """A straight distance of measurements.json that you measured, such as biocular_width=0.092; may be repeated."""
    intrinsics: Annotated[str | None, arg(metavar="FX,FY,CX,CY")] = None
    """The camera's intrinsics in pixels of the upright image."""
    fov: Annotated[float | None, arg(metavar="DEGREES")] = None
    """The camera's field of view along the longer side of the image."""
    same_person: bool = False
    """All photos show one person: fit them together."""
    same_person_check: Literal["warn", "strict", "off"] = "warn"
    """With --same-person, compare the faces: warn of (where MobileFaceNet is stored) or refuse photos of others."""
    refine: Literal["none", "photometric"] = "none"
    """photometric fits the head to the photo's colours as well (shading, brows, lips): slower, finer shape."""
    texture: bool = True
    """The head is painted with the photo (texture.png, obj and glb; colours in ply). --no-texture leaves it plain."""
    delight: bool = False
    """Divide the light that the photo was taken in out of the texture."""
    licence: Literal["any", "open"] = "any"
    """open refuses every model file that is not known to allow commercial use."""
    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Reconstruct every photo; 1 if any gave no result."""
        return reconstruct_and_report(
            self.photos,
            self.common,
            head=self.head,
            identity=self.identity,
            identity_weight=self.identity_weight,
            detector=self.detector,
            formats=names_in(self.formats),
            unit=self.unit,
            pictures=names_in(self.pictures),
            pupillary_distance=None if self.pupillary_distance is None else self.pupillary_distance / 1000,
            known_distances=dict(_known_distance(text) for text in self.known_distance),
            intrinsics=intrinsics_in(self.intrinsics),
            fov=self.fov,
            same_person=self.same_person,
            same_person_check=self.same_person_check,
            refine=self.refine,
            texture=self.texture,
            delight=self.delight,
            licence=self.licence,
        )


def reconstruct_and_report(images: tuple[Image, ...], common: CommonOptions, **arguments: Any) -> int:
    """Run the job into `--out`, and report each result and each failure.

    Returns:
        0, or 1 if an input gave no result.
    """
    failures: list[Failure] = []

    def report(failure: Failure) -> None:
        failures.append(failure)
        print(f"face3d: {failure.error}", file=sys.stderr)

    out = common.out or DEFAULT_OUT
    with libraries_kept_quiet():
        from face3d.reconstruct import reconstruct

        results = reconstruct(
            images, out=out, device=common.device, on_failure=report, progress=common.shows_progress, **arguments
        )
    document = {
        "results": [_row(result) for result in results],
        "failures": [
            {"source": failure.source, "error": type(failure.error).__name__, "message": str(failure.error)}
            for failure in failures
        ],
    }
    finish(common, document, "\n".join(_line(result) for result in results))
    return 1 if failures else 0


def _row(result: Reconstruction) -> dict[str, Any]:
    return {
        "name": result.name,
        "source": result.source,
        "folder": str(result.folder),
        "measurements": {
            name: {"value": measurement.value, "sigma": measurement.sigma, "standard": measurement.standard}
            for name, measurement in result.measurements.items()
        },
        **{key: value for key, value in result.summary().items() if key not in ("schema_version", "source")},
    }


def _line(result: Reconstruction) -> str:
    parts = [str(result.folder)]
    distance = result.measurements.get("pupillary_distance")
    if distance is not None:
        spread = "" if distance.sigma is None else f" ± {distance.sigma * 1000:.1f}"
        parts.append(f"pupillary distance {distance.value * 1000:.1f}{spread} mm")
    parts += [f"note: {warning}" for warning in result.warnings]
    return "; ".join(parts)


def _known_distance(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise ArgumentError(f"--known-distance is a name and metres, as biocular_width=0.092, not {text!r}") from None
