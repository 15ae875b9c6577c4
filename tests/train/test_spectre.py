"""SPECTRE's training: it lowers the lip-reading loss, goes on after a stop, writes its file, says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from face3d.errors import ArgumentError, CorruptAssetError, InputError, MissingAssetError, TrainingError
from face3d.expression import read_spectre
from face3d.head import load_head
from face3d.train import clip_data
from face3d.train.loop import train
from face3d.train.options import RunOptions
from face3d.train.spectre import BATCH_SIZE, EPOCHS, SpectreTask, lip_rms
from face3d.train.spectre_losses import WEIGHTS, LossWeights
from face3d.train.task import Draw, RunState
from tests.train.curve_reading import read_curve
from tests.train.small_spectre import CheapTask, coarse_weights_of, lips_of_flame, small_task, write_small_clips


def run_options(out: Path, **given) -> RunOptions:
    return RunOptions(**{"out": out, "batch_size": 1, "steps": 4, "validate_every": 100, "log_every": 1, **given})


@pytest.fixture
def one_thread():
    """Sums are then always made alike."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_defaults_are_the_published_ones(small_clips, tmp_path):
    task = SpectreTask(data=tmp_path, store=tmp_path)
    assert (EPOCHS, BATCH_SIZE, task.frames, task.learning_rate, task.reproduce) == (6, 1, 20, 5e-5, "none")
    assert task.loss_weights == LossWeights(50, 25, 0, 2, 0.5, 1, 200)
    assert WEIGHTS["config"] == LossWeights(50, 50, 0, 2, 0.5, 1, 200)
    training = small_task(small_clips, emotion=None, weights=LossWeights(emotion=0), learning_rate=5e-5).open()
    assert type(training.optimizer) is torch.optim.Adam
    assert [group["weight_decay"] for group in training.optimizer.param_groups] == [0]
    schedule = training.schedule(60_000)
    training.optimizer.step()
    rates = []
    for _ in range(50_001):
        rates.append(schedule.get_last_lr()[0])
        schedule.step()
    assert rates[0] == rates[49_999] == 5e-5
    assert rates[50_000] == pytest.approx(1e-5)


def lipread_of(task: SpectreTask, weights=None) -> float:
    """Mean over the clips, always the same stretches, normalised by the clip as in training."""
    torch.manual_seed(0)
    training = task.open()
    if weights is not None:
        training.network.load_state_dict(weights)
    training.network.train()
    with torch.no_grad():
        batches = [training.samples.batch([Draw(index, (7,))]) for index in range(len(training.samples))]
        terms = [training.losses(training.network, batch)["lipread"] for batch in batches]
    return float(torch.stack(terms).mean())


def test_training_lowers_the_lip_reading_loss(tmp_path, monkeypatch):
    """Real networks of recipe weights, all terms but the emotion network's, on a head with lips."""
    # The stand-in for DECA knows one size of head.
    monkeypatch.setattr(clip_data, "SCALES", (1.6, 1.6))
    flame = lips_of_flame(tmp_path)
    root = write_small_clips(tmp_path / "clips", flame, (("a/1", 6), ("b/1", 6)))
    split = tmp_path / "split.json"
    split.write_text(json.dumps([["a/1", "b/1"], []]))
    # Lip reading weighs enough that the few steps of a test show it.
    weights = LossWeights(landmark=1, relative_landmark=1, lipread=20, emotion=0)
    task = small_task(root, flame=str(flame), split=str(split), weights=weights, learning_rate=1e-4, frames=6)
    before = lipread_of(task)
    result = train(task, run_options(tmp_path / "run", steps=10))
    learned = read_spectre(result.file)
    assert lipread_of(task, learned.expression.state_dict()) < 0.8 * before
    assert result.best is None
    curve = read_curve(tmp_path / "run" / "tensorboard", "train/lipread")
    assert len(curve) == 10
    for name, value in coarse_weights_of(load_head(flame)).items():
        assert torch.equal(learned.coarse.state_dict()[name], value), name


