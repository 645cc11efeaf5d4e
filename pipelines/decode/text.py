"""Decoded messages as text: one field a line, or one message a line, with colours or without."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.color import ColorSystem
from rich.style import Style

from fixfeed.pipelines.terminal import visible
from fixfeed.transforms.batch import Failure
from fixfeed.transforms.fix.decode.message import DecodedField, DecodedMessage
from fixfeed.transforms.fix.decode.problems import Problem

__all__ = ["Text"]

_STYLES = {
    "place": "bold",
    "type": "bold cyan",
    "name": "green",
    "meaning": "yellow",
    "problem": "bold red",
}
_NAME_WIDTH = 34
_SHOWN = 2_000
"""Of the bytes of a failure, so many are shown."""

_IN_THE_HEAD = ("8", "9", "35", "34", "49", "56", "52", "10")
"""Fields that the head of a line says, or that say nothing while they are right."""


class Text:
    """Writes what was decoded of logs. Nothing in it but our own styles is a control character."""

    def __init__(self, *, colors: bool, compact: bool):
        """With `compact` a message is one line."""
        self._compact = compact
        self._paint = _painted if colors else _plain

    def of(self, place: str, one: DecodedMessage | Failure) -> str:
        """Return the text of a message or failure of the source `place`, with its line ends."""
        if isinstance(one, Failure):
            return self._failure(place, one)
        if self._compact:
            return self._line(one)
        return "\n".join([self._head(place, one), *self._fields(one.fields), "", ""])

    def _failure(self, place: str, failure: Failure) -> str:
        raw = failure.raw[:_SHOWN].replace(b"\x01", b"|").decode("utf-8", "backslashreplace")
        rest = len(failure.raw) - _SHOWN
        shown = visible(raw.rstrip("\r\n")) + (f" ... {rest:,} bytes more" if rest > 0 else "")
        where = self._paint("place", f"{visible(place)} @ {failure.position}")
        why = self._paint("problem", f"! {failure.reason}: {visible(failure.detail)}")
        if self._compact:
            return f"{where} {why}: {shown}\n"
        return f"{where} {why}\n    {shown}\n\n"

    def _head(self, place: str, message: DecodedMessage) -> str:
        row = message.row
        parts = [
            self._paint("place", f"{visible(place)} @ {row['position']}"),
            _time(row),
            row["direction"] or "",
            visible(row["session"] or ""),
            self._paint("type", visible(message.type_name or f"MsgType {row['msg_type']}")),
        ]
        head = " · ".join(part for part in parts if part)
        return "\n    ".join([head, *self._problems(message.problems)])

    def _fields(self, fields: Sequence[DecodedField]) -> Iterator[str]:
        for field in fields:
            indent = " " * (6 * field.depth)
            if field.entry:
                indent = f"{f'[{field.entry}]':>{6 * field.depth}}"
            tag = f"{indent}{visible(field.tag):>6}"
            name = visible(field.name) if field.name != field.tag else ""
            room = _NAME_WIDTH - 6 * field.depth - 7
            parts = [tag, self._paint("name", name) + " " * (room - len(name)), visible(field.text)]
            if field.meaning:
                parts.append(self._paint("meaning", f"({visible(field.meaning)})"))
            yield " ".join([*parts, *self._problems(field.problems)]).rstrip()

    def _line(self, message: DecodedMessage) -> str:
        row = message.row
        number = row["msg_seq_num"]
        parts = [
            _time(row),
            row["direction"] or "",
            visible((row["session"] or "").partition(":")[2]),
            "" if number is None else f"#{number}",
            self._paint("type", visible(message.type_name or f"MsgType {row['msg_type']}")),
            *self._problems(message.problems),
        ]
        depth = 0
        for field in message.fields:
            if field.tag in _IN_THE_HEAD and not field.depth and not field.problems:
                continue
            closed = max(0, depth - field.depth + bool(field.entry and field.depth <= depth))
            if parts and closed:
                parts[-1] += "]" * closed
            opened = "[" if field.entry else ""
            parts.append(f"{opened}{self._pair(field)}")
            depth = field.depth
        parts[-1] += "]" * depth
        return " ".join(part for part in parts if part) + "\n"

    def _pair(self, field: DecodedField) -> str:
        pair = f"{self._paint('name', visible(field.name))}={visible(field.text)}"
        if field.meaning:
            pair += self._paint("meaning", f"({visible(field.meaning)})")
        return " ".join([pair, *self._problems(field.problems)])

    def _problems(self, problems: Sequence[Problem]) -> list[str]:
        return [self._paint("problem", f"! {one.kind}: {visible(one.text)}") for one in problems]


def _plain(_style: str, text: str) -> str:
    return text


def _codes(style: str) -> tuple[str, str]:
    before, _, after = (
        Style.parse(style).render("\0", color_system=ColorSystem.STANDARD).partition("\0")
    )
    return before, after


_CODES = {name: _codes(style) for name, style in _STYLES.items()}


def _painted(style: str, text: str) -> str:
    before, after = _CODES[style]
    return f"{before}{text}{after}" if text else ""


def _time(row: Mapping[str, Any]) -> str:
    """Return when a message was captured, else sent, in UTC."""
    time = row["captured_at"] or row["sending_time"]
    return time.isoformat(" ", "microseconds").removesuffix("+00:00") if time else ""
