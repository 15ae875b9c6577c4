"""Dimensions of many head shapes at once, by the same code that measures a fitted head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from anny_source import SKIN_AND_TONGUE
from eyeballs import CORNEA_APEX, ENTRANCE_PUPIL
from jaxtyping import Float, Int
from norms import NORMS
from torch import Tensor

from face3d.head.arrays import PointArrays
from face3d.measure import dimensions_from_points, pupillary_distance

__all__ = ["DimensionReader", "split_state", "to_state"]

_MILLIMETRES = 1000.0


def to_state(vertices: Float[np.ndarray, "B V 3"], eyes: Float[np.ndarray, "B 2 3"]) -> Float[np.ndarray, "B S"]:
    """One row per head: skin and tongue, then the eyeballs' centres."""
    return np.concatenate([vertices.reshape(len(vertices), -1), eyes.reshape(len(eyes), -1)], axis=1)


def split_state(state: Float[np.ndarray, "B S"]) -> tuple[Float[np.ndarray, "B V 3"], Float[np.ndarray, "B 2 3"]]:
    """The inverse of `to_state`."""
    return state[:, :-6].reshape(len(state), -1, 3), state[:, -6:].reshape(-1, 2, 3)


@dataclass(frozen=True, slots=True, eq=False)
class DimensionReader:
    """Reads the survey's dimensions and those of `NORMS` off head shapes.

    Attributes:
        anatomy: anatomical points, pupils included.
        sections: tape sections by point set.
        triangles: of the whole head.
    """

    anatomy: PointArrays
    sections: dict[str, PointArrays]
    triangles: Int[np.ndarray, "F 3"]

    def __call__(self, state: Float[np.ndarray, "B S"]) -> dict[str, Float[np.ndarray, " B"]]:
        """Dimensions in mm by name."""
        vertices, eyes = split_state(state)
        points = self._all_points(vertices, eyes)
        return {name: value.numpy() for name, value in self.from_points(torch.from_numpy(points)).items()}

    @property
    def on_skin(self) -> list[int]:
        """Which anatomical points lie on the skin; the pupils go with the eyeballs."""
        assert self.anatomy.labels is not None
        return [k for k, label in enumerate(self.anatomy.labels) if not label.startswith("pupil")]

    def from_points(self, points: Float[Tensor, "B N 3"]) -> dict[str, Float[Tensor, " B"]]:
        """Dimensions in mm from the points they depend on: anatomical, of the sections in turn, eyeball centres."""
        assert self.anatomy.labels is not None
        at = {self.anatomy.labels[k]: points[:, n] for n, k in enumerate(self.on_skin)}
        start = len(at)
        taped = {}
        for name, section in self.sections.items():
            taped[name] = points[:, start : start + len(section)]
            start += len(section)
        eyes = points[:, start:]
        for side, name in enumerate(("left", "right")):
            at[f"pupil_{name}"] = eyes[:, side] + torch.tensor([0, 0, ENTRANCE_PUPIL], dtype=points.dtype)
        lengths = dimensions_from_points(at, taped)
        lengths["pupillary_distance"] = pupillary_distance(at["pupil_left"], at["pupil_right"])
        for name in ("palpebral_fissure_length", "palpebral_fissure_height", "ear_length", "ear_breadth"):
            lengths[name] = 0.5 * (lengths[f"{name}_left"] + lengths[f"{name}_right"])
        lengths |= _profile(at, eyes)
        assert set(NORMS) <= set(lengths), set(NORMS) - set(lengths)
        return {name: value * _MILLIMETRES for name, value in lengths.items()}

    def point_places(self, state: Float[np.ndarray, " S"]) -> Float[np.ndarray, "N 3"]:
        """The points of one head that `from_points` takes."""
        return self._all_points(*split_state(state[None]))[0]

    def _all_points(
        self, vertices: Float[np.ndarray, "B V 3"], eyes: Float[np.ndarray, "B 2 3"]
    ) -> Float[np.ndarray, "B N 3"]:
        chosen = [self._points(vertices, self.anatomy, self.on_skin)]
        chosen += [self._points(vertices, part, list(range(len(part)))) for part in self.sections.values()]
        return np.concatenate([*chosen, eyes], axis=1)

    def _points(
        self, vertices: Float[np.ndarray, "B V 3"], points: PointArrays, chosen: list[int]
    ) -> Float[np.ndarray, "B N 3"]:
        corners = self.triangles[points.triangles[chosen]]
        assert corners.max() < SKIN_AND_TONGUE
        return np.einsum("nk,bnkc->bnc", points.barycentric[chosen], vertices[:, corners])


def _profile(at: dict[str, Tensor], eyes: Float[Tensor, "B 2 3"]) -> dict[str, Tensor]:
    """Distances along the axes of the head frame, which is the natural head position."""

    def both(label: str) -> Tensor:
        return 0.5 * (at[f"{label}_left"] + at[f"{label}_right"])

    subnasale, nasion = at["subnasale"], at["nasion"]
    pupil = both("pupil")
    depth = {
        "depth_glabella": at["glabella"] - subnasale,
        "depth_infraorbital_rim": both("orbitale") - subnasale,
        "depth_subpupil": both("subpupil") - subnasale,
        "depth_cheekbone": both("cheekbone") - subnasale,
        "depth_alar_base": both("alar_crest") - subnasale,
        "depth_pronasale": at["pronasale"] - subnasale,
        "depth_superior_labial_sulcus": at["superior_labial_sulcus"] - subnasale,
        "depth_labiale_superius": at["labiale_superius"] - subnasale,
        "depth_labiale_inferius": at["labiale_inferius"] - subnasale,
        "depth_sublabiale": at["sublabiale"] - subnasale,
        "depth_pogonion": at["pogonion"] - subnasale,
        "depth_endocanthion_from_nasion": both("endocanthion") - nasion,
        "depth_exocanthion_from_nasion": both("exocanthion") - nasion,
        "depth_cornea_from_lateral_rim": eyes.mean(dim=1)
        + eyes.new_tensor([0, 0, CORNEA_APEX])
        - both("orbital_rim_lateral"),
    }
    height = {
        "upper_lid_above_pupil": both("palpebrale_superius") - pupil,
        "lower_lid_below_pupil": pupil - both("palpebrale_inferius"),
        "tragion_to_top_of_head": at["vertex"] - both("tragion"),
    }
    return {name: span[:, 2] for name, span in depth.items()} | {name: span[:, 1] for name, span in height.items()}
