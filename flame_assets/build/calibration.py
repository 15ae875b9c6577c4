"""Move a sampled population so that its dimensions are distributed as those of real people.

Means: each group of sex and ancestry gets the one change of shape that is the most plausible one given the survey's
means and the norms, under a prior that consists of the sample's own variation and of smooth symmetric changes.

Spreads: within the groups the sample's dimensions are carried to people's by the optimal transport between the two
normal distributions, and each head follows its dimensions by linear regression on the population itself, so that it
changes in the ways in which the sampled heads differ anyway.

Dimension letters: B samples, S state entries, D dimensions.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from norms import NORMS, Survey
from population import ANCESTRY_MIX
from reading import DimensionReader
from smooth_prior import smooth_covariance

__all__ = ["calibrate_means", "calibrate_spreads"]

_OWN_VARIATION = 0.5
"""How far the population's mean may be off in the ways in which its heads differ, in their standard deviations."""
_SURVEY_UNCERTAINTY = 0.004
"""Relative uncertainty of the survey's means as found on the mesh."""
_READING_ERROR = 0.8
"""Standard deviation in mm of reading a dimension on a person, which no change of shape should explain."""
_LARGEST_STRETCH = 1.6
_ROUNDS = 3


def dimension_names(survey: Survey) -> list[str]:
    """The survey's dimensions, then the norms with a spread, then the other norms."""
    with_spread = [name for name, norm in NORMS.items() if norm.sd is not None]
    return [*survey.names, *with_spread, *(name for name in NORMS if name not in with_spread)]


