"""What a run is told by flags, environment and file, as one object.

Flags win over the environment (FIXFEED_INPUT, FIXFEED_OUTPUT, ...), the environment over the YAML
file. All three use the same words; an unknown word is an error that names the nearest known one.
"""

import argparse
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, NoReturn

import yaml
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.option_table import EPILOG, OPTIONS, Option

__all__ = ["OPTIONS", "Option", "Settings", "UsageError", "read_settings"]


class UsageError(Exception):
    """What the user asked for cannot be understood; the text says how to put it right."""


_BY_WORD = {option.name.replace("-", "_"): option for option in OPTIONS}


@dataclass(frozen=True)
class Settings:
    """What a run is to do. `beam` are options for Beam, as they were given."""

    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    delimiter: bytes | None = None
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
    config = given.pop("config", None) or environment.get("FIXFEED_CONFIG")
    words: dict[str, Any] = {}
    if config:
        words |= _from_file(config)
    words |= _from_environment(environment)
    words |= given
    values = {name: option.default for name, option in _BY_WORD.items()}
    values |= {name: _value(_BY_WORD[name], value) for name, value in words.items()}
    if values["delimiter"] is not None:
        values["delimiter"] = _delimiter(values["delimiter"])
    return Settings(**values, beam=_for_beam(unknown))


def _from_file(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"--config {path} is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"--config {path}: expected words with values, as in `input: logs/*.log`")
    words = {}
    for key, value in content.items():
        word = str(key).replace("-", "_")
        if word not in _BY_WORD:
            raise UsageError(f"{path}: unknown word {str(key)!r}{_nearest(word, _BY_WORD)}")
        words[word] = value
    return words


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    words = {}
    for name, value in environment.items():
        if name.startswith("FIXFEED_") and name != "FIXFEED_CONFIG":
            word = name.removeprefix("FIXFEED_").lower()
            if word not in _BY_WORD:
                known = [f"FIXFEED_{known.upper()}" for known in _BY_WORD]
                raise UsageError(
                    f"unknown variable {name} in the environment{_nearest(name, known)}"
                )
            option = _BY_WORD[word]
            words[word] = value.splitlines() if option.kind == "list" else value
    return words


def _value(option: Option, value: Any) -> Any:
    if option.kind == "list":
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(str(one) for one in values)
    if option.kind == "flag":
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "yes", "1", "on"):
            return True
        if str(value).lower() in ("false", "no", "0", "off", ""):
            return False
        raise UsageError(f"{option.name} is {value!r}, expected true or false")
    if option.kind == "number" and value is not None:
        if not str(value).isdigit():
            raise UsageError(f"{option.name} is {value!r}, expected a whole number")
        return int(value)
    if option.kind == "choice" and value is False:
        value = "off"  # what YAML makes of the word
    if option.kind == "choice" and value not in option.choices:
        raise UsageError(f"{option.name} is {value!r}, expected {_either(option.choices)}")
    return value if value is None else str(value)


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _delimiter(text: str) -> bytes:
    named = {"SOH": b"\x01", "\\x01": b"\x01", "\\001": b"\x01"}
    delimiter = named.get(text) or text.encode()
    if not delimiter or b"=" in delimiter or b"\n" in delimiter or delimiter.isalnum():
        raise UsageError(f"delimiter is {text!r}, expected what stands between fields, e.g. '|'")
    return delimiter


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
            raise UsageError(f"unknown option {flag}{_nearest(flag, known | of_beam)}")
        if not argument.startswith("-") and (
            position == 0 or not unknown[position - 1].startswith("--")
        ):
            raise UsageError(f"unexpected {argument!r}; files are named with --input {argument}")
    return tuple(unknown)


def _nearest(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, sorted(known), 1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else "; see fixfeed --help"
