"""How a run ends: its exit code, and its output for people and scripts."""

import errno
import io
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from rich.console import Console

from fixfeed.io.jsonl.standard_output import OutputClosed
from fixfeed.io.ledger.ledger import SchemaError, SinkError, SinkFailed, SinkRefused
from fixfeed.io.redaction import redact_text
from fixfeed.pipelines import log
from fixfeed.pipelines.cluster.trouble import ClusterFailed
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.running import GaveUp
from fixfeed.pipelines.settings import Settings
from fixfeed.pipelines.standard_streams import CLOSED, give_up
from fixfeed.pipelines.uris import UnknownPlace
from fixfeed.pipelines.workers import WorkerDied
from fixfeed.transforms.enrich import LookupFileError
from fixfeed.transforms.fix.dictionary.quickfix_xml import DictionaryError
from fixfeed.transforms.fix.prefix.log_format import LogFormatError
from fixfeed.transforms.fix.rules.language import RuleError
from fixfeed.transforms.fix.secrets.masking import MaskingError

__all__ = [
    "CLUSTER",
    "DONE",
    "NOTHING_READ",
    "OWN_ERROR",
    "STOPPED",
    "TOO_MANY_FAILURES",
    "UNREAD",
    "UNWRITTEN",
    "USAGE",
    "Ending",
    "sentence_of",
]

T = TypeVar("T")

DONE, OWN_ERROR, USAGE, UNREAD, TOO_MANY_FAILURES, STOPPED, UNWRITTEN, NOTHING_READ = range(8)
"""The exit codes."""

CLUSTER = 8
"""The exit code of a job that its cluster does not run to its end."""

_WRONG_USAGE = (
    UsageError,
    UnknownPlace,
    RuleError,
    LookupFileError,
    DictionaryError,
    MaskingError,
    LogFormatError,
)
_OF_SINKS = {
    kind.__name__: kind for kind in (SinkError, SchemaError, SinkFailed, SinkRefused, OutputClosed)
}
# The last line of a traceback of one of them, and the suffix that Beam adds to its text.
_LINE = re.compile(r"(?:[\w.]+\.)?(" + "|".join(_OF_SINKS) + r"): (.*)")
_STEP = re.compile(r"( \[while running '[^']*'\])+$")
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


