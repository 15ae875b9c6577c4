"""`face3d train` as a shell sees it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from face3d.cli import main
from tests.cli.recorded_training import recorded_training
from tests.train.test_regressor_task import write_features


@pytest.fixture
def features(tmp_path):
    return write_features(tmp_path / "features.npz")


def train(*arguments):
    return main(["train", *map(str, arguments)])


def test_a_regressor_is_trained_and_gone_on_with(features, tmp_path, capfd):
    run = tmp_path / "run"
    common = ("regressor", "--features", features, "--out", run, "--steps", 12, "--batch-size", 32, "--width", 8)
    assert train(*common, "--checkpoint-every", 4) == 0
    shown = capfd.readouterr()
    assert shown.out.startswith(f"trained 12 steps: {run / 'last' / 'regressor.pt'}")
    assert "best negative_log_likelihood" in shown.out
    assert shown.err == ""
    (run / "checkpoints" / "step_000000012.ckpt").write_bytes(b"")
    assert train(*common, "--resume", "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["steps"], document["resumed_from"]) == (12, 8)
    assert torch.load(document["best_file"], weights_only=True)["step"] == document["best_step"]
    assert "step_000000012.ckpt cannot be read" in document["warnings"][0]
    assert train(*common, "--fresh", "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_mica_is_trained_as_its_options_say(tmp_path, monkeypatch, capfd):
    seen = recorded_training(monkeypatch, tmp_path, "masked_loss")
    arguments = ("mica", "--data", tmp_path, "--out", tmp_path, "--learning-rate", "2e-5", "--reproduce", "mica")
    assert train(*arguments, "--precision", "bf16-mixed", "--processes", 2, "--no-mask") == 0
    task, options = seen["task"], seen["options"]
    assert (task.learning_rate, task.arcface_learning_rate, task.reproduce, task.masked) == (2e-5, 2e-5, "mica", False)
    assert (options.steps, options.epochs, options.batch_size, options.processes) == (160_000, None, 8, 2)
    assert options.precision == "bf16-mixed"
    assert "note: a note" in capfd.readouterr().out
    assert train(*arguments, "--epochs", 3) == 0
    assert (seen["options"].steps, seen["options"].epochs) == (None, 3)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("mica", "--data", "nowhere", "--out", "run"), 1, "nowhere is no folder"),
        (("mica", "--data", "nowhere"), 2, "--out RUN is needed"),
        (("regressor", "--features", "none.npz", "--out", "run"), 1, "none.npz is not there"),
        (("regressor", "--features", "f", "--out", "run", "--steps", "3", "--epochs", "1"), 2, "--steps or --epochs"),
        (("regressor", "--features", "f", "--out", "run", "--device", "abacus"), 2, "runs on cpu or cuda"),
        (("regressor", "--features", "f", "--out", "run", "--precision", "16-mixed"), 2, "needs a GPU"),
        (("regressor", "--features", "f", "--out", "run", "--resume", "--fresh"), 2, "give one of them"),
    ],
)
def test_errors_are_one_line(tmp_path, monkeypatch, capfd, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    assert train(*arguments) == code
    shown = capfd.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_values_that_are_not_numbers_stop_a_run(tmp_path, capfd):
    path = write_features(tmp_path / "features.npz")
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["identity"][7] = 3e38
    np.savez(path, **arrays)
    run = ("regressor", "--features", path, "--out", tmp_path / "run", "--steps", 40)
    assert train(*run, "--checkpoint-every", 1) == 1
    assert "training stopped: loss became" in capfd.readouterr().err
