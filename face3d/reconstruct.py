"""The job "photos -> metric head", as the pipeline it is.

    photo -> landmarks and camera -> fit -> measurements -> texture -> files

Each face of each photo becomes a head of its own; with `same_person`, all photos are fitted together and share one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from face3d import assets
from face3d.assets import AssetUse, LicencePolicy
from face3d.camera import Intrinsics, choose_intrinsics
from face3d.errors import ArgumentError, InputError, NoFaceError
from face3d.export.mesh import Unit
from face3d.export.mica import check_mica_head
from face3d.export.result_folder import ResultFolders, ResultNames
from face3d.failures import Failure, Failures
from face3d.fit import FitOptions, Observation, PhotometricFit, fit_landmarks, fit_photometric
from face3d.fit.light import photo_light
from face3d.head import HeadModel, load_head
from face3d.identity import FaceEncoder, SamePersonCheck, encoder_assets
from face3d.identity.person import IdentityNetwork, IdentitySource, check_identity, open_identity
from face3d.identity.same_person import check_same_person, find_person, open_check, tell_others
from face3d.job import check_device, check_meshes, check_pupillary_distance, head_use, measured
from face3d.landmarks import Detector, DetectorName, FaceLandmarks, detector_assets, open_detector
from face3d.measure import CALLIPER
from face3d.media import Photo
from face3d.media.given_image import Image, as_photo, name_of
from face3d.reconstruction import FOLDER_FORMATS, MESH_FORMATS, Reconstruction, write_reconstruction
from face3d.render.texture import PosedPhoto, bake_texture
from face3d.report import ResultIndex, check_pictures

__all__ = ["Failure", "reconstruct"]

LONGEST_DISTANCE = 0.5
"""Metres between any two points of a head."""


@dataclass(frozen=True, slots=True)
class _Sighting:
    """One face in one photo. `number` counts the faces of a photo from 1; None for an only face."""

    photo: Photo
    number: int | None
    landmarks: FaceLandmarks
    intrinsics: Intrinsics
    seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()


def reconstruct(
    images: Sequence[Image],
    *,
    head: str | Path = "open",
    identity: IdentitySource = "auto",
    identity_weight: float | None = None,
    detector: DetectorName = "mediapipe",
    same_person: bool = False,
    same_person_check: SamePersonCheck = "warn",
    pupillary_distance: float | None = None,
    known_distances: Mapping[str, float] | None = None,
    intrinsics: Intrinsics | Sequence[float] | Float[np.ndarray, "3 3"] | None = None,
    fov: float | None = None,
    refine: Literal["none", "photometric"] = "none",
    texture: bool = True,
    delight: bool = False,
    licence: LicencePolicy = "any",
    device: str = "cpu",
    out: str | Path | None = None,
    formats: Sequence[str] = ("obj", "ply", "glb"),
    unit: Unit = "m",
    pictures: Sequence[str] = (),
    on_failure: Callable[[Failure], None] | None = None,
    progress: bool = False,
) -> list[Reconstruction]:
    """Turn photos into metric heads.

    Args:
        images: paths, RGB arrays or `Photo`s.
        head: "open", "flame", "mica" (the FLAME inside of your mica.tar), or the path of a head file.
        identity: "fit" finds the person by fitting the head to landmarks; "regressor" also by what face3d's own network
            foretells of a face that MobileFaceNet has seen (the open head); "mica" takes the person that MICA's network
            sees (FLAME heads, with your mica.tar) and only the rest from landmarks; "auto" is "fit" for now.
        identity_weight: with "mica", lets landmarks change the person: 1 trusts the network as far as its published
            errors say, larger numbers more; None leaves the person exactly as the network sees it.
        detector: what finds the landmarks: "mediapipe" (478 points), "fan" or "dlib" (68, with the user's own weights).
        same_person: fit all photos together, as one person; of each photo the largest face is taken, or where faces
            are compared the one most like the other photos'.
        same_person_check: with `same_person` and several photos, compare their faces (MobileFaceNet): "warn" adds
            warnings where they look like different people, if the file is stored and `licence` allows it; "strict"
            refuses them, fetching the file if need be; "off" does neither.
        pupillary_distance: far pupillary distance in metres, if known; the head gets exactly that size.
        known_distances: metres by name of a straight measurement (`face3d.measure.CALLIPER`); held exactly.
        intrinsics: (fx, fy, cx, cy) or K in pixels, if known.
        fov: field of view in degrees along the image's longer side, if known.
        refine: "photometric" fits the head to the photos' colours as well as to the landmarks.
        texture: paint the head with the photo; with `same_person`, one texture from all photos.
        delight: divide the light that the photo was taken in out of the texture, as far as nine numbers describe it.
        licence: "open" refuses every model file that is not known to allow commercial use.
        device: PyTorch device of the head model and of FAN.
        out: folder to write result folders in; None writes nothing.
        formats: of the mesh files: obj, ply, glb, stl; and mica, the files of MICA's demo (FLAME heads only).
        unit: of mesh files whose format does not fix it.
        pictures: to write beside the overlay and the report; names in `face3d.report.PICTURES`.
        on_failure: called for each input that gives no result while the others go on; without it the first one raises.
        progress: draw a progress bar on stderr.

    Returns:
        One result per face, in the order of the images; with `same_person`, one per photo, sharing their identity.

    Raises:
        ArgumentError: an argument is unusable whatever the images are.
        InputError: an image cannot be used and there is no `on_failure`.
        OutputError: `out` cannot be written.
        AssetError: a model file is missing or damaged.
        LicenceError: `licence` rules out a model file that is needed.
    """
    _check_arguments(images, formats, unit, device, pupillary_distance)
    if refine not in ("none", "photometric"):
        raise ArgumentError(f"refine is none or photometric, not {refine!r}")
    check_identity(identity, identity_weight)
    check_pictures(pictures)
    check_same_person(same_person_check, same_person=same_person)
    folders = None if out is None else ResultFolders(Path(out), marker="reconstruction.json")
    model = load_head(head).to(device)
    if "mica" in formats:
        check_mica_head(model)
    uses = (head_use(head, model), *detector_assets(detector, progress=progress))
    assets.require_licence(uses, licence)
    encoder = open_check(same_person_check, licence, device=device) if same_person and len(images) > 1 else None
    network = open_identity(identity, identity_weight, model, licence=licence, device=device, encoder=encoder)
    uses += () if encoder is None else encoder_assets(encoder.name)
    uses = tuple(dict.fromkeys(uses if network is None else (*uses, *network.assets)))
    options = FitOptions(pupillary_distance=pupillary_distance, known_distances=_ends_of(known_distances or {}))
    failures = Failures(on_failure)
    names = ResultNames()
    index = ResultIndex()
    results: list[Reconstruction] = []
    with open_detector(detector, device=device) as opened:
        largest_only = same_person and encoder is None
        sightings = _sightings(images, opened, intrinsics, fov, failures, largest_only=largest_only, progress=progress)
        for person in _people(sightings, together=same_person):
            with failures.of(person[0].photo.name):
                if encoder is not None:
                    person = _one_person(person, encoder, strict=same_person_check == "strict")
                fitted = _fit_person(model, person, options, network, refine, uses, names)
                for sighting, result in _textured(fitted, delight=delight) if texture else fitted:
                    if folders is not None:
                        result = _written(result, sighting.photo, folders, tuple(formats), unit, tuple(pictures))
                        index.add(result, sighting.photo.pixels)
                    results.append(result)
    if out is not None:
        with failures.of(str(out)):
            index.write(Path(out))
    return results


def _sightings(
    images: Sequence[Image],
    detector: Detector,
    intrinsics: Intrinsics | Sequence[float] | Float[np.ndarray, "3 3"] | None,
    fov: float | None,
    failures: Failures,
    *,
    largest_only: bool,
    progress: bool,
) -> Iterator[_Sighting]:
    """Find the faces of each photo; what cannot be used is reported and passed over."""
    for image in _shown(images, progress):
        with failures.of(name_of(image)):
            start = time.perf_counter()
            photo = as_photo(image)
            camera = choose_intrinsics(photo, intrinsics=intrinsics, fov=fov)
            read = time.perf_counter()
            faces = detector.detect(photo.pixels)
            seconds = {"read": read - start, "detect": time.perf_counter() - read}
            if not faces:
                raise NoFaceError(f"{photo.name}: no face found; give a photo that shows a face from the front or side")
            warnings: tuple[str, ...] = ()
            if largest_only and len(faces) > 1:
                warnings = (f"the photo shows {len(faces)} faces; the largest was taken",)
                faces = [max(faces, key=_area)]
            for number, face in enumerate(faces, start=1):
                yield _Sighting(photo, number if len(faces) > 1 else None, face, camera, seconds, warnings)


def _people(sightings: Iterable[_Sighting], *, together: bool) -> Iterator[list[_Sighting]]:
    if not together:
        yield from ([sighting] for sighting in sightings)
    elif person := list(sightings):
        yield person


def _one_person(faces: list[_Sighting], encoder: FaceEncoder, *, strict: bool) -> list[_Sighting]:
    """Of each photo the face of the person that most photos show; says or refuses where that is not one person."""
    photos: list[list[_Sighting]] = []
    for sighting in faces:
        if sighting.number in (None, 1):
            photos.append([])
        photos[-1].append(sighting)
    choice = find_person(encoder, [(shown[0].photo.pixels, [face.landmarks for face in shown]) for shown in photos])
    warnings = tell_others(choice, [shown[0].photo.name for shown in photos], refuse=strict)
    person = []
    for shown, face in zip(photos, choice.faces, strict=True):
        several = f"the photo shows {len(shown)} faces; number {face + 1} from the left was taken"
        told = (several, *warnings) if len(shown) > 1 else warnings
        person.append(replace(shown[face], number=None, warnings=told))
    return person


def _fit_person(
    model: HeadModel,
    person: list[_Sighting],
    options: FitOptions,
    network: IdentityNetwork | None,
    refine: Literal["none", "photometric"],
    uses: tuple[AssetUse, ...],
    names: ResultNames,
) -> Iterator[tuple[_Sighting, Reconstruction]]:
    """Fit one head to all photos of a person and measure it."""
    start = time.perf_counter()
    observations = [Observation(sighting.landmarks, sighting.intrinsics) for sighting in person]
    colours: PhotometricFit | None = None
    try:
        if network is not None:
            photos, landmarks = zip(*((sighting.photo.pixels, sighting.landmarks) for sighting in person), strict=True)
            options = replace(options, known_identity=network.look_at(photos, landmarks))
        if refine == "photometric":
            colours = fit_photometric(model, observations, [sighting.photo.pixels for sighting in person], options)
        fit = fit_landmarks(model, observations, options) if colours is None else colours.fit
    except InputError as error:
        raise InputError(f"{', '.join(sighting.photo.name for sighting in person)}: {error}") from error
    fitted = time.perf_counter()
    measurements = measured(model, fit.identity, fit.identity_covariance)
    seconds = {"fit": fitted - start, "measure": time.perf_counter() - fitted}
    for index, sighting in enumerate(person):
        stem = sighting.photo.path.stem if sighting.photo.path else "image"
        yield (
            sighting,
            Reconstruction(
                name=names.claim(stem, sighting.number),
                source=sighting.photo.name,
                model=model,
                identity=fit.identity,
                expression=fit.expression[index],
                jaw=fit.jaw[index],
                neck=fit.neck[index],
                eyes=fit.eyes[index],
                camera_from_head=fit.camera_from_head[index],
                intrinsics=fit.intrinsics[index],
                landmarks=sighting.landmarks,
                scale=fit.scale,
                measurements=measurements,
                colours=None if colours is None else colours.of_photo(index),
                residual=float(fit.reprojection_pixels[index].mean() / fit.interocular_pixels[index]),
                assets=uses,
                timings={**sighting.seconds, **seconds},
                warnings=(*sighting.warnings, *fit.warnings, *(network.warnings if network else ())),
            ),
        )


def _textured(
    fitted: Iterable[tuple[_Sighting, Reconstruction]], *, delight: bool
) -> Iterator[tuple[_Sighting, Reconstruction]]:
    """Paint one texture from all photos of a person."""
    seen = list(fitted)
    start = time.perf_counter()
    model = seen[0][1].model
    texture: UInt8[np.ndarray, "S S 3"] | None = None
    warnings: tuple[str, ...] = ()
    if model.uv is None:
        warnings = (f"the head {model.name!r} has no texture coordinates; no texture was made",)
    else:
        photos = [
            PosedPhoto(sighting.photo.pixels, result.posed_in_camera(), result.intrinsics.matrix)
            for sighting, result in seen
        ]
        if delight:
            photos = [replace(photo, light=photo_light(model, photo)) for photo in photos]
        texture = bake_texture(model, photos)
    seconds = time.perf_counter() - start
    for sighting, result in seen:
        timings = {**result.timings, "texture": seconds}
        yield sighting, replace(result, texture=texture, timings=timings, warnings=(*result.warnings, *warnings))


def _written(
    result: Reconstruction,
    photo: Photo,
    folders: ResultFolders,
    formats: tuple[str, ...],
    unit: Unit,
    pictures: tuple[str, ...],
) -> Reconstruction:
    with folders.writing(result.name) as partial:
        write_reconstruction(result, photo.pixels, partial, formats=formats, unit=unit, pictures=pictures)
    return replace(result, folder=folders.path_of(result.name))


def _check_arguments(
    images: Sequence[Image], formats: Sequence[str], unit: Unit, device: str, pupillary_distance: float | None
) -> None:
    if isinstance(images, (str, Path)) or not len(images):
        raise ArgumentError("give a list of one or more photos")
    check_meshes(formats, (*MESH_FORMATS, *FOLDER_FORMATS), unit)
    check_pupillary_distance(pupillary_distance)
    check_device(device)


def _ends_of(known_distances: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Anatomical points that each named distance lies between."""
    for name, distance in known_distances.items():
        if name not in CALLIPER:
            raise ArgumentError(f"no distance is named {name!r}; there are {', '.join(CALLIPER)}")
        if not 0 < distance < LONGEST_DISTANCE:
            raise ArgumentError(f"{name} is {distance:g} m, which no head has; give metres")
    return {(CALLIPER[name].first, CALLIPER[name].second): distance for name, distance in known_distances.items()}


def _shown(images: Sequence[Image], progress: bool) -> Iterable[Image]:
    if not progress:
        return images
    from rich.console import Console
    from rich.progress import track

    return track(images, "reconstructing", console=Console(stderr=True), transient=True)


def _area(face: FaceLandmarks) -> float:
    left, top, right, bottom = (float(value) for value in face.box)
    return (right - left) * (bottom - top)
