"""Lightning Fabric's way to train in several processes, without its announcements; needs the extra `train`."""

from __future__ import annotations

from lightning_fabric.strategies import DDPStrategy

from face3d.train.processes import quiet

__all__ = ["QuietDDPStrategy"]


class QuietDDPStrategy(DDPStrategy):
    """Says nothing while processes find each other, which they do before any code of ours runs in them."""

    def setup_environment(self) -> None:
        """Find the other processes."""
        with quiet():
            super().setup_environment()
