"""One person of a clip, as every stage after the faces is given them."""

from __future__ import annotations

from dataclasses import dataclass

from face3d.tracking.clip_part import ClipPart
from face3d.tracking.stored_faces import PersonTimeline, StoredFaces
from face3d.tracking.work_folder import WorkFolder

__all__ = ["PersonClip"]


@dataclass(frozen=True, slots=True, eq=False)
class PersonClip:
    """Whom a stage is about, and where it keeps what it has done.

    Attributes:
        work: keeps each stage's chunks.
        part: the clip, for stages that read it again.
        stored: its faces.
        timeline: in which frames the person is.
        number: of the person, for the names of what is kept.
    """

    work: WorkFolder
    part: ClipPart
    stored: StoredFaces
    timeline: PersonTimeline
    number: int

    def name(self, stage: str, chunk: int | None = None) -> str:
        """What a stage's result is kept as, or a chunk of it."""
        return f"{stage}_{self.number:06d}" + ("" if chunk is None else f"_{chunk:06d}")
