"""Shows what a run would read, how, and where to, for people who look before they leap.

Sinks are opened to check that this works, that their version fits, that they may be written, and
what they have of each file already. Nothing is made or changed.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from rich.console import Console
from rich.table import Table

from fixfeed.io.files.content import STANDARD_INPUT
from fixfeed.io.files.find import File, Unreadable, cut_ranges, without_copies
from fixfeed.io.files.ranges import Range
from fixfeed.io.files.remote import set_options
from fixfeed.io.jsonl.ledger import JsonlLedger
from fixfeed.io.ledger.ledger import REPLACED, Known, Ledger, SinkError, gaps
from fixfeed.pipelines.dry_run_topics import partitions_of, show_topics, standing_of
from fixfeed.pipelines.endings import DONE, UNREAD, USAGE
from fixfeed.pipelines.job import Job
from fixfeed.pipelines.partitioning import MANY, expected_files, warning_of
from fixfeed.pipelines.plan import Plan
from fixfeed.pipelines.recipe import Rules
from fixfeed.pipelines.settings import Settings
from fixfeed.pipelines.sinks import Sink
from fixfeed.transforms.fix.dictionary.choose import APPL_VER_IDS
from fixfeed.transforms.fix.dictionary.union import merged
from fixfeed.transforms.fix.secrets.masking import RAW_DATA
from fixfeed.transforms.protocol import Table as MessageTable

__all__ = ["run"]

_STATES = {
    "new": "new, {:,} bytes to read",
    "done": "done",
    "grown": "done, and has grown by {:,} bytes",
    "begun": "begun, {:,} bytes to read",
    "again": "to be replaced, {:,} bytes to read",
    "copy": "a copy of another of these files",
    "empty": "nothing to read",
}


def run(job: Job) -> int:
    """Show what a run would do; return the exit code."""
    set_options(job.settings.beam)
    files, unreadable = [], []
    for source in job.sources:
        there, not_there = source.look(job.rules.protocol)
        files += there
        unreadable += not_there
    found = _described(job, files, unreadable)
    ready = all(state["ready"] for state in found["sinks"].values())
    found["exit_code"] = USAGE if not ready else UNREAD if found["unreadable"] else DONE
    return job.ending.tell(found, _show, found["exit_code"])


def _described(job: Job, files: Sequence[File], unreadable: Sequence[Unreadable]) -> dict[str, Any]:
    """Return what a run would do, as an object for JSON."""
    settings, sinks, rules = job.settings, job.sinks, job.rules
    with ExitStack() as opened:
        states, ledgers = _tried(sinks, opened)
        plans, stored = _looked_up(settings, files, ledgers, states, rules)
        remembering = {
            sink.name: ledgers[sink.name]
            for sink in sinks
            if sink.remembers and sink.name in ledgers
        }
        standing = standing_of(job.sources, remembering, rules.digest)
    found = [
        _file(file) | {"sinks": {name: by_file[file.name] for name, by_file in stored.items()}}
        for file in files
    ]
    table = rules.protocol.table
    many = []
    for sink in sinks:
        if sink.partition_by and sink.name in plans:
            count = expected_files(plans[sink.name], sink.partition_by, rules.read, table)
            if count > MANY:
                many.append(warning_of(sink.name, sink.partition_by, count))
    return {
        "files": found,
        "partitions": partitions_of(standing),
        "warnings": [*standing.waited, *many],
        "unreadable": [f"{one.path}: {one.reason}" for one in [*unreadable, *standing.unreadable]],
        "standard_input": STANDARD_INPUT in settings.input,
        "sinks": states,
        "rules": _rules(settings, rules),
        "columns": [{"name": name, "type": str(kind)} for name, kind in _columns(settings, table)],
    }


def _file(file: File) -> dict[str, Any]:
    return {
        "name": file.name,
        "bytes": file.size,
        "compression": file.compression or None,
        "delimiter": file.framing.layout.decode("latin-1"),
    }


def _looked_up(
    settings: Settings,
    files: Sequence[File],
    ledgers: Mapping[str, Ledger | None],
    states: Mapping[str, dict[str, Any]],
    rules: Rules,
) -> tuple[dict[str, Plan], dict[str, dict[str, dict[str, Any]]]]:
    """Return each sink's plan, and the state of each file in it, by sink and file."""
    plans: dict[str, Plan] = {}
    stored: dict[str, dict[str, dict[str, Any]]] = {}
    wanted, copies = without_copies([file for file in files if file.content.known])
    for name, ledger in ledgers.items():
        known: Mapping[str, Known] = {}
        if ledger is not None:
            known = ledger.look_up([file.source for file in wanted], rules=rules.digest)
        plan = plans[name] = Plan(files=wanted)
        by_file = stored[name] = {file.name: {"state": "empty", "bytes": 0} for file in files}
        for file in wanted:
            ranges, by_file[file.name] = _file_in_sink(
                file, known.get(file.key), rules.digest, reprocess=settings.reprocess
            )
            plan.ranges += ranges
            if (
                settings.reprocess
                and isinstance(ledger, JsonlLedger)
                and ranges
                and (by_file[file.name]["state"] == "again")
            ):
                refused = str(ledger.irreplaceable(file.name))
                states[name].update(ready=False, error=refused)
        for file in copies:
            by_file[file.name] = {"state": "copy", "bytes": 0}
    return plans, stored


