"""Image files: every mode and orientation becomes the same upright RGB, and what cannot be read is one line."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from face3d.errors import InputError, OutputError
from face3d.media import read_image, write_image

GRADIENT = np.stack(np.broadcast_arrays(np.arange(48)[None] * 5, np.arange(32)[:, None] * 7, 40), axis=2).astype(
    np.uint8
)
"""(32, 48, 3): no symmetry, so that a wrong turn shows."""


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    """Stores the image as a camera held in each of the eight ways would, and expects the scene upright."""
    upright = GRADIENT
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA002], exif.get_ifd(0x8769)[0xA003] = stored.shape[1], stored.shape[0]
    path = save(tmp_path / "photo.png", Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    photo = read_image(path)
    np.testing.assert_array_equal(photo.pixels, upright)
    assert photo.image_size == (48, 32)
    assert photo.frame_size == (48, 32)


def test_camera_tags_are_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker\0", "Model X"
    details = exif.get_ifd(0x8769)
    details[0x920A], details[0xA405], details[0xA404] = 4.25, 26, 1.5
    photo = read_image(save(tmp_path / "a.jpg", Image.fromarray(GRADIENT), exif=exif))
    assert (photo.make, photo.model) == ("Maker", "Model X")
    assert (photo.focal_35mm, photo.focal_mm, photo.digital_zoom) == (26, 4.25, 1.5)


def test_equivalent_focal_length_by_the_sensor_of_older_cameras(tmp_path: Path) -> None:
    """A 36 mm x 24 mm sensor: the equivalent is the lens's own focal length, unless the file was scaled down since."""
    exif = Image.Exif()
    details = exif.get_ifd(0x8769)
    details[0x920A], details[0xA002], details[0xA003] = 50.0, 3600, 2400
    details[0xA20E], details[0xA20F], details[0xA210] = 1000.0, 1000.0, 3
    photo = read_image(save(tmp_path / "a.jpg", Image.fromarray(GRADIENT), exif=exif))
    assert photo.focal_35mm == pytest.approx(50.0, rel=1e-3)
    details[0xA002], details[0xA003] = 900, 600
    assert read_image(save(tmp_path / "b.jpg", Image.fromarray(GRADIENT), exif=exif)).focal_35mm is None


def test_focal_length_of_zero_means_unknown(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 0
    assert read_image(save(tmp_path / "a.jpg", Image.fromarray(GRADIENT), exif=exif)).focal_35mm is None


def test_no_tags_no_camera(tmp_path: Path) -> None:
    photo = read_image(save(tmp_path / "a.png", Image.fromarray(GRADIENT)))
    assert (photo.focal_35mm, photo.focal_mm, photo.make, photo.digital_zoom, photo.frame_size) == (None,) * 5


def test_grey_palette_bits_and_cmyk_become_rgb(tmp_path: Path) -> None:
    grey = Image.fromarray(GRADIENT[..., 0])
    expected = np.repeat(GRADIENT[..., :1], 3, axis=2)
    np.testing.assert_array_equal(read_image(save(tmp_path / "l.png", grey)).pixels, expected)
    sixteen = Image.fromarray(GRADIENT[..., 0].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(save(tmp_path / "i16.png", sixteen)).pixels, expected)
    np.testing.assert_array_equal(read_image(save(tmp_path / "i16.tif", sixteen)).pixels, expected)
    palette = Image.fromarray(GRADIENT).quantize(64)
    np.testing.assert_array_equal(
        read_image(save(tmp_path / "p.png", palette)).pixels, np.asarray(palette.convert("RGB"))
    )
    bits = Image.fromarray(GRADIENT[..., 0] > 100)
    assert set(np.unique(read_image(save(tmp_path / "1.png", bits)).pixels)) == {0, 255}
    cmyk = Image.fromarray(GRADIENT).convert("CMYK")
    difference = read_image(save(tmp_path / "cmyk.tif", cmyk)).pixels.astype(int) - GRADIENT
    assert np.abs(difference).max() <= 2


def test_alpha_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.dstack([GRADIENT, np.full(GRADIENT.shape[:2], 255, np.uint8)])
    rgba[:16, :, 3], rgba[16:24, :, 3] = 0, 128
    pixels = read_image(save(tmp_path / "a.png", Image.fromarray(rgba))).pixels
    np.testing.assert_array_equal(pixels[:16], 255)
    np.testing.assert_array_equal(pixels[24:], GRADIENT[24:])
    halfway = GRADIENT[16:24] * (128 / 255) + 255 * (127 / 255)
    assert np.abs(pixels[16:24] - halfway).max() <= 1


def png_of_size(path: Path, width: int, height: int) -> Path:
    """A PNG whose header promises pixels that are not there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def text_as_jpeg(folder: Path) -> Path:
    path = folder / "text.jpg"
    path.write_text("this is not an image\n")
    return path


def truncated_jpeg(folder: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = save(folder / "cut.jpg", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[:5000])
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.jpg"
    path.touch()
    return path


def heic(folder: Path) -> Path:
    path = folder / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100)
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (text_as_jpeg, "not an image"),
        (truncated_jpeg, "damaged"),
        (empty, "empty"),
        (heic, "JPEG"),
        (lambda folder: folder / "missing.jpg", "no such file"),
        (lambda folder: folder, "folder"),
        (lambda folder: save(folder / "dot.png", Image.new("RGB", (1, 1))), "too small"),
        (lambda folder: png_of_size(folder / "bomb.png", 20000, 20000), "megapixels"),
        (lambda folder: png_of_size(folder / "huge.png", 2**31 - 1, 2**31 - 1), ""),
        (lambda folder: png_of_size(folder / "short.png", 100, 100), "damaged"),
    ],
)
def test_bad_input_is_one_line_that_names_the_file(tmp_path: Path, make, says: str) -> None:
    path = make(tmp_path)
    with pytest.raises(InputError) as error:
        read_image(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert says in message


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / name, GRADIENT)
    difference = read_image(tmp_path / name).pixels.astype(int) - GRADIENT
    assert np.abs(difference).max() <= (0 if name != "a.webp" else 30)
    assert os.listdir(tmp_path) == [name]


def test_written_files_have_the_users_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_image(tmp_path / "a.png", GRADIENT)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("before")
    with pytest.raises(TypeError):
        write_image(tmp_path / "a.png", np.zeros((4, 4, 7), np.uint8))
    assert (tmp_path / "a.png").read_text() == "before"
    assert os.listdir(tmp_path) == ["a.png"]
    with pytest.raises(OutputError, match="missing"):
        write_image(tmp_path / "missing" / "a.png", GRADIENT)
    with pytest.raises(OutputError, match="format"):
        write_image(tmp_path / "a.nonsense", GRADIENT)
