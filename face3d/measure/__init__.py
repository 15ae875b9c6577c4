"""Anthropometry of a head, each measurement with its uncertainty."""

from face3d.measure.dimensions import CALLIPER, TAPE, dimensions_from_points, standard_of
from face3d.measure.measurement import Measurement, head_dimensions, measure_head, pupillary_distance
from face3d.measure.tape import tape_around, tape_over

__all__ = [
    "CALLIPER",
    "TAPE",
    "Measurement",
    "dimensions_from_points",
    "head_dimensions",
    "measure_head",
    "pupillary_distance",
    "standard_of",
    "tape_around",
    "tape_over",
]
