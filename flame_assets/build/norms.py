"""How real heads measure: NIOSH's adults by sex and ancestry, and craniofacial norms for what NIOSH left out.

All lengths in this module are millimetres, as in the sources.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from population import ANCESTRY_MIX

__all__ = ["NORMS", "Norm", "Survey", "read_survey"]


@dataclass(frozen=True, slots=True)
class Norm:
    """A mean of adults of European descent.

    Attributes:
        male, female: means in mm.
        sd: within a sex, or None where the source's sample was picked too narrowly to say.
        uncertainty: of the mean in mm: the source's, and that of finding its points on the mesh.
        source: publication.
    """

    male: float
    female: float
    sd: float | None
    uncertainty: float
    source: str


_ARNETT = "Arnett et al. 1999, Am J Orthod Dentofacial Orthop 116:239"
_FARKAS = "Farkas 1994, Anthropometry of the Head and Face, North American adults"
_FERRARIO = "Ferrario et al. 1999 and Sforza et al., digitised adults"
_LIDS = "marginal reflex distances, e.g. Bodnar et al. 2016"
_HERTEL = "Hertel exophthalmometry, Migliori and Gladstone 1984"

NORMS: dict[str, Norm] = {
    # Horizontal distances from the true vertical line through subnasale, positive to the front.
    "depth_glabella": Norm(-8.0, -8.5, 3.0, 1.5, _ARNETT),
    "depth_infraorbital_rim": Norm(-22.4, -18.7, None, 2, _ARNETT),
    "depth_subpupil": Norm(-18.4, -14.8, None, 2.5, _ARNETT),
    "depth_cheekbone": Norm(-25.2, -20.6, None, 2.5, _ARNETT),
    "depth_alar_base": Norm(-15.0, -12.9, None, 1, _ARNETT),
    "depth_pronasale": Norm(17.4, 16.0, None, 1, _ARNETT),
    "depth_superior_labial_sulcus": Norm(-0.3, -0.1, None, 0.8, _ARNETT),
    "depth_labiale_superius": Norm(3.3, 3.7, None, 0.8, _ARNETT),
    "depth_labiale_inferius": Norm(1.0, 1.9, 2.8, 1, _ARNETT),
    "depth_sublabiale": Norm(-7.1, -5.3, None, 1.2, _ARNETT),
    "depth_pogonion": Norm(-3.5, -2.6, 4.2, 1.5, _ARNETT),
    # Straight distances.
    "intercanthal_width": Norm(33.3, 31.8, 2.6, 0.5, _FARKAS),
    "biocular_width": Norm(91.2, 87.8, 3.4, 0.8, _FARKAS),
    "palpebral_fissure_length": Norm(31.3, 30.7, None, 0.8, _FARKAS),
    "palpebral_fissure_height": Norm(10.8, 11.1, 1.2, 0.6, _FARKAS),
    "upper_lip_height": Norm(22.3, 20.1, 2.2, 0.8, _FARKAS),
    "lower_face_height": Norm(72.6, 64.3, None, 1.5, _FARKAS),
    "chin_height": Norm(50.7, 43.4, None, 1.2, _FARKAS),
    "upper_vermilion_height": Norm(8.0, 8.7, 1.4, 0.6, _FARKAS),
    "lower_vermilion_height": Norm(9.3, 9.4, 1.5, 0.6, _FARKAS),
    # How far the corners of the eyes lie behind nasion, and the eye between its lids.
    "depth_endocanthion_from_nasion": Norm(-13.0, -12.0, None, 1.2, _FERRARIO),
    "depth_exocanthion_from_nasion": Norm(-23.0, -21.5, None, 1.2, _FERRARIO),
    "depth_cornea_from_lateral_rim": Norm(16.5, 15.4, None, 2, _HERTEL),
    "upper_lid_above_pupil": Norm(4.3, 4.6, None, 0.4, _LIDS),
    "lower_lid_below_pupil": Norm(5.6, 5.7, None, 0.5, _LIDS),
}

# Ears after ANSUR II; the mean of both ears. Men's length and breadth are women's plus ANSUR I's difference.
NORMS |= {
    "ear_length": Norm(63.0, 59.4, 4.0, 1.5, "ANSUR II 2012"),
    "ear_breadth": Norm(36.0, 33.2, 2.8, 1.5, "ANSUR II 2012"),
    "tragion_to_top_of_head": Norm(131.1, 126.5, 6.3, 2.5, "ANSUR II 2012"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """NIOSH's dimensions by group.

    Attributes:
        names: dimension names of `face3d.measure`.
        means, sds: by "sex/ancestry", mm.
        correlations: by sex, within an ancestry group.
    """

    names: tuple[str, ...]
    means: dict[str, Float[np.ndarray, " D"]]
    sds: dict[str, Float[np.ndarray, " D"]]
    correlations: dict[str, Float[np.ndarray, "D D"]]

    def mixture(self) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, "D D"]]:
        """Mean and covariance of an even mix of the sexes with ancestries as in `ANCESTRY_MIX`."""
        mean, second = np.zeros(len(self.names)), np.zeros((len(self.names),) * 2)
        for sex in ("male", "female"):
            for ancestry, share in ANCESTRY_MIX.items():
                group = f"{sex}/{ancestry}"
                sd = self.sds[group]
                covariance = self.correlations[sex] * sd[:, None] * sd
                mean += 0.5 * share * self.means[group]
                second += 0.5 * share * (covariance + np.outer(self.means[group], self.means[group]))
        return mean, second - np.outer(mean, mean)


def read_survey() -> Survey:
    """NIOSH's summary that lies beside this module."""
    stored = json.loads((Path(__file__).resolve().parent / "niosh_2003_groups.json").read_text())
    groups = {name: group for name, group in stored["groups"].items() if "/" in name}
    return Survey(
        tuple(stored["dimensions"]),
        {name: np.array(group["mean"]) for name, group in groups.items()},
        {name: np.array(group["sd"]) for name, group in groups.items()},
        {sex: np.array(stored["groups"][sex]["correlation_within_ancestry"]) for sex in ("male", "female")},
    )
