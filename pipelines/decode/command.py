"""The command `fixfeed decode`: logs for people to read, message by message."""

import argparse
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console

from fixfeed.asked import HowToRead, fix_of
from fixfeed.io.files.content import STANDARD_INPUT
from fixfeed.io.files.find import File, cut_ranges, find_files
from fixfeed.io.files.globs import visible
from fixfeed.io.files.reading import read_blocks
from fixfeed.io.files.remote import EXTRAS
from fixfeed.io.redaction import redact
from fixfeed.pipelines.decode.pipe import blocks_of_pipe
from fixfeed.pipelines.decode.text import Text
from fixfeed.pipelines.option import UsageError, add_option
from fixfeed.pipelines.settings import OPTIONS
from fixfeed.pipelines.words import WordParser, read_words
from fixfeed.transforms.batch import Block
from fixfeed.transforms.fix.decode.block import decode_block
from fixfeed.transforms.fix.decode.meanings import Meanings
from fixfeed.transforms.fix.dictionary.codes import Codes
from fixfeed.transforms.fix.protocol import Fix
from fixfeed.transforms.keep import Rule, filter_batch, read_rules

__all__ = ["Shown", "main"]

_EPILOG = """\
examples:
  fixfeed decode day.log | less
  fixfeed decode --color 'logs/*.log.gz' | less -R
  grep CABC-0001 day.log | fixfeed decode
  tail -f day.log | fixfeed decode --compact --no-admin -
  fixfeed decode day.log --include 'MsgType = 8 and OrdStatus = 8' --validate dictionary

exit codes:
  0  all was shown, or nobody reads any more
  2  wrong usage
  3  a log could not be read, or not to its end; what was good is shown
  7  there is text, and no message in it
"""
_READING = (
    *("validate", "delimiter", "dictionary", "default-appl-ver-id", "mask"),
    *("captured-at", "log-time-zone", "we-are"),
)
_TAKEN = (*_READING, "mask-key-file", "include", "exclude", "no-admin")
_OPTIONS = [option for option in OPTIONS if option.name in _TAKEN]
_WHOLE = 1 << 60
_READ, _USAGE, _UNREAD, _NO_FIX, _INTERRUPTED = 0, 2, 3, 7, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the messages of logs; return the exit code, as explained at the end of --help."""
    parser = _parser()
    options = read_words(parser, arguments)
    logs = options.logs or [STANDARD_INPUT]
    if not options.logs and (sys.stdin is None or sys.stdin.isatty()):
        parser.error("name a log, or send one to standard input")
    given = vars(options)
    try:
        words = {
            option.name: option.value(given[option.name.replace("-", "_")])
            for option in _OPTIONS
            if option.name.replace("-", "_") in given
        }
        for log in logs:
            _check_place(log)
        shown = Shown(words, colors=options.color, compact=options.compact)
    except (UsageError, ValueError) as error:
        print(f"fixfeed decode: {error}", file=sys.stderr)
        return _USAGE
    try:
        for log in logs:
            shown.log(log)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, but Python would flush once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READ
    except KeyboardInterrupt:
        return _INTERRUPTED
    if not shown.messages and shown.lines:
        print(
            f"fixfeed decode: no message was found in {shown.lines:,} lines; is it a log of FIX?",
            file=sys.stderr,
        )
    no_fix = not shown.messages and (shown.lines or shown.failures)
    return _UNREAD if shown.unread else _NO_FIX if no_fix else _READ


def _parser() -> WordParser:
    parser = WordParser(
        prog="fixfeed decode",
        usage="fixfeed decode [options] [LOG ...]",
        description="Show the messages of FIX logs with names, meanings of codes, groups indented, "
        "and defects (!) at their fields; bytes that are no message are shown where they are.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "logs",
        nargs="*",
        metavar="LOG",
        help="a file, compressed or not, a glob, a URL, or - for standard input (the default)",
    )
    parser.add_argument("--compact", action="store_true", help="one line a message")
    parser.add_argument(
        "--color", action="store_true", help="colors also where the output is no terminal"
    )
    groups: dict[str, Any] = {}
    for option in _OPTIONS:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        add_option(groups[option.group], option)
    return parser


class Shown:
    """Shows logs. `messages`, `failures` and `lines` without FIX count what was read so far, and
    `unread` is true if something could not be read.
    """

    def __init__(
        self, words: dict[str, Any], *, colors: bool, compact: bool, out: BinaryIO | None = None
    ):
        """`words` are options by name; `out` is standard output if not given.

        Raises `UsageError` or `ValueError`.
        """
        self._out = out or sys.stdout.buffer
        self.messages = self.failures = self.lines = 0
        self.unread = False
        self._fix = _fix(words)
        self._meanings = Meanings(Codes(self._fix.reading.dictionaries.own))
        self._include = self._rules(words.get("include", ()))
        self._exclude = self._rules(words.get("exclude", ()))
        self._admin = not words.get("no-admin")
        self._text = Text(colors=colors or _is_colorful(), compact=compact)

    def _rules(self, texts: Sequence[str]) -> list[Rule]:
        reading = self._fix.reading
        return read_rules(texts, reading.dictionaries, reading.masking)

    def log(self, log: str) -> None:
        """Show what a word of the command line names."""
        if log == STANDARD_INPUT:
            self.pipe(sys.stdin.fileno(), "-")
        elif _is_pipe(log):
            with open(log, "rb", buffering=0) as pipe:
                self.pipe(pipe.fileno(), log)
        else:
            files, unreadable = find_files([log], self._fix)
            for file in files:
                self._blocks(file.name, _blocks_of(file))
            for one in unreadable:
                self._tell(f"{one.path}: {one.reason}")

    def pipe(self, descriptor: int, name: str) -> None:
        """Show what comes through an open pipe."""
        try:
            self._blocks(name, blocks_of_pipe(descriptor, self._fix))
        except BrokenPipeError:
            raise
        except OSError as error:
            self._tell(f"{visible(name)}: {error.strerror}")

    def _blocks(self, name: str, blocks: Iterator[Block]) -> None:
        for block in blocks:
            batch = self._fix.parse(block)
            self.messages += batch.messages.num_rows
            self.failures += batch.failures.num_rows
            self.lines += batch.skipped
            if batch.error:
                self._tell(batch.error)
            batch = filter_batch(
                batch, include=self._include, exclude=self._exclude, admin=self._admin
            )
            for one in decode_block(block, batch, self._fix.reading, self._meanings):
                self._out.write(self._text.of(name, one).encode())
            self._out.flush()

    def _tell(self, text: str) -> None:
        self.unread = True
        print(f"fixfeed decode: {text}", file=sys.stderr)


def _fix(words: dict[str, Any]) -> Fix:
    """Return FIX as options want it to be read. Raises `UsageError` or `ValueError`."""
    how: HowToRead = {name.replace("-", "_"): words[name] for name in _READING if name in words}  # type: ignore[assignment]
    path = words.get("mask-key-file")
    if path is not None:
        try:
            how["mask_key"] = Path(path).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise UsageError(f"mask-key-file {path}: {error.strerror}") from error
    return fix_of(how)


def _blocks_of(file: File) -> Iterator[Block]:
    for part in cut_ranges(file, (), size=_WHOLE):
        yield from read_blocks(part)


def _check_place(log: str) -> None:
    """Raise `UsageError` for the URI of what is no file, such as a database or a topic."""
    scheme, colon, rest = log.partition(":")
    if not colon or scheme in EXTRAS or os.path.exists(log):
        return
    from fixfeed.pipelines.sinks import SINKS  # these load for a second
    from fixfeed.pipelines.sources import SOURCES

    if rest.startswith("//") or scheme in SINKS or scheme in SOURCES:
        raise UsageError(
            f"{redact(log)!r} is no log: decode reads files, also those of "
            f"{', '.join(f'{one}://' for one in EXTRAS)}, and standard input; what a run has "
            "stored is shown by fixfeed order, fixfeed dashboard and SQL"
        )


def _is_pipe(path: str) -> bool:
    """Return whether a path is a pipe, as those that a shell makes of `<(command)`."""
    with suppress(OSError, ValueError):
        return stat.S_ISFIFO(os.stat(path).st_mode)
    return False


def _is_colorful() -> bool:
    """Return whether standard output is a terminal with colors, which NO_COLOR may deny."""
    console = Console(file=sys.stdout)
    return console.is_terminal and not console.no_color and console.color_system is not None
