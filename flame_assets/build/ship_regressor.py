"""Turn a trained regressor into `shape_regressor.npz`, the file that ships, with the card of what it is worth.

    face3d train synthetic --count 30000 --seed 1 --out heads
    face3d train features heads --views 2 --out features.npz
    face3d train regressor --features features.npz --out run
    python flame_assets/build/ship_regressor.py run/best/regressor.pt features.npz

Errors are of people whom training has not seen, without any landmark: mean distance of the face's vertices after rigid
alignment, scale as foretold, median over faces. The card goes into the file and, as a table, into shape_regressor.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from face3d.fit.responses import identity_fingerprint
from face3d.head import HeadModel, load_open_head
from face3d.identity.regressor import ShapeBelief, ShapeRegressor, ShapeSize, regressor_file

ASSETS = Path(__file__).resolve().parents[1]
FACES = 3000
"""Held-out faces that are measured; one view of each person."""

LIMITS = (
    "learnt from drawn heads alone: on photos it is believed less the less their features look like those of drawings",
    "says nothing of a face that is not seen: profile, mask and sunglasses raise its stated variance",
    "size comes from proportions alone, as a crop shows none",
    "the population is that of the open head: adults, by eight groups of sex and ancestry",
)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("features", type=Path)
    parser.add_argument("--trust", type=float, default=1.0, help="factor on the certainty that the network states")
    arguments = parser.parse_args()
    trained = torch.load(arguments.weights, weights_only=True)
    network = ShapeRegressor(ShapeSize(**trained["size"]))
    network.load_state_dict(trained["network"])
    network.eval().requires_grad_(False)
    model = load_open_head()
    with np.load(arguments.features) as file:
        first = np.flatnonzero(np.diff(file["sample"], prepend=-1))
        chosen = first[file["split"][first] == 1][:FACES]
        table = {name: file[name][chosen] for name in ("features", "identity", "sex", "ancestry", "skin")}
        learned = len(np.unique(file["sample"][file["split"] == 0]))
    belief = ShapeBelief(network, identity_fingerprint(model), arguments.trust, {})
    foretold = np.zeros_like(table["identity"], dtype=np.float64)
    variance = np.zeros(len(foretold))
    for row, features in enumerate(table["features"]):
        told = belief.foretell(features[None])
        foretold[row, : len(told.mean)] = told.mean
        variance[row] = np.trace(np.linalg.inv(told.precision)) / len(told.mean)
    errors = face_errors(model, foretold, table["identity"].astype(np.float64))
    nothing = face_errors(model, np.zeros_like(foretold), table["identity"].astype(np.float64))
    groups = {
        name: {
            str(value): summary(errors, nothing, table[name] == value) for value in dict.fromkeys(table[name].tolist())
        }
        for name in ("sex", "ancestry", "skin")
    }
    card: dict[str, Any] = {
        "what": "MobileFaceNet's description of a face to a Gaussian over the open head's identity",
        "licence": "CC0-1.0; MobileFaceNet, whose file it needs, has terms of its own",
        "data": f"{learned} people drawn by face3d train synthetic --seed 1, two crops of each; no photo",
        "seed": 0,
        "held_out": {**summary(errors, nothing, np.ones(len(errors), bool)), "stated_variance": float(variance.mean())},
        "groups": groups,
        "limits": list(LIMITS),
    }
    content = regressor_file(ShapeBelief(network, belief.fingerprint, belief.trust, card))
    (ASSETS / "shape_regressor.npz").write_bytes(content)
    text = card_text(card, len(content))
    (ASSETS / "shape_regressor.md").write_text(text)
    print(text)


def face_errors(
    model: HeadModel, foretold: Float[ndarray, "N I"], truth: Float[ndarray, "N I"]
) -> Float[ndarray, "N 2"]:
    """Of each face: mean distance of its vertices after rigid alignment, metres, and the size's relative error."""
    ids = model.regions["face"].numpy()
    template, basis = model.template.double().numpy()[ids], model.identity_basis.double().numpy()[:, ids]
    found = []
    for one, other in zip(foretold, truth, strict=True):
        moved, target = (template + np.tensordot(identity, basis, 1) for identity in (one, other))
        moved, target = moved - moved.mean(axis=0), target - target.mean(axis=0)
        left, _, right = np.linalg.svd(moved.T @ target)
        turn = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
        size = np.linalg.norm(moved) / np.linalg.norm(target)
        found.append((np.linalg.norm(moved @ turn - target, axis=1).mean(), abs(size - 1)))
    return np.array(found)


def summary(
    errors: Float[ndarray, "N 2"], nothing: Float[ndarray, "N 2"], which: Bool[ndarray, " N"]
) -> dict[str, float]:
    """Medians over some of the faces."""
    error, mean_head = float(np.median(errors[which, 0])), float(np.median(nothing[which, 0]))
    return {
        "faces": int(which.sum()),
        "error_mm": round(error * 1e3, 3),
        "mean_head_mm": round(mean_head * 1e3, 3),
        "gain": round(1 - error / mean_head, 3),
        "scale_error": round(float(np.median(errors[which, 1])), 4),
    }


def card_text(card: dict[str, Any], size: int) -> str:
    """The card for people."""
    rows = [("all", card["held_out"])]
    rows += [(f"{kind}: {name}", row) for kind, group in card["groups"].items() for name, row in sorted(group.items())]
    lines = [
        "# The shape regressor",
        "",
        f"`shape_regressor.npz` ({size / 1e6:.1f} MB): {card['what']}.",
        "",
        f"- Licence: {card['licence']}.",
        f"- Learnt from: {card['data']}. Seed {card['seed']}.",
        *(f"- Limit: {limit}." for limit in card["limits"]),
        "",
        "Unseen drawn people, without any landmark; made by `flame_assets/build/ship_regressor.py`:",
        "",
        "| people | faces | error | mean head | gain | size off by |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {row['faces']} | {row['error_mm']:.2f} mm | {row['mean_head_mm']:.2f} mm | "
            f"{100 * row['gain']:.0f} % | {100 * row['scale_error']:.1f} % |"
            for name, row in rows
        ),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
