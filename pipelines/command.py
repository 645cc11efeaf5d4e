"""The command `fixfeed`: the job, and the project's other commands as subcommands."""

import difflib
import importlib
import sys
from collections.abc import Sequence

from fixio.redaction import redact

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "run": ("pipelines.fixfeed", "read logs and store them (also without the word run)"),
    "sample": ("pipelines.sample", "write sample logs of a trading day"),
    "failures": ("pipelines.failures", "print what could not be read as a message"),
    "migrate": ("pipelines.migrate", "bring a database to this version's schema"),
}
"""Subcommand -> its module, whose `main(arguments)` returns the exit code, and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first argument names; return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, 1)
            guess = f"; did you mean {near[0]}?" if near else ""
            print(f"fixfeed: unknown command {redact(name)!r}{guess}", file=sys.stderr)
            return 2
    else:
        name = "run"
        if words and words[0] in ("--help", "-h"):
            print("commands:")
            for command, (_, text) in COMMANDS.items():
                print(f"  fixfeed {command:<10}{text}")
            print()
    module = importlib.import_module(COMMANDS[name][0])
    return module.main(words)


if __name__ == "__main__":
    sys.exit(main())
