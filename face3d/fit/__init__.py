"""Where a head model meets evidence: the least-squares solver, the landmark fit and the metric scale."""

from face3d.fit.clip_identity import ClipFit, FrameChooser, fit_clip, informative_frames
from face3d.fit.evidence import DetectorResponse, load_response, plain_response
from face3d.fit.head_pose import HeadPose, head_pose
from face3d.fit.known_identity import ForetoldIdentity, KnownIdentity
from face3d.fit.landmark_conversion import convert_through_head, fitted_landmarks
from face3d.fit.landmark_fit import Fit, FitOptions, Observation, fit_landmarks
from face3d.fit.motion import Motion, MotionFitter, MotionOptions, MotionState
from face3d.fit.photometric_fit import PhotoColours, PhotometricFit, PhotometricOptions, fit_photometric
from face3d.fit.scale import Scale, ScaleSource

__all__ = [
    "ClipFit",
    "DetectorResponse",
    "Fit",
    "FitOptions",
    "ForetoldIdentity",
    "FrameChooser",
    "HeadPose",
    "KnownIdentity",
    "Motion",
    "MotionFitter",
    "MotionOptions",
    "MotionState",
    "Observation",
    "PhotoColours",
    "PhotometricFit",
    "PhotometricOptions",
    "Scale",
    "ScaleSource",
    "convert_through_head",
    "fit_clip",
    "fit_landmarks",
    "fit_photometric",
    "fitted_landmarks",
    "head_pose",
    "informative_frames",
    "load_response",
    "plain_response",
]
