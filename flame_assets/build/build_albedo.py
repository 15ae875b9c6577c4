"""The low-rank albedo of the open head: how skin, brows, lips and stubble vary between people.

    python flame_assets/build/build_albedo.py [--looks 4000]

The photometric fit needs it. Paints many random people (`paint.random_look`, skin from very light to very dark) onto
the mean head, adds smooth uneven colour and the shade of creases, and keeps the principal components of the LOGARITHM
of linear RGB, where light and albedo add up. Writes flame_assets/open_albedo.npz; no outside data.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from paint import Look, paint_albedo, random_look
from sample_detections import chart_of

from face3d.fit.albedo import FIELD_LENGTHS, AlbedoBasis, sample_vertices, save_albedo, smooth_fields
from face3d.head import HeadModel, load_open_head

COMPONENTS = 32
UNEVEN_SIGMA = (0.10, 0.035)
"""Standard deviation of smooth uneven colour, in the logarithm: of brightness, and of each colour against it."""
CREASE_POWER = (0.2, 1.2)
"""Range of the power of the ambient visibility that darkens creases: light from all around reaches them less."""


def painted_people(
    model: HeadModel, vertices: ndarray, looks: int, rng: np.random.Generator
) -> Float[ndarray, "L N 3"]:
    """Log albedo of random people at the given vertices."""
    chart = chart_of(model)
    masks = np.column_stack([chart.lips, chart.lashes, chart.scalp])[vertices]
    points, eyes = chart.rest[vertices], chart.eyeball[vertices]
    fields = smooth_fields(points, FIELD_LENGTHS)
    people = np.empty((looks, len(vertices), 3))
    for number in range(looks):
        look: Look = random_look(rng)
        albedo = paint_albedo(chart, look, points, masks, eyes, np.tile(np.eye(3), (2, 1, 1)))
        shade = chart.ambient[vertices].clip(0.05) ** rng.uniform(*CREASE_POWER)
        amounts = rng.normal(size=(fields.shape[1], 3)) @ _uneven_colours()
        people[number] = np.log(albedo) + np.log(shade)[:, None] + fields @ amounts
    return people


def _uneven_colours() -> Float[ndarray, "3 3"]:
    brightness, colour = UNEVEN_SIGMA
    return np.array([[brightness] * 3, [colour, -colour / 2, -colour / 2], [0.0, colour, -colour]])


def main() -> None:
    """Paint, analyse, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "open_albedo.npz")
    arguments = parser.parse_args()
    model = load_open_head()
    vertices = sample_vertices(model)
    people = painted_people(model, vertices, arguments.looks, np.random.default_rng(arguments.seed))
    flat = people.reshape(len(people), -1)
    mean = flat.mean(axis=0)
    _, values, directions = np.linalg.svd((flat - mean) / np.sqrt(len(flat) - 1), full_matrices=False)
    share = np.cumsum(values**2) / np.sum(values**2)
    rest = np.sqrt(np.mean(np.sum(values[COMPONENTS:] ** 2) / flat.shape[1]))
    kept = 100 * share[COMPONENTS - 1]
    print(f"{COMPONENTS} components hold {kept:.1f} % of the variance; {rest:.3f} (log) RMS is left")
    basis = (values[:COMPONENTS, None] * directions[:COMPONENTS]).reshape(COMPONENTS, -1, 3)
    arguments.out.write_bytes(save_albedo(AlbedoBasis(vertices, mean.reshape(-1, 3), basis)))
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e3:.0f} kB, {len(vertices)} vertices")


if __name__ == "__main__":
    main()
