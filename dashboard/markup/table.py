"""A table as HTML: escaped, with links, and with what is wrong in red."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from fixfeed.dashboard.markup.text import cell, escaped

__all__ = ["Cell", "table_of"]


class Cell(NamedTuple):
    """A value, where it leads, and whether it is bad news."""

    value: Any
    address: str | None = None
    bad: bool = False


def table_of(
    heads: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    wrong: Sequence[bool] = (),
    empty: str = "",
) -> str:
    """Return a table; a head that begins with `#` is of a column of numbers.

    `wrong` says which rows are red as a whole; `empty` is what to say if there is no row.

    >>> table_of(["a"], [], empty="None.")
    '<p class="ff-place">None.</p>'
    """
    if not rows:
        return f'<p class="ff-place">{escaped(empty)}</p>'
    kinds = [' class="ff-number"' if head.startswith("#") else "" for head in heads]
    top = "".join(
        f"<th{kind}>{escaped(head.removeprefix('#'))}</th>"
        for head, kind in zip(heads, kinds, strict=True)
    )
    body = []
    for number, row in enumerate(rows):
        cells = "".join(
            f"<td{kind}>{_shown(one)}</td>" for one, kind in zip(row, kinds, strict=True)
        )
        red = ' class="ff-wrong"' if wrong and wrong[number] else ""
        body.append(f"<tr{red}>{cells}</tr>")
    return (
        f'<div class="ff-scroll"><table class="ff-table"><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _shown(one: Cell) -> str:
    text = cell(one.value)
    if one.address and text:
        text = f'<a href="{escaped(one.address)}" target="_self">{text}</a>'
    return f'<span class="ff-badge ff-badge-bad">{text}</span>' if one.bad and text else text
