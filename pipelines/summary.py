"""The summary of a run, for people and for scripts."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from fixfeed.io.files.find import Unreadable
from fixfeed.io.files.replaying import Replayed
from fixfeed.io.ledger.counts import Counts
from fixfeed.io.redaction import redact
from fixfeed.pipelines.metrics import Read
from fixfeed.pipelines.not_fix import nothing_read, without_fix, words_for
from fixfeed.pipelines.plan import Plan
from fixfeed.pipelines.unmatched import unmatched_parties
from fixfeed.transforms.lookup import Lookup
from fixfeed.transforms.protocol import Protocol

__all__ = ["Summary", "print_summary", "summary_of", "summary_of_replay"]

_DONE = "done"


@dataclass
class Summary:
    """The result of a run; `orjson.dumps` makes the JSON summary of it.

    `sinks` are the counts of each sink by name, `files` is the number of files to read, `finished`
    are those that were done already, `without_fix` are those with nothing, or almost nothing, read
    as FIX, and `unreadable` are the reasons for parts not read. `nothing_read` is true if there was
    something to read and nothing was read as FIX. `replayed` tells of a replay, and is None for any
    other run.
    """

    sinks: dict[str, Counts]
    files: int = 0
    finished: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    without_fix: list[str] = field(default_factory=list)
    nothing_read: bool = False
    unreadable: list[str] = field(default_factory=list)
    replayed: dict[str, Any] | None = None
    seconds: float = 0.0
    ended: str = _DONE
    exit_code: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every sink has accounted for all that came in to it."""
        return all(counts.adds_up for counts in self.sinks.values())

    @property
    def stopped(self) -> bool:
        """Whether the run was stopped before its end."""
        return self.ended != _DONE

    @property
    def failures(self) -> int:
        """The number of failures of the sink that has the most."""
        return max((counts.failures for counts in self.sinks.values()), default=0)


def summary_of(
    plan: Plan,
    sinks: Mapping[str, Counts],
    unreadable: Sequence[Unreadable],
    problems: Sequence[Mapping[str, Any]],
    read: Mapping[str, Read],
    *,
    lookups: Sequence[Lookup] = (),
    we_are: Sequence[str] = (),
    sessions: Collection[str] = (),
    seconds: float,
    stopped: bool,
) -> Summary:
    """Return the summary of a run; `sinks` are their counts by name.

    `problems` and `read` are those of `metrics`; `joined` of each sink gets an entry for each of
    `lookups`. `sessions` are those that messages were stored of, and `we_are` the setting.
    """
    other = [file.name for file in plan.other_rules]
    warnings = []
    if other:
        warnings.append(
            f"{_some(other)} was stored under other rules (filter, lookups, dictionaries, checks, "
            "masking, version) than this run's; what is stored stays as it is unless you add "
            "--reprocess"
        )
    shown = {one.name: redact(one.name) for one in lookups}
    sinks = {
        name: dataclasses.replace(
            counts, joined={shown[one]: counts.joined.get(one, 0) for one in shown}
        )
        for name, counts in sinks.items()
    }
    if any(counts.stored for counts in sinks.values()):
        warnings += [
            f"lookup {shown[one.name]} joined no message: none has one of its keys, such as "
            f"{next(iter(one.rows), '')!r}, as its {one.on}"
            for one in lookups
            if not any(counts.joined[shown[one.name]] for counts in sinks.values())
        ]
    if sinks and all(
        counts.filtered and not counts.stored + counts.repeated for counts in sinks.values()
    ):
        warnings.append(
            "the rules left out every message; a rule compares with the text in the message, as "
            "in 'Side = 1', not with the names of codes; with other rules add --reprocess"
        )
    warnings += unmatched_parties(we_are, sessions)
    suspicious = without_fix(plan, read)
    warnings += words_for(suspicious)
    return Summary(
        sinks=sinks,
        files=len(plan.files),
        finished=[file.name for file in (*plan.finished, *plan.copies)],
        warnings=warnings,
        without_fix=[file.name for file, _ in suspicious],
        nothing_read=nothing_read(plan, read, suspicious),
        unreadable=[
            *(f"{one.path}: {one.reason}" for one in unreadable),
            *_once_a_source(problems),
        ],
        seconds=seconds,
        ended="stopped before the end; run again to go on" if stopped else _DONE,
    )


