"""Videos that are written, read back by PyAV and by OpenCV."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import numpy as np
import pytest

from face3d.errors import ArgumentError, OutputError
from face3d.media import video_writer
from face3d.media.video import open_video
from face3d.media.video_writer import VideoWriter
from tests.media.clips import number_of, numbered_frame


def decoded(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def write_numbered(path: Path, times, **options) -> Path:
    with VideoWriter(path, (128, 96), frame_rate=25.0, **options) as writer:
        for number, time in enumerate(times):
            writer.write(numbered_frame(number), time)
    return path


def tone(path, seconds, codec, rate=44_100):
    """A file whose sound is silent for the first second and a tone afterwards."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 128, 96, "yuv420p"
        stream = container.add_stream(codec, rate=rate)
        wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
        wave[:rate] = 0
        samples = (wave * 32_767).astype(np.int16)[None]
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
        for number in range(int(seconds * 25)):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            frame.pts = number
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        for first in range(0, samples.shape[1], 1024):
            block = av.AudioFrame.from_ndarray(samples[:, first : first + 1024], format="s16", layout="mono")
            block.sample_rate, block.pts = rate, first
            for part in resampler.resample(block):
                container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def loud_from(path):
    """Time at which the sound of a file begins to be heard."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(float))
            level = samples / (32_768 if frame.format.name.startswith("s16") else 1)
            if (level > 0.1).any():
                return frame.time + float((level.max(0) > 0.1).argmax()) / frame.sample_rate
    raise AssertionError("no sound")


def test_frames_keep_their_order_and_their_own_times(tmp_path):
    times = np.cumsum([5.0, 0.04, 0.033, 0.1, 0.0167, 0.5, 0.04, 0.04])
    path = write_numbered(tmp_path / "clip.mp4", times)
    frames = decoded(path)
    assert [number_of(pixels) for _, pixels in frames] == list(range(8))
    np.testing.assert_allclose([time for time, _ in frames], times - times[0], atol=1 / 90_000)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    with open_video(path) as video:
        read = [(frame.time, number_of(frame.pixels)) for frame in video]
    np.testing.assert_allclose([time for time, _ in read], times - times[0], atol=2e-3)
    assert [number for _, number in read] == list(range(8))


def test_it_is_h264_that_every_player_takes(tmp_path):
    path = write_numbered(tmp_path / "clip.mp4", np.arange(60) / 25)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert container.format.name.startswith("mov,mp4")
        assert float(container.duration) / av.time_base == pytest.approx(2.4, abs=0.01)
        # Jumping to the middle lands on a key frame before it.
        container.seek(int(2.2 * av.time_base))
        assert 0 < next(container.decode(video=0)).time <= 2.2


@pytest.mark.parametrize(("width", "height"), [(127, 96), (128, 95), (33, 17), (1281, 721)])
def test_odd_sizes_gain_a_row_or_column(tmp_path, width, height):
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack((rows * 200 // height, columns * 200 // width, 0 * rows + 90), -1).astype(np.uint8)
    with VideoWriter(tmp_path / "clip.mp4", (width, height), frame_rate=25.0) as writer:
        for number in range(3):
            writer.write(pixels, number / 25)
    ((_, found), *_) = decoded(tmp_path / "clip.mp4")
    assert found.shape == (height + height % 2, width + width % 2, 3)
    difference = np.abs(found[:height, :width].astype(int) - pixels)
    assert difference.mean() < 4, "colours are those of the matrix that the file names"


@pytest.mark.parametrize(("codec", "name"), [("aac", "tone.mp4"), ("pcm_s16le", "tone.mkv")])
def test_sound_is_kept_in_step(tmp_path, codec, name):
    source = tone(tmp_path / name, 2.0, codec)
    path = write_numbered(tmp_path / "clip.mp4", 0.4 + np.arange(40) / 25, sound_from=source)
    assert len(decoded(path)) == 40
    # The tone begins at 1 s, and the clip at 0.4 s of the source.
    assert loud_from(path) == pytest.approx(loud_from(source) - 0.4, abs=0.03)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert float(container.duration) / av.time_base == pytest.approx(1.6, abs=0.06)


def test_sources_without_sound_give_none(tmp_path):
    silent = write_numbered(tmp_path / "silent.mp4", np.arange(3) / 25)
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for source in (silent, text, tmp_path / "absent.mp4"):
        path = write_numbered(tmp_path / "clip.mp4", np.arange(3) / 25, sound_from=source)
        with av.open(str(path)) as container:
            assert not container.streams.audio
            assert len(container.streams.video) == 1


def test_a_killed_process_leaves_a_video_that_plays(tmp_path):
    code = """
        import os, sys, numpy as np
        from pathlib import Path
        from face3d.media.video_writer import VideoWriter
        from tests.media.clips import numbered_frame
        writer = VideoWriter(Path(sys.argv[1]), (128, 96), frame_rate=5.0)
        for number in range(60):
            writer.write(numbered_frame(number), number / 5)
        while not writer._queue.empty():
            pass
        os._exit(9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "clip.mp4")], check=False)
    assert done.returncode == 9
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4.partial"]
    frames = decoded(tmp_path / "clip.mp4.partial")
    assert len(frames) >= 30
    assert [number_of(pixels) for _, pixels in frames] == list(range(len(frames)))


def test_an_error_of_the_caller_leaves_the_part_under_its_partial_name(tmp_path):
    def frames():
        yield from range(30)
        raise KeyError

    def write():
        with VideoWriter(tmp_path / "clip.mp4", (128, 96), frame_rate=5.0) as writer:
            for number in frames():
                writer.write(numbered_frame(number), number / 5)

    with pytest.raises(KeyError):
        write()
    assert not (tmp_path / "clip.mp4").exists()
    assert len(decoded(tmp_path / "clip.mp4.partial")) >= 10


class FullDisk:
    """A file on a disk with little room."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def write(self, data):
        if self._file.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_full_disk_is_told_and_what_was_written_plays(tmp_path, monkeypatch):
    opened = Path.open
    monkeypatch.setattr(
        video_writer.Path, "open", lambda path, *mode: FullDisk(opened(path, *mode), 60_000), raising=True
    )
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)

    def write():
        with VideoWriter(tmp_path / "clip.mp4", (128, 96), frame_rate=2.0) as writer:
            for number in range(300):
                writer.write(np.roll(noise, number, axis=0), number / 2)

    with pytest.raises(OutputError, match=r"clip\.mp4.*No space left"):
        write()
    assert not (tmp_path / "clip.mp4").exists()
    assert len(decoded(tmp_path / "clip.mp4.partial")) >= 2


def test_what_is_no_video_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="0 x 96"):
        VideoWriter(tmp_path / "clip.mp4", (0, 96), frame_rate=25)
    with pytest.raises(OutputError, match="absent"):
        VideoWriter(tmp_path / "absent" / "clip.mp4", (128, 96), frame_rate=25)
    with VideoWriter(tmp_path / "clip.mp4", (128, 96), frame_rate=25) as writer:
        writer.write(numbered_frame(0), 1.0)
        with pytest.raises(ArgumentError, match="cannot follow"):
            writer.write(numbered_frame(1), 1.0)
        with pytest.raises(ArgumentError, match="frames are uint8"):
            writer.write(numbered_frame(1)[:-2], 2.0)
    assert len(decoded(tmp_path / "clip.mp4")) == 1
    with (
        pytest.raises(OutputError, match="at least one frame"),
        VideoWriter(tmp_path / "empty.mp4", (128, 96), frame_rate=25),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
