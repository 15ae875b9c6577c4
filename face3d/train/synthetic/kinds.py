"""What surfaces there are to draw, and the classes that a segmentation tells apart."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ATTRIBUTES", "CLASSES", "ClothValues", "EyeValues", "HairValues", "LensValues", "SkinValues"]

SKIN, LEFT_EYE, RIGHT_EYE, MOUTH, TEETH, CLOTH, FRAME, HAIR, SHELL, LENS, MASK = range(11)
"""Kinds of surface, per triangle."""

ATTRIBUTES = 12
"""Per vertex: normal (3, camera frame), light that reaches it relative to an open surface (RGB), place on the map (2,
coarse texels, or strand coordinates in metres), colour (linear RGB; for eyes the place about the eye's centre, gaze
+z), strength of highlights (on skin the share of lashes)."""

CLASSES = ("background", "skin", "lips", "mouth_interior", "eye", "brow", "hair", "glasses", "cloth", "other")
"""What the values of a segmentation mean. Eyes behind clear lenses are eyes, behind dark ones glasses."""
BACKGROUND_CLASS, SKIN_CLASS, LIPS_CLASS, MOUTH_CLASS, EYE_CLASS = range(5)
BROW_CLASS, HAIR_CLASS, GLASSES_CLASS, CLOTH_CLASS, OTHER_CLASS = range(5, 10)

RGB = tuple[float, float, float]


class SkinValues(NamedTuple):
    """Of a look, what lighting its skin needs; see `look.Skin` and `look.Eyes`. `bump`: slope per unit of relief."""

    bump: float
    gloss: float
    roughness: float
    lashes: float
    brow: RGB
    beard: RGB


class EyeValues(NamedTuple):
    """Of a look, what its eyes need; see `look.Eyes`."""

    iris_radius: float
    pupil_radius: float
    ring: float
    veins: float
    phase: float
    rays: float
    sclera: RGB
    iris: RGB
    centre: RGB


class ClothValues(NamedTuple):
    """The garment: two colours, height of the collar below the neck, stripes per metre; and the skin above it."""

    main: RGB
    second: RGB
    collar: float
    stripes: float
    throat: RGB
    throat_gloss: float


class HairValues(NamedTuple):
    """Hair or headwear; see `hair.Hair`. `ragged`: unevenness of its edge, metres; `is_cloth`: 1 for headwear."""

    colour: RGB
    strands: float
    curl: float
    ragged: float
    edge: float
    is_cloth: float


class LensValues(NamedTuple):
    """Lenses; see `glasses.Glasses`."""

    tint: float
    colour: RGB
    reflection: float
