"""Groups of images that a metadata table names: age, skin tone, pose, whatever its columns are.

Fairness is judged by the worst group, so reports name it, its distance to the best one, and the size of both.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from face3d.errors import ArgumentError, InputError

__all__ = ["Metadata", "read_metadata"]

KEY_COLUMNS = ("image", "file", "filename", "name", "subject")
"""Columns that may say which image (or subject) a row is about; the first of them that the table has does."""

MOST_GROUPS = 20
"""A column with more values than this is no grouping, unless edges cut it."""


@dataclass(frozen=True, slots=True, eq=False)
class Metadata:
    """Which group each image (or subject) belongs to.

    Attributes:
        path: where the table came from, for messages.
        groups: for each column, the group of each key; keys are as the table has them, without suffix.
    """

    path: Path
    groups: Mapping[str, Mapping[str, str]]

    def members(self, column: str, names: Sequence[str]) -> dict[str, list[str]]:
        """Names by group, groups in order; a name is found by its whole path, else by its last part, else its first.

        Names are paths without suffix such as `subject/challenge/image`. Those the table lacks are left out.
        """
        table = self.groups[column]
        members: dict[str, list[str]] = {}
        for name in names:
            parts = PurePosixPath(name).parts
            for key in (name, parts[-1], parts[0]):
                if key in table:
                    members.setdefault(table[key], []).append(name)
                    break
        return {group: members[group] for group in sorted(members, key=_sort_key)}


def read_metadata(path: Path, columns: Sequence[str] = ()) -> Metadata:
    """Read a CSV table whose header names a key column (image, file, name or subject) and one column per grouping.

    Args:
        path: the table.
        columns: which groupings to read, all by default. `age:30,50` cuts a column of numbers at these edges into
            <30, 30-50 (without 50) and >=50.

    Raises:
        InputError: the table cannot be read or names no images.
        ArgumentError: a column is not there, has too many values, or should be cut but has no numbers.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            rows = [{key.strip(): (value or "").strip() for key, value in row.items() if key} for row in reader]
            header = [name.strip() for name in reader.fieldnames or ()]
    except (OSError, UnicodeDecodeError, csv.Error, AttributeError) as error:
        raise InputError(f"{path} cannot be read as a CSV table ({error}); it needs a header line") from error
    key = next((name for name in KEY_COLUMNS if name in header), None)
    if key is None or not rows:
        raise InputError(f"{path} has no rows under a column {', '.join(KEY_COLUMNS)} that says which image they are")
    wanted = columns or [name for name in header if name not in KEY_COLUMNS and name]
    groups: dict[str, dict[str, str]] = {}
    for column in wanted:
        name, _, edges = column.partition(":")
        if name not in header:
            raise ArgumentError(f"{path} has no column {name!r}; it has {', '.join(header)}")
        table = {_without_suffix(row[key]): row.get(name, "") for row in rows if row.get(key)}
        table = {entry: value for entry, value in table.items() if value}
        if edges:
            table = _cut(path, name, table, edges)
        elif len(set(table.values())) > MOST_GROUPS:
            if not columns:
                continue
            raise ArgumentError(f"{path}: {name} has over {MOST_GROUPS} values; cut it by edges, such as {name}:30,50")
        groups[name] = table
    return Metadata(path, groups)


def _without_suffix(key: str) -> str:
    pure = PurePosixPath(key.replace("\\", "/"))
    is_image = pure.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".mat", ".pts", ".t7")
    return str(pure.with_suffix("")) if is_image else str(pure)


def _cut(path: Path, name: str, table: Mapping[str, str], text: str) -> dict[str, str]:
    try:
        edges = [float(edge) for edge in text.split(",")]
        values = {key: float(value) for key, value in table.items()}
    except ValueError as error:
        raise ArgumentError(f"{path}: {name}:{text} needs numbers as edges and in the column ({error})") from None
    if edges != sorted(set(edges)):
        raise ArgumentError(f"{name}:{text}: edges must increase")
    labels = [f"<{edges[0]:g}", *(f"{a:g}-{b:g}" for a, b in itertools.pairwise(edges)), f">={edges[-1]:g}"]
    return {key: labels[sum(value >= edge for edge in edges)] for key, value in values.items()}


def _sort_key(group: str) -> tuple[int, float, str]:
    """Order of groups: by the number in their name where there is one ("<30" before "30-50" before ">=50")."""
    digits = group.lstrip("<>=").partition("-")[0]
    try:
        rank = -0.5 if group.startswith("<") else 0.0
        return (0, float(digits) + rank, group)
    except ValueError:
        return (1, 0.0, group)
