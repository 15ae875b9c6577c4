"""Error rates of texts: against an edit distance of our own, and the files they are read from."""

from __future__ import annotations

import builtins
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError, DependencyError, InputError
from face3d.evaluate.transcripts import clip_texts, evaluate_transcripts

words = st.lists(st.sampled_from(["a", "bad", "cab", "dad's"]), max_size=6).map(" ".join)


def edits(truth, guess):
    """Levenshtein's distance by its definition."""

    @cache
    def least(i, j):
        if not i or not j:
            return i + j
        same = least(i - 1, j - 1) + (truth[i - 1] != guess[j - 1])
        return min(same, least(i - 1, j) + 1, least(i, j - 1) + 1)

    return least(len(truth), len(guess))


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.tuples(words.filter(bool), words), min_size=1, max_size=4))
def test_counts_are_edit_distances_and_rates_are_pooled(texts):
    pytest.importorskip("jiwer")
    said = {str(number): truth for number, (truth, _) in enumerate(texts)}
    read = {str(number): guess for number, (_, guess) in enumerate(texts)}
    report = evaluate_transcripts(said, read, visemes=False)
    for name, truth in said.items():
        counts = report.clips[name]
        assert counts["wer"].errors == edits(tuple(truth.split()), tuple(read[name].split()))
        assert counts["wer"].said == len(truth.split())
        assert counts["cer"].errors == edits(truth, read[name])
        assert counts["cer"].said == len(truth)
    pooled = sum(counts["wer"].errors for counts in report.clips.values()) / len(" ".join(said.values()).split())
    assert report.overall["wer"].value == pytest.approx(pooled)
    assert report.overall["wer"].low <= report.overall["wer"].high


def test_words_that_look_alike_are_errors_of_words_and_not_of_visemes():
    pytest.importorskip("jiwer")
    backend = pytest.importorskip("phonemizer.backend")
    if not backend.EspeakBackend.is_available():
        pytest.skip("espeak-ng is not here")
    report = evaluate_transcripts({"a": "my bat", "b": "the van"}, {"a": "my mat", "b": "", "c": "never said"})
    assert report.clips["a"]["wer"].rate == 0.5
    assert report.clips["a"]["vwer"].rate == 0
    assert report.clips["a"]["ver"].rate == 0
    assert report.clips["b"]["ver"].rate == 1
    assert report.clips["b"]["vwer"].said == 2


def test_files_in_both_forms(tmp_path):
    (tmp_path / "said").mkdir()
    (tmp_path / "said" / "a.txt").write_text("Text:  IT\u2019S A \u201cTEST\u201d, NO?\nConf:  4\n")
    (tmp_path / "said" / "b.txt").write_text("two\nlines")
    (tmp_path / "read.tsv").write_text("a\tit's a test no\n\nb\tTwo lines!\n")
    expected = {"a": "it's a test no", "b": "two lines"}
    assert clip_texts(tmp_path / "said") == expected
    assert clip_texts(tmp_path / "read.tsv") == expected
    (tmp_path / "read.tsv").write_text("a it's a test\n")
    with pytest.raises(InputError, match=r"read.tsv is no table"):
        clip_texts(tmp_path / "read.tsv")
    with pytest.raises(ArgumentError, match=r"has no <clip>.txt"):
        clip_texts(tmp_path / "nowhere")
    (tmp_path / "said" / "c.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"c.txt cannot be read as text"):
        clip_texts(tmp_path / "said")


def test_unusable_texts():
    with pytest.raises(InputError, match="no clip has both"):
        evaluate_transcripts({"a": "x"}, {"b": "x"})
    with pytest.raises(InputError, match="a: the reference says nothing"):
        evaluate_transcripts({"a": ""}, {"a": "x"})


def test_without_jiwer_the_message_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "jiwer":
            raise ImportError("No module named 'jiwer'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DependencyError, match=r"pip install 'face3d\[lips\]'"):
        evaluate_transcripts({"a": "x"}, {"a": "x"}, visemes=False)
