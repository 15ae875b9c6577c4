"""Reading video: every frame once and in order, at its own time, upright; and what is wrong said in one line."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from face3d.errors import ArgumentError, InputError
from face3d.media import video as video_module
from face3d.media.video import FRAMES_AHEAD, FramesAstrayError, open_video
from tests.media.clips import CORNERS, cut_short, ffmpeg, number_of, numbered_clip, numbered_frame, turn_by_flag


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return numbered_clip(tmp_path_factory.mktemp("video") / "clip.mp4")


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_every_frame_comes_once_in_order_at_its_time(suffix, tmp_path):
    with open_video(numbered_clip(tmp_path / f"clip{suffix}")) as video:
        frames = list(video)
    assert [frame.index for frame in frames] == list(range(50))
    assert [number_of(frame.pixels) for frame in frames] == list(range(50))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(50) / 25, atol=1e-3)
    assert video.warnings == []
    assert video.info.frames_per_second == pytest.approx(25)
    assert video.info.frame_count == 50


def test_colours_are_rgb_and_the_top_is_up(clip):
    with open_video(clip) as video:
        frame = next(iter(video)).pixels
    assert frame.shape == (96, 128, 3)
    seen = frame[[10, -10]][:, [10, -10]].astype(int)
    assert np.abs(seen - CORNERS).max() < 40


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({"start": 1.0, "end": 1.2}, [25, 26, 27, 28, 29]),
        ({"every": 20}, [0, 20, 40]),
        ({"start": 0.5, "every": 15}, [13, 28, 43]),
        ({"end": 0.08}, [0, 1]),
        ({"start": 100.0}, []),
    ],
)
def test_a_part_of_a_video(clip, options, numbers):
    with open_video(clip, **options) as video:
        frames = list(video)
    assert [frame.index for frame in frames] == numbers
    assert [number_of(frame.pixels) for frame in frames] == numbers


def test_variable_frame_rate_keeps_the_times_of_the_container(clip, tmp_path):
    """Frames 0 to 9, then every fifth: a count over the mean rate would be off by most of a second."""
    ffmpeg("-i", clip, "-vf", "select='lt(n,10)+not(mod(n,5))'", "-fps_mode", "vfr", tmp_path / "vfr.mp4")
    with open_video(tmp_path / "vfr.mp4") as video:
        frames = list(video)
    kept = [*range(10), *range(10, 50, 5)]
    assert [number_of(frame.pixels) for frame in frames] == kept
    np.testing.assert_allclose([frame.time for frame in frames], np.array(kept) / 25, atol=1e-3)
    assert video.warnings == []


def test_a_phone_held_upright(clip, tmp_path):
    with open_video(turn_by_flag(clip, tmp_path / "phone.mp4")) as video:
        frame = next(iter(video)).pixels
    assert video.info.rotation == 90
    assert frame.shape == (128, 96, 3)
    # A quarter turn clockwise: blue and red above white and green.
    assert np.abs(frame[[10, -10]][:, [10, -10]].astype(int) - np.rot90(CORNERS, -1)).max() < 40


def test_what_can_be_read_of_a_truncated_file_is_read(tmp_path):
    with open_video(cut_short(tmp_path / "cut.mp4")) as video:
        frames = list(video)
    assert 10 < len(frames) < 60
    assert [number_of(frame.pixels) for frame in frames][:10] == list(range(10))
    (warning,) = video.warnings
    assert "cut.mp4" in warning
    assert "truncated" in warning


def test_a_damaged_file_gives_the_frames_that_there_are(clip, tmp_path, capfd):
    content = bytearray(clip.read_bytes())
    places = np.random.default_rng(0).integers(len(content) // 3, len(content) * 2 // 3, 60)
    for place in places:
        content[place] ^= 0x55
    (tmp_path / "damaged.mp4").write_bytes(content)
    with open_video(tmp_path / "damaged.mp4") as video:
        frames = list(video)
    times = [frame.time for frame in frames]
    assert len(frames) > 10
    assert times == sorted(set(times))
    assert capfd.readouterr().err == ""


def not_there(folder: Path, clip: Path) -> Path:
    return folder / "nothing.mp4"


def text(folder: Path, clip: Path) -> Path:
    (folder / "text.mp4").write_text("I am a text file.")
    return folder / "text.mp4"


def empty(folder: Path, clip: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def without_index(folder: Path, clip: Path) -> Path:
    content = clip.read_bytes()
    assert content.index(b"moov") > content.index(b"mdat")
    (folder / "cut.mp4").write_bytes(content[: content.index(b"moov") - 100])
    return folder / "cut.mp4"


def only_sound(folder: Path, clip: Path) -> Path:
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", folder / "sound.mp4")
    return folder / "sound.mp4"


def only_sound_in_matroska(folder: Path, clip: Path) -> Path:
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", folder / "sound.mkv")
    return folder / "sound.mkv"


def wave(folder: Path, clip: Path) -> Path:
    import wave as waves

    with waves.open(str(folder / "sound.mp4"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return folder / "sound.mp4"


def zero_frames(folder: Path, clip: Path) -> Path:
    ffmpeg("-i", clip, "-frames:v", "0", folder / "zero.mp4")
    return folder / "zero.mp4"


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (not_there, "no such file"),
        (text, "no video"),
        (empty, "empty"),
        (without_index, "cut short"),
        (only_sound, "only sound"),
        (only_sound_in_matroska, "only sound"),
        (wave, "only sound"),
        (zero_frames, "no frame"),
    ],
)
def test_what_is_no_video_says_why(make, part, clip, tmp_path, capfd):
    path = make(tmp_path, clip)
    with pytest.raises(InputError) as raised, open_video(path) as video:
        list(video)
    message = str(raised.value)
    assert str(path) in message
    assert part in message
    assert "\n" not in message
    assert capfd.readouterr().err == ""


def test_a_camera_that_is_not_there():
    with pytest.raises(InputError, match="camera 97"):
        open_video(97)


@pytest.mark.parametrize(
    "options", [{"start": -1.0}, {"start": 2.0, "end": 1.0}, {"every": 0}, {"frames_per_second": 0.0}]
)
def test_unusable_options(clip, options):
    with pytest.raises(ArgumentError):
        open_video(clip, **options)


def test_a_folder_of_images_is_a_video(tmp_path):
    for number in range(12):
        Image.fromarray(numbered_frame(number)).save(tmp_path / f"frame{number}.png")
    (tmp_path / "frame5.png").write_text("damaged")
    Image.new("RGB", (40, 40)).save(tmp_path / "frame7.png")
    (tmp_path / "notes.txt").write_text("not an image")
    with open_video(tmp_path, frames_per_second=10) as video:
        frames = list(video)
    kept = [number for number in range(12) if number not in (5, 7)]
    assert [number_of(frame.pixels) for frame in frames] == kept
    np.testing.assert_allclose([frame.time for frame in frames], np.array(kept) / 10)
    assert len(video.warnings) == 2
    assert "frame5.png" in video.warnings[0]
    assert "frame7.png" in video.warnings[1]


def test_a_folder_without_images(tmp_path):
    with pytest.raises(InputError, match="holds no image"):
        open_video(tmp_path)


def test_frames_are_decoded_ahead_but_not_without_bound(clip):
    """The decoder runs while the caller works, and waits once it is a few frames ahead."""
    with open_video(clip) as video:
        frames = iter(video)
        next(frames)
        deadline = time.monotonic() + 10
        while video._ahead.waiting < FRAMES_AHEAD and time.monotonic() < deadline:
            time.sleep(0.01)
        assert video._ahead.waiting == FRAMES_AHEAD


@pytest.mark.parametrize("options", [{}, {"every": 3}, {"start": 0.2, "end": 0.9}, {"frames_per_second": 11.0}])
def test_wanted_frames_are_those_of_all(clip, options):
    with open_video(clip, **options) as video:
        every = list(video)
    with open_video(clip, **options, wanted=lambda number: number % 4 == 1) as video:
        some = list(video)
    assert [frame.index for frame in some] == [frame.index for frame in every[1::4]]
    for one, other in zip(some, every[1::4], strict=True):
        assert one.time == other.time
        np.testing.assert_array_equal(one.pixels, other.pixels)


def some_of_a_long_clip(number):
    return number < 3 or 150 <= number < 160 or number == 170 or number >= 290


def with_later_frames(path):
    """H.264 whose frames do not lie in the order in which they are shown."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.options = {"bf": "3", "g": "40", "x264-params": "open-gop=1:scenecut=0"}
        for number in range(300):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")))
        file.mux(stream.encode(None))
    return path


