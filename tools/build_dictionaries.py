"""Writes transforms/fix/dictionary/data from the XML data dictionaries that FIX users exchange.

    python tools/build_dictionaries.py FOLDER [ORCHESTRA]

FOLDER has QuickFIX's FIX40.xml and the others, ORCHESTRA (`orchestra` in FOLDER if none is given)
the OrchestraFIX42.xml and OrchestraFIX44.xml of the FIX Trading Community. Where they differ, the
members, groups and listed values of the standard are added to QuickFIX's; `standard.py` beside this
file has those of versions that there is no file for.

Facts only: tag numbers, names, types, enumerations, and the structure of messages. Each version is
a file in the format of `dictionary.quickfix_xml.read_definition`; `union.json` unites them:

    fields            tag -> [name, type, {value: what it is called (names.py)}]
    listed_by         tag -> tag of the field that lists its values
    messages          MsgType -> [name, 1 if admin else 0]
    data_lengths      tag of a length field -> tag of its data field
    names_by_version  tag -> {value: {version: its name there, if the version has another}}
"""

import sys
from pathlib import Path
from typing import Any

import orjson
from names import listed_by, named
from orchestra import Orchestra, read_orchestra
from standard import CALLED
from standardise import standardise

from fixfeed.transforms.fix.dictionary.quickfix_xml import read_definition

TARGET = Path(__file__).parent.parent / "transforms" / "fix" / "dictionary" / "data"
VERSIONS = (
    "FIX40",
    "FIX41",
    "FIX42",
    "FIX43",
    "FIX44",
    "FIXT11",
    "FIX50",
    "FIX50SP1",
    "FIX50SP2",
)
"""From oldest to newest: the union has the newest name of a field."""


def union(dictionaries: list[dict[str, Any]], standards: list[Orchestra]) -> dict[str, Any]:
    """Return fields and message types of all versions; for each tag the latest version counts."""
    fields: dict[str, list[Any]] = {}
    messages: dict[str, list[Any]] = {}
    for one in dictionaries:
        for tag, (name, kind, values, *_) in one["fields"].items():
            before = fields[tag][2] if tag in fields else {}
            fields[tag] = [name, kind, before | values]
        messages |= {value: found[:2] for value, found in one["messages"].items()}
    lengths = {}
    by_name = {field[0]: tag for tag, field in fields.items()}
    for tag, (name, kind, _) in fields.items():
        if kind in ("DATA", "XMLDATA"):
            before = str(int(tag) - 1)
            length = by_name.get(f"{name}Len") or by_name.get(f"{name}Length") or before
            if fields[length][1] not in ("LENGTH", "INT"):
                raise SystemExit(f"{name} ({tag}) has no length field: {fields[length]}")
            lengths[length] = int(tag)
    names = [field[0] for field in fields.values()]
    again = {name for name in names if names.count(name) > 1}
    if again:
        raise SystemExit(f"two tags of one name: {sorted(again)}")
    for tag, values in named(fields, standards).items():
        fields[tag][2] = values
    return {
        "fields": dict(sorted(fields.items(), key=lambda item: int(item[0]))),
        "messages": messages,
        "data_lengths": lengths,
        "listed_by": listed_by(fields),
        "names_by_version": names_by_version(dictionaries),
    }


def names_by_version(dictionaries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the names in the versions that have another than the newest, by tag and value.

    Those of messages are in the dictionaries, all others in `CALLED`, which is right where the two
    differ.
    """
    versions = dict(zip(VERSIONS, (one["version"] for one in dictionaries), strict=True))
    newest = {value: name for one in dictionaries for value, (name, *_) in one["messages"].items()}
    messages: dict[str, dict[str, str]] = {}
    for one in dictionaries:
        for value, (name, *_) in one["messages"].items():
            if name != newest[value]:
                messages.setdefault(value, {})[one["version"]] = name
    found: dict[str, Any] = {"35": messages}
    for files, tag, value, name in CALLED:
        others = found.setdefault(str(tag), {}).setdefault(value, {})
        others |= {versions[file]: name for file in files}
    return found


def build(folder: Path, standards: Path) -> dict[str, bytes]:
    """Return the files by name, built from the folders of QuickFIX's and Orchestra's XML."""
    orchestra = {
        name: read_orchestra(standards / f"Orchestra{name}.xml") for name in ("FIX42", "FIX44")
    }
    versions = {name: read_definition(folder / f"{name}.xml") for name in VERSIONS}
    for name, one in versions.items():
        standardise(name, one, orchestra)
    contents = {**versions, "union": union(list(versions.values()), list(orchestra.values()))}
    return {f"{name}.json": orjson.dumps(content) for name, content in contents.items()}


def main() -> None:
    """Read all versions from the folders given and write them."""
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    standards = Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "orchestra"
    for name, content in build(folder, standards).items():
        (TARGET / name).write_bytes(content)


if __name__ == "__main__":
    main()
