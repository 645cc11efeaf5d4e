"""The words after a command's name, read by `argparse`; its answers show no secret."""

import argparse
from collections.abc import Sequence

from fixfeed.io.redaction import redact

__all__ = ["read_words"]


def read_words(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Return what the words say; without `arguments` they are those of this process.

    The process ends with 2 for words that the parser does not know. They may be URIs, so the answer
    shows them without passwords.
    """
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(map(redact, unknown))}")
    return options
