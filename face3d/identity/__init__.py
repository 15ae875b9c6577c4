"""Whose face it is: features that tell people apart, from aligned crops, and the head shape that they foretell."""

from __future__ import annotations

from face3d.identity.arcface import IResNet100, arcface_features, arcface_input, load_arcface
from face3d.identity.arcface_folded import fold_arcface
from face3d.identity.encoder import FaceEncoder, encode_faces, encoder_assets, open_encoder, similarity
from face3d.identity.mica import MICA_SCALE_SIGMA, MappingNetwork, Mica, mica_for, mica_loss, mica_weights, read_mica
from face3d.identity.same_person import SAME_PERSON, PersonChoice, SamePersonCheck, choose_person

__all__ = [
    "MICA_SCALE_SIGMA",
    "SAME_PERSON",
    "FaceEncoder",
    "IResNet100",
    "MappingNetwork",
    "Mica",
    "PersonChoice",
    "SamePersonCheck",
    "arcface_features",
    "arcface_input",
    "choose_person",
    "encode_faces",
    "encoder_assets",
    "fold_arcface",
    "load_arcface",
    "mica_for",
    "mica_loss",
    "mica_weights",
    "open_encoder",
    "read_mica",
    "similarity",
]
