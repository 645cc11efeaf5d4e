"""The settings of a run from flags, environment and file, as one object.

Flags win over the environment (FIXFEED_INPUT, FIXFEED_OUTPUT, ...), the environment over the YAML
file. All three use the same words; an unknown word is an error that names the nearest known one. A
value that is empty, or a number in another form, is an error too.
"""

import argparse
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from keyword import iskeyword
from typing import Any, NoReturn

from fixfeed.io.redaction import redact
from fixfeed.pipelines.beam_options import check_options_of_beam, options_of_beam, options_of_flink
from fixfeed.pipelines.config_file import read_words
from fixfeed.pipelines.listeners import LISTENING
from fixfeed.pipelines.option import UsageError, add_option
from fixfeed.pipelines.running import LOCAL
from fixfeed.pipelines.settings import OPTIONS, Settings
from fixfeed.transforms.nearest import did_you_mean, nearest

__all__ = ["EPILOG", "read_settings"]

_PARAMETERS = "\n".join(f"  {one.name:<17}{one.help}" for one in LISTENING)
EPILOG = f"""\
examples:
  fixfeed --input 'logs/*.log.gz'
  fixfeed --input 'logs/**/*.fix' --output postgresql://user@host/db --output parquet:lake/
  zcat day.gz | fixfeed --input - --no-admin --include 'Symbol = AAPL'
  fixfeed --input day.log --validate dictionary --dictionary 'BROKER->*=+broker.xml'
  fixfeed --input day.log --mask Account=hash --mask-key-file key --mask Text=drop
  fixfeed --input day.log --captured-at '%d.%m.%Y %H:%M:%S' --log-time-zone Europe/Paris
  fixfeed --input 'follow:logs/*.log' --until 17:30
  fixfeed --input tcp://0.0.0.0:9876 --spool fixfeed-spool
  fixfeed --input 'replay:day.log?speed=60&from=09:30' --output sqlite:///replay.db
  fixfeed --input 'kafka://host:9092/fix.raw?group=fixfeed' --output postgresql://user@host/db
  fixfeed --config fixfeed.yaml

parameters of tcp:// and tls://, as in 'tcp://0.0.0.0:9876?idle=5m&max-connections=50':
{_PARAMETERS}

Every option may stand in the file that --config names (input: [...]) and in the environment
(FIXFEED_INPUT); lists there are separated by line ends.

exit codes:
  0  everything read is accounted for; a stream ended, also by a signal
  1  an error of fixfeed's own, or a worker process that died
  2  wrong usage, or a sink that cannot be opened, or cannot take what is to be stored
  3  a source could not be read whole; what was good is stored
  4  more failures than --max-failures allows
  5  stopped before the end by a signal, or nobody reads standard output any more; what was
     committed is stored, and the same command goes on
  6  a sink, standard output or the folder for temporary files could not be written: disk full,
     server gone, permission lost; what was committed is stored, and the same command goes on
  7  nothing, or almost nothing, of what was read is FIX; the summary says what may help
  8  a cluster is not reached, or has not run the job to its end; what was committed is stored, and
     the same command goes on
"""

_ALIKE = 0.9
_OF_URIS = {
    "create": "kafka://host/topic?create=true",
    "format": "kafka://host/topic?format=raw",
    "from": "kafka://host/topic?from=latest",
    "group": "kafka://host/topic?group=NAME",
    "key": "kafka://host/topic?key=cl_ord_id",
    "speed": "replay:day.log?speed=10",
    "to": "replay:day.log?to=10:00",
    "transactions": "kafka://host/topic?transactions=true",
}
"""Words that people take for options, and are parameters."""
"""Names of Beam's options that are more alike than this are not two options."""

