"""What is known of each landmark markup: where its eyes are, and which points make up which part of the face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Markup", "markup_of"]


@dataclass(frozen=True, slots=True)
class Markup:
    """A set of landmarks, told by its number of points. Counted from 0; sides are the subject's own.

    Attributes:
        name: what it is called.
        outer_corners: the outer corners of the eyes, right and left; None where the markup has none.
        pupils: for either eye, the points whose mean is its middle; None where the markup has none.
        regions: points by part of the face.
    """

    name: str
    outer_corners: tuple[int, int] | None
    pupils: tuple[tuple[int, ...], tuple[int, ...]] | None
    regions: Mapping[str, tuple[int, ...]]


def _span(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


_MARKUPS = {
    68: Markup(
        "ibug_68",
        (36, 45),
        (_span(36, 41), _span(42, 47)),
        {
            "jaw": _span(0, 16),
            "brows": _span(17, 26),
            "nose": _span(27, 35),
            "eyes": _span(36, 47),
            "mouth": _span(48, 67),
        },
    ),
    51: Markup(
        "ibug_51",
        (19, 28),
        (_span(19, 24), _span(25, 30)),
        {"brows": _span(0, 9), "nose": _span(10, 18), "eyes": _span(19, 30), "mouth": _span(31, 50)},
    ),
    98: Markup(
        "wflw_98",
        (60, 72),
        ((96,), (97,)),
        {
            "jaw": _span(0, 32),
            "brows": _span(33, 50),
            "nose": _span(51, 59),
            "eyes": (*_span(60, 75), 96, 97),
            "mouth": _span(76, 95),
        },
    ),
    29: Markup(
        "cofw_29",
        (8, 9),
        ((16,), (17,)),
        {"brows": _span(0, 7), "eyes": _span(8, 17), "nose": _span(18, 21), "mouth": _span(22, 27), "jaw": (28,)},
    ),
}


def markup_of(count: int) -> Markup:
    """The markup of so many points: 68 (iBUG), 51 (the inner ones), 98 (WFLW), 29 (COFW), else one without parts."""
    return _MARKUPS.get(count, Markup(f"{count}_points", None, None, {}))
