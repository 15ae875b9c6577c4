"""Make niosh_2003_groups.json from NIOSH's individual table: `python summarise_niosh.py TABLE.csv`.

The table itself stays out of face3d; the build needs its means by sex and ancestry, and how the dimensions vary
together within such a group.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np

# NIOSH's columns by the names of `face3d.measure`.
COLUMNS = {
    "head_circumference": "HEADCIRC",
    "bitragion_coronal_arc": "BITCOR",
    "bitragion_frontal_arc": "BITFRONT",
    "bitragion_subnasale_arc": "BITSUBN",
    "bitragion_chin_arc": "BITCHIN",
    "head_breadth": "HEADBR",
    "head_length": "HEADLTH",
    "minimum_frontal_breadth": "MINFRBR",
    "maximum_frontal_breadth": "MAXFRBR",
    "face_width": "BIZYGOBR",
    "bigonial_breadth": "BIGONLBR",
    "nasal_root_breadth": "NROOTBR",
    "nose_breadth": "NOSEBR",
    "lip_length": "LIPLTH",
    "subnasale_sellion_length": "SUBNASAL",
    "menton_sellion_length": "MENSELL",
    "nose_protrusion": "NOSEPRO",
    "pupillary_distance": "INTPUPBR",
}
SEXES = {1: "male", 2: "female"}
ANCESTRIES = {1: "white", 2: "black", 3: "hispanic", 4: "other"}
MISSING = -9999.0


def main(table: Path) -> None:
    """Write the summary beside this file."""
    with table.open(newline="") as handle:
        rows = list(csv.DictReader(handle))

    def column(name: str) -> np.ndarray:
        return np.array([float(row[name].replace(",", "") or "nan") for row in rows])

    data = np.stack([column(name) for name in COLUMNS.values()], axis=1)
    data[data == MISSING] = np.nan
    sex, ancestry = column("SEX"), column("RACEGRP")
    summary: dict[str, object] = {
        "source": "NIOSH 2003 head-and-face survey, dataset RD-10130-2020-0 (Zhuang and Bradtmiller 2005)",
        "unit": "mm",
        "dimensions": list(COLUMNS),
        "groups": {},
    }
    groups: dict[str, object] = {}
    for sex_code, sex_name in SEXES.items():
        within, count = np.zeros((len(COLUMNS),) * 2), 0
        for code, name in ANCESTRIES.items():
            people = data[(sex == sex_code) & (ancestry == code)]
            people = people[np.isfinite(people).all(axis=1)]
            mean, sd = people.mean(axis=0), people.std(axis=0, ddof=1)
            # A slip of the pen reaches 5 SD; people do not.
            people = people[(np.abs(people - mean) < 5 * sd).all(axis=1)]
            mean, sd = people.mean(axis=0), people.std(axis=0, ddof=1)
            within += np.corrcoef(people.T) * len(people)
            count += len(people)
            groups[f"{sex_name}/{name}"] = {
                "n": len(people),
                "mean": np.round(mean, 3).tolist(),
                "sd": np.round(sd, 3).tolist(),
            }
        groups[sex_name] = {"n": count, "correlation_within_ancestry": np.round(within / count, 4).tolist()}
    summary["groups"] = groups
    target = Path(__file__).resolve().parent / "niosh_2003_groups.json"
    target.write_text(json.dumps(summary, indent=1) + "\n")
    print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