_BY_WORD = {option.name.replace("-", "_"): option for option in OPTIONS}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _parser() -> _Parser:
    parser = _Parser(
        prog="fixfeed",
        usage="fixfeed --input LOGS [--output URI] [more options]",
        description="Read FIX logs and store every message, once, in a database, Parquet or JSON.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    groups: dict[str, Any] = {}
    for option in OPTIONS:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        add_option(groups[option.group], option)
    general = parser.add_argument_group("general")
    general.add_argument(
        "--config", metavar="FILE", help="a YAML file with any of these options by name"
    )
    shown = f"fixfeed {version('fixfeed')}"
    general.add_argument("--version", action="version", version=shown, help="print the version")
    general.add_argument("-h", "--help", action="help", help="print this text")
    return parser


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings from arguments and environment.

    Raises `UsageError` for unknown words and invalid values, and `SystemExit` after --help or
    --version.
    """
    found, unknown = _parser().parse_known_args(_with_negative_values(arguments))
    given = vars(found)
    config = given.pop("config", None)
    words: dict[str, Any] = _from_environment(environment)
    if config is None:
        config = environment.get("FIXFEED_CONFIG")
    if config is not None:
        words = read_words(config, _BY_WORD, _nearest_word) | words
    words |= given
    values = {
        f"{name}_" if iskeyword(name) else name: _BY_WORD[name].value(given)
        for name, given in words.items()
    }
    settings = Settings(**values)
    return replace(settings, beam=_for_beam(unknown, local=settings.runner in LOCAL))


def _with_negative_values(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which a negative value, as in `--for -5m`, is no option of its own.

    None is allowed, but so the error says what is expected in its place.
    """
    words = {f"--{option.name}" for option in OPTIONS if option.kind != "flag"}
    found: list[str] = []
    for one in arguments:
        if found and found[-1] in words and re.match(r"-\.?[0-9]", one):
            found[-1] += f"={one}"
        else:
            found.append(one)
    return found


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


def _for_beam(unknown: list[str], *, local: bool) -> tuple[str, ...]:
    """Return the remaining arguments for Beam, if Beam knows them.

    A runner that is not `local` knows options of its own, as Flink's --checkpointing_interval, and
    says itself what it does not know (`cluster.job_server`). Those that are like one of ours are
    refused here: ours have one word or dashes, Beam's have underscores.
    """
    if not unknown:
        return ()
    of_beam = options_of_beam()
    known = {f"--{option.name}" for option in OPTIONS} | {"--config", "--version", "--help"}
    for position, argument in enumerate(unknown):
        flag = argument.partition("=")[0]
        if flag.startswith("-") and flag not in of_beam:
            if not local and flag.startswith("--") and not _meant(flag, known, of_beam):
                continue
            raise UsageError(f"unknown option {flag}{_nearest_flag(flag, known, of_beam)}")
        if not argument.startswith("-") and (
            position == 0 or not unknown[position - 1].startswith("--")
        ):
            shown = redact(argument)
            raise UsageError(
                f"unexpected {shown!r}; files are named with --input {shown}; a pattern wants "
                "quotes, as in --input '*.log', or the shell makes many words of it"
            )
    check_options_of_beam(unknown)
    for flag in (one.partition("=")[0] for one in unknown if local):
        if flag in options_of_flink():
            raise UsageError(
                f"{flag} is for a cluster of Flink, and this run is on this machine: add --runner "
                f"FlinkRunner, or leave {flag} out"
            )
    return tuple(unknown)


def _meant(flag: str, known: Collection[str], of_beam: Collection[str]) -> bool:
    """Return whether a flag is nearly one of ours, or very nearly one of Beam's."""
    word = re.sub("[-_]", "", flag).lower()
    ours = {one.replace("-", "") for one in known}
    return bool(nearest(word, ours)) or bool(nearest(flag, of_beam, cutoff=_ALIKE))


def _nearest_flag(flag: str, known: Collection[str], of_beam: Collection[str]) -> str:
    """Return the flag that may have been meant, preferably one of our own."""
    ours = {one.replace("-", ""): one for one in known}
    near = nearest(re.sub("[-_]", "", flag).lower(), ours)
    if near:
        return f"; did you mean {ours[near]}?"
    if (word := flag.lstrip("-")) in _OF_URIS:
        return f"; {word} is a parameter of a URI, as in '{_OF_URIS[word]}'"
    parts = [one for one in sorted(known) if len(flag) > 3 and flag.lstrip("-") in one]
    return f"; did you mean {parts[0]}?" if parts else _nearest(flag, of_beam)


def _nearest_word(word: str) -> str:
    """Return the word of a file that may have been meant, as it is written there."""
    return _nearest(word.replace("_", "-"), [one.name for one in OPTIONS])


def _nearest(word: str, known: Collection[str]) -> str:
    return did_you_mean(word, known) or "; see fixfeed --help"
