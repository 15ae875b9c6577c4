"""How a face moves from one frame to the next, and what it does at all.

Every unknown is a random walk with a step of its own kind: what is at rest is held still, what moves is let go. The
cost of a step is quadratic while small and linear when large (pseudo-Huber, Charbonnier et al. 1994), counted over all
unknowns that move together, so that a lip closure of two frames pays little for being fast and keeps its depth, while
the tremble of a still mouth is averaged over time. Nothing is predicted from the past, so nothing overshoots, and both
directions of time count alike, so nothing lags.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from face3d.fit.motion_evidence import Frames
from face3d.fit.motion_kernels import rotation_vectors

__all__ = ["GROUPS", "MotionPrior", "frame_steps", "turn_vectors"]

GROUPS = ("mouth", "lids", "brows", "cheeks", "gaze", "turn", "place")
"""What moves together: shapes of the mouth and the jaw, of the lids, brows, cheeks and nose, the eyeballs; the head's
rotation and its translation."""

RATES = {
    "mouth": 0.6,
    "lids": 0.8,
    "brows": 0.3,
    "cheeks": 0.3,
    "gaze": 0.6,
    "turn": 0.025,
    "place": 0.006,
}
"""Root mean square step of one unknown at rest in one second (a random walk: half of it in a quarter second), in units
of expression, radians and metres. Found on rendered clips of known heads: little error in motion, and a still face
stays still."""

PREFIXES = {
    "eyeLook": "gaze",
    "eye": "lids",
    "brow": "brows",
    "cheek": "cheeks",
    "nose": "cheeks",
}
"""Which shapes belong where by the begin of their ARKit names; all others are the mouth's."""


@dataclass(frozen=True, slots=True, eq=False)
class MotionPrior:
    """Random walks of D unknowns in groups.

    Attributes:
        group: (D,) number in `GROUPS` of each unknown.
        rate: (D,) root mean square step in a second at rest.
    """

    group: Int[ndarray, " D"]
    rate: Float[ndarray, " D"]

    @staticmethod
    def of(expression_names: tuple[str, ...], units: float, turning: tuple[int, ...], smoothness: float) -> MotionPrior:
        """The prior of a head.

        Args:
            expression_names: of its shapes.
            units: what counts as a full expression: 1 for shapes in [0, 1], some standard deviations for components.
            turning: numbers of the free joints, 0 the jaw.
            smoothness: factor on the time over which a face at rest is averaged.
        """
        kinds = [
            next((kind for start, kind in PREFIXES.items() if name.startswith(start)), "mouth")
            for name in expression_names
        ]
        rates = [RATES[kind] * units for kind in kinds]
        for joint in turning:
            kinds += ["gaze" if joint else "mouth"] * 3
            rates += [RATES["gaze" if joint else "mouth"]] * 3
        kinds += ["turn"] * 3 + ["place"] * 3
        rates += [RATES["turn"]] * 3 + [RATES["place"]] * 3
        return MotionPrior(np.array([GROUPS.index(kind) for kind in kinds]), np.array(rates) / max(smoothness, 1e-6))

    def ties(
        self, steps: Float[ndarray, "S D"], seconds: Float[ndarray, " S"], joined: Float[ndarray, " S"]
    ) -> Float[ndarray, "S D"]:
        """Precisions of the steps between frames: those of the quadratic that touches their cost where they are.

        Args:
            steps: from each frame to the next.
            seconds: between them.
            joined: 1, or 0 between shots.
        """
        precision = 1 / (self.rate**2 * seconds[:, None])
        member = (self.group[:, None] == np.arange(len(GROUPS))).astype(np.float64)
        squared = (steps**2 * precision) @ member / np.maximum(member.sum(axis=0), 1)
        weight = 1 / np.sqrt(1 + squared)
        return precision * weight[:, self.group] * joined[:, None]


def frame_steps(frames: Frames, turning: tuple[int, ...]) -> Float[ndarray, "S D"]:
    """From each frame to the next: differences of expression and translation, rotation vectors of the turns between."""
    turns = frames.turns[:, list(turning)]
    between = turns[1:] @ turns[:-1].transpose(0, 1, 3, 2)
    rotation = frames.rotation[1:] @ frames.rotation[:-1].transpose(0, 2, 1)
    count = len(rotation)
    return np.concatenate(
        [
            np.diff(frames.expression, axis=0),
            turn_vectors(between).reshape(count, 3 * len(turning)),
            turn_vectors(rotation),
            np.diff(frames.translation, axis=0),
        ],
        axis=1,
    )


def turn_vectors(matrices: Float[ndarray, "*S 3 3"]) -> Float[ndarray, "*S 3"]:
    """Rotation vectors of rotation matrices."""
    vectors = np.empty(matrices.shape[:-1])
    rotation_vectors(np.ascontiguousarray(matrices).reshape(-1, 3, 3), vectors.reshape(-1, 3))
    return vectors
