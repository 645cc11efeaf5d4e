"""The log of fixfeed: a line an event on standard error, as text or as JSON. All are made here.

It is the logger `fixfeed` of Python's logging, so a program that uses fixfeed gets its events as
any others. A line has no message and no password: what looks like either is hidden.
"""

import datetime
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

from fixfeed.io.redaction import redact_text
from fixfeed.pipelines.standard_streams import give_up

__all__ = ["FIELDS", "FORMATS", "LEVELS", "as_child", "for_children", "is_json", "say", "write_to"]
__all__ += ["of_run", "start"]

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
FIELDS = {
    "time": "when it was written, in UTC",
    "level": "debug, info, warning or error",
    "program": "fixfeed, fixfeed gateway or fixfeed worker-pool",
    "process": "the id of the process",
    "event": "what happened, in a word",
    "text": "the same for people",
    "run": "the run on a cluster, of its command and of all its workers",
    "sink": "an output, as metrics call it",
    "source": "what was read",
    "start": "the position in it where the batch begins",
    "end": "the position after it",
    "session": "the session of the messages, as in the column `session`",
    "first_seq": "the lowest sequence number of these messages",
    "last_seq": "the highest",
    "messages": "how many messages",
    "failures": "how many failures",
    "seconds": "how long it took, or lasts already",
    "exit_code": "what the process ends with",
    "traceback": "where in the code an error was found",
}
"""Field of a line of JSON -> its meaning. Those from `sink` on are there where they are known."""

Level = Literal["debug", "info", "warning", "error"]
Write = Callable[[str, int], None]

_logger = logging.getLogger("fixfeed")
# Of processes that a job starts.
_VARIABLES = ("LOG_FORMAT", "LOG_LEVEL", "LOG_DESCRIPTOR", "LOG_RUN")
_PAYLOAD = re.compile(r"8=FIX\S{12,}.*")
_PLAIN = ("progress",)  # events that are told without the name of the program
_HIDDEN = "(a message)"


def say(text: str, *, event: str = "note", level: Level = "info", **fields: Any) -> None:
    """Write a line, if its level is high enough; `fields` are among `FIELDS`.

    It never fails: if nobody can read standard error, the line is lost.
    """
    _logger.log(LEVELS.index(level) * 10 + 10, text, extra={"event": event, "fields": fields})


def start(form: str = "text", level: str = "info", *, program: str = "fixfeed") -> None:
    """Write lines in this form, of this level and above, from now on."""
    _lines.form, _lines.program, _lines.run = form, program, ""
    _logger.setLevel(LEVELS.index(level) * 10 + 10)


def of_run(run: str) -> None:
    """Write lines as those of a run on a cluster, from now on; `` for none."""
    _lines.run = run


def is_json() -> bool:
    """Return whether lines are JSON."""
    return _lines.form == "json"


def write_to(write: Write | None) -> None:
    """Have `write`, which is given a line of text and its level, write lines of text.

    A terminal that shows progress needs that. Lines of JSON, and all lines if it is None, go to
    standard error.
    """
    _lines.write = write


def for_children(descriptor: int = 2, *, run: str = "") -> dict[str, str]:
    """Return the variables of a process whose lines go where ours go; see `as_child`.

    They are those of a run on a cluster, if one is named.
    """
    level = LEVELS[_logger.level // 10 - 1]
    return dict(zip(_VARIABLES, (_lines.form, level, str(descriptor), run), strict=True))


def as_child(program: str = "fixfeed") -> None:
    """Write lines as the process that has started this one asks, if one has."""
    form, level, descriptor, run = (os.environ.get(name) for name in _VARIABLES)
    if form and level and descriptor:
        start(form, level, program=f"{program} {run}" if run and form == "text" else program)
        _lines.descriptor = int(descriptor)
        of_run(run or "")


class _Lines(logging.Handler):
    """Makes lines of events, and writes them."""

    def __init__(self) -> None:
        super().__init__()
        self.form, self.program, self.run = "text", "fixfeed", ""
        self.descriptor: int | None = None
        self.write: Write | None = None

    def emit(self, record: logging.LogRecord) -> None:
        given = getattr(record, "fields", {})
        fields = {name: _shown(one) for name, one in given.items() if one is not None}
        text = _shown(record.getMessage())
        event = getattr(record, "event", "note")
        try:
            if self.form == "json":
                self._print(self._as_json(record, event, text, fields))
            else:
                line = text if event in _PLAIN else f"{self.program}: {text}"
                for part in filter(None, (fields.get("traceback"), line)):
                    if self.write is None:
                        self._print(part)
                    else:
                        self.write(part, record.levelno)
        except (OSError, SystemExit):  # rich ends the process when nobody reads
            give_up(2)

    def _as_json(
        self, record: logging.LogRecord, event: str, text: str, fields: Mapping[str, Any]
    ) -> str:
        now = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "program": self.program,
            "process": record.process,
            "event": event,
            "text": text,
            **({"run": self.run} if self.run else {}),
        }
        return json.dumps(line | dict(fields))

    def _print(self, line: str) -> None:
        # One write a line: those of several processes stay whole.
        if self.descriptor is not None:
            os.write(self.descriptor, f"{line}\n".encode(errors="replace"))
        elif sys.stderr is not None:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def _shown(value: Any) -> Any:
    """Return what is shown of a value: of a text, all but passwords and messages."""
    return _PAYLOAD.sub(_HIDDEN, redact_text(value)) if isinstance(value, str) else value


_lines = _Lines()
_logger.addHandler(_lines)
_logger.propagate = False
_logger.setLevel(logging.INFO)
