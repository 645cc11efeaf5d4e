"""The job: FIX logs in, every message accounted for, in a database or in Parquet.

python -m pipelines.fixfeed --input 'logs/*.log.gz' --output sqlite:///fixfeed.db
"""

import dataclasses
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import apache_beam as beam
import orjson
from rich.console import Console
from rich.table import Table

from fixio.files import File, ReadFromFiles, Unreadable, find_files, set_options
from fixio.ledger import Ledger, SinkError
from fixio.store import Store
from pipelines import metrics
from pipelines.connectors import Sink, UnknownPlace, sink_of
from pipelines.options import Settings, UsageError, read_settings
from pipelines.plan import Plan, make_plan, waves
from pipelines.progress import shown
from pipelines.running import LOCAL, Stop, runner_of, stopping
from pipelines.summary import adds_up, print_summary
from transforms.enrich import Enrich, Lookup, LookupFileError
from transforms.filter import Filter
from transforms.fix.rules import RuleError
from transforms.fix.schema import MESSAGES
from transforms.parse import ParseFix

__all__ = ["build", "main"]

DONE, OWN_ERROR, USAGE, UNREAD, TOO_MANY_FAILURES, STOPPED = range(6)
"""The exit codes."""

_WORKER_LOG = "workers.log"
_SMALL = 8 << 20  # bytes below which starting worker processes takes longer than reading


