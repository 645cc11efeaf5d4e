"""The costs of nested groups, validation, FIX JSON and masking in parsing, and of loading."""

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.dictionary.choose import Dictionaries, OwnDictionary
from fixfeed.transforms.fix.dictionary.version import (
    VERSIONS,
    Definition,
    VersionDictionary,
    definition,
)
from fixfeed.transforms.fix.parser import parse_block
from fixfeed.transforms.fix.secrets.masking import UNMASKED, read_masking

__all__ = ["loading", "readings"]

_ROUNDS = 9


def without_groups(content: Definition) -> dict[str, Any]:
    """Return a dictionary with the members of groups at the message level."""

    def flat(members: Sequence[Any]) -> Iterator[list[Any]]:
        for what, _, *inner in members:
            if isinstance(what, str):
                yield from flat(content["components"][what])
            else:
                yield [what, 0]
                yield from flat(inner[0] if inner else ())

    messages = {
        kind: [name, admin, list(flat(members))]
        for kind, (name, admin, members) in content["messages"].items()
    }
    parts = {part: list(flat(content[part])) for part in ("header", "trailer")}
    return {**content, **parts, "messages": messages, "components": {}}


def readings(blocks: Sequence[Block]) -> list[str]:
    """Return the lines of a table: ways of reading, each with its speed relative to the barest."""
    flat = Dictionaries(
        tuple(OwnDictionary("", without_groups(definition(version))) for version in VERSIONS)
    )
    bare: dict[str, Any] = {"validate": "off", "dictionaries": flat, "masking": UNMASKED}
    unmasked: dict[str, Any] = {"masking": UNMASKED}
    ways: dict[str, dict[str, Any]] = {
        "flat: repeated tags as arrays, nothing validated or masked": bare,
        "nested groups": {"validate": "off", **unmasked},
        "nested groups, `--validate structure`": unmasked,
        "nested groups, `--validate dictionary`": {"validate": "dictionary", **unmasked},
        "the default: nested, structure, secrets masked": {},
        "the default, and the message in the FIX JSON encoding": {"fix_json": True},
        "the default, and `--mask Account=hash`": {
            "masking": read_masking(["Account=hash"], key=b"key")
        },
    }
    count = sum(parse_block(block).read for block in blocks)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(_ROUNDS + 1):
        for way, options in ways.items():
            begin = time.process_time()
            for block in blocks:
                parse_block(block, **options)
            if round_:  # the first round learns the places of fields
                times[way].append((time.process_time() - begin) / count)
    barest = statistics.median(times[next(iter(ways))])
    rows = ["| how messages are read, one core | µs a message | speed |", "|---|--:|--:|"]
    for way, measured in times.items():
        middle = statistics.median(measured)
        rows.append(f"| {way} | {middle * 1e6:.2f} | {barest / middle:.2f} |")
    return rows


def loading() -> list[str]:
    """Return the lines of a table: the time from a dictionary's file to the scope of an order."""
    rows = ["| dictionary | milliseconds to load |", "|---|--:|"]
    for version in VERSIONS:
        taken = []
        for _ in range(_ROUNDS):
            definition.cache_clear()
            begin = time.process_time()
            on_transport = definition("FIXT.1.1") if version.startswith("FIX.5") else None
            VersionDictionary(definition(version), on_transport).scope("D")
            taken.append(time.process_time() - begin)
        rows.append(f"| {version} | {statistics.median(taken) * 1e3:.1f} |")
    return rows
