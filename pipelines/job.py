"""A run of the job: what is to be read, the graph that reads it, and what came of it."""

import dataclasses
import os
import shlex
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apache_beam as beam
from rich.console import Console

from fixfeed.io.commit import Run
from fixfeed.io.files.content import STANDARD_INPUT
from fixfeed.io.files.globs import visible
from fixfeed.io.files.source import (
    File,
    ReadFromFiles,
    Unreadable,
    file_at,
    find_files,
    set_options,
)
from fixfeed.io.ledger.ledger import Ledger, SinkError, SinkFailed, gaps
from fixfeed.io.redaction import redact
from fixfeed.io.sql.store import Store
from fixfeed.pipelines import metrics
from fixfeed.pipelines.dry_run import describe, show
from fixfeed.pipelines.endings import (
    DONE,
    NOTHING_READ,
    OWN_ERROR,
    STOPPED,
    TOO_MANY_FAILURES,
    UNREAD,
    USAGE,
    Ending,
)
from fixfeed.pipelines.option import UsageError
from fixfeed.pipelines.partitioning import MANY, expected_files, warning_of
from fixfeed.pipelines.plan import Plan, make_plan
from fixfeed.pipelines.progress import shown
from fixfeed.pipelines.recipe import Rules
from fixfeed.pipelines.running import LOCAL, Stop, Watch, check_runner, runner_of
from fixfeed.pipelines.settings import Settings
from fixfeed.pipelines.sinks import Sink, sink_of
from fixfeed.pipelines.standard_input import spool
from fixfeed.pipelines.summary import adds_up, print_summary, summary_of
from fixfeed.transforms.batch import UNREADABLE

__all__ = ["Job", "build"]

_SMALL = 8 << 20  # bytes below which starting worker processes takes longer than reading


def build(
    root: beam.Pipeline,
    *,
    source: beam.PTransform,
    parse: beam.PTransform,
    steps: Sequence[tuple[str, beam.PTransform]],
    sinks: Sequence[tuple[str, beam.PTransform]],
) -> None:
    """Draw the whole graph from finished parts: source, parser, steps, and all sinks."""
    batches = root | "Read" >> source | "Parse" >> parse
    for label, step in steps:
        batches = batches | label >> step
    for label, sink in sinks:
        _ = batches | label >> sink


