"""What does not fit a cluster is refused before anything is submitted, with what to do instead.

Its workers are on other machines: they see what servers and object stores have, and local files
only where all machines have the same folder at the same path.
"""

import os
from collections.abc import Sequence

from fixfeed.io.files.content import STANDARD_INPUT
from fixfeed.io.redaction import redact
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.settings import Settings

__all__ = ["check_fits"]

_LIVE = ("follow", "tcp", "tls", "fix", "spool")
_SHARED = "a path that is the same folder on all machines of the cluster"


def check_fits(settings: Settings) -> None:
    """Raise `UsageError` for inputs, outputs and options that workers elsewhere cannot use."""
    if settings.workers is not None:
        raise UsageError(
            "--workers counts processes of this machine: leave it out; how many a cluster has says "
            "--parallelism, all its free slots if it is not given"
        )
    for text in settings.input:
        _check_input(text)
    for uri in settings.output:
        _check_output(uri)
    _check_lookups(settings.lookup)
    named = any(one.partition("=")[0] == "--flink_master" for one in settings.beam)
    if settings.runner == "FlinkRunner" and not named:
        raise UsageError(
            "--runner FlinkRunner does not say which cluster: add --flink_master HOST:8081, where "
            "its JobManager answers, or leave out --runner, which has this machine do the work"
        )


def _check_input(text: str) -> None:
    scheme, colon, rest = text.partition(":")
    if text == STANDARD_INPUT:
        raise UsageError(
            "standard input is read by this machine alone: write it to a file that the workers of "
            f"the cluster see, {_SHARED}, or to an object store such as s3://"
        )
    if colon and scheme in _LIVE:
        raise UsageError(
            f"{redact(text)} is read by one machine: have a job there send it to Kafka, as in "
            f"fixfeed --input {redact(text)} --output 'kafka://host:9092/fix.raw?format=raw', and "
            "give the cluster --input kafka://host:9092/fix.raw"
        )
    if colon and scheme == "replay":
        raise UsageError(
            f"{redact(text)} is paced by one clock, so one machine replays it: leave out --runner, "
            f"or read it at once with --input {redact(rest.partition('?')[0])}"
        )
    if "://" not in text and not os.path.isabs(text):
        raise UsageError(
            f"--input {text} names a file by the folder that this process is in, and workers of a "
            f"cluster are in others: write {os.path.abspath(text)} if that is {_SHARED}, or a URL "
            "such as s3://bucket/day.log"
        )


def _check_output(uri: str) -> None:
    scheme, _, place = uri.partition(":")
    instead = "write to postgresql://user@host/db, which all of them reach, to a lake or to Kafka"
    if scheme == "sqlite":
        raise UsageError(
            f"{redact(uri)} is a file of one machine, and the workers of a cluster are on others: "
            f"{instead}"
        )
    if scheme == "jsonl":
        raise UsageError(
            f"{redact(uri)} is written by one process, and a cluster has many on several machines: "
            f"{instead}"
        )
    if scheme == "parquet" and "://" not in place and not os.path.isabs(place.partition("?")[0]):
        raise UsageError(
            f"{redact(uri)} names a folder by the one that this process is in, and workers of a "
            f"cluster are in others: write parquet:{os.path.abspath(place)} if that is {_SHARED}"
        )


def _check_lookups(lookups: Sequence[str]) -> None:
    for text in lookups:
        place = text.rpartition(":")[0]
        if "://" not in place and not os.path.isabs(place):
            raise UsageError(
                f"--lookup {redact(text)} names a file by the folder that this process is in, and "
                f"workers of a cluster read large ones themselves: write {os.path.abspath(place)} "
                f"if that is {_SHARED}, or a URL"
            )
