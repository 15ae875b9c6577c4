"""Whether people in videos are known again by features of their faces: the same in every job that reads videos."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from face3d import assets
from face3d.assets import AssetUse, LicencePolicy
from face3d.landmarks.recognition import OpenRecognition, Recognition

__all__ = ["VideoRecognition", "recognition_at_hand"]


@dataclass(frozen=True, slots=True)
class VideoRecognition:
    """What tells people in videos apart.

    Attributes:
        open: loads it, once, when a video first leaves a doubt: PyTorch alone takes two seconds.
        use: its file, for the record of a result.
    """

    open: OpenRecognition
    use: AssetUse


def recognition_at_hand(licence: LicencePolicy = "any", *, device: str = "cpu") -> VideoRecognition | None:
    """Recognition by MobileFaceNet if its file is stored and `licence` allows it; it is never fetched for this.

    Opening it raises CorruptAssetError where the file is damaged.

    Args:
        licence: as for `face3d.align`.
        device: PyTorch device.

    Raises:
        CorruptAssetError: the store's record of the file cannot be read.
    """
    use = assets.use_at_hand("mobilefacenet", licence)
    if use is None:
        return None

    @cache
    def opened() -> Recognition:
        from face3d.identity import open_encoder
        from face3d.identity.same_person import DIFFERENT_PEOPLE, SAME_PERSON

        return Recognition(open_encoder("mobilefacenet", device=device).encode, SAME_PERSON, DIFFERENT_PEOPLE)

    return VideoRecognition(opened, use)
