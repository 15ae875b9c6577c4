"""MICA's training as published: which layers learn, its loss, its file; and its slip, when asked for."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from face3d.errors import ArgumentError, CorruptAssetError, InputError
from face3d.head import save_head
from face3d.identity import read_mica
from face3d.identity.mica import flame_difference
from face3d.train.loop import train
from face3d.train.mica import BATCH_SIZE, FROZEN, STEPS, MicaTask
from face3d.train.options import RunOptions
from face3d.train.task import Draw, RunState
from tests.head.golden import FLAME
from tests.identity.checkpoints import mica_content, synthetic_flame
from tests.train.small_mica import small_task, write_masks


def test_the_defaults_are_the_published_ones(small_mica):
    task = MicaTask(data=small_mica)
    assert (STEPS, BATCH_SIZE, task.images) == (160_000, 8, 2)
    assert (task.learning_rate, task.arcface_learning_rate, task.weight_decay) == (1e-5, 1e-5, 2e-4)
    assert (task.masked, task.reproduce) == (True, "none")
    training = small_task(small_mica, learning_rate=1e-5, arcface_learning_rate=1e-5).open()
    assert isinstance(training.optimizer, torch.optim.AdamW)
    assert [group["weight_decay"] for group in training.optimizer.param_groups] == [2e-4, 2e-4]
    assert not any(group["amsgrad"] for group in training.optimizer.param_groups)
    schedule = training.schedule(STEPS)
    training.optimizer.step()
    schedule.step()
    assert [group["lr"] for group in training.optimizer.param_groups] == [1e-5, 1e-5]


def test_the_loss_is_micas_over_images_and_regions(small_mica):
    training = small_task(small_mica, images=3).open()
    batch = training.samples.batch([Draw(0, (1,)), Draw(5, (2,))])
    network = training.network.eval()
    loss = training.losses(network, batch)["loss"]

    head, vertices = synthetic_flame().double(), []
    for identity in (network(batch["crops"].flatten(0, 1)), batch["identity"].repeat_interleave(3, dim=0)):
        vertices.append(head.template + torch.einsum("bi,ivc->bvc", identity.detach().double(), head.identity_basis))
    regions = pickle.loads((small_mica / "masks.pkl").read_bytes())  # noqa: S301  our own
    weights = torch.ones(400, 1, dtype=torch.float64)
    for name in ("left_eyeball", "right_eyeball", "left_ear", "right_ear"):
        weights[regions[name]] = 0.01
    weights[regions["face"]] = 150
    expected = ((vertices[0] - vertices[1]).abs() * weights).mean(dim=(1, 2)) * 1000
    assert loss.item() == pytest.approx(expected.mean().item(), rel=1e-5)
    with torch.no_grad():
        np.testing.assert_allclose(training.errors(network, batch), expected, rtol=1e-5)
        unmasked = small_task(small_mica, masked=False, images=3).open()
        unmasked.network.load_state_dict(training.network.state_dict())
        plain = unmasked.losses(unmasked.network.eval(), batch)["loss"]
    assert plain.item() == pytest.approx((vertices[0] - vertices[1]).abs().mean().item() * 1000, rel=1e-5)


def step(training, draws=((0, 1), (3, 2), (6, 3))):
    batch = training.samples.batch([Draw(index, (entropy,)) for index, entropy in draws])
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.network.train()
    training.losses(training.network, batch)["loss"].backward()
    training.optimizer.step()
    after = training.network.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def part_of(name):
    """The layer of ArcFace that an entry belongs to."""
    return name.split(".")[1]


@pytest.mark.parametrize("reproduce", ["none", "mica"])
def test_frozen_layers_keep_their_weights_and_unless_reproduced_their_statistics(small_mica, reproduce):
    changed = step(small_task(small_mica, reproduce=reproduce).open())
    frozen = {name for name in changed if part_of(name) in FROZEN}
    if reproduce == "none":
        assert frozen == set()
    else:
        assert frozen
        assert all("running" in name or "tracked" in name for name in frozen)
    learned = {part_of(name) for name in changed if name.startswith("arcface.")} - set(FROZEN)
    assert learned == {"layer4", "bn2", "fc", "features"}
    assert {"arcface.layer4.1.running_mean", "arcface.features.running_mean"} <= changed
    assert "arcface.features.weight" not in changed
    assert {"mapping.network.0.weight", "mapping.output.bias"} <= changed


def test_the_slip_changes_what_is_learned(small_mica, tmp_path):
    files = []
    for reproduce in ("none", "mica"):
        options = RunOptions(out=tmp_path / reproduce, batch_size=4, steps=3)
        files.append(torch.load(train(small_task(small_mica, reproduce=reproduce), options).file, weights_only=True))
    name = "fc.weight"
    assert (files[0]["arcface"][name] - files[1]["arcface"][name]).abs().max() > 1e-5


def test_training_learns(small_mica, tmp_path):
    options = RunOptions(out=tmp_path, batch_size=11, steps=60, validate_every=60, log_every=1)
    result = train(small_task(small_mica), options)
    first = train(small_task(small_mica), replace(options, out=tmp_path / "first", steps=1))
    assert result.loss < 0.5 * first.loss


def test_the_true_network_takes_a_step_and_writes_micas_file(small_mica, mica_tar, tmp_path):
    task = MicaTask(
        data=small_mica / "data",
        flame=str(FLAME),
        masks=small_mica / "masks.pkl",
        arcface=mica_tar,
        held_out="LYHM",
    )
    training = task.open()
    trainable = [name for name, parameter in training.network.named_parameters() if parameter.requires_grad]
    counts = {"arcface": 0, "mapping": 0}
    for name in trainable:
        counts[name.split(".")[0]] += training.network.get_parameter(name).numel()
    assert counts == {"arcface": 25_965_568, "mapping": 515_100}

    changed = step(training, draws=((0, 1),))
    assert {part_of(name) for name in changed if name.startswith("arcface.")} == {"layer4", "bn2", "fc", "features"}
    path = tmp_path / "mica.tar"
    training.export(path, RunState(1, 0, 8, 3.5))
    mica = read_mica(path)
    weights = training.network.state_dict()
    for part, network in (("arcface", mica.arcface), ("mapping", mica.mapping)):
        for name, value in network.state_dict().items():
            assert torch.equal(value, weights[f"{part}.{name}"]), name
    assert flame_difference(mica.flame, synthetic_flame()) is None
    written, expected = torch.load(path, weights_only=True), mica_content()
    assert list(written["arcface"]) == list(training._mica.arcface.state_dict())
    for part in ("arcface", "flameModel"):
        assert written[part].keys() == expected[part].keys()
        for name, value in expected[part].items():
            assert (written[part][name].shape, written[part][name].is_contiguous()) == (value.shape, True), name
    assert (written["global_step"], written["epoch"], written["batch_size"]) == (1, 0, 8)


def start_with(tmp_path, content):
    path = tmp_path / "start.tar"
    torch.save(content, path)
    return path


def test_a_mica_tar_is_gone_on_from_with_the_flame_in_it(small_mica, mica_tar):
    training = MicaTask(data=small_mica / "data", start=mica_tar, masks=small_mica / "masks.pkl").open()
    content = mica_content()
    for name, value in training.network.state_dict().items():
        part, rest = name.split(".", 1)
        expected = content["arcface"][rest] if part == "arcface" else content["flameModel"][f"regressor.{rest}"]
        assert torch.equal(value, expected), name
    assert training.warnings == ()


def test_another_flame_than_the_starts_is_warned_of(small_mica, mica_tar, tmp_path):
    arrays = synthetic_flame().arrays()
    path = tmp_path / "other.npz"
    save_head(replace(arrays, template=arrays.template + np.float32(0.001)), path)
    task = MicaTask(data=small_mica / "data", start=mica_tar, flame=str(path), masks=small_mica / "masks.pkl")
    (warning,) = task.open().warnings
    assert "other.npz: the head is another release of FLAME" in warning
    save_head(replace(arrays, identity_basis=arrays.identity_basis[:100]), path)
    with pytest.raises(ArgumentError, match="MICA learns the 300 identity components of FLAME"):
        task.open()


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("start", {"E_flame": {}, "E_detail": {}}, "is DECA's checkpoint, not MICA's"),
        ("start", {"E_flame": {}, "E_expression": {}}, "is SPECTRE's checkpoint, not MICA's"),
        ("start", {"arcface": {}}, "lacks flameModel"),
        ("start", {"arcface": {}, "flameModel": {}}, "does not hold ArcFace's IResNet-100"),
        ("arcface", {"E_flame": {}}, "does not hold ArcFace's IResNet-100"),
    ],
)
def test_other_checkpoints_get_one_clear_line(small_mica, tmp_path, option, content, message):
    path = start_with(tmp_path, content)
    task = MicaTask(data=small_mica / "data", flame=str(FLAME), masks=small_mica / "masks.pkl", **{option: path})
    with pytest.raises(CorruptAssetError, match=message) as caught:
        task.open()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_start_is_refused(small_mica, mica_tar, tmp_path):
    path = tmp_path / "mica.tar"
    path.write_bytes(mica_tar.read_bytes()[: 10 << 20])
    with pytest.raises(CorruptAssetError, match="mica.tar cannot be read safely"):
        MicaTask(data=small_mica / "data", start=path).open()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"images": 5}, InputError, "nobody in .* has 5 images; give a smaller --images"),
        ({"images": 0}, ArgumentError, "--images is above 0"),
        ({"learning_rate": 0.0}, ArgumentError, "--learning-rate is above 0"),
        ({"start": Path("a.tar")}, ArgumentError, "give one of them"),
        ({"flame": "open"}, ArgumentError, "MICA learns the 300 identity components of FLAME"),
        ({"flame": "nowhere.pkl"}, ArgumentError, "'nowhere.pkl' is neither"),
        ({"masks": None}, ArgumentError, "put FLAME_masks.pkl beside the FLAME model"),
        ({"masks": Path("nowhere.pkl")}, InputError, "nowhere.pkl: cannot be read"),
        ({"encoder": torch.nn.Sequential}, ArgumentError, "ONNX file, whose layers cannot be trained"),
    ],
)
def test_options_that_do_not_fit(small_mica, options, error, message):
    if options.get("encoder"):
        options = {"encoder": lambda _path: torch.nn.Sequential()}
    task = replace(small_task(small_mica), **options)
    with pytest.raises(error, match=message):
        task.open()


def test_a_flame_without_landmarks_is_noticed_before_training(small_mica, tmp_path):
    shutil.copy(FLAME, tmp_path / "flame.pkl")
    with pytest.raises(ArgumentError, match="put landmark_embedding.npy beside it"):
        replace(small_task(small_mica), flame=str(tmp_path / "flame.pkl")).open()


def test_persons_with_too_few_images_are_left_out_and_counted(small_mica, tmp_path):
    root = tmp_path / "small"
    shutil.copytree(small_mica / "data", root / "data")
    write_masks(root / "masks.pkl")
    (root / "data" / "LYHM" / "arcface_input" / "m000" / "1.npy").unlink()
    training = small_task(root, images=3).open()
    assert training.warnings == ("1 of 11 persons have fewer than 3 images and are left out",)
    assert len(training.samples) == 10
