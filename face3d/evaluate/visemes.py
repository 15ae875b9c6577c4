"""Text as what lips show of it: words to phones by espeak-ng, phones to visemes by a published table."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from face3d.errors import DependencyError, InputError

__all__ = ["PHONES", "viseme_text"]

PHONES = {
    "A": ("ɔ", "ɒ", "ʌ", "ɐ", "ɑ", "a", "ɜ", "ɝ", "ɚ", "ɔɪ", "aʊ", "h", "ʔ"),
    "O": ("u", "ʊ", "oʊ", "o", "əʊ"),
    "E": ("æ", "ɛ", "e", "eɪ", "aɪ"),
    "I": ("ɪ", "i", "ə", "ᵻ", "y", "ø", "œ"),
    "L": ("l", "ɫ", "ɹ", "r", "j"),
    "S": ("s", "z"),
    "T": ("t", "d", "n", "ɾ"),
    "C": ("ʃ", "ʒ", "tʃ", "dʒ"),
    "P": ("p", "b", "m"),
    "D": ("θ", "ð"),
    "F": ("f", "v"),
    "K": ("ŋ", "k", "ɡ", "g", "w", "x", "ɬ", "ʍ"),
}
"""Twelve visemes by a letter each, and the phones that look like it.

The classes are those of Neti et al., "Audio-Visual Speech Recognition" (Johns Hopkins Workshop 2000, final report), as
in Potamianos et al., Proceedings of the IEEE 91(9), 2003: four of vowels by how lips are rounded, then alveolar
semivowels, alveolar fricatives, other alveolars, palato-alveolars, bilabials, dentals, labiodentals, velars. Their
phones are ARPABET's; here they are in espeak-ng's IPA, and the few sounds that ARPABET lacks (loan words, glottal stop)
stand with the nearest.
"""

_VISEMES = {phone: viseme for viseme, phones in PHONES.items() for phone in phones}
_LONGEST = max(map(len, _VISEMES))

_SILENT = frozenset("ːˑˈˌʰʲ")
"""Marks of length, stress and the like, which lips do not show; nor do they show those over and under letters."""


def viseme_text(texts: Sequence[str], *, language: str = "en-us") -> list[str]:
    """Texts as words of viseme letters.

    Args:
        texts: of plain words.
        language: of espeak-ng; the table is made for English.

    Raises:
        DependencyError: phonemizer or espeak-ng is not installed.
        InputError: a word has a sound that the table does not know.
    """
    return [" ".join(_visemes_of(word) for word in text.split()) for text in _phonemes(texts, language)]


def _phonemes(texts: Sequence[str], language: str) -> list[str]:
    try:
        from phonemizer.backend import EspeakBackend
        from phonemizer.separator import Separator
    except ImportError as error:
        raise DependencyError(
            f"viseme error rates need phonemizer ({error}); run `pip install 'face3d[lips]'`, or leave them out "
            "with --no-visemes"
        ) from error
    if not EspeakBackend.is_available():
        raise DependencyError(
            "viseme error rates need the program espeak-ng; run `sudo apt-get install -y espeak-ng`, or leave them out "
            "with --no-visemes"
        )
    backend = EspeakBackend(language, with_stress=False, language_switch="remove-flags")
    # It leaves empty texts out.
    spoken = iter(
        backend.phonemize([text for text in texts if text], separator=Separator(phone="-", word=" "), strip=True)
    )
    return [next(spoken) if text else "" for text in texts]


def _visemes_of(word: str) -> str:
    """The visemes of a word, its phones in IPA with dashes between them."""
    return "".join(viseme for phone in word.split("-") for viseme in _visemes_of_phone(phone))


def _visemes_of_phone(phone: str) -> list[str]:
    """One viseme for most; of what espeak-ng counts as one, a vowel and an r, the longest known part comes first."""
    rest = "".join(sign for sign in phone if sign not in _SILENT and not unicodedata.combining(sign))
    visemes = []
    while rest:
        known = next((rest[:length] for length in range(_LONGEST, 0, -1) if rest[:length] in _VISEMES), None)
        if known is None:
            raise InputError(f"the sound {phone!r} has no viseme in face3d's table, which is of English")
        visemes.append(_VISEMES[known])
        rest = rest[len(known) :]
    return visemes
