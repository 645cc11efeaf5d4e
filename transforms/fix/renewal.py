"""Messages that an older version stored, brought to the columns and keys of this one.

What is stored decides, not the bytes: rules, masking and dictionaries of the run that stored a
message are not known. So a column is filled from `fields` by the standard's name of its field, and
`appl_ver_id` from ApplVerID and from Logons that are stored; it stays null where neither says it.
"""

import re
from bisect import bisect_right, insort
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa

from fixfeed.transforms.fix.defects import NAMES, defect_text
from fixfeed.transforms.fix.dictionary.choose import APPL_VER_ID, APPL_VER_IDS
from fixfeed.transforms.fix.dictionary.version import tag_key
from fixfeed.transforms.fix.scalar.fields import facts_of
from fixfeed.transforms.fix.scalar.groups import add
from fixfeed.transforms.fix.scalar.message import unreadable
from fixfeed.transforms.fix.scalar.values import DECIMAL_PLACES
from fixfeed.transforms.fix.schema import COLUMNS, DATE, DECIMAL, TIME, Column

__all__ = ["FixRenewal"]

_FIXT = "FIXT.1.1"
_TAG = re.compile(r"[1-9][0-9]{0,8}")
_KEY = re.compile(rf'"(?:{_TAG.pattern}|{"|".join(column.field for column in COLUMNS)})":')
_NAMES = tuple(column.name for column in COLUMNS)


class FixRenewal:
    """The renewal of FIX (`transforms.protocol.Renewal`)."""

    columns = (*_NAMES, "fields", "defects", "masked")
    changing = ("session", *_NAMES, "fields", "defects")
    decisive = {"begin_string": _FIXT, "msg_type": "A"}  # noqa: RUF012

    def __init__(self) -> None:
        """Know no Logon yet."""
        self._logons: dict[tuple[int, str], list[tuple[int, str]]] = {}

    def learn(self, row: Mapping[str, Any]) -> None:
        """See `Renewal`: a Logon has the version of its session, in both directions."""
        version = orjson.loads(row["fields"]).get("DefaultApplVerID")
        sender, target = row["sender_comp_id"], row["target_comp_id"]
        if version in APPL_VER_IDS and sender and target:
            for session in {f"{sender}->{target}", f"{target}->{sender}"}:
                known = self._logons.setdefault((row["source_id"], session), [])
                insort(known, (row["message_id"], version))

    def changes(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """See `Renewal`."""
        may_have_version = row["begin_string"] == _FIXT and row.get("appl_ver_id") is None
        if not (may_have_version or _KEY.search(row["fields"]) or "" in row.values()):
            return {}
        stored = orjson.loads(row["fields"])
        content = _renamed(stored)
        # With `--fields all` the JSON has what columns hold as well.
        msg_type = stored.get("MsgType")
        has_all = isinstance(msg_type, str) and bool(msg_type)
        masked = (row["masked"] or "").split(",")
        found: dict[str, Any] = {}
        defects = 0
        for column in COLUMNS:
            value = row.get(column.name)
            if value == "":
                found[column.name] = None
                content.setdefault(column.field, "")
            elif value is None and column.field in content:
                held = content[column.field]
                text = held[0] if isinstance(held, list) and held else held
                if not isinstance(text, str) or not text:
                    continue
                value, fits = _read(column, text)
                if value is not None:
                    found[column.name] = value
                elif str(column.tag) not in masked:
                    defects |= unreadable(text, column.type)
                if not fits:
                    # In SQLite the number in it is finer than the column's.
                    found["fields"] = ""
                elif text is held and not has_all:
                    del content[column.field]
        version = self._version(row, found)
        if version:
            found["appl_ver_id"] = version
        if found.keys() & {"begin_string", "sender_comp_id", "target_comp_id"}:
            found["session"] = None
        if content != stored or "fields" in found:
            found["fields"] = orjson.dumps(content).decode()
        before = sum(1 << NAMES.index(name) for name in (row["defects"] or "").split(",") if name)
        if before | defects != before:
            found["defects"] = defect_text(before | defects)
        return found

    def _version(self, row: Mapping[str, Any], found: Mapping[str, Any]) -> str:
        """Return the version that a stored Logon says for a message, `` if there is none."""
        known = found.get("appl_ver_id") or row.get("appl_ver_id")
        if row["begin_string"] != _FIXT or known or str(APPL_VER_ID) in (row["masked"] or ""):
            return ""
        session = f"{row['sender_comp_id'] or ''}->{row['target_comp_id'] or ''}"
        logons = self._logons.get((row["source_id"], session), [])
        place = bisect_right(logons, (row["message_id"], "~"))
        return logons[place - 1][1] if place else ""


def _renamed(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with `tag_key` in place of keys that are tags, at any depth.

    Text that was no tag, but looks like such a key, gives way to it.
    """
    content: dict[str, Any] = {}
    for name, value in stored.items():
        if isinstance(value, list):
            value = [_renamed(one) if isinstance(one, dict) else one for one in value]
        if name.startswith("Tag") and name[3:] in stored:
            for text in value if isinstance(value, list) else [value]:
                add(content, "", f"{name}={text}")
        else:
            content[tag_key(int(name)) if _TAG.fullmatch(name) else name] = value
    return content


def _read(column: Column, text: str) -> tuple[Any, bool]:
    """Return the value of a column for a text, as Arrow takes it, and whether it is all of it."""
    reader = facts_of(b"%d" % column.tag).reader
    if reader is None:
        return text, True
    value, fits = reader(text)
    typed = _TYPED.get(column.type)
    return typed(value) if typed and value is not None else value, fits


_TYPED: Mapping[pa.DataType, Callable[[Any], Any]] = {
    DECIMAL: lambda value: Decimal(value).scaleb(-DECIMAL_PLACES),
    TIME: lambda value: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value),
    DATE: lambda value: date(1970, 1, 1) + timedelta(days=value),
}