def _file_in_sink(
    file: File, known: Known | None, digest: str, *, reprocess: bool
) -> tuple[list[Range], dict[str, Any]]:
    """Return the ranges that a run would read of a file, and the file's state in a sink.

    The state is `new`, `done`, `grown` since it was read to its end, `begun` by a run that was
    stopped, or `again`, to be replaced. `bytes` is the number of uncompressed bytes to read.
    """
    length = file.length if file.compression else file.size
    if known is None or not known.done:
        return cut_ranges(file, ()), {"state": "new", "bytes": length, "other_rules": False}
    done = known.done
    if reprocess:  # interrupted reprocessing continues
        done = () if known.rules == {digest} else known.current
    ranges = cut_ranges(file, done, "" if reprocess else known.stored_end)
    left = sum(end - start for start, end in gaps(done, 0, length)) if ranges else 0
    if not ranges or (known.stored_end == file.stored_end and not reprocess):
        state, left = "done", 0
    elif reprocess:
        state = "again"
    else:
        state = "grown" if known.stored_end else "begun"
    used = {one.removeprefix(REPLACED) for one in known.rules}
    return ranges, {"state": state, "bytes": left, "other_rules": bool(used - {digest})}


def _tried(
    sinks: Sequence[Sink], opened: ExitStack
) -> tuple[dict[str, dict[str, Any]], dict[str, Ledger | None]]:
    """Return each sink's state, and the ledgers of those that are ready, None for new ones."""
    states: dict[str, dict[str, Any]] = {}
    ledgers: dict[str, Ledger | None] = {}
    for sink in sinks:
        try:
            ledger = sink.look()
        except SinkError as error:
            states[sink.name] = {"ready": False, "exists": None, "error": str(error)}
            continue
        states[sink.name] = {"ready": True, "exists": ledger is not None, "error": None}
        ledgers[sink.name] = ledger
        if ledger is not None:
            opened.callback(ledger.close)
    return states, ledgers


def _rules(settings: Settings, rules: Rules) -> dict[str, Any]:
    own = zip(rules.dictionary_texts, rules.dictionaries.own, strict=True)
    return {
        "validate": rules.validate,
        "captured_at": list(rules.log.captured_at),
        "log_time_zone": rules.log.time_zone or "UTC",
        "we_are": list(rules.log.we_are),
        "dictionaries": [
            {"dictionary": text, "version": one.definition["version"]} for text, one in own
        ],
        "default_appl_ver_id": APPL_VER_IDS[rules.dictionaries.default_appl_ver_id],
        "mask": {_field(tag, rules): how for tag, how in sorted(rules.masking.how.items())},
        "include": list(settings.include),
        "exclude": list(settings.exclude),
        "no_admin": settings.no_admin,
        "names": settings.names,
        "lookups": [
            {"file": one.path, "on": one.on, "rows": len(one.rows), "adds": sorted(one.columns)}
            for one in rules.lookups
        ],
        "reprocess": settings.reprocess,
        "digest": rules.digest,
    }


def _field(tag: int, rules: Rules) -> str:
    field = merged().fields.get(tag)
    name = f"{field.name} ({tag})" if field else str(tag)
    logons = tag == RAW_DATA and not rules.masking.raw_data_everywhere
    return f"{name} of Logons" if logons else name


def _columns(settings: Settings, table: MessageTable) -> list[tuple[str, Any]]:
    names = [(name, "string") for name in table.names_of_codes] if settings.names else []
    return [*((field.name, field.type) for field in table.schema), *names]


def _show(console: Console, found: Mapping[str, Any]) -> None:
    """Print what a run would do, for people."""

    def tell(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    _show_input(found, tell)
    _show_rules(found["rules"], tell)
    columns = Table("column", "type", title="a message becomes")
    for column in found["columns"]:
        columns.add_row(column["name"], column["type"])
    console.print(columns)
    for text in found["warnings"]:
        tell(f"note: {text}")
    for name, state in found["sinks"].items():
        if state["ready"]:
            tell(f"into {name} ({'there, and can be written' if state['exists'] else 'new'})")
        else:
            tell(f"into {name}: not possible: {state['error']}")


def _show_input(found: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    tell("would read")
    for file in found["files"]:
        shown = repr(file["delimiter"].encode("latin-1"))[1:]
        details = [f"{file['bytes']:,} bytes", f"delimiter {shown}"]
        details += [file["compression"]] if file["compression"] else []
        tell(f"  {file['name']} ({', '.join(details)})")
        for name, one in file["sinks"].items():
            other = ", stored under other rules" if one.get("other_rules") else ""
            tell(f"    {name}: {_STATES[one['state']].format(one['bytes'])}{other}")
    show_topics(found["partitions"], tell)
    if found["standard_input"]:
        tell("  - (standard input, which a dry run leaves alone)")
    for text in found["unreadable"]:
        tell(f"cannot read {text}")


def _show_rules(rules: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    tell(f"looking for defects: {rules['validate']}")
    for pattern in rules["captured_at"]:
        tell(f"times of capture: {pattern}, else the known forms")
    tell(f"times of capture without an offset: {rules['log_time_zone']}")
    if rules["we_are"]:
        tell(f"we are {', '.join(rules['we_are'])}")
    tell("with the dictionaries")
    for one in rules["dictionaries"]:
        tell(f"  {one['dictionary']} ({one['version']})")
    default = rules["default_appl_ver_id"]
    tell(f"  else those of fixfeed; {default} for FIXT.1.1 that does not say its version")
    tell("masking")
    for name, how in rules["mask"].items():
        tell(f"  {name}: {how}")
    tell("keeping")
    for rule in rules["include"]:
        tell(f"  only what matches {rule}" + ("" if len(rules["include"]) == 1 else ", or"))
    for rule in rules["exclude"]:
        tell(f"  nothing that matches {rule}")
    if rules["no_admin"]:
        tell("  no messages of the session level")
    if not (rules["include"] or rules["exclude"] or rules["no_admin"]):
        tell("  all messages")
    for one in rules["lookups"]:
        tell(
            f"joining {one['file']} on {one['on']}: {one['rows']:,} rows that add "
            f"{', '.join(one['adds'])}"
        )