def summary_of_replay(replayed: Replayed) -> dict[str, Any]:
    """Return what a summary has of a replay; `messages` are by the column that times are from."""
    late = replayed.lateness
    return {
        "speed": replayed.speed,
        "from": replayed.first,
        "to": replayed.last,
        "messages": {column or "none": count for column, count in replayed.by.items()},
        "late_ms": None
        if late is None
        else {
            "p50": round(late.quantile(0.5) * 1e3, 1),
            "p99": round(late.quantile(0.99) * 1e3, 1),
            "worst": round(late.worst * 1e3, 1),
        },
    }


def _once_a_source(problems: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a reason per unreadable source; a file is read in several places at once."""
    by_source: dict[str, list[str]] = {}
    for problem in sorted(problems, key=lambda problem: problem["position"]):
        by_source.setdefault(problem["source"], []).append(problem["error"])
    return [
        errors[0] + (f" (and so at {len(errors) - 1} more places of it)" if errors[1:] else "")
        for errors in by_source.values()
    ]


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def print_summary(console: Console, summary: Summary, *, protocol: Protocol) -> None:
    """Print the summary of a run as tables; `protocol` is that of its messages."""
    table = Table("", *summary.sinks, title="fixfeed", title_justify="left")
    rows = (
        ("came in", "read"),
        ("  stored", "stored"),
        ("  stored already", "repeated"),
        ("  filtered out", "filtered"),
    )
    sinks = summary.sinks.values()
    for label, key in rows:
        if key != "repeated" or any(one.repeated for one in sinks):
            table.add_row(label, *(f"{getattr(one, key):,}" for one in sinks))
    table.add_row("  set aside as failures", *(f"{one.failures:,}" for one in sinks))
    for lookup in dict.fromkeys(name for one in sinks for name in one.joined):
        table.add_row(f"joined with {lookup}", *(f"{one.joined[lookup]:,}" for one in sinks))
    table.add_row(f"lines without {protocol.name}", *(f"{one.skipped:,}" for one in sinks))
    for column in table.columns[1:]:
        column.justify, column.overflow = "right", "fold"
    console.print(table)
    _print_kinds(console, "defects", protocol.defects, [one.defects for one in sinks])
    _print_kinds(console, "failures", protocol.reasons, [one.failed for one in sinks])
    if summary.finished:
        count = len(summary.finished)
        were = "1 file was" if count == 1 else f"{count:,} files were"
        console.print(f"{were} done already and not read again")
    for text in summary.warnings:
        console.print(f"note: {text}", highlight=False, markup=False)
    for problem in summary.unreadable:
        console.print(f"not read whole: {problem}", highlight=False, markup=False)
    if summary.replayed and summary.replayed["from"]:
        console.print(_replay_in_words(summary.replayed), highlight=False, markup=False)
    seconds = summary.seconds
    most = max((one.read for one in sinks), default=0)
    rate = f"{seconds:.1f} s, {most / max(seconds, 1e-9):,.0f} messages/s"
    if summary.stopped:
        console.print(f"stopped after {rate}; run the same command again to go on")
    elif summary.unreadable:
        console.print(f"done, but not all was read, in {rate}")
    else:
        console.print(f"done in {rate}")


def _replay_in_words(replayed: Mapping[str, Any]) -> str:
    by = ", ".join(f"{count:,} by {column}" for column, count in replayed["messages"].items())
    text = f"replayed {replayed['from']:%Y-%m-%d %H:%M:%S} to {replayed['to']:%Y-%m-%d %H:%M:%S}"
    text += f" UTC; messages paced: {by}"
    late = replayed["late_ms"]
    if late is None:
        return f"{text}; as fast as it went"
    return (
        f"{text}; speed {replayed['speed']:g}, late by {late['p50']:,} ms (p50), "
        f"{late['p99']:,} ms (p99), {late['worst']:,} ms at worst"
    )


def _print_kinds(
    console: Console, title: str, meanings: Mapping[str, str], counts: Sequence[Mapping[str, int]]
) -> None:
    # Every sink gets the same, but one that had less before may have seen more of it.
    most = {kind: max(one.get(kind, 0) for one in counts) for kind in meanings} if counts else {}
    found = {kind: count for kind, count in most.items() if count}
    if not found:
        return
    table = Table(title, "", "", title_justify="left")
    table.columns[1].justify = "right"
    for kind, count in sorted(found.items(), key=lambda item: -item[1]):
        table.add_row(kind, f"{count:,}", meanings[kind])
    console.print(table)
