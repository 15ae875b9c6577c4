"""Makes anew what people see before they install: `python notebooks/refresh.py`.

The picture of the README, and the outputs of the notebooks. Needs `pip install ".[test]"`.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image
from skimage.data import astronaut

import face3d

HERE = Path(__file__).parent


def make_picture() -> None:
    """Reconstruct the astronaut and write the panel."""
    photo = astronaut()
    (head,) = face3d.reconstruct([photo])
    Image.fromarray(head.panel(photo, tile=400)).save(HERE / "astronaut.jpg", quality=88)


def execute(path: Path) -> None:
    """Run a notebook and keep its outputs, without times and library chatter."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, path)


if __name__ == "__main__":
    make_picture()
    for found in sorted(HERE.glob("*.ipynb")):
        execute(found)
