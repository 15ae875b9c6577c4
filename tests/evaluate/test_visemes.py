"""Visemes: what looks alike is the same, every sound of English has one, and what is missing is named."""

from __future__ import annotations

import builtins

import pytest

from face3d.errors import DependencyError, InputError
from face3d.evaluate import visemes
from face3d.evaluate.visemes import PHONES, viseme_text


@pytest.fixture
def espeak():
    backend = pytest.importorskip("phonemizer.backend")
    if not backend.EspeakBackend.is_available():
        pytest.skip("espeak-ng is not here")


@pytest.mark.usefixtures("espeak")
def test_words_that_look_alike_are_the_same():
    for alike in (("pat", "bat", "mat"), ("fan", "van"), ("sue", "zoo"), ("church", "judge shirt")):
        found = viseme_text([text.split()[0] for text in alike])
        assert len(set(found)) == 1, found
    different = viseme_text(["pan", "fan", "tan", "can", "than", "shan"])
    assert len(set(different)) == 6


@pytest.mark.usefixtures("espeak")
def test_every_sound_of_english_has_a_viseme():
    text = (
        "the quick brown fox jumps over lazy dogs she sells sea shells by the shore thought father measure church "
        "judge singing young water button little bottle fire hour player royal poor cure beer air car four north bird "
        "comma roses loch uh-huh cat cot caught cut coat goose foot azure rhythm mountain kitten beauty idea quiet "
        "lion hurry jalapeno bonjour naive genre schadenfreude 42"
    )
    (found,) = viseme_text([text])
    assert set(found) <= set(PHONES) | {" "}
    assert set(found) == set(PHONES) | {" "}


@pytest.mark.usefixtures("espeak")
def test_texts_without_words_keep_their_place():
    first, empty, last = viseme_text(["pop", "", "mom"])
    assert empty == ""
    assert first == last


def test_no_phone_is_in_two_classes():
    phones = [phone for each in PHONES.values() for phone in each]
    assert len(phones) == len(set(phones))


def test_a_sound_that_the_table_lacks_is_named(monkeypatch):
    monkeypatch.setattr(visemes, "_phonemes", lambda texts, language: ["b-ʀ-a"])
    with pytest.raises(InputError, match="the sound 'ʀ' has no viseme"):
        viseme_text(["bra"])


def test_without_phonemizer_or_espeak_the_message_says_how_to_get_them(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("phonemizer"):
            raise ImportError("No module named 'phonemizer'")
        return real(name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", refuse)
        with pytest.raises(DependencyError, match=r"pip install 'face3d\[lips\]'.*--no-visemes"):
            viseme_text(["a"])
    backend = pytest.importorskip("phonemizer.backend")
    monkeypatch.setattr(backend.EspeakBackend, "is_available", classmethod(lambda cls: False))
    with pytest.raises(DependencyError, match="apt-get install -y espeak-ng.*--no-visemes"):
        viseme_text(["a"])
