"""An option: its word, its kind, and how its text is read."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["PAIR", "Kind", "Option", "UsageError", "add_option"]

PAIR = "NAME=VALUE"
"""The `metavar` of a list of names with values, which a YAML file may also have as words."""

Kind = Literal["text", "list", "flag", "number", "choice"]


class UsageError(Exception):
    """A user's request cannot be understood; the text says how to correct it."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One setting, of a run or of a URI.

    `name` is its word, and `group` its place in --help. `shown` is its default as people write it,
    empty if there is none. `choices` are the values of a choice; `least` is the smallest allowed
    number; `read` turns a text into the value, or raises `UsageError`.
    """

    name: str
    help: str
    group: str = ""
    kind: Kind = "text"
    metavar: str = ""
    shown: str = ""
    choices: tuple[str, ...] = ()
    least: int = 0
    read: Callable[[str], Any] = str

    def value(self, given: bool | str | list[str]) -> Any:
        """Return the value of what was given; a flag of the command line is True already.

        Raises `UsageError` for invalid values.
        """
        if self.kind == "list":
            values = given if isinstance(given, list) else [str(given)]
            if not all(values):
                raise UsageError(f"{self.name} is empty, expected {self.metavar}")
            return tuple(values)
        text = str(given)
        if self.kind == "flag":
            if text.lower() in ("true", "yes", "1", "on"):
                return True
            if text.lower() in ("false", "no", "0", "off"):
                return False
            raise UsageError(f"{self.name} is {text!r}, expected true or false")
        if self.kind == "number":
            if not re.fullmatch("0|[1-9][0-9]*", text) or int(text) < self.least:
                raise UsageError(
                    f"{self.name} is {text!r}, expected a whole number, "
                    f"{self.least} or more, without zeros before it"
                )
            return int(text)
        if self.kind == "choice" and text not in self.choices:
            raise UsageError(f"{self.name} is {text!r}, expected {_either(self.choices)}")
        if not text:
            raise UsageError(f"{self.name} is empty, expected {self.metavar}")
        return self.read(text)


def add_option(group: "argparse._ActionsContainer", option: Option) -> None:
    """Add an option to a group of a command line; one that is not given is left out."""
    text = option.help + (f" (default: {option.shown})" if option.shown else "")
    arguments: dict[str, Any] = {"help": text.replace("%", "%%"), "default": argparse.SUPPRESS}
    if option.kind == "flag":
        arguments["action"] = "store_true"
    else:
        arguments["metavar"] = option.metavar
        if option.kind == "list":
            arguments["action"] = "append"
    group.add_argument(f"--{option.name}", **arguments)


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
