"""The options that Beam knows in Python; a runner may know more."""

import argparse
import functools
from collections.abc import Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions

from fixfeed.pipelines.option import UsageError

__all__ = ["OptionParser", "check_options_of_beam", "options_of_beam", "options_of_flink"]


class OptionParser(argparse.ArgumentParser):
    """A parser of options that are not ours: a value that one cannot have is a `UsageError`."""

    def __init__(self) -> None:
        """It has no options yet."""
        super().__init__(allow_abbrev=False, add_help=False)

    def error(self, message: str) -> NoReturn:
        """Raise the error, as `--parallelism: invalid int value: 'two'`."""
        raise UsageError(message.removeprefix("argument "))


@functools.cache
def _of_beam() -> OptionParser:
    parser = OptionParser()
    for group in PipelineOptions.__subclasses__():
        group._add_argparse_args(parser)  # type: ignore[arg-type]
    return parser


def options_of_beam() -> frozenset[str]:
    """Return all of them as they are written, with their dashes."""
    return frozenset(_of_beam()._option_string_actions)


@functools.cache
def options_of_flink() -> frozenset[str]:
    """Return those that only a cluster of Flink heeds."""
    parser = OptionParser()
    FlinkRunnerOptions._add_argparse_args(parser)  # type: ignore[arg-type]
    return frozenset(parser._option_string_actions)


def check_options_of_beam(given: Sequence[str]) -> None:
    """Raise `UsageError` for a value that an option of Beam cannot have, as no number.

    `given` may have other options too. Beam itself would print its usage and end the process.
    """
    _of_beam().parse_known_args(list(given))
