"""`face3d train`: networks, and the data that they learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import subcommand

from face3d.cli.options import CommonOptions
from face3d.cli.train_mica import TrainMica, TrainRegressor
from face3d.cli.train_spectre import TrainSpectre
from face3d.cli.train_synthetic import TrainFeatures, TrainPreview, TrainSynthetic

__all__ = ["Train"]


@dataclass(frozen=True, slots=True)
class Train:
    """Train networks: MICA's, SPECTRE's, or face3d's own regressor, and make synthetic heads for that."""

    action: (
        Annotated[TrainMica, subcommand("mica")]
        | Annotated[TrainRegressor, subcommand("regressor")]
        | Annotated[TrainSpectre, subcommand("spectre")]
        | Annotated[TrainSynthetic, subcommand("synthetic")]
        | Annotated[TrainPreview, subcommand("preview")]
        | Annotated[TrainFeatures, subcommand("features")]
    )

    @property
    def common(self) -> CommonOptions:
        """The options of the action."""
        return self.action.common

    def run(self) -> int:
        """Run the action."""
        return self.action.run()
