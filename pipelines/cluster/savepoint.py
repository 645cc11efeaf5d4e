"""The savepoint that a job is to begin from (`--savepoint_path`): whether it can be one."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from fixfeed.io.redaction import redact
from fixfeed.pipelines.beam_options import OptionParser
from fixfeed.pipelines.cluster.flink import Flink
from fixfeed.pipelines.option import UsageError

__all__ = ["check_savepoint", "savepoint_of"]

_FLAG = "--savepoint_path"
_METADATA = "_metadata"  # the file by which Flink knows a savepoint


def savepoint_of(given: Sequence[str]) -> str:
    """Return the place of the savepoint that options name, `` if they name none.

    >>> savepoint_of(["--parallelism=2", "--savepoint_path=s3://b/savepoint-1"])
    's3://b/savepoint-1'
    """
    parser = OptionParser()
    parser.add_argument(_FLAG, dest="place", default="")
    place: str = parser.parse_known_args(list(given))[0].place
    return place


def check_savepoint(place: str, flink: Flink, *, is_stream: bool) -> None:
    """Raise `UsageError` if a job cannot begin from this place, as far as that is known here.

    Flink reads it on the machine of its JobManager. Its files can be looked at where that is this
    machine, which the folder of the JobManager tells.
    """
    if not is_stream:
        raise UsageError(
            f"{_FLAG} {redact(place)}: only a stream begins from a savepoint; leave it out: what "
            "is stored already is not read again"
        )
    parts = urlsplit(place)
    if parts.scheme not in ("", "file"):
        return
    path = parts.path if parts.scheme else place
    if not os.path.isabs(path):
        raise _none(place, "a whole path, or a URL such as s3://bucket/savepoints/savepoint-1")
    folder = flink.folder()
    if folder and os.path.isdir(folder) and not _is_savepoint(Path(path)):
        raise _none(place, f"a folder with the file {_METADATA}, and there is none")


def _is_savepoint(path: Path) -> bool:
    return (path / _METADATA).is_file() or (path.name == _METADATA and path.is_file())


def _none(place: str, expected: str) -> UsageError:
    return UsageError(
        f"{_FLAG} {redact(place)}: expected the place that Flink answers when it has stopped a job "
        f"with a savepoint, {expected}; without the option the job goes on where its outputs end"
    )