class Ending:
    """Reports how a run ended: a sentence on standard error, and with `--json` an object too.

    `console` is the terminal of standard error, which progress and lines of the log share.
    Nothing here raises: if the report cannot be written, only the exit code shows it.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]):
        """Guess how to report what happens before the settings are known."""
        words = " ".join(arguments) + environment.get("FIXFEED_OUTPUT", "")
        self._beside = "jsonl:-" in words
        told = environment.get("FIXFEED_JSON", "").lower()
        self._json = "--json" in arguments or told in ("true", "yes", "1", "on")
        self._debug = "--debug" in arguments
        form = environment.get("FIXFEED_LOG_FORMAT", "")
        asked = form == "json" or "--log-format json" in words.replace("=", " ")
        log.start("json" if asked else "text")
        log.write_to(self._print_line)
        self.console = Console(stderr=True, emoji=False)
        self._printing = threading.Lock()
        self._told: int | None = None

    def settle(self, settings: Settings, *, beside: bool) -> None:
        """Report as the settings ask; with `beside` standard output is for messages alone."""
        self._json, self._debug, self._beside = settings.json, settings.debug, beside

    def tell(
        self,
        found: T,
        show: Callable[[Console, T], None],
        code: int,
    ) -> int:
        """Print `found` with `show` or as JSON; return the exit code.

        If it can be printed, that is `code`, which is also in `found`.
        """
        if self._json:
            report = orjson.dumps(found) + b"\n"
        else:
            text = io.StringIO()
            if self._out is not None:
                out = Console(file=self._out)
                show(Console(file=text, width=out.width, force_terminal=out.is_terminal), found)
            encoding = getattr(self._out, "encoding", None) or "utf-8"
            report = text.getvalue().encode(encoding, "replace")
        with self._printing:
            self._told = self._print(report, code)
        return self._told

    def error(self, error: BaseException) -> int:
        """Report the error that ended a run; return the exit code.

        A run may be given up in the moment in which it ends. Then what it has told is all.
        """
        if isinstance(error, SystemExit):  # argparse has printed --help or the version
            return self._print(b"", int(error.code or 0))
        with self._printing:
            told = self._told
        if told is not None and isinstance(error, GaveUp):
            return told
        code, known = _ending_of(error)
        traced = None
        if known is None or self._debug:
            traced = "".join(traceback.format_exception(error)).rstrip()
        sentence = sentence_of(error)
        if code != STOPPED or not isinstance(error, OutputClosed):
            self._say(sentence, code, traced)
        elif traced:
            self._say(traced, code)
        if self._json and told is None:
            self._print(orjson.dumps({"error": sentence, "exit_code": code}) + b"\n", code)
        return code

    @property
    def _out(self) -> Any:
        # Nothing else may be mixed with messages on standard output.
        return sys.stderr if self._beside else sys.stdout

    def _print(self, text: bytes, code: int) -> int:
        try:
            if self._out is None:
                raise OSError(errno.EBADF, CLOSED)
            self._out.flush()
            self._out.buffer.write(text)
            self._out.flush()
        except OSError as error:
            give_up(1)
            if isinstance(error, BrokenPipeError):
                return code or STOPPED
            if code in (DONE, UNREAD, TOO_MANY_FAILURES, NOTHING_READ):
                self._say(
                    f"cannot write to standard output: {error.strerror}; what was to be stored is "
                    "stored, what was to be printed is lost; send it to another place",
                    code,
                )
            return code or UNWRITTEN
        return code

    def _print_line(self, text: str, level: int) -> None:
        """Print a line of the log, above a bar of progress if there is one."""
        style = None
        if level >= logging.ERROR:
            style = "red"
            self.console.show_cursor()  # an interrupted bar has hidden it
        self.console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    @staticmethod
    def _say(text: str, code: int, traced: str | None = None) -> None:
        log.say(text, event="error", level="error", exit_code=code, traceback=traced)


def sentence_of(error: BaseException) -> str:
    """Return what people are told of an error that ended a run, without passwords."""
    kind = type(error).__name__
    own = f"this is an error of fixfeed's own ({kind}); what was committed is stored"
    return redact_text(_ending_of(error)[1] or own)


def _ending_of(error: BaseException) -> tuple[int, str | None]:
    """Return the exit code and the sentence, None for our own errors."""
    sink = _of_sink(error)
    if isinstance(sink, OutputClosed):
        return STOPPED, str(sink)
    if isinstance(sink, SinkFailed):
        return UNWRITTEN, str(sink)
    if sink is not None:
        return USAGE, str(sink)
    if isinstance(error, _WRONG_USAGE):
        return USAGE, str(error)
    if isinstance(error, ClusterFailed):
        return CLUSTER, str(error)
    if isinstance(error, GaveUp):
        return STOPPED, str(error)
    if isinstance(error, WorkerDied):
        return OWN_ERROR, str(error)
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        place = error.filename or "a file"
        return UNWRITTEN, (
            f"cannot write to {place}: {error.strerror}; what was committed is stored, and the "
            "same command goes on; another folder for temporary files is named by TMPDIR"
        )
    return OWN_ERROR, None


def _of_sink(error: BaseException) -> SinkError | None:
    """Return the sink error that this is, or that a worker raised; None if neither.

    Beam adds the name of the step to its text. From another process it passes on only the text of
    the traceback, and the last line of that names the error.
    """
    if isinstance(error, SinkError):
        return type(error)(_STEP.sub("", str(error)))
    if isinstance(error, ClusterFailed):
        # Within a trace of Java.
        lines = (_LINE.fullmatch(_STEP.sub("", one)) for one in error.cause.splitlines())
        found = next(filter(None, lines), None)
        return _OF_SINKS[found[1]](found[2]) if found else None
    if isinstance(error, RuntimeError):
        for line in reversed(str(error).splitlines()):
            if line and not line[0].isspace():
                found = _LINE.fullmatch(_STEP.sub("", line))
                return _OF_SINKS[found[1]](found[2]) if found else None
    return None
