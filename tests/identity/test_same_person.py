"""Who is the same person: by made-up features, and on real photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import face3d
from face3d.cli import main
from face3d.errors import ArgumentError, InputError, LicenceError
from face3d.identity import SAME_PERSON, choose_person, encode_faces, open_encoder, similarity
from face3d.identity.same_person import find_person, open_check, tell_others
from face3d.landmarks import MediaPipeDetector
from face3d.media import read_image
from face3d.reconstruct import Failure

PEOPLE = np.linalg.qr(np.random.default_rng(5).normal(size=(64, 12)))[0].T
"""Features of twelve people who are nothing like each other."""

ONE_MAN = ("obama.jpg", "obama2.jpg", "obama3.jpg", "obama_partial_face.jpg", "obama_partial_face2.jpg")
STRANGERS = ("biden.jpg", "t1.jpg", "multi_face.jpg", "single_face.jpg", "45-m7-di-ph.jpg")


def seen(person: int, seed: int) -> np.ndarray:
    """One sight of a person: similarity to another sight of about 0.8."""
    return PEOPLE[person] + np.random.default_rng(seed).normal(size=64) * 0.5 / 8


@settings(max_examples=40, deadline=None)
@given(data=st.data(), photos=st.integers(2, 5))
def test_the_person_in_every_photo_is_found_among_strangers(data: st.DataObject, photos: int) -> None:
    features, sizes, places = [], [], []
    for photo in range(photos):
        strangers = data.draw(st.integers(0, 2))
        place = data.draw(st.integers(0, strangers))
        rows = [seen(1 + 2 * photo + number, 100 * photo + number) for number in range(strangers)]
        rows.insert(place, seen(0, 1000 + photo))
        features.append(np.stack(rows))
        sizes.append(np.array(data.draw(st.lists(st.floats(1, 100), min_size=len(rows), max_size=len(rows)))))
        places.append(place)
    choice = choose_person(features, sizes)
    assert choice.faces == tuple(places)
    assert choice.others == ()
    assert min(choice.similarities) > SAME_PERSON


def test_of_a_couple_the_larger_is_taken() -> None:
    features = [np.stack([seen(0, 1), seen(1, 2)]), np.stack([seen(1, 3), seen(0, 4)])]
    assert choose_person(features, [np.array([1.0, 4.0]), np.array([3.0, 3.5])]).faces == (1, 0)
    assert choose_person(features, [np.array([4.0, 1.0]), np.array([3.5, 3.0])]).faces == (0, 1)


def test_the_stranger_is_named_wherever_the_photo_lies() -> None:
    for place in range(3):
        features = [seen(0, 1)[None], seen(0, 2)[None]]
        features.insert(place, np.stack([seen(1, 3), seen(2, 4)]))
        sizes = [np.ones(len(rows)) for rows in features]
        sizes[place] = np.array([1.0, 2.0])
        choice = choose_person(features, sizes)
        assert choice.others == (place,)
        assert choice.faces[place] == 1
        names = ["a.jpg", "b.jpg", "c.jpg"]
        (told,) = tell_others(choice, names)
        assert told.startswith(names[place])
        assert f"similarity {choice.similarities[place]:.2f}" in told
        with pytest.raises(InputError, match=f"{names[place]}.*similarity"):
            tell_others(choice, names, refuse=True)


def test_two_strangers_are_told_once() -> None:
    choice = choose_person([seen(0, 1)[None], seen(1, 2)[None]], [np.ones(1), np.ones(1)])
    assert len(choice.others) == 1


def test_one_photo_has_nobody_to_be_compared_with() -> None:
    choice = choose_person([np.stack([seen(0, 1), seen(1, 2)])], [np.array([1.0, 2.0])])
    assert choice.faces == (1,)
    assert choice.others == ()


def test_the_threshold_parts_real_people(
    stored_mobilefacenet: Path, package_photos: dict[str, Path], detector: MediaPipeDetector
) -> None:
    """The numbers that stand beside the threshold."""
    encoder = open_encoder()

    def features(name: str) -> np.ndarray:
        image = read_image(package_photos[name]).pixels
        return encode_faces(encoder, image, detector.detect(image))

    man = np.concatenate([features(name) for name in ONE_MAN])
    strangers = np.concatenate([features(name) for name in STRANGERS])
    assert (len(man), len(strangers)) == (5, 14)
    assert similarity(man, man).min() > 0.7
    assert similarity(man, strangers).max() < 0.35
    among = similarity(strangers, strangers)[np.triu_indices(len(strangers), 1)]
    assert (among >= SAME_PERSON).sum() <= 2
    assert among.max() < 0.62


def test_a_man_beside_a_larger_stranger_is_found(
    stored_mobilefacenet: Path, package_photos: dict[str, Path], detector: MediaPipeDetector
) -> None:
    """A photo of two: the stranger's face twice as large, the man to their right."""
    first, second, stranger = (
        read_image(package_photos[name]).pixels for name in ("obama.jpg", "obama3.jpg", "biden.jpg")
    )
    face = second[200:700, 500:1000]
    larger = np.repeat(np.repeat(stranger[150:650, 350:800], 2, axis=0), 2, axis=1)
    both = np.zeros((1000, 1400, 3), np.uint8)
    both[: larger.shape[0], : larger.shape[1]] = larger
    both[250:750, 900:1400] = face
    shown = [detector.detect(image) for image in (first, both)]
    assert [len(faces) for faces in shown] == [1, 2]
    choice = find_person(open_encoder(), [(first, shown[0]), (both, shown[1])])
    assert choice.faces == (0, 1)
    assert choice.others == ()


