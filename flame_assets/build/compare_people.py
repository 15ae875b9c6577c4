"""Print the table of flame_assets/README.md: heads drawn from open_head.npz against people, dimension by dimension.

`python flame_assets/build/compare_people.py [HEAD.npz]`
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from norms import NORMS, read_survey
from reading import DimensionReader

from face3d.head.arrays import HeadArrays
from face3d.head.head_file import read_head

DRAWS = 4000
SEED = 7


def dimensions_of_draws(head: HeadArrays, draws: int = DRAWS, seed: int = SEED) -> dict[str, np.ndarray]:
    """Dimensions in mm of heads drawn from the model, which is a normal distribution."""
    sections = {name: points for name, points in head.point_sets.items() if name.startswith("tape_")}
    reader = DimensionReader(head.point_sets["anatomy"], sections, head.triangles)
    coefficients = np.random.default_rng(seed).normal(size=(draws, len(head.identity_basis)))
    eyes = head.joint_regressor[3:5]

    def places(vertices: np.ndarray) -> np.ndarray:
        """The points that the dimensions depend on; linear in the vertices."""
        skin = [reader.anatomy, *sections.values()]
        chosen = [reader.on_skin, *(list(range(len(part))) for part in sections.values())]
        parts = [
            np.einsum("nk,...nkc->...nc", part.barycentric[ids], vertices[..., head.triangles[part.triangles[ids]], :])
            for part, ids in zip(skin, chosen, strict=True)
        ]
        return np.concatenate([*parts, np.einsum("jv,...vc->...jc", eyes, vertices)], axis=-2)

    mean, basis = places(head.template.astype(np.float64)), places(head.identity_basis.astype(np.float64))
    points = mean + np.einsum("bi,inc->bnc", coefficients, basis, optimize=True)
    return {name: value.numpy() for name, value in reader.from_points(torch.from_numpy(points)).items()}


def table(head: HeadArrays) -> str:
    """Markdown: the survey's dimensions, then the norms'."""
    drawn = dimensions_of_draws(head)
    survey = read_survey()
    mean, covariance = survey.mixture()
    data = np.stack([drawn[name] for name in survey.names], axis=1)
    sd = np.sqrt(np.diag(covariance))
    difference = np.abs(np.corrcoef(data.T) - covariance / np.outer(sd, sd))
    rows = [
        "| dimension | people, mm | model, mm | mean | SD people | SD model | SD | worst correlation difference |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for k, name in enumerate(survey.names):
        own, spread = data[:, k].mean(), data[:, k].std()
        worst = int(difference[k].argmax())
        rows.append(
            f"| {name} | {mean[k]:.1f} | {own:.1f} | {100 * (own / mean[k] - 1):+.1f} % | {sd[k]:.1f} | {spread:.1f} "
            f"| {100 * (spread / sd[k] - 1):+.0f} % | {difference[k, worst]:.2f} ({survey.names[worst]}) |"
        )
    rows += [
        "",
        "| norm | men, mm | women, mm | model, mm | SD norm | SD model | source |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, norm in NORMS.items():
        spread_of_norm = "-" if norm.sd is None else f"{norm.sd:.1f}"
        rows.append(
            f"| {name} | {norm.male:.1f} | {norm.female:.1f} | {drawn[name].mean():.1f} | {spread_of_norm} "
            f"| {drawn[name].std():.1f} | {norm.source} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    default = Path(__file__).resolve().parents[1] / "open_head.npz"
    print(table(read_head(Path(sys.argv[1]) if len(sys.argv) > 1 else default)))
