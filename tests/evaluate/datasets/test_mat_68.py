from __future__ import annotations

import numpy as np
import pytest
import scipy.io

from face3d.errors import InputError
from face3d.evaluate.datasets.mat_68 import mat_sources, read_mat


def points3d():
    return np.random.default_rng(0).uniform(50, 400, (68, 3))


def test_aflw2000(tmp_path):
    """Its 68 3D points count, not the 21 beside them; yaw makes the group."""
    points = points3d()
    pose = np.array([[0.1, -0.8, 0.05, 1, 2, 3, 0.001]], dtype=np.float32)
    content = {"pt3d_68": (points + 0.5).T, "pt2d": np.full((2, 21), -1.0), "Pose_Para": pose}
    scipy.io.savemat(tmp_path / "image00002.mat", content)
    (tmp_path / "image00002.jpg").touch()
    (source,) = mat_sources(tmp_path, None)
    face = source.read()
    np.testing.assert_allclose(face.points, points[:, :2] + 0.5 - 0.5)
    assert face.name == "image00002"
    assert face.image == tmp_path / "image00002.jpg"
    assert face.attributes == {"yaw": "30-60"}


@pytest.mark.parametrize(("degrees", "group"), [(0, "0-30"), (-30, "0-30"), (45, "30-60"), (-75, "60-90")])
def test_yaw_groups(tmp_path, degrees, group):
    pose = np.array([[0, np.radians(degrees), 0, 0, 0, 0, 1]])
    scipy.io.savemat(tmp_path / "a.mat", {"pt3d_68": points3d().T, "Pose_Para": pose})
    assert read_mat(tmp_path / "a.mat", "a").attributes["yaw"] == group


@pytest.mark.parametrize("variable", ["pt2d", "pts_2d", "pts_3d", "pt2d_68"])
@pytest.mark.parametrize("transposed", [False, True])
def test_300w_lp_and_ls3d_w(tmp_path, variable, transposed):
    points = points3d()[:, :2].astype(np.float32)
    scipy.io.savemat(tmp_path / "x_pts.mat", {variable: points.T if transposed else points})
    (source,) = mat_sources(tmp_path, None)
    assert source.name == "x"
    np.testing.assert_allclose(source.read().points, points - 0.5, rtol=1e-6)


def test_invisible_points_have_no_place(tmp_path):
    points = points3d()[:, :2]
    points[5] = -1
    scipy.io.savemat(tmp_path / "a.mat", {"pt2d": points.T})
    found = read_mat(tmp_path / "a.mat", "a").points
    assert np.isnan(found[5]).all()
    assert np.isfinite(np.delete(found, 5, axis=0)).all()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"pt2d": np.zeros((5, 5))},
        {"pt2d": "text"},
        {"pt2d": np.full((2, 68), np.nan)},
        {"pt2d": np.full((2, 68), -1.0)},
        {"pt2d": np.array([["a", 1.0]], dtype=object)},
    ],
)
def test_files_without_landmarks_are_named(tmp_path, content):
    scipy.io.savemat(tmp_path / "a.mat", {"other": 1.0, **content})
    with pytest.raises(InputError, match=r"a\.mat"):
        read_mat(tmp_path / "a.mat", "a")


@pytest.mark.parametrize("cut", [0, 10, 127, 130, 300])
def test_truncated_files_are_named(tmp_path, cut):
    scipy.io.savemat(tmp_path / "whole.mat", {"pt2d": np.ones((2, 68))})
    (tmp_path / "a.mat").write_bytes((tmp_path / "whole.mat").read_bytes()[:cut])
    with pytest.raises(InputError, match=r"a\.mat"):
        read_mat(tmp_path / "a.mat", "a")