def uneven(path):
    """A file whose frame rate changes in the middle."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(300):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), 40 * number if number < 100 else 4000 + 25 * (number - 100)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (partial(numbered_clip, count=300), "plain.mp4"),
        (partial(numbered_clip, count=300), "plain.mkv"),
        (with_later_frames, "later.mp4"),
        (with_later_frames, "later.mkv"),
        (uneven, "uneven.mp4"),
    ],
)
def test_leaping_gives_the_same_frames(make, name, tmp_path, monkeypatch):
    path, leaps = make(tmp_path / name), []
    leap = video_module._Capture._leap
    monkeypatch.setattr(video_module._Capture, "_leap", lambda *given: leaps.append(given[2]) or leap(*given))
    with open_video(path, wanted=some_of_a_long_clip) as video:
        plain = list(video)
    assert leaps == []
    with open_video(path, wanted=some_of_a_long_clip, leap=True) as video:
        leapt = list(video)
    assert leaps == [150, 290]
    assert [(frame.index, frame.time) for frame in leapt] == [(frame.index, frame.time) for frame in plain]
    assert [number_of(frame.pixels) for frame in leapt] == [
        number % 64 for number in range(300) if some_of_a_long_clip(number)
    ]
    for one, other in zip(leapt, plain, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    assert video.warnings == []


def test_a_file_that_lacks_announced_frames_is_not_leapt_through(tmp_path, monkeypatch):
    """Who reads the place where one is missing finds it out, before any frame is given a wrong number."""
    path = numbered_clip(tmp_path / "clip.mp4", count=300)
    announced = np.insert(np.arange(300) / 25, 50, 49.5 / 25)
    monkeypatch.setattr(video_module, "frame_times", lambda path: announced)
    given = []
    with open_video(path, wanted=lambda number: number < 60, leap=True) as video, pytest.raises(FramesAstrayError):
        given.extend(frame.index for frame in video)
    assert given == list(range(50))


def test_leaving_early_ends_the_decoder(clip):
    before = threading.active_count()
    with open_video(clip) as video:
        for frame in video:
            if frame.index == 3:
                break
    video.close()
    assert threading.active_count() == before


def test_a_video_is_read_once(clip):
    with open_video(clip) as video:
        list(video)
        with pytest.raises(ArgumentError, match="once"):
            list(video)


def test_a_frame_that_cannot_be_converted_shows_the_one_before(clip, monkeypatch):
    """It keeps its place, so that who reads every second stretch of a video counts as who reads all of it."""
    with open_video(clip) as video:
        whole = list(video)
    with open_video(clip) as video:
        capture = video._source._capture
        calls = []

        class Failing:
            def __getattr__(self, name):
                return getattr(capture, name)

            def retrieve(self, *into):
                calls.append(0)
                return (False, None) if len(calls) == 4 else capture.retrieve(*into)

        monkeypatch.setattr(video._source, "_capture", Failing())
        frames = list(video)
    assert [frame.index for frame in frames] == [frame.index for frame in whole]
    np.testing.assert_array_equal(frames[3].pixels, whole[2].pixels)
    np.testing.assert_array_equal(frames[4].pixels, whole[4].pixels)
