"""Distance between a fitted and a true head over the face, as the NoW benchmark measures it."""

from __future__ import annotations

import numpy as np
from embed_landmarks import _outer_skin
from jaxtyping import Float
from numpy import ndarray

from face3d.evaluate.now import crop_scan, scan_error
from face3d.evaluate.scan_file import METRES, Scan
from face3d.head import HeadModel


class FaceDistance:
    """Distances of a true face's points to a predicted surface, after rigid alignment on the face (NoW's protocol).

    What a scanner would not see of the true head is left out: eyeballs, mouth and all else inside.
    """

    def __init__(self, model: HeadModel) -> None:
        triangles = model.triangles.numpy()
        self._skin = triangles[_outer_skin(model)]
        self._seen = np.zeros(len(model.template), bool)
        self._seen[np.unique(self._skin)] = True
        for name in ("left_eyeball", "right_eyeball"):
            self._seen[model.regions[name].numpy()] = False
        points = model.point_sets["now_7"]
        self._corners = triangles[points.triangles.numpy()]
        self._barycentric = points.barycentric.numpy()

    def __call__(
        self, predicted: Float[ndarray, "V 3"], truth: Float[ndarray, "V 3"], *, scaled: bool
    ) -> Float[ndarray, " P"]:
        """Return the distances, metres; `scaled` lets the alignment change the size (NoW's non-metrical)."""
        landmarks = self._landmarks(truth) / METRES["mm"]
        face = crop_scan(truth[self._seen] / METRES["mm"], landmarks).vertices
        surface, marks = Scan(predicted, self._skin), self._landmarks(predicted)
        return scan_error(face, landmarks, surface, marks, metrical=not scaled).distances * METRES["mm"]

    def _landmarks(self, vertices: Float[ndarray, "V 3"]) -> Float[ndarray, "7 3"]:
        return np.einsum("nk,nkx->nx", self._barycentric, vertices[self._corners])
