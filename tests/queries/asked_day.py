"""The day of asked_day.txt as a log."""

from pathlib import Path

from tests.transforms.fix.messages import encode

__all__ = ["asked_day"]

_TIMES = ("60", "122")


def asked_day() -> bytes:
    """Return the log, with SOH between fields and a message on each line."""
    lines = Path(__file__).with_name("asked_day.txt").read_text().splitlines()
    messages = [_message(line) for line in lines if line and not line.startswith("#")]
    return b"\n".join(messages) + b"\n"


def _message(line: str) -> bytes:
    version, kind, sender, target, number, time, *others = line.split(" ")
    fields = [(35, kind), (49, sender), (56, target), (34, number), (52, f"20260302-{time}")]
    for other in _joined(others):
        tag, _, value = other.partition("=")
        fields.append((int(tag), f"20260302-{value}" if tag in _TIMES else value))
    return encode([(tag, value.encode()) for tag, value in fields], version)


def _joined(words: list[str]) -> list[str]:
    """Put a word without a tag after the value that it belongs to."""
    found: list[str] = []
    for word in words:
        if word.partition("=")[0].isdigit():
            found.append(word)
        else:
            found[-1] += f" {word}"
    return found