def test_all_published_terms_are_weighed_in_a_step_of_the_true_networks(small_clips, tmp_path):
    training = small_task(small_clips, weights="config", frames=5).open()
    batch = training.samples.batch([Draw(0, (1,))])
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    terms = training.losses(training.network.train(), batch)
    assert set(terms) == {"loss", "landmark", "relative_landmark", "lipread", "emotion", "expression", "jaw"}
    published = {"landmark": 50, "relative_landmark": 50, "lipread": 2, "emotion": 0.5, "expression": 1, "jaw": 200}
    expected = sum(weight * terms[name].item() for name, weight in published.items())
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-5)
    terms["loss"].backward()
    wanted = {name for name, parameter in training.network.named_parameters() if parameter.requires_grad}
    assert {name for name, parameter in training.network.named_parameters() if parameter.grad is not None} == wanted
    assert not any(name.startswith("encoder.classifier") for name in wanted)
    training.optimizer.step()
    after = training.network.state_dict()
    unmoved = {name for name, value in before.items() if torch.equal(value, after[name])}
    assert unmoved == {"encoder.classifier.1.weight", "encoder.classifier.1.bias"}
    path = tmp_path / "spectre_model.tar"
    training.export(path, RunState(1, 0, 1, None))
    for name, value in read_spectre(path).expression.state_dict().items():
        assert torch.equal(value, after[name]), name
    content = torch.load(path, weights_only=True)
    assert (list(content), content["global_step"]) == (["E_flame", "E_expression", "global_step", "batch_size"], 1)
    assert all(value.is_contiguous() for value in content["E_expression"].values())


class InterruptedTask:
    """Another task, stopped by its user in some step."""

    def __init__(self, task: CheapTask, after: int):
        self.task, self.left = task, after

    def open(self):
        training = self.task.open()
        losses = training.losses

        def stopping(network, batch):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return losses(network, batch)

        training.losses = stopping
        return training


def test_an_interrupted_run_goes_on_to_the_same_weights(small_clips, one_thread, tmp_path):
    task = CheapTask(small_task(small_clips, weights=LossWeights(emotion=0), frames=5, learning_rate=1e-3))
    given = {"steps": 6, "checkpoint_every": 2, "validate_every": 3, "batch_size": 2}
    whole = train(task, run_options(tmp_path / "whole", **given))
    with pytest.raises(KeyboardInterrupt):
        train(InterruptedTask(task, 5), run_options(tmp_path / "stopped", **given))
    resumed = train(task, run_options(tmp_path / "stopped", resume=True, **given))
    assert (resumed.resumed_from, resumed.steps, resumed.best_step) == (4, 6, whole.best_step)
    assert (resumed.loss, resumed.best, resumed.last) == (whole.loss, whole.best, whole.last)
    first, second = (torch.load(result.file, weights_only=True)["E_expression"] for result in (whole, resumed))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_two_processes_train_as_one(small_clips, one_thread, tmp_path):
    """In double precision, as rounding alone parts two runs of random weights."""
    task = CheapTask(small_task(small_clips, weights=LossWeights(emotion=0), frames=5, learning_rate=1e-4))
    given = {"steps": 3, "batch_size": 2, "validate_every": 3, "precision": "64-true"}
    one = train(task, run_options(tmp_path / "one", **given))
    two = train(task, run_options(tmp_path / "two", processes=2, **given))
    assert two.loss == pytest.approx(one.loss, rel=1e-7)
    assert two.last == pytest.approx(one.last, rel=1e-7)
    first, second = (torch.load(result.file, weights_only=True)["E_expression"] for result in (one, two))
    for name, value in first.items():
        torch.testing.assert_close(second[name].double(), value.double(), rtol=1e-7, atol=1e-7, msg=name)


def test_clips_of_unlike_length_count_alike_in_a_batch(small_clips):
    task = small_task(small_clips, weights=LossWeights(emotion=0), frames=9, split=lists(small_clips))
    training = CheapTask(task).open()
    network = training.network.eval()
    draws = [Draw(0, (1,)), Draw(1, (2,))]
    together = training.losses(network, training.samples.batch(draws))
    alone = [training.losses(network, training.samples.batch([draw])) for draw in draws]
    for name, value in together.items():
        assert value.item() == pytest.approx(sum(terms[name].item() for terms in alone) / 2, rel=1e-4, abs=1e-9), name


def lists(root: Path) -> str:
    """A file of lists: two clips of nine and seven frames to learn from."""
    path = root / "lists.json"
    path.write_text(json.dumps([["a/1", "a/2.mp4"], [["c/1", "A TRANSCRIPT"]], ["not/there"]]))
    return str(path)


