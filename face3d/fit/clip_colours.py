"""Who a clip shows, by the colours of its frames as well, and how that person's skin looks in the clip.

On top of `face3d.fit.clip_identity`: the same frames' pixels, one skin and one camera. What comes out beside the head
is what every other frame can be compared with (`face3d.fit.motion_pixels`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from face3d.camera import Intrinsics
from face3d.fit.blas_threads import one_blas_thread
from face3d.fit.clip_identity import AS_FOR_PHOTOS, ClipFit, describe_clip, solve_clip
from face3d.fit.clip_photometric import OWN_COLOUR_SHARE, ClipPhotometricProblem
from face3d.fit.evidence import DetectorResponse
from face3d.fit.landmark_fit import FitOptions, Observation, SolvedLandmarks
from face3d.fit.landmark_problem import LinearTerm
from face3d.fit.motion_pixels import ClipColours, SkinEvidence
from face3d.fit.photometric_fit import DOUBT, PhotometricOptions, SolvedColours, check_photos, skin_of, solve_colours
from face3d.fit.photometric_problem import PhotometricNoise
from face3d.fit.scale import size_slope
from face3d.head import HeadModel

__all__ = ["fit_clip_colours", "skin_evidence"]

NOISE = PhotometricNoise(independent=50.0)
"""Of the head's fit. A clip's frames err alike, and several of them are hardly worth more samples than one photo: with
150 samples in each, four drawn heads came out at 1.72 instead of 1.80 mm, but a real clip's landmarks were missed by
4.1 instead of 3.2 % of the interocular distance."""

FRAME_NOISE = PhotometricNoise()
"""Of the frames laid on their pictures, one by one."""

SIZE_SIGMA = 0.003
"""Relative, by which the colours may change the head's size. Nothing in a picture's colours tells of size; left free,
they made the heads of four drawn clips 3 % smaller, as a smaller head has other proportions."""


@one_blas_thread()
def fit_clip_colours(
    model: HeadModel,
    observations: Sequence[Observation],
    photos: Sequence[UInt8[ndarray, "H W 3"]],
    options: FitOptions = AS_FOR_PHOTOS,
    *,
    response: DetectorResponse | None = None,
) -> tuple[ClipFit, ClipColours]:
    """Fit one head, one focal length and one skin to frames of a clip.

    Args:
        observations: as for `fit_clip`.
        photos: the frames' pixels, RGB, upright.
        options: as for `fit_clip`.
        response: as for `fit_clip`.

    Returns:
        The head, that of the landmarks where colours made nothing better, and the skin's colours.

    Raises:
        InputError: landmarks that no head can have made.
        ArgumentError: as for `fit_clip`, or frames that are not one per observation or of another size.
    """
    check_photos(observations, photos)
    solved, seen = solve_clip(model, observations, options, response=response)
    terms, identity = solved.problem.linear_terms, solved.solution.state.identity
    slope = size_slope(model, identity)
    solved.problem.linear_terms = (*terms, LinearTerm(slope, float(slope @ identity), SIZE_SIGMA))
    found = solve_colours(model, solved, photos, PhotometricOptions(noise=NOISE), problem_of=ClipPhotometricProblem)
    solved.problem.linear_terms = terms
    landmarks = found.landmarks
    if found.refined:
        # How sure the size is, the landmarks say.
        landmarks = _without(landmarks, slope)
    focal_sigma = observations[0].intrinsics.focal_sigma
    return describe_clip(model, landmarks, seen, focal_sigma=focal_sigma), _colours(found)


def skin_evidence(
    model: HeadModel,
    identity: Float[ndarray, " I"],
    intrinsics: Intrinsics,
    colours: ClipColours,
    turning: tuple[int, ...],
) -> SkinEvidence:
    """What compares pictures with the skin that `fit_clip_colours` found; arguments as for `SkinEvidence`."""
    return SkinEvidence(model, skin_of(model, len(identity))[0], identity, intrinsics, colours, turning)


def _without(solved: SolvedLandmarks, slope: ndarray) -> SolvedLandmarks:
    """The solution with what held its size taken off what is known."""
    solution = solved.solution
    hessian = solution.linearization.hessian.copy()
    hessian[: len(slope), : len(slope)] -= np.outer(slope, slope) / (SIZE_SIGMA * DOUBT) ** 2
    return replace(solved, solution=replace(solution, linearization=replace(solution.linearization, hessian=hessian)))


def _colours(found: SolvedColours) -> ClipColours:
    problem, state = found.problem, found.state
    assert isinstance(problem, ClipPhotometricProblem)
    whiten = problem.whiten / float(np.median([view.noise_factor for view in problem.views]))
    return ClipColours(
        log_albedo=problem.albedo.log(state.albedo),
        own=problem.own_colours(state) @ np.linalg.inv(whiten).T,
        light=state.lights.mean(axis=0),
        light_scale=problem.light_scale.mean(axis=0),
        tone=float(state.tones.mean()),
        whiten=whiten / np.sqrt(1 - OWN_COLOUR_SHARE),
        independent=FRAME_NOISE.independent,
        robust_scale=FRAME_NOISE.robust_scale,
    )
