"""The albedo that ships, its file form, and smooth fields for heads without one."""

from dataclasses import replace

import numpy as np
import pytest

from face3d import assets
from face3d.errors import AssetError
from face3d.fit.albedo import AlbedoBasis, albedo_of, load_albedo, sample_vertices, save_albedo, smooth_fields
from face3d.head import HeadModel, load_head


def test_the_shipped_albedo_is_for_the_shipped_head():
    head = load_head("open")
    shipped = load_albedo(assets.open_head_path().with_name("open_albedo.npz"))
    np.testing.assert_array_equal(shipped.vertices, sample_vertices(head))
    assert albedo_of(head) is shipped
    assert shipped.basis.shape[1:] == shipped.mean.shape == (len(shipped.vertices), 3)


def test_its_people_have_skin_of_any_tone():
    """Drawn people's cheeks: reflectance from a few to more than sixty percent, red most and blue least on average."""
    albedo = albedo_of(load_head("open"))
    coefficients = np.random.default_rng(0).normal(size=(400, len(albedo.basis)))
    cheek = np.median(np.exp(albedo.mean + np.tensordot(coefficients, albedo.basis, 1)), axis=1)
    assert np.quantile(cheek[:, 0], 0.02) < 0.15
    assert np.quantile(cheek[:, 0], 0.98) > 0.6
    assert (np.diff(np.median(cheek, axis=0)) < 0).all()


def test_brows_and_lips_are_in_the_mean():
    head = load_head("open")
    albedo = albedo_of(head)
    places = head.template.double().numpy()[albedo.vertices]
    lips = np.isin(albedo.vertices, head.regions["lips"].numpy())
    brows = (np.abs(places[:, 1] - 0.025) < 0.002) & (np.abs(np.abs(places[:, 0]) - 0.036) < 0.006)
    cheeks = (np.abs(places[:, 1] + 0.03) < 0.006) & (np.abs(np.abs(places[:, 0]) - 0.04) < 0.006)
    assert albedo.mean[brows].mean() < albedo.mean[cheeks].mean() - 0.3
    redness = albedo.mean[:, 0] - albedo.mean[:, 1]
    assert redness[lips].mean() > redness[cheeks].mean() + 0.1


def test_a_head_without_painted_albedo_gets_smooth_fields():
    arrays = replace(load_head("open").arrays(), name="someone's")
    albedo = albedo_of(HeadModel(arrays))
    assert len(albedo.basis) > 20
    assert np.ptp(albedo.mean, axis=0).max() == 0
    assert albedo.basis.std(axis=1).max() < 0.5


def test_smooth_fields_make_processes_of_unit_variance():
    points = np.random.default_rng(0).uniform(-0.05, 0.05, (300, 3)) * [1, 1, 0.2]
    fields = smooth_fields(points, (0.06,))
    assert np.allclose((fields**2).sum(axis=1), 1, atol=0.05)


def test_file_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    albedo = AlbedoBasis(np.arange(5), rng.normal(size=(5, 3)), rng.normal(size=(2, 5, 3)))
    path = tmp_path / "albedo.npz"
    path.write_bytes(save_albedo(albedo))
    read = load_albedo(path)
    np.testing.assert_array_equal(read.vertices, albedo.vertices)
    np.testing.assert_allclose(read.log(np.array([1.0, -0.5])), albedo.log(np.array([1.0, -0.5])), atol=5e-3)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(AssetError, match=r"broken\.npz"):
        load_albedo(tmp_path / "broken.npz")
