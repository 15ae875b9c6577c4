"""Whether Blender shows the head that was tracked: `python -m tests.benchmarks.blender TRACK_FOLDER PYTHON`.

PYTHON is an interpreter with the package `bpy`, which is Blender and wants another numpy than face3d does:
`python -m venv blender; blender/bin/pip install bpy`. TRACK_FOLDER is what `face3d track` wrote. Prints Blender's
version, how many shapes it found, and how far its vertices are from the track's at frames all over the clip.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import KDTree

from face3d.export.track_npz import read_track_npz
from face3d.head import load_head

SCENE = Path(__file__).with_name("blender_scene.py")

BLENDER_FROM_CAMERA = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Blender's importer turns glTF's +y up into its own +z; glTF's world is the camera's frame with y and z flipped."""

FRAMES = 8


def posed(arrays: dict[str, np.ndarray], frame: int) -> np.ndarray:
    """(V, 3) metres in Blender's world: the open head as track.npz has it."""
    model = load_head()
    moved = {name: torch.as_tensor(arrays[name][[frame]]).float() for name in ("expression", "jaw", "neck", "eyes")}
    geometry = model(identity=torch.as_tensor(arrays["identity"])[None].float(), **moved)
    pose = arrays["camera_from_head"][frame]
    camera = geometry.vertices[0].double().numpy() @ pose[:3, :3].T + pose[:3, 3]
    return camera @ BLENDER_FROM_CAMERA.T


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("track", type=Path)
    parser.add_argument("python", type=Path)
    arguments = parser.parse_args()
    arrays = read_track_npz(arguments.track / "track.npz")
    frames = np.linspace(0, len(arrays["timestamps"]) - 1, FRAMES).astype(int)
    times = arrays["timestamps"][frames] - arrays["timestamps"][0]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "vertices.npz"
        scene = [str(SCENE), str(arguments.track / "head.glb"), str(out), *map(str, times)]
        subprocess.run([str(arguments.python), *scene], check=True, stdout=subprocess.DEVNULL)
        with np.load(out) as file:
            found, shapes = file["vertices"], int(file["shapes"])
    version = subprocess.run(
        [str(arguments.python), "-c", "import bpy; print(bpy.app.version_string)"], check=True, capture_output=True
    )
    print(f"Blender {version.stdout.decode().split()[-1]}: {shapes} shapes, {found.shape[1]} vertices")
    for frame, vertices in zip(frames, found, strict=True):
        # Blender's mesh has more vertices: one for each side of a texture's seam.
        distance = 1e3 * KDTree(vertices).query(posed(arrays, frame))[0]
        print(f"frame {frame:5d}: {np.median(distance):.5f} mm median, {distance.max():.5f} mm most")


if __name__ == "__main__":
    main()
