"""Edges and the faces that meet there."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from face3d.errors import ArgumentError
from face3d.render import mesh_topology
from tests.render.meshes import octahedron, random_mesh


def test_closed_mesh_has_eulers_count():
    topology = mesh_topology(octahedron()[1])
    assert (len(topology.edges), len(topology.hinges), topology.highest_vertex) == (12, 12, 5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_agrees_with_counting_by_hand(seed: int) -> None:
    """Random triangles make edges of one, two and more faces; some triangles here name a vertex twice."""
    triangles = random_mesh(seed, 6, 9)[1]
    triangles[0, 1] = triangles[0, 0]
    faces_at: dict[tuple[int, int], list[int]] = {}
    for face in triangles.tolist():
        if len(set(face)) == 3:
            for corner in range(3):
                a, b = sorted((face[corner - 2], face[corner - 1]))
                faces_at.setdefault((a, b), []).append(face[corner])
    topology = mesh_topology(triangles)
    assert {tuple(edge) for edge in topology.edges.tolist()} == set(faces_at)
    expected = sorted(
        (*edge, *sorted(pair)) for edge, corners in faces_at.items() for pair in itertools.combinations(corners, 2)
    )
    assert sorted((a, b, *sorted((c, d))) for a, b, c, d in topology.hinges.tolist()) == expected
    for face, opposite in zip(triangles.tolist(), topology.opposite_edge.tolist(), strict=True):
        for corner in range(3):
            if len(set(face)) == 3:
                rest = sorted((face[corner - 2], face[corner - 1]))
                assert topology.edges[opposite[corner]].tolist() == rest
            else:
                assert opposite[corner] == -1


def test_no_triangles_have_no_edges():
    topology = mesh_topology(torch.zeros(0, 3, dtype=torch.int64))
    assert topology.edges.shape == (0, 2)
    assert topology.hinges.shape == (0, 4)
    assert topology.highest_vertex == -1


@pytest.mark.parametrize("bad", [torch.zeros(3, 4, dtype=torch.int64), torch.zeros(3, 3), torch.tensor([[0, 1, -1]])])
def test_no_triangles_at_all_are_refused(bad):
    with pytest.raises(ArgumentError, match="triangles"):
        mesh_topology(bad)