def group_of(female: Bool[np.ndarray, " B"], ancestry: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
    """One number per sex and ancestry."""
    return np.where(female, len(ANCESTRY_MIX), 0) + ancestry


def calibrate_means(
    state: Float[np.ndarray, "B S"], reader: DimensionReader, groups: Int[np.ndarray, " B"], survey: Survey
) -> Float[np.ndarray, "B S"]:
    """Heads moved group by group, each group by one change of shape."""
    names = dimension_names(survey)
    start = _read(reader, state, names)
    wanted = _means_wanted(start, groups, names, survey)
    covariance, cross = _prior(state, start, reader, groups, names)
    uncertainty = np.array([NORMS[name].uncertainty if name in NORMS else 0.0 for name in names])
    surveyed = len(survey.names)
    uncertainty[:surveyed] = _SURVEY_UNCERTAINTY * np.mean(list(survey.means.values()), axis=0) + 0.1
    gain = np.linalg.solve(covariance + np.diag(uncertainty**2), cross)
    aim = wanted
    moved = state
    for _ in range(_ROUNDS):
        # One change from the start, aimed again where dimensions turned out not to be linear in it.
        shift = aim - (start - _within(start, groups))
        moved = state + shift @ gain
        expected = start + shift @ np.linalg.solve(covariance + np.diag(uncertainty**2), covariance)
        missed = expected - _read(reader, moved, names)
        aim = aim + missed - _within(missed, groups)
    return moved


def calibrate_spreads(
    state: Float[np.ndarray, "B S"], reader: DimensionReader, groups: Int[np.ndarray, " B"], survey: Survey
) -> Float[np.ndarray, "B S"]:
    """Heads whose dimensions differ within a group as people's do."""
    names = dimension_names(survey)
    names = [name for name in names if name not in NORMS or NORMS[name].sd is not None]
    start = _read(reader, state, names)
    rest = _within(start, groups)
    wanted = start - rest + rest @ _carry(start, groups, names, survey).T
    moved = state
    for _ in range(_ROUNDS):
        current = _read(reader, moved, names)
        moved = moved + (wanted - current) @ _slopes(moved, current, groups)
    return moved


def _prior(
    state: Float[np.ndarray, "B S"],
    start: Float[np.ndarray, "B D"],
    reader: DimensionReader,
    groups: Int[np.ndarray, " B"],
    names: list[str],
) -> tuple[Float[np.ndarray, "D D"], Float[np.ndarray, "D S"]]:
    """Covariance of the dimensions, and with the state, of what may be wrong with the mean."""
    rest, rest_state = _within(start, groups), _within(state, groups)
    covariance = _OWN_VARIATION**2 * rest.T @ rest / len(rest)
    cross = _OWN_VARIATION**2 * rest.T @ rest_state / len(rest)
    mean = state.mean(axis=0)
    places = reader.point_places(mean)

    def dimensions(points: torch.Tensor) -> torch.Tensor:
        read = reader.from_points(points[None])
        return torch.stack([read[name][0] for name in names])

    slope = torch.autograd.functional.jacobian(dimensions, torch.from_numpy(places)).numpy().reshape(len(names), -1)
    between = smooth_covariance(places, places).reshape(places.size, places.size)
    onward = smooth_covariance(places, mean.reshape(-1, 3)).reshape(places.size, -1)
    return covariance + slope @ between @ slope.T, cross + slope @ onward


def _read(reader: DimensionReader, state: Float[np.ndarray, "B S"], names: list[str]) -> Float[np.ndarray, "B D"]:
    dimensions = reader(state)
    return np.stack([dimensions[name] for name in names], axis=1)


def _within(values: Float[np.ndarray, "B N"], groups: Int[np.ndarray, " B"]) -> Float[np.ndarray, "B N"]:
    """What is left of values when each group's mean is taken off."""
    rest = values.copy()
    for group in np.unique(groups):
        rest[groups == group] -= values[groups == group].mean(axis=0)
    return rest


def _means_wanted(
    first: Float[np.ndarray, "B D"], groups: Int[np.ndarray, " B"], names: list[str], survey: Survey
) -> Float[np.ndarray, "B D"]:
    """Each head's group mean to reach: the survey's; by norms, which are those of European descent, the rest.

    The other groups keep their distance in the norms' dimensions from those of European descent.
    """
    wanted = np.empty_like(first)
    surveyed = len(survey.names)
    for sex, offset in (("male", 0), ("female", len(ANCESTRY_MIX))):
        reference = first[groups == offset + list(ANCESTRY_MIX).index("white"), surveyed:].mean(axis=0)
        shift = np.array([getattr(NORMS[name], sex) for name in names[surveyed:]]) - reference
        for index, ancestry in enumerate(ANCESTRY_MIX):
            members = groups == offset + index
            own = first[members, surveyed:].mean(axis=0)
            wanted[members] = np.concatenate([survey.means[f"{sex}/{ancestry}"], own + shift])
    return wanted


def _carry(
    first: Float[np.ndarray, "B D"], groups: Int[np.ndarray, " B"], names: list[str], survey: Survey
) -> Float[np.ndarray, "D D"]:
    """The map from the sample's differences within a group to people's."""
    rest = _within(first, groups)
    covariance = rest.T @ rest / len(rest)
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sd, sd)
    surveyed = len(survey.names)
    # Norms come without correlations: there the sample's own stand.
    correlation[:surveyed, :surveyed] = 0.5 * (survey.correlations["male"] + survey.correlations["female"])
    values, vectors = np.linalg.eigh(correlation)
    correlation = (vectors * np.maximum(values, 1e-2)) @ vectors.T
    unit = np.sqrt(np.diag(correlation))
    share = np.array([0.5 * ANCESTRY_MIX[group.split("/")[1]] for group in survey.sds])
    surveyed_sd = np.sqrt(share @ np.stack(list(survey.sds.values())) ** 2)
    target_sd = np.concatenate([surveyed_sd, [NORMS[name].sd for name in names[surveyed:]]]) / unit
    return _transport(covariance, correlation * np.outer(target_sd, target_sd))


def _transport(source: Float[np.ndarray, "D D"], target: Float[np.ndarray, "D D"]) -> Float[np.ndarray, "D D"]:
    """The linear map that carries one centred normal distribution to another at the least mean square change.

    Its stretch is bounded: where heads of the sample hardly differ, part of people's spread is error of measurement.
    """
    scale = np.sqrt(np.diag(target))
    source, target = source / np.outer(scale, scale), target / np.outer(scale, scale)
    root = _power(source, 0.5)
    inverse = _power(source, -0.5)
    matrix = inverse @ _power(root @ target @ root, 0.5) @ inverse
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * np.clip(values, 0.0, _LARGEST_STRETCH)) @ vectors.T * np.outer(scale, 1 / scale)


def _power(matrix: Float[np.ndarray, "D D"], exponent: float) -> Float[np.ndarray, "D D"]:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * np.maximum(values, 1e-4 * values.max()) ** exponent) @ vectors.T


def _slopes(
    state: Float[np.ndarray, "B S"], current: Float[np.ndarray, "B D"], groups: Int[np.ndarray, " B"]
) -> Float[np.ndarray, "D S"]:
    """How the state moves with each dimension: regression within the groups."""
    centred_state, centred = _within(state, groups), _within(current, groups)
    covariance = centred.T @ centred / len(state)
    covariance[np.diag_indices_from(covariance)] += _READING_ERROR**2
    return np.linalg.solve(covariance, centred.T @ centred_state / len(state))
