"""Encoders by name, features of detected faces, and how alike two are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from face3d import assets
from face3d.errors import ArgumentError, InputError
from face3d.identity import FaceEncoder, encode_faces, encoder_assets, open_encoder, similarity
from face3d.landmarks import MediaPipeDetector


def test_the_default_encoder_opens_from_the_store(stored_mobilefacenet: Path) -> None:
    encoder = open_encoder()
    assert isinstance(encoder, FaceEncoder)
    assert (encoder.name, encoder.features) == ("mobilefacenet", 192)
    (use,) = encoder_assets()
    assert use.sha256 == assets.asset_named("mobilefacenet").sha256
    assert (use.licence, use.commercial) == ("MIT (the package's; the training data is not stated)", "unknown")


def test_there_is_no_other_encoder() -> None:
    with pytest.raises(ArgumentError, match="mobilefacenet"):
        open_encoder("facenet")
    with pytest.raises(ArgumentError, match="mobilefacenet"):
        encoder_assets("facenet")


def test_a_face_is_like_itself_turned_shrunk_and_darkened(
    stored_mobilefacenet: Path, detector: MediaPipeDetector
) -> None:
    image = data.astronaut()
    changed = [np.rot90(image).copy(), image[::2, ::2].copy(), (image * 0.5).astype(np.uint8)]
    encoder = open_encoder()
    first = encode_faces(encoder, image, detector.detect(image))
    assert first.shape == (1, 192)
    for other in changed:
        assert similarity(first, encode_faces(encoder, other, detector.detect(other)))[0, 0] > 0.75


def test_no_faces_have_no_features(stored_mobilefacenet: Path) -> None:
    assert encode_faces(open_encoder(), data.coffee(), []).shape == (0, 192)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.01, 100), count=st.integers(1, 5))
def test_similarity_is_the_cosine(seed: int, scale: float, count: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=(count, 16)), generator.normal(size=(3, 16))
    expected = [[x @ y / np.sqrt((x @ x) * (y @ y)) for y in b] for x in a]
    np.testing.assert_allclose(similarity(a * scale, b), expected, atol=1e-12)
    np.testing.assert_allclose(similarity(a[0], b[0]), expected[0][0], atol=1e-12)
    np.testing.assert_allclose(similarity(b, a).T, expected, atol=1e-12)
    assert similarity(a[0], a[0]) == pytest.approx(1)


def test_features_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(InputError, match=r"192 and of 512"):
        similarity(np.ones(192), np.ones(512))
    with pytest.raises(InputError, match="zero"):
        similarity(np.ones((2, 4)), np.zeros(4))
    with pytest.raises(InputError, match="finite"):
        similarity(np.array([1.0, np.nan]), np.ones(2))
