"""Anthropometric dimensions of a head, defined on named points of its surface as they are taken on a living person.

They need a head model with the point set `anatomy` (labelled) and, for the tape measurements, the sets `tape_*`. The
open head has both.

Dimension letters: B batch, N points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from face3d.measure.tape import tape_around, tape_over

__all__ = ["CALLIPER", "TAPE", "Calliper", "Tape", "dimensions_from_points", "standard_of"]


@dataclass(frozen=True, slots=True)
class Calliper:
    """The straight distance between two anatomical points.

    Attributes:
        first, second: labels of the point set `anatomy`.
        standard: what is measured, and after whom.
    """

    first: str
    second: str
    standard: str


@dataclass(frozen=True, slots=True)
class Tape:
    """A tape laid along a section.

    Attributes:
        points: name of the point set that holds the section.
        closed: around the head, or over it from end to end.
        standard: what is measured, and after whom.
    """

    points: str
    closed: bool
    standard: str


def _both_sides(point: str, standard: str) -> Calliper:
    return Calliper(f"{point}_right", f"{point}_left", standard)


_NIOSH = "NIOSH 2003 head-and-face survey"
_FARKAS = "Farkas 1994"
_ANSUR = "ANSUR II 2012"

CALLIPER: Mapping[str, Calliper] = {
    "head_breadth": _both_sides("eurion", f"largest breadth above the ears, eurion to eurion; {_NIOSH}, ISO 7250-1"),
    "head_length": Calliper("glabella", "opisthocranion", f"glabella to opisthocranion; {_NIOSH}, ISO 7250-1"),
    "minimum_frontal_breadth": _both_sides("frontotemporale", f"between the temporal crests; {_NIOSH}"),
    "maximum_frontal_breadth": _both_sides("zygofrontale", f"between the outer ends of the brow ridges; {_NIOSH}"),
    "face_width": _both_sides("zygion", f"bizygomatic breadth, zygion to zygion; {_NIOSH}, ISO 7250-1"),
    "bigonial_breadth": _both_sides("gonion", f"between the jaw angles; {_NIOSH}"),
    "nasal_root_breadth": _both_sides("nasal_root", f"breadth of the nose at sellion; {_NIOSH}"),
    "nose_breadth": _both_sides("alare", f"alare to alare; {_NIOSH}"),
    "lip_length": _both_sides("cheilion", f"cheilion to cheilion, mouth closed; {_NIOSH}"),
    "subnasale_sellion_length": Calliper("sellion", "subnasale", f"nose height; {_NIOSH}"),
    "menton_sellion_length": Calliper("sellion", "menton", f"face height, teeth lightly closed; {_NIOSH}, ISO 7250-1"),
    "nose_protrusion": Calliper("subnasale", "pronasale", f"subnasale to pronasale; {_NIOSH}"),
    "intercanthal_width": _both_sides("endocanthion", f"en-en; {_FARKAS}"),
    "biocular_width": _both_sides("exocanthion", f"ex-ex; {_FARKAS}"),
    "palpebral_fissure_length_left": Calliper("endocanthion_left", "exocanthion_left", f"en-ex; {_FARKAS}"),
    "palpebral_fissure_length_right": Calliper("endocanthion_right", "exocanthion_right", f"en-ex; {_FARKAS}"),
    "palpebral_fissure_height_left": Calliper(
        "palpebrale_superius_left", "palpebrale_inferius_left", f"ps-pi, eyes open; {_FARKAS}"
    ),
    "palpebral_fissure_height_right": Calliper(
        "palpebrale_superius_right", "palpebrale_inferius_right", f"ps-pi, eyes open; {_FARKAS}"
    ),
    "upper_lip_height": Calliper("subnasale", "stomion", f"sn-sto; {_FARKAS}"),
    "lower_face_height": Calliper("subnasale", "gnathion", f"sn-gn; {_FARKAS}"),
    "chin_height": Calliper("stomion", "gnathion", f"sto-gn; {_FARKAS}"),
    "upper_vermilion_height": Calliper("labiale_superius", "stomion", f"ls-sto; {_FARKAS}"),
    "lower_vermilion_height": Calliper("stomion", "labiale_inferius", f"sto-li; {_FARKAS}"),
    "bitragion_breadth": _both_sides("tragion", f"tragion to tragion; {_ANSUR}"),
    "ear_length_left": Calliper("superaurale_left", "subaurale_left", f"top to lobe; {_ANSUR}"),
    "ear_length_right": Calliper("superaurale_right", "subaurale_right", f"top to lobe; {_ANSUR}"),
    "ear_breadth_left": Calliper("preaurale_left", "postaurale_left", f"front to back; {_ANSUR}"),
    "ear_breadth_right": Calliper("preaurale_right", "postaurale_right", f"front to back; {_ANSUR}"),
}
"""Distances by name. The pupillary distance is not among them: it depends on the gaze (see `measure_head`)."""

TAPE: Mapping[str, Tape] = {
    "head_circumference": Tape(
        "tape_head_circumference", True, f"largest circumference just above the brow ridges; {_NIOSH}"
    ),
    "bitragion_coronal_arc": Tape("tape_bitragion_coronal_arc", False, f"tragion to tragion over the top; {_NIOSH}"),
    "bitragion_frontal_arc": Tape("tape_bitragion_frontal_arc", False, f"across the forehead; {_NIOSH}"),
    "bitragion_subnasale_arc": Tape("tape_bitragion_subnasale_arc", False, f"under the nose; {_NIOSH}"),
    "bitragion_chin_arc": Tape("tape_bitragion_chin_arc", False, f"across the point of the chin; {_NIOSH}"),
}
"""Arcs and circumferences by name."""


def dimensions_from_points(
    anatomy: Mapping[str, Float[Tensor, "*B 3"]], sections: Mapping[str, Float[Tensor, "*B N 3"]]
) -> dict[str, Float[Tensor, "*B"]]:
    """All dimensions whose points are given.

    Args:
        anatomy: anatomical points by label, metres.
        sections: points of tape sections by point set, metres.

    Returns:
        Metres by name. Dimensions that lack a point are left out.
    """
    lengths = {
        name: (anatomy[rule.second] - anatomy[rule.first]).norm(dim=-1)
        for name, rule in CALLIPER.items()
        if rule.first in anatomy and rule.second in anatomy
    }
    for name, tape in TAPE.items():
        if tape.points in sections:
            read = tape_around if tape.closed else tape_over
            lengths[name] = read(sections[tape.points])
    return lengths


def standard_of(name: str) -> str:
    """What a dimension measures, and after whom."""
    return CALLIPER[name].standard if name in CALLIPER else TAPE[name].standard
