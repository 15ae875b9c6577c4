"""Who is in the picture: sex, ancestry, age, and the shape of the head that goes with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from face3d.assets import open_head_path
from face3d.errors import MissingAssetError

__all__ = ["Person", "PopulationGroups", "population_groups", "sample_person"]

MIXED_SHARE = 0.12
"""Of people with parents from two of the groups."""
YOUNGEST, OLDEST = 18.0, 75.0


@dataclass(frozen=True, slots=True, eq=False)
class PopulationGroups:
    """The open head's population as a mixture: groups of sex and ancestry with one covariance within.

    Attributes:
        sex: (G,) "female" or "male".
        ancestry: (G,) names of the survey's groups: white, black, hispanic, other (mostly of Asian descent).
        share: (G,) of the population; sums to one.
        mean: (G, I) identity coefficients.
        within: (I, I) a matrix whose product with its transpose is the covariance inside a group,
            I - sum share mean mean^T, so that the whole has the covariance of the identity prior.
    """

    sex: tuple[str, ...]
    ancestry: tuple[str, ...]
    share: Float[np.ndarray, " G"]
    mean: Float[np.ndarray, "G I"]
    within: Float[np.ndarray, "I I"]

    @property
    def ancestries(self) -> tuple[str, ...]:
        """The names, each once."""
        return tuple(dict.fromkeys(self.ancestry))


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody.

    Attributes:
        sex: "female" or "male".
        ancestry: the group with the largest weight.
        ancestry_weights: by group; one is 1 except for people of mixed ancestry.
        age: years; it shows in skin and hair alone, the shape does not know it.
        identity: (I,) coefficients of the open head.
    """

    sex: str
    ancestry: str
    ancestry_weights: dict[str, float]
    age: float
    identity: Float[np.ndarray, " I"]


@lru_cache(maxsize=1)
def population_groups() -> PopulationGroups:
    """The description that ships, made by flame_assets/build/population_groups.py.

    Raises:
        MissingAssetError: the file is not there.
    """
    path = open_head_path().parent / "population_groups.npz"
    if not path.is_file():
        raise MissingAssetError(f"{path} is missing; it ships with face3d: reinstall it")
    with np.load(path, allow_pickle=False) as file:
        share, mean = file["share"].astype(np.float64), file["mean"].astype(np.float64)
        sex, ancestry = (tuple(str(value) for value in file[name]) for name in ("sex", "ancestry"))
    within = np.eye(mean.shape[1]) - np.einsum("g,gi,gj->ij", share, mean, mean)
    return PopulationGroups(sex, ancestry, share, mean, np.linalg.cholesky(within))


def sample_person(rng: np.random.Generator, groups: PopulationGroups | None = None) -> Person:
    """Draw a person; over many the identity coefficients have mean 0 and covariance I, nearly."""
    groups = groups or population_groups()
    count = len(groups.share)
    first = int(rng.choice(count, p=groups.share))
    other = int(rng.choice(count, p=groups.share))
    mixed, part = rng.uniform() < MIXED_SHARE, rng.uniform(0.5, 0.8)
    age = YOUNGEST + (OLDEST - YOUNGEST) * rng.beta(1.2, 1.6)
    noise = rng.standard_normal(groups.mean.shape[1])
    weights = dict.fromkeys(groups.ancestries, 0.0)
    weights[groups.ancestry[first]] += part if mixed else 1.0
    mean = groups.mean[first]
    if mixed:
        weights[groups.ancestry[other]] += 1.0 - part
        of_same_sex = next(
            k
            for k in range(count)
            if groups.sex[k] == groups.sex[first] and groups.ancestry[k] == groups.ancestry[other]
        )
        mean = part * mean + (1.0 - part) * groups.mean[of_same_sex]
    identity = mean + (groups.within * noise).sum(axis=1)
    return Person(
        sex=groups.sex[first],
        ancestry=max(weights, key=lambda name: weights[name]),
        ancestry_weights=weights,
        age=float(age),
        identity=identity,
    )
