"""Images in and out: reading and writing files, with orientation, colour and the camera's own notes made uniform."""

from face3d.media.image_file import read_image, write_image
from face3d.media.photo import Photo, as_rgb
from face3d.media.video import VideoFrame, open_video
from face3d.media.whole_file import write_whole

__all__ = ["Photo", "VideoFrame", "as_rgb", "open_video", "read_image", "write_image", "write_whole"]