def build(
    root: beam.Pipeline,
    *,
    source: beam.PTransform,
    parse: beam.PTransform,
    steps: Sequence[tuple[str, beam.PTransform]],
    sinks: Sequence[tuple[str, beam.PTransform]],
) -> None:
    """Draw the whole graph from finished parts: source, ParseFix, steps, and all sinks."""
    batches = root | "Read" >> source | "Parse" >> parse
    for label, step in steps:
        batches = batches | label >> step
    for label, sink in sinks:
        _ = batches | label >> sink


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job with these arguments (the command line's by default); return the exit code."""
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    errors = Console(stderr=True)
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments, os.environ)
        job = _Job(settings, errors)
    except (UsageError, UnknownPlace, RuleError, LookupFileError) as error:
        errors.print(
            f"fixfeed: {error}", style="red", highlight=False, markup=False, soft_wrap=True
        )
        return USAGE
    folder = Path(tempfile.mkdtemp(prefix="fixfeed-run-"))
    try:
        return job.run(folder)
    except SinkError as error:
        errors.print(
            f"fixfeed: {error}", style="red", highlight=False, markup=False, soft_wrap=True
        )
        return USAGE
    except Exception:
        traceback.print_exc()
        log = folder / _WORKER_LOG
        if log.exists():
            errors.print(
                *log.read_text(errors="replace").splitlines()[-30:], sep="\n", markup=False
            )
        errors.print("fixfeed: this is an error of fixfeed's own; what was committed is stored")
        return OWN_ERROR
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Job:
    """A run, from settings that are finished objects."""

    def __init__(self, settings: Settings, errors: Console):
        if not settings.input:
            raise UsageError("nothing to read: name logs with --input; see fixfeed --help")
        self.settings = settings
        self.errors = errors
        self.sinks: list[Sink] = [
            sink_of(uri, partition_by=settings.partition_by) for uri in settings.output
        ]
        names = [sink.name for sink in self.sinks]
        if len(set(names)) < len(names):
            raise UsageError(f"output {max(names, key=names.count)} is named twice")
        self.lookups = [_lookup(text) for text in settings.lookup]
        self.steps: list[tuple[str, beam.PTransform]] = [
            (
                "Filter",
                Filter(
                    include=settings.include,
                    exclude=settings.exclude,
                    admin=not settings.no_admin,
                ),
            ),
            ("Enrich", Enrich(names=settings.names, lookups=self.lookups)),
        ]
        self.rules = self._rules()
        self.started = time.monotonic()

    def _rules(self) -> str:
        """Return the digest of all that decides what is stored of a message."""
        settings = self.settings
        parts = [
            version("fixfeed"),
            *settings.include,
            "exclude",
            *settings.exclude,
            str(settings.no_admin),
            *(lookup.digest for lookup in self.lookups),
        ]
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()

    def run(self, folder: Path) -> int:
        patterns = [pattern for pattern in self.settings.input if pattern != "-"]
        if len(patterns) < len(self.settings.input) and not self.settings.dry_run:
            patterns.append(_spool(folder))
        set_options(self.settings.beam)
        files, unreadable = find_files(patterns, delimiter=self.settings.delimiter)
        files = [
            dataclasses.replace(file, name="-") if Path(file.path).parent == folder else file
            for file in files
        ]
        if self.settings.dry_run:
            self._show(files, unreadable)
            return UNREAD if unreadable else DONE
        counters = folder / "metrics"
        counters.mkdir()
        metrics.start(counters)
        stop = Stop(folder)
        with ExitStack() as stack, stopping(stop):
            ledgers: dict[str, Ledger] = {}
            for sink in self.sinks:
                ledger = sink.ledger()
                stack.callback(ledger.close)
                ledger.prepare()
                ledgers[sink.name] = ledger
            runs = {
                name: (store, store.begin_run(version("fixfeed"), self._configuration()))
                for name, store in ledgers.items()
                if isinstance(store, Store)
            }
            plans = []
            for wave in waves(files):
                if not stop():
                    plan = make_plan(
                        wave, ledgers, rules=self.rules, reprocess=self.settings.reprocess
                    )
                    plans.append(plan)
                    self._read(plan, ledgers, counters, stop)
            summary = self._summary(plans, unreadable, metrics.problems(counters), counters, stop())
            code = self._exit_code(summary)
            for store, run_id in runs.values():
                store.end_run(run_id, summary["sinks"].get(store.place, {}), summary["ended"])
        if self.settings.json:
            sys.stdout.buffer.write(orjson.dumps(summary | {"exit_code": code}) + b"\n")
            sys.stdout.flush()
        else:
            print_summary(summary, Console())
        return code

    def _read(self, plan: Plan, ledgers: Mapping[str, Ledger], counters: Path, stop: Stop) -> None:
        settings = self.settings
        if plan.ranges:
            processes = settings.workers or os.cpu_count() or 1
            if plan.expected < _SMALL and settings.workers is None:
                processes = 1
            processes = min(processes, len(plan.ranges))
            runner, options = runner_of(
                settings.runner,
                processes=processes,
                beam=settings.beam,
                log=counters.parent / _WORKER_LOG,
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
                    parse=ParseFix(),
                    steps=self.steps,
                    sinks=[
                        (
                            f"Write{number}",
                            sink.write(
                                plan.sources[sink.name],
                                self.rules,
                                settings.reprocess,
                                metrics.Committed(sink.name, counters),
                            ),
                        )
                        for number, sink in enumerate(self.sinks, 1)
                    ],
                )
                pipeline.run().wait_until_finish()
        damaged = {problem["source"] for problem in metrics.problems(counters)}
        for name, ledger in ledgers.items():
            ids = plan.sources[name]
            marks = {
                ids[file.key]: file.mark(whole=not stop() and file.key not in damaged)
                for file in plan.files
            }
            ledger.finish(
                marks,
                rules=self.rules,
                reprocessed=ids.values() if settings.reprocess and not stop() else (),
            )

    def _summary(
        self,
        plans: Sequence[Plan],
        unreadable: Sequence[Unreadable],
        problems: Sequence[Mapping[str, Any]],
        counters: Path,
        stopped: bool,
    ) -> dict[str, Any]:
        found = metrics.totals(counters)
        other = [file.name for plan in plans for file in plan.other_rules]
        warnings = []
        if other:
            warnings.append(
                f"{_some(other)} was stored under other rules (filter, lookups or version) than "
                "this run's; what is stored stays as it is unless you add --reprocess"
            )
        return {
            "sinks": {sink.name: found.get(sink.name, metrics.empty()) for sink in self.sinks},
            "files": sum(len(plan.files) for plan in plans),
            "finished": [file.name for plan in plans for file in plan.finished],
            "warnings": warnings,
            "unreadable": [
                *(f"{one.path}: {one.reason}" for one in unreadable),
                *(problem["error"] for problem in problems),
            ],
            "seconds": time.monotonic() - self.started,
            "ended": "stopped before the end; run again to go on" if stopped else "done",
        }

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
        return TOO_MANY_FAILURES if most is not None and failed > most else DONE

    def _configuration(self) -> dict[str, Any]:
        settings = dataclasses.asdict(self.settings) | {"output": [s.name for s in self.sinks]}
        settings["delimiter"] = repr(self.settings.delimiter)
        # Options for Beam may hold credentials of the runner.
        del settings["beam"]
        return {**settings, "rules": self.rules}

    def _show(self, files: Sequence[File], unreadable: Sequence[Unreadable]) -> None:
        """Print what would be read and what a message becomes; write nothing."""
        console = Console()
        console.print("would read")
        for file in files:
            details = [f"{file.size:,} bytes", f"delimiter {repr(file.delimiter)[1:]}"]
            details += [file.compression] if file.compression else []
            console.print(f"  {file.name} ({', '.join(details)})", soft_wrap=True, highlight=False)
        for one in unreadable:
            console.print(f"cannot read {one.path}: {one.reason}", highlight=False)
        columns = Table("column", "type", title="a message becomes")
        for field in MESSAGES:
            columns.add_row(field.name, str(field.type))
        console.print(columns)
        for sink in self.sinks:
            console.print(f"into {sink.name}", highlight=False)


def _lookup(text: str) -> Lookup:
    path, separator, column = text.rpartition(":")
    if not separator or not path:
        raise UsageError(f"lookup is {text!r}, expected FILE:COLUMN, as in symbols.csv:symbol")
    return Lookup.read(path, on=column)


def _spool(folder: Path) -> str:
    """Copy standard input to a file of the run, so that it can be read in parallel."""
    path = folder / "standard-input"
    with open(path, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    return str(path)


def _so_far(counters: Path) -> tuple[int, int]:
    counts = metrics.totals(counters).values()
    octets = min((one["bytes"] for one in counts), default=0)
    return octets, min((one["read"] for one in counts), default=0)


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


if __name__ == "__main__":
    sys.exit(main())
