"""Makes the picture of the README: `python notebooks/make_picture.py`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from skimage.data import astronaut

import face3d


def main() -> None:
    """Reconstruct the astronaut and write the panel beside this file."""
    photo = astronaut()
    (head,) = face3d.reconstruct([photo])
    Image.fromarray(head.panel(photo, tile=400)).save(Path(__file__).with_name("astronaut.jpg"), quality=88)


if __name__ == "__main__":
    main()
