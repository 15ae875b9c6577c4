"""A small NoW data set and a submission to it, made of the open head."""

from __future__ import annotations

import numpy as np

from tests.evaluate.shapes import now_landmarks, open_head

IMAGES = (
    "anna/multiview_neutral/IMG_1.jpg",
    "anna/selfie/IMG_2.jpg",
    "bert/multiview_neutral/IMG_3.jpg",
    "cleo/selfie/IMG_4.jpg",
)
STRETCH = {"anna": 1.0, "bert": 1.02, "cleo": 1.05}
"""How much wider than the prediction each subject's head is."""


def write_obj(path, vertices, triangles, colours=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = " 0.5 0.25 1" if colours else ""
    lines = ["# exported\n", *(f"v {x:.9g} {y:.9g} {z:.9g}{extra}\n" for x, y, z in vertices)]
    lines += [f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in triangles]
    path.write_text("".join(lines))


def write_pp(path, points):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f' <point y="{y}" x="{x}" z="{z}" active="1" name="{n}"/>\n' for n, (x, y, z) in enumerate(points)]
    head = '<!DOCTYPE PickedPoints>\n<PickedPoints>\n <DocumentData>\n  <User name="x"/>\n </DocumentData>\n'
    path.write_text(head + "".join(rows) + "</PickedPoints>\n")


def make_benchmark(folder):
    """The paths of the data set and of the submission; scans are in millimetres, 400 mm off the origin."""
    vertices, triangles = open_head()
    marks = now_landmarks()
    dataset, predictions = folder / "now", folder / "predicted"
    for subject, stretch in STRETCH.items():
        away = np.array([400.0, -100, 50])
        scan = 1000 * vertices * [stretch, 1, 1] + away
        write_obj(dataset / "scans" / subject / "natural.000001.obj", scan, triangles, colours=True)
        write_pp(dataset / "scans_lmks_onlypp" / subject / "natural.pp", 1000 * marks * [stretch, 1, 1] + away)
    (dataset / "imagepathsvalidation.txt").write_text("\n".join(IMAGES) + "\n\n")
    for image in IMAGES:
        path = (predictions / image).with_suffix(".obj")
        write_obj(path, vertices, triangles)
        np.save(path.with_suffix(".npy"), marks[None] if "selfie" in image else marks)
    return dataset, predictions
