"""`--identity regressor` from photo to result, with the file that ships."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage import data

import face3d
from face3d import assets
from face3d.camera import choose_intrinsics
from face3d.cli import main
from face3d.errors import ArgumentError, LicenceError
from face3d.fit import FitOptions, ForetoldIdentity, Observation, fit_landmarks
from face3d.fit.known_identity import FORETOLD_WEIGHT
from face3d.fit.responses import identity_fingerprint
from face3d.head import HeadModel, load_open_head
from face3d.identity.person import identity_of_clips, open_identity, shipped_regressor
from face3d.media import Photo
from tests.identity.checkpoints import synthetic_flame


@pytest.fixture(scope="module")
def photo():
    return Photo.from_array(np.ascontiguousarray(data.astronaut()))


@pytest.fixture(scope="module")
def observation(photo, detector):
    (face,) = detector.detect(photo.pixels)
    return Observation(face, choose_intrinsics(photo))


def test_what_ships_is_small_belongs_to_the_open_head_and_carries_its_card():
    path = assets.open_head_path().with_name("shape_regressor.npz")
    assert path.stat().st_size < 4_000_000
    belief = shipped_regressor()
    assert belief.fingerprint == identity_fingerprint(load_open_head())
    assert belief.card["held_out"]["gain"] >= 0.3
    assert belief.card["held_out"]["scale_error"] <= 0.025
    assert set(belief.card["groups"]) == {"sex", "ancestry", "skin"}
    assert all(row["gain"] > 0.2 for group in belief.card["groups"].values() for row in group.values())


def test_a_prior_that_says_nothing_changes_nothing(observation):
    silent = ForetoldIdentity("nothing", np.zeros(80), np.eye(80))
    model = load_open_head()
    plain = fit_landmarks(model, [observation])
    told = fit_landmarks(model, [observation], FitOptions(known_identity=silent))
    np.testing.assert_allclose(told.identity, plain.identity, atol=1e-9)
    np.testing.assert_allclose(told.identity_covariance, plain.identity_covariance, atol=1e-9)


def test_the_surer_the_closer(observation):
    mean = np.zeros(80)
    mean[[0, 3, 7]] = 1.5, -1.0, 0.5
    model = load_open_head()
    gaps, spreads = [], []
    for certainty in (0.5, 50.0, 5e5):
        told = ForetoldIdentity("someone", mean, np.eye(80) * (1 + certainty / FORETOLD_WEIGHT))
        fit = fit_landmarks(model, [observation], FitOptions(known_identity=told))
        gaps.append(np.linalg.norm(fit.identity[:80] - mean))
        spreads.append(np.trace(fit.identity_covariance[:80, :80]))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.01
    assert spreads[0] > spreads[1] > spreads[2]


def test_a_photo_takes_it_up_and_says_so(stored_mobilefacenet, photo, tmp_path):
    (told,) = face3d.reconstruct([photo], identity="regressor", texture=False, out=tmp_path)
    (plain,) = face3d.reconstruct([photo], texture=False)
    network = open_identity("regressor", None, load_open_head())
    foretold = network.look_at([photo.pixels], [plain.landmarks])
    gap = [np.linalg.norm(result.identity[:80] - foretold.mean) for result in (told, plain)]
    assert gap[0] < 0.9 * gap[1]
    assert told.scale.sigma < plain.scale.sigma
    assert "mobilefacenet" in [use.name for use in told.assets]
    assert "mobilefacenet" not in [use.name for use in plain.assets]
    # Landmarks are still followed.
    assert told.residual < plain.residual + 0.01


def test_licence_head_and_name_are_checked(stored_mobilefacenet, photo):
    with pytest.raises(LicenceError, match="mobilefacenet"):
        face3d.reconstruct([photo], identity="regressor", licence="open")
    with pytest.raises(ArgumentError, match="open head's identities"):
        open_identity("regressor", None, synthetic_flame())
    model = load_open_head()
    other = HeadModel(replace(model.arrays(), identity_basis=model.arrays().identity_basis[::-1].copy()))
    with pytest.raises(ArgumentError, match="open head's identities"):
        open_identity("regressor", None, other)
    with pytest.raises(ArgumentError, match="regressor, mica"):
        open_identity("guess", None, model)


def test_from_the_command_line(stored_mobilefacenet, astronaut_file, tmp_path):
    command = ["reconstruct", str(astronaut_file), "--identity", "regressor", "--no-texture", "--out", str(tmp_path)]
    assert main([*command, "--quiet"]) == 0
    assert "mobilefacenet" in (tmp_path / "astronaut" / "reconstruction.json").read_text()


def test_clips_take_the_regressor_where_its_encoder_is_at_hand(monkeypatch, tmp_path):
    model = load_open_head()
    assets.obtain("mobilefacenet")
    assert identity_of_clips("auto", model) == "regressor"
    assert identity_of_clips("auto", model, "open") == "fit"
    assert identity_of_clips("auto", synthetic_flame()) == "fit"
    for name in ("fit", "mica", "regressor"):
        assert identity_of_clips(name, model, "open") == name
    monkeypatch.setenv("FACE3D_HOME", str(tmp_path))
    assert identity_of_clips("auto", model) == "fit"
