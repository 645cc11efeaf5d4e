"""A job: every part of it made and checked, from settings, before anything is read or written."""

import dataclasses
import os
import shlex
import stat
import sys
import time
from collections.abc import Sequence
from typing import Any

from fixfeed.io.files.globs import visible
from fixfeed.io.redaction import redact, redact_property
from fixfeed.io.sql.open import PATIENCE
from fixfeed.pipelines import log
from fixfeed.pipelines.cluster.fits import check_fits
from fixfeed.pipelines.endings import Ending
from fixfeed.pipelines.health import Health
from fixfeed.pipelines.kafka_loops import loops_of
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.recipe import Rules
from fixfeed.pipelines.running import LOCAL, Watch, check_runner
from fixfeed.pipelines.settings import Settings
from fixfeed.pipelines.short_names import short_names
from fixfeed.pipelines.sinks import Sink, is_standard_output, sink_of
from fixfeed.pipelines.source import Source, Stream
from fixfeed.pipelines.sources import sources_of
from fixfeed.transforms.protocol import Protocol

__all__ = ["Job"]

_PATIENCE_OF_STREAMS = 1.0  # seconds


class Job:
    """The parts of a run: `sources`, `rules` and `sinks`, and how it is watched and reported.

    `stream` makes the feed of a source without end, and is None if all input is read to its end;
    `elsewhere` makes what workers of a cluster read it by.
    `health` is told how a stream goes. `processes` is the number of processes it can use. With
    `beside`, standard output is for messages alone, which one process writes. `fix_json` is true if
    a sink needs whole messages as JSON. `short_names` are those of the sinks by name. `loops` are
    to be refused if they are.
    """

    def __init__(self, settings: Settings, watch: Watch, ending: Ending):
        """Check the settings and read the files they name; nothing is opened for writing.

        Raises the errors that `pipelines.endings` treats as wrong usage.
        """
        check_runner(settings.runner)
        log.start(settings.log_format, settings.log_level)
        self.settings = settings
        self.watch = watch
        self.ending = ending
        self.errors = ending.console
        self.beside = any(map(is_standard_output, settings.output))
        ending.settle(settings, beside=self.beside and not settings.dry_run)
        if settings.runner not in LOCAL:
            check_fits(settings)
        if self.beside and (settings.workers or 1) > 1:
            raise UsageError(
                "standard output is written by one process alone: leave out --workers, or name a "
                "file, as in jsonl:out.jsonl"
            )
        self.rules = Rules(settings)
        self.sources = sources_of(settings.input, _for_kafka(settings))
        self.stream = _stream(self.sources, settings)
        self.elsewhere = next((one.elsewhere for one in self.sources if one.elsewhere), None)
        # A stream of this machine tries again, says so, and can be stopped in between.
        tries_again = self.stream is not None and settings.runner in LOCAL
        patience = _PATIENCE_OF_STREAMS if tries_again else PATIENCE
        self.sinks = _sinks(settings, self.rules.protocol, patience)
        alone = [sink.name for sink in self.sinks if sink.alone]
        if alone and settings.runner not in LOCAL:
            raise UsageError(
                f"{alone[0]} is written with transactions by one process, and a cluster has many: "
                "leave out transactions=true, and have readers drop what comes twice by its source "
                "and position; or leave out --runner"
            )
        if alone and (settings.workers or 1) > 1:
            raise UsageError(
                f"{alone[0]} is written with transactions, by one process alone: leave out "
                "--workers, or transactions=true"
            )
        if not settings.input:
            raise UsageError(_nothing_to_read(settings))
        if settings.metrics_wait and settings.metrics_port is None:
            raise UsageError("--metrics-wait waits for who reads --metrics-port: name a port too")
        self.loops = loops_of(settings, self.rules.protocol)
        names = [sink.name for sink in self.sinks]
        self.short_names = short_names(names)
        self.health = Health(names, longest=settings.health_lag, stopping=watch.stop)
        self.fix_json = any(sink.fix_json for sink in self.sinks)
        one_is_enough = bool(alone) or all(sink.one_writer for sink in self.sinks)
        self.processes = 1 if one_is_enough else os.cpu_count() or 1
        self.started = time.monotonic()

    @property
    def configuration(self) -> dict[str, Any]:
        """The settings of the run as they are stored, without secrets."""
        settings = dataclasses.asdict(self.settings)
        for word in ("input", "lookup", "dictionary"):
            settings[word] = [visible(redact(text)) for text in settings[word]]
        settings["output"] = [redact(uri) for uri in self.settings.output]
        settings["kafka_property"] = [redact_property(text) for text in settings["kafka_property"]]
        settings["delimiter"] = repr(self.settings.delimiter)
        # Options for Beam may hold credentials of the runner.
        del settings["beam"]
        return {**settings, "rules": self.rules.digest}

    def sinks_to_watch(self) -> list[Sink]:
        """Return the sinks for one who only looks at what they have, and waits for none."""
        return _sinks(self.settings, self.rules.protocol, _PATIENCE_OF_STREAMS)

    @staticmethod
    def say(text: str) -> None:
        """Write a sentence to the log."""
        log.say(text)


def _sinks(settings: Settings, protocol: Protocol, patience: float) -> list[Sink]:
    by, named = settings.partition_by, settings.names
    kafka = _for_kafka(settings)
    sinks = [
        sink_of(
            uri,
            partition_by=by,
            kafka=kafka,
            names=named,
            protocol=protocol,
            patience=patience,
        )
        for uri in settings.output
    ]
    places = [_place(sink.name) for sink in sinks]
    for number, sink in enumerate(sinks):
        if places[number] in places[:number]:
            raise UsageError(f"output {sink.name} is named twice")
    return sinks


def _for_kafka(settings: Settings) -> dict[str, Sequence[str]]:
    return {"kafka-property": settings.kafka_property, "kafka-topic": settings.kafka_topic}


def _place(name: str) -> str:
    """Return the name of a sink with its path, if it has one, spelt in one way."""
    scheme, _, rest = name.partition(":")
    if scheme in ("postgresql", "kafka") or is_standard_output(name):
        return name
    return f"{scheme}:{os.path.realpath(rest.removeprefix('///'))}"


def _stream(sources: Sequence[Source], settings: Settings) -> Stream | None:
    """Return the maker of the feed, None if there is no stream; refuse what does not go with it."""
    streams = [source.stream for source in sources if source.stream is not None]
    if not streams:
        return None
    if len(sources) > 1:
        raise UsageError(
            "a stream shares no job with input of another kind: start two jobs on one database, "
            "one for each --input"
        )
    if settings.reprocess:
        raise UsageError(
            "--reprocess replaces what is stored of files that are read to their end: name the "
            "files without follow: or replay:, and start the stream afterwards; what a topic or a "
            "spool has is read anew into another output"
        )
    if (settings.workers or 1) > 1:
        raise UsageError("a stream is read by one worker: leave out --workers")
    return streams[0]


def _nothing_to_read(settings: Settings) -> str:
    piped = sys.stdin is not None and stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)
    outputs = [word for uri in settings.output for word in ("--output", redact(uri))]
    command = shlex.join(["fixfeed", "--input", "-" if piped else "LOGS", *outputs])
    example = "" if piped else ", where LOGS is a file or a pattern such as 'logs/*.log'"
    return f"nothing to read: name logs with --input, as in: {command}{example}"
