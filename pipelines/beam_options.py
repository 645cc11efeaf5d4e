"""The options that Beam knows in Python; a runner may know more."""

import argparse
import functools

from apache_beam.options.pipeline_options import PipelineOptions

__all__ = ["options_of_beam"]


@functools.cache
def options_of_beam() -> frozenset[str]:
    """Return all of them as they are written, with their dashes."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for group in PipelineOptions.__subclasses__():
        group._add_argparse_args(parser)  # type: ignore[arg-type]
    return frozenset(parser._option_string_actions)
