"""A small evaluator of animated GLB files, written from the glTF 2.0 specification alone."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
KINDS = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}


@dataclass(frozen=True)
class Gltf:
    document: dict
    binary: bytes

    @classmethod
    def read(cls, data: bytes) -> Gltf:
        magic, version, length, size = struct.unpack("<4sIII", data[:16])
        assert (magic, version, length) == (b"glTF", 2, len(data))
        return cls(json.loads(data[20 : 20 + size]), data[28 + size :])

    def array(self, index: int) -> np.ndarray:
        """The values of an accessor; its bounds must be true."""
        accessor = self.document["accessors"][index]
        kind, width = KINDS[accessor["componentType"]], WIDTHS[accessor["type"]]
        values = np.zeros((accessor["count"], width), dtype=kind)
        if "bufferView" in accessor:
            values = self._view(accessor["bufferView"], kind, width)
        if (sparse := accessor.get("sparse")) is not None:
            rows = self._view(sparse["indices"]["bufferView"], KINDS[sparse["indices"]["componentType"]], 1)[:, 0]
            assert len(rows) == sparse["count"]
            assert (np.diff(rows.astype(int)) > 0).all()
            values[rows] = self._view(sparse["values"]["bufferView"], kind, width)
        assert len(values) == accessor["count"]
        for name, bound in (("min", values.min(0)), ("max", values.max(0))):
            if name in accessor:
                np.testing.assert_array_equal(np.asarray(accessor[name], dtype=kind), bound)
        return values

    def _view(self, index: int, kind: str, width: int) -> np.ndarray:
        view = self.document["bufferViews"][index]
        assert view["byteOffset"] % np.dtype(kind).itemsize == 0
        block = self.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        return np.frombuffer(block, dtype=kind).reshape(-1, width)

    def vertices(self, time: float, animation: int = 0) -> np.ndarray:
        """World positions of the only skinned mesh at a time of an animation."""
        nodes = [dict(node) for node in self.document["nodes"]]
        (mesh_node,) = (node for node in nodes if "mesh" in node)
        weights = np.array(self.document["meshes"][0].get("weights", []))
        if "animations" in self.document:
            played = self.document["animations"][animation]
            for channel in played["channels"]:
                sampler = played["samplers"][channel["sampler"]]
                assert sampler["interpolation"] == "LINEAR"
                path, node = channel["target"]["path"], nodes[channel["target"]["node"]]
                value = self._sampled(sampler, time, path)
                if path == "weights":
                    assert node is mesh_node
                    weights = value
                else:
                    node[path] = value
        primitive = self.document["meshes"][0]["primitives"][0]
        places = self.array(primitive["attributes"]["POSITION"]).astype(float)
        for weight, target in zip(weights, primitive.get("targets", []), strict=True):
            places = places + weight * self.array(target["POSITION"]).astype(float)
        skin = self.document["skins"][mesh_node["skin"]]
        inverse_bind = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1).astype(float)
        world = self._worlds(nodes)
        matrices = np.stack([world[node] for node in skin["joints"]]) @ inverse_bind
        joints = self.array(primitive["attributes"]["JOINTS_0"])
        shares = self.array(primitive["attributes"]["WEIGHTS_0"]).astype(float)
        blended = np.einsum("vi,vixy->vxy", shares, matrices[joints])
        return np.einsum("vxy,vy->vx", blended, np.concatenate((places, np.ones((len(places), 1))), 1))[:, :3]

    def _sampled(self, sampler: dict, time: float, path: str) -> np.ndarray:
        times = self.array(sampler["input"])[:, 0].astype(float)
        values = self.array(sampler["output"]).astype(float).reshape(len(times), -1)
        after = int(np.clip(np.searchsorted(times, time), 1, max(len(times) - 1, 1))) if len(times) > 1 else 0
        if not after:
            return values[0]
        before = after - 1
        share = float(np.clip((time - times[before]) / (times[after] - times[before]), 0, 1))
        if path == "rotation":
            first, second = Rotation.from_quat(values[before]), Rotation.from_quat(values[after])
            return (first * Rotation.from_rotvec(share * (first.inv() * second).as_rotvec())).as_quat()
        return (1 - share) * values[before] + share * values[after]

    def _worlds(self, nodes: list[dict]) -> list[np.ndarray]:
        world: list[np.ndarray] = [np.eye(4)] * len(nodes)

        def descend(index: int, parent: np.ndarray) -> None:
            local = np.eye(4)
            local[:3, :3] = Rotation.from_quat(nodes[index].get("rotation", [0, 0, 0, 1])).as_matrix()
            local[:3, 3] = nodes[index].get("translation", [0, 0, 0])
            world[index] = parent @ local
            for child in nodes[index].get("children", []):
                descend(child, world[index])

        for root in self.document["scenes"][0]["nodes"]:
            descend(root, np.eye(4))
        return world
