"""Chunk plans: SPECTRE's own, and what must hold of any."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError, InputError
from face3d.expression import chunk_plan
from tests.head.golden import GOLDEN

PLANS = json.loads((GOLDEN / "spectre" / "chunk_plan.json").read_text())


@pytest.mark.parametrize(("kind", "length", "padding"), [("demo", 50, 4), ("eval", 50, 0), ("small_L20_eval", 20, 0)])
def test_plans_are_spectres(kind, length, padding):
    for frames, plan in PLANS[kind].items():
        if plan is None:
            with pytest.raises(InputError, match=f"a clip of {frames} frames is too short"):
                chunk_plan(int(frames), length)
            continue
        chunks = [
            (chunk["start"], chunk["end_inclusive"] + 1, chunk["keep_start"], chunk["keep_end_inclusive"] + 1)
            for chunk in plan["chunks"]
        ]
        ours = chunk_plan(int(frames) + padding, length)
        assert [(chunk.start, chunk.end, chunk.keep_start, chunk.keep_end) for chunk in ours] == chunks


@settings(max_examples=200, deadline=None)
@given(frames=st.integers(5, 400), length=st.integers(5, 60), half=st.integers(2, 8))
def test_every_frame_is_kept_once_and_has_its_context(frames, length, half):
    overlap = 2 * half
    if length <= overlap:
        with pytest.raises(ArgumentError, match="cannot be made"):
            chunk_plan(frames, length, overlap)
        return
    chunks = chunk_plan(frames, length, overlap)
    kept = [frame for chunk in chunks for frame in range(chunk.keep_start, chunk.keep_end)]
    assert kept == list(range(frames))
    for chunk in chunks:
        assert 5 <= chunk.end - chunk.start <= length
        assert chunk.start <= max(chunk.keep_start - 2, 0)
        assert chunk.end >= min(chunk.keep_end + 2, frames)


@pytest.mark.parametrize(("length", "overlap"), [(50, 2), (50, 5), (4, 4)])
def test_chunks_that_would_change_results_are_refused(length, overlap):
    with pytest.raises(ArgumentError, match="cannot be made"):
        chunk_plan(100, length, overlap)
