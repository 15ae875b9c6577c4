"""What a lip-reading network reads off clips, beside what was said: error rates of words, characters and visemes.

The network is the user's: it reads the rendered mouth, or the filmed one for comparison, and leaves a text per clip.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face3d.errors import ArgumentError, DependencyError, InputError
from face3d.evaluate.statistics import Interval, bootstrap_ratio
from face3d.evaluate.visemes import viseme_text

__all__ = ["ErrorCount", "TextReport", "clip_texts", "evaluate_transcripts"]

RATES = ("cer", "wer", "ver", "vwer")
"""Of characters, words, visemes and words of visemes, as SPECTRE reports them."""


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """Wrong, missing and additional units of a clip, over those that were said."""

    errors: int
    said: int

    @property
    def rate(self) -> float:
        """Above 1 if more is added than was said."""
        return self.errors / self.said


@dataclass(frozen=True, slots=True)
class TextReport:
    """Error counts by clip and rate; overall rates are errors of all clips over all that was said."""

    clips: Mapping[str, Mapping[str, ErrorCount]]
    overall: Mapping[str, Interval]
    missing: Sequence[str]


def clip_texts(folder: Path) -> dict[str, str]:
    """The text of each `<clip>.txt` in a folder, or of a table's lines `<clip><tab><text>`, normalised.

    Lower case, letters, digits and apostrophes only. A first line that begins with `Text:`, as in LRS3's files, is what
    was said; what follows it there is not read.

    Raises:
        ArgumentError: there is no such folder or table, or nothing in it.
        InputError: a file cannot be read.
    """
    if folder.is_file():
        rows = [line.split("\t", 1) for line in _read(folder).splitlines() if line.strip()]
        if any(len(row) != 2 for row in rows):
            raise InputError(f"{folder} is no table of lines <clip><tab><text>")
        found = {name.strip(): _normalised(text) for name, text in rows}
    else:
        found = {path.stem: _normalised(_spoken(_read(path))) for path in sorted(folder.glob("*.txt"))}
    if not found:
        raise ArgumentError(f"{folder} has no <clip>.txt in it")
    return found


def evaluate_transcripts(said: Mapping[str, str], read: Mapping[str, str], *, visemes: bool = True) -> TextReport:
    """Error rates of what was read, per clip and overall.

    Args:
        said: text by clip, as `clip_texts` gives it.
        read: likewise; a clip that is missing here counts nowhere and is named.
        visemes: also count in visemes, which needs phonemizer and espeak-ng.

    Raises:
        DependencyError: jiwer, or what visemes need, is not installed.
        InputError: a clip's text of what was said is empty, or no clip has both texts.
    """
    names = [name for name in said if name in read]
    if not names:
        raise InputError("no clip has both a transcript and a reference; their names must be the same")
    for name in names:
        if not said[name]:
            raise InputError(f"{name}: the reference says nothing")
    forms = {("cer", "wer"): ([said[name] for name in names], [read[name] for name in names])}
    if visemes:
        forms["ver", "vwer"] = viseme_text(forms["cer", "wer"][0]), viseme_text(forms["cer", "wer"][1])
    clips: dict[str, dict[str, ErrorCount]] = {name: {} for name in names}
    for (by_sign, by_word), texts in forms.items():
        for name, truth, guess in zip(names, *texts, strict=True):
            clips[name] |= {by_sign: _count(list(truth), list(guess)), by_word: _count(truth.split(), guess.split())}
    overall = {rate: _pooled([counts[rate] for counts in clips.values()]) for rate in RATES if rate in clips[names[0]]}
    return TextReport(clips, overall, [name for name in said if name not in read])


def _count(truth: list[str], guess: list[str]) -> ErrorCount:
    try:
        import jiwer
    except ImportError as error:
        raise DependencyError(f"error rates need jiwer ({error}); run `pip install 'face3d[lips]'`") from error
    # Spaces are signs like others; with words in between them, jiwer counts any units.
    signs = {sign: f"u{place}" for place, sign in enumerate(dict.fromkeys([*truth, *guess]))}
    found = jiwer.process_words(" ".join(signs[sign] for sign in truth), " ".join(signs[sign] for sign in guess))
    return ErrorCount(found.substitutions + found.deletions + found.insertions, len(truth))


def _pooled(counts: Sequence[ErrorCount]) -> Interval:
    errors, said = (np.array([getattr(count, name) for count in counts], dtype=float) for name in ("errors", "said"))
    return bootstrap_ratio(errors, said)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text ({error})") from error


def _spoken(text: str) -> str:
    first = text.lstrip().splitlines()[0] if text.strip() else ""
    return first.split(":", 1)[1] if first.lower().startswith("text:") else text


def _normalised(text: str) -> str:
    return " ".join(re.sub(r"[^\w']|_", " ", text.lower().replace("\u2019", "'")).split())
