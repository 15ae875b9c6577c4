"""What the detector's expression curves tell of a frame's expression, before its landmarks are looked at.

How high a brow is one picture hardly tells, as brows differ; how far it moves in a clip is another matter. A detector
judges every person by a scale and a zero of its own, and the zero, which is most of what a map measured over many
people is wrong by, stays the same for one person throughout a clip. So some frames of a clip are fitted as if each were
a photo, which gives the level of each expression, and then all of them by how their curves change.

Dimension letters beside the usual: C curves, F features of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from face3d.fit.evidence import DetectorResponse, curve_features

__all__ = ["CurveChanges", "CurvePrior"]

FREE_EXPRESSION_SIGMA = 0.3
"""Of a shape in [0, 1] of which no curve tells."""

TOLD_BY_CHANGES = ("brow", "eye", "cheek", "nose")
"""Begin of the names of shapes that follow changes. A mouth's contours are read from the picture and tell it better:
with the mouth's shapes too, the lips' opening on a drawn clip was off by 1.40 instead of 1.24 mm."""


@dataclass(frozen=True, slots=True, eq=False)
class CurveChanges:
    """How expressions of a person follow the curves.

    Attributes:
        shapes: (E,) of which this is known.
        slopes: (E, F) by features of the curves; 0 for the others.
        covariance: (E, E) of what is missed.
    """

    shapes: Bool[ndarray, " E"]
    slopes: Float[ndarray, "E F"]
    covariance: Float[ndarray, "E E"]


@dataclass(frozen=True, slots=True, eq=False)
class CurvePrior:
    """Normal distribution of the expression of a frame. Build it with `CurvePrior.of`.

    Attributes:
        level: (E,) mean where all features are 0.
        slopes: (E, F) by which the `curve_features` raise it; None where there are no curves, or nobody measured them.
        precision: (E, E) inverse covariance about the mean.
        changes: of a person whose level is known; None where nobody measured them.
    """

    level: Float[ndarray, " E"]
    slopes: Float[ndarray, "E F"] | None
    precision: Float[ndarray, "E E"]
    changes: CurveChanges | None = None

    @staticmethod
    def of(
        response: DetectorResponse, names: tuple[str, ...], curve_names: tuple[str, ...], *, bounded: bool
    ) -> CurvePrior:
        """Of somebody of whom nothing is known.

        Args:
            response: of the detector.
            names: of the head's expressions.
            curve_names: of the detector's curves, in their order; empty when it has none.
            bounded: whether expressions are shapes in [0, 1].
        """
        sigma, count = response.expression_sigma, len(names)
        if response.expression_map is None or not curve_names:
            if bounded:
                sigma = np.maximum(sigma, FREE_EXPRESSION_SIGMA)
            return CurvePrior(np.zeros(count), None, np.diag(sigma**-2.0))
        columns = np.array([names.index(name) for name in curve_names])
        slopes, level = response.expression_map[:, columns], response.expression_map[:, -1]
        changes = None
        if response.change_map is not None and response.change_covariance is not None:
            shapes = np.array([name.startswith(TOLD_BY_CHANGES) for name in names])
            both = np.concatenate([columns, len(names) + columns])
            changes = CurveChanges(shapes, response.change_map[:, both], response.change_covariance)
        # A map over many people knows the curves themselves alone.
        return CurvePrior(level, np.concatenate([slopes, np.zeros_like(slopes)], axis=1), np.diag(sigma**-2.0), changes)

    def mean(self, curves: Float[ndarray, "T C"] | None, count: int) -> Float[ndarray, "T E"]:
        """Of `count` frames' expressions; 0 where nothing is told of a frame."""
        if self.slopes is None or curves is None:
            return np.zeros((count, len(self.level)))
        expected = curve_features(curves) @ self.slopes.T + self.level
        return np.where(np.isfinite(expected), expected, 0.0)

    def of_person(self, curves: Float[ndarray, "T C"], expression: Float[ndarray, "T E"]) -> CurvePrior:
        """The same for a person of whom some frames' expressions are known as well as photos tell them."""
        if self.changes is None or self.slopes is None:
            return self
        given = np.isfinite(curves).all(axis=1)
        if not given.any():
            return self
        curves, expression, shapes = curves[given], expression[given], self.changes.shapes
        slopes = np.where(shapes[:, None], self.changes.slopes, self.slopes)
        level = expression.mean(axis=0) - slopes @ curve_features(curves).mean(axis=0)
        precision, told = self.precision.copy(), np.ix_(shapes, shapes)
        precision[told] = np.linalg.inv(self.changes.covariance[told])
        return replace(self, level=np.where(shapes, level, self.level), slopes=slopes, precision=precision)
