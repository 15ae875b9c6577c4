"""Memory of frames: used again when nobody looks any more, and never before."""

from __future__ import annotations

import gc

import numpy as np

from face3d.media.frame_memory import FrameMemory


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_comes_back_when_the_array_is_gone():
    memory = FrameMemory()
    first = memory.array((4, 5, 3))
    assert first.shape == (4, 5, 3)
    assert first.flags.writeable
    assert first.flags.c_contiguous
    place = address(first)
    del first
    assert address(memory.array((4, 5, 3))) == place


def test_a_view_keeps_it():
    memory = FrameMemory()
    first = memory.array((40, 50, 3))
    first[:] = 7
    corner = first[10:20, 5:9][::2].transpose(1, 0, 2)
    del first
    gc.collect()
    others = [memory.array((40, 50, 3)) for _ in range(3)]
    for other in others:
        other[:] = 9
    assert (corner == 7).all()
    assert len({address(other) for other in others}) == 3


def test_other_sizes():
    memory = FrameMemory()
    del (first := [memory.array((2, 2, 3)), memory.array((2, 2, 3))])[:]
    larger = memory.array((8, 8, 3))
    larger[:] = 1
    assert larger.sum() == 192
    assert memory.array((2, 2, 3)).shape == (2, 2, 3)
    assert not first


def test_memory_may_be_gone_first():
    array = FrameMemory().array((2, 3, 3))
    array[:] = 5
    assert np.array_equal(array.copy(), array)
