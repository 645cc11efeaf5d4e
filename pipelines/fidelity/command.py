"""The command `fixfeed fidelity`."""

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from fixfeed.io.files.find import find_files
from fixfeed.pipelines.fidelity.dictionary_xml import (
    VERSIONS,
    copy_dictionaries,
    write_dictionaries,
)
from fixfeed.pipelines.fidelity.examine import examine
from fixfeed.pipelines.fidelity.report import print_report
from fixfeed.pipelines.words import WordParser, read_words
from fixfeed.transforms.fix.dictionary.choose import BUILT_IN, Dictionaries, OwnDictionary
from fixfeed.transforms.fix.dictionary.quickfix_xml import DictionaryError, read_definition

__all__ = ["main"]

_EPILOG = """\
examples:
  fixfeed fidelity day.log
  fixfeed fidelity 'logs/*.log.gz' --dictionaries dictionaries/

It needs QuickFIX's Python library: pip install 'fixfeed[fidelity]'

exit codes:
  0  no difference is unexplained
  1  at least one is; it is shown with file, position, place in the message, and both values
  2  QuickFIX is not installed, or a log or a dictionary cannot be read

docs/fidelity.md explains each kind of difference.
"""
_MISSING = (
    "fixfeed fidelity: QuickFIX's Python library is not installed; install it with: "
    "pip install 'fixfeed[fidelity]' (Python 3.11 on Linux; elsewhere pip install quickfix-ssl "
    "builds it with a C++ compiler)"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code, as explained at the end of --help."""
    parser = WordParser(
        prog="fixfeed fidelity",
        description="Read FIX logs with fixfeed and with QuickFIX, and show where they differ.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="LOG", help="a log, or a pattern of logs")
    parser.add_argument(
        "--dictionaries",
        type=Path,
        metavar="FOLDER",
        help="FIX40.xml to FIXT11.xml for both to read by (default: those of fixfeed)",
    )
    parser.add_argument(
        "--quickfix",
        type=Path,
        metavar="FOLDER",
        help="such files for QuickFIX alone, such as its own (default: the same for both)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, not tables")
    options = read_words(parser, argv)
    if importlib.util.find_spec("quickfix") is None:
        print(_MISSING, file=sys.stderr)
        return 2
    files, unreadable = find_files(options.files)
    for one in unreadable:
        print(f"{one.path}: {one.reason}", file=sys.stderr)
    if unreadable:
        return 2
    columns = (
        TextColumn("comparing"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with (
        tempfile.TemporaryDirectory() as made,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        try:
            folder, theirs = Path(made) / "ours", Path(made) / "quickfix"
            folder.mkdir()
            dictionaries = _dictionaries(options.dictionaries, folder)
            if options.quickfix:
                theirs.mkdir()
                _definitions(options.quickfix)
                copy_dictionaries(options.quickfix, theirs)
        except (OSError, DictionaryError) as error:
            print(error, file=sys.stderr)
            return 2
        task = progress.add_task("", total=sum(file.length for file in files))
        found = examine(
            files,
            folder,
            dictionaries,
            lambda octets: progress.advance(task, octets),
            quickfix_folder=theirs if options.quickfix else None,
        )
    if options.json:
        print(orjson.dumps(found).decode())
    else:
        print_report(found, Console())
    return 1 if found.unexplained else 0


def _dictionaries(given: Path | None, folder: Path) -> Dictionaries:
    """Return fixfeed's dictionaries, and write the same into `folder` as XML."""
    if given is None:
        write_dictionaries(folder)
        return BUILT_IN
    definitions = _definitions(given)
    copy_dictionaries(given, folder)
    return Dictionaries(tuple(OwnDictionary("", one) for one in definitions))


def _definitions(folder: Path) -> list[dict[str, Any]]:
    """Return the dictionaries of a folder; raises `DictionaryError` for a file that is none."""
    return [read_definition(folder / f"{version}.xml") for version in VERSIONS]
