"""A user's table that messages are joined with: a symbol master, names of accounts."""

import csv
import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import yaml
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from transforms.fix.schema import MESSAGES

__all__ = ["Lookup", "LookupFileError"]

_TEXT_COLUMNS = [field.name for field in MESSAGES if field.type == pa.string()]
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class LookupFileError(ValueError):
    """A lookup that cannot be used; the text names file and line, what was found and expected."""


class _Row(NamedTuple):
    line: int
    key: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Lookup:
    """Rows by their key, to be joined with the column `on` of a batch.

    `rows` has for each key what it adds, all text. `digest` is one of the content and of `on`,
    so it changes when the join would. Can be pickled.
    """

    path: str
    on: str
    rows: Mapping[str, Mapping[str, str]]
    digest: str

    @property
    def columns(self) -> frozenset[str]:
        """The names of all that the lookup may add."""
        return frozenset(name for row in self.rows.values() for name in row)

    @cached_property
    def keys(self) -> pa.StringArray:
        """The keys in the order of `rows`."""
        return pa.array(self.rows, pa.string())

    @classmethod
    def read(cls, path: str, *, on: str) -> "Lookup":
        """Read a lookup from a CSV or YAML file, wherever Beam's FileSystems reach.

        CSV has a header and commas. Its key is the column called `on`, or else the first one. YAML
        is a mapping from key to mapping, or a list of mappings whose key is found as in CSV.
        All values are taken as text, so that `007` and `NO` stay what they are.

        Raises:
          LookupFileError: The file cannot be read, `on` is no text column of a batch, a key comes
            twice, or the content has another form.
        """
        if on not in _TEXT_COLUMNS:
            near = difflib.get_close_matches(on.lower(), _TEXT_COLUMNS, 1)
            hint = f"; the nearest is {near[0]}" if near else f": {', '.join(_TEXT_COLUMNS)}"
            raise LookupFileError(
                f"lookup {path}: found the column {on!r} to join on, expected a text column of "
                f"the messages{hint}"
            )
        read = {".csv": _csv_rows, ".yaml": _yaml_rows, ".yml": _yaml_rows}.get(
            PurePosixPath(path).suffix.lower()
        )
        if read is None:
            raise LookupFileError(f"lookup {path}: expected a file named .csv, .yaml or .yml")
        content = _content(path)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise LookupFileError(
                f"{path}, line {line}: found the byte 0x{content[error.start]:02x}, expected UTF-8"
            ) from error
        rows: dict[str, Mapping[str, str]] = {}
        lines: dict[str, int] = {}
        for line, key, values in read(path, text, on):
            if key in rows:
                raise LookupFileError(
                    f"{path}, line {line}: found the key {key!r} again, expected each key once; "
                    f"it stands in line {lines[key]} as well"
                )
            rows[key], lines[key] = values, line
        digest = hashlib.blake2b(on.encode() + b"\n" + content, digest_size=16).hexdigest()
        return cls(path, on, rows, digest)


def _content(path: str) -> bytes:
    try:
        with FileSystems.open(path) as file:
            return file.read()
    except (OSError, BeamIOError, ValueError) as error:
        # ValueError: no file system for the scheme, or the extra that brings it is not installed.
        raise LookupFileError(f"lookup {path}: cannot be read: {error}") from error


def _csv_rows(path: str, text: str, on: str) -> Iterator[_Row]:
    reader = csv.reader((f"{line}\n" for line in text.split("\n")), strict=True)
    try:
        header = next(reader, [])
        if len(header) < 2 or "" in header or len(set(header)) < len(header):
            raise LookupFileError(
                f"{path}, line 1: found {','.join(header)!r}, expected a header of at least two "
                "different names with commas between them"
            )
        key_at = header.index(on) if on in header else 0
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise LookupFileError(
                    f"{path}, line {reader.line_num}: found {len(cells)} values, expected "
                    f"{len(header)} as in the header"
                )
            values = dict(zip(header, cells, strict=True))
            yield _Row(reader.line_num, values.pop(header[key_at]), values)
    except csv.Error as error:
        raise LookupFileError(f"{path}, line {reader.line_num}: {error}, expected CSV") from error


def _yaml_rows(path: str, text: str, on: str) -> Iterator[_Row]:
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}, line {mark.line + 1}" if mark else path
        raise LookupFileError(f"{place}: {error.problem}, expected YAML") from error
    except yaml.YAMLError as error:
        raise LookupFileError(f"{path}: {error}, expected YAML") from error
    if isinstance(root, yaml.MappingNode):
        for name, entry in root.value:
            key = _scalar(path, name)
            yield _Row(_line(name), key, dict(_pairs(path, entry)))
    elif isinstance(root, yaml.SequenceNode):
        key_name = None
        for entry in root.value:
            values = dict(_pairs(path, entry))
            if key_name is None:
                key_name = on if on in values else next(iter(values), on)
            if key_name not in values:
                raise LookupFileError(
                    f"{path}, line {_line(entry)}: found {', '.join(values) or 'nothing'}, "
                    f"expected the key {key_name} among them"
                )
            yield _Row(_line(entry), values.pop(key_name), values)
    else:
        raise LookupFileError(
            f"{path}, line 1: expected a mapping from key to mapping, or a list of mappings"
        )


def _pairs(path: str, node: yaml.Node) -> Iterator[tuple[str, str]]:
    if not isinstance(node, yaml.MappingNode):
        raise LookupFileError(
            f"{path}, line {_line(node)}: found {_shown(node)}, "
            "expected a mapping from names to values"
        )
    seen = set()
    for name_node, value_node in node.value:
        name = _scalar(path, name_node)
        if name in seen:
            raise LookupFileError(
                f"{path}, line {_line(name_node)}: found the name {name!r} again, expected it once"
            )
        seen.add(name)
        yield name, _scalar(path, value_node)


def _scalar(path: str, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise LookupFileError(
            f"{path}, line {_line(node)}: found {_shown(node)}, expected a single value"
        )
    return node.value


def _shown(node: yaml.Node) -> str:
    return f"the value {node.value!r}" if isinstance(node, yaml.ScalarNode) else "several values"


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
