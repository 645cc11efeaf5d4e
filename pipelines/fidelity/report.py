"""Prints the result of a comparison."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fixfeed.pipelines.fidelity.examine import Example, Found
from fixfeed.pipelines.fidelity.kinds import KINDS, UNEXPLAINED
from fixfeed.pipelines.fidelity.levels import Key
from fixfeed.transforms.fix.dictionary.union import merged

__all__ = ["print_report"]

_LONGEST = 60


def print_report(found: Found, console: Console) -> None:
    """Print the counts and the first examples of each kind; the unexplained ones last."""
    table = Table("fixfeed and QuickFIX", "", title_justify="left")
    table.columns[1].justify = "right"
    for label, count in (
        ("messages compared", found.messages),
        ("  as they are, and read alike", found.alike),
        ("  of an explained kind alone", found.messages - found.alike - found.unexplained),
        ("  with an unexplained difference", found.unexplained),
        ("fields compared", found.fields),
        ("entries of groups compared", found.entries),
        ("failures, not compared", found.failures),
    ):
        table.add_row(label, f"{count:,}")
    console.print(table)
    if found.by_kind:
        _print_kinds(found, console)
    for kind in [*KINDS, UNEXPLAINED]:
        for example in found.examples.get(kind, []):
            console.print(f"{kind}: {_line(example)}", highlight=False, soft_wrap=True)


def _print_kinds(found: Found, console: Console) -> None:
    table = Table("kind", "messages", "differences", "", title_justify="left")
    table.columns[1].justify = table.columns[2].justify = "right"
    for kind, count in found.by_kind.most_common():
        meaning = KINDS.get(kind, "[bold red]the two differ, and nothing here says why")
        table.add_row(kind, f"{count:,}", f"{found.differences[kind]:,}", meaning)
    console.print(table)


def _line(example: Example) -> str:
    place = f"{example.file} at {example.position}"
    one = example.difference
    if not one:
        return escape(place)
    group = f" in {one.place}" if one.place else ""
    return escape(
        f"{place}, {_name(one.tag)}{group}: ours {_values(one.ours)}, theirs {_values(one.theirs)}"
    )


def _name(key: Key) -> str:
    known = merged().fields.get(key) if isinstance(key, int) else None
    return f"{known.name} ({key})" if known else repr(key)


def _values(values: list[str] | None) -> str:
    text = "nothing" if values is None else ", ".join(map(ascii, values))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