def test_held_out_clips_are_measured_by_their_lips(small_clips):
    training = CheapTask(small_task(small_clips, weights=LossWeights(emotion=0), split=lists(small_clips))).open()
    assert (len(training.samples), len(training.held_out), training.metric) == (2, 1, "lip_rms")
    batch = training.held_out.batch([Draw(0, (1,))])
    (error,) = training.errors(training.network.eval(), batch).tolist()
    assert 0 < error < 1
    points = batch["landmarks"][0]
    assert lip_rms(points, points) == 0
    eyes = (points[:, 36] - points[:, 45]).norm(dim=-1).double()
    moved = points.clone()
    moved[:, 48, 0] += 0.1 * (points[:, 48, 0] - points[:, 54, 0]).sign()
    widths = [(each[:, 48] - each[:, 54]).norm(dim=-1).double() for each in (moved, points)]
    expected = ((widths[0] - widths[1]) / eyes).square().mean().sqrt() / 2
    assert lip_rms(moved, points) == pytest.approx(float(expected), rel=1e-6)


def test_a_start_is_gone_on_from_and_damped_only_when_the_slip_is_asked_for(small_clips, spectre_tar, tmp_path):
    weights = LossWeights(emotion=0)
    options = {"deca": None, "start": spectre_tar, "weights": weights}
    plain, slip = (small_task(small_clips, reproduce=way, **options).open() for way in ("none", "spectre"))
    expected = read_spectre(spectre_tar).expression.state_dict()
    for name, value in plain.network.state_dict().items():
        assert torch.equal(value, expected[name]), name
    torch.testing.assert_close(slip.network.state_dict()["layers.0.weight"], 1e-3 * expected["layers.0.weight"])
    assert plain.warnings == ()
    with pytest.raises(ArgumentError, match="leave --deca and --backbone out"):
        small_task(small_clips, start=spectre_tar).open()


def test_a_backbone_of_imagenet_is_begun_with(small_clips, tmp_path):
    from torchvision.models import mobilenet_v2

    network = mobilenet_v2(weights=None)
    torch.save(network.state_dict(), tmp_path / "mobilenet_v2.pth")
    task = small_task(small_clips, weights=LossWeights(emotion=0), backbone=tmp_path / "mobilenet_v2.pth")
    training = task.open()
    assert training.warnings == ()
    started = training.network.state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(started[f"encoder.{name}"], value), name
    (warning,) = small_task(small_clips, weights=LossWeights(emotion=0)).open().warnings
    assert "random weights" in warning


def test_values_that_are_no_numbers_stop_a_run(small_clips, tmp_path):
    task = CheapTask(small_task(small_clips, weights=LossWeights(emotion=0), learning_rate=1e30))
    with pytest.raises(TrainingError, match=r"training stopped: (loss became nan|the weights .* are not finite)"):
        train(task, run_options(tmp_path, checkpoint_every=100))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lipread", {"lipread": None}),
        ("deca", {"deca": None}),
        ("emotion", {"emotion": None}),
        ("flame", {"flame": "flame"}),
    ],
)
def test_missing_weights_are_named_with_the_command_that_adds_them(small_clips, monkeypatch, tmp_path, name, options):
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    with pytest.raises(MissingAssetError, match=f"face3d assets add {name}") as caught:
        small_task(small_clips, **options).open()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"deca": "weights/model.pth"}, CorruptAssetError, "model.pth has no E_flame"),
        ({"lipread": "nowhere.pth"}, CorruptAssetError, "nowhere.pth cannot be read safely"),
        ({"flame": "open"}, ArgumentError, "identity components of FLAME"),
        ({"frames": 4}, ArgumentError, "--frames is 5 or more"),
        ({"learning_rate": 0.0}, ArgumentError, "--learning-rate is above 0"),
        ({"weights": "paper"}, ArgumentError, "--weights is one of readme, config"),
        ({"reproduce": "mica"}, ArgumentError, "--reproduce is one of none, spectre"),
        ({"split": "thirds"}, ArgumentError, "neither `random` nor a file"),
        ({"data": "nowhere"}, InputError, "nowhere is no folder"),
        ({"landmarks": "weights"}, InputError, "has landmarks of none of the 4 clips"),
    ],
)
def test_what_is_wrong_gets_one_clear_line(small_clips, options, error, message):
    paths = {name: small_clips / value for name, value in options.items() if name in ("deca", "lipread", "landmarks")}
    given = {"weights": LossWeights(emotion=0), **options, **paths}
    with pytest.raises(error, match=message) as caught:
        small_task(small_clips, **({**given, "data": Path(given["data"])} if "data" in given else given)).open()
    assert "\n" not in str(caught.value)


def test_weights_of_losses_are_not_negative():
    with pytest.raises(ArgumentError, match="weights of losses are 0 or more"):
        LossWeights(lipread=-1)
