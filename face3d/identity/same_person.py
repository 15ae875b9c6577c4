"""Whether photos show one person, and which of their faces is that person's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, UInt8

from face3d import assets
from face3d.assets import LicencePolicy
from face3d.errors import ArgumentError, InputError
from face3d.identity.encoder import FaceEncoder, encode_faces, encoder_assets, open_encoder, similarity
from face3d.landmarks import FaceLandmarks

__all__ = [
    "DIFFERENT_PEOPLE",
    "SAME_PERSON",
    "PersonChoice",
    "SamePersonCheck",
    "check_same_person",
    "choose_person",
    "find_person",
    "open_check",
    "tell_others",
]

SamePersonCheck = Literal["warn", "strict", "off"]

SAME_PERSON = 0.5
"""MobileFaceNet's similarity from which on two faces count as one person's.

Measured on the photos of PyPI packages that the tests use, cropped by MediaPipe's points: one man in five photos, two
with half of the face cut off, 0.72 to 0.94 (10 pairs); 21 different people -0.27 to 0.58, of 210 pairs two above 0.5.
Not higher, although that would part these photos without an error, as that one man always faces the camera.
"""

DIFFERENT_PEOPLE = 0.3
"""MobileFaceNet's similarity below which two faces count as two people's although place or looks speak for one.

One person in one video, in 28 frames spread over it, is 0.81 or more in a talk, 0.65 in an amateur's clip and 0.36
where the head turns far away (six clips); of the 210 pairs of people above one in twenty-five exceeds 0.3.
"""


@dataclass(frozen=True, slots=True)
class PersonChoice:
    """The person that most photos show.

    Attributes:
        faces: for each photo, which of its faces is taken: the person's, or the largest where none looks like them.
        similarities: of that face to the person's in the other photos, on average; 1 where no other photo shows them.
    """

    faces: tuple[int, ...]
    similarities: tuple[float, ...]

    @property
    def others(self) -> tuple[int, ...]:
        """The photos whose face does not look like the person's."""
        return tuple(photo for photo, alike in enumerate(self.similarities) if alike < SAME_PERSON)


def choose_person(
    features: Sequence[Float[np.ndarray, "N D"]], sizes: Sequence[Float[np.ndarray, " N"]]
) -> PersonChoice:
    """Find the person that most photos show and their face in each.

    Of people that equally many photos show, the one whose faces are largest beside the others of the same photo.

    Args:
        features: for each photo, those of its faces, one or more.
        sizes: for each photo, the areas of its faces in any unit.
    """
    photos = range(len(features))
    alike = [[similarity(ours, theirs) for theirs in features] for ours in features]
    prominence = [np.asarray(areas, dtype=np.float64) / np.max(areas) for areas in sizes]
    best = (-1, -1.0)
    faces: tuple[int, ...] = ()
    members: list[int] = []
    for photo in photos:
        for face in range(len(features[photo])):
            closest = [int(alike[photo][other][face].argmax()) for other in photos]
            closest[photo] = face
            shown = [other for other in photos if alike[photo][other][face, closest[other]] >= SAME_PERSON]
            support = (len(shown), float(sum(prominence[other][closest[other]] for other in shown)))
            if support > best:
                best, members = support, shown
                faces = tuple(closest[p] if p in shown else int(prominence[p].argmax()) for p in photos)
    similarities = []
    for photo in photos:
        to_others = [alike[photo][other][faces[photo], faces[other]] for other in members if other != photo]
        similarities.append(float(np.mean(to_others)) if to_others else 1.0)
    return PersonChoice(faces, tuple(similarities))


def find_person(
    encoder: FaceEncoder, photos: Sequence[tuple[UInt8[np.ndarray, "H W 3"], Sequence[FaceLandmarks]]]
) -> PersonChoice:
    """As `choose_person`, from RGB images and the faces that a landmark detector found in each, one or more.

    Raises:
        ArgumentError: there is no way from these landmarks to the five points of a crop.
        InputError: a face's points are not finite.
    """
    boxes = [np.array([face.box for face in faces], dtype=np.float64) for _, faces in photos]
    return choose_person(
        [encode_faces(encoder, image, faces) for image, faces in photos],
        [(box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) for box in boxes],
    )


def tell_others(choice: PersonChoice, names: Sequence[str], *, refuse: bool = False) -> tuple[str, ...]:
    """What to tell of each photo that seems to show another person, with the similarity.

    Args:
        choice: of the photos.
        names: of the photos, in the same order.
        refuse: raise it instead.

    Raises:
        InputError: `refuse`, and there is such a photo.
    """
    told = tuple(
        f"{names[photo]}: this does not look like the person in the other photos (similarity "
        f"{choice.similarities[photo]:.2f}, at least {SAME_PERSON} expected)"
        for photo in choice.others
    )
    if told and refuse:
        raise InputError(f"{'; '.join(told)}; leave out photos of others, or say --same-person-check warn")
    return told


def check_same_person(check: SamePersonCheck, *, same_person: bool) -> None:
    """Refuse a check that there is not, and a strict one of photos that are not taken for one person's.

    Raises:
        ArgumentError: names the value.
    """
    if check not in get_args(SamePersonCheck):
        raise ArgumentError(f"same_person_check is {', '.join(get_args(SamePersonCheck))}, not {check!r}")
    if check == "strict" and not same_person:
        raise ArgumentError("same_person_check strict (--same-person-check strict) needs same_person (--same-person)")


def open_check(check: SamePersonCheck, licence: LicencePolicy, *, device: str = "cpu") -> FaceEncoder | None:
    """The encoder that a check of photos uses, if any.

    "strict" needs one: it fetches the file where it is absent and fails where `licence` rules it out. "warn" does
    without in both cases, as nobody asked for it. "off" takes none.

    Raises:
        AssetError: the file is damaged, or "strict" cannot have it.
        LicenceError: "strict", and `licence` rules the file out.
    """
    if check == "off" or (check == "warn" and assets.use_at_hand("mobilefacenet", licence) is None):
        return None
    assets.require_licence(encoder_assets(), licence)
    return open_encoder(device=device)
