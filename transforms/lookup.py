"""A user's table that messages are joined with: a symbol master, names of accounts."""

import csv
import hashlib
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from weakref import WeakValueDictionary

import orjson
import pyarrow as pa
import yaml
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from fixfeed.transforms.nearest import nearest
from fixfeed.transforms.protocol import Protocol, default_protocol

__all__ = ["Lookup", "LookupFileError"]

_LINE = re.compile(r"([^\n]*)(?:\n|\Z)")
_CARRIED = 1 << 20
"""Up to this file size in bytes, a pickled lookup carries its rows."""
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class LookupFileError(ValueError):
    """A lookup that cannot be used; the text has file and line, what was found and expected."""


_Row = tuple[int, str, tuple[str, ...], Sequence[str]]
"""A row as read: its line, key, names and values. A plain tuple, as there are millions."""


@dataclass(frozen=True)
class Lookup:
    """Rows by their key, to be joined with the column `on` of a batch.

    `rows` has for each key what it adds, as the text of a JSON object whose values are all text;
    `columns` are the names that occur in any of them. `digest` covers the content and `on`, so it
    changes when the join would. `size` is how many bytes were read, 0 if there was no file.

    Can be pickled: with its rows or, if there are many, as the path of its file. Each process then
    reads that file once, and it must be the same for all of them.
    """

    path: str
    on: str
    rows: Mapping[str, str] = field(repr=False)
    columns: frozenset[str]
    digest: str
    size: int = 0

    @property
    def name(self) -> str:
        """What the lookup is called in a run: `FILE:COLUMN`."""
        return f"{self.path}:{self.on}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out many rows: Beam pickles a transform several times a run."""
        if self.size > _CARRIED:
            return _reread, (self.path, self.on, self.digest)
        parts = (self.path, self.on, self.rows, self.columns, self.digest, self.size)
        return Lookup, parts

    @classmethod
    def read(cls, path: str, *, on: str, protocol: Protocol | None = None) -> "Lookup":
        """Read a lookup from a CSV or YAML file, wherever Beam's FileSystems reach.

        `on` is a text column of the messages of `protocol`, FIX if none is named.

        CSV has a header and commas; its key is the column called `on`. YAML is a mapping from key
        to mapping, or a list of mappings that have the key under the name `on`. All values are
        taken as text, so that `007` and `NO` stay what they are.

        Raises:
          LookupFileError: The file cannot be read, `on` is not a text column of a batch or is not
            in the file, a key comes twice, or the content has another form.
        """
        table = (protocol or default_protocol()).table
        columns = [one.name for one in table.schema if one.type == pa.string()]
        if on not in columns:
            near = nearest(on.lower(), columns)
            hint = f"; the nearest is {near}" if near else f": {', '.join(columns)}"
            raise LookupFileError(
                f"lookup {path}: found the column {on!r} to join on, expected a text column of "
                f"the messages{hint}"
            )
        return cls._read(path, on)

    @classmethod
    def _read(cls, path: str, on: str) -> "Lookup":
        """Read a lookup on a column that exists."""
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
        rows: dict[str, str] = {}
        columns: set[str] = set()
        before: tuple[str, ...] = ()
        for line, key, names, values in read(path, text, on):
            if key in rows:
                first = next(row[0] for row in read(path, text, on) if row[1] == key)
                raise LookupFileError(
                    f"{path}, line {line}: found the key {key!r} again, expected each key once; "
                    f"it is in line {first} as well"
                )
            if names is not before:
                before = names
                columns.update(names)
            rows[key] = orjson.dumps(dict(zip(names, values, strict=True))).decode()
        digest = hashlib.blake2b(on.encode() + b"\n" + content, digest_size=16).hexdigest()
        lookup = cls(path, on, rows, frozenset(columns), digest, len(content))
        _READ[path, on, digest] = lookup
        return lookup


_READ: WeakValueDictionary[tuple[str, str, str], Lookup] = WeakValueDictionary()
_reading = threading.Lock()


def _reread(path: str, on: str, digest: str) -> Lookup:
    """Return the lookup that this process has read already, or read it."""
    with _reading:
        lookup = _READ.get((path, on, digest)) or Lookup._read(path, on)
    if lookup.digest != digest:
        raise LookupFileError(f"lookup {path}: was changed while the run went on; run it again")
    return lookup


def _content(path: str) -> bytes:
    try:
        with FileSystems.open(path) as file:
            return file.read()
    except (OSError, BeamIOError, ValueError) as error:
        # ValueError: no file system for the scheme, or the extra that brings it is not installed.
        said = (isinstance(error, OSError) and error.strerror) or error
        raise LookupFileError(f"lookup {path}: cannot be read: {said}") from error


def _csv_rows(path: str, text: str, on: str) -> Iterator[_Row]:
    # `splitlines` would also split at other characters than line ends, and hold all lines at once.
    reader = csv.reader((match[1] + "\n" for match in _LINE.finditer(text)), strict=True)
    try:
        header = next(reader, [])
        if len(header) < 2 or "" in header or len(set(header)) < len(header):
            raise LookupFileError(
                f"{path}, line 1: found {','.join(header)!r}, expected a header of at least two "
                "different names with commas between them"
            )
        if on not in header:
            alike = [name for name in header if name.lower() == on.lower()]
            near = nearest(on, header) or next(iter(alike), "")
            hint = f"; the nearest is {near}" if near else ""
            raise LookupFileError(
                f"{path}, line 1: found the columns {', '.join(header)}, expected {on} among them, "
                f"as the messages are joined on it{hint}"
            )
        key_at, width = header.index(on), len(header)
        names = tuple(name for name in header if name != on)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != width:
                raise LookupFileError(
                    f"{path}, line {reader.line_num}: found {len(cells)} values, expected "
                    f"{width} as in the header"
                )
            yield reader.line_num, cells.pop(key_at), names, cells
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
            key, values = _scalar(path, name), dict(_pairs(path, entry))
            yield _line(name), key, tuple(values), list(values.values())
    elif isinstance(root, yaml.SequenceNode):
        for entry in root.value:
            values = dict(_pairs(path, entry))
            if on not in values:
                raise LookupFileError(
                    f"{path}, line {_line(entry)}: found {', '.join(values) or 'nothing'}, "
                    f"expected the key {on} among them"
                )
            key = values.pop(on)
            yield _line(entry), key, tuple(values), list(values.values())
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
