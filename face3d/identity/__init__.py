"""Whose face it is: features that tell people apart, from aligned crops."""

from __future__ import annotations

from face3d.identity.encoder import FaceEncoder, encode_faces, encoder_assets, open_encoder, similarity
from face3d.identity.same_person import SAME_PERSON, PersonChoice, SamePersonCheck, choose_person

__all__ = [
    "SAME_PERSON",
    "FaceEncoder",
    "PersonChoice",
    "SamePersonCheck",
    "choose_person",
    "encode_faces",
    "encoder_assets",
    "open_encoder",
    "similarity",
]
