"""Our MICA beside the original's own demo: `python -m tests.benchmarks.mica_demo mica.tar ARCFACE_DIR OUTPUT_DIR`

ARCFACE_DIR holds the network inputs that the demo saves (`-a`, `<name>.npy`), OUTPUT_DIR its results (`-o`). For each
image with both: the largest differences of identity (standard deviations), landmarks and vertices (mm).
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import torch
import trimesh

from face3d.errors import InputError
from face3d.export import export_mica
from face3d.head import HeadModel
from face3d.identity import read_mica

ARRAYS = ("identity.npy", "kpt7.npy", "kpt68.npy")


def differences(files: dict[str, bytes], folder: Path) -> dict[str, float]:
    """Largest absolute difference of each file's numbers from those of a result folder of the demo."""
    gaps = {}
    for name in ARRAYS:
        mine = np.load(io.BytesIO(files[name]), allow_pickle=False)
        gaps[name] = float(np.abs(mine - np.load(folder / name, allow_pickle=False)).max())
    ours, theirs = (trimesh.load_mesh(source, file_type="ply", process=False) for source in _ply(files, folder))
    gaps["mesh.ply"] = float(np.abs(np.asarray(ours.vertices) - np.asarray(theirs.vertices)).max())
    return gaps


def _ply(files: dict[str, bytes], folder: Path) -> tuple[io.BytesIO, io.BytesIO]:
    return io.BytesIO(files["mesh.ply"]), io.BytesIO((folder / "mesh.ply").read_bytes())


def main() -> None:
    """Compare and print."""
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    checkpoint, inputs, outputs = map(Path, sys.argv[1:])
    mica = read_mica(checkpoint)
    if mica.flame is None:
        raise InputError(f"{checkpoint} holds no FLAME model to make meshes with")
    head = HeadModel(mica.flame)
    folders = [folder for folder in sorted(outputs.iterdir()) if (inputs / f"{folder.name}.npy").is_file()]
    if not folders:
        raise InputError(f"no folder in {outputs} has its input <name>.npy in {inputs}")
    for folder in folders:
        blob = np.load(inputs / f"{folder.name}.npy", allow_pickle=False).astype(np.float32)
        with torch.inference_mode():
            features = mica.arcface(torch.from_numpy(blob).reshape(1, 3, 112, 112))
            identity = mica.mapping(torch.nn.functional.normalize(features))[0].numpy()
        gaps = differences(export_mica(head, identity), folder)
        print(f"{folder.name:<24}" + "  ".join(f"{name} {gap:.2e}" for name, gap in gaps.items()))


if __name__ == "__main__":
    main()
