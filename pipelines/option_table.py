"""The options of a run: their words, what they hold, their defaults, and what --help says."""

from dataclasses import dataclass
from typing import Any

from fixfeed.transforms.fix.reading import VALIDATE

__all__ = ["EPILOG", "OPTIONS", "Option", "UsageError"]


class UsageError(Exception):
    """What the user asked for cannot be understood; the text says how to put it right."""


@dataclass(frozen=True)
class Option:
    """One setting: its word, what it holds, its default and the group it is shown in.

    `least` is the smallest that a number may be.
    """

    name: str
    group: str
    help: str
    default: Any = None
    kind: str = "text"  # text, list, flag, number, choice
    metavar: str = ""
    choices: tuple[str, ...] = ()
    least: int = 0


OPTIONS = (
    Option(
        "input",
        "what to read and where to store",
        "a file, a glob (** matches folders to any depth), a URL such as s3://bucket/day.log, "
        "or - for standard input; may be given several times",
        (),
        "list",
        "LOGS",
    ),
    Option(
        "output",
        "what to read and where to store",
        "sqlite:///fixfeed.db, postgresql://user@host/db, parquet:lake/, jsonl:out.jsonl, or "
        "jsonl:- for standard output; may be given several times, and each gets everything",
        ("sqlite:///fixfeed.db",),
        "list",
        "URI",
    ),
    Option(
        "delimiter",
        "how to read",
        "what separates fields; found in each file if not given: SOH, tab, or any text such as | "
        "or \\x01, which means that text or the byte, whichever the file has",
        metavar="TEXT",
    ),
    Option(
        "max-message",
        "how to read",
        "how long a message may be, such as 200MiB; what is longer is kept as failures, and "
        "memory is needed for many times as much",
        "64MiB",
        metavar="SIZE",
    ),
    Option(
        "validate",
        "how to read",
        "defects to look for beyond those of reading: none; the order of header, body and "
        "trailer, repeated tags and groups; or also tags, required fields, types and values",
        "structure",
        "choice",
        "|".join(VALIDATE),
        VALIDATE,
    ),
    Option(
        "dictionary",
        "how to read",
        "a dictionary in the XML of QuickFIX that replaces the built-in one of its version; with "
        "+ before it, it is laid over that one; with a session such as 'BROKER->*=' before that, "
        "it is for the sessions that match, in both directions; may be given several times",
        (),
        "list",
        "[SESSION=][+]FILE",
    ),
    Option(
        "default-appl-ver-id",
        "how to read",
        "the version of FIXT.1.1 messages where neither they nor a Logon say which: 2 to 9, or "
        "what that stands for, such as FIX.5.0SP2",
        "9",
        metavar="VERSION",
    ),
    Option(
        "mask",
        "how to read",
        "what is stored in place of a field's values: mask (asterisks), hash (equal for equal "
        "values), drop (nothing), keep (themselves); user names and passwords are masked if not "
        "told otherwise; rules and lookups over what is hidden are refused; may be given several "
        "times",
        (),
        "list",
        "TAG_OR_NAME[=mask|hash|drop|keep]",
    ),
    Option(
        "mask-key-file",
        "how to read",
        "a file with the key of the hashes; with the same key the same value has the same hash",
        metavar="FILE",
    ),
    Option(
        "include",
        "how to read",
        "keep only messages that match this rule, e.g. 'MsgType in D,8 and Symbol = AAPL'; "
        "may be given several times, and one match is enough",
        (),
        "list",
        "RULE",
    ),
    Option("exclude", "how to read", "leave out messages that match this rule", (), "list", "RULE"),
    Option(
        "names", "how to read", "spell out codes in columns of their own (Parquet)", False, "flag"
    ),
    Option("no-admin", "how to read", "leave out session-level messages", False, "flag"),
    Option(
        "lookup",
        "how to read",
        "join a CSV or YAML file that has this column of the messages, e.g. symbols.csv:symbol; "
        "its other columns go to the column enriched",
        (),
        "list",
        "FILE:COLUMN",
    ),
    Option(
        "reprocess",
        "how to read",
        "read the input again and replace what is stored of it, for other rules or a new version",
        False,
        "flag",
    ),
    Option(
        "partition-by",
        "how to read",
        "columns that Parquet files are sorted into folders by",
        ("date", "msg_type"),
        "list",
        "COLUMN",
    ),
    Option(
        "captured-at",
        "how to read",
        "how times of capture are written before messages, e.g. '%d.%m.%Y %H:%M:%S.%f', if not in "
        "a common form; may be given several times, and the first one that is found holds",
        (),
        "list",
        "PATTERN",
    ),
    Option(
        "log-time-zone",
        "how to read",
        "the zone of times of capture without an offset, such as Europe/Paris; UTC if not given",
        metavar="ZONE",
    ),
    Option(
        "we-are",
        "how to read",
        "our own SenderCompID: messages from it went out, those to it (TargetCompID) came in; may "
        "be given several times",
        (),
        "list",
        "COMPID",
    ),
    Option("dry-run", "what to see", "show what would be read, and the columns", False, "flag"),
    Option("json", "what to see", "print the summary as one JSON object", False, "flag"),
    Option("quiet", "what to see", "show no progress", False, "flag"),
    Option("debug", "what to see", "show where in the code an error was found, too", False, "flag"),
    Option(
        "max-failures",
        "what to see",
        "end with exit code 4 if there are more failures than N",
        None,
        "number",
        "N",
    ),
    Option(
        "runner",
        "where to run",
        "DirectRunner, or any runner of Beam; all of Beam's options may be given too",
        "DirectRunner",
        metavar="NAME",
    ),
    Option(
        "workers",
        "where to run",
        "worker processes; by default all cores, but one into SQLite, which one keeps busy",
        None,
        "number",
        "N",
        least=1,
    ),
)

EPILOG = """\
examples:
  fixfeed --input 'logs/*.log.gz'
  fixfeed --input 'logs/**/*.fix' --output postgresql://user@host/db --output parquet:lake/
  zcat day.gz | fixfeed --input - --no-admin --include 'Symbol = AAPL'
  fixfeed --input day.log --validate dictionary --dictionary 'BROKER->*=+broker.xml'
  fixfeed --input day.log --mask Account=hash --mask-key-file key --mask Text=drop
  fixfeed --input day.log --captured-at '%d.%m.%Y %H:%M:%S' --log-time-zone Europe/Paris
  fixfeed --config fixfeed.yaml

Every option may stand in the file that --config names (input: [...]) and in the environment
(FIXFEED_INPUT); lists there are separated by line ends.

exit codes:
  0  everything read is accounted for
  1  an error of fixfeed's own, or a worker process that died
  2  wrong usage, or a sink that cannot be opened, or cannot take what is to be stored
  3  a source could not be read whole; what was good is stored
  4  more failures than --max-failures allows
  5  stopped by a signal, or nobody reads standard output any more; what was committed is
     stored, and the same command goes on
  6  a sink, standard output or the folder for temporary files could not be written: disk full,
     server gone, permission lost; what was committed is stored, and the same command goes on
  7  nothing, or almost nothing, of what was read is FIX; the summary says what may help
"""
