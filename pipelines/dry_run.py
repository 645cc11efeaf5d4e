"""What a run would read, how, and where to, for people who look before they leap.

Sinks are opened to look: whether they can be, whether their version fits and they may be written,
and what they have of each file already. Nothing is made or changed.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from rich.console import Console
from rich.table import Table

from fixio.files import File, Unreadable
from fixio.ledger import Ledger, SinkError
from pipelines.connectors import Sink
from pipelines.options import Settings
from pipelines.rules import Rules
from transforms.fix.choice import APPL_VER_IDS
from transforms.fix.dictionary import merged
from transforms.fix.masking import RAW_DATA
from transforms.fix.schema import MESSAGES, NAMED

__all__ = ["describe", "show"]


def describe(
    settings: Settings,
    files: Sequence[File],
    unreadable: Sequence[Unreadable],
    sinks: Sequence[Sink],
    rules: Rules,
) -> dict[str, Any]:
    """Return what a run with these settings would do, as an object for JSON."""
    with ExitStack() as opened:
        states, _ = _tried(sinks, opened)
        found = [_file(file) for file in files]
    return {
        "files": found,
        "unreadable": [f"{one.path}: {one.reason}" for one in unreadable],
        "standard_input": "-" in settings.input,
        "sinks": states,
        "rules": _rules(settings, rules),
        "columns": [{"name": name, "type": str(kind)} for name, kind in _columns(settings)],
    }


def _file(file: File) -> dict[str, Any]:
    return {
        "name": file.name,
        "bytes": file.size,
        "compression": file.compression or None,
        "delimiter": file.delimiter.decode("latin-1"),
    }


def _tried(
    sinks: Sequence[Sink], opened: ExitStack
) -> tuple[dict[str, dict[str, Any]], dict[str, Ledger]]:
    """Return how each sink is, and what those remember that remember something."""
    states: dict[str, dict[str, Any]] = {}
    ledgers = {}
    for sink in sinks:
        try:
            ledger = sink.look()
        except SinkError as error:
            states[sink.name] = {"ready": False, "exists": None, "error": str(error)}
            continue
        states[sink.name] = {"ready": True, "exists": ledger is not None, "error": None}
        if ledger is not None:
            opened.callback(ledger.close)
            ledgers[sink.name] = ledger
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


def _columns(settings: Settings) -> list[tuple[str, Any]]:
    names = [(f"{name}_name", "string") for name in NAMED] if settings.names else []
    return [*((field.name, field.type) for field in MESSAGES), *names]


def show(console: Console, found: Mapping[str, Any]) -> None:
    """Print what `describe` has found for people."""

    def tell(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    rules = found["rules"]
    tell("would read")
    for file in found["files"]:
        shown = repr(file["delimiter"].encode("latin-1"))[1:]
        details = [f"{file['bytes']:,} bytes", f"delimiter {shown}"]
        details += [file["compression"]] if file["compression"] else []
        tell(f"  {file['name']} ({', '.join(details)})")
    if found["standard_input"]:
        tell("  - (standard input, which a dry run leaves alone)")
    for text in found["unreadable"]:
        tell(f"cannot read {text}")
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
    columns = Table("column", "type", title="a message becomes")
    for column in found["columns"]:
        columns.add_row(column["name"], column["type"])
    console.print(columns)
    for name, state in found["sinks"].items():
        if state["ready"]:
            tell(f"into {name} ({'there, and can be written' if state['exists'] else 'new'})")
        else:
            tell(f"into {name}: not possible: {state['error']}")
