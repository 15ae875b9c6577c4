"""FLAME to and from the buffers of MICA's checkpoint; reading is also tested with `identity.mica`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from face3d.errors import ArgumentError
from face3d.head.flame import read_flame
from face3d.head.flame_checkpoint import flame_of_generator, generator_of_flame
from tests.head.golden import FLAME
from tests.identity.checkpoints import generator


def test_buffers_come_back_as_they_were():
    buffers = generator()
    head = flame_of_generator(buffers, Path("mica.tar"))
    written = generator_of_flame(head)
    assert written.keys() == buffers.keys()
    for name, value in buffers.items():
        assert written[name].shape == value.shape, name
        assert torch.equal(written[name].double(), value.double().float().double()), name


def test_the_users_flame_becomes_what_the_checkpoint_would_hold():
    written, expected = generator_of_flame(read_flame(FLAME)), generator()
    assert written.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(written[name].double(), value.double(), atol=1e-7, rtol=1e-6)


def test_a_model_without_landmarks_is_told_so():
    head = read_flame(FLAME)
    with pytest.raises(ArgumentError, match=r"put landmark_embedding.npy beside it"):
        generator_of_flame(replace(head, point_sets={}))
    fixed = {"ibug_68_fixed": head.point_sets["ibug_68_fixed"]}
    with pytest.raises(ArgumentError, match=r"put landmark_embedding.npy beside it"):
        generator_of_flame(replace(head, point_sets=fixed))
    with pytest.raises(ArgumentError, match="pose correctives"):
        generator_of_flame(replace(head, pose_basis=None))
