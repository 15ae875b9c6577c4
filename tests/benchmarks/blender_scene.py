"""Run by Blender's Python, which has no face3d: `python blender_scene.py HEAD.glb VERTICES.npz TIMES...`.

Imports a GLB and writes the mesh as Blender deforms it, (T, V, 3) metres in Blender's world, at times in seconds.
"""

from __future__ import annotations

import sys

import bpy
import numpy as np


def main() -> None:
    """Import, go to each time, write."""
    glb, out, times = sys.argv[1], sys.argv[2], [float(text) for text in sys.argv[3:]]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=glb)
    scene = bpy.context.scene
    (head,) = (thing for thing in scene.objects if thing.type == "MESH" and thing.data.shape_keys)
    posed = []
    for time in times:
        frame = time * scene.render.fps / scene.render.fps_base
        scene.frame_set(int(frame), subframe=frame - int(frame))
        deformed = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = deformed.to_mesh()
        vertices = np.empty(3 * len(mesh.vertices))
        mesh.vertices.foreach_get("co", vertices)
        world = np.array(deformed.matrix_world)
        posed.append(vertices.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3])
    np.savez(out, vertices=np.stack(posed), shapes=len(head.data.shape_keys.key_blocks) - 1)


if __name__ == "__main__":
    main()
