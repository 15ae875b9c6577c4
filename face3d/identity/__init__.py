"""Whose face it is: features that tell people apart, from aligned crops."""

from __future__ import annotations

from face3d.identity.encoder import FaceEncoder, encode_face, encoder_assets, open_encoder, similarity

__all__ = [
    "FaceEncoder",
    "encode_face",
    "encoder_assets",
    "open_encoder",
    "similarity",
]
