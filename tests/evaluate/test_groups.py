from __future__ import annotations

import pytest

from face3d.errors import ArgumentError, InputError
from face3d.evaluate.groups import read_metadata

TABLE = "image,age,tone\nset/a.jpg,25,dark\nb.png,30,light\nc,49.5,dark\nanna,80,\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(TABLE)
    return path


def test_members(table):
    metadata = read_metadata(table)
    assert metadata.members("tone", ["set/a", "x/b", "c", "other"]) == {"dark": ["set/a", "c"], "light": ["x/b"]}


def test_a_subject_stands_for_its_images(table):
    metadata = read_metadata(table, ["age:30,50"])
    assert metadata.members("age", ["anna/selfie/1", "c", "b", "set/a"]) == {
        "<30": ["set/a"],
        "30-50": ["c", "b"],
        ">=50": ["anna/selfie/1"],
    }


def test_a_column_of_many_values_wants_edges(tmp_path):
    path = tmp_path / "many.csv"
    path.write_text("name,age,sex\n" + "".join(f"p{n},{n},f\n" for n in range(30)))
    assert set(read_metadata(path).groups) == {"sex"}
    with pytest.raises(ArgumentError, match="edges"):
        read_metadata(path, ["age"])


@pytest.mark.parametrize("column", ["height", "tone:1,2", "age:50,30", "age:x"])
def test_unusable_columns(table, column):
    with pytest.raises(ArgumentError):
        read_metadata(table, [column])


@pytest.mark.parametrize("content", [b"", b"age,tone\n1,2\n", b"image,age\n", b"\xff\xfe\x00\x01\x02"])
def test_unusable_tables(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"t\.csv"):
        read_metadata(path)
    with pytest.raises(InputError, match=r"none\.csv"):
        read_metadata(tmp_path / "none.csv")
