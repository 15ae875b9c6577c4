"""`python -m face3d` is the `face3d` command."""

from face3d.cli import run

run()
