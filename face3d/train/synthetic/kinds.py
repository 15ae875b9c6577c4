"""What surfaces there are to draw, and the classes that a segmentation tells apart."""

from __future__ import annotations

__all__ = ["ATTRIBUTES", "CLASSES"]

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
