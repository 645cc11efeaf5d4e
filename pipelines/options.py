"""What a run is told by flags, environment and file, as one object.

Flags win over the environment (FIXFEED_INPUT, FIXFEED_OUTPUT, ...), the environment over the YAML
file. All three use the same words; an unknown word is an error that names the nearest known one.
So is a value that is not what it looks like: nothing, or a number in another form.
"""

import argparse
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, NoReturn

from apache_beam.options.pipeline_options import PipelineOptions

from fixfeed.io.redaction import redact
from fixfeed.pipelines.config_file import read_words
from fixfeed.pipelines.option_table import EPILOG, OPTIONS, Option, UsageError
from fixfeed.transforms.fix.framing.delimiter import read_delimiter

__all__ = ["OPTIONS", "Option", "Settings", "UsageError", "read_settings"]


_BY_WORD = {option.name.replace("-", "_"): option for option in OPTIONS}


_UNITS = ("", "k", "m", "g")
_SIZE = re.compile(r"([1-9][0-9]{0,11})\s?([kmg]?)(?:i?b)?", re.IGNORECASE)
_LEAST_MESSAGE, _LONGEST_MESSAGE = 4 << 10, 512 << 20


@dataclass(frozen=True)
class Settings:
    """What a run is to do. `beam` are options for Beam, as they were given."""

    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    delimiter: bytes | None = None
    max_message: int = 64 << 20
    validate: str = "structure"
    dictionary: tuple[str, ...] = ()
    default_appl_ver_id: str = "9"
    mask: tuple[str, ...] = ()
    mask_key_file: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    names: bool = False
    no_admin: bool = False
    lookup: tuple[str, ...] = ()
    reprocess: bool = False
    partition_by: tuple[str, ...] = ()
    dry_run: bool = False
    json: bool = False
    quiet: bool = False
    debug: bool = False
    max_failures: int | None = None
    captured_at: tuple[str, ...] = ()
    log_time_zone: str | None = None
    we_are: tuple[str, ...] = ()
    runner: str = "DirectRunner"
    workers: int | None = None
    beam: tuple[str, ...] = field(default=())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _parser() -> _Parser:
    parser = _Parser(
        prog="fixfeed",
        description="Read FIX logs and store every message, once, in a database, Parquet or JSON.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fixfeed {version('fixfeed')}")
    groups: dict[str, Any] = {}
    for option in OPTIONS:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        shown = option.default
        if isinstance(shown, tuple):
            shown = " ".join(shown)
        text = option.help + (f" (default: {shown})" if shown else "")
        text = text.replace("%", "%%")
        arguments: dict[str, Any] = {"help": text, "default": argparse.SUPPRESS}
        if option.kind == "flag":
            arguments["action"] = "store_true"
        else:
            arguments["metavar"] = option.metavar
            if option.kind == "list":
                arguments["action"] = "append"
        groups[option.group].add_argument(f"--{option.name}", **arguments)
    parser.add_argument(
        "--config", metavar="FILE", help="a YAML file with any of these options by name"
    )
    return parser


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings that arguments and environment give.

    Raises `UsageError` for what is unknown or cannot be read, and `SystemExit` after --help or
    --version.
    """
    found, unknown = _parser().parse_known_args(list(arguments))
    given = vars(found)
    config = given.pop("config", None)
    words: dict[str, Any] = _from_environment(environment)
    if config is None:
        config = environment.get("FIXFEED_CONFIG")
    if config is not None:
        words = read_words(config, _BY_WORD, lambda word: _nearest(word, _BY_WORD)) | words
    words |= given
    values = {name: option.default for name, option in _BY_WORD.items()}
    values |= {name: _value(_BY_WORD[name], value) for name, value in words.items()}
    if values["delimiter"] is not None:
        values["delimiter"] = _delimiter(values["delimiter"])
    values["max_message"] = _size(values["max_message"])
    return Settings(**values, beam=_for_beam(unknown))


def _from_environment(environment: Mapping[str, str]) -> dict[str, str | list[str]]:
    words: dict[str, str | list[str]] = {}
    known = {f"FIXFEED_{word.upper()}": word for word in _BY_WORD}
    for name, value in environment.items():
        if not name.startswith("FIXFEED_"):
            continue
        if name not in known and name != "FIXFEED_CONFIG":
            raise UsageError(f"unknown variable {name} in the environment{_nearest(name, known)}")
        if not value:
            raise UsageError(f"{name} in the environment is empty; give it a value, or unset it")
        if name != "FIXFEED_CONFIG":
            word = known[name]
            words[word] = _lines(name, value) if _BY_WORD[word].kind == "list" else value
    return words


def _lines(name: str, value: str) -> list[str]:
    lines = re.split(r"\r?\n", value.removesuffix("\n").removesuffix("\r"))
    if not all(line.strip() for line in lines):
        empty = next(number for number, line in enumerate(lines, 1) if not line.strip())
        raise UsageError(
            f"line {empty} of {name} in the environment is empty; it has one value a line"
        )
    return lines


def _value(option: Option, value: bool | str | list[str]) -> Any:
    """Return what a text means for an option; a flag of the command line is True already."""
    if option.kind == "list":
        values = value if isinstance(value, list) else [str(value)]
        if not all(values):
            raise UsageError(f"{option.name} is empty, expected {option.metavar}")
        return tuple(values)
    text = str(value)
    if option.kind == "flag":
        if text.lower() in ("true", "yes", "1", "on"):
            return True
        if text.lower() in ("false", "no", "0", "off"):
            return False
        raise UsageError(f"{option.name} is {text!r}, expected true or false")
    if option.kind == "number":
        if not re.fullmatch("0|[1-9][0-9]*", text) or int(text) < option.least:
            raise UsageError(
                f"{option.name} is {text!r}, expected a whole number, "
                f"{option.least} or more, without zeros before it"
            )
        return int(text)
    if option.kind == "choice" and text not in option.choices:
        raise UsageError(f"{option.name} is {text!r}, expected {_either(option.choices)}")
    if not text:
        raise UsageError(f"{option.name} is empty, expected {option.metavar}")
    return text


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _delimiter(text: str) -> bytes:
    try:
        return read_delimiter(text)
    except ValueError as error:
        shown = f"'{text}'" if text.isprintable() else repr(text)
        raise UsageError(f"delimiter is {shown}, {error}") from error


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    size = int(match[1]) << _UNITS.index(match[2].lower()) * 10 if match else 0
    if not _LEAST_MESSAGE <= size <= _LONGEST_MESSAGE:
        raise UsageError(
            f"max-message is {text!r}, expected a size from 4KiB to 512MiB, such as 64MiB"
        )
    return size


def _for_beam(unknown: list[str]) -> tuple[str, ...]:
    """Return what is left for Beam, if Beam knows it."""
    if not unknown:
        return ()
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for group in PipelineOptions.__subclasses__():
        group._add_argparse_args(parser)  # type: ignore[arg-type]
    of_beam = set(parser._option_string_actions)
    known = {f"--{option.name}" for option in OPTIONS} | {"--config", "--version", "--help"}
    for position, argument in enumerate(unknown):
        flag = argument.partition("=")[0]
        if flag.startswith("-") and flag not in of_beam:
            raise UsageError(f"unknown option {flag}{_nearest_flag(flag, known, of_beam)}")
        if not argument.startswith("-") and (
            position == 0 or not unknown[position - 1].startswith("--")
        ):
            shown = redact(argument)
            raise UsageError(
                f"unexpected {shown!r}; files are named with --input {shown}; a pattern wants "
                "quotes, as in --input '*.log', or the shell makes many words of it"
            )
    return tuple(unknown)


def _nearest_flag(flag: str, known: set[str], of_beam: set[str]) -> str:
    """Return the flag that may have been meant, one of our own where one is near."""
    ours = {one.replace("-", ""): one for one in known}
    near = difflib.get_close_matches(re.sub("[-_]", "", flag).lower(), sorted(ours), 1, cutoff=0.6)
    if near:
        return f"; did you mean {ours[near[0]]}?"
    parts = [one for one in sorted(known) if len(flag) > 3 and flag.lstrip("-") in one]
    return f"; did you mean {parts[0]}?" if parts else _nearest(flag, of_beam)


def _nearest(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, sorted(known), 1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else "; see fixfeed --help"
