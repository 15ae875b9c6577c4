"""COFW in both of its forms, and HDF5 files that try to have other files read."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.io

from face3d.errors import DependencyError, InputError
from face3d.evaluate.datasets.cofw import cofw_sources, is_cofw

h5py = pytest.importorskip("h5py")


def faces():
    """Rows as COFW has them (MATLAB's pixels), the points they mean, and images, one grey and one in colour."""
    random = np.random.default_rng(0)
    points = random.uniform(10, 200, (2, 29, 2))
    occluded = np.zeros((2, 29))
    occluded[1, :10] = 1
    rows = np.concatenate([points[..., 0] + 0.5, points[..., 1] + 0.5, occluded], axis=1)
    images = [random.integers(0, 256, (40, 30), dtype=np.uint8), random.integers(0, 256, (20, 25, 3), dtype=np.uint8)]
    return rows, points, images


def write_old(path):
    rows, _, images = faces()
    cells = np.empty((2, 1), dtype=object)
    cells[:, 0] = images
    scipy.io.savemat(path, {"phisT": rows, "IsT": cells, "bboxesT": np.ones((2, 4))})


def write_new(path, part="T"):
    rows, _, images = faces()
    with h5py.File(path, "w", userblock_size=512) as file:
        file[f"phis{part}"] = rows.T
        references = np.empty((1, 2), dtype=h5py.ref_dtype)
        for n, image in enumerate(images):
            references[0, n] = file.create_dataset(f"#refs#/{n}", data=image.T).ref
        file[f"Is{part}"] = references
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(512, b" "))


@pytest.mark.parametrize("write", [write_old, write_new])
def test_points_and_images(tmp_path, write):
    path = tmp_path / "COFW_test.mat"
    write(path)
    assert is_cofw(path)
    _, points, images = faces()
    sources = cofw_sources(path, None)
    assert [source.name for source in sources] == ["COFW_test_0001", "COFW_test_0002"]
    for source, expected, image in zip(sources, points, images, strict=True):
        face = source.read()
        np.testing.assert_allclose(face.points, expected)
        assert face.pixels is not None
        assert face.pixels.shape == (*image.shape[:2], 3)
        np.testing.assert_array_equal(face.pixels[..., 0], image if image.ndim == 2 else image[..., 0])
    assert [source.read().attributes["occlusion"] for source in sources] == ["0-20 %", "20-100 %"]


def test_the_training_set(tmp_path):
    write_new(tmp_path / "a.mat", part="Tr")
    assert len(cofw_sources(tmp_path / "a.mat", None)) == 2


def secret(tmp_path):
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = faces()[0].T
    raw = tmp_path / "secret.bin"
    raw.write_bytes(faces()[0].T.tobytes())
    return path, raw


def external_link(file, tmp_path):
    file["phisT"] = h5py.ExternalLink(str(secret(tmp_path)[0]), "numbers")


def external_storage(file, tmp_path):
    file.create_dataset("phisT", (87, 2), "f8", external=[(str(secret(tmp_path)[1]), 0, h5py.h5f.UNLIMITED)])


def virtual(file, tmp_path):
    layout = h5py.VirtualLayout((87, 2), "f8")
    layout[:] = h5py.VirtualSource(str(secret(tmp_path)[0]), "numbers", (87, 2))
    file.create_virtual_dataset("phisT", layout)


def soft_link_to_external(file, tmp_path):
    file["inner"] = h5py.ExternalLink(str(secret(tmp_path)[0]), "numbers")
    file["phisT"] = h5py.SoftLink("/inner")


def group(file, tmp_path):
    file.create_group("phisT")


def image_from_elsewhere(file, tmp_path):
    file["phisT"] = faces()[0].T
    layout = h5py.VirtualLayout((30, 40), "u1")
    layout[:] = h5py.VirtualSource(str(secret(tmp_path)[0]), "numbers", (30, 40))
    outside = file.create_virtual_dataset("#refs#/a", layout)
    file["IsT"] = np.array([[outside.ref, outside.ref]], dtype=h5py.ref_dtype)


def reference_to_a_group(file, tmp_path):
    file["phisT"] = faces()[0].T
    file["IsT"] = np.array([[file.create_group("g").ref] * 2], dtype=h5py.ref_dtype)


def null_reference(file, tmp_path):
    file["phisT"] = faces()[0].T
    file.create_dataset("IsT", (1, 2), h5py.ref_dtype)


@pytest.mark.parametrize(
    "trick",
    [
        external_link,
        external_storage,
        virtual,
        soft_link_to_external,
        group,
        image_from_elsewhere,
        reference_to_a_group,
        null_reference,
    ],
)
def test_what_is_not_in_the_file_is_not_read(tmp_path, trick):
    path = tmp_path / "trick.mat"
    with h5py.File(path, "w") as file:
        trick(file, tmp_path)
    with pytest.raises(InputError, match=r"trick\.mat"):
        cofw_sources(path, None)


def test_damage_is_named(tmp_path):
    path = tmp_path / "a.mat"
    write_new(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=r"a\.mat"):
        cofw_sources(path, None)
    scipy.io.savemat(path, {"phisT": np.ones((4, 80))})
    with pytest.raises(InputError, match="80"):
        cofw_sources(path, None)
    scipy.io.savemat(path, {"other": 1.0})
    assert not is_cofw(path)


def test_without_h5py_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    path = tmp_path / "a.mat"
    write_new(path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DependencyError, match="pip install"):
        cofw_sources(path, None)
