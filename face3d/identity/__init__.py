"""Who it is: features of a face that tell people apart, and the head shape that they foretell."""

from face3d.identity.arcface import IResNet100, arcface_features, arcface_input, load_arcface
from face3d.identity.mica import MICA_SCALE_SIGMA, MappingNetwork, Mica, mica_for, mica_loss, mica_weights, read_mica

__all__ = [
    "MICA_SCALE_SIGMA",
    "IResNet100",
    "MappingNetwork",
    "Mica",
    "arcface_features",
    "arcface_input",
    "load_arcface",
    "mica_for",
    "mica_loss",
    "mica_weights",
    "read_mica",
]
