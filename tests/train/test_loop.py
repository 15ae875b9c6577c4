"""The loop: it trains, goes on after any stop, and does in several processes what it does in one."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from face3d.errors import ArgumentError, InputError, OutputError, TrainingError
from face3d.train.loop import train
from face3d.train.options import RunOptions
from face3d.train.regressor_task import RegressorTask
from tests.train.curve_reading import read_curve
from tests.train.linear_task import BIAS, WEIGHTS, LinearTask
from tests.train.run_small_mica import CHECKPOINT_EVERY, STEPS, run
from tests.train.small_mica import small_task
from tests.train.test_regressor_task import write_features


def options(out: Path, **given) -> RunOptions:
    return RunOptions(**{"out": out, "batch_size": 8, "steps": 20, "validate_every": 5, "log_every": 5, **given})


def largest_difference(a: Path, b: Path) -> float:
    """Between all weights of two mica.tar or regressor.pt files, relative to weights above one."""
    first, second = (torch.load(path, weights_only=True) for path in (a, b))
    largest = 0.0
    for part in ("arcface", "flameModel", "network"):
        assert first.get(part, {}).keys() == second.get(part, {}).keys()
        for name, value in first.get(part, {}).items():
            gap = (value.double() - second[part][name].double()).abs() / value.double().abs().clamp(min=1)
            largest = max(largest, float(gap.max()))
    return largest


def test_a_linear_problem_comes_to_its_known_answer(tmp_path):
    result = train(LinearTask(), options(tmp_path, steps=None, epochs=80, validate_every=50))
    assert result.steps == 80 * 40 // 8
    assert result.loss < 1e-10
    found = torch.load(result.file)
    np.testing.assert_allclose(found["weights"]["weight"], WEIGHTS, atol=1e-5)
    np.testing.assert_allclose(found["weights"]["bias"], BIAS, atol=1e-5)
    assert (found["step"], found["epoch"]) == (400, 80)
    assert result.best < 1e-5


def test_curves_and_the_record_tell_what_happened(tmp_path):
    result = train(LinearTask(), options(tmp_path))
    loss = read_curve(tmp_path / "tensorboard", "train/loss")
    assert [step for step, _ in loss] == [5, 10, 15, 20]
    assert loss[-1][1] == pytest.approx(result.loss)
    assert read_curve(tmp_path / "tensorboard", "train/twice")[-1][1] == pytest.approx(2 * result.loss)
    assert read_curve(tmp_path / "tensorboard", "learning_rate")[-1] == (20, pytest.approx(0.1))
    held_out = read_curve(tmp_path / "tensorboard", "held_out/distance")
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["history"] == [[step, pytest.approx(value)] for step, value in held_out]
    assert record["settings"] == {"rate": 0.1, "batch_size": 8, "seed": 0, "precision": "32-true", "samples": 40}
    assert record["step"] == 20


def test_the_best_weights_are_those_of_the_best_measurement(tmp_path):
    result = train(LinearTask(drawn_errors=(3.0, 1.0, 2.0, 1.5)), options(tmp_path))
    assert (result.best, result.best_step, result.last) == (1.0, 10, 1.5)
    best, last = torch.load(result.best_file), torch.load(result.file)
    assert (best["step"], best["error"], last["step"], last["error"]) == (10, 1.0, 20, 1.5)
    assert not torch.equal(best["weights"]["weight"], last["weights"]["weight"])


def test_without_held_out_samples_there_is_no_best(tmp_path):
    result = train(LinearTask(held_out=False), options(tmp_path))
    assert (result.best, result.best_file, result.last) == (None, None, None)
    assert result.file.is_file()
    assert not (tmp_path / "best").exists()


def test_two_processes_train_as_one_with_batch_normalisation(small_mica, tmp_path):
    given = {"batch_size": 4, "steps": 50, "validate_every": 100, "precision": "64-true"}
    one = train(small_task(small_mica), options(tmp_path / "one", **given))
    two = train(small_task(small_mica), options(tmp_path / "two", processes=2, **given))
    start = train(small_task(small_mica), options(tmp_path / "start", **given | {"steps": 1}))
    # Adam makes whole steps of rounding where a derivative is nought, as that of a bias before a normalisation is; in
    # double precision rounding is too small even for that.
    assert largest_difference(one.file, two.file) < 1e-7
    assert largest_difference(one.file, start.file) > 1e-2
    assert two.last == pytest.approx(one.last, rel=1e-7)
    assert two.loss == pytest.approx(one.loss, rel=1e-9)


def test_two_processes_train_as_one_in_single_precision(tmp_path):
    features = write_features(tmp_path / "features.npz")
    task = RegressorTask(features, width=32, dropout=0.0, noise=0.0)
    one = train(task, options(tmp_path / "one", steps=50))
    two = train(task, options(tmp_path / "two", steps=50, processes=2))
    assert largest_difference(one.file, two.file) < 1e-5
    assert two.last == pytest.approx(one.last, rel=1e-5)
    curves = [read_curve(tmp_path / name / "tensorboard", "train/loss") for name in ("one", "two")]
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-5)


def test_a_killed_run_goes_on_to_the_same_weights_bit_for_bit(small_mica, tmp_path):
    seed = random.randrange(1000)
    choose = random.Random(seed)
    killed, whole = tmp_path / "killed", run(small_mica, tmp_path / "whole")
    command = [sys.executable, "-m", "tests.train.run_small_mica", str(small_mica), str(killed)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    wanted = choose.randrange(CHECKPOINT_EVERY, STEPS // 2)
    deadline = time.monotonic() + 180
    while checkpoint_step(killed) < wanted and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(choose.uniform(0, 0.05))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert CHECKPOINT_EVERY <= checkpoint_step(killed) < STEPS

    result = run(small_mica, killed)
    assert 0 < result.resumed_from < STEPS
    assert largest_difference(result.file, whole.file) == 0, f"killed with seed {seed}"
    assert largest_difference(result.best_file, whole.best_file) == 0
    assert (result.last, result.best, result.best_step) == (whole.last, whole.best, whole.best_step)
    for name in ("train/loss", "held_out/masked_loss"):
        assert read_curve(killed / "tensorboard", name) == read_curve(tmp_path / "whole" / "tensorboard", name)


def checkpoint_step(out: Path) -> int:
    return max((int(path.stem[5:]) for path in (out / "checkpoints").glob("step_*.ckpt")), default=0)


def test_a_damaged_checkpoint_is_passed_over(tmp_path):
    task, given = LinearTask(), {"checkpoint_every": 5}
    whole = train(task, options(tmp_path / "whole", steps=20, **given))
    train(task, options(tmp_path / "stopped", steps=15, **given))
    newest = tmp_path / "stopped" / "checkpoints" / "step_000000015.ckpt"
    newest.write_bytes(newest.read_bytes()[:900])
    result = train(task, options(tmp_path / "stopped", steps=20, **given))
    assert result.resumed_from == 10
    assert "step_000000015.ckpt cannot be read" in result.warnings[0]
    assert torch.equal(torch.load(result.file)["weights"]["weight"], torch.load(whole.file)["weights"]["weight"])


def test_rates_and_dropout_go_on_where_they_were(tmp_path):
    task = RegressorTask(write_features(tmp_path / "features.npz"), width=16, dropout=0.5)
    given = {"checkpoint_every": 5, "log_every": 1}
    whole = train(task, options(tmp_path / "whole", **given))
    train(task, options(tmp_path / "stopped", **given))
    (tmp_path / "stopped" / "checkpoints" / "step_000000020.ckpt").unlink()
    result = train(task, options(tmp_path / "stopped", **given))
    assert result.resumed_from == 15
    assert largest_difference(result.file, whole.file) == 0
    for name in ("learning_rate", "train/loss"):
        assert read_curve(tmp_path / "stopped" / "tensorboard", name) == read_curve(
            tmp_path / "whole" / "tensorboard", name
        )


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    first = train(LinearTask(), options(tmp_path))
    again = train(LinearTask(), options(tmp_path, resume=True))
    assert (again.steps, again.resumed_from, again.loss) == (20, 20, None)
    assert again.best == first.best
    assert torch.equal(torch.load(again.file)["weights"]["weight"], torch.load(first.file)["weights"]["weight"])


def test_a_run_goes_on_only_as_it_began(tmp_path):
    train(LinearTask(), options(tmp_path))
    with pytest.raises(ArgumentError, match=r"holds a run with rate 0.1, not 0.2: give the same .* --fresh"):
        train(LinearTask(rate=0.2), options(tmp_path, steps=30))
    with pytest.raises(ArgumentError, match="batch_size 8, not 4"):
        train(LinearTask(), options(tmp_path, steps=30, batch_size=4))
    (tmp_path / "mine.txt").write_text("kept")
    result = train(LinearTask(rate=0.2), options(tmp_path, fresh=True, log_every=20))
    assert result.resumed_from == 0
    assert (tmp_path / "mine.txt").exists()
    assert [step for step, _ in read_curve(tmp_path / "tensorboard", "train/loss")] == [20]


def test_resume_needs_something_to_go_on_from(tmp_path):
    with pytest.raises(ArgumentError, match="holds no checkpoint to go on from"):
        train(LinearTask(), options(tmp_path, resume=True))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (LinearTask(broken_from=13), "loss became nan at step 13"),
        (LinearTask(spoilt_at=10, held_out=False), "bias are not finite after step 10"),
        (LinearTask(spoilt_at=9), "loss became nan at step 10"),
        (LinearTask(rate=1e20), "became (inf|nan) at step"),
        (LinearTask(drawn_errors=(1.0, float("nan"))), "distance became nan at step 10"),
    ],
)
def test_numbers_that_are_not_finite_stop_training_before_they_are_saved(tmp_path, task, message):
    with pytest.raises(TrainingError, match=f"training stopped: .*{message}.* stays") as caught:
        train(task, options(tmp_path, checkpoint_every=5))
    assert "\n" not in str(caught.value)
    for path in (tmp_path / "checkpoints").glob("*.ckpt"):
        weights = torch.load(path, weights_only=True)["network"]
        assert all(torch.isfinite(value).all() for value in weights.values())
    if task.rate < 1:
        assert checkpoint_step(tmp_path) in (5, 10)


def test_an_error_in_another_process_is_the_same_one_line(tmp_path):
    with pytest.raises(InputError, match="^crops/7.npy cannot be read as a crop$"):
        train(LinearTask(failing_process=1), options(tmp_path, processes=2))


def test_a_folder_belongs_to_one_run(tmp_path):
    from filelock import FileLock

    with FileLock(tmp_path / ".lock"), pytest.raises(OutputError, match="another process trains into"):
        train(LinearTask(), options(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        train(LinearTask(), options(tmp_path / "file"))


@pytest.mark.parametrize("given", [{"precision": "bf16-mixed"}, {"workers": 1}])
def test_other_ways_to_compute(tmp_path, given):
    result = train(LinearTask(), options(tmp_path, steps=60, validate_every=60, **given))
    assert result.best < 0.1
    assert {value.dtype for value in torch.load(result.file)["weights"].values()} == {torch.float32}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": None}, "either steps or epochs"),
        ({"epochs": 2}, "either steps or epochs"),
        ({"steps": 0}, "--steps is above 0"),
        ({"validate_every": 0}, "--validate-every is above 0"),
        ({"seed": -1}, "--seed is not negative"),
        ({"batch_size": 9, "processes": 2}, "--batch-size 9 is what 2 processes share"),
        ({"fresh": True, "resume": True}, "give one of them"),
    ],
)
def test_options_that_contradict_each_other(tmp_path, given, message):
    with pytest.raises(ArgumentError, match=message):
        options(tmp_path, **given)
