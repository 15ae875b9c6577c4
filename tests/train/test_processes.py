"""What a machine can train with, said before anything starts."""

from __future__ import annotations

import os
import sys

import pytest
import torch

from face3d.errors import ArgumentError, DependencyError
from face3d.train.processes import check_processes, gathered, launch


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("abacus", 1, "32-true"), "runs on cpu or cuda, not on 'abacus'"),
        (("cuda:x", 1, "32-true"), "not on 'cuda:x'"),
        (("cpu", 0, "32-true"), "--processes is 1 or more"),
        (("cpu", 1, "16-mixed"), "16-mixed needs a GPU"),
        (("cuda:1", 2, "32-true"), "take the first 2 GPUs: give --device cuda"),
        (("cuda", 999, "32-true"), "this machine has"),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        check_processes(*arguments)


def test_without_fabric_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(DependencyError, match=r'pip install "face3d\[train\]"'):
        check_processes("cpu", 1, "32-true")


def test_one_process_runs_here_and_leaves_the_environment():
    before = dict(os.environ)

    def work(fabric, number):
        return {"sum": number + fabric.global_rank, "process": os.getpid(), "device": str(fabric.device)}

    result = launch(work, 3, device="cpu", processes=1, precision="32-true")
    assert result == {"sum": 3, "process": os.getpid(), "device": "cpu"}
    assert dict(os.environ) == before
    assert gathered("alone") == ["alone"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_no_gpu_is_said_at_once():
    with pytest.raises(ArgumentError, match="--device cuda with 1 processes: this machine has 0 GPUs"):
        check_processes("cuda", 1, "bf16-mixed")
