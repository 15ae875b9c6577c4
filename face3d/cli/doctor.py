"""`face3d doctor`: what works on this machine, and the command for what does not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from face3d import doctor
from face3d.cli.options import CommonOptions, finish

__all__ = ["Doctor"]


@dataclass(frozen=True, slots=True)
class Doctor:
    """Try every backend and look at every model file; say what is missing and which command installs it."""

    common: CommonOptions = field(default_factory=CommonOptions)

    def run(self) -> int:
        """Print the findings; 1 if something that `face3d reconstruct` needs does not work."""
        checks = doctor.examine(self.common.device)
        healthy = all(check.state == "ok" for check in checks if check.required)
        lines = []
        for check in checks:
            need = "needed" if check.required else "optional"
            lines.append(f"{check.state:<8}{need:<9}{check.name:<20}{check.detail}")
            if check.remedy:
                lines.append(f"{'':<17}{check.purpose}: {check.remedy}")
        lines.append("face3d works here" if healthy else "face3d does not work here yet: see the needed lines above")
        finish(
            self.common,
            {"healthy": healthy, "checks": [asdict(check) for check in checks]},
            "\n".join(lines),
            write_out=True,
        )
        return 0 if healthy else 1
