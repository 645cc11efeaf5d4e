"""The command `fixfeed`: the job, and the project's other commands as subcommands.

python -m pipelines.fixfeed --input 'logs/*.log.gz' --output sqlite:///fixfeed.db
"""

import errno
import importlib
import itertools
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress

from fixfeed.io.redaction import redact, redact_text
from fixfeed.pipelines.early_signals import remembered
from fixfeed.pipelines.standard_streams import CLOSED, give_up, open_standard_streams
from fixfeed.transforms.nearest import did_you_mean

__all__ = ["COMMANDS", "command", "main"]

COMMANDS = {
    "run": ("fixfeed.pipelines.run", "read logs and store them (also without the word run)"),
    "decode": ("fixfeed.pipelines.decode.command", "show the messages of logs, field by field"),
    "sessions": ("fixfeed.pipelines.sessions", "show sequence numbers, gaps and days of sessions"),
    "sample": ("fixfeed.pipelines.sample.command", "write sample logs of a trading day"),
    "failures": ("fixfeed.pipelines.failures", "print what could not be read as a message"),
    "fidelity": (
        "fixfeed.pipelines.fidelity.command",
        "read logs with QuickFIX as well, and compare",
    ),
    "order": ("fixfeed.pipelines.order", "print the life of an order, found by any of its ids"),
    "orders": ("fixfeed.pipelines.orders", "list the orders that meet a condition"),
    "anomalies": ("fixfeed.pipelines.anomalies", "list what is out of the ordinary"),
    "dashboard": ("fixfeed.pipelines.dashboard", "show a database in the browser"),
    "derive": ("fixfeed.pipelines.derive", "bring orders and executions up to date"),
    "migrate": ("fixfeed.pipelines.migrate", "bring a database or lake to this version's schema"),
    "gateway": ("fixfeed.pipelines.gateway", "receive what peers send, into a spool"),
    "api": ("fixfeed.pipelines.api", "answer programs over HTTP from a database"),
    "worker-pool": (
        "fixfeed.pipelines.worker_pool.command",
        "run workers for Flink, on a machine of a cluster",
    ),
    "views": ("fixfeed.pipelines.views", "write a DuckDB file with the views of a lake"),
}
"""Subcommand -> its module, with `main(arguments)` that returns the exit code, and its purpose."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first argument names; return its exit code.

    If standard output cannot be written, as on a full disk, one sentence on standard error says so;
    if nobody reads it, only the exit code does.
    """
    open_standard_streams()
    try:
        return _run(arguments)
    except OSError as error:
        if error.filename is not None:
            raise  # of a file
        give_up(1)
        if isinstance(error, BrokenPipeError):
            return 5
        print(f"fixfeed: cannot write to standard output: {error.strerror}", file=sys.stderr)
        return 6


def command() -> int:
    """Run `main` as the script does; a job ends the process by itself.

    All that a job has opened is closed then. Python's own end, which takes every module apart,
    would take half a second more (measured), of the two in which a stream is to end.
    """
    code = main()
    if "fixfeed.pipelines.run" in sys.modules:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                if stream is not None:  # it is closed
                    stream.flush()
        os._exit(code)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in COMMANDS:
            print(f"fixfeed: {redact_text(_unknown(name, words))}", file=sys.stderr)
            return 2
    else:
        name = "run"
        if words and words[0] in ("--help", "-h"):
            print("commands:")
            for command, (_, text) in COMMANDS.items():
                print(f"  fixfeed {command:<12}{text}")
            print()
    # At import Beam warns about extras that nobody asked for. We print what people need to know.
    logging.basicConfig(level=logging.ERROR)
    # The job heeds signals that ask to stop, and loads for a second or two.
    with remembered() if name == "run" else nullcontext():
        module = importlib.import_module(COMMANDS[name][0])
        if sys.stdout is None and name != "run":
            raise OSError(errno.EBADF, CLOSED)
        return int(module.main(words))


def _unknown(name: str, rest: Sequence[str]) -> str:
    """Return what to type in place of a first word that is no command: logs need --input."""
    near = did_you_mean(name, COMMANDS)
    if near and not os.path.exists(name):
        return f"unknown command {name!r}{near}"
    looks_like_logs = os.path.exists(name) or any(c in name for c in "./*?[")
    if name in ("help", "version"):
        return f"unknown command {name!r}; did you mean: fixfeed --{name}"
    if not looks_like_logs:
        commands = ", ".join(f"fixfeed {command}" for command in COMMANDS)
        return f"unknown command {name!r}; there are {commands}, and --input names what to read"
    # A shell expands one pattern to many words.
    files = [name, *itertools.takewhile(lambda word: not word.startswith("-"), rest)]
    inputs = [word for file in files for word in ("--input", file)]
    if len(files) > 2 and len({os.path.splitext(file)[1] for file in files}) == 1:
        folder, end = os.path.dirname(name), os.path.splitext(name)[1]
        if all(os.path.dirname(file) == folder for file in files):
            inputs = ["--input", os.path.join(folder, f"*{end}")]
    words = ["fixfeed", *inputs, *rest[len(files) - 1 :]]
    meant = shlex.join(map(redact, words))
    return f"{redact(name)!r} is no command; logs are named with --input, did you mean: {meant}"


if __name__ == "__main__":
    sys.exit(command())
