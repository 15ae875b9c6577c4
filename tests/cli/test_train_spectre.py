"""`face3d train spectre` as a shell sees it."""

from __future__ import annotations

import json

import pytest

from face3d.cli import main
from face3d.train.spectre import SpectreTask
from tests.cli.recorded_training import recorded_training
from tests.head.golden import FLAME
from tests.train.conftest import small_clips as small_clips
from tests.train.small_spectre import write_clip


def train(*arguments):
    return main(["train", "spectre", *map(str, arguments)])


def test_the_options_reach_the_task(tmp_path, monkeypatch, capfd):
    seen = recorded_training(monkeypatch, tmp_path, "lip_rms")
    arguments = ("--data", tmp_path, "--out", tmp_path / "run")
    assert train(*arguments) == 0
    assert seen["task"] == SpectreTask(data=tmp_path, store=tmp_path / "run" / "landmarks")
    assert (seen["options"].epochs, seen["options"].steps, seen["options"].batch_size) == (6, None, 1)
    assert "note: a note" in capfd.readouterr().out
    files = ("--flame", "f.pkl", "--deca", "d.tar", "--lipread", "l.pth", "--emotion", "e.ckpt", "--split", "lists.pkl")
    more = ("--steps", 5, "--batch-size", 4, "--processes", 2, "--precision", "bf16-mixed", "--weights", "config")
    assert train(*arguments, *files, *more, "--reproduce", "spectre", "--frames", 12, "--detector", "fan") == 0
    task, options = seen["task"], seen["options"]
    assert (task.flame, str(task.deca), str(task.lipread), str(task.emotion)) == ("f.pkl", "d.tar", "l.pth", "e.ckpt")
    assert (task.split, task.weights, task.reproduce, task.frames) == ("lists.pkl", "config", "spectre", 12)
    assert (task.detector, options.steps, options.batch_size, options.processes) == ("fan", 5, 4, 2)


def test_a_run_reports_and_names_clips_that_are_too_short(small_clips, tmp_path, capfd):
    from face3d.head import load_head

    root = tmp_path / "clips"
    for name, frames in (("a/1", 6), ("b/short", 4), ("c/1", 6)):
        write_clip(root, load_head(FLAME), name, frames)
    lists = tmp_path / "lists.json"
    lists.write_text(json.dumps([["a/1", "b/short"], ["c/1"]]))
    weights = small_clips / "weights"
    given = ("--data", root / "data", "--landmarks", root / "landmarks", "--flame", FLAME, "--split", lists)
    files = ("--deca", weights / "deca_model.tar", "--lipread", weights / "model.pth")
    run = ("--emotion", weights / "emotion.ckpt", "--out", tmp_path / "run", "--steps", 2, "--validate-every", 2)
    assert train(*given, *files, *run, "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["steps"], document["metric"], document["best_step"]) == (2, "lip_rms", 2)
    assert document["file"] == str(tmp_path / "run" / "last" / "spectre_model.tar")
    (short,) = [warning for warning in document["warnings"] if "fewer than 5 frames" in warning]
    assert short == "1 of 3 clips show a face in fewer than 5 frames and are left out: b/short"
    lists.write_text(json.dumps([["b/short"], ["c/1"]]))
    assert train(*given, *files, *run) == 1
    shown = capfd.readouterr().err
    assert "is left to learn from: 1 of 2 clips show a face in fewer than 5 frames and are left out: b/short" in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--data", "nowhere", "--out", "run"), 1, "nowhere is no folder"),
        (("--data", "nowhere"), 2, "--out RUN is needed"),
        (("--data", "nowhere", "--out", "run", "--frames", "3"), 2, "--frames is 5 or more"),
    ],
)
def test_errors_are_one_line(tmp_path, monkeypatch, capfd, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    assert train(*arguments) == code
    shown = capfd.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
