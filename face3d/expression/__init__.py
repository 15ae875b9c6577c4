"""What a face does: expressions over time, and the curves that other programs know them by."""

from face3d.expression.arkit import arkit_curves

__all__ = ["arkit_curves"]
