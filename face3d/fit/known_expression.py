"""An expression that something else than the landmarks tells, such as SPECTRE, held while poses are fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from face3d.errors import ArgumentError
from face3d.fit.motion_problem import Seen
from face3d.fit.point_model import MOVING_JOINTS

__all__ = ["KnownExpression", "hold_expression"]


@dataclass(frozen=True, slots=True, eq=False)
class KnownExpression:
    """What a face does in T frames.

    Attributes:
        expression: (T, e) the model's first e components; the others are zero.
        jaw: (T, 3) axis-angle.
    """

    expression: Float[ndarray, "T e"]
    jaw: Float[ndarray, "T 3"]

    def __getitem__(self, part: slice) -> KnownExpression:
        return KnownExpression(self.expression[part], self.jaw[part])


def hold_expression(
    seen: Seen, known: KnownExpression, *, expressions: int, unknowns: int, on_lips: Bool[ndarray, " N"]
) -> tuple[Seen, Float[ndarray, "T K 3 3"]]:
    """The same frames with known expressions in place of the prior's, which stay as they are.

    Nothing is said of the lips' landmarks any more: they are where landmarks and such a source differ, and the pose
    must not make up for that.

    Args:
        seen: T frames.
        known: of the same frames.
        expressions: number E of the head's.
        unknowns: number D of a frame's, in the order of expression, jaw, eyes, pose.
        on_lips: which landmarks are.

    Returns:
        The frames, and the turns of `MOVING_JOINTS` to begin with.

    Raises:
        ArgumentError: shapes that do not fit together.
    """
    count = len(seen.times)
    if known.jaw.shape != (count, 3) or len(known.expression) != count or known.expression.shape[1] > expressions:
        raise ArgumentError(
            f"known expressions of {count} frames are ({count}, {expressions} or fewer) and ({count}, 3), "
            f"got {known.expression.shape} and {known.jaw.shape}"
        )
    held = np.zeros(unknowns, bool)
    held[: expressions + 3] = True
    expression = np.zeros((count, expressions))
    expression[:, : known.expression.shape[1]] = known.expression
    turns = np.tile(np.eye(3), (count, len(MOVING_JOINTS), 1, 1))
    turns[:, MOVING_JOINTS.index("jaw")] = Rotation.from_rotvec(known.jaw).as_matrix()
    return replace(seen, expression=expression, confidence=np.where(on_lips, 0.0, seen.confidence), held=held), turns
