"""The words after a command's name: each answer to a wrong one is one sentence, without secrets."""

import argparse
import itertools
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from fixfeed.io.redaction import redact, redact_text
from fixfeed.transforms.nearest import did_you_mean, nearest

__all__ = ["WordParser", "port", "read_words", "whole_number"]

_DIGITS = 18  # so that a number fits into 64 bits
_HELP = {"-h", "--help"}
_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


class WordParser(argparse.ArgumentParser):
    """Reads the words of a command. It ends the process with 2 and a sentence if one is wrong.

    A choice is answered with those there are, and the nearest. No word is taken for a longer one
    that it begins: what is short today may begin two words in the next version.
    """

    def __init__(self, **given: Any):
        """See `argparse.ArgumentParser`; `prog` is the command as people type it."""
        super().__init__(**given, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and how the command is written where words are missing."""
        text = message.removeprefix("argument ")
        if "are required" in text:
            text += f"; {' '.join(self.format_usage().split())}"
        self.exit(2, f"{self.prog}: {redact_text(text)}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            there = [str(one) for one in action.choices]
            near = _nearest_part(str(value), there)
            hint = f"; did you mean {near}?" if near else ""
            raise argparse.ArgumentError(action, f"{value!r} is none of {', '.join(there)}{hint}")


def read_words(parser: WordParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the words say; without `arguments` they are those of this process.

    The process ends with 2 for words that the parser does not know; the answer names the nearest.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    known = set(parser._option_string_actions)
    # Looked for first: argparse would take the value of an unknown option for another word.
    for word in itertools.takewhile(lambda one: one != "--", words):
        flag = word.partition("=")[0]
        if _is_option(word) and flag not in known:
            hint = did_you_mean(flag, known - _HELP) or f"; see {parser.prog} --help"
            parser.error(f"unknown option {redact(flag)}{hint}")
    options, unknown = parser.parse_known_args(words)
    if unknown:
        parser.error(f"unexpected {redact(unknown[0])!r}; see {parser.prog} --help")
    return options


def whole_number(text: str) -> int:
    """Return the number that a text is, 0 or more, as databases have them.

    Raises `argparse.ArgumentTypeError`.
    """
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    if len(text.lstrip("0")) > _DIGITS:
        raise argparse.ArgumentTypeError(f"{text!r} has more than {_DIGITS} digits")
    return int(text)


def port(text: str) -> int:
    """Return the port that a text is, 0 for any that is free. Raises `ArgumentTypeError`."""
    # The system takes 99999 for the port 34463.
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535, 0 is any free one")
    return int(text)


def _is_option(word: str) -> bool:
    """Return whether argparse takes a word for an option: what has a blank is a value to it."""
    return word.startswith("-") and word != "-" and " " not in word and not _NUMBER.fullmatch(word)


def _nearest_part(word: str, names: Iterable[str]) -> str:
    """Return the name that is most like a word, or has a part that is; "" if none.

    >>> _nearest_part("gaps", ["silence", "sequence_gap"])
    'sequence_gap'
    """
    parts = {part: name for name in names for part in (*re.split("[_-]", name), name)}
    near = nearest(word.lower(), parts)
    return parts[near] if near else ""
