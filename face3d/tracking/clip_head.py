"""The stage "faces of a person -> one head and one camera for the clip"."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias, cast, get_args

import numpy as np
from jaxtyping import Float, UInt8

from face3d.camera import Intrinsics
from face3d.camera.intrinsics import Source
from face3d.errors import InputError
from face3d.fit import FitOptions, Observation, Scale
from face3d.fit.clip_colours import fit_clip_colours
from face3d.fit.clip_identity import FrameChooser, fit_clip
from face3d.fit.motion_pixels import ClipColours
from face3d.fit.scale import ScaleSource
from face3d.head import HeadModel
from face3d.identity.person import IdentityNetwork
from face3d.tracking.looks import usual_side
from face3d.tracking.stored_faces import PersonTimeline, StoredFaces
from face3d.tracking.work_folder import WorkFolder

__all__ = ["ClipHead", "find_heads"]


Photos: TypeAlias = Callable[[PersonTimeline, Sequence[int]], Sequence[UInt8[np.ndarray, "H W 3"]]]

_COLOURS = "colours_"

SIGHTINGS_AT_ONCE = 64
"""That are weighed in one go."""

LOOKS_OF_PERSON = 16
"""Pictures of a person that a network is shown."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipHead:
    """A person's head and the clip's camera, as `ClipFit` tells them, and the skin's colours if they were looked at."""

    identity: Float[np.ndarray, " I"]
    identity_covariance: Float[np.ndarray, "I I"]
    intrinsics: Intrinsics
    errors: Float[np.ndarray, " R"]
    scale: Scale
    warnings: tuple[str, ...]
    colours: ClipColours | None = None


def find_heads(
    work: WorkFolder,
    stored: StoredFaces,
    people: Sequence[PersonTimeline],
    model: HeadModel,
    camera: Intrinsics,
    options: FitOptions,
    network: IdentityNetwork | None,
    photos: Photos | None = None,
) -> tuple[list[tuple[PersonTimeline, ClipHead]], tuple[str, ...]]:
    """Fit every person's head; the camera is the one that the person who is seen most tells.

    What no head explains was no face, and is left out if there are others.

    Args:
        work: keeps what was found.
        stored: the clip's faces.
        people: whose heads.
        model: the head model.
        camera: what is known of the clip's camera.
        options: of the fit.
        network: sees the identity; None finds it by the landmarks.
        photos: gives whole pictures at places of a timeline, for a fit to their colours too; None leaves that out.

    Returns:
        The people with their heads, in the same order, and what was left out.

    Raises:
        InputError: no head can have made anybody's landmarks.
    """
    failures: list[InputError] = []
    heads: dict[int, ClipHead] = {}
    for index in sorted(range(len(people)), key=lambda index: -int(people[index].valid.sum())):
        name = f"head_{index:06d}"
        found = _load(work, name)
        if found is None:
            try:
                found = _find_head(stored, people[index], model, camera, options, network, photos)
            except InputError as error:
                failures.append(error)
                continue
            _keep(work, name, found)
        heads[index] = found
        camera = replace(found.intrinsics, focal_sigma=0.0)
    if not heads:
        raise failures[0]
    told = tuple(f"{error}; it was left out" for error in failures)
    return [(people[index], heads[index]) for index in sorted(heads)], told


def _find_head(
    stored: StoredFaces,
    timeline: PersonTimeline,
    model: HeadModel,
    camera: Intrinsics,
    options: FitOptions,
    network: IdentityNetwork | None,
    photos: Photos | None,
) -> ClipHead:
    chooser = FrameChooser(model)
    sightings = ((int(timeline.frames[place]), face, sharp) for place, face, sharp in stored.faces(timeline))
    while some := list(itertools.islice(sightings, SIGHTINGS_AT_ONCE)):
        chooser.add_all(some)
    warnings: tuple[str, ...] = ()
    if network is not None:
        side = usual_side(frame.landmarks for frame in chooser.chosen)
        if side < network.smallest_face:
            warnings = (
                f"a face of {side:.0f} pixels is too small for the identity's network (under "
                f"{network.smallest_face:.0f}); the head is fitted to its landmarks alone",
            )
        else:
            options = replace(options, known_identity=network.look_at_crops(_best_looks(stored, timeline)))
    observations = [Observation(frame.landmarks, camera) for frame in chooser.chosen]
    colours = None
    try:
        if photos is None:
            fit = fit_clip(model, observations, options)
        else:
            places = np.searchsorted(timeline.frames, [frame.number for frame in chooser.chosen])
            fit, colours = fit_clip_colours(model, observations, photos(timeline, places.tolist()), options)
    except InputError as error:
        first = timeline.frames[0]
        raise InputError(f"the face first seen in frame {first}: {error}") from error
    told = warnings + fit.warnings
    return ClipHead(fit.identity, fit.identity_covariance, fit.intrinsics, fit.errors, fit.scale, told, colours)


def _best_looks(stored: StoredFaces, timeline: PersonTimeline) -> list[UInt8[np.ndarray, "112 112 3"]]:
    """A person's best pictures over the clip, in the order in which they come."""
    rows, worths = stored.looks()
    own = np.flatnonzero(np.isin(rows, timeline.rows))
    best = np.sort(own[np.argsort(-worths[own], kind="stable")[:LOOKS_OF_PERSON]])
    return [stored.look(int(row)) for row in rows[best]]


def _keep(work: WorkFolder, name: str, head: ClipHead) -> None:
    camera, scale = head.intrinsics, head.scale
    arrays = {
        "identity": head.identity,
        "identity_covariance": head.identity_covariance,
        "errors": head.errors,
        "camera_matrix": camera.matrix,
        "image_size": np.array(camera.image_size),
        "focal_sigma": np.array(camera.focal_sigma),
        "camera_source": np.array(camera.source),
        "scale": np.array([scale.value, scale.sigma]),
        "source_names": np.array([source.name for source in scale.sources], dtype=str),
        "sources": np.array([[source.value, source.sigma] for source in scale.sources]).reshape(-1, 2),
        "warnings": np.array(head.warnings, dtype=str),
    }
    if head.colours is not None:
        arrays |= {_COLOURS + name: np.asarray(value) for name, value in asdict(head.colours).items()}
    work.keep(name, arrays)


def _load(work: WorkFolder, name: str) -> ClipHead | None:
    arrays = work.arrays(name)
    if arrays is None:
        return None
    width, height = arrays["image_size"].tolist()
    source = str(arrays["camera_source"])
    assert source in get_args(Source)
    camera = Intrinsics(arrays["camera_matrix"], (width, height), float(arrays["focal_sigma"]), cast("Source", source))
    sources = tuple(
        ScaleSource(name, *values)
        for name, values in zip(arrays["source_names"].tolist(), arrays["sources"].tolist(), strict=True)
    )
    colours: dict[str, Any] = {
        name.removeprefix(_COLOURS): value if value.ndim else float(value)
        for name, value in arrays.items()
        if name.startswith(_COLOURS)
    }
    return ClipHead(
        identity=arrays["identity"],
        identity_covariance=arrays["identity_covariance"],
        intrinsics=camera,
        errors=arrays["errors"],
        scale=Scale(float(arrays["scale"][0]), float(arrays["scale"][1]), sources),
        warnings=tuple(arrays["warnings"].tolist()),
        colours=ClipColours(**colours) if colours else None,
    )