class Job:
    """A run, from settings that are finished objects."""

    def __init__(self, settings: Settings, watch: Watch, ending: Ending):
        """Check the settings and read the files they name; nothing is opened to be written.

        Raises what `pipelines.endings` takes for wrong usage.
        """
        check_runner(settings.runner)
        self.settings = settings
        self.watch = watch
        self.ending = ending
        self.errors = Console(stderr=True)
        self.sinks: list[Sink] = [
            sink_of(uri, partition_by=settings.partition_by, names=settings.names)
            for uri in settings.output
        ]
        names = [sink.name for sink in self.sinks]
        if len(set(names)) < len(names):
            raise UsageError(f"output {max(names, key=names.count)} is named twice")
        if not settings.input:
            command = shlex.join(
                ["fixfeed", "--input", "-" if _piped() else "LOGS"]
                + [word for sink in self.sinks for word in ("--output", sink.name)]
            )
            example = "" if _piped() else ", where LOGS is a file or a pattern such as 'logs/*.log'"
            raise UsageError(f"nothing to read: name logs with --input, as in: {command}{example}")
        self.fix_json = any(sink.fix_json for sink in self.sinks)
        one_is_enough = all(sink.one_writer for sink in self.sinks)
        self.processes = 1 if one_is_enough else os.cpu_count() or 1
        self.beside = any(sink.stdout for sink in self.sinks)
        if self.beside and (settings.runner not in LOCAL or (settings.workers or 1) > 1):
            raise UsageError(
                "standard output is written by one process alone: leave out --workers and "
                "--runner, or name a file, as in jsonl:out.jsonl"
            )
        ending.settle(settings, beside=self.beside and not settings.dry_run)
        self.rules = Rules(settings)
        self.started = time.monotonic()

    def run(self, folder: Path) -> int:
        """Read what there is to read, tell what came of it, and return the exit code.

        `folder` is the run's own, for counters and standard input.
        """
        stop = self.watch.stop
        patterns = [one for one in self.settings.input if one != STANDARD_INPUT]
        set_options(self.settings.beam)
        files, unreadable = find_files(patterns, self.rules.protocol)
        if len(patterns) < len(self.settings.input) and not self.settings.dry_run:
            spooled = spool(folder, stop)
            if isinstance(spooled, Unreadable):
                unreadable.append(spooled)
            else:
                files.append(file_at(spooled, STANDARD_INPUT, self.rules.protocol))
        if self.settings.dry_run:
            return self._dry_run(files, unreadable)
        counters = folder / "metrics"
        counters.mkdir()
        metrics.start(counters)
        with ExitStack() as stack:
            ledgers: dict[str, Ledger] = {}
            for sink in self.sinks:
                ledger = _opened(sink)
                stack.callback(ledger.close)
                ledger.prepare()
                ledgers[sink.name] = ledger
            runs = {
                name: (store, store.begin_run(version("fixfeed"), self._configuration()))
                for name, store in ledgers.items()
                if isinstance(store, Store)
            }
            plan = Plan()
            warnings: list[str] = []
            if not stop():
                plan = make_plan(
                    files,
                    ledgers,
                    rules=self.rules.digest,
                    reprocess=self.settings.reprocess,
                    longest=self.settings.max_message,
                )
                warnings = self._many_files(plan)
                self._read(plan, ledgers, counters, stop)
            problems = metrics.problems(counters)
            counted = metrics.totals(counters)
            for name, read_after_all in self._finish(plan, ledgers, problems, stop).items():
                if read_after_all:
                    counted[name]["read"] -= read_after_all
                    counted[name]["failed"][UNREADABLE] -= read_after_all
            summary = summary_of(
                plan,
                {sink.name: counted.get(sink.name, metrics.empty()) for sink in self.sinks},
                unreadable,
                problems,
                metrics.read_of(counters),
                lookups=self.rules.lookups,
                seconds=time.monotonic() - self.started,
                stopped=stop(),
            )
            summary["warnings"] += warnings
            code = self._exit_code(summary)
            self._say_why(code, summary)
            for store, run_id in runs.values():
                store.end_run(run_id, summary["sinks"].get(store.place, {}), summary["ended"])
        return self.ending.tell(summary, print_summary, code)

    def _dry_run(self, files: Sequence[File], unreadable: Sequence[Unreadable]) -> int:
        found = describe(self.settings, files, unreadable, self.sinks, self.rules)
        unready = not all(state["ready"] for state in found["sinks"].values())
        code = USAGE if unready else UNREAD if unreadable else DONE
        return self.ending.tell(found, show, code)

    def _read(self, plan: Plan, ledgers: Mapping[str, Ledger], counters: Path, stop: Stop) -> None:
        settings = self.settings
        if plan.ranges:
            processes = settings.workers or self.processes
            if self.beside or (plan.expected < _SMALL and settings.workers is None):
                processes = 1
            processes = min(processes, len(plan.ranges))
            runner, options = runner_of(
                settings.runner,
                processes=processes,
                beam=settings.beam,
                workers=self.watch.workers,
            )
            quiet = settings.quiet or settings.runner not in LOCAL
            watched = shown(plan.expected, lambda: _so_far(counters), self.errors)
            with ExitStack() as stack:
                if not quiet:
                    stack.enter_context(watched)
                pipeline = beam.Pipeline(runner=runner, options=options)
                build(
                    pipeline,
                    source=ReadFromFiles(plan.ranges, stop=stop, options=settings.beam),
                    parse=self.rules.parse(fix_json=self.fix_json),
                    steps=self.rules.steps,
                    sinks=[
                        (
                            f"Write{number}",
                            sink.write(
                                Run(
                                    plan.sources[sink.name],
                                    self.rules.digest,
                                    settings.reprocess,
                                    metrics.Committed(sink.name, counters),
                                )
                            ),
                        )
                        for number, sink in enumerate(self.sinks, 1)
                    ],
                )
                pipeline.run().wait_until_finish()

    def _finish(
        self,
        plan: Plan,
        ledgers: Mapping[str, Ledger],
        problems: Sequence[Mapping[str, Any]],
        stop: Stop,
    ) -> dict[str, int]:
        """End the run in the ledgers; return in how many unread places each is done after all.

        A range that cannot be opened does not know where the one before it ends, and that one may
        have been read.
        """
        damaged = {problem["source"] for problem in problems}
        result = {}
        for name, ledger in ledgers.items():
            ids = plan.sources.get(name, {})
            ends = {
                ids[file.key]: "" if stop() or file.key in damaged else file.stored_end
                for file in plan.files
            }
            done = ledger.finish(ends)
            result[name] = sum(
                not gaps(done[ids[one["source"]]], one["position"], one["position"] + 1)
                for one in problems
            )
        return result

    def _many_files(self, plan: Plan) -> list[str]:
        """Return, and tell at once, for which sinks the plan makes very many files."""
        found = []
        for sink in self.sinks:
            if sink.partition_by:
                files = expected_files(plan, sink.partition_by, self.rules.read)
                if files > MANY:
                    found.append(warning_of(sink.name, sink.partition_by, files))
        for text in found:
            self.errors.print(
                f"fixfeed: note: {text}", highlight=False, markup=False, soft_wrap=True
            )
        return found

    def _exit_code(self, summary: Mapping[str, Any]) -> int:
        if not adds_up(summary["sinks"]):
            self.errors.print(
                "fixfeed: the counts do not add up; this is an error of fixfeed's own"
            )
            return OWN_ERROR
        if summary["ended"] != "done":
            return STOPPED
        if summary["unreadable"]:
            return UNREAD
        most = self.settings.max_failures
        failed = max(sum(one["failed"].values()) for one in summary["sinks"].values())
        if most is not None and failed > most:
            return TOO_MANY_FAILURES
        return NOTHING_READ if summary["nothing_read"] else DONE

    def _say_why(self, code: int, summary: Mapping[str, Any]) -> None:
        """Say on standard error what a summary on standard output may hide from scripts."""
        failed = max((sum(one["failed"].values()) for one in summary["sinks"].values()), default=0)
        why = {
            UNREAD: f"not read whole: {'; '.join(summary['unreadable'][:3])}",
            TOO_MANY_FAILURES: f"{failed:,} failures, and --max-failures allows "
            f"{self.settings.max_failures}; fixfeed failures shows them",
            NOTHING_READ: "nothing, or almost nothing, was read as FIX; see the notes",
        }
        if code in why:
            self.errors.print(
                f"fixfeed: {why[code]}", highlight=False, markup=False, soft_wrap=True
            )

    def _configuration(self) -> dict[str, Any]:
        settings = dataclasses.asdict(self.settings) | {"output": [s.name for s in self.sinks]}
        for word in ("input", "lookup", "dictionary"):
            settings[word] = [visible(redact(text)) for text in settings[word]]
        settings["delimiter"] = repr(self.settings.delimiter)
        # Options for Beam may hold credentials of the runner.
        del settings["beam"]
        return {**settings, "rules": self.rules.digest}


def _piped() -> bool:
    return sys.stdin is not None and stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)


def _opened(sink: Sink) -> Ledger:
    try:
        return sink.ledger()
    except SinkFailed as error:
        # It never was open: what was asked for may be wrong as well.
        raise SinkError(str(error)) from error


def _so_far(counters: Path) -> tuple[int, int]:
    counts = metrics.totals(counters).values()
    octets = min((one["bytes"] for one in counts), default=0)
    return octets, min((one["read"] for one in counts), default=0)
