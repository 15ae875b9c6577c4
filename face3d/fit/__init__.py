"""Where a head model meets evidence: the least-squares solver, the landmark fit and the metric scale."""

from face3d.fit.evidence import DetectorResponse, load_response, plain_response
from face3d.fit.landmark_fit import Fit, FitOptions, Observation, fit_landmarks
from face3d.fit.scale import Scale, ScaleSource

__all__ = [
    "DetectorResponse",
    "Fit",
    "FitOptions",
    "Observation",
    "Scale",
    "ScaleSource",
    "fit_landmarks",
    "load_response",
    "plain_response",
]