def test_warnings_do_without_a_file_that_is_not_there() -> None:
    assert open_check("warn", "any") is None
    assert open_check("off", "any") is None


def test_a_stored_file_is_used_as_the_licence_allows(stored_mobilefacenet: Path) -> None:
    assert open_check("warn", "any") is not None
    assert open_check("off", "any") is None
    assert open_check("warn", "open") is None
    with pytest.raises(LicenceError, match="mobilefacenet"):
        open_check("strict", "open")


def test_reconstruct_warns_of_a_stranger_and_refuses_one_when_strict(
    stored_mobilefacenet: Path, package_photos: dict[str, Path]
) -> None:
    photos = [package_photos[name] for name in ("obama2.jpg", "biden.jpg", "obama.jpg")]
    heads = face3d.reconstruct(photos, same_person=True, texture=False)
    assert [head.name for head in heads] == ["obama2", "biden", "obama"]
    for head in heads:
        (warning,) = head.warnings
        assert "biden.jpg: this does not look like the person" in warning
        assert [use.name for use in head.assets] == ["open_head", "mediapipe", "mobilefacenet"]
    failures: list[Failure] = []
    arguments: dict[str, Any] = {"same_person": True, "same_person_check": "strict", "texture": False}
    assert face3d.reconstruct(photos, on_failure=failures.append, **arguments) == []
    assert "biden.jpg" in str(failures[0].error)
    one, other = face3d.reconstruct([photos[0], photos[2]], **arguments)
    assert one.warnings == other.warnings == ()
    with pytest.raises(LicenceError, match="mobilefacenet"):
        face3d.reconstruct(photos, licence="open", **arguments)


def test_reconstruct_takes_one_persons_face_from_a_group(
    stored_mobilefacenet: Path, package_photos: dict[str, Path]
) -> None:
    """Without the check, or with a licence that leaves it out, the largest face is taken as before."""
    group = read_image(package_photos["t1.jpg"]).pixels
    alone = group[120:320, 230:430]  # the second from the left, whose face is among the smaller ones
    ways: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"same_person_check": "off"}, False),
        ({"licence": "open"}, False),
    ]
    for arguments, compared in ways:
        first, _ = face3d.reconstruct([group, alone], same_person=True, texture=False, **arguments)
        (warning,) = first.warnings
        assert ("number 2 from the left" if compared else "6 faces; the largest") in warning
        assert ("mobilefacenet" in [use.name for use in first.assets]) is compared
        assert (abs(first.landmarks.box[[0, 2]].mean() - 325) < 55) == compared


def test_a_check_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ArgumentError, match="warn, strict, off"):
        face3d.reconstruct(["a.jpg", "b.jpg"], same_person=True, same_person_check="maybe")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="--same-person"):
        face3d.reconstruct(["a.jpg", "b.jpg"], same_person_check="strict")


def test_the_command_line_refuses_strangers(
    stored_mobilefacenet: Path,
    package_photos: dict[str, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    photos = [str(package_photos[name]) for name in ("obama.jpg", "biden.jpg")]
    asked = ["--same-person", "--same-person-check", "strict", "--no-texture", "--json", "--out", str(tmp_path / "out")]
    assert main(["reconstruct", *photos, *asked]) == 1
    report = json.loads(capfd.readouterr().out)
    assert report["results"] == []
    (failure,) = report["failures"]
    assert "biden.jpg" in failure["message"]
    assert "similarity -0." in failure["message"]
