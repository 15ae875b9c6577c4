"""A large plausible adult population drawn from anny's phenotypes and local changes, before any calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from anny_source import AnnySource
from jaxtyping import Float, Int

__all__ = ["ANCESTRY_MIX", "Population", "sample_population"]

ANCESTRY_MIX = {"white": 0.50, "black": 0.15, "hispanic": 0.15, "other": 0.20}
"""The mix of NIOSH's ancestry groups that the open head stands for; `other` is mostly Asian American."""

# Mean of each group's African, Asian and Caucasian share, as MakeHuman names its three corner shapes.
_ANCESTRY_SHARES = {
    "white": (0.04, 0.06, 0.90),
    "black": (0.82, 0.05, 0.13),
    "hispanic": (0.12, 0.33, 0.55),
    "other": (0.06, 0.78, 0.16),
}
_ANCESTRY_CONCENTRATION = 8.0

# Local changes that shape a head, and their standard deviation; MakeHuman's sliders go from -1 to 1.
_LOCAL_SIGMA = 0.28
_ROOMS = ("cheek", "chin", "ear", "eye", "forehead", "head", "mouth", "nose", "neck")
_SIGMA_BY_NAME = {
    "head-trans-forward": 0.0,  # places the head on the body, which alignment takes out
    "head-trans-up": 0.0,
    "head-trans-out": 0.0,
    "head-angle-out": 0.1,
    "head-age-incr": 0.15,
    "neck-trans-out": 0.0,
    "neck-double-incr": 0.15,
    "mouth-trans-out": 0.06,  # a sideways shift: asymmetry
    "nose-trans-out": 0.06,
    "mouth-laugh-lines-out": 0.15,
    "mouth-dimples-out": 0.15,
    "mouth-angles-up": 0.12,  # would be an expression if larger
    "ear-shape-triangle": 0.12,
    "nose-compression-uncompress": 0.12,
    "chin-cleft-incr": 0.15,
    "eye-eyefold-angle-up": 0.18,
    "measure-neck-circ-incr": 0.0,
    "measure-neck-height-incr": 0.0,
}
_ASYMMETRY = 0.18
"""Standard deviation of the left-right difference of a paired change, relative to that of the change."""


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Adults: anny's shape coefficients, and which group of NIOSH's each one stands for.

    Attributes:
        coefficients: (B, S).
        female: (B,) bool.
        ancestry: (B,) index into the keys of `ANCESTRY_MIX`.
    """

    coefficients: Float[np.ndarray, "B S"]
    female: np.ndarray
    ancestry: Int[np.ndarray, " B"]


def sample_population(source: AnnySource, count: int, seed: int) -> Population:
    """Draw adults, an even mix of the sexes, ancestries as in `ANCESTRY_MIX`, 18 to 70 years."""
    generator = np.random.default_rng(seed)
    female = np.arange(count) % 2 == 1
    ancestry = generator.choice(len(ANCESTRY_MIX), size=count, p=list(ANCESTRY_MIX.values()))
    values = {name: np.full(count, 0.5) for name in source.phenotype_names}
    towards_middle = np.clip(np.abs(generator.normal(0.0, 0.22, count)), 0, 0.6)
    values["gender"] = np.where(female, 1 - towards_middle, towards_middle)
    # In anny 2/3 is a young adult and 1 a person of 90.
    values["age"] = 0.64 + 0.27 * generator.beta(1.3, 1.9, count)
    for name, sigma in (("muscle", 0.20), ("weight", 0.22), ("height", 0.20), ("proportions", 0.22)):
        values[name] = np.clip(generator.normal(0.5, sigma, count), 0.02, 0.98)
    shares = np.array([_ANCESTRY_SHARES[name] for name in ANCESTRY_MIX])[ancestry]
    gammas = generator.gamma(_ANCESTRY_CONCENTRATION * shares)
    for column, name in enumerate(("african", "asian", "caucasian")):
        values[name] = gammas[:, column] + 1e-6
    phenotypes = np.stack([values[name] for name in source.phenotype_names], axis=1)
    return Population(source.coefficients(phenotypes, _local_changes(source, count, generator)), female, ancestry)


def _local_changes(source: AnnySource, count: int, generator: np.random.Generator) -> Float[np.ndarray, "B L"]:
    shared: dict[str, np.ndarray] = {}
    columns = []
    for name in source.local_change_names:
        paired = name.startswith(("l-", "r-"))
        base = name[2:] if paired else name
        sigma = _SIGMA_BY_NAME.get(base, _LOCAL_SIGMA if base.split("-")[0].rstrip("s") in _NAMES else 0.0)
        if base not in shared:
            shared[base] = generator.normal(size=count)
        own = generator.normal(size=count) if paired else np.zeros(count)
        columns.append(np.clip(sigma * (shared[base] + _ASYMMETRY / np.sqrt(2) * own), -1.2, 1.2))
    return np.stack(columns, axis=1)


_NAMES = frozenset((*_ROOMS, "eyebrow"))
