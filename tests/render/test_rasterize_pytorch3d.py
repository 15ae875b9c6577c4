"""What is said when PyTorch3D is missing or does not fit, and what happens then."""

from __future__ import annotations

import sys

import pytest
import torch

from face3d.errors import DependencyError
from face3d.render import rasterize, rasterize_pytorch3d, rasterizer
from face3d.render.rasterize_pytorch3d import is_installed, load_pytorch3d

VERTICES = torch.tensor([[[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0], [0.0, 1.0, 2.0]]])
TRIANGLES = torch.tensor([[0, 1, 2]])


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that puts a package pytorch3d before any real one, with the given source of its extension."""
    for name in [name for name in sys.modules if name.split(".")[0] == "pytorch3d"]:
        monkeypatch.delitem(sys.modules, name)
    load_pytorch3d.cache_clear()

    def write(extension: str) -> None:
        (tmp_path / "pytorch3d").mkdir()
        (tmp_path / "pytorch3d" / "__init__.py").touch()
        (tmp_path / "pytorch3d" / "_C.py").write_text(extension)
        monkeypatch.syspath_prepend(tmp_path)

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "pytorch3d"]:
        del sys.modules[name]
    load_pytorch3d.cache_clear()


@pytest.mark.parametrize(
    ("extension", "message"),
    [
        (
            "raise ImportError('/x/_C.so: undefined symbol: _ZN3c104cuda')",
            "does not load with torch .*undefined symbol",
        ),
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "does not load .*libcudart"),
        ("raise OSError('libtorch.so: wrong ELF class')", "does not load .*wrong ELF class"),
        ("import no_such_module", "lacks the module no_such_module"),
    ],
)
def test_a_build_that_does_not_load_says_which_pair_does(package, extension, message):
    package(extension)
    assert is_installed()
    with pytest.raises(DependencyError, match=message) as caught:
        rasterize(VERTICES, TRIANGLES, 4, backend="pytorch3d")
    said = str(caught.value)
    assert "torch>=2.11,<2.13" in said
    assert "easypytorch3d==0.7.9.post1" in said
    assert "\n" not in said


def test_a_package_that_is_absent_says_how_to_install_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    assert not is_installed()
    with pytest.raises(DependencyError, match=r"not installed: .*easypytorch3d==0\.7\.9\.post1"):
        rasterize(VERTICES, TRIANGLES, 4, backend="pytorch3d")


def test_auto_on_the_cpu_needs_no_pytorch3d(package):
    package("raise ImportError('undefined symbol')")
    found = rasterize(VERTICES, TRIANGLES, 4)
    assert (found.pix_to_face >= 0).any()


def test_auto_elsewhere_says_so_when_it_passes_over_a_broken_build(package):
    package("raise ImportError('undefined symbol: _ZN3c10')")
    with pytest.warns(RuntimeWarning, match="rasterising on the CPU: .*undefined symbol"):
        assert not rasterizer._pytorch3d_serves()


def test_only_usable_triangles_reach_pytorch3d():
    nan, huge = float("nan"), 1e30
    soup = torch.tensor(
        [
            [[0.0, 0, 1], [1, 0, 1], [0, 1, 1]],
            [[0.0, 0, nan], [1, 0, 1], [0, 1, 1]],
            [[0.0, 0, 1], [huge, 0, 1], [0, huge, 1]],
        ],
        requires_grad=True,
    )
    kept = rasterize_pytorch3d._without_broken(soup)
    assert (kept[0] == soup[0]).all()
    assert (kept[1:] == 0).all()
    kept.sum().backward()
    assert soup.grad is not None
    assert (soup.grad == torch.tensor([1.0, 0.0, 0.0])[:, None, None]).all()
