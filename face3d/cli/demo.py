"""`face3d demo`: the whole job on a photo that is already here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from face3d.cli.options import CommonOptions
from face3d.cli.reconstruct import reconstruct_and_report

__all__ = ["Demo"]


@dataclass(frozen=True, slots=True)
class Demo:
    """Reconstruct the astronaut of scikit-image (Eileen Collins; NASA, public domain) and say where to look."""

    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Reconstruct, then name the files that a person will want to open."""
        from skimage.data import astronaut

        from face3d.media import Photo

        common = self.common if self.common.out else replace(self.common, out=Path("face3d-demo"))
        photo = Photo.from_array(astronaut(), path=Path("astronaut.png"))
        code = reconstruct_and_report((photo,), common)
        if not (common.quiet or common.json):
            print(
                "open report.html in a browser: the fit over the photo, the head in 3D, its measurements and how sure "
                "they are; head_neutral.glb opens in any 3D viewer"
            )
        return code
