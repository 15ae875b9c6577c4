"""Checkpoints: whole, exact, and never trusted."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
import torch

from face3d.errors import OutputError
from face3d.train.checkpoints import newest_checkpoint, random_states, save_torch, set_random_states, write_checkpoint


def draws():
    return random.random(), float(np.random.standard_normal()), float(torch.randn(())), random.gauss(0, 1)  # noqa: NPY002


@pytest.fixture(autouse=True)
def own_randomness():
    before = random_states()
    yield
    set_random_states(before)


def test_random_generators_go_on_where_they_were(tmp_path):
    draws()  # an odd number of normal draws leaves half of a pair in the generators
    write_checkpoint(tmp_path, 3, {"random": random_states()})
    expected = [draws() for _ in range(5)]
    state, warnings = newest_checkpoint(tmp_path)
    assert warnings == ()
    set_random_states(state["random"])
    assert [draws() for _ in range(5)] == expected


def test_the_newest_is_read_and_few_are_kept(tmp_path):
    (tmp_path / ".step_000000007.ckpt.x.partial").write_bytes(b"of a writer that was killed")
    (tmp_path / "notes.txt").write_text("mine")
    for step in (9, 10, 100, 1000):
        write_checkpoint(tmp_path, step, {"value": torch.tensor(step)})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "notes.txt",
        "step_000000100.ckpt",
        "step_000001000.ckpt",
    ]
    state, _ = newest_checkpoint(tmp_path)
    assert (state["step"], int(state["value"])) == (1000, 1000)


def test_nothing_is_there(tmp_path):
    assert newest_checkpoint(tmp_path / "no-such-folder") == (None, ())


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.98])
def test_a_truncated_one_is_passed_over_with_a_warning(tmp_path, kept):
    for step in (5, 10):
        path = write_checkpoint(tmp_path, step, {"value": torch.arange(1000)})
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    state, warnings = newest_checkpoint(tmp_path)
    assert state["step"] == 5
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    assert "\n" not in warnings[0]


class Trap:
    def __reduce__(self):
        return (open, ("trapped", "w"))


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path, 5, {})
    torch.save({"format": Trap()}, tmp_path / "step_000000006.ckpt")
    (tmp_path / "step_000000007.ckpt").write_bytes(pickle.dumps(Trap(), protocol=2))
    state, warnings = newest_checkpoint(tmp_path)
    assert state["step"] == 5
    assert len(warnings) == 2
    assert not (tmp_path / "trapped").exists()


def test_other_files_of_that_name_are_passed_over(tmp_path):
    torch.save({"E_flame": {}}, tmp_path / "step_000000006.ckpt")
    state, warnings = newest_checkpoint(tmp_path)
    assert state is None
    assert "no training checkpoint" in warnings[0]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "weights.tar"
    save_torch(path, {"value": 1})
    with pytest.raises(Exception, match="pickle"):
        save_torch(path, {"value": lambda: None})
    assert torch.load(path) == {"value": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["weights.tar"]
    with pytest.raises(OutputError, match="cannot be written"):
        save_torch(tmp_path / "missing" / "weights.tar", {})
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_checkpoint(tmp_path / "file", 1, {})
