"""Logs made by hand, one message a line of text."""

from pathlib import Path

from tests.transforms.fix.messages import encode

__all__ = ["asked_day", "asked_messages"]

_DAY = "20260302"
_TIMES = ("60", "122")


def asked_day() -> bytes:
    """Return the log of asked_day.txt, with SOH between fields and a message on each line."""
    return b"\n".join(asked_messages("asked_day.txt")) + b"\n"


def asked_messages(name: str) -> list[bytes]:
    """Return the messages of a text beside this file. A time without a day is of 2 March 2026."""
    lines = Path(__file__).with_name(name).read_text().splitlines()
    return [_message(line) for line in lines if line and not line.startswith("#")]


def _message(line: str) -> bytes:
    version, kind, sender, target, number, time, *others = line.split(" ")
    fields = [(35, kind), (49, sender), (56, target), (34, number), (52, _at(time))]
    for other in _joined(others):
        tag, _, value = other.partition("=")
        fields.append((int(tag), _at(value) if tag in _TIMES else value))
    return encode([(tag, value.encode()) for tag, value in fields], version)


def _at(time: str) -> str:
    return time if "-" in time else f"{_DAY}-{time}"


def _joined(words: list[str]) -> list[str]:
    """Put a word without a tag after the value that it belongs to."""
    found: list[str] = []
    for word in words:
        if word.partition("=")[0].isdigit():
            found.append(word)
        else:
            found[-1] += f" {word}"
    return found
